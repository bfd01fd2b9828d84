// Whether a row of files is the chain that was written: where a line was altered, taken out, put in, moved or cut off.
//
// DESIGN. Each line is judged by itself (its own hash), and by the one before (its number, and the hash that it names).
// After a line that is not whole the chain is taken up again at the next one that is, so that one damaged line is one
// finding. What lies torn is no finding where the line behind it says so and gives its hash: a kill leaves that.
//
// What it can't find: a chain that was written anew from some line on, by somebody who may write the files. For that a
// head that was kept elsewhere is compared (`AuditVerification.expecting`).

internal import Primitives
public import SegmentLog

/// What a row of files came to.
public struct AuditReport: Sendable, Equatable {
    /// A file as it was read.
    public struct File: Sendable, Equatable {
        public var path: String
        public var lines: UInt64
        public var first: UInt64
        public var last: UInt64
    }

    public internal(set) var files: [File] = []
    /// What can't be, each with its place; at most a hundred.
    public internal(set) var findings: [String] = []
    /// How many findings there were.
    public internal(set) var findingCount = 0
    /// What should be known and is no break: starts after a kill, accesses without a line.
    public internal(set) var notes: [String] = []
    /// Where the chain stands.
    public internal(set) var head = AuditHead()
    public internal(set) var accesses: UInt64 = 0
    public internal(set) var dropped: UInt64 = 0
    public internal(set) var refused: UInt64 = 0

    public var isWhole: Bool { findingCount == 0 }

    mutating func find(_ text: String) {
        findingCount += 1
        if findings.count < 100 { findings.append(text) }
    }
}

/// Reads a row of files in the order of their lines.
public struct AuditVerification {
    /// Where a chain stood by somebody else's word; `mayGoOn` where lines may have been added since.
    public struct Expectation: Sendable, Equatable {
        public var head: AuditHead
        public var mayGoOn: Bool

        public init(_ head: AuditHead, mayGoOn: Bool) {
            self.head = head
            self.mayGoOn = mayGoOn
        }
    }

    private let fileSystem: any FileSystem
    private let expecting: Expectation?
    private let isPartial: Bool
    private var report = AuditReport()
    /// The last line that was whole.
    private var before: AuditLine.Reading?
    /// Lines up to this one were removed to keep within `audit.keep`.
    private var removedThrough: UInt64 = 0
    private var firstSequence: UInt64?
    private var sawExpected = false
    /// Bytes behind `before` that are no line, until it is known whether a kill explains them.
    private var torn: Torn?
    /// They were not explained.
    private var wasDamaged = false

    private struct Torn {
        let bytes: [UInt8]
        let path: String
        let offset: Int

        init(bytes: [UInt8], _ path: String, _ offset: Int) {
            self.bytes = bytes
            self.path = path
            self.offset = offset
        }
    }

    /// With `isPartial` the row may begin and end with any of the files.
    public init(
        fileSystem: any FileSystem = DiskFileSystem(), expecting: Expectation? = nil, isPartial: Bool = false
    ) {
        self.fileSystem = fileSystem
        self.expecting = expecting
        self.isPartial = isPartial
    }

    /// The files of an audit: itself, and those beside its path whose names continue its own and that hold lines (not
    /// compressed ones, for example).
    public static func row(
        of path: String, fileSystem: any FileSystem = DiskFileSystem()
    ) throws(AuditError) -> [String] {
        try attempt { () throws(FileError) -> [String] in
            var found: [String] = []
            for sibling in try AuditEnding.siblings(of: path, fileSystem) + [path] {
                do throws(FileError) {
                    let first = try first(of: sibling, fileSystem)
                    if sibling == path || first != nil { found.append(sibling) }
                } catch {
                    guard error.code == .noSuchFile else { throw error }
                }
            }
            return found
        }
    }

    /// The number of a file's first whole line.
    private static func first(of path: String, _ fileSystem: any FileSystem) throws(FileError) -> UInt64? {
        let file = try fileSystem.open(path, .readOnly)
        defer { try? fileSystem.close(file) }
        let size = try fileSystem.size(file)
        let head = try fileSystem.contents(file, from: 0, to: min(size, 64 << 10))
        for line in head.split(separator: 10) {
            if let reading = AuditLine.read(Array(line)) { return reading.sequence }
        }
        return try AuditEnding.find(file, size, fileSystem)?.last.sequence
    }

