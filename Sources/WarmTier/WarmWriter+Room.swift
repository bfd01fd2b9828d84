// Room: what fits, and what is let go so that it does. The bytes on disk never pass `maxBytes`.
//
// DESIGN. Three lines are drawn below `maxBytes`, so that the lower needs can't starve the higher:
//
//     maxBytes ───────────────  copies of a relocation may reach this
//       - one segment           (a relocation needs at most what is alive in its victim)
//     limitForDeletions ──────  tombstones may reach this
//       - a quarter segment
//     limitForValues ─────────  values may reach this; under `refuse`, what is alive stays a sixteenth below, so that
//                               the last free byte does not cost copying the whole store

internal import Primitives
internal import SegmentLog

extension WarmWriter {
    var segmentBytes: Int { log.options.segmentBytes }
    /// What a relocation may need: a segment's worth, and the beginnings of two new ones.
    private var relocationReserve: Int { segmentBytes + 2 * log.newSegmentBytes + 512 }
    var limitForDeletions: Int { configuration.maxBytes - relocationReserve }
    var limitForValues: Int { limitForDeletions - segmentBytes / 4 }

    /// Bytes on disk, and what sealing the active segment will add.
    var chargedBytes: Int { log.diskBytes + log.pendingFooterBytes() }

    /// Refuses a value that could not be committed with what is staged already.
    func admit(_ bytes: Int) throws(WarmError) {
        let needed = batch.byteCount + batch.records.count * SegmentLog.footerBytesPerRecord + bytes
        let limit = limitForValues - 2 * log.newSegmentBytes
        guard needed <= limit else { throw .full(needed: needed, limit: configuration.maxBytes) }
        guard configuration.whenFull == .refuse else { return }
        let bound = limit - limit / 16 - needed
        if unreclaimableBytes <= bound { return }
        sweepAll(now: batchNow)
        if unreclaimableBytes > bound { try releasePinned(until: bound) }
        guard unreclaimableBytes <= bound else { throw .full(needed: needed, limit: configuration.maxBytes) }
    }

    /// Relocates until tombstones and lapsed entries no longer hold what is needed, if they are what holds it.
    ///
    /// Oldest first: once all before a tombstone's segment have moved on, nothing is left that it could shadow. One
    /// round over the store therefore lets all go that were there at its start. What did not help is not repeated
    /// until there is more to let go.
    private func releasePinned(until bound: Int) throws(WarmError) {
        guard unreclaimableBytes - ledger.pinnedBytes <= bound, ledger.pinnedBytes > pinnedInVain + segmentBytes / 8
        else { return }
        relocation = nil
        var rounds = log.segments.count + 2
        while unreclaimableBytes > bound, rounds > 0 {
            rounds -= 1
            if try removeUseless(now: batchNow) { continue }
            log.sealActiveIfAlone()
            guard let oldest = log.segments.first(where: { $0.sequence != log.activeSequence && !$0.isVoid }) else {
                break
            }
            try finish(Relocation(compacting: oldest.sequence), now: batchNow)
        }
        pinnedInVain = unreclaimableBytes > bound ? ledger.pinnedBytes : -segmentBytes
    }

    /// What no compaction gives back: what lives, and segments too large to be copied while the store is full.
    private var unreclaimableBytes: Int {
        var bytes = ledger.liveBytes + (ledger.liveBytes / segmentBytes + 1) * log.newSegmentBytes
        for segment in log.segments
        where segment.fileSize > 2 * segmentBytes && !segment.isVoid && segment.recordCount > 1 {
            guard let slot = ledger.slot(of: segment.sequence), ledger[slot].liveRecords > 0 else { continue }
            bytes += segment.fileSize - ledger[slot].liveBytes
        }
        return bytes
    }

    /// Frees what `batch` needs: first what is void, then by compaction, then, where that is allowed, by eviction.
    func makeRoom(for batch: RecordBatch, limit: Int, now: Timestamp) throws(WarmError) {
        let bytes = batch.byteCount + batch.records.count * SegmentLog.footerBytesPerRecord + log.newSegmentBytes
        guard bytes <= limit else { throw .full(needed: bytes, limit: configuration.maxBytes) }
        // Each round removes a segment or ends the search; copies make at most as many new ones.
        var rounds = 4 * log.segments.count + 16
        while chargedBytes + bytes > limit {
            rounds -= 1
            guard rounds > 0, try reclaim(now: now) else {
                throw .full(needed: bytes, limit: configuration.maxBytes)
            }
        }
    }

