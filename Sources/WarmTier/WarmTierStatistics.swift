// The figures of a warm tier, as one value.

public import SegmentLog

public struct WarmTierStatistics: Sendable, Equatable {
    public enum State: Sendable, Equatable {
        case healthy
        /// Reads go on; writes are refused, or fail, until the disk takes them again.
        case degraded(FileError)
    }

    public var state = State.healthy
    /// Keys held, those past their expiry that nobody swept yet included.
    public var entries = 0
    /// Deletions remembered, or kept because an older record of the key is still in a file.
    public var tombstones = 0
    /// Records of archives, and their bytes on disk.
    public var archives = 0
    public var archiveBytes = 0
    /// Records of archives that were let go to make room.
    public var archivesEvicted = 0
    /// Bytes of records that the index points at, their share of the footer included.
    public var liveBytes = 0
    /// Bytes of records overwritten, expired or deleted and not yet compacted away.
    public var deadBytes = 0
    /// Bytes of all segment files, and what sealing the last will add: never over `maxBytes`.
    public var diskBytes = 0
    public var indexBytes = 0
    /// Lines of the index: entries, tombstones, and what lapsed but must not vanish yet.
    public var indexEntries = 0
    public var segments = 0

    public var commits = 0
    /// Successful fdatasync calls.
    public var syncs = 0
    /// Commits that failed.
    public var failedCommits = 0
    /// Values stored under keys that were not held.
    public var created = 0
    /// Live entries let go to make room.
    public var evicted = 0
    /// Entries let go because their time was over.
    public var expired = 0
    /// Records copied forward by compaction, and their bytes.
    public var compacted = 0
    public var compactedBytes = 0
    /// Records copied forward at eviction because they had been read.
    public var secondChances = 0
    /// Values that were stored compressed; their bytes as given, and as stored.
    public var compressed = 0
    public var compressedRawBytes = 0
    public var compressedStoredBytes = 0
    /// Values that were large enough and would not have saved an eighth.
    public var incompressible = 0
    /// Values that reads have expanded.
    public var expanded = 0
    /// Records found not to be what was written.
    public var damaged = 0
    /// Byte ranges that recovery skipped at opening.
    public var skippedRanges = 0
    /// Entries evicted or expired that nobody had read since their last put.
    public var neverRead = 0
    public var readHits = 0
    public var readMisses = 0

    public init() {}
}
