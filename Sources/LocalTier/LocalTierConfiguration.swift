// What the local tier may use and how it is divided, checked before any memory is taken.

/// The limits of a local tier: how many bytes in all, in how many shards, and which entry makes room.
public struct LocalTierConfiguration: Sendable, Hashable {
    /// All that the arena occupies in bytes: header, tables, links, keys, values, metadata. Rounded down to a page.
    public var maxBytes: Int
    /// The rule that chooses which entry makes room; docs/eviction.md says why LRU is the default.
    public var eviction: EvictionRuleKind
    /// Independent parts with a lock each: a power of two. One value may fill at most a quarter of a shard.
    public var shards: Int

    /// Creates a configuration; nothing is checked before `validate()` or `LocalTier.init`.
    public init(maxBytes: Int = 64 << 20, eviction: EvictionRuleKind = .lru, shards: Int = 4) {
        self.maxBytes = maxBytes
        self.eviction = eviction
        self.shards = shards
    }

    /// The least a shard may be given, in bytes: below it the fixed tables would outweigh the entries.
    public static let shardBytesMin = 16 << 10
    /// Beyond it block numbers would not fit in 31 bits, in bytes.
    public static let shardBytesMax = 64 << 30
    /// More shards than this buy nothing on any machine that runs a sidecar.
    public static let shardsMax = 256

    /// Checks each limit, and the limits against each other.
    public func validate() throws(LocalTierError) {
        guard shards >= 1, shards <= Self.shardsMax else {
            throw .shardsOutOfRange(shards, allowed: 1...Self.shardsMax)
        }
        guard shards & (shards - 1) == 0 else { throw .shardsNotPowerOfTwo(shards) }
        let least = shards * Self.shardBytesMin + ArenaLayout.pageBytes
        guard maxBytes >= least else { throw .tooSmall(maxBytes: maxBytes, least: least, shards: shards) }
        let most = shards * Self.shardBytesMax
        guard maxBytes <= most else { throw .tooLarge(maxBytes: maxBytes, most: most, shards: shards) }
    }
}

/// The eviction rules that can be configured (`local.eviction`).
public enum EvictionRuleKind: String, Sendable, Hashable, CaseIterable {
    /// Exact least recently used.
    case lru
    /// S3-FIFO: what is read no more than once passes through a small queue.
    case s3FIFO = "s3-fifo"
    /// W-TinyLFU: what is new must be asked for more often than what it displaces.
    case wTinyLFU = "w-tinylfu"
}

/// Why a local tier could not be made; all of it at start, none of it later.
public enum LocalTierError: Error, Equatable, CustomStringConvertible {
    case shardsOutOfRange(Int, allowed: ClosedRange<Int>)
    case shardsNotPowerOfTwo(Int)
    case tooSmall(maxBytes: Int, least: Int, shards: Int)
    case tooLarge(maxBytes: Int, most: Int, shards: Int)
    /// A system call failed while the arena was made: its name and errno.
    case arena(call: String, errno: Int32)

    public var description: String {
        switch self {
        case .shardsOutOfRange(let shards, let allowed):
            "local tier: \(shards) shards; choose a power of two from \(allowed.lowerBound) to \(allowed.upperBound)"
        case .shardsNotPowerOfTwo(let shards):
            "local tier: \(shards) shards is not a power of two; choose 1, 2, 4, 8 …"
        case .tooSmall(let bytes, let least, let shards):
            "local.max_bytes: \(bytes) is too little for \(shards) shards; give at least \(least), or use fewer shards"
        case .tooLarge(let bytes, let most, let shards):
            "local.max_bytes: \(bytes) is too much for \(shards) shards; give at most \(most), or use more shards"
        case .arena(let call, let errno):
            "local tier: \(call) failed with errno \(errno); lower local.max_bytes or raise the process's memory limit"
        }
    }
}