    /// The same paths in the order of the lines in them.
    public static func ordered(
        _ paths: [String], fileSystem: any FileSystem = DiskFileSystem()
    ) throws(AuditError) -> [String] {
        var numbered: [(path: String, first: UInt64, place: Int)] = []
        for (place, path) in paths.enumerated() {
            let first = try attempt { () throws(FileError) -> UInt64? in try Self.first(of: path, fileSystem) }
            // One without a whole line stands where it was named.
            numbered.append((path, first ?? numbered.last?.first ?? 0, place))
        }
        return numbered.sorted { ($0.first, $0.place) < ($1.first, $1.place) }.map(\.path)
    }

    /// Calls `body` with each line of a file, whole or not, without its line end.
    public static func forEachLine(
        of path: String, fileSystem: any FileSystem = DiskFileSystem(), _ body: ([UInt8]) -> Void
    ) throws(AuditError) {
        let bytes = try contents(of: path, fileSystem)
        for line in bytes.split(separator: 10) { body(Array(line)) }
    }

    private static func contents(of path: String, _ fileSystem: any FileSystem) throws(AuditError) -> [UInt8] {
        try attempt { () throws(FileError) -> [UInt8] in
            let file = try fileSystem.open(path, .readOnly)
            defer { try? fileSystem.close(file) }
            return try fileSystem.contents(file, from: 0, to: try fileSystem.size(file))
        }
    }

    /// Reads the files, in this order, and says what they come to.
    public mutating func verify(_ paths: [String]) throws(AuditError) -> AuditReport {
        for (index, path) in paths.enumerated() { try verify(path, isLast: index == paths.count - 1) }
        judgeBeginning()
        judgeEnd()
        return report
    }

    // MARK: Lines

    private mutating func verify(_ path: String, isLast: Bool) throws(AuditError) {
        let bytes = try Self.contents(of: path, fileSystem)
        report.files.append(AuditReport.File(path: path, lines: 0, first: 0, last: 0))
        bytes.withUnsafeBytes { bytes in
            var damageFrom: Int?
            var start = 0
            while start < bytes.count {
                let end = bytes[start...].firstIndex(of: 10) ?? bytes.count
                let line = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                if let reading = AuditLine.read(line), end < bytes.count {
                    // The line end that a new life puts behind a torn line is not part of it.
                    if let from = damageFrom { torn = Torn(bytes: Array(bytes[from..<(start - 1)]), path, from) }
                    take(reading, path)
                    damageFrom = nil
                } else if damageFrom == nil {
                    damageFrom = start
                }
                start = end + 1
            }
            guard let damageFrom else { return }
            torn = Torn(bytes: Array(bytes[damageFrom...]), path, damageFrom)
            if isLast { judgeTail() }
        }
    }

    private mutating func take(_ line: AuditLine.Reading, _ path: String) {
        if let torn {
            var isExplained = false
            if case .opened(_, let count, let hash?) = line.event {
                isExplained =
                    torn.bytes.count == count && SHA256Digest(torn.bytes) == hash && AuditLine.isOneLine(torn.bytes)
            }
            if isExplained {
                report.notes.append("\(torn.path): a line of \(torn.bytes.count) bytes was torn by a kill")
            } else {
                report.find(
                    "\(torn.path), byte \(torn.offset): what stands before line \(line.sequence) is not as it was "
                        + "written")
                wasDamaged = true
            }
        }
        torn = nil
        link(line, path)
        note(line, path)
        count(line)
        before = line
        wasDamaged = false
    }

    /// Judges a whole line by the one before.
    private mutating func link(_ line: AuditLine.Reading, _ path: String) {
        guard let before else {
            firstSequence = line.sequence
            if line.sequence == 1, line.previous != .none, !wasDamaged {
                report.find("\(path): line 1 names a line before it")
            }
            return
        }
        let expected = before.sequence + 1
        if wasDamaged, line.sequence >= expected {
            // What was damaged may have been one line or several; the number says how many.
            let lost = line.sequence - expected
            if lost > 1 { report.find("\(path): \(lost) lines before line \(line.sequence) are damaged or missing") }
        } else if line.sequence > expected {
            report.find("\(path): \(Self.range(expected, line.sequence - 1)) missing before line \(line.sequence)")
        } else if line.sequence < expected {
            report.find(
                "\(path): line \(line.sequence) stands behind line \(before.sequence): moved, repeated or put in")
        } else if line.previous != before.hash {
            report.find(
                "\(path): line \(line.sequence) names another line \(before.sequence) than the one before it: "
                    + "one of them was replaced")
        }
    }

