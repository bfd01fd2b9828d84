// What lies in a warm directory, offline: `hearth warm inspect` by footers, `hearth warm verify` by every record.

public import Primitives
public import SegmentLog

/// One segment, as the newest record of each key counts.
public struct WarmSegmentReport: Sendable, Equatable {
    public var sequence: UInt32
    public var path: String
    public var fileSize: Int
    public var records: Int
    /// The newest of their key, not deleted and not past their time.
    public var liveRecords: Int
    public var liveBytes: Int
    /// Overwritten, deleted or past their time.
    public var deadBytes: Int
    public var tombstones: Int
    public var isSealed: Bool
    /// Emptied by a later FLUSHDB; the file goes at the next maintenance.
    public var isVoid: Bool
    /// Ranges that hold no whole record, with the reason.
    public var damage: [SkippedRange]
}

public struct WarmReport: Sendable, Equatable {
    public var segments: [WarmSegmentReport]
    /// Whether a process has the directory open: what it writes meanwhile may look torn.
    public var isInUse: Bool
    /// Keys of applications; archives are none.
    public var keys: Int
    public var diskBytes: Int

    public var damage: [SkippedRange] { segments.flatMap(\.damage) }
    /// Whether nothing is damaged; bytes that were refused when they were written are no damage.
    public var isSound: Bool { damage.allSatisfy { $0.reason == .refused } }
}

extension WarmTier {
    /// Reports on a directory by its footers, reading records only where there is no sound footer. Writes nothing.
    public static func inspect(
        _ directory: String, fileSystem: any FileSystem = DiskFileSystem(), now: Timestamp
    ) throws(WarmError) -> WarmReport {
        try report(directory, deeply: false, fileSystem: fileSystem, now: now)
    }

    /// Reports on a directory by reading and checking every record. Writes nothing.
    public static func verify(
        _ directory: String, fileSystem: any FileSystem = DiskFileSystem(), now: Timestamp
    ) throws(WarmError) -> WarmReport {
        try report(directory, deeply: true, fileSystem: fileSystem, now: now)
    }

    private static func report(
        _ directory: String, deeply: Bool, fileSystem: any FileSystem, now: Timestamp
    ) throws(WarmError) -> WarmReport {
        let found = try reportingLog { () throws(SegmentLogError) in
            try SegmentInspection.run(directory, purpose: .warm, deeply: deeply, fileSystem: fileSystem)
        }
        var newest: [UInt64: (segment: UInt32, offset: Int)] = [:]
        for segment in found.segments where !segment.isVoid {
            for line in segment.summaries { newest[line.keyHash] = (segment.sequence, line.offset) }
        }
        var report = WarmReport(segments: [], isInUse: found.isInUse, keys: 0, diskBytes: 0)
        for segment in found.segments {
            var one = WarmSegmentReport(
                sequence: segment.sequence, path: segment.path, fileSize: segment.fileSize,
                records: segment.summaries.count, liveRecords: 0, liveBytes: 0, deadBytes: 0, tombstones: 0,
                isSealed: segment.isSealed, isVoid: segment.isVoid, damage: segment.skipped)
            if deeply { one.damage += try damagedCompression(in: segment, fileSystem) }
            for line in segment.summaries {
                let keptUntil = line.expiresAt.advanced(byMilliseconds: line.staleFor.seconds * 1000)
                let isNewest = newest[line.keyHash].map { $0 == (segment.sequence, line.offset) } ?? false
                if line.kind == .tombstone {
                    one.tombstones += 1
                    one.deadBytes += line.recordLength
                } else if isNewest, now < keptUntil {
                    one.liveRecords += 1
                    if line.kind != .archive { report.keys += 1 }
                    one.liveBytes += line.recordLength
                } else {
                    one.deadBytes += line.recordLength
                }
            }
            report.diskBytes += one.fileSize
            report.segments.append(one)
        }
        return report
    }

    /// Records whose checksum is right and whose compressed value does not expand.
    private static func damagedCompression(
        in segment: SegmentReport, _ fileSystem: any FileSystem
    ) throws(WarmError) -> [SkippedRange] {
        let lines = segment.summaries.filter { $0.flags & CompressedValue.flag != 0 && $0.kind != .tombstone }
        guard !lines.isEmpty else { return [] }
        let file = try reportingLog { () throws(SegmentLogError) in
            try SegmentInspection.open(segment, fileSystem: fileSystem)
        }
        var damaged: [SkippedRange] = []
        for line in lines {
            let record = try reportingFile { () throws(FileError) in
                try file.record(at: line.offset, length: line.recordLength)
            }
            // One that is no longer whole was whole a moment ago: a process is at work there.
            guard let record else { continue }
            let isSound = record.value.withUnsafeBytes {
                CompressedValue.expand($0, limit: RecordHeader.valueLengthMax) != nil
            }
            guard !isSound else { continue }
            damaged.append(
                SkippedRange(
                    segment: segment.sequence, range: line.offset..<line.offset + line.recordLength,
                    reason: .compression))
        }
        return damaged
    }
}
