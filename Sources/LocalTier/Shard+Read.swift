// What a read does to an entry: it counts as a use, and extends a sliding life.

public import Primitives

extension Shard {
    /// Touches the eviction rule, unless the entry is among the stale, and marks it as read.
    @inlinable @inline(__always)
    func touch(_ block: Block) {
        let header = header(block)
        if !header.pointee.flags.contains(.readSinceWritten) { header.pointee.flags.insert(.readSinceWritten) }
        if !header.pointee.flags.contains(.staleListed) { rule.onHit(block) }
    }

    /// Extends the life of an unexpired entry to `now + slidingFor`, never shortening it, never past its hard end.
    ///
    /// Returns whether the authority should be told: when the expiry has moved into another tenth of `slidingFor`, so
    /// that no state is needed to tell it at most once per tenth. The timing wheel is not touched (see `TimingWheel`).
    @usableFromInline
    func slide(_ block: Block, now: Timestamp) -> Bool {
        let before = header(block).pointee.expiresAt
        guard before != .never else { return false }
        let slidingFor = Int64(header(block).pointee.slidingFor)
        let after = min(now.advanced(byMilliseconds: slidingFor), hardEnd(of: block))
        guard after > before else { return false }
        header(block).pointee.expiresAt = after
        let tenth = max(1, slidingFor / 10)
        return after.milliseconds / tenth != before.milliseconds / tenth
    }
}
