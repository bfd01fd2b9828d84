// What a hit and a fill cost under each rule: CPU time in the local tier alone, all rules side by side in one run.

internal import LoadGenerator
public import LocalTier
internal import Primitives

/// The least of several rounds, in nanoseconds of CPU for one operation.
public struct RuleCost: Equatable, Sendable {
    public let rule: EvictionRuleKind
    public var hit = Double.infinity
    /// A value of 64 bytes that is stored in a full tier, so that another goes.
    public var fill = Double.infinity

    /// Measures all `rules` in turn, several rounds, so that what disturbs the machine disturbs each alike.
    public static func measure(_ rules: [EvictionRuleKind], rounds: Int = 9) throws(LocalTierError) -> [RuleCost] {
        var benches: [CostBench] = []
        for rule in rules { benches.append(try CostBench(rule)) }
        for _ in 0..<rounds {
            for index in benches.indices {
                benches[index].cost.hit = min(benches[index].cost.hit, benches[index].hits())
                benches[index].cost.fill = min(benches[index].cost.fill, benches[index].fills())
            }
        }
        return benches.map(\.cost)
    }
}

/// A full tier, and keys that it holds.
private struct CostBench {
    var cost: RuleCost
    private let hot: LocalTier
    private let full: LocalTier
    private let picks: [Int]
    private let keys: [[UInt8]]
    private let hashes: [KeyHash]
    private var filled = 0

    private static let keyCount = 10_000
    private static let operations = 200_000
    private static let now = Timestamp(milliseconds: 1_700_000_000_000)

    init(_ rule: EvictionRuleKind) throws(LocalTierError) {
        cost = RuleCost(rule: rule)
        hot = try LocalTier(LocalTierConfiguration(maxBytes: 16 << 20, eviction: rule, shards: 4))
        full = try LocalTier(LocalTierConfiguration(maxBytes: 4 << 20, eviction: rule, shards: 4))
        var random = LoadRandom(seed: 1)
        let picker = KeyPicker(.zipfian(theta: 0.99), count: UInt64(Self.keyCount))
        picks = (0..<Self.operations).map { _ in Int(picker.next(&random)) }
        // More keys than the full tier holds, asked for in turn: each is a miss.
        keys = (0..<4 * Self.keyCount).map { Array("key:\(1_000_000_000 + $0)".utf8) }
        hashes = keys.map { key in KeyHash(rawValue: key.withUnsafeBytes { xxh3($0, seed: 1) }) }
        for index in 0..<Self.keyCount { put(index, in: hot) }
        for index in keys.indices { put(index, in: full) }
    }

    private func put(_ index: Int, in tier: LocalTier) {
        let value = (1, 2, 3, 4, 5, 6, 7, UInt64(index))
        keys[index].withUnsafeBytes { key in
            withUnsafeBytes(of: value) {
                _ = tier.put(
                    key, hash: hashes[index], value: $0, metadata: EntryMetadata(verifiedAt: Self.now), now: Self.now)
            }
        }
    }

    func hits() -> Double {
        let started = cpuNanoseconds()
        var sum = 0
        for index in picks {
            sum &+= keys[index].withUnsafeBytes { key in
                hot.read(key, hash: hashes[index], now: Self.now) { $0.valueLength } ?? 0
            }
        }
        precondition(sum == 64 * picks.count, "BUG: a hot key was not held")
        return Double(cpuNanoseconds() - started) / Double(picks.count)
    }

    mutating func fills() -> Double {
        let started = cpuNanoseconds()
        for _ in 0..<Self.operations {
            put(filled, in: full)
            filled = (filled + 1) % keys.count
        }
        return Double(cpuNanoseconds() - started) / Double(Self.operations)
    }
}
