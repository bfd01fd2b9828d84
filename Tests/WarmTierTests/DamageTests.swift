// A small store whose files are cut, zeroed, flipped and overwritten, at every byte.

import Primitives
import SegmentLog
import TestSupport
import Testing
import WarmTier

@Suite struct `Damage` {
    /// A store of a sealed segment and one that was being written: values, an overwrite, a deletion and a group.
    struct Small {
        let files = SimulatedFileSystem(seed: 4)
        /// Each file's bytes.
        var originals: [String: [UInt8]] = [:]
        /// Every value that a key ever had; nil is a deletion.
        var history: [String: [String?]] = [:]

        init() throws {
            let writer = try simulated(files, maxBytes: 64 << 10, segmentBytes: 2048)
            try commit(writer, [("a", "first a"), ("b", "b")])
            try commit(writer, [("a", "second a")])
            try commit(writer, [("dead", "alive")])
            try commit(writer, [("big", String(repeating: "z", count: 700))])
            try commit(writer, [("big2", String(repeating: "y", count: 700))])
            try commit(writer, [("dead", nil)])
            try commit(writer, [("g1", "group"), ("g2", "group")], isGroup: true)
            try commit(writer, [("c", "c")])
            for path in files.paths where path.hasSuffix(".segment") { originals[path] = files.contents(path) }
        }

        private mutating func commit(
            _ writer: WarmWriter, _ changes: [(key: String, value: String?)], isGroup: Bool = false
        ) throws {
            func stage(_ writer: WarmWriter) throws(WarmError) {
                for change in changes {
                    if let value = change.value {
                        try writer.put(change.key, value)
                    } else {
                        try writer.delete(change.key)
                    }
                }
            }
            try writer.batch { writer throws(WarmError) in
                if isGroup { try writer.atomically(stage) } else { try stage(writer) }
            }
            for change in changes { history[change.key, default: []].append(change.value) }
        }

        /// Opens the store with one file damaged, and checks everything that must hold.
        ///
        /// `damaged` is the range of the file that is not as it was written.
        func check(_ path: String, _ bytes: [UInt8], damaged: Range<Int>, _ place: String) throws {
            for (other, original) in originals { files.setContents(other, other == path ? bytes : original) }
            let report = try WarmTier.verify("/warm", fileSystem: files, now: .at(1))
            let writer = try simulated(files, maxBytes: 64 << 10, segmentBytes: 2048)
            for (key, values) in history {
                let found = writer.tier.lookup(key)
                let text = found.text
                if text != nil, !values.contains(text) { Issue.record("\(place): \(key) is \(found)") }
                if !Self.touches(damaged, key, path, originals), text != (values.last ?? nil) {
                    Issue.record("\(place): \(key) is \(text ?? "absent"), its record is whole")
                }
            }
            if report.isSound, !damaged.isEmpty, bytes != originals[path], !Self.isTornEnd(damaged, path, originals) {
                Issue.record("\(place): verify found nothing")
            }
            if writer.tier.lookup("g1").text != writer.tier.lookup("g2").text, writer.tier.lookup("g1").isAbsent {
                Issue.record("\(place): half a group")
            }
        }

        /// A file cut exactly at the end of a record looks like one that was never longer.
        private static func isTornEnd(_ damaged: Range<Int>, _ path: String, _ originals: [String: [UInt8]]) -> Bool {
            damaged.upperBound == originals[path]?.count
        }

        /// Whether a record of `key`, or of its group, lies in the damaged range.
        private static func touches(
            _ damaged: Range<Int>, _ key: String, _ path: String, _ originals: [String: [UInt8]]
        ) -> Bool {
            let keys = key.hasPrefix("g") ? ["g1", "g2"] : [key]
            let files = SimulatedFileSystem()
            for (other, original) in originals { files.setContents(other, original) }
            guard
                let report = try? SegmentInspection.run("/warm", purpose: .warm, deeply: true, fileSystem: files),
                let segment = report.segments.first(where: { $0.path == path }), let bytes = originals[path]
            else { return true }
            return segment.summaries.contains { line in
                let start = line.offset + RecordHeader.size
                let name = String(decoding: bytes[start..<start + line.keyLength], as: UTF8.self)
                return keys.contains(name) && (line.offset..<line.offset + line.recordLength).overlaps(damaged)
            }
        }
    }

