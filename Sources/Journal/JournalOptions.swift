// What an operator decides about the journal, and the sizes that follow from it.

public struct JournalOptions: Sendable, Equatable {
    /// A directory of its own, created if need be, locked while the journal is open.
    public var directory: String
    /// Bytes on disk, at every instant, of all files: segments, and damaged files that are kept.
    public var maxBytes: Int

    public init(directory: String, maxBytes: Int) {
        self.directory = directory
        self.maxBytes = maxBytes
    }

    /// The smallest journal: 64 KiB.
    public static let maxBytesMinimum = 64 << 10

    /// A 16th, at most 16 MiB.
    ///
    /// | maxBytes | segment | segments |
    /// |---|---|---|
    /// | 64 KiB | 4 KiB | 16 |
    /// | 1 MiB | 64 KiB | 16 |
    /// | 256 MiB | 16 MiB | 16 |
    /// | 4 GiB | 16 MiB | 256 |
    public var segmentBytes: Int { min(maxBytes / 16, 16 << 20) }
    /// Bytes of notes, their share of footers included.
    public var noteBytesMax: Int { maxBytes / 8 }
    /// Bytes of notes in one batch.
    public var noteBatchBytesMax: Int { maxBytes / 16 }
    public static let noteCountMax = 1000
    /// Damaged files kept, and their bytes.
    public static let damagedFilesMax = 8
    public var damagedBytesMax: Int { maxBytes / 8 }

    func validate() throws(JournalError) {
        guard !directory.isEmpty else { throw .configuration("journal.path is empty: name a directory") }
        guard maxBytes >= Self.maxBytesMinimum else {
            throw .configuration(
                "journal.max_bytes is \(maxBytes); the smallest journal is \(Self.maxBytesMinimum) bytes")
        }
        guard maxBytes <= 64 << 30 else {
            throw .configuration("journal.max_bytes is \(maxBytes); the largest journal is 64 GiB")
        }
    }
}
