// The older records of a batch's keys: read together where they lie together, and each of them found.

import SegmentLog
import TestSupport
import Testing
import WarmTier

@Suite struct PredecessorTests {
    private func put(_ numbers: some Sequence<Int>, _ text: String, _ writer: WarmWriter) throws {
        try writer.batch { writer throws(WarmError) in
            for number in numbers { try writer.put("key:\(number)", "\(text) \(number)") }
        }
    }

    private func expect(_ numbers: Range<Int>, _ text: String, _ writer: WarmWriter) {
        for number in numbers { #expect(writer.tier.value("key:\(number)") == "\(text) \(number)") }
        #expect(writer.tier.statistics.entries == numbers.count)
    }

    @Test func `records that lie together are found with few reads`() throws {
        let files = SimulatedFileSystem()
        let writer = try simulated(files, maxBytes: 1 << 20, segmentBytes: 128 << 10)
        try put(0..<400, "first", writer)
        files.faults = SimulatedFaults()
        try put((0..<400).reversed(), "second", writer)
        // A write, its synchronisation, and 44 KB in reads of 64 KiB at most.
        #expect(files.calls <= 4)
        expect(0..<400, "second", writer)
    }

    @Test func `records that lie far apart are found, and stay gone when they are deleted`() throws {
        let files = SimulatedFileSystem()
        let writer = try simulated(files, maxBytes: 1 << 20, segmentBytes: 64 << 10)
        let text = String(repeating: "t", count: 3000)
        for start in stride(from: 0, to: 100, by: 10) { try put(start..<start + 10, text, writer) }
        try put(stride(from: 99, through: 0, by: -3), "second", writer)
        for number in 0..<100 {
            let text = number % 3 == 0 ? "second" : text
            #expect(writer.tier.value("key:\(number)") == "\(text) \(number)")
        }
        try writer.batch { writer throws(WarmError) in for number in 0..<100 { try writer.delete("key:\(number)") } }
        files.endProcess()
        let reopened = try simulated(files, maxBytes: 1 << 20, segmentBytes: 64 << 10)
        #expect(reopened.tier.statistics.entries == 0)
    }

    @Test func `a damaged one among them is let go, and those beside it are found`() throws {
        let files = SimulatedFileSystem()
        let writer = try simulated(files, maxBytes: 1 << 20, segmentBytes: 128 << 10)
        try put(0..<100, "first", writer)
        let path = try #require(files.paths.first { $0.hasSuffix(".segment") })
        var bytes = try #require(files.contents(path))
        let key = try #require(bytes.firstRange(of: Array("key:50first 50".utf8)))
        // The length of its key.
        bytes[key.lowerBound - RecordHeader.size + 16] ^= 1
        let file = try files.open(path, .readWrite)
        try bytes.withUnsafeBytes { _ = try files.write(file, from: $0, at: 0) }
        try put(0..<100, "second", writer)
        #expect(writer.tier.statistics.damaged == 1)
        expect(0..<100, "second", writer)
        files.endProcess()
        expect(0..<100, "second", try simulated(files, maxBytes: 1 << 20, segmentBytes: 128 << 10))
    }

    @Test func `where they can't be read together they are read one by one`() throws {
        let files = SimulatedFileSystem()
        let writer = try simulated(files, maxBytes: 1 << 20, segmentBytes: 128 << 10)
        try put(0..<100, "first", writer)
        var faults = SimulatedFaults()
        faults.failingOperation = .read
        faults.failingCall = 1
        files.faults = faults
        try put(0..<100, "second", writer)
        #expect(files.failedCalls == 1)
        expect(0..<100, "second", writer)
        faults.isPersistent = true
        files.faults = faults
        #expect(throws: WarmError.self) { try put(0..<100, "third", writer) }
        files.faults = SimulatedFaults()
        expect(0..<100, "second", writer)
    }
}