    @Test func `a file cut at any byte keeps every whole record before the cut`() throws {
        let small = try Small()
        #expect(small.originals.count == 2)
        for (path, original) in small.originals {
            for cut in 0..<original.count {
                try small.check(path, Array(original[..<cut]), damaged: cut..<original.count, "\(path) cut at \(cut)")
            }
        }
    }

    @Test(arguments: ["zeroed", "noise", "flipped"])
    func `a file overwritten anywhere keeps every whole record outside`(_ kind: String) throws {
        let small = try Small()
        var random = SimulatedRandom(seed: 11)
        for (path, original) in small.originals {
            for start in 0..<original.count {
                let length = kind == "flipped" ? 1 : [1, 8, 100][start % 3]
                let damaged = start..<min(start + length, original.count)
                var bytes = original
                for index in damaged {
                    switch kind {
                    case "zeroed": bytes[index] = 0
                    case "noise": bytes[index] = UInt8.random(in: 0...255, using: &random)
                    default: bytes[index] ^= 1 << UInt8(start % 8)
                    }
                }
                try small.check(path, bytes, damaged: damaged, "\(path) \(kind) at \(damaged)")
            }
        }
    }

    @Test func `records of another segment or another place are not taken for living ones`() throws {
        let small = try Small()
        let paths = small.originals.keys.sorted()
        let first = try #require(small.originals[paths[0]])
        let second = try #require(small.originals[paths[1]])
        // The first segment's records laid over the second's.
        var swapped = second
        let count = min(first.count, second.count)
        swapped.replaceSubrange(64..<count, with: first[64..<count])
        try small.check(paths[1], swapped, damaged: 64..<second.count, "records of another segment")
        // The first's own records, moved by one place.
        let moved = Array(first[0..<64]) + Array(first[144...]) + [UInt8](repeating: 0, count: 80)
        try small.check(paths[0], moved, damaged: 64..<first.count, "moved records")
    }

    @Test func `a value damaged under a running tier reads as damaged and is counted`() throws {
        let files = SimulatedFileSystem()
        let writer = try simulated(files)
        try writer.batch { writer throws(WarmError) in
            try writer.put("a", "value a")
            try writer.put("b", "value b")
        }
        let path = try #require(files.paths.first { $0.hasSuffix(".segment") })
        var bytes = try #require(files.contents(path))
        bytes[64 + 64 + 3] ^= 0x10
        let file = try files.open(path, .readWrite)
        try bytes.withUnsafeBytes { _ = try files.write(file, from: $0, at: 0) }
        guard case .damaged = writer.tier.lookup("a") else {
            Issue.record("not found to be damaged")
            return
        }
        #expect(writer.tier.value("b") == "value b")
        #expect(writer.tier.statistics.damaged == 1)
        try writer.batch { writer throws(WarmError) in try writer.put("a", "again") }
        #expect(writer.tier.value("a") == "again")
    }

    @Test func `a newer format is refused and left alone`() throws {
        let small = try Small()
        let path = try #require(small.originals.keys.sorted().last)
        var bytes = try #require(small.originals[path])
        bytes[8] = 3
        let check = bytes[0..<56].withUnsafeBytes { xxh3($0) }
        withUnsafeBytes(of: check.littleEndian) { bytes.replaceSubrange(56..<64, with: $0) }
        small.files.setContents(path, bytes)
        #expect(throws: WarmError.log(.unsupportedVersion(path: path, version: 3))) {
            _ = try simulated(small.files, maxBytes: 64 << 10, segmentBytes: 2048)
        }
        #expect(small.files.contents(path) == bytes)
    }

    @Test func `inspect and verify tell what is there and write nothing`() throws {
        let small = try Small()
        let before = small.originals
        for report in [
            try WarmTier.inspect("/warm", fileSystem: small.files, now: .at(1)),
            try WarmTier.verify("/warm", fileSystem: small.files, now: .at(1)),
        ] {
            #expect(report.isSound)
            #expect(report.keys == 7)
            #expect(report.segments.count == 2)
            #expect(report.segments[0].isSealed)
            #expect(!report.segments[1].isSealed)
            #expect(report.segments.reduce(0) { $0 + $1.tombstones } == 1)
        }
        for (path, bytes) in before { #expect(small.files.contents(path) == bytes) }
        var damaged = before
        let path = try #require(before.keys.sorted().first)
        damaged[path]?[200] ^= 1
        small.files.setContents(path, try #require(damaged[path]))
        let report = try WarmTier.verify("/warm", fileSystem: small.files, now: .at(1))
        #expect(!report.isSound)
        #expect(report.damage.allSatisfy { $0.range.contains(200) })
    }
}
