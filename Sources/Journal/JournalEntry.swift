// What the journal holds, and what it found when it was opened.

public import Primitives
public import SegmentLog

/// A pending entry: accepted, and neither settled nor superseded.
public struct JournalEntry: Sendable, Equatable {
    /// From 1, growing, never used twice in this journal's life; numbers may be left out (`Journal.append`).
    public let sequence: UInt64
    public let acceptedAt: Timestamp
    /// Opaque.
    public let payload: [UInt8]
}

/// Something kept for a person to look at, such as a conflict found at replay: opaque.
public struct JournalNote: Sendable, Equatable {
    /// From 1, growing, as an entry's sequence but of its own count.
    public let id: UInt64
    public let notedAt: Timestamp
    public let payload: [UInt8]
}

public struct JournalRecovery: Sendable {
    /// Pending, in order of sequence.
    public internal(set) var entries: [JournalEntry] = []
    /// In order of id.
    public internal(set) var notes: [JournalNote] = []
    /// Bytes that hold no whole record, by segment.
    public internal(set) var skipped: [SkippedRange] = []
    /// Where the files that `skipped` is about lie now.
    public internal(set) var keptDamagedFiles: [String] = []
}