    /// Removes one segment, its live records copied or evicted; false when there is nothing that would help.
    func reclaim(now: Timestamp) throws(WarmError) -> Bool {
        if let under = relocation {
            relocation = nil
            // Begun by maintenance: what it has copied is wasted unless it is finished.
            try finish(under, now: now)
            return true
        }
        if try removeUseless(now: now) { return true }
        guard let relocation = chooseRelocation(now: now) else {
            guard let active = log.activeSequence, let slot = ledger.slot(of: active),
                let segment = log.segment(active),
                segment.recordCount > 0, canEvict || garbage(segment, slot) > 0
            else { return false }
            log.sealActive()
            return true
        }
        try finish(relocation, now: now)
        return true
    }

    private var canEvict: Bool { configuration.whenFull == .evict }

    /// Removes one segment in which nothing lives; false when there is none.
    func removeUseless(now: Timestamp) throws(WarmError) -> Bool {
        for segment in log.segments where segment.sequence != log.activeSequence {
            guard let slot = ledger.slot(of: segment.sequence), ledger[slot].liveRecords == 0 else { continue }
            try removeSegment(segment.sequence, now: now)
            return true
        }
        return false
    }

    /// Bytes of a segment that a compaction would give back.
    private func garbage(_ segment: SegmentLog.Segment, _ slot: UInt16) -> Int {
        let account = ledger[slot]
        let shadowed = log.mayHold(account.pinned, except: segment.sequence)
        return segment.fileSize - SegmentLog.segmentOverhead - account.liveBytes + (shadowed ? 0 : account.pinnedBytes)
    }

    /// The segment whose removal is worth most: suspect ones, then the least alive; the oldest where that is more than
    /// half alive and eviction is allowed.
    func chooseRelocation(now: Timestamp) -> Relocation? {
        let space = configuration.maxBytes - chargedBytes - 2 * log.newSegmentBytes
        var best: (sequence: UInt32, garbage: Int, share: Double)?
        var oldest: UInt32?
        var movable: UInt32?
        for segment in log.segments where segment.sequence != log.activeSequence && !segment.isVoid {
            guard let slot = ledger.slot(of: segment.sequence), ledger[slot].troubledUntil <= now else { continue }
            if oldest == nil { oldest = segment.sequence }
            let live = ledger[slot].liveBytes
            guard live <= space else { continue }
            if movable == nil { movable = segment.sequence }
            let garbage = garbage(segment, slot)
            guard garbage > 0 else { continue }
            let share = segment.isSuspect ? 2 : Double(garbage) / Double(segment.fileSize)
            if share > best?.share ?? 0 { best = (segment.sequence, garbage, share) }
        }
        if let best, best.share >= 0.5 { return Relocation(compacting: best.sequence) }
        if canEvict, let oldest { return Relocation(evicting: oldest, secondChanceBytes: min(segmentBytes / 4, space)) }
        let isHeld = ledger.pinnedBytes > segmentBytes / 2
        if let best, best.share >= 0.125 || !isHeld { return Relocation(compacting: best.sequence) }
        // Tombstones hold what is left: moving the oldest segment forward lets them go.
        if isHeld, let movable { return Relocation(compacting: movable) }
        return best.map { Relocation(compacting: $0.sequence) }
    }

    /// Removes the file of a segment in which nothing lives, after making durable what replaces its records.
    func removeSegment(_ sequence: UInt32, now: Timestamp) throws(WarmError) {
        guard let slot = ledger.slot(of: sequence) else { preconditionFailure("BUG: segment \(sequence) has no slot") }
        precondition(ledger[slot].liveRecords == 0, "BUG: removing segment \(sequence), of which something lives")
        // Records whose fdatasync failed are not durable, and will not be: they are committed again before what they
        // replaced goes.
        for segment in log.segments where segment.isUncertain && !segment.isVoid && segment.sequence != sequence {
            guard let uncertain = ledger.slot(of: segment.sequence), ledger[uncertain].liveRecords > 0 else { continue }
            try finish(Relocation(compacting: segment.sequence), now: now)
        }
        if log.isUnsynchronized { try reportingLog { () throws(SegmentLogError) in try log.synchronize() } }
        try reportingLog { () throws(SegmentLogError) in try log.remove(sequence) }
        ledger.close(slot)
        tier.index.setFiles(ledger.files)
    }

    /// The slot of the active segment, given to it when it is new.
    func slotOfActive(_ sequence: UInt32) throws(WarmError) -> UInt16 {
        if let slot = ledger.slot(of: sequence) { return slot }
        guard let segment = log.segment(sequence) else { preconditionFailure("BUG: no segment \(sequence)") }
        let slot = ledger.open(segment.file)
        tier.index.setFiles(ledger.files)
        return slot
    }

    /// Gives slots to segments that the log opened on its own account (to void what was refused).
    func adoptSegments() {
        for segment in log.segments where ledger.slot(of: segment.sequence) == nil {
            _ = ledger.open(segment.file)
            tier.index.setFiles(ledger.files)
        }
    }
}
