// Emptying a segment: what it holds that is still needed is committed anew, synchronously, and then its file goes.

internal import Primitives
internal import SegmentLog

extension Journal {
    /// How long after a failure the disk is left alone.
    static let retryMilliseconds: Int64 = 250
    /// Copies are made in steps of about so many bytes.
    var stepBytes: Int { min(options.segmentBytes / 2, 256 << 10) }

    /// Commits anew what troubled segments hold, before anything else is written or acknowledged.
    func repair(now: Timestamp) throws(JournalError) {
        noteTrouble()
        guard trouble != nil else { return }
        for segment in log.segments.map(\.sequence) where ledger[segment].isTroubled {
            try evacuate(segment, budget: .max, now: now)
            ledger[segment].isTroubled = false
            ledger[segment].isEvacuated = true
        }
        noteTrouble()
        // Their files are not in the way: what can't be removed now is removed by maintenance.
        for segment in log.segments.map(\.sequence) where ledger[segment].isEvacuated {
            do throws(JournalError) { try retire(segment, now: now) } catch { return }
        }
    }

    /// As `repair`; when it fails the journal is degraded, and that is all.
    func tryRepair(now: Timestamp) {
        do throws(JournalError) {
            try repair(now: now)
        } catch {
            retryAt = now.advanced(byMilliseconds: Self.retryMilliseconds)
        }
    }

    /// Takes over from the log which segments a fdatasync failed on.
    func noteTrouble() {
        for segment in log.segments where segment.isUncertain && !ledger[segment.sequence].isEvacuated {
            ledger[segment.sequence].isTroubled = true
        }
        guard log.segments.contains(where: { ledger[$0.sequence].isTroubled }) else {
            trouble = nil
            return
        }
        if trouble == nil {
            trouble = log.failure ?? FileError(operation: .synchronize, path: options.directory, code: .inputOutput)
        }
    }

    /// Throws while the disk failed a moment ago and there is nowhere to write.
    func refuseWhileDegraded(now: Timestamp) throws(JournalError) {
        guard let failure = trouble ?? (log.activeSequence == nil ? log.failure : nil), now < retryAt else { return }
        // A clock that went back must not keep the journal shut.
        if retryAt.milliseconds(since: now) > Self.retryMilliseconds { return }
        throw .degraded(failure)
    }

    /// Copies about `budget` bytes of what is needed of a segment; true when nothing of it is needed any more.
    ///
    /// Needed are live records, and ends whose entries lie in other files: those would come back without them.
    @discardableResult
    func evacuate(_ segment: UInt32, budget: Int, now: Timestamp) throws(JournalError) -> Bool {
        if log.activeSequence == segment { log.sealActive() }
        var left = budget
        try moveEnds(of: segment, now: now)
        let entries = ledger[segment].entries.filter { ledger.entries[$0]?.segment == segment }
        let notes = ledger[segment].notes.filter { ledger.notes[$0]?.segment == segment }
        var movedEntries: [LiveEntry] = []
        var movedNotes: [LiveNote] = []
        defer { moving.removeAll() }
        for sequence in entries {
            guard left > 0 else { return false }
            guard let live = ledger.entries[sequence], live.segment == segment else { continue }
            if !moving.isEmpty, moving.footprint + live.bytes > stepBytes {
                try commitMoved(&movedEntries, &movedNotes, now: now)
            }
            moving.append(live.entry)
            movedEntries.append(live)
            left -= live.bytes
        }
        for id in notes {
            guard left > 0 else { break }
            guard let live = ledger.notes[id], live.segment == segment else { continue }
            if !moving.isEmpty, moving.footprint + live.bytes > stepBytes {
                try commitMoved(&movedEntries, &movedNotes, now: now)
            }
            moving.append(live.note)
            movedNotes.append(live)
            left -= live.bytes
        }
        if !moving.isEmpty { try commitMoved(&movedEntries, &movedNotes, now: now) }
        return ledger[segment].liveBytes == 0
    }

