// Hints: they change nothing, whatever they are given and whoever writes meanwhile.

import Primitives
import Testing

@testable import LocalTier

@Suite struct PrefetchTests {
    let tier = try! LocalTier(LocalTierConfiguration(maxBytes: 1 << 20, shards: 2))

    private func ask(_ key: String) {
        let hash = withKey(key) { $1 }
        tier.prefetchBucket(hash)
        tier.prefetchEntry(hash)
        tier.prefetchRest(hash)
    }

    @Test func `asking for an entry's memory neither uses nor changes it`() {
        for number in 0..<100 { _ = tier.put("k\(number)", "v\(number)") }
        let before = tier.statistics()
        for number in 0..<200 { ask("k\(number)") }
        #expect(tier.statistics() == before)
        #expect(tier.peek("k7")?.value == "v7")
    }

    @Test func `an empty tier can be asked`() { ask("nothing") }

    @Test func `the shim's layout is the header's`() {
        // hearth_prefetch_rest counts on these.
        #expect(Block.shift == 6)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.previous) == 8)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.next) == 12)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.keyLength) == 52)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.valueLength) == 56)
    }
}
