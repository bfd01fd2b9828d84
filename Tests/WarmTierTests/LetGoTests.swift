// Records that are let go before their file is: whatever ends the process then, nothing older comes back.

import Primitives
import SegmentLog
import TestSupport
import Testing
import WarmTier

@Suite struct `Records that were let go` {
    /// Fills segments with the keys `k1`, `k2` … of 200 bytes each.
    private final class Filler {
        let writer: WarmWriter
        var now = Timestamp.at(1)
        /// Of the last key.
        private(set) var number = 0

        init(_ writer: WarmWriter) { self.writer = writer }

        func put(_ key: String, _ value: String, _ metadata: WarmMetadata = WarmMetadata()) throws {
            try writer.batch(now: now) { writer throws(WarmError) in try writer.put(key, value, metadata) }
        }

        func putNext() throws {
            number += 1
            try put("k\(number)", String(repeating: "v", count: 200))
        }

        /// Puts keys until another segment has begun.
        func fillSegment() throws {
            let segments = writer.tier.statistics.segments
            while writer.tier.statistics.segments == segments { try putNext() }
        }
    }

    /// A store whose oldest segment is being emptied: some of its keys are gone, and its file is still there.
    private func halfEmptied(_ files: SimulatedFileSystem) throws -> (writer: WarmWriter, gone: [String]) {
        let writer = try simulated(files, maxBytes: 64 << 10)
        var keys: [String] = []
        while writer.tier.statistics.evicted == 0 {
            let key = "k\(keys.count)"
            keys.append(key)
            try writer.batch { writer throws(WarmError) in try writer.put(key, String(repeating: "v", count: 200)) }
            let segments = writer.tier.statistics.segments
            for _ in 0..<4 where writer.tier.statistics.evicted == 0 { writer.maintain(now: .at(1), budget: 1) }
            if writer.tier.statistics.evicted > 0 { #expect(writer.tier.statistics.segments == segments) }
            try #require(keys.count < 1000, "nothing was ever evicted step by step")
        }
        let gone = keys.filter { writer.tier.lookup($0).isAbsent }
        try #require(!gone.isEmpty)
        return (writer, gone)
    }

    private func reopened(_ files: SimulatedFileSystem, losesPower: Bool) throws -> WarmWriter {
        if losesPower {
            files.cutPower()
            files.restorePower()
        } else {
            files.endProcess()
        }
        return try simulated(files, maxBytes: 64 << 10)
    }

    @Test func `a segment that can't be read for a while leaves nothing older behind`() throws {
        for seed in 1...UInt64(20) {
            var random = SeededGenerator(seed: seed)
            let files = SimulatedFileSystem(seed: seed)
            let writer = try simulated(files, maxBytes: 64 << 10)
            var newest: [String: String] = [:]
            var now: Int64 = 1
            for step in 0..<600 {
                if step == 400 {
                    files.faults.failingOperation = .read
                    files.faults.failingCall = 1
                    files.faults.isPersistent = true
                }
                let key = "k\(Int.random(in: 0..<120, using: &random))"
                let value = "\(step) " + String(repeating: "v", count: 200)
                let isDone: Void? = try? writer.batch(now: .at(now)) { writer throws(WarmError) in
                    try writer.put(key, value)
                }
                // What was refused may be there, or what was there before.
                newest[key] = isDone == nil ? nil : value
                now += 300
                writer.maintain(now: .at(now))
            }
            files.faults = SimulatedFaults()
            files.endProcess()
            let next = try simulated(files, maxBytes: 64 << 10)
            for (key, value) in newest {
                guard let found = next.tier.value(key, now: .at(now)) else { continue }
                #expect(found == value, "seed \(seed): \(key) is an older value")
            }
        }
    }

    @Test(arguments: [false, true])
    func `a deletion meanwhile holds after a restart`(_ losesPower: Bool) throws {
        let files = SimulatedFileSystem()
        let (writer, gone) = try halfEmptied(files)
        for key in gone { try writer.batch { writer throws(WarmError) in try writer.delete(key) } }
        let next = try reopened(files, losesPower: losesPower)
        for key in gone { #expect(next.tier.lookup(key).bytes == nil, "\(key) rose from the dead") }
    }

    @Test func `a value and its deletion meanwhile leave nothing older behind`() throws {
        let files = SimulatedFileSystem()
        let (writer, gone) = try halfEmptied(files)
        for key in gone {
            try writer.batch { writer throws(WarmError) in try writer.put(key, "newer") }
            try writer.batch { writer throws(WarmError) in try writer.delete(key) }
        }
        let next = try reopened(files, losesPower: false)
        for key in gone { #expect(next.tier.lookup(key).bytes == nil, "\(key) rose from the dead") }
    }

    @Test func `a copy whose life is over hides what its original hid, though its file goes`() throws {
        func open(_ files: SimulatedFileSystem, now: Timestamp) throws -> WarmWriter {
            try simulated(files, maxBytes: 64 << 10, whenFull: .refuse, segmentBytes: 2048, now: now)
        }
        let files = SimulatedFileSystem()
        let writer = try open(files, now: .at(1))
        let keys = Filler(writer)
        try keys.put("k", "old")
        let first = try files.list("/warm")
        try keys.fillSegment()
        // Its last key has begun the second segment.
        let second = keys.number
        try keys.put("k", "new", WarmMetadata(expiresAt: .at(100)))
        try keys.fillSegment()
        for gone in second + 1...keys.number { try keys.put("k\(gone)", "v") }
        // The second segment is mostly dead, and emptied once the store is half full.
        while writer.tier.statistics.diskBytes < 40 << 10 { try keys.putNext() }
        while writer.maintain(now: keys.now).hasMore {}
        #expect(writer.tier.statistics.compacted > 0)
        // Every file goes, that with the copy as well, but for the first one.
        let others = try Set(files.list("/warm")).subtracting(first)
        keys.now = .at(1_000_000)
        var rounds = 0
        while try !others.isDisjoint(with: files.list("/warm")) {
            rounds += 1
            try #require(rounds < 20, "not all of \(others) have gone")
            for other in second...keys.number {
                try keys.put("k\(other)", "\(rounds)" + String(repeating: "v", count: 200))
                while writer.maintain(now: keys.now).hasMore {}
            }
        }
        #expect(try Set(first).isSubset(of: files.list("/warm")))
        files.endProcess()
        #expect(try open(files, now: keys.now).tier.lookup("k", now: keys.now).bytes == nil)
    }

    @Test func `a record that is found damaged as it is copied is let go, and nothing older comes back`() throws {
        let files = SimulatedFileSystem()
        func open() throws -> WarmWriter { try simulated(files, maxBytes: 64 << 10, segmentBytes: 2048) }
        let writer = try open()
        let keys = Filler(writer)
        try keys.put("k", "older")
        try keys.fillSegment()
        let second = keys.number
        try keys.put("k", "to be damaged")
        try keys.fillSegment()
        for gone in second...keys.number { try keys.put("k\(gone)", "v") }
        let wanted = Array("to be damaged".utf8)
        let path = try #require(files.paths.first { files.contents($0)?.firstRange(of: wanted) != nil })
        var bytes = try #require(files.contents(path))
        bytes[try #require(bytes.firstRange(of: wanted)).lowerBound] ^= 1
        files.setContents(path, bytes)
        // Its segment is mostly dead, and emptied once the store is half full.
        while writer.tier.statistics.diskBytes < 40 << 10 { try keys.putNext() }
        while writer.maintain(now: .at(1)).hasMore {}
        #expect(files.contents(path) == nil)
        #expect(writer.tier.statistics.damaged == 1)
        #expect(writer.tier.lookup("k").isAbsent)
        files.endProcess()
        #expect(try open().tier.lookup("k").bytes == nil)
    }

    @Test func `deletions of what was never there are written only while a file holds what was let go`() throws {
        let files = SimulatedFileSystem()
        let (writer, _) = try halfEmptied(files)
        func deleteStrangers(_ name: String) throws {
            try writer.batch { writer throws(WarmError) in
                for number in 0..<5 { try writer.delete("\(name)\(number)") }
            }
        }
        try deleteStrangers("a")
        #expect(writer.tier.statistics.tombstones == 5)
        while writer.maintain(now: .at(1)).hasMore {}
        let before = writer.tier.statistics.tombstones
        try deleteStrangers("b")
        #expect(writer.tier.statistics.tombstones == before)
    }
}