    private func commitMoved(
        _ entries: inout [LiveEntry], _ notes: inout [LiveNote], now: Timestamp
    ) throws(JournalError) {
        let target = try commitMoving(now: now)
        for live in entries {
            ledger[target].entries.append(live.entry.sequence)
            ledger.place(
                live.entry, in: target, bytes: JournalRecord.footprint(key: 8, value: live.entry.payload.count))
        }
        for live in notes {
            ledger[target].notes.append(live.note.id)
            ledger.place(live.note, in: target, bytes: live.bytes)
        }
        entries = []
        notes = []
    }

    /// Commits what was staged in `moving`, durably.
    func commitMoving(now: Timestamp) throws(JournalError) -> UInt32 {
        defer { moving.removeAll() }
        let needed = moving.footprint + overhead
        while chargedBytes + needed > options.maxBytes, !damaged.isEmpty { try removeOldestDamaged(now: now) }
        guard chargedBytes + needed <= options.maxBytes else {
            throw .full(needed: needed, free: max(0, options.maxBytes - chargedBytes))
        }
        counters.compactedBytes += moving.byteCount
        return try commit(moving, synchronously: true, now: now)
    }

    /// The oldest segment's ends concern itself alone. Those of another are needed while their entries lie elsewhere.
    private func moveEnds(of segment: UInt32, now: Timestamp) throws(JournalError) {
        guard segment != log.segments.first?.sequence else { return }
        var entries = Set(ledger[segment].endedEntries)
        var notes = Set(ledger[segment].endedNotes)
        guard !entries.isEmpty || !notes.isEmpty else { return }
        var lying: Set<UInt64> = []
        var lyingNotes: Set<UInt64> = []
        for other in log.segments where other.sequence != segment {
            for sequence in ledger[other.sequence].entries where entries.contains(sequence) { lying.insert(sequence) }
            for id in ledger[other.sequence].notes where notes.contains(id) { lyingNotes.insert(id) }
        }
        entries = lying.filter { ledger.entries[$0] == nil }
        notes = lyingNotes.filter { ledger.notes[$0] == nil }
        guard !entries.isEmpty || !notes.isEmpty else { return }
        moving.append(endOf: entries.sorted(), notes: notes.sorted())
        let target = try commitMoving(now: now)
        ledger[target].endedEntries.append(contentsOf: entries)
        ledger[target].endedNotes.append(contentsOf: notes)
        ledger[segment].endedEntries = []
        ledger[segment].endedNotes = []
    }

    /// Removes an evacuated segment; keeps its file beside where it is damaged.
    func retire(_ segment: UInt32, now: Timestamp) throws(JournalError) {
        precondition(ledger[segment].liveBytes == 0, "BUG: removing segment \(segment), of which something lives")
        if log.activeSequence == segment { log.sealActive() }
        if !log.segments.contains(where: { $0.sequence > segment && ledger[$0.sequence].hasNumbers }) {
            moving.append(numbers)
            ledger[try commitMoving(now: now)].hasNumbers = true
        }
        do throws(SegmentLogError) {
            // What replaced its records must be durable before they go.
            if log.isUnsynchronized { try log.synchronize() }
            if ledger[segment].isDamaged, let found = log.segment(segment), found.fileSize > 0 {
                try log.setAside(segment)
                damaged.add(segment: segment, path: found.file.path + DamagedFiles.suffix, bytes: found.fileSize)
            } else {
                try log.remove(segment)
            }
        } catch {
            noteTrouble()
            retryAt = now.advanced(byMilliseconds: Self.retryMilliseconds)
            throw JournalError(commit: error)
        }
        ledger.accounts[segment] = nil
        try keepDamagedWithinBounds(now: now)
    }

    private func keepDamagedWithinBounds(now: Timestamp) throws(JournalError) {
        while damaged.isOver(JournalOptions.damagedFilesMax, options.damagedBytesMax) {
            try removeOldestDamaged(now: now)
        }
    }

    /// Empties and removes the oldest segment.
    func reclaimOldest(now: Timestamp) throws(JournalError) {
        guard let oldest = log.segments.first?.sequence else { return }
        try evacuate(oldest, budget: .max, now: now)
        try retire(oldest, now: now)
    }
}
