// What the workers of a process know of an erasure under way, and what is counted of all of them.

public import Metrics
internal import Primitives
internal import Synchronization

/// What an erasure has removed, tier by tier; nil where there is no such tier.
public struct ErasureCount: Sendable, Equatable {
    /// Values in this process's memory.
    public var local = 0
    /// Keys in Redis, of any type.
    public var redis: Int?
    /// Copies on this host's disk, those past their expiry among them.
    public var warm: Int?
    /// Writes that waited for Redis.
    public var journal: Int?
    /// Conflicts that a replay has kept.
    public var conflicts: Int?
    /// Messages (EMIT) that waited in Redis for their streams.
    public var messages: Int?

    /// Names and figures, in the order in which an erasure goes.
    public var parts: [(name: String, count: Int?)] {
        [
            ("local", local), ("journal", journal), ("conflicts", conflicts), ("warm", warm), ("redis", redis),
            ("messages", messages),
        ]
    }
}

/// What became of an erasure.
public enum ErasureOutcome: Sendable, Equatable {
    case done(ErasureCount)
    /// It ended before its end; what it had removed by then, and why it went no further.
    case incomplete(ErasureCount, reason: String)
    /// Nothing was removed.
    case refused(String)
}

/// Erasures of all workers together; safe from any thread.
public final class Erasures: Sendable {
    /// How many have begun and how many have ended, as one number: it is odd while one is under way.
    private let turns = Atomic<UInt64>(0)
    /// Of the one under way, or the last one.
    private let prefix = Locked<[UInt8]>([])

    public let done = SharedCounter()
    public let incomplete = SharedCounter()
    public let refused = SharedCounter()
    /// What was removed, in the order of `ErasureCount.parts`.
    let removed = ErasureCount().parts.map { _ in SharedCell() }

    init() {}

    /// How much was removed in all, by part.
    public var removedByPart: [(name: String, count: UInt64)] {
        zip(ErasureCount().parts, removed).map { ($0.name, $1.counter.value) }
    }

    /// Takes the one place that there is; false where another erasure has it.
    func begin(_ prefix: [UInt8]) -> Bool {
        self.prefix.withLock { held in
            guard turns.load(ordering: .relaxed) % 2 == 0 else { return false }
            held = prefix
            turns.add(1, ordering: .sequentiallyConsistent)
            return true
        }
    }

    func end() { prefix.withLock { _ in _ = turns.add(1, ordering: .sequentiallyConsistent) } }

    /// Whether a key is being erased: what is read of it must not be held, kept on disk or given back to Redis.
    func covers(_ key: [UInt8]) -> Bool {
        turns.load(ordering: .acquiring) % 2 == 1 && prefix.withLock { key.starts(with: $0) }
    }

    /// Keys of copies on their way from the disk to Redis, and how many of each.
    private let promotions = Locked<[[UInt8]: Int]>([:])

    /// A copy of the key is about to be given to Redis; false where it must not be, since the key is being erased. An
    /// erasure that begins after this waits until `endPromotion`.
    func beginPromotion(of key: [UInt8]) -> Bool {
        promotions.withLock { $0[key, default: 0] += 1 }
        if !covers(key) { return true }
        endPromotion(of: key)
        return false
    }

    func endPromotion(of key: [UInt8]) {
        promotions.withLock { promotions in
            let left = (promotions[key] ?? 0) - 1
            promotions[key] = left > 0 ? left : nil
        }
    }

    /// Whether copies of keys under the prefix are on their way to Redis.
    func hasPromotions(under prefix: [UInt8]) -> Bool {
        promotions.withLock { $0.keys.contains { $0.starts(with: prefix) } }
    }

    /// Where erasures stand, for `mayHaveErased`.
    var generation: UInt64 { turns.load(ordering: .sequentiallyConsistent) }

    /// Whether a key may have been erased since `generation`, or is being erased: a write of it that began then, and
    /// that Redis has done, may be gone from there and must not be held.
    func mayHaveErased(_ key: [UInt8], since generation: UInt64) -> Bool {
        let turns = turns.load(ordering: .acquiring)
        if turns == generation, turns % 2 == 0 { return false }
        return prefix.withLock { prefix in
            // Of several only the last one's prefix is known.
            let begun = (self.turns.load(ordering: .relaxed) + 1) / 2 - generation / 2
            return begun > 1 || key.starts(with: prefix)
        }
    }

    func note(_ outcome: ErasureOutcome) {
        switch outcome {
        case .done(let count):
            done.add()
            note(count)
        case .incomplete(let count, _):
            incomplete.add()
            note(count)
        case .refused: refused.add()
        }
    }

    private func note(_ count: ErasureCount) {
        for (part, cell) in zip(count.parts, removed) { cell.counter.add(UInt64(part.count ?? 0)) }
    }
}

/// A shared counter that an array can hold.
final class SharedCell: Sendable {
    let counter = SharedCounter()
}
