// Work between batches: synchronising behind, and bounded steps that keep room free.

public import Primitives
internal import SegmentLog

extension Journal {
    /// Makes everything that was committed durable: for `journal.sync` with an interval, and for a clean end.
    ///
    /// After a failed fdatasync all that lives in its segment is committed anew to another one; when that succeeds this
    /// does too. Otherwise it throws, and appends are refused until it does.
    public func synchronize(now: Timestamp) throws(JournalError) {
        do throws(SegmentLogError) {
            try log.synchronize()
        } catch {
            noteTrouble()
        }
        do throws(JournalError) {
            try repair(now: now)
        } catch {
            retryAt = now.advanced(byMilliseconds: Self.retryMilliseconds)
            throw error
        }
    }

    /// Does one bounded step: repairs what is troubled, removes a dead segment, or copies up to 256 KiB forward.
    ///
    /// Returns whether there is more to do now. Copied from is the oldest segment, when less than a quarter of it lives
    /// and the files take half of `maxBytes`; or when they come near the line at which commits would have to make room
    /// themselves, and an eighth of them is dead. Called between batches; throws when the disk does, and is then not
    /// to be called again at once.
    public func maintain(now: Timestamp) throws(JournalError) -> Bool {
        forgetRefusal(now: now)
        noteTrouble()
        if trouble != nil || log.failure != nil {
            try recover(now: now)
            return true
        }
        guard let oldest = log.segments.first, log.segments.count > 1 || log.activeSequence == nil else { return false }
        let useless = log.segments.first { ledger[$0.sequence].isEvacuated } ?? oldest
        if ledger[useless.sequence].liveBytes == 0 {
            try retire(useless.sequence, now: now)
            return true
        }
        guard isWorthCopying(oldest) else { return false }
        if try evacuate(oldest.sequence, budget: stepBytes, now: now) { try retire(oldest.sequence, now: now) }
        return true
    }

    /// Repairs what is troubled, and tries the disk where it failed last; throws while it is left alone, or when it
    /// fails again. To be called between batches.
    public func recover(now: Timestamp) throws(JournalError) {
        try refuseWhileDegraded(now: now)
        do throws(JournalError) {
            try repair(now: now)
            if log.failure != nil { try probe(now: now) }
        } catch {
            retryAt = now.advanced(byMilliseconds: Self.retryMilliseconds)
            throw error
        }
    }

    /// Begins a new segment, to learn whether the disk takes writes again.
    private func probe(now: Timestamp) throws(JournalError) {
        log.sealActive()
        moving.append(numbers)
        _ = try commitMoving(now: now)
    }

    private func isWorthCopying(_ oldest: SegmentLog.Segment) -> Bool {
        let charged = chargedBytes
        let isMostlyDead = ledger[oldest.sequence].liveBytes < oldest.fileSize / 4
        if isMostlyDead, charged > options.maxBytes / 2 { return true }
        let line = options.maxBytes - options.maxBytes / 16 - 512 - 4 * options.segmentBytes
        let dead = charged - damaged.bytes - ledger.liveBytes - log.segments.count * overhead
        return charged > line && dead > max(charged / 8, 2 * options.segmentBytes)
    }
}
