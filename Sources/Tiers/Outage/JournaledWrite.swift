// A write that waits for Redis: what is to be done, to which keys, and what Redis was last known to hold of them.

public import Primitives
public import State

/// What a key holds, told apart by digest.
public enum KnownState: Sendable, Hashable {
    case absent
    case value(SHA1Digest)

    init(_ held: HeldValue?) {
        switch held {
        case nil: self = .absent
        case let held? where held.isTombstone: self = .absent
        case let held? where held.kind == .record: self = held.record.map { KnownState($0.stamp) } ?? .absent
        case let held?: self = .value(SHA1Digest(held.bytes))
        }
    }

    /// A record in a state that its version and its last write tell from every other.
    init(_ stamp: RecordStamp) {
        let id = OperationID(rawValue: stamp.operation)
        let text = "record:\(stamp.version):\(stamp.operation == 0 ? "" : id.text)"
        self = .value(SHA1Digest(Array(text.utf8)))
    }
}

/// What this sidecar last knew of a key in Redis, before a journaled write (DESIGN §6: the base).
public struct Base: Sendable, Equatable {
    /// What Redis may hold without anybody else having written; what was known comes first.
    public var states: [KnownState]
    /// Nothing was known: whoever wrote was answered by a default, or by nothing.
    public var isUnknown: Bool
    /// A write of this sidecar had an unknown outcome: another value in Redis may be its own doing.
    public var mayBeOurs: Bool
    /// What the key held, where the write's effect can't be told without it.
    public var held: HeldValue?

    public init(states: [KnownState], isUnknown: Bool, mayBeOurs: Bool = false, held: HeldValue? = nil) {
        self.mayBeOurs = mayBeOurs
        self.states = states
        self.isUnknown = isUnknown
        self.held = held
    }

    /// States beyond which a base is not worth keeping: each costs its comparison in Redis.
    static let statesMax = 16
}

/// One entry of the journal: writes that are done as one, in order, each of one key and without conditions.
public struct JournaledWrite: Sendable, Equatable {
    public struct Operation: Sendable, Equatable {
        public var key: [UInt8]
        public var write: StringWrite

        public init(_ key: [UInt8], _ write: StringWrite) {
            self.key = key
            self.write = write
        }
    }

    public var operations: [Operation]
    /// The base of each key, in the order in which they are first named.
    public var bases: [(key: [UInt8], base: Base)]
    /// Redis may have it already: it was sent and not answered.
    public var wasSent: Bool
    /// xxh3 of the run id of the Redis that was last talked to; 0 where none is known.
    public var redisProcess: UInt64
    /// xxh3 of the address and database of the Redis that it is for.
    public var redisAddress: UInt64

    public init(
        operations: [Operation], bases: [(key: [UInt8], base: Base)], wasSent: Bool, redisProcess: UInt64,
        redisAddress: UInt64
    ) {
        self.operations = operations
        self.bases = bases
        self.wasSent = wasSent
        self.redisProcess = redisProcess
        self.redisAddress = redisAddress
    }

    public static func == (a: JournaledWrite, b: JournaledWrite) -> Bool {
        a.operations == b.operations && a.wasSent == b.wasSent && a.redisProcess == b.redisProcess
            && a.redisAddress == b.redisAddress
            && a.bases.elementsEqual(b.bases) { $0.key == $1.key && $0.base == $1.base }
    }

    /// The keys that it names, each once.
    public var keys: [[UInt8]] { bases.map(\.key) }

    /// Whether it replaces all that its one key held, so that earlier writes of that key need not be done.
    var isAbsolute: Bool { operations.count == 1 && operations[0].write.isAbsolute }

    /// The write of a record that it is; such an entry is no other.
    var record: RecordWrite? {
        if case .record(let write)? = operations.first?.write { write } else { nil }
    }

    /// Whether it is one SET.
    var isSet: Bool {
        if case .set? = operations.first?.write, operations.count == 1 { true } else { false }
    }

    /// What a replay has to know of what it does to one key.
    struct KeyEffect {
        /// Some operation gives the key a value of its own, or takes it away, so that another's would be lost by it.
        var replaces = false
        /// The first operation takes the key away: nothing that was there matters.
        var beginsWithDelete = false
        /// What it leaves, where that does not depend on what is there: no conflict when Redis has it already.
        var ownState: KnownState?
    }

    /// What it does to each of its keys. Complexity: O(operations).
    var effects: [[UInt8]: KeyEffect] {
        var effects: [[UInt8]: KeyEffect] = [:]
        for operation in operations {
            var effect = effects[operation.key] ?? KeyEffect(beginsWithDelete: operation.write == .delete)
            effect.replaces = effect.replaces || operation.write.replacesValue
            switch operation.write {
            case .set(let bytes, _, _, _): effect.ownState = .value(SHA1Digest(bytes))
            case .delete: effect.ownState = .absent
            case .expire, .persist: break
            default: effect.ownState = nil
            }
            effects[operation.key] = effect
        }
        return effects
    }

    /// What becomes of the keys where they hold what `held` says.
    func results(now: Timestamp, held: ([UInt8]) -> HeldValue?) -> [[UInt8]: HeldValue?] {
        var results: [[UInt8]: HeldValue?] = [:]
        for operation in operations {
            let before = results[operation.key] ?? held(operation.key)
            let alive = before.flatMap { $0.isAlive(at: now) ? $0 : nil }
            let (change, _) = operation.write.perform(
                on: alive, now: now, rules: WriteRules(maxValue: .max, life: nil))
            switch change {
            case .none: results[operation.key] = .some(alive)
            case .put(let value): results[operation.key] = .some(value)
            case .remove: results[operation.key] = .some(nil)
            }
        }
        return results
    }
}
