// What a write may do while Redis can't be asked: its kind decides whether the journal takes it.

public import Primitives

/// How a command behaves without Redis (DESIGN §6); a transaction is of the last kind of its commands.
public enum OutageKind: Int, Sendable, Comparable {
    /// Leaves everything as it is.
    case read
    /// Done twice is done once (SET, DEL, EXPIRE): kept for later whether or not Redis may have it already.
    case idempotent
    /// Done twice is too much (INCR, APPEND): kept for later only when it was certainly never sent.
    case accumulating
    /// Its answer depends on what Redis has at this moment (NX, XX, GETSET): two sidecars must not both win.
    case conditional
    /// About the keyspace (RENAME, FLUSHDB, DBSIZE), which is Redis's alone.
    case keyspace
    /// Decides who may write (LEASE.ACQUIRE): nobody but Redis may, whatever the policy says.
    case exclusive
    /// Leaves the state as it is (a migration): a later read does it, or who asked for it asks again.
    case upkeep

    public static func < (a: OutageKind, b: OutageKind) -> Bool { a.rawValue < b.rawValue }
}

extension StringCommand {
    public var outageKind: OutageKind {
        switch self {
        case .read, .count, .getMany: .read
        case .write(let write, _): write.outageKind
        case .deleteMany: .idempotent
        case .setMany(_, _, let onlyIfNone): onlyIfNone ? .conditional : .idempotent
        case .rename, .countAll, .removeAll: .keyspace
        }
    }
}

extension StringWrite {
    public var outageKind: OutageKind {
        switch self {
        case .set(_, _, .always, .ok): .idempotent
        case .set, .getDelete, .throttle: .conditional
        case .expire(_, let condition): condition.isEmpty ? .idempotent : .conditional
        case .getExpire(.keep): .read
        case .delete, .getExpire, .persist, .setRange: .idempotent
        case .increment, .incrementFloat, .append: .accumulating
        // The record remembers who wrote it, so that done twice is done once.
        case .record(let write):
            write.action.isLease ? .exclusive : write.action.isMigration ? .upkeep : .idempotent
        }
    }

    /// Whether it leaves nothing of what the key held, its expiry included.
    public var isAbsolute: Bool {
        switch self {
        case .set(_, let expiry, .always, _): expiry != .keep
        case .delete: true
        default: false
        }
    }

    /// Whether nothing is there after it, whatever the key held. The deletion of a record may leave its version.
    public var takesKeyAway: Bool {
        switch self {
        case .delete, .getDelete: true
        default: false
        }
    }

    /// Whether it is about the end of the key's life alone.
    public var movesEnd: Bool {
        switch self {
        case .expire, .persist, .getExpire(.at), .getExpire(.clear): true
        default: false
        }
    }

    /// Whether it gives the key a value of its own or takes it away, whatever the key held.
    public var replacesValue: Bool {
        switch self {
        case .set, .delete, .getDelete: true
        default: false
        }
    }
}

extension StringCommand {
    /// Tells what is to be done later in place of this command, after it has been judged here: writes of one key each,
    /// without conditions and with absolute times. Nothing where it changed nothing and never will.
    ///
    /// `change` is what the command did to a key, as far as is known here.
    public func forEachEffect(
        now: Timestamp, rules: (_ key: [UInt8]) -> WriteRules, change: (_ key: [UInt8]) -> Change,
        _ body: (_ key: [UInt8], _ write: StringWrite) -> Void
    ) {
        switch self {
        case .read, .count, .getMany, .rename, .countAll, .removeAll: return
        case .deleteMany(let keys): for key in keys { body(key, .delete) }
        case .setMany(let keys, let values, let onlyIfNone):
            if onlyIfNone, keys.contains(where: { change($0) == .none }) { return }
            for (key, value) in zip(keys, values) { body(key, Self.lasting(value, .clear, rules(key), now)) }
        case .write(let write, let key):
            let rules = rules(key)
            let change = change(key)
            if let effect = write.effect(now: now, rules: rules, change: change) { body(key, effect) }
        }
    }

    /// A SET whose end, by what the policy says of it, is a moment.
    fileprivate static func lasting(
        _ value: [UInt8], _ expiry: ExpiryChange, _ rules: WriteRules, _ now: Timestamp
    ) -> StringWrite {
        var expiry = expiry
        if expiry == .clear, let life = rules.life { expiry = .at(now.advanced(byMilliseconds: life)) }
        if case .at(let time) = expiry, let retention = rules.records.retention {
            expiry = .at(min(time, now.advanced(byMilliseconds: retention)))
        }
        return .set(value, expiry: expiry, condition: .always, reply: .ok)
    }
}

extension StringWrite {
    /// What is to be done later in place of this write, which did `change`; nil where that is nothing.
    fileprivate func effect(now: Timestamp, rules: WriteRules, change: Change) -> StringWrite? {
        let isDone = change != .none
        if rules.records.retention != nil, movesEnd {
            // By what is known here, and never to later: what is not known is not touched.
            guard case .put(let held) = change, !held.isTombstone else { return isDone ? .delete : nil }
            return .expire(at: held.expiresAt, [])
        }
        switch self {
        case .set(let bytes, let expiry, let condition, _):
            return condition == .always || isDone ? StringCommand.lasting(bytes, expiry, rules, now) : nil
        case .getDelete: return isDone ? .delete : nil
        case .getExpire(.at(let time)): return .expire(at: time, [])
        case .getExpire(.clear): return .persist
        // A limit that is late is none.
        case .getExpire(.keep), .throttle: return nil
        case .expire(let time, let condition): return condition.isEmpty || isDone ? .expire(at: time, []) : nil
        case .setRange(_, let bytes): return bytes.isEmpty ? nil : self
        case .delete, .persist, .increment, .incrementFloat, .append: return self
        case .record(var record):
            var its = rules.records
            // The schema that the value is written in is that of this moment; what is known then judges later.
            if case .set(let value, nil, let life) = record.action {
                record.action = .set(value: value, schema: its.schema.current, life)
            }
            its.schema = Schema()
            record.rules = its
            // Nobody here may know what a deletion takes away.
            let isBlind = record.action == .delete && record.expectation == .any
            return isDone || isBlind ? .record(record) : nil
        }
    }
}
