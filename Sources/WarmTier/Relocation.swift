// Emptying one segment: what is alive is copied forward, or evicted, and then the file goes.
//
// DESIGN. A record is alive when the index points at it. Of those that are past their time, deletions and expired
// values alike, the newest of a key must not vanish while an older record of that key may lie in another file: a
// restart would bring the older one back. Each record therefore carries the range of segments that may hold older ones
// (ShadowRange); while one of them exists, a tombstone goes forward in its place. When none is left, nothing needs to
// be written.
//
// Copies are made in steps, so that maintenance does a bounded amount of work at a time; the file is removed when all
// of it has been gone through and the copies are durable. Until then both exist, and the newer wins.
//
// What is let go is gone from the index at once, and from the disk only with the file, which may be much later where
// the disk fails, or never where the process ends first: a restart brings it back, as old as it was. So the ledger
// knows such segments (`letGo`), and what is written or deleted meanwhile shadows them: a deletion is then a record of
// its own though nothing is held, and stays until they have gone.

internal import Primitives
internal import SegmentLog

struct Relocation {
    let sequence: UInt32
    /// Nil: all that lives is copied. Else at most so many bytes of what was read since it was written; the rest goes.
    let secondChanceBytes: Int?
    fileprivate var secondChancesLeft: Int
    fileprivate var lines: [RecordSummary]?
    fileprivate var position = 0

    init(compacting sequence: UInt32) {
        self.sequence = sequence
        secondChanceBytes = nil
        secondChancesLeft = 0
    }

    init(evicting sequence: UInt32, secondChanceBytes: Int) {
        self.sequence = sequence
        self.secondChanceBytes = max(0, secondChanceBytes)
        secondChancesLeft = max(0, secondChanceBytes)
    }
}

extension WarmWriter {
    /// A record on its way forward.
    private struct Move {
        var entry: IndexEntry
        /// Flags that the copy takes over.
        var keeping: IndexEntry.Flags
    }

    /// Copies at most this much at a time, bounded by what a batch may be.
    private var stepBytes: Int { min(segmentBytes / 2, 256 << 10) }

    /// Runs a relocation to its end.
    func finish(_ relocation: Relocation, now: Timestamp) throws(WarmError) {
        var relocation = relocation
        while try !advance(&relocation, budget: stepBytes, now: now) {}
    }

    /// Goes through about `budget` bytes of the victim's records; true when its file is gone.
    func advance(_ relocation: inout Relocation, budget: Int, now: Timestamp) throws(WarmError) -> Bool {
        guard let slot = ledger.slot(of: relocation.sequence) else { return true }  // emptied meanwhile
        if relocation.lines == nil { relocation.lines = try recoverableLines(of: relocation.sequence, slot, now) }
        let lines = relocation.lines ?? []
        var moves: [Move] = []
        defer { moving.removeAll() }
        var seen = 0
        while relocation.position < lines.count, seen < budget, moving.byteCount < stepBytes {
            let line = lines[relocation.position]
            if let entry = tier.index.entry(line.keyHash, slot: slot, offset: line.offset) {
                seen += ledgerBytes(entry)
                if let move = try treat(line, entry, &relocation, now) { moves.append(move) }
            } else {
                seen += SegmentLog.footerBytesPerRecord
            }
            relocation.position += 1
        }
        if !moves.isEmpty {
            try commitMoves(moves, now: now)
            // Removing the file may empty another segment first, which stages its own copies.
            moving.removeAll()
        }
        guard relocation.position == lines.count else { return false }
        if ledger[slot].liveRecords > 0 { forgetAll(in: slot) }
        try removeSegment(relocation.sequence, now: now)
        return true
    }

    /// How long a segment that could not be read is left alone.
    private static var troubleMilliseconds: Int64 { 10_000 }

    /// The victim's records. One that can't be read in whole is not emptied where nothing may be let go; where eviction
    /// is allowed, it is once it is the oldest, since older ones may hold what its records hide.
    private func recoverableLines(of sequence: UInt32, _ slot: UInt16, _ now: Timestamp) throws(WarmError)
        -> [RecordSummary]
    {
        let contents = log.contents(of: sequence)
        let isOldest = log.segments.first?.sequence == sequence
        for skipped in contents.skipped where configuration.whenFull == .refuse || !isOldest {
            guard case .unreadable(let code) = skipped.reason else { continue }
            ledger.setTroubled(slot, until: now.advanced(byMilliseconds: Self.troubleMilliseconds))
            throw .log(.file(FileError(operation: .read, path: ledger.files[Int(slot)]?.path ?? "", code: code)))
        }
        return contents.summaries
    }

    private func ledgerBytes(_ entry: IndexEntry) -> Int { SegmentLedger.bytes(entry) }

