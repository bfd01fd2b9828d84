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
    private let isUnderWay = Atomic<Bool>(false)
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
            guard !isUnderWay.load(ordering: .relaxed) else { return false }
            held = prefix
            isUnderWay.store(true, ordering: .releasing)
            return true
        }
    }

    func end() { prefix.withLock { _ in isUnderWay.store(false, ordering: .releasing) } }

    /// Whether a key is being erased: what is read of it must not be held, kept on disk or given back to Redis.
    func covers(_ key: [UInt8]) -> Bool {
        isUnderWay.load(ordering: .acquiring) && prefix.withLock { key.starts(with: $0) }
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
