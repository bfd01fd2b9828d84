// What each rule is for: what survives what.

import Primitives
import TestSupport
import Testing

@testable import LocalTier

@Suite struct RuleTests {
    private func tier(_ rule: EvictionRuleKind, bytes: Int = 256 << 10) -> LocalTier {
        try! LocalTier(LocalTierConfiguration(maxBytes: bytes, eviction: rule, shards: 1))
    }

    /// Reads a key as a cache does; returns whether it was held.
    private func lookUp(_ key: String, in tier: LocalTier) -> Bool {
        if tier.read(key) != nil { return true }
        #expect(tier.put(key, "value") == .stored)
        return false
    }

    private func heldAfterScan(_ tier: LocalTier) -> Int {
        for _ in 0..<6 { for key in 0..<300 { _ = lookUp("hot:\(key)", in: tier) } }
        for key in 0..<20_000 {
            _ = lookUp("scan:\(key)", in: tier)
            if key % 50 == 0 { for hot in 0..<10 { _ = lookUp("hot:\((key / 5 + hot) % 300)", in: tier) } }
        }
        return (0..<300).count { tier.peek("hot:\($0)") != nil }
    }

    @Test func `a scan does not drive out what is read, except under LRU`() {
        #expect(heldAfterScan(tier(.s3FIFO)) > 290)
        #expect(heldAfterScan(tier(.wTinyLFU)) > 290)
        let lru = tier(.lru, bytes: 64 << 10)
        for _ in 0..<6 { for key in 0..<100 { _ = lookUp("hot:\(key)", in: lru) } }
        for key in 0..<5000 { _ = lookUp("scan:\(key)", in: lru) }
        #expect((0..<100).allSatisfy { lru.peek("hot:\($0)") == nil })
    }

    @Test(arguments: EvictionRuleKind.allCases)
    func `the stale go first, whatever the rule thinks of them`(_ rule: EvictionRuleKind) {
        let tier = tier(rule, bytes: 32 << 10)
        let capacity = tier.statistics().bytesTotal / 128
        for key in 0..<capacity {
            let metadata = key < 20 ? EntryMetadata(expiresAt: at(100), staleFor: 3600) : EntryMetadata()
            #expect(tier.put("k\(key)", "v", metadata) == .stored)
        }
        for _ in 0..<5 { for key in 0..<20 { #expect(tier.read("k\(key)") != nil) } }
        for key in 0..<20 { #expect(tier.put("new\(key)", "v", now: 200) == .stored) }
        #expect(tier.statistics().removedAsStale == 20)
        #expect(tier.statistics().removedByCapacity == 0)
    }

    @Test(arguments: EvictionRuleKind.allCases)
    func `what was just written is there, however large and however full`(_ rule: EvictionRuleKind) {
        var random = SeededGenerator()
        let tier = tier(rule)
        let most = tier.entryBytesMax
        for step in 0..<3000 {
            let key = "k\(Int.random(in: 0..<500, using: &random))"
            let length = random.oneIn(50) ? most - key.utf8.count : Int.random(in: 0...900, using: &random)
            #expect(tier.put(key, String(repeating: "x", count: length)) == .stored, "\(random.replay)")
            #expect(tier.peek(key)?.value.utf8.count == length, "step \(step); \(random.replay)")
        }
        #expect(tier.statistics().bytesUsed <= tier.statistics().bytesTotal)
    }

    @Test(arguments: EvictionRuleKind.allCases)
    func `whatever a rule keeps is within the budget`(_ rule: EvictionRuleKind) throws {
        for bytes in [20480, 1 << 20, 64 << 20] {
            let tier = try LocalTier(LocalTierConfiguration(maxBytes: bytes, eviction: rule, shards: 1))
            let layout = tier.arena.layout
            #expect(tier.arenaBytes <= bytes)
            #expect(layout.fillsOffset - layout.ruleOffset >= Rule.tableBytes(rule, blocks: layout.blockCount))
            #expect(layout.ruleOffset % 64 == 0)
            // At most 3.2 % of the memory, and what the smallest tables take.
            #expect(layout.ruleBytes <= bytes * 32 / 1000 + 640, "\(layout.ruleBytes) of \(bytes)")
        }
    }

    @Test(arguments: EvictionRuleKind.allCases)
    func `after everything was removed a rule begins anew`(_ rule: EvictionRuleKind) {
        let tier = tier(rule, bytes: 64 << 10)
        for round in 0..<3 {
            for key in 0..<2000 { _ = lookUp("k\(key)", in: tier) }
            tier.removeAll()
            #expect(tier.statistics().entries == 0, "round \(round)")
        }
        #expect(!lookUp("k1999", in: tier))
        #expect(lookUp("k1999", in: tier))
    }

    @Test func `an eviction that is remembered brings an entry into the main queue, once`() {
        let tier = tier(.s3FIFO, bytes: 32 << 10)
        guard case .s3FIFO(let rule) = tier.shard(0).rule else { return }
        for key in 0..<400 { _ = lookUp("k\(key)", in: tier) }
        let gone = (0..<400).last { tier.peek("k\($0)") == nil }!
        #expect(rule.main.entryCount == 0)
        _ = lookUp("k\(gone)", in: tier)
        #expect(rule.main.entryCount == 1)
        tier.remove("k\(gone)")
        _ = lookUp("k\(gone)", in: tier)
        #expect(rule.main.entryCount == 0, "removed by name is not evicted")
    }

    @Test func `frequencies are counted, and halved when enough was counted`() {
        let bytes = 128 + FrequencySketch.tableBytes(blocks: 1024)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        let sketch = FrequencySketch(
            state: memory.assumingMemoryBound(to: SketchState.self), words: memory + 128, blocks: 1024)
        for _ in 0..<40 { sketch.add(0xDEAD_BEEF, entries: 0) }
        #expect(sketch.frequency(0xDEAD_BEEF) == 15, "four bits")
        #expect(sketch.frequency(0x1234_5678) == 0)
        for _ in 40..<FrequencySketch.sampleSize(entries: 0, lines: 16) { sketch.add(7, entries: 0) }
        #expect(sketch.frequency(0xDEAD_BEEF) == 7)
        #expect(sketch.frequency(7) == 7)
        sketch.reset()
        #expect(sketch.frequency(7) == 0)
    }
}
