// What the local tier counts, as a value.

/// Counters and sizes of one shard or, summed, of the tier; a snapshot.
public struct LocalTierStatistics: Sendable, Hashable {
    public var entries = 0
    /// Bytes of the blocks that hold entries, headers included.
    public var bytesUsed = 0
    /// Bytes of all blocks. The tables beside them make up the rest of `bytesArena`.
    public var bytesTotal = 0
    /// Everything the arena maps (in a shard's statistics: the shard's share).
    public var bytesArena = 0
    /// Values stored under keys of which nothing was held (absent markers apart).
    public var created: UInt64 = 0
    /// Evicted because memory was needed, on the rule's word.
    public var removedByCapacity: UInt64 = 0
    /// Evicted because memory was needed, past their expiry.
    public var removedAsStale: UInt64 = 0
    /// Freed because their time was over.
    public var removedAsExpired: UInt64 = 0
    /// Replaced by a value of another size.
    public var removedAsReplaced: UInt64 = 0
    /// Removed by name or all together.
    public var removedByName: UInt64 = 0
    /// Evicted or expired without having been read since they were written (absent markers apart).
    public var neverRead: UInt64 = 0
    /// Fills not stored because the key was written or invalidated meanwhile, or because what is held is newer.
    public var fillsCancelled: UInt64 = 0
    /// Values refused for their size.
    public var tooLarge: UInt64 = 0

    public init() {}

    /// All that left by itself: capacity, stale and expired.
    public var evictions: UInt64 { removedByCapacity + removedAsStale + removedAsExpired }

    static func += (sum: inout LocalTierStatistics, part: LocalTierStatistics) {
        sum.entries += part.entries
        sum.bytesUsed += part.bytesUsed
        sum.bytesTotal += part.bytesTotal
        sum.bytesArena += part.bytesArena
        sum.created += part.created
        sum.removedByCapacity += part.removedByCapacity
        sum.removedAsStale += part.removedAsStale
        sum.removedAsExpired += part.removedAsExpired
        sum.removedAsReplaced += part.removedAsReplaced
        sum.removedByName += part.removedByName
        sum.neverRead += part.neverRead
        sum.fillsCancelled += part.fillsCancelled
        sum.tooLarge += part.tooLarge
    }
}

extension Shard {
    var statistics: LocalTierStatistics {
        let state = state.pointee
        var result = LocalTierStatistics()
        result.entries = state.entryCount
        result.bytesUsed = (blockCount - state.freeBlocks) << Block.shift
        result.bytesTotal = blockCount << Block.shift
        result.created = state.created
        result.removedByCapacity = state.removedByCapacity
        result.removedAsStale = state.removedAsStale
        result.removedAsExpired = state.removedAsExpired
        result.removedAsReplaced = state.removedAsReplaced
        result.removedByName = state.removedByName
        result.neverRead = state.neverRead
        result.fillsCancelled = state.fillsCancelled
        result.tooLarge = state.tooLarge
        return result
    }
}
