// Random operations against the naive model: presence, content, order of eviction, bytes.

import Primitives
import TestSupport
import Testing

@testable import LocalTier

@Suite struct ModelTests {
    @Test(arguments: 0..<8)
    func `whatever is done, the tier holds exactly what the naive model holds`(_ run: Int) {
        var random = SeededGenerator(seed: SeededGenerator.seed() &+ UInt64(run))
        let tier = try! LocalTier(LocalTierConfiguration(maxBytes: 24 << 10 + 4096, shards: 1))
        var pair = TierAndModel(tier, replay: "run \(run), replay with HEARTH_SEED=\(random.seed &- UInt64(run))")
        for _ in 0..<4000 {
            pair.step(&random)
            guard pair.isEqual else { return }
        }
        #expect(pair.model.evictedByCapacity > 0, "the run evicted")
        #expect(pair.model.evictedAsStale > 0, "the run evicted what was stale")
        #expect(pair.model.freedAsExpired > 0, "the run expired")
    }
}

/// A tier, its model, and the operations on both.
private struct TierAndModel {
    let tier: LocalTier
    var model: NaiveLocalTier
    var now = Timestamp(milliseconds: 1_700_000_000_000)
    let replay: String
    var isEqual = true

    init(_ tier: LocalTier, replay: String) {
        self.tier = tier
        self.replay = replay
        model = NaiveLocalTier(blocksTotal: tier.statistics().bytesTotal / 64)
        model.hasGone = { key in
            key.withUnsafeBytes { tier.peek($0, hash: KeyHash($0), now: at(0)) { _ in true } } == nil
        }
    }

