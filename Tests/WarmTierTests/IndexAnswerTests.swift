// What the index says of a key without the disk: never that a held one is absent.

import Primitives
import SegmentLog
import TestSupport
import Testing
import WarmTier

@Suite struct IndexAnswerTests {
    private func isAbsent(_ key: String, _ tier: WarmTier, at now: Timestamp = .at(1)) -> Bool {
        Array(key.utf8).withUnsafeBytes { tier.isAbsent($0, now: now) }
    }

    @Test func `the index knows absent keys by itself, and counts them as misses`() throws {
        let files = SimulatedFileSystem(seed: 1)
        let writer = try simulated(files)
        try writer.batch { writer throws(WarmError) in
            try writer.put("held", "value")
            try writer.put("short", "value", WarmMetadata(expiresAt: .at(1000)))
        }
        let tier = writer.tier
        let calls = files.calls
        #expect(!isAbsent("held", tier) && !isAbsent("short", tier) && isAbsent("nobody", tier))
        #expect(isAbsent("short", tier, at: .at(200_000)), "past its time")
        #expect(files.calls == calls, "the disk was asked")
        #expect(tier.statistics.readMisses == 2 && tier.statistics.readHits == 0)
        try writer.batch { writer throws(WarmError) in try writer.delete("held") }
        #expect(isAbsent("held", tier) || tier.lookup("held").isAbsent)
    }

    @Test func `of many keys exactly those that are held are not absent`() throws {
        let writer = try simulated(SimulatedFileSystem(seed: 2), maxBytes: 4 << 20)
        try writer.batch { writer throws(WarmError) in
            for number in stride(from: 0, to: 2000, by: 2) { try writer.put("key:\(number)", "v") }
        }
        for number in 0..<2000 {
            let held = number % 2 == 0
            if held { #expect(!isAbsent("key:\(number)", writer.tier)) }
            // Two keys of the same 38 bits are told apart by the disk alone; of so few there are none.
            if !held { #expect(isAbsent("key:\(number)", writer.tier)) }
        }
    }
}