    private static func range(_ first: UInt64, _ last: UInt64) -> String {
        first == last ? "line \(first) is" : "lines \(first) to \(last) are"
    }

    private mutating func note(_ line: AuditLine.Reading, _ path: String) {
        switch line.event {
        case nil, .closed, .rotated: break
        case .opened(let after, _, _):
            judgeOpening(line, after, path)
        case .gap(let gap):
            // Whoever wrote the file may have written anything.
            report.dropped &+= gap.dropped
            report.refused &+= gap.refused
            report.notes.append(
                "\(path): before line \(line.sequence) \(gap.dropped) accesses were answered without a line, and "
                    + "\(gap.refused) refused for want of one")
        case .removed(let file, let through):
            removedThrough = max(removedThrough, through)
            report.notes.append("\(path): \(file), up to line \(through), was removed to keep within audit.keep")
        }
        if case .opened = line.event { return }
        if let before, !wasDamaged, before.event == .closed || before.event == .rotated {
            report.find("\(path): line \(line.sequence) follows one that was the last of its file or process")
        }
    }

    private mutating func judgeOpening(_ line: AuditLine.Reading, _ after: AuditEvent.After, _ path: String) {
        if after == .killed {
            report.notes.append(
                "\(path): before line \(line.sequence) the process was killed, or its disk failed; its last accesses "
                    + "may have no line")
        }
        if after == .nothing, line.sequence != 1 {
            report.find("\(path): line \(line.sequence) begins a chain, and is not its first line")
        }
    }

    private mutating func count(_ line: AuditLine.Reading) {
        if line.event == nil { report.accesses += 1 }
        let place = report.files.count - 1
        if report.files[place].lines == 0 { report.files[place].first = line.sequence }
        report.files[place].lines += 1
        report.files[place].last = line.sequence
        guard let expected = expecting?.head, expected.sequence == line.sequence else { return }
        if expected.hash == line.hash {
            sawExpected = true
        } else {
            report.find("\(path(place)): line \(line.sequence) is not the one whose hash was kept elsewhere")
        }
    }

    private func path(_ place: Int) -> String { report.files[place].path }

    // MARK: Both ends

    /// What stands behind the last whole line of all.
    private mutating func judgeTail() {
        guard let torn else { return }
        let isUnderWay = expecting?.mayGoOn == true && sawExpected && AuditLine.mayBeTorn(torn.bytes)
        guard !isUnderWay else { return }
        report.find(
            "\(torn.path), byte \(torn.offset): \(torn.bytes.count) bytes at the end are not as they were written")
    }

    private mutating func judgeBeginning() {
        guard let firstSequence, firstSequence > 1, !isPartial, removedThrough < firstSequence - 1 else { return }
        report.find(
            "\(path(0)): \(Self.range(1, firstSequence - 1)) missing before line \(firstSequence), and no line says "
                + "that they were removed; name the files before this one, or --partial where they are gone on purpose")
    }

    private mutating func judgeEnd() {
        guard let before else { return report.find("there is no line") }
        report.head = before.head
        if let expecting {
            if before.sequence < expecting.head.sequence {
                report.find(
                    "\(Self.range(before.sequence + 1, expecting.head.sequence)) missing at the end: line "
                        + "\(expecting.head.sequence) is known to have been written")
            } else if !sawExpected, firstSequence ?? 0 > expecting.head.sequence {
                report.find("line \(expecting.head.sequence), whose hash was kept elsewhere, is in none of the files")
            }
        }
        if let expecting, expecting.mayGoOn || before.sequence == expecting.head.sequence { return }
        guard before.event != .closed else { return }
        if before.event == .rotated {
            guard !isPartial else { return }
            return report.find(
                "line \(before.sequence) ends its file, and the file that follows is not among these: name it too, or "
                    + "--partial")
        }
        report.find(
            "line \(before.sequence) is the last, and no line says that the process or its file ended there: it still "
                + "writes, it was killed, or lines were cut off the end. Compare with a head that was kept elsewhere "
                + "(--head), or let Hearth start: its first line then says where it found the end")
    }
}
