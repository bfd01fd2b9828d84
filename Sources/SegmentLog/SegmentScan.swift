// Finds every whole record in the bytes of a segment, wherever the file was cut, zeroed or overwritten.
//
// DESIGN. Records follow one another; where there is none, the scan looks for the next at every multiple of eight
// bytes. A header is believed only with its own checksum, so that a length that nobody wrote is never followed, and
// the cost stays linear. A record counts when all of it passes; the members of a group count when all of them do, one
// behind the other. What lies between is named with its range and reason.

internal import Primitives

/// Bytes of a segment that recovery did not use, and why.
public struct SkippedRange: Hashable, Sendable, CustomStringConvertible {
    public enum Reason: Hashable, Sendable {
        /// The segment's header failed its checksum; the file's name served instead.
        case header
        /// The footer failed its checksum; the records were read instead.
        case footer
        /// No whole record: cut, zeroed or overwritten.
        case notARecord
        /// Whole records of a group of which others are missing.
        case incompleteGroup
        /// Refused when it was written: a commit failed.
        case refused
        /// A whole record whose compressed value is not what zstd wrote.
        case compression
        /// The file system did not give these bytes.
        case unreadable(FileErrorCode)
    }

    public var segment: UInt32
    public var range: Range<Int>
    public var reason: Reason

    public init(segment: UInt32, range: Range<Int>, reason: Reason) {
        self.segment = segment
        self.range = range
        self.reason = reason
    }

    public var description: String { "segment \(segment), bytes \(range.lowerBound)..<\(range.upperBound): \(reason)" }
}

/// What a segment holds, as its footer says or as a scan found.
public struct SegmentContents: Sendable {
    /// In the order of the file.
    public var summaries: [RecordSummary] = []
    public var skipped: [SkippedRange] = []
    /// Where the last whole record ends, bytes from the start of the file.
    public var end: Int = SegmentHeader.size
    public var isSealed = false

    /// Whether something was skipped that a torn end of the file does not explain.
    public var isDamaged: Bool {
        skipped.contains { $0.reason != .refused && ($0.range.lowerBound < end || $0.reason == .header) }
    }
}

struct SegmentScan: ~Copyable {
    private let identity: SegmentIdentity
    private let limit: Int
    private var window: ScanWindow
    private var contents = SegmentContents()
    private var group: [RecordSummary] = []
    /// Whether the last record belongs to a group whose beginning is missing.
    private var isOrphan = false
    private var damageStart: Int?

    /// Scans `file` from its header to `limit`, the end of the file or where it was refused.
    static func run(_ file: SegmentFile, limit: Int) -> SegmentContents {
        var scan = SegmentScan(file: file, limit: limit)
        scan.walk()
        return scan.contents
    }

    private init(file: SegmentFile, limit: Int) {
        identity = file.identity
        self.limit = limit
        window = ScanWindow(file: file, limit: limit)
    }

    private mutating func walk() {
        var offset = SegmentHeader.size
        while offset + RecordHeader.size <= limit {
            if let header = wholeRecord(at: offset) {
                endDamage(at: offset)
                take(header, at: offset)
                offset += header.recordLength
                if group.isEmpty, !isOrphan { contents.end = offset }
            } else {
                if damageStart == nil { damageStart = offset }
                dropGroup()
                offset = window.nextMagic(after: offset)
            }
        }
        dropGroup()
        if damageStart == nil, contents.end < limit { damageStart = contents.end }
        endDamage(at: limit)
        for (range, code) in window.unreadable {
            contents.skipped.append(SkippedRange(segment: identity.sequence, range: range, reason: .unreadable(code)))
        }
    }

    private mutating func wholeRecord(at offset: Int) -> RecordHeader? {
        guard
            let header = RecordHeader.decode(
                window.bytes(at: offset, count: RecordHeader.size), identity: identity, offset: offset),
            header.recordLength <= limit - offset,
            RecordHeader.isWhole(
                window.bytes(at: offset, count: header.recordLength), identity: identity, offset: offset)
        else { return nil }
        return header
    }

