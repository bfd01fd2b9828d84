// Replays a trace through the local tier as it ships: the arena, its shards, the rule, and nothing of a model.

internal import LoadGenerator
public import LocalTier
internal import Primitives

/// What one replay came to.
public struct ReplayResult: Equatable, Sendable {
    public let rule: EvictionRuleKind
    /// All that the arena took, in bytes.
    public let bytes: Int
    public var reads = 0
    public var hits = 0
    public var bytesRead = 0
    public var bytesHit = 0
    /// Objects that were too large to be held: misses, whatever the rule.
    public var tooLarge = 0
    /// CPU time of the replay, in nanoseconds.
    public var nanoseconds: UInt64 = 0

    /// Hits of all reads.
    public var hitRatio: Double { reads > 0 ? Double(hits) / Double(reads) : 0 }
    /// Bytes of hits of the bytes of all reads.
    public var byteHitRatio: Double { bytesRead > 0 ? Double(bytesHit) / Double(bytesRead) : 0 }
}

/// Replays traces; its buffers are used again.
public struct Replay {
    private let shards: Int
    private var key = Array("object:0123456789abcdef".utf8)
    private var value: [UInt8] = []
    /// Hashes follow from the keys alone, so that a replay can be had again; a process hashes with a secret.
    private static let hashSeed: UInt64 = 1

    public init(shards: Int = 1) { self.shards = shards }

    /// The least that a tier of so many shards can be given, in bytes.
    public static func bytesMin(shards: Int) -> Int { shards * LocalTierConfiguration.shardBytesMin + 65_536 }

    /// Replays a trace in so many bytes for everything: a miss is stored, a write replaces, nothing expires.
    public mutating func run(_ trace: Trace, rule: EvictionRuleKind, bytes: Int) throws(LocalTierError) -> ReplayResult
    {
        let tier = try LocalTier(LocalTierConfiguration(maxBytes: bytes, eviction: rule, shards: shards))
        var result = ReplayResult(rule: rule, bytes: tier.arenaBytes)
        let started = cpuNanoseconds()
        for request in trace.requests {
            prepare(request)
            switch request.operation {
            case .get: read(request, tier, &result)
            case .set: store(request, tier, &result)
            case .delete: key.withUnsafeBytes { _ = tier.remove($0, hash: Self.hash($0)) }
            }
        }
        result.nanoseconds = cpuNanoseconds() - started
        return result
    }

    private mutating func prepare(_ request: TraceRequest) {
        let digits = StaticDigits.hexadecimal
        for place in 0..<16 {
            key[key.count - 1 - place] = digits[Int(request.object >> UInt64(4 * place) & 15)]
        }
        if value.count < Int(request.size) { value = [UInt8](repeating: 120, count: Int(request.size)) }
    }

    private func read(_ request: TraceRequest, _ tier: LocalTier, _ result: inout ReplayResult) {
        let length = key.withUnsafeBytes { key in tier.read(key, hash: Self.hash(key), now: Self.now) { $0.valueLength }
        }
        result.reads += 1
        result.bytesRead += length ?? Int(request.size)
        guard let length else { return store(request, tier, &result) }
        result.hits += 1
        result.bytesHit += length
    }

    private func store(_ request: TraceRequest, _ tier: LocalTier, _ result: inout ReplayResult) {
        let stored = key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                tier.put(
                    key, hash: Self.hash(key), value: UnsafeRawBufferPointer(rebasing: value[..<Int(request.size)]),
                    metadata: EntryMetadata(verifiedAt: Self.now), now: Self.now)
            }
        }
        if stored == .tooLarge { result.tooLarge += 1 }
    }

    private static let now = Timestamp(milliseconds: 1_700_000_000_000)

    private static func hash(_ key: UnsafeRawBufferPointer) -> KeyHash {
        KeyHash(rawValue: xxh3(key, seed: hashSeed))
    }
}

private enum StaticDigits {
    static let hexadecimal = Array("0123456789abcdef".utf8)
}
