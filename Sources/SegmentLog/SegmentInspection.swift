// Looking into a directory of segments without opening the log: read-only, for `hearth warm inspect|verify` and for
// tests.

/// What one segment file holds.
public struct SegmentReport: Sendable {
    public var sequence: UInt32
    public var path: String
    public var fileSize: Int
    public var summaries: [RecordSummary]
    public var skipped: [SkippedRange]
    /// Whether it ends with a footer that passes its checksum.
    public var isSealed: Bool
    /// Whether the store was emptied after it.
    public var isVoid: Bool
}

public struct DirectoryReport: Sendable {
    /// Oldest first.
    public var segments: [SegmentReport]
    /// Whether another process holds the directory: what it writes meanwhile may look torn.
    public var isInUse: Bool
}

public enum SegmentInspection {
    /// Reads a directory's segments; with `deeply` every record, otherwise the footers where they are sound.
    ///
    /// Writes nothing, creates nothing. Takes the lock for a moment to learn whether another process has it.
    public static func run(
        _ directory: String, purpose: SegmentPurpose, deeply: Bool, fileSystem: any FileSystem
    ) throws(SegmentLogError) -> DirectoryReport {
        let isInUse = try reporting { () throws(FileError) in try isLocked(directory, fileSystem) }
        let found = try SegmentFileFound.all(in: directory, purpose: purpose, fileSystem: fileSystem, readOnly: true)
        var marks = SegmentMarks()
        for segment in found { marks.merge(segment.opening.marks) }
        var report = DirectoryReport(segments: [], isInUse: isInUse)
        for segment in found {
            let refused = marks.refused[segment.sequence]
            var contents = segment.file.contents(fileSize: segment.size, refusedFrom: refused, deeply: deeply)
            if segment.opening.header == nil {
                contents.skipped.append(
                    SkippedRange(
                        segment: segment.sequence, range: 0..<min(segment.size, SegmentHeader.size), reason: .header))
            }
            report.segments.append(
                SegmentReport(
                    sequence: segment.sequence, path: segment.file.path, fileSize: segment.size,
                    summaries: contents.summaries, skipped: contents.skipped, isSealed: contents.isSealed,
                    isVoid: segment.sequence < marks.floor))
        }
        return report
    }

    /// Opens a segment of a report, to read its records.
    public static func open(
        _ report: SegmentReport, fileSystem: any FileSystem
    ) throws(SegmentLogError) -> SegmentFile {
        guard let name = report.path.split(separator: "/").last, let identity = SegmentIdentity(fileName: String(name))
        else { preconditionFailure("BUG: \(report.path) is no segment's path") }
        let file = try reporting { () throws(FileError) in try fileSystem.open(report.path, .readOnly) }
        return SegmentFile(identity: identity, file: file, fileSystem: fileSystem)
    }

    private static func isLocked(_ directory: String, _ fileSystem: any FileSystem) throws(FileError) -> Bool {
        let file: OpenFile
        do {
            file = try fileSystem.open(directory + "/" + DirectoryLock.fileName, .readOnly)
        } catch {
            if error.code == .noSuchFile { return false }
            throw error
        }
        let isFree = try fileSystem.lock(file)
        try fileSystem.close(file)
        return !isFree
    }
}
