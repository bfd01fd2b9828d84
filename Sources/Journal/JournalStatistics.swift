// The figures of a journal, as one value.

public import Primitives
public import SegmentLog

public struct JournalStatistics: Sendable, Equatable {
    public enum State: Sendable, Equatable {
        case healthy
        /// The last append found no room, and nothing has gone since.
        case full
        /// Appends are refused, or fail, until the disk takes writes again.
        case degraded(FileError)
    }

    public var state = State.healthy
    /// Pending entries.
    public var entries = 0
    /// Bytes of the records of pending entries and notes, their share of footers included.
    public var liveBytes = 0
    /// Bytes of the records of pending entries alone.
    public var entryBytes = 0
    /// Bytes that the records of further entries may take, before settlements and compaction; 0 where it is full. One
    /// large record may find no room in what many small ones would.
    public var freeBytes = 0
    /// Bytes of all files, and what sealing the last segment will add: never over `maxBytes`.
    public var diskBytes = 0
    public var maxBytes = 0
    public var segments = 0
    public var notes = 0
    /// Notes that went because newer ones needed their place, or that found none.
    public var notesDropped = 0
    /// Successful fdatasync calls on segments.
    public var synchronizations = 0
    /// When the pending entry with the lowest sequence was accepted.
    public var oldest: Timestamp?

    // Totals since opening.
    public var appended = 0
    public var settled = 0
    public var superseded = 0
    /// Bytes copied forward, by compaction and after failures.
    public var compactedBytes = 0
    /// Commits that failed.
    public var failedCommits = 0

    public init() {}
}
