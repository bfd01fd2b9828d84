// Append-only segment files of checksummed records: the one way in which Hearth keeps anything on disk.
//
// DESIGN. Records are staged in a RecordBatch, given a place by `prepare`, and written by `commit`: one write, and one
// fdatasync where asked. A segment that reached its size is sealed with a footer, so that a restart reads footers. The
// idea of a log that is its own index's journal is Bitcask's (Sheehy and Smith, 2010); segments and their cleaning are
// Rosenblum and Ousterhout's (LFS, 1992).
//
// What may be believed after a failure is decided here, and only here:
// - A failed write is cut away (truncated and synchronised); if that fails too, the segment is abandoned.
// - A failed fdatasync leaves nothing known of what was written since the last (Rebello et al., "Can Applications
//   Recover from fsync Failures?", ATC 2020): the segment is abandoned at once and never synchronised again.
// - Abandoning means: a new segment is opened and synchronised whose marks say from which offset the old one is void.
//   Until that has succeeded the log refuses.
// - A sequence number is never used twice, and a checksum covers it: leftovers can't pass for records.
//
// Deliberately not here: threads, clocks (`now` is handed in), policy about what is worth keeping, and an index.
//
// A log belongs to one thread. A SegmentFile may be read from any.

public final class SegmentLog {
    public struct Options: Sendable {
        public var directory: String
        public var purpose: SegmentPurpose
        /// A segment is sealed when the next batch, footer included, would pass this; a larger one has its own segment.
        public var segmentBytes: Int
        /// Whether a torn end is cut off at opening and the segment continued. If not, a torn file stays as found.
        public var repairsTail: Bool

        public init(directory: String, purpose: SegmentPurpose, segmentBytes: Int, repairsTail: Bool = true) {
            precondition(segmentBytes >= 1024 && segmentBytes <= 16 << 30, "segmentBytes is 1 KiB to 16 GiB")
            self.directory = directory
            self.purpose = purpose
            self.segmentBytes = segmentBytes
            self.repairsTail = repairsTail
        }
    }

    /// A segment of the log, as its owner needs to know it.
    public struct Segment: Sendable {
        public let file: SegmentFile
        /// Where the next record would begin.
        public internal(set) var dataEnd: Int
        /// Bytes on disk.
        public internal(set) var fileSize: Int
        public internal(set) var recordCount: Int
        public internal(set) var isSealed = false
        /// Written since its last successful fdatasync.
        public internal(set) var isUnsynchronized = false
        /// Damaged, or abandoned after a failure: worth copying from before it gets worse.
        public internal(set) var isSuspect = false
        /// A fdatasync of it failed: what was written since the one before may be lost at a power cut, for ever. What
        /// its records replaced must stay until they have been committed again.
        public internal(set) var isUncertain = false
        /// Below the floor: the store was emptied after it.
        public internal(set) var isVoid = false
        /// Its name is gone, though perhaps not durably so.
        public internal(set) var isUnlinked = false

        public var sequence: UInt32 { file.identity.sequence }
    }

    public let options: Options
    public let storeSeed: UInt64
    let fileSystem: any FileSystem
    private let lock: DirectoryLock

    /// Oldest first. A segment is here until its removal is durable.
    public internal(set) var segments: [Segment] = []
    /// Whether the last of `segments` takes records.
    var hasActive = false
    var activeSummaries: [RecordSummary] = []
    var nextSequence: UInt32
    var marks: SegmentMarks
    /// Whether something was refused of which no durable note says so yet: a crash may bring it back.
    public internal(set) var hasPendingMarks = false
    /// How many segments were opened for writing; each has the marks of all that was refused before.
    public internal(set) var segmentsOpened = 0
    /// Files that could not be created whole nor removed; tried again before the next is created.
    var strays: [String] = []

    /// Why the last attempt to write failed; nil when it succeeded.
    public internal(set) var failure: FileError?
    /// Successful fdatasync calls on data.
    public internal(set) var synchronizations = 0

