// Reading: the hot path. A hit takes one lock, and no heap allocation or system call.

public import Primitives
public import Synchronization

extension LocalTier {
    /// Hands the entry of `key` to `body` under the shard's lock and returns what that returns; nil when none is held.
    ///
    /// Counts as a use and extends a sliding life. An entry past its expiry is handed as `.expired` while it is kept
    /// for an outage; afterwards it is a miss, whether or not the sweep has come by. `hash` is `KeyHash(key)`.
    @inlinable
    public func read<R>(
        _ key: UnsafeRawBufferPointer, hash: KeyHash, now: Timestamp, _ body: (borrowing LocalEntry) -> R
    ) -> R? {
        read(key, hash: hash, now: now, passing: ()) { entry, _ in body(entry) }
    }

    /// The same for a `body` that captures nothing: what it works on is passed through, and so lent to it.
    ///
    /// A closure owns what it captures. On the path of every hit that was an atomic increment and decrement of the
    /// reply buffer's count, which waited for the stores of the eviction rule: a fifth of the time.
    @inlinable
    public func read<R, Subject>(
        _ key: UnsafeRawBufferPointer, hash: KeyHash, now: Timestamp, passing subject: borrowing Subject,
        _ body: (borrowing LocalEntry, borrowing Subject) -> R
    ) -> R? {
        let shard = shard(of: hash)
        shard.lock.acquire()
        defer { shard.lock.release() }
        let block = shard.find(key, tag: shard.tag(hash))
        guard block != .none else { return nil }
        let header = shard.header(block)
        guard let freshness = header.pointee.freshness(now: now, liveEpoch: liveEpoch) else { return nil }
        shard.touch(block)
        var isExtensionDue = false
        if header.pointee.slidingFor != 0, freshness != .expired {
            isExtensionDue = shard.slide(block, now: now)
        }
        return body(
            LocalEntry(shard: shard, block: block, freshness: freshness, isExtensionDue: isExtensionDue), subject)
    }

    /// Like `read`, but leaves no trace: neither a use nor an extension. For EXPLAIN and tests.
    @inlinable
    public func peek<R>(
        _ key: UnsafeRawBufferPointer, hash: KeyHash, now: Timestamp, _ body: (borrowing LocalEntry) -> R
    ) -> R? {
        let shard = shard(of: hash)
        shard.lock.acquire()
        defer { shard.lock.release() }
        let block = shard.find(key, tag: shard.tag(hash))
        guard block != .none else { return nil }
        let header = shard.header(block)
        guard let freshness = header.pointee.freshness(now: now, liveEpoch: liveEpoch) else { return nil }
        return body(LocalEntry(shard: shard, block: block, freshness: freshness, isExtensionDue: false))
    }

    /// The epoch whose entries may be answered until they expire; 0 while invalidations are not live.
    @inlinable @inline(__always)
    public var liveEpoch: UInt16 { UInt16(truncatingIfNeeded: liveEpochWord.pointee.load(ordering: .relaxed)) }

    /// Where an iteration stands; the same for every tier.
    public struct Position: Sendable, Hashable {
        var shard = 0
        var bucket = 0
        /// The beginning.
        public init() {}
    }

    /// Shows the entries of at most `buckets` buckets, and moves `position` on; returns false at the end.
    ///
    /// An entry that is there all the while is shown exactly once; one that comes or goes meanwhile, at most once per
    /// stay. The lock is held for 64 buckets at a time. Entries whose time is over are not shown.
    public func forEach(
        from position: inout Position, buckets: Int, now: Timestamp, _ body: (borrowing LocalEntry) -> Void
    ) -> Bool {
        var left = buckets
        while left > 0, position.shard < configuration.shards {
            let shard = shard(position.shard)
            let end = min(position.bucket + min(left, 64), shard.bucketCount)
            left -= end - position.bucket
            locked(shard) { held in
                for bucket in position.bucket..<end { show(held.buckets[bucket], of: shard, now: now, body) }
            }
            position.bucket = end
            if end == shard.bucketCount { (position.shard, position.bucket) = (position.shard + 1, 0) }
        }
        return position.shard < configuration.shards
    }

    private func show(
        _ first: Block, of shard: Shard, now: Timestamp, _ body: (borrowing LocalEntry) -> Void
    ) {
        var block = first
        while block != .none {
            let header = shard.header(block)
            if let freshness = header.pointee.freshness(now: now, liveEpoch: liveEpoch) {
                body(LocalEntry(shard: shard, block: block, freshness: freshness, isExtensionDue: false))
            }
            block = header.pointee.chain
        }
    }
}