    /// Decides about one live record: stages its copy, or a tombstone in its place, or lets it go.
    private func treat(
        _ line: RecordSummary, _ entry: IndexEntry, _ relocation: inout Relocation, _ now: Timestamp
    ) throws(WarmError) -> Move? {
        guard let file = ledger.files[Int(entry.slot)] else {
            preconditionFailure("BUG: no file in slot \(entry.slot)")
        }
        if entry.keptUntil <= now {
            return try letGo(line, entry, file, reason: \.expired, sequence: relocation.sequence)
        }
        if relocation.secondChanceBytes != nil {
            let isWanted = entry.flags.contains(.referenced) || entry.flags.contains(.tombstone)
            guard isWanted, ledgerBytes(entry) <= relocation.secondChancesLeft else {
                return try letGo(line, entry, file, reason: \.evicted, sequence: relocation.sequence)
            }
            relocation.secondChancesLeft -= ledgerBytes(entry)
        }
        let record: WholeRecord?
        do {
            record = try file.record(at: entry.offset, length: entry.length)
        } catch {
            guard configuration.whenFull == .evict else {
                ledger.setTroubled(entry.slot, until: now.advanced(byMilliseconds: Self.troubleMilliseconds))
                throw .log(.file(error))
            }
            record = nil
        }
        guard let record else {
            counters.damaged += 1
            return try letGo(line, entry, file, reason: nil, sequence: relocation.sequence)
        }
        var header = record.header
        header.shadow = header.shadow.including(relocation.sequence)
        stageMove(header, record.key, record.value)
        if relocation.secondChanceBytes != nil { counters.secondChances += 1 } else { counters.compacted += 1 }
        counters.compactedBytes += entry.length
        return Move(entry: entry, keeping: relocation.secondChanceBytes == nil ? [.referenced, .everRead] : .everRead)
    }

    /// Lets a record go; a tombstone takes its place while older records of the key may exist elsewhere.
    private func letGo(
        _ line: RecordSummary, _ entry: IndexEntry, _ file: SegmentFile,
        reason: WritableKeyPath<WarmTierStatistics, Int>?, sequence: UInt32
    ) throws(WarmError) -> Move? {
        if entry.isKey, entry.isArchive {
            if reason == \.evicted { counters.archivesEvicted += 1 }
        } else if entry.isKey, let reason {
            counters[keyPath: reason] += 1
            if !entry.flags.contains(.everRead) { counters.neverRead += 1 }
        }
        if log.mayHold(line.shadow, except: sequence) {
            let found = try reportingFile { () throws(FileError) in try file.headerAndKey(at: entry.offset) }
            if let found, found.key.withUnsafeBytes({ xxh3($0, seed: log.storeSeed) }) == line.keyHash {
                let gone = WarmMetadata(expiresAt: .distantPast).header(.tombstone, shadow: line.shadow)
                stageMove(gone, found.key, [])
                return Move(entry: entry, keeping: [])
            }
        }
        ledger.noteLetGo(in: entry.slot)
        forget(entry, line.keyHash)
        return nil
    }

    private func stageMove(_ header: RecordHeader, _ key: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                _ = moving.append(header, key: key, value: value)
            }
        }
    }

    /// Writes the copies and points the index at them. They are made durable before the victim goes.
    private func commitMoves(_ moves: [Move], now: Timestamp) throws(WarmError) {
        let needed = moving.byteCount + moving.records.count * SegmentLog.footerBytesPerRecord + log.newSegmentBytes
        guard chargedBytes + needed <= configuration.maxBytes else {
            throw .full(needed: needed, limit: configuration.maxBytes)
        }
        let place = try reportingLog { () throws(SegmentLogError) in try log.prepare(moving, now: now) }
        let slot = try slotOfActive(place.segment)
        do throws(SegmentLogError) {
            try log.commit(moving, at: place, synchronously: false, now: now)
        } catch {
            adoptSegments()
            throw .log(error)
        }
        for (index, move) in moves.enumerated() {
            let record = moving.records[index]
            let summary = RecordSummary(
                header: record.header, keyHash: record.keyHash, offset: place.base + record.offset)
            let entry = IndexEntry(summary, slot: slot)
            guard
                let old = tier.index.replace(
                    record.keyHash, slot: move.entry.slot, offset: move.entry.offset, by: entry, keeping: move.keeping)
            else { preconditionFailure("BUG: the entry of a copied record vanished") }
            ledger.remove(old)
            ledger.add(entry, shadow: record.header.shadow)
        }
    }

    /// Entries whose records the segment no longer tells of: its footer or its records were damaged since.
    private func forgetAll(in slot: UInt16) {
        for shard in tier.index.shards.indices {
            var removed: [IndexEntry] = []
            _ = tier.index.visit(shard: shard, from: 0, limit: .max) { entry, _ in
                guard entry.slot == slot else { return .keep }
                removed.append(entry)
                return .remove
            }
            for entry in removed { ledger.remove(entry) }
            if !removed.isEmpty { ledger.noteLetGo(in: slot) }
            counters.damaged += removed.count
        }
    }
}