    init(
        options: Options, storeSeed: UInt64, fileSystem: any FileSystem, lock: DirectoryLock, nextSequence: UInt32,
        marks: SegmentMarks
    ) {
        self.options = options
        self.storeSeed = storeSeed
        self.fileSystem = fileSystem
        self.lock = lock
        self.nextSequence = nextSequence
        self.marks = marks
    }

    /// A batch whose keys are hashed as this store's are.
    public func makeBatch() -> RecordBatch { RecordBatch(storeSeed: storeSeed) }

    /// Bytes on disk of all segments.
    public var diskBytes: Int { segments.reduce(0) { $0 + ($1.isUnlinked ? 0 : $1.fileSize) } }

    /// What sealing the active segment will add, with `more` records in it.
    public func pendingFooterBytes(more: Int = 0) -> Int {
        hasActive || more > 0 ? SegmentFooter.size(count: activeSummaries.count + more) : 0
    }

    /// Bytes that `prepare` may add for a new segment: its header and marks.
    public var newSegmentBytes: Int {
        SegmentHeader.size + RecordHeader.recordLength(key: 0, value: 32 + 16 * marks.refused.count)
            + SegmentFooter.trailerSize
    }

    /// Bytes that the footer holds for each record.
    public static let footerBytesPerRecord = RecordSummary.size
    /// Bytes of a segment that are not its records nor their share of the footer.
    public static let segmentOverhead = SegmentHeader.size + SegmentFooter.trailerSize

    /// The sequence of the segment that takes records, if one does.
    public var activeSequence: UInt32? { hasActive ? segments.last?.sequence : nil }

    public func segment(_ sequence: UInt32) -> Segment? {
        position(of: sequence).map { segments[$0] }
    }

    /// Whether a file of the range still exists, or may come back after a power cut; `except` does not count.
    public func mayHold(_ range: ShadowRange, except: UInt32? = nil) -> Bool {
        !range.isNone
            && segments.contains { $0.sequence >= range.low && $0.sequence <= range.high && $0.sequence != except }
    }

    func position(of sequence: UInt32) -> Int? {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low < segments.count && segments[low].sequence == sequence ? low : nil
    }

    /// What a segment holds; of the active one, from memory. Reads the footer, or the records where there is none.
    public func contents(of sequence: UInt32) -> SegmentContents {
        guard let index = position(of: sequence) else { preconditionFailure("BUG: no segment \(sequence)") }
        if hasActive, index == segments.count - 1 {
            var contents = SegmentContents()
            contents.summaries = activeSummaries
            contents.end = segments[index].dataEnd
            return contents
        }
        return segments[index].file.contents(fileSize: segments[index].fileSize, refusedFrom: marks.refused[sequence])
    }
}

/// Holds the directory against another process for as long as it lives.
final class DirectoryLock {
    private let file: OpenFile?
    private let fileSystem: any FileSystem

    static let fileName = "LOCK"

    /// Takes the lock. On a medium that can't be written to, and that has no lock file, nobody can write: none is
    /// needed.
    init(directory: String, fileSystem: any FileSystem) throws(SegmentLogError) {
        let path = directory + "/" + Self.fileName
        do throws(FileError) {
            file = try Self.open(path, fileSystem)
            self.fileSystem = fileSystem
            guard let file else { return }
            var isHeld = false
            do throws(FileError) {
                isHeld = try fileSystem.lock(file)
            } catch {
                try fileSystem.close(file)
                throw error
            }
            if isHeld { return }
            try fileSystem.close(file)
        } catch {
            throw .file(error)
        }
        throw .locked(directory: directory)
    }

    private static func open(_ path: String, _ fileSystem: any FileSystem) throws(FileError) -> OpenFile? {
        do {
            return try fileSystem.open(path, .createOrOpen)
        } catch {
            guard error.code == .readOnlyFileSystem else { throw error }
        }
        do {
            return try fileSystem.open(path, .readOnly)
        } catch {
            if error.code == .noSuchFile { return nil }
            throw error
        }
    }

    deinit {
        // The lock ends with the descriptor; nothing was written through it that a failing close could lose.
        if let file { try? fileSystem.close(file) }
    }
}