    /// Accepts a record, or keeps it until its group is complete.
    private mutating func take(_ header: RecordHeader, at offset: Int) {
        let record = window.bytes(at: offset, count: header.recordLength)
        isOrphan = false
        if header.kind == .marks { return }  // at the start of the file, where `opening` reads them
        let key = record.part(RecordHeader.size..<RecordHeader.size + header.keyLength)
        let summary = RecordSummary(header: header, keyHash: xxh3(key, seed: identity.storeSeed), offset: offset)
        if header.groupCount <= 1 {
            dropGroup()
            contents.summaries.append(summary)
            return
        }
        if header.groupIndex == 0 { dropGroup() }
        guard Int(header.groupIndex) == group.count else {
            dropGroup()
            isOrphan = true
            skip(offset..<offset + header.recordLength, .incompleteGroup)
            return
        }
        group.append(summary)
        if group.count == Int(header.groupCount) {
            contents.summaries.append(contentsOf: group)
            group.removeAll(keepingCapacity: true)
        }
    }

    private mutating func dropGroup() {
        guard let first = group.first, let last = group.last else { return }
        skip(first.offset..<last.offset + last.recordLength, .incompleteGroup)
        group.removeAll(keepingCapacity: true)
    }

    private mutating func endDamage(at offset: Int) {
        guard let start = damageStart else { return }
        damageStart = nil
        if start < offset { skip(start..<offset, .notARecord) }
    }

    private mutating func skip(_ range: Range<Int>, _ reason: SkippedRange.Reason) {
        contents.skipped.append(SkippedRange(segment: identity.sequence, range: range, reason: reason))
    }
}

/// The part of a file that a scan looks at; grows for a record that is larger.
///
/// A block that can't be read is zeros here, and named in `unreadable`: damage like any other.
struct ScanWindow: ~Copyable {
    private static let chunk = 1 << 20
    private static let block = 4096

    private let file: SegmentFile
    private let limit: Int
    private var buffer: UnsafeMutableRawBufferPointer
    private var start = 0
    private var count = 0
    private(set) var unreadable: [(Range<Int>, FileErrorCode)] = []

    init(file: SegmentFile, limit: Int) {
        self.file = file
        self.limit = limit
        buffer = .allocate(byteCount: Self.chunk, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// Bytes of the file, valid until the next call. `offset + length` must not pass the limit.
    mutating func bytes(at offset: Int, count length: Int) -> UnsafeRawBufferPointer {
        precondition(offset + length <= limit, "BUG: scan of \(offset)+\(length) beyond \(limit)")
        if offset < start || offset + length > start + count { fill(at: offset, count: length) }
        return UnsafeRawBufferPointer(buffer).part(offset - start..<offset - start + length)
    }

    /// The next multiple of eight at which a record might begin, or the limit.
    mutating func nextMagic(after offset: Int) -> Int {
        var next = offset + RecordHeader.alignment
        while next + RecordHeader.size <= limit {
            if bytes(at: next, count: RecordHeader.size).integer(at: 0, as: UInt32.self) == RecordHeader.magic {
                return next
            }
            next += RecordHeader.alignment
        }
        return next
    }

    private mutating func fill(at offset: Int, count length: Int) {
        let wanted = min(limit - offset, max(length, Self.chunk))
        if buffer.count < wanted {
            buffer.deallocate()
            buffer = .allocate(byteCount: wanted, alignment: 16)
        }
        start = offset
        count = wanted
        let target = buffer.part(0..<wanted)
        do throws(FileError) {
            let read = try file.fileSystem.readFully(file.file, into: target, at: offset)
            zero(target.part(read..<wanted))
        } catch {
            fillByBlocks(target, at: offset)
        }
    }

    /// After a failed read: each block on its own, so that one bad block costs one block.
    private mutating func fillByBlocks(_ target: UnsafeMutableRawBufferPointer, at offset: Int) {
        for begin in stride(from: 0, to: target.count, by: Self.block) {
            let part = target.part(begin..<min(begin + Self.block, target.count))
            do throws(FileError) {
                let read = try file.fileSystem.readFully(file.file, into: part, at: offset + begin)
                zero(part.part(read..<part.count))
            } catch {
                zero(part)
                unreadable.append((offset + begin..<offset + begin + part.count, error.code))
            }
        }
    }

    private func zero(_ part: UnsafeMutableRawBufferPointer) {
        if part.count > 0 { part.initializeMemory(as: UInt8.self, repeating: 0) }
    }
}
