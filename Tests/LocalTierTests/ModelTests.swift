// Random operations against the naive model: presence, content, order of eviction, bytes.

import Primitives
import TestSupport
import Testing

@testable import LocalTier

@Suite struct ModelTests {
    @Test(arguments: EvictionRuleKind.allCases, 0..<8)
    func `whatever is done, the tier holds and evicts exactly what the naive model does`(
        _ rule: EvictionRuleKind, _ run: Int
    ) {
        var random = SeededGenerator(seed: SeededGenerator.seed() &+ UInt64(run))
        let bytes = [24 << 10 + 4096, 32 << 10, 48 << 10][run % 3]
        let tier = try! LocalTier(LocalTierConfiguration(maxBytes: bytes, eviction: rule, shards: 1))
        let replay = "\(rule.rawValue), run \(run), replay with HEARTH_SEED=\(random.seed &- UInt64(run))"
        var pair = TierAndModel(tier, keys: bytes / 160, replay: replay)
        for _ in 0..<4000 {
            pair.step(&random)
            guard pair.isEqual else { return }
        }
        #expect(pair.model.evictedByCapacity > 0, "the run evicted")
        #expect(pair.model.evictedAsStale > 0, "the run evicted what was stale")
        #expect(pair.model.freedAsExpired > 0, "the run expired")
    }

    @Test(arguments: EvictionRuleKind.allCases, 0..<4)
    func `a cache of entries without an end evicts exactly what the rule's simulator does`(
        _ rule: EvictionRuleKind, _ run: Int
    ) {
        var random = SeededGenerator(seed: SeededGenerator.seed() &+ UInt64(run))
        let tier = try! LocalTier(LocalTierConfiguration(maxBytes: 64 << 10, eviction: rule, shards: 1))
        let replay = "\(rule.rawValue), run \(run), replay with HEARTH_SEED=\(random.seed &- UInt64(run))"
        var pair = TierAndModel(tier, keys: 1500, replay: replay)
        for step in 0..<6000 {
            pair.lookUp(&random)
            if step % 20 == 0 { pair.compareSizes() }
            guard pair.isEqual else { return }
        }
        #expect(pair.model.evictedByCapacity > 500, "the run evicted")
    }
}

/// A hash that is the same in each process, so that a run of a rule that keeps hashes can be had again.
private func hashed(_ key: UnsafeRawBufferPointer) -> KeyHash { KeyHash(rawValue: xxh3(key, seed: 1)) }

/// A tier, its model, and the operations on both.
private struct TierAndModel {
    let tier: LocalTier
    var model: NaiveLocalTier
    var now = Timestamp(milliseconds: 1_700_000_000_000)
    /// By how much time passes more slowly than in the smallest tier, so that larger ones are full as well.
    let pace: Int64
    /// How many there are; more than the tier can hold.
    let keys: Int
    let replay: String
    var isEqual = true

    init(_ tier: LocalTier, keys: Int, replay: String) {
        self.tier = tier
        self.keys = keys
        pace = Int64(keys / 150)
        self.replay = replay
        let blocks = tier.statistics().bytesTotal / 64
        let rule: any NaiveRule =
            switch tier.configuration.eviction {
            case .lru: NaiveLRU()
            case .s3FIFO: NaiveS3FIFO(capacity: blocks)
            case .wTinyLFU: NaiveWTinyLFU(capacity: blocks)
            }
        model = NaiveLocalTier(blocksTotal: blocks, rule: rule)
        model.hash = { $0.withUnsafeBytes { hashed($0) } }
        model.hasGone = { key in
            key.withUnsafeBytes { tier.peek($0, hash: hashed($0), now: at(0)) { _ in true } } == nil
        }
    }

