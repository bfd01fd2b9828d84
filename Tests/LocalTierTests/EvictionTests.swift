// Who makes room, and what time takes away.

import Primitives
import TestSupport
import Testing

@testable import LocalTier

@Suite struct EvictionTests {
    let tier = try! LocalTier(LocalTierConfiguration(maxBytes: 32 << 10, eviction: .lru, shards: 1))

    /// Entries of two blocks that fit.
    private var capacity: Int { tier.statistics().bytesTotal / 128 }

    private func fill(_ metadata: EntryMetadata = EntryMetadata()) {
        for index in 0..<capacity { #expect(tier.put("k\(index)", "v", metadata) == .stored) }
    }

    @Test func `the least recently used goes first`() {
        fill()
        #expect(tier.read("k0") != nil)
        _ = tier.put("new", "v")
        #expect(tier.peek("k1") == nil)
        #expect(tier.peek("k0") != nil)
        #expect(tier.statistics().removedByCapacity == 1)
        #expect(tier.statistics().neverRead == 1)
    }

    @Test func `overwriting counts as a use, an update of metadata does not`() {
        fill()
        _ = tier.put("k0", "w")
        #expect(tier.update("k1") { $0.verifiedAt = at(5) })
        _ = tier.put("new", "v")
        #expect(tier.peek("k0") != nil)
        #expect(tier.peek("k1") == nil)
    }

    @Test func `the stale go before the least recently used, the one that expired first in front`() {
        fill()
        _ = tier.put("k7", "v", EntryMetadata(expiresAt: at(300), staleFor: 3600))
        _ = tier.put("k5", "v", EntryMetadata(expiresAt: at(200), staleFor: 3600))
        #expect(tier.read("k5", now: 250)?.freshness == .expired, "a read of what has expired does not save it")
        _ = tier.put("x", "v", now: 400)
        #expect(tier.peek("k5", now: 400) == nil)
        #expect(tier.peek("k7", now: 400) != nil)
        _ = tier.put("y", "v", now: 400)
        #expect(tier.peek("k7", now: 400) == nil)
        _ = tier.put("z", "v", now: 400)
        #expect(tier.peek("k0", now: 400) == nil)
        #expect(tier.statistics().removedAsStale == 2)
        #expect(tier.statistics().removedByCapacity == 1)
    }

    @Test func `a write that needs room frees what has expired without waiting for the sweep`() {
        fill(EntryMetadata(expiresAt: at(100)))
        tier.sweep(now: at(99), budget: .max)
        _ = tier.put("new", "v", now: 100)
        #expect(tier.statistics().removedByCapacity == 0)
        #expect(tier.statistics().removedAsExpired == 32, "and looks at a bounded number")
    }

    @Test func `a stale entry whose life begins anew is evicted by its use again`() {
        fill()
        _ = tier.put("k3", "v", EntryMetadata(expiresAt: at(100), staleFor: 3600))
        tier.sweep(now: at(150), budget: 10)
        #expect(tier.update("k3", now: 150) { $0.expiresAt = at(9999) })
        _ = tier.put("new", "v", now: 160)
        #expect(tier.peek("k3", now: 160)?.freshness == .due)
        #expect(tier.statistics().removedAsStale == 0)
    }

    @Test func `a sweep of a small budget does so much and no more, and says so`() {
        fill(EntryMetadata(expiresAt: at(100)))
        let first = tier.sweep(now: at(100), budget: 10)
        #expect(first.steps == 10)
        #expect(!first.isDone)
        while !tier.sweep(now: at(100), budget: 10).isDone {}
        #expect(tier.statistics().entries == 0)
        #expect(tier.sweep(now: at(100), budget: 10) == SweepResult(steps: 0, isDone: true))
    }

    @Test func `a small budget starves no shard`() throws {
        let tier = try LocalTier(LocalTierConfiguration(maxBytes: 1 << 20, shards: 8))
        for index in 0..<2000 { _ = tier.put("k\(index)", "v", EntryMetadata(expiresAt: at(100))) }
        var rounds = 0
        while !tier.sweep(now: at(100), budget: 16).isDone, rounds < 1000 { rounds += 1 }
        #expect(tier.statistics().entries == 0)
    }

    @Test func `a slid entry is swept at its new time, not at its old`() {
        _ = tier.put("k", "v", EntryMetadata(expiresAt: at(100), slidingFor: 1000))
        #expect(tier.read("k", now: 90) != nil)
        tier.sweep(now: at(1089), budget: 10)
        #expect(tier.statistics().entries == 1)
        tier.sweep(now: at(1090), budget: 10)
        #expect(tier.statistics().entries == 0)
    }

    @Test func `entries left by themselves are told from those that were read`() {
        _ = tier.put("read", "v", EntryMetadata(expiresAt: at(100)))
        _ = tier.put("unread", "v", EntryMetadata(expiresAt: at(100)))
        _ = tier.put("absent", "", EntryMetadata(expiresAt: at(100), kind: .absent))
        _ = tier.put("removed", "v")
        #expect(tier.read("read") != nil)
        tier.remove("removed")
        tier.sweep(now: at(100), budget: 10)
        #expect(tier.statistics().neverRead == 1)
        #expect(tier.statistics().removedAsExpired == 3)
        #expect(tier.statistics().removedByName == 1)
    }

    @Test func `when the wall clock has jumped ahead and back, an empty wheel starts where time is`() {
        _ = tier.put("a", "v", EntryMetadata(expiresAt: at(1_000_000)))
        tier.sweep(now: at(9_000_000), budget: 10)
        #expect(tier.statistics().entries == 0)
        _ = tier.put("b", "v", EntryMetadata(expiresAt: at(500)), now: 400)
        tier.sweep(now: at(500), budget: 10)
        #expect(tier.statistics().entries == 0)
    }

    // MARK: Churn

    @Test func `long churn of mixed sizes neither leaks nor loses a block, and fits the largest entry afterwards`()
        throws
    {
        var random = SeededGenerator()
        let tier = try LocalTier(LocalTierConfiguration(maxBytes: 4 << 20, shards: 2))
        let value = [UInt8](repeating: 7, count: 50_000)
        for round in 0..<30_000 {
            let key = "key:\(Int.random(in: 0..<400, using: &random))"
            let length = random.oneIn(3) ? Int.random(in: 100...50_000, using: &random) : 100
            let stored = withKey(key) { key, hash in
                value.prefix(length).withUnsafeBytes {
                    tier.put(key, hash: hash, value: $0, metadata: EntryMetadata(), now: at(1))
                }
            }
            #expect(stored == .stored, "\(random.replay)")
            if random.oneIn(5) { tier.remove("key:\(Int.random(in: 0..<400, using: &random))") }
            if round % 1000 == 0 { expectNoDrift(tier, random.replay) }
        }
        expectNoDrift(tier, random.replay)
        #expect(tier.put("large", String(repeating: "x", count: tier.entryBytesMax - 5)) == .stored)
        #expect(tier.read("large")?.value.utf8.count == tier.entryBytesMax - 5)
        tier.removeAll()
        #expect(tier.statistics().bytesUsed == 0)
        #expect(tier.statistics().entries == 0)
        for index in 0..<2 { #expect(freeInMap(tier.shard(index)) == tier.shard(index).blockCount) }
        #expect(tier.put("large", String(repeating: "x", count: tier.entryBytesMax - 5)) == .stored)
    }

    /// The counts, the bitmap and the entries themselves agree on what is used.
    private func expectNoDrift(_ tier: LocalTier, _ replay: String) {
        var used = 0
        var position = LocalTier.Position()
        var more = true
        while more { more = tier.forEach(from: &position, buckets: 1000, now: at(1)) { used += $0.bytesUsed } }
        #expect(used == tier.statistics().bytesUsed, "\(replay)")
        for index in 0..<tier.configuration.shards {
            let shard = tier.shard(index)
            #expect(freeInMap(shard) == shard.state.pointee.freeBlocks, "\(replay)")
        }
    }

    private func freeInMap(_ shard: Shard) -> Int {
        var free = 0
        var at = 1
        while let start = shard.map.nextFree(from: at) {
            let run = shard.map.freeRun(at: start, limit: .max)
            free += run
            at = start + run
        }
        return free
    }
}
