// Large values compressed: what is, what is not, and what becomes of one that is damaged.

import Primitives
import SegmentLog
import TestSupport
import Testing
import WarmTier

@Suite struct `Compressed values` {
    /// A conversation of so many bytes, which shrinks.
    private static func text(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var turn = 0
        while bytes.count < count {
            bytes += Array(
                #"{"role":"user","seq":\#(turn),"content":"and what about order \#(turn * 7919 % 10_007)?"}"#.utf8)
            turn += 1
        }
        return Array(bytes.prefix(count))
    }

    private static func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = SimulatedRandom(seed: seed)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    @Test(arguments: [4095, 4096, 100_000])
    func `a large value takes less of the disk and is read as it was given`(_ count: Int) throws {
        let files = SimulatedFileSystem()
        let value = Self.text(count)
        let metadata = WarmMetadata(
            kind: .record, flags: .promoted, expiresAt: .at(9000), verifiedAt: .at(4), staleForSeconds: 7)
        do {
            let writer = try simulated(files, maxBytes: 4 << 20, compressMin: 4096)
            writer.begin(now: .at(1))
            try writer.put("a", value, metadata)
            #expect(writer.read(Array("a".utf8), now: .at(1)).bytes == value, "within the batch")
            try writer.commit(now: .at(1))
            let figures = writer.tier.statistics
            #expect(figures.compressed == (count >= 4096 ? 1 : 0))
            #expect(figures.compressedRawBytes == (count >= 4096 ? count : 0))
            if count >= 4096 { #expect(figures.compressedStoredBytes < count / 2 && figures.liveBytes < count / 2) }
        }
        let writer = try simulated(files, maxBytes: 4 << 20)
        guard case .entry(let entry) = writer.tier.lookup("a") else { return #expect(Bool(false), "not found") }
        #expect(Array(entry.value) == value && entry.metadata == metadata)
        #expect(writer.tier.statistics.expanded == (count >= 4096 ? 1 : 0))
        #expect(try WarmTier.verify("/warm", fileSystem: files, now: .at(1)).isSound)
    }

    @Test func `a value that does not shrink by an eighth stays as it is`() throws {
        let writer = try simulated(SimulatedFileSystem(), maxBytes: 4 << 20, compressMin: 64)
        let values = [Self.noise(50_000), Self.noise(9000) + [UInt8](repeating: 0, count: 1000), Self.noise(64)]
        for value in values {
            try writer.batch { writer throws(WarmError) in try writer.put("a", value) }
            #expect(writer.tier.lookup("a").bytes == value)
        }
        let figures = writer.tier.statistics
        #expect(figures.compressed == 0 && figures.incompressible == 3 && figures.expanded == 0)
    }

    @Test func `a store is full of what is stored, not of what was given`() throws {
        let writer = try simulated(SimulatedFileSystem(), maxBytes: 256 << 10, whenFull: .refuse, compressMin: 64)
        let value = Self.text(40_000)
        for number in 0..<20 {
            try writer.batch { writer throws(WarmError) in try writer.put("k\(number)", value) }
        }
        for number in 0..<20 { #expect(writer.tier.lookup("k\(number)").bytes == value) }
        #expect(writer.tier.statistics.diskBytes <= 256 << 10)
    }

    @Test func `compaction carries a compressed value on as it lies`() throws {
        let files = SimulatedFileSystem()
        let writer = try simulated(files, maxBytes: 256 << 10, segmentBytes: 16 << 10, compressMin: 64)
        let value = Self.text(20_000)
        try writer.batch { writer throws(WarmError) in try writer.put("kept", value) }
        for number in 0..<400 {
            // More than there is room for, so that the oldest segment goes again and again.
            try writer.batch { writer throws(WarmError) in try writer.put("k\(number % 120)", Self.noise(2000)) }
            _ = writer.tier.lookup("kept")
            writer.maintain(now: .at(Int64(number) + 2))
        }
        let figures = writer.tier.statistics
        #expect(figures.compacted + figures.secondChances > 0 && figures.compressed == 1)
        #expect(writer.tier.lookup("kept").bytes == value)
    }

    @Test func `a segment of version 1 is read, and not continued with what it could not hold`() throws {
        let files = SimulatedFileSystem()
        do {
            let writer = try simulated(files, maxBytes: 1 << 20)
            try writer.batch { writer throws(WarmError) in try writer.put("old", "value") }
        }
        let path = try #require(files.paths.first { $0.hasSuffix(".segment") })
        var bytes = try #require(files.contents(path))
        #expect(bytes[8] == 2)
        bytes[8] = 1
        let check = bytes[0..<56].withUnsafeBytes { xxh3($0) }
        withUnsafeBytes(of: check.littleEndian) { bytes.replaceSubrange(56..<64, with: $0) }
        files.setContents(path, bytes)
        let writer = try simulated(files, maxBytes: 1 << 20, compressMin: 64)
        #expect(writer.tier.value("old") == "value" && writer.skippedAtOpening.isEmpty)
        let value = Self.text(5000)
        try writer.batch { writer throws(WarmError) in try writer.put("new", value) }
        #expect(writer.tier.lookup("new").bytes == value && writer.tier.value("old") == "value")
        let segments = files.paths.filter { $0.hasSuffix(".segment") }.sorted()
        #expect(segments.count == 2 && segments[0] == path)
        #expect(files.contents(path)?[8] == 1 && files.contents(segments[1])?[8] == 2)
    }

    /// What a compressed value could be instead: a length that is not the frame's, no frame, half of one, one and more.
    private static let forgeries: [(name: String, change: @Sendable ([UInt8]) -> [UInt8])] = [
        ("nothing", { _ in [] }), ("a length alone", { Array($0.prefix(4)) }),
        ("half a frame", { Array($0.prefix($0.count / 2)) }), ("bytes behind the frame", { $0 + [1, 2, 3] }),
        ("another length", { [$0[0] ^ 1] + $0.dropFirst() }),
        ("a length of 4 GiB", { [255, 255, 255, 255] + $0.dropFirst(4) }),
        ("no frame", { $0.prefix(4) + noise(200) }),
        (
            "a flipped bit within",
            {
                var bytes = $0
                bytes[bytes.count / 2] ^= 16
                return bytes
            }
        ),
    ]

    @Test(arguments: forgeries.indices)
    func `a record whose checksum is right and whose frame is not is damaged, and said where it lies`(
        _ index: Int
    ) throws {
        let forgery = Self.forgeries[index]
        let files = SimulatedFileSystem()
        var frame: [UInt8] = []
        do {
            let writer = try simulated(files, maxBytes: 1 << 20, compressMin: 64)
            try writer.batch { writer throws(WarmError) in try writer.put("a", Self.text(3000)) }
        }
        let options = SegmentLog.Options(directory: "/warm", purpose: .warm, segmentBytes: 64 << 10)
        do {
            let (log, recovery) = try SegmentLog.open(options, fileSystem: files)
            let line = try #require(recovery.segments.last?.summaries.last)
            let segment = try #require(log.segment(recovery.segments[0].sequence))
            let record = try #require(try segment.file.record(at: line.offset, length: line.recordLength))
            #expect(record.header.flags == 128)
            frame = Array(record.value)
            let batch = log.makeBatch()
            Array("b".utf8).withUnsafeBytes { key in
                forgery.change(frame).withUnsafeBytes { value in
                    _ = batch.append(
                        RecordHeader(kind: RecordKind(rawValue: 1), flags: 128, keyLength: 0, valueLength: 0), key: key,
                        value: value)
                }
            }
            let place = try log.prepare(batch, now: .at(2))
            try log.commit(batch, at: place, synchronously: true, now: .at(2))
        }
        let report = try WarmTier.verify("/warm", fileSystem: files, now: .at(3))
        // A flipped bit may still be what some other value compresses to: there is no checksum but the record's.
        let writer = try simulated(files, maxBytes: 1 << 20)
        switch writer.tier.lookup("b", now: .at(3)) {
        case .damaged:
            #expect(report.damage.map(\.reason) == [.compression], "\(forgery.name)")
            #expect(writer.tier.statistics.damaged == 1)
        case .entry(let entry) where index == Self.forgeries.count - 1: #expect(entry.value.count == 3000)
        case let other: Issue.record("\(forgery.name): \(other)")
        }
        #expect(writer.tier.lookup("a", now: .at(3)).bytes == Self.text(3000))
    }
}