    mutating func step(_ random: inout SeededGenerator) {
        now.milliseconds += Int64.random(in: 0...(random.oneIn(50) ? 20_000 : 40), using: &random) / pace
        // The sweep first: how far eviction's own bounded steps come is no part of the contract.
        #expect(tier.sweep(now: now, budget: .max).isDone)
        model.sweep(now)
        // Some keys are asked for more often than others, so that rules have something to tell apart.
        let name = Int.random(in: 0..<(random.oneIn(2) ? keys : keys / 6), using: &random)
        let key = Array("key:\(name)".utf8) + [UInt8](repeating: 120, count: name % 7 * 20)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<45: put(key, &random)
        case 45..<75: read(key)
        case 75..<84: expire(key, &random)
        case 84..<89: check(key.withUnsafeBytes { tier.remove($0, hash: hashed($0)) } == model.remove(key), "remove")
        case 89..<94:
            check(key.withUnsafeBytes { tier.invalidate($0, hash: hashed($0)) } == model.invalidate(key), "invalidate")
        case 94..<99: compareAll()
        default:
            guard random.oneIn(5 * Int(pace)) else { return }
            tier.removeAll()
            model.removeAll()
        }
        compareSizes()
    }

    /// Reads a key as a cache does: a miss is stored. Now and then writes and removes one.
    mutating func lookUp(_ random: inout SeededGenerator) {
        // The square of a fraction: the first keys are asked for most.
        let fraction = Double.random(in: 0..<1, using: &random)
        let key = Array("key:\(Int(Double(keys) * fraction * fraction))".utf8)
        switch Int.random(in: 0..<20, using: &random) {
        case 0: check(key.withUnsafeBytes { tier.remove($0, hash: hashed($0)) } == model.remove(key), "remove")
        case 1, 2: putLasting(key, &random)
        default:
            read(key)
            if model.entries[key] == nil { putLasting(key, &random) }
        }
    }

    private mutating func putLasting(_ key: [UInt8], _ random: inout SeededGenerator) {
        let length = random.oneIn(100) ? 8000 : random.oneIn(4) ? Int.random(in: 0...700, using: &random) : 100
        store(key, [UInt8](repeating: 1, count: length), EntryMetadata(verifiedAt: now))
    }

    private mutating func put(_ key: [UInt8], _ random: inout SeededGenerator) {
        let length = random.oneIn(40) ? 5000 : random.oneIn(4) ? Int.random(in: 0...2000, using: &random) : 100
        let value = (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let sliding = random.oneIn(4) ? UInt32.random(in: 1...3000, using: &random) : 0
        let metadata = EntryMetadata(
            expiresAt: random.oneIn(3) ? .never : moment(&random), verifiedAt: now,
            staleFor: random.oneIn(2) ? 0 : UInt32.random(in: 1...30, using: &random), slidingFor: sliding,
            hardEnd: random.oneIn(5) ? now.advanced(byMilliseconds: .random(in: 0...9000, using: &random)) : .never)
        store(key, value, metadata)
    }

    private mutating func store(_ key: [UInt8], _ value: [UInt8], _ metadata: EntryMetadata) {
        let entry = NaiveLocalTier.Entry(
            value: value, expiresAt: metadata.expiresAt, verifiedAt: metadata.verifiedAt,
            staleFor: metadata.staleFor, slidingFor: metadata.slidingFor, hardEnd: metadata.hardEnd)
        let result = key.withUnsafeBytes { key in
            value.withUnsafeBytes { tier.put(key, hash: hashed(key), value: $0, metadata: metadata, now: now) }
        }
        check((result == .stored) == model.put(key, entry, now: now), "put of \(value.count) bytes: \(result)")
    }

    private func moment(_ random: inout SeededGenerator) -> Timestamp {
        now.advanced(byMilliseconds: .random(in: random.oneIn(10) ? -500...0 : 1...6000, using: &random))
    }

    private mutating func expire(_ key: [UInt8], _ random: inout SeededGenerator) {
        let expiresAt = random.oneIn(4) ? .never : moment(&random)
        let staleFor = UInt32.random(in: 0...9, using: &random)
        let done: Void? = key.withUnsafeBytes { key in
            tier.update(key, hash: hashed(key), now: now) { ($0.expiresAt, $0.staleFor) = (expiresAt, staleFor) }
        }
        check((done != nil) == model.expire(key, at: expiresAt, staleFor: staleFor, now: now), "expire")
    }

    private mutating func read(_ key: [UInt8]) {
        let seen = key.withUnsafeBytes { tier.read($0, hash: hashed($0), now: now) { Copy($0) } }
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

    mutating func compareSizes() {
        let statistics = tier.statistics()
        check(statistics.entries == model.entries.count, "entries \(statistics.entries), model \(model.entries.count)")
        check(statistics.bytesUsed == model.blocksUsed * 64, "bytes used")
        check(statistics.removedByCapacity == UInt64(model.evictedByCapacity), "evicted by capacity")
        check(statistics.removedAsStale == UInt64(model.evictedAsStale), "evicted as stale")
        check(statistics.removedAsExpired == UInt64(model.freedAsExpired), "freed as expired")
        check(statistics.neverRead == UInt64(model.neverRead), "never read")
        check(queues == model.rule.queues, "the rule's queues")
    }

    /// The keys of each of the rule's queues, the first in front.
    private var queues: [[[UInt8]]] {
        switch tier.shard(0).rule {
        case .lru(let rule): [keys(from: rule.list.first)]
        case .s3FIFO(let rule): [keys(from: rule.small.first), keys(from: rule.main.first)]
        case .wTinyLFU(let rule):
            [keys(from: rule.window.first), keys(from: rule.probation.first), keys(from: rule.protected.first)]
        }
    }

    private func keys(from first: Block) -> [[UInt8]] {
        let shard = tier.shard(0)
        var keys: [[UInt8]] = []
        var block = first
        while block != .none {
            keys.append(Copy(LocalEntry(shard: shard, block: block, freshness: .due, isExtensionDue: false)).key)
            block = shard.header(block).pointee.next
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
