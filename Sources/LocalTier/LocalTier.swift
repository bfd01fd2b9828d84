// The local tier: this process's memory, one arena in shards. Start reading here.
//
// DESIGN: a key's hash chooses a shard (low bits), a bucket in it and a tag (high bits). Every operation is one short
// stay under that shard's lock; nothing in this module does I/O after `init`, allocates on the heap, or keeps a
// reference to what it is handed. The verbs are in LocalTier+Read, +Write and +Sweep; the memory in ArenaLayout and
// EntryHeader; the rules of eviction behind EvictionRule.
//
// Deliberately missing: growing and shrinking while running, a lock across several keys, and reading a clock.

public import Primitives
public import Synchronization

/// A bounded store of entries in this process's memory; safe from any thread.
///
/// Memory is taken at `init` and used up gradually: pages that were never written cost nothing. Every `now` is the
/// caller's; it need not be the same for all threads.
public final class LocalTier: @unchecked Sendable {
    @usableFromInline let shards: UnsafeMutablePointer<ShardTables>
    @usableFromInline let shardMask: UInt64
    /// In the arena's header: readers in other processes judge by it, too.
    @usableFromInline let liveEpochWord: UnsafeMutablePointer<Atomic<UInt32>>
    let arena: Arena
    let sweepTurn = Atomic<Int>(0)
    let epochs = Locked<UInt16>(0)
    public let configuration: LocalTierConfiguration

    /// Maps the arena. Throws when a limit is out of range or the memory is not to be had.
    public init(_ configuration: LocalTierConfiguration = LocalTierConfiguration()) throws(LocalTierError) {
        try configuration.validate()
        let arena = try Arena(ArenaLayout(configuration))
        self.configuration = configuration
        self.arena = arena
        shards = .allocate(capacity: configuration.shards)
        shardMask = UInt64(configuration.shards - 1)
        liveEpochWord = (arena.base + ArenaHeader.liveEpochOffset).bindMemory(to: Atomic<UInt32>.self, capacity: 1)
        for index in 0..<configuration.shards {
            (shards + index).initialize(to: ShardTables(index, of: arena, rule: configuration.eviction))
        }
    }

    deinit {
        shards.deinitialize(count: configuration.shards)
        shards.deallocate()
    }

    /// Which shard holds a key of this hash.
    @inlinable
    public func shardIndex(of hash: KeyHash) -> Int { Int(truncatingIfNeeded: hash.rawValue & shardMask) }

    @inlinable @inline(__always)
    func shard(of hash: KeyHash) -> Shard {
        Shard(shards + Int(truncatingIfNeeded: hash.rawValue & shardMask))
    }

    func shard(_ index: Int) -> Shard { Shard(shards + index) }

    /// The arena's memfd, for handing to a process that maps it read-only; closed with the tier.
    public var arenaDescriptor: Int32 { arena.descriptor }

    /// Bytes that the arena maps: at most `maxBytes`, by less than a page.
    public var arenaBytes: Int { arena.layout.arenaBytes }

    /// The most that key and value together may have, in bytes: a quarter of a shard; 8 less with a hard end.
    public var entryBytesMax: Int { (shards[0].entryBlocksMax - 1) << Block.shift }

    /// Runs `body` under a shard's lock.
    @inline(__always)
    func locked<R: ~Copyable>(_ shard: Shard, _ body: (Shard) -> R) -> R {
        shard.lock.acquire()
        defer { shard.lock.release() }
        return body(shard)
    }

    /// The counters of each shard, taken one after the other.
    public func statisticsPerShard() -> [LocalTierStatistics] {
        (0..<configuration.shards).map { index in
            var statistics = locked(shard(index)) { $0.statistics }
            statistics.bytesArena = arena.layout.arenaBytes / configuration.shards
            return statistics
        }
    }

    /// The counters of all shards together.
    public func statistics() -> LocalTierStatistics {
        var sum = LocalTierStatistics()
        for part in statisticsPerShard() { sum += part }
        sum.bytesArena = arena.layout.arenaBytes
        return sum
    }
}
