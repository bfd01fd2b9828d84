// One shard's lock, table, rule of eviction: what a hit and a fill cost under each rule.

internal import LocalTier
internal import Primitives

extension MicroBenchmark {
    static var localTier: [MicroBenchmark] {
        EvictionRuleKind.allCases.flatMap { rule in
            [
                MicroBenchmark("local: hit of 64 B, \(rule.rawValue)", operations: 20_000) {
                    let store = try Store(rule, megabytes: 16)
                    return store.hits
                },
                MicroBenchmark("local: 64 B stored where another goes, \(rule.rawValue)", operations: 20_000) {
                    let store = try Store(rule, megabytes: 1)
                    return store.fills
                },
            ]
        } + [
            MicroBenchmark("local: miss", operations: 20_000) { try Store(.lru, megabytes: 16).misses },
            MicroBenchmark("local: 64 B written over 64 B", operations: 20_000) {
                try Store(.lru, megabytes: 16).overwrites
            },
            MicroBenchmark("local: fill token, fill and removal", operations: 10_000) {
                try Store(.lru, megabytes: 16).fillsAndRemovals
            },
            MicroBenchmark("local: hit of 16 KiB in pieces", operations: 1_000) {
                try Store(.lru, megabytes: 16, pieces: true).largeHits
            },
            MicroBenchmark("local: 64 B stored, and swept after its time", operations: 8_000) {
                try Store(.lru, megabytes: 16).storesAndSweeps
            },
        ]
    }
}

/// A tier with keys in it: all of them where it is large enough, else those that were stored last.
private final class Store {
    private let tier: LocalTier
    private let keys = Keys(40_000)
    private let picks = Keys.skewed(20_000, of: 10_000)
    private let small = value(64)
    private let large = value(16 << 10)
    /// The next key that was never stored.
    private var next = 10_000
    private var time = moment
    private let metadata = EntryMetadata(expiresAt: .never, verifiedAt: moment, quietFor: 5_000)

    init(_ rule: EvictionRuleKind, megabytes: Int, pieces: Bool = false) throws {
        tier = try LocalTier(LocalTierConfiguration(maxBytes: megabytes << 20, eviction: rule, shards: 4))
        for index in 0..<10_000 { put(index) }
        guard pieces else { return }
        // Holes of one small entry between others: a large value finds no run.
        for index in stride(from: 0, to: 10_000, by: 2) { remove(index) }
        _ = store(19_999, large)
    }

    private func store(_ index: Int, _ value: [UInt8]) -> PutResult {
        keys.bytes[index].withUnsafeBytes { key in
            value.withUnsafeBytes {
                tier.put(key, hash: keys.hashes[index], value: $0, metadata: metadata, now: moment)
            }
        }
    }

    private func put(_ index: Int) { _ = store(index, small) }
    private func remove(_ index: Int) {
        _ = keys.bytes[index].withUnsafeBytes { tier.remove($0, hash: keys.hashes[index]) }
    }

    private func read(_ index: Int, into target: UnsafeMutableRawPointer) -> Int {
        keys.bytes[index].withUnsafeBytes { key in
            tier.read(key, hash: keys.hashes[index], now: moment, passing: target) { entry, target in
                entry.copyValue(to: target)
                return entry.valueLength
            } ?? 0
        }
    }

    private func reading(_ body: (UnsafeMutableRawPointer) -> Int) -> Int {
        withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 16) { body($0.baseAddress!) }
    }

    func hits(_ operations: Int) throws(WrongResult) {
        let sum = reading { target in
            var sum = 0
            for turn in 0..<operations { sum &+= read(picks[turn], into: target) }
            return sum
        }
        try expect(sum == 64 * operations, "a key was not held")
    }

    func largeHits(_ operations: Int) throws(WrongResult) {
        let sum = reading { target in
            var sum = 0
            for _ in 0..<operations { sum &+= read(19_999, into: target) }
            return sum
        }
        try expect(sum == operations << 14, "the large value was not held")
    }

    func misses(_ operations: Int) throws(WrongResult) {
        let sum = reading { target in
            var sum = 0
            for turn in 0..<operations { sum &+= read(10_000 + turn % 10_000, into: target) }
            return sum
        }
        try expect(sum == 0, "a key was held that was never stored")
    }

    func fills(_ operations: Int) throws(WrongResult) {
        let before = tier.statistics().evictions
        for _ in 0..<operations {
            put(next)
            next = (next + 1) % keys.count
        }
        try expect(tier.statistics().evictions - before > operations * 9 / 10, "too little was evicted")
    }

    func overwrites(_ operations: Int) { for turn in 0..<operations { put(picks[turn]) } }

    func fillsAndRemovals(_ operations: Int) throws(WrongResult) {
        var stored = 0
        for turn in 0..<operations {
            let index = 10_000 + turn % 10_000
            let result = keys.bytes[index].withUnsafeBytes { key in
                small.withUnsafeBytes { value in
                    tier.fill(
                        key, hash: keys.hashes[index], value: value, metadata: metadata, now: moment,
                        token: tier.beginFill(keys.hashes[index]))
                }
            }
            if result == .stored { stored += 1 }
            remove(index)
        }
        try expect(stored == operations, "a fill was not stored")
    }

    func storesAndSweeps(_ operations: Int) throws(WrongResult) {
        let before = tier.statistics().removedAsExpired
        let expiring = EntryMetadata(expiresAt: time.advanced(byMilliseconds: 1_000), verifiedAt: time)
        for index in 0..<operations {
            _ = keys.bytes[index].withUnsafeBytes { key in
                small.withUnsafeBytes {
                    tier.put(key, hash: keys.hashes[index], value: $0, metadata: expiring, now: time)
                }
            }
        }
        time = time.advanced(byMilliseconds: 60_000)
        while !tier.sweep(now: time, budget: 1_000).isDone {}
        let swept = Int(tier.statistics().removedAsExpired - before)
        try expect(swept == operations, "\(swept) of \(operations) expired entries were swept")
    }
}