    mutating func step(_ random: inout SeededGenerator) {
        now.milliseconds += Int64.random(in: 0...(random.oneIn(50) ? 20_000 : 40), using: &random)
        // The sweep first: how far eviction's own bounded steps come is no part of the contract.
        #expect(tier.sweep(now: now, budget: .max).isDone)
        model.sweep(now)
        let name = Int.random(in: 0..<150, using: &random)
        let key = Array("key:\(name)".utf8) + [UInt8](repeating: 120, count: name % 7 * 20)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<45: put(key, &random)
        case 45..<75: read(key)
        case 75..<84: expire(key, &random)
        case 84..<89: check(key.withUnsafeBytes { tier.remove($0, hash: KeyHash($0)) } == model.remove(key), "remove")
        case 89..<94:
            check(key.withUnsafeBytes { tier.invalidate($0, hash: KeyHash($0)) } == model.invalidate(key), "invalidate")
        case 94..<99: compareAll()
        default:
            guard random.oneIn(5) else { return }
            tier.removeAll()
            model.removeAll()
        }
        compareSizes()
    }

    private mutating func put(_ key: [UInt8], _ random: inout SeededGenerator) {
        let length = random.oneIn(40) ? 5000 : random.oneIn(4) ? Int.random(in: 0...2000, using: &random) : 100
        let value = (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let sliding = random.oneIn(4) ? UInt32.random(in: 1...3000, using: &random) : 0
        let metadata = EntryMetadata(
            expiresAt: random.oneIn(3) ? .never : moment(&random), verifiedAt: now,
            staleFor: random.oneIn(2) ? 0 : UInt32.random(in: 1...30, using: &random), slidingFor: sliding,
            hardEnd: random.oneIn(5) ? now.advanced(byMilliseconds: .random(in: 0...9000, using: &random)) : .never)
        let entry = NaiveLocalTier.Entry(
            value: value, expiresAt: metadata.expiresAt, verifiedAt: now, staleFor: metadata.staleFor,
            slidingFor: sliding, hardEnd: metadata.hardEnd)
        let result = key.withUnsafeBytes { key in
            value.withUnsafeBytes { tier.put(key, hash: KeyHash(key), value: $0, metadata: metadata, now: now) }
        }
        check((result == .stored) == model.put(key, entry, now: now), "put of \(length) bytes: \(result)")
    }

    private func moment(_ random: inout SeededGenerator) -> Timestamp {
        now.advanced(byMilliseconds: .random(in: random.oneIn(10) ? -500...0 : 1...6000, using: &random))
    }

    private mutating func expire(_ key: [UInt8], _ random: inout SeededGenerator) {
        let expiresAt = random.oneIn(4) ? .never : moment(&random)
        let staleFor = UInt32.random(in: 0...9, using: &random)
        let done: Void? = key.withUnsafeBytes { key in
            tier.update(key, hash: KeyHash(key), now: now) { ($0.expiresAt, $0.staleFor) = (expiresAt, staleFor) }
        }
        check((done != nil) == model.expire(key, at: expiresAt, staleFor: staleFor, now: now), "expire")
    }

    private mutating func read(_ key: [UInt8]) {
        let seen = key.withUnsafeBytes { tier.read($0, hash: KeyHash($0), now: now) { Copy($0) } }
        compare(key, seen, model.read(key, now: now))
    }

    private mutating func compare(_ key: [UInt8], _ seen: Copy?, _ expected: NaiveLocalTier.Entry?) {
        check((seen == nil) == (expected == nil), "presence: held \(seen != nil), expected \(expected != nil)")
        guard let seen, let expected else { return }
        check(seen.key == key, "key")
        check(seen.value == expected.value, "value")
        check(seen.metadata.expiresAt == expected.expiresAt, "expiry")
        check(seen.metadata.verifiedAt == expected.verifiedAt, "verified")
        check(seen.metadata.hardEnd == expected.hardEnd, "hard end")
        check((seen.freshness == .expired) == (now >= expected.expiresAt), "freshness")
    }

    private mutating func compareAll() {
        var held: [[UInt8]: Copy] = [:]
        var position = LocalTier.Position()
        var more = true
        while more { more = tier.forEach(from: &position, buckets: 7, now: now) { held[Copy($0).key] = Copy($0) } }
        let expected = model.entries.filter { now < $0.value.goneAt }
        check(Set(held.keys) == Set(expected.keys), "all keys")
        for (key, copy) in held { compare(key, copy, expected[key]) }
    }

    private mutating func compareSizes() {
        let statistics = tier.statistics()
        check(statistics.entries == model.entries.count, "entries \(statistics.entries), model \(model.entries.count)")
        check(statistics.bytesUsed == model.blocksUsed * 64, "bytes used")
        check(statistics.removedByCapacity == UInt64(model.evictedByCapacity), "evicted by capacity")
        check(statistics.removedAsStale == UInt64(model.evictedAsStale), "evicted as stale")
        check(statistics.removedAsExpired == UInt64(model.freedAsExpired), "freed as expired")
        check(statistics.neverRead == UInt64(model.neverRead), "never read")
        check(order == model.order, "order of use")
    }

    /// The keys in the rule's care, least recently used first.
    private var order: [[UInt8]] {
        let shard = tier.shard(0)
        guard case .lru(let rule) = shard.rule else { return [] }
        var keys: [[UInt8]] = []
        var block = rule.list.last
        while block != .none {
            keys.append(Copy(LocalEntry(shard: shard, block: block, freshness: .due, isExtensionDue: false)).key)
            block = shard.header(block).pointee.previous
        }
        return keys
    }

    private mutating func check(_ holds: Bool, _ what: String) {
        guard !holds, isEqual else { return }
        isEqual = false
        Issue.record("\(what) differs at \(now.milliseconds); \(replay)")
    }
}

/// An entry's bytes and metadata, taken out.
struct Copy {
    var key: [UInt8]
    var value: [UInt8]
    var metadata: EntryMetadata
    var freshness: Freshness

    init(_ entry: borrowing LocalEntry) {
        key = [UInt8](repeating: 0, count: entry.keyLength)
        value = [UInt8](repeating: 0, count: entry.valueLength)
        if !key.isEmpty { key.withUnsafeMutableBytes { entry.copyKey(to: $0.baseAddress!) } }
        if !value.isEmpty { value.withUnsafeMutableBytes { entry.copyValue(to: $0.baseAddress!) } }
        metadata = entry.metadata
        freshness = entry.freshness
    }
}
