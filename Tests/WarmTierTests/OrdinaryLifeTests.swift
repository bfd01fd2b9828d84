// The warm tier as it is used on a good day.

import Primitives
import SegmentLog
import TestSupport
import Testing
import WarmTier

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct `Ordinary life` {
    @Test func `a value is read back after its commit and not before`() throws {
        let writer = try simulated(SimulatedFileSystem())
        writer.begin(now: .at(1))
        try writer.put("a", "one")
        #expect(writer.value("a") == "one")
        #expect(writer.tier.lookup("a").isAbsent)
        try writer.commit(now: .at(1))
        #expect(writer.tier.value("a") == "one")
    }

    @Test func `a batch that is rolled back leaves nothing`() throws {
        let writer = try simulated(SimulatedFileSystem())
        writer.begin(now: .at(1))
        try writer.put("a", "one")
        writer.rollback()
        #expect(writer.tier.lookup("a").isAbsent)
        writer.begin(now: .at(1))
        #expect(writer.value("a") == nil)
        try writer.commit(now: .at(1))
    }

    @Test func `an entry keeps all that was said of it`() throws {
        let files = SimulatedFileSystem()
        let metadata = WarmMetadata(
            kind: .record, flags: [.promoted, .unverified], expiresAt: .at(5000), verifiedAt: .at(4),
            staleForSeconds: 70_001)
        do {
            let writer = try simulated(files)
            try writer.batch { writer throws(WarmError) in try writer.put("a", "one", metadata) }
        }
        let writer = try simulated(files)
        guard case .entry(let entry) = writer.tier.lookup("a") else {
            Issue.record("not found")
            return
        }
        #expect(entry.metadata == metadata)
    }

    @Test func `an expired entry is kept for its stale span and no longer`() throws {
        let writer = try simulated(SimulatedFileSystem())
        try writer.batch { writer throws(WarmError) in
            try writer.put("a", "one", WarmMetadata(expiresAt: .at(1000), staleForSeconds: 2))
        }
        #expect(writer.tier.value("a", now: .at(2999)) == "one")
        #expect(writer.tier.value("a", now: .at(3000)) == nil)
    }

    @Test func `a deletion lasts over a restart and may be remembered`() throws {
        let files = SimulatedFileSystem()
        do {
            let writer = try simulated(files)
            try writer.batch { writer throws(WarmError) in
                try writer.put("a", "one")
                try writer.put("b", "two")
            }
            try writer.batch { writer throws(WarmError) in
                try writer.delete("a")
                try writer.delete("b", remembered: WarmMetadata(expiresAt: .at(9000), verifiedAt: .at(3)))
            }
            #expect(writer.tier.lookup("a").isAbsent)
            #expect(writer.tier.lookup("b").isTombstone)
        }
        let writer = try simulated(files)
        #expect(writer.tier.lookup("a").isAbsent)
        #expect(writer.tier.lookup("b").isTombstone)
        #expect(writer.tier.lookup("b", now: .at(9000)).isAbsent)
    }

    @Test func `within a batch the last change of a key counts`() throws {
        let files = SimulatedFileSystem()
        do {
            let writer = try simulated(files)
            try writer.batch { writer throws(WarmError) in
                try writer.put("a", "one")
                try writer.put("a", "two")
                try writer.delete("b")
                try writer.put("b", "three")
                try writer.put("c", "four")
                try writer.delete("c")
            }
            #expect(writer.tier.keyCount == 2)
        }
        let writer = try simulated(files)
        #expect(writer.tier.value("a") == "two")
        #expect(writer.tier.value("b") == "three")
        #expect(writer.tier.value("c") == nil)
        #expect(writer.tier.keyCount == 2)
    }

    @Test func `a group that throws takes back only what it staged`() throws {
        struct Halt: Error {}
        let writer = try simulated(SimulatedFileSystem())
        writer.begin(now: .at(1))
        try writer.put("a", "one")
        #expect(throws: Halt.self) {
            try writer.atomically { writer throws in
                try writer.put("a", "two")
                try writer.put("b", "two")
                throw Halt()
            }
        }
        #expect(writer.value("a") == "one")
        try writer.commit(now: .at(1))
        #expect(writer.tier.value("a") == "one")
        #expect(writer.tier.value("b") == nil)
    }

    @Test func `a value larger than a segment has one of its own`() throws {
        let files = SimulatedFileSystem()
        let large = [UInt8](repeating: 7, count: 100_000)
        do {
            let writer = try simulated(files, maxBytes: 1 << 20)
            try writer.batch { writer throws(WarmError) in
                try writer.put("small", "one")
                try writer.put("large", large)
            }
            try writer.batch { writer throws(WarmError) in try writer.put("after", "two") }
        }
        let writer = try simulated(files, maxBytes: 1 << 20)
        #expect(writer.tier.lookup("large").bytes == large)
        #expect(writer.tier.value("small") == "one")
        #expect(writer.tier.value("after") == "two")
    }

    @Test func `keys and values of any bytes and of no bytes are kept`() throws {
        let writer = try simulated(SimulatedFileSystem())
        let long = String(repeating: "k", count: 3000)
        try writer.batch { writer throws(WarmError) in
            try writer.put("", "empty key")
            try writer.put("empty value", "")
            try writer.put(long, "long key")
            try writer.put("\0\u{1}", [0, 255])
        }
        #expect(writer.tier.value("") == "empty key")
        #expect(writer.tier.value("empty value") == "")
        #expect(writer.tier.value(long) == "long key")
        #expect(writer.tier.lookup("\0\u{1}").bytes == [0, 255])
    }

    @Test func `limits are refused with what was asked and what is allowed`() throws {
        let files = SimulatedFileSystem()
        var configuration = WarmTierConfiguration(directory: "/warm", maxBytes: 1 << 20)
        configuration.maxKeyBytes = 10
        configuration.maxValueBytes = 100
        let writer = try WarmTier.open(configuration, fileSystem: files, now: .at(1))
        writer.begin(now: .at(1))
        #expect(throws: WarmError.keyTooLong(count: 11, limit: 10)) {
            try writer.put("12345678901", "")
        }
        #expect(throws: WarmError.valueTooLarge(count: 101, limit: 100)) {
            try writer.put("a", [UInt8](repeating: 0, count: 101))
        }
        writer.rollback()
    }

    @Test(arguments: [
        WarmTierConfiguration(directory: ""), WarmTierConfiguration(directory: "/w", maxBytes: 1000),
        WarmTierConfiguration(directory: "/w", sync: .interval(milliseconds: 0)),
        WarmTierConfiguration(directory: "/w", maxBytes: 1 << 20, segmentBytes: 1 << 19),
        WarmTierConfiguration(directory: "/w", maxKeyBytes: 0),
        WarmTierConfiguration(directory: "/w", maxValueBytes: 1 << 40),
    ])
    func `settings that contradict each other are refused`(_ configuration: WarmTierConfiguration) {
        #expect(throws: WarmError.self) { try configuration.validate() }
    }

    @Test func `deleting everything is durable at once`() throws {
        let files = SimulatedFileSystem()
        do {
            let writer = try simulated(files)
            for number in 0..<200 {
                try writer.batch { writer throws(WarmError) in
                    try writer.put("k\(number)", String(repeating: "v", count: 500))
                }
            }
            try writer.deleteAll(now: .at(2))
            #expect(writer.tier.keyCount == 0)
            try writer.batch { writer throws(WarmError) in try writer.put("new", "one") }
        }
        files.cutPower()
        files.restorePower()
        let writer = try simulated(files)
        #expect(writer.tier.keyCount == 1)
        #expect(writer.tier.value("new") == "one")
        while writer.maintain(now: .at(3)).hasMore {}
        #expect(writer.tier.statistics.segments == 1)
    }

    @Test func `a second process is locked out`() throws {
        try withTemporaryDirectory { directory in
            let configuration = WarmTierConfiguration(directory: directory, maxBytes: 1 << 20)
            let writer = try WarmTier.open(configuration, now: .at(1))
            #expect(throws: WarmError.log(.locked(directory: directory))) {
                _ = try WarmTier.open(configuration, now: .at(1))
            }
            withExtendedLifetime(writer) {}
        }
    }

    @Test func `the real disk keeps what was committed`() throws {
        try withTemporaryDirectory { directory in
            let configuration = WarmTierConfiguration(directory: directory + "/deep", maxBytes: 4 << 20, sync: .always)
            do {
                let writer = try WarmTier.open(configuration, now: .at(1))
                for number in 0..<2000 {
                    try writer.batch { writer throws(WarmError) in
                        try writer.put("k\(number % 700)", "v\(number)" + String(repeating: ".", count: 300))
                    }
                }
            }
            let writer = try WarmTier.open(configuration, now: .at(1))
            for number in 1300..<2000 {
                #expect(writer.tier.value("k\(number % 700)")?.hasPrefix("v\(number).") == true)
            }
            #expect(writer.skippedAtOpening.isEmpty)
            let files = DiskFileSystem()
            for name in try files.list(directory + "/deep") { try files.remove(directory + "/deep/" + name) }
            rmdir(directory + "/deep")
        }
    }

    @Test func `values of several segments each keep the store within its bytes`() throws {
        let writer = try simulated(SimulatedFileSystem(), maxBytes: 64 << 10, segmentBytes: 2048)
        for number in 0..<100 {
            // Of many sizes: of one size so many may just fit.
            let value = String(repeating: "v", count: 3000 + number * 7919 % 9000)
            try writer.batch { writer throws(WarmError) in try writer.put("k\(number)", value) }
            #expect(writer.tier.statistics.diskBytes <= 64 << 10)
        }
    }

    @Test func `a walk returns every key that stays exactly once while others come and go`() throws {
        let writer = try simulated(SimulatedFileSystem(), maxBytes: 4 << 20)
        for number in 0..<500 {
            try writer.batch { writer throws(WarmError) in try writer.put("stay\(number)", "v") }
        }
        var seen: [String: Int] = [:]
        var cursor: WarmCursor? = .start
        var round = 0
        while let from = cursor {
            let page = writer.tier.scan(from: from, limit: 10, now: .at(1))
            for key in page.keys { seen[String(decoding: key, as: UTF8.self), default: 0] += 1 }
            cursor = page.next
            try writer.batch { writer throws(WarmError) in
                for number in 0..<20 { try writer.put("come\(round)-\(number)", "v") }
                for number in 0..<10 where round > 0 { try writer.delete("come\(round - 1)-\(number)") }
            }
            round += 1
        }
        for number in 0..<500 { #expect(seen["stay\(number)"] == 1) }
        #expect(seen.values.allSatisfy { $0 == 1 })
        let random = writer.tier.randomKey(random: .max / 3, now: .at(1))
        #expect(random.map { writer.tier.value(String(decoding: $0, as: UTF8.self)) } != nil)
        #expect(writer.tier.countKeys(now: .at(1)) == writer.tier.keyCount)
    }
}
