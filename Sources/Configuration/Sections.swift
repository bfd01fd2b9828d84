// The sections of the configuration that no other module's type holds; the executable hands them on.

/// The `local` key: how much state this process holds in memory.
public struct LocalSection: Sendable, Equatable {
    /// Which entry goes when memory is full.
    public enum Eviction: String, Sendable, CaseIterable {
        case lru
        case s3FIFO = "s3-fifo"
        case wTinyLFU = "w-tinylfu"
    }

    /// Everything the local tier takes, in bytes: keys, values, metadata and table.
    public var maxBytes = 64 << 20
    public var eviction = Eviction.lru
    /// Parts of the memory with a lock each; a power of two.
    public var shards = 8

    public init() {}

    /// The largest value that a shard could hold, in bytes, its metadata left aside.
    public var shardBytes: Int { maxBytes / shards }
}

/// The `breaker` key: when Redis is taken out of the way, and when it is asked again.
public struct BreakerSection: Sendable, Equatable {
    /// The sliding time over which rates are judged.
    public var window = Duration.seconds(10)
    /// Rates are not judged on fewer calls than these within the window.
    public var minCalls = 20
    /// The share of failed calls that opens the breaker, above 0 and at most 1.
    public var failureRate = 0.5
    /// So many failures in a row open it, whatever the window holds.
    public var consecutiveFailures = 5
    /// A call that takes longer counts as slow.
    public var slowCall = Duration.milliseconds(50)
    /// The share of slow calls that opens it, above 0 and at most 1.
    public var slowRate = 0.8
    /// How long it stays open the first time.
    public var open = Duration.seconds(1)
    /// How long it stays open at most, after failed probes.
    public var openMax = Duration.seconds(30)
    /// How many probes must succeed before it closes.
    public var probes = 3

    public init() {}
}

/// The `warm` key: the tier on this host's disk.
public struct WarmSection: Sendable, Equatable {
    /// When a write is made durable.
    public enum Sync: Sendable, Equatable {
        /// `always` where there is no Redis, else every second.
        case auto
        case always
        /// Written at once, synced behind at this interval.
        case interval(Duration)
        case never
    }
    /// What happens when `max_bytes` is reached.
    public enum WhenFull: String, Sendable, CaseIterable {
        /// `refuse` where there is no Redis, else `evict`.
        case auto
        case evict, refuse
    }

    /// The directory; locked against a second process.
    public var path = "/var/lib/hearth/warm"
    public var maxBytes = 1 << 30
    public var sync = Sync.auto
    public var whenFull = WhenFull.auto
    /// Values of at least so many bytes are stored compressed where that saves an eighth; nil compresses none.
    public var compressMin: Int? = 4 << 10

    public init() {}
}

/// The `journal` key: writes accepted while Redis could not take them.
public struct JournalSection: Sendable, Equatable {
    public enum Sync: Sendable, Equatable {
        case always
        case interval(Duration)
        case never
    }

    /// The directory; locked against a second process.
    public var path = "/var/lib/hearth/journal"
    /// Bytes on disk, and about as many in memory while so much waits.
    public var maxBytes = 256 << 20
    public var sync = Sync.always
    /// Entries a second that a replay gives to Redis, at most.
    public var replayRate = 20_000

    public init() {}
}

/// The `audit` key: who touched which key, where a policy asks for that.
public struct AuditSection: Sendable, Equatable {
    /// What becomes of an access whose line can't be written.
    public enum OnFailure: String, Sendable, CaseIterable { case refuse, drop }
    /// How keys stand in the lines.
    public enum Keys: String, Sendable, CaseIterable { case plain, hashed }

    /// The file that lines are appended to; nil writes none.
    public var path: String?
    public var onFailure = OnFailure.refuse
    /// When a line is durable.
    public var sync = JournalSection.Sync.interval(.seconds(1))
    /// A file of more bytes is rotated.
    public var maxBytes = 64 << 20
    /// Rotated files that are kept; nil keeps all.
    public var keep: Int? = 16
    public var keys = Keys.plain

    public init() {}
}

/// The `commands` key: which of the commands that are denied by default are allowed.
public struct CommandsSection: Sendable, Equatable {
    /// Names in upper case, as `CONFIG SET`; `*` is all.
    public var allow: [String] = []

    public init() {}
}

/// The `log` key.
public struct LogSection: Sendable, Equatable {
    public enum Level: String, Sendable, CaseIterable { case debug, info, warning, error }

    /// The least serious level that is written.
    public var level = Level.info
    public init() {}
}
