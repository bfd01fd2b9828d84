// The log by itself: places, groups, footers, names, and what opening finds.

import Primitives
import SegmentLog
import TestSupport
import Testing

private let now = Timestamp(milliseconds: 1)
private let plain = RecordKind(rawValue: 1)

private func openLog(
    _ files: SimulatedFileSystem, segmentBytes: Int = 4096, repairsTail: Bool = true
) throws -> (log: SegmentLog, recovery: SegmentRecovery) {
    try SegmentLog.open(
        SegmentLog.Options(directory: "/log", purpose: .journal, segmentBytes: segmentBytes, repairsTail: repairsTail),
        fileSystem: files)
}

extension RecordBatch {
    fileprivate func append(_ key: String, _ value: String) {
        Array(key.utf8).withUnsafeBytes { key in
            Array(value.utf8).withUnsafeBytes { value in
                _ = append(RecordHeader(kind: plain, keyLength: 0, valueLength: 0), key: key, value: value)
            }
        }
    }
}

extension SegmentLog {
    @discardableResult
    fileprivate func write(_ pairs: [(String, String)], isGroup: Bool = false) throws -> BatchPlace {
        let batch = makeBatch()
        if isGroup { batch.beginGroup() }
        for (key, value) in pairs { batch.append(key, value) }
        if isGroup { batch.endGroup() }
        let place = try prepare(batch, now: now)
        try commit(batch, at: place, synchronously: true, now: now)
        return place
    }

    /// Every record in order, as text.
    fileprivate func all(_ recovery: SegmentRecovery) throws -> [String] {
        try recovery.segments.flatMap { sequence, lines in
            try lines.map { line in
                let record = try segment(sequence)?.file.record(at: line.offset, length: line.recordLength)
                return record.map { String(decoding: $0.key + [61] + $0.value, as: UTF8.self) } ?? "not whole"
            }
        }
    }
}

@Suite struct `The segment log` {
    @Test func `records come back in the order in which they were committed, over many segments`() throws {
        let files = SimulatedFileSystem()
        var expected: [String] = []
        do {
            let (log, _) = try openLog(files)
            for number in 0..<200 {
                try log.write([("k\(number)", "v\(number)")])
                expected.append("k\(number)=v\(number)")
            }
            #expect(log.segments.count > 3)
            #expect(log.segments.dropLast().allSatisfy { $0.isSealed && $0.fileSize <= 4096 })
        }
        let (log, recovery) = try openLog(files)
        #expect(try log.all(recovery) == expected)
        #expect(recovery.skipped.isEmpty)
    }

    @Test func `the segment that was being written is continued after a restart`() throws {
        let files = SimulatedFileSystem()
        for number in 0..<5 {
            let (log, _) = try openLog(files)
            try log.write([("k\(number)", "v")])
            #expect(log.segments.count == 1)
        }
        let (log, recovery) = try openLog(files)
        #expect(try log.all(recovery).count == 5)
    }

    @Test func `a record larger than what is read at once is found in a file without its footer`() throws {
        let files = SimulatedFileSystem()
        let value = String(repeating: "v", count: 3 << 20)
        do {
            let (log, _) = try openLog(files, segmentBytes: 16 << 20)
            try log.write([("before", "1"), ("large", value), ("behind", "2")])
        }
        let (log, recovery) = try openLog(files, segmentBytes: 16 << 20)
        #expect(try log.all(recovery) == ["before=1", "large=" + value, "behind=2"])
    }

    @Test func `a group cut short is left out whole, and what is before it stays`() throws {
        let files = SimulatedFileSystem()
        var path = ""
        let base: Int
        do {
            let (log, _) = try openLog(files)
            try log.write([("before", "1")])
            base = try log.write([("x", "1"), ("y", "2"), ("z", "3")], isGroup: true).base
            path = try #require(log.segments.first?.file.path)
        }
        let bytes = try #require(files.contents(path))
        for cut in base..<bytes.count {
            files.setContents(path, Array(bytes[..<cut]))
            let (log, recovery) = try openLog(files)
            #expect(try log.all(recovery) == ["before=1"])
        }
    }

    @Test func `a torn end stays in its file where the owner wants it kept`() throws {
        let files = SimulatedFileSystem()
        var path = ""
        do {
            let (log, _) = try openLog(files)
            try log.write([("a", "1")])
            try log.write([("b", "2")])
            path = try #require(log.segments.first?.file.path)
        }
        let torn = Array(try #require(files.contents(path)).dropLast(8))
        files.setContents(path, torn)
        let (log, recovery) = try openLog(files, repairsTail: false)
        #expect(try log.all(recovery) == ["a=1"])
        #expect(recovery.skipped.map(\.reason) == [.notARecord])
        try log.write([("c", "3")])
        #expect(files.contents(path) == torn)
        #expect(log.segments.count == 2)
    }

    @Test func `what was emptied does not come back`() throws {
        let files = SimulatedFileSystem(seed: 8)
        do {
            let (log, _) = try openLog(files)
            for number in 0..<100 { try log.write([("k\(number)", "v")]) }
            try log.empty(now: now)
            try log.write([("after", "1")])
            for segment in log.segments where segment.isVoid { try log.remove(segment.sequence) }
            #expect(log.segments.count == 1)
        }
        files.cutPower()
        files.restorePower()
        let (log, recovery) = try openLog(files)
        #expect(try log.all(recovery) == ["after=1"])
    }

    @Test func `a directory of another purpose is refused`() throws {
        let files = SimulatedFileSystem()
        do {
            let (log, _) = try openLog(files)
            try log.write([("a", "1")])
        }
        #expect(throws: SegmentLogError.self) {
            _ = try SegmentLog.open(
                SegmentLog.Options(directory: "/log", purpose: .warm, segmentBytes: 4096), fileSystem: files)
        }
    }

    @Test func `files of two stores in one directory are refused`() throws {
        let files = SimulatedFileSystem()
        do {
            let (log, _) = try openLog(files)
            try log.write([("a", "1")])
        }
        files.setContents("/log/" + SegmentIdentity(storeSeed: 1, sequence: 9).fileName, [1, 2, 3])
        #expect(throws: SegmentLogError.self) { _ = try openLog(files) }
    }

    @Test func `a file name gives its identity back, and no other name does`() {
        let identity = SegmentIdentity(storeSeed: 0xFEDC_BA98_7654_3210, sequence: 0xABCD_EF01)
        #expect(identity.fileName == "fedcba9876543210-abcdef01.segment")
        #expect(SegmentIdentity(fileName: identity.fileName) == identity)
        for name in [
            "LOCK", "", "fedcba9876543210-abcdef01.segmen", "fedcba9876543210-00000000.segment",
            "FEDCBA9876543210-abcdef01.segment", "fedcba9876543210_abcdef01.segment",
        ] {
            #expect(SegmentIdentity(fileName: name) == nil)
        }
    }

    @Test(arguments: [0, 1, 4095, 4096, 4097, 70_001, 86_400, 31_536_000, UInt32.max])
    func `a coarse span is never shorter and hardly longer`(_ seconds: UInt32) {
        let held = CoarseSeconds(roundingUp: seconds).seconds
        if seconds <= 134_000_000 {
            #expect(held >= Int64(seconds))
            #expect(Double(held) <= Double(seconds) * 1.0005)
        } else {
            #expect(held == 134_184_960)
        }
    }
}
