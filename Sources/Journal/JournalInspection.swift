// What lies in a journal directory, offline: for `hearth journal list --path` and for a dead process's journal.

public import SegmentLog

public enum JournalInspection {
    public struct Report: Sendable {
        /// Pending, in order of sequence.
        public var entries: [JournalEntry]
        public var notes: [JournalNote]
        /// Bytes that hold no whole record, those that were refused included.
        public var skipped: [SkippedRange]
        /// Damaged files that were set aside earlier.
        public var damagedFiles: [String]
        public var diskBytes: Int
        public var segments: Int
        /// Whether a process has the directory open: what it writes meanwhile may look torn.
        public var isInUse: Bool
        /// The random seed of the journal; nil where no segment is.
        public var identity: UInt64?
    }

    /// Reads and checks every record of a directory. Writes nothing, creates nothing.
    public static func run(
        _ directory: String, fileSystem: any FileSystem = DiskFileSystem()
    ) throws(JournalError) -> Report {
        var reading = JournalReading()
        var damaged = DamagedFiles(directory: directory)
        do throws(SegmentLogError) {
            let found = try SegmentInspection.run(
                directory, purpose: .journal, deeply: true, fileSystem: fileSystem)
            var diskBytes = 0
            var identity: UInt64?
            for segment in found.segments {
                diskBytes += segment.fileSize
                let file = try SegmentInspection.open(segment, fileSystem: fileSystem)
                identity = file.identity.storeSeed
                if !segment.isVoid { reading.read(file, segment.summaries) }
                reading.skip(segment.skipped)
            }
            do throws(FileError) {
                try damaged.find(fileSystem)
            } catch {
                throw .file(error)
            }
            let ledger = reading.ledger()
            return Report(
                entries: ledger.pending, notes: ledger.pendingNotes, skipped: reading.skipped,
                damagedFiles: damaged.files.map(\.path), diskBytes: diskBytes + damaged.bytes,
                segments: found.segments.count, isInUse: found.isInUse, identity: identity)
        } catch {
            throw .log(error)
        }
    }
}
