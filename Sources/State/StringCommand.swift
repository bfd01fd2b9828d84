// Commands on plain strings, over one key or several, performed as one.

public import Primitives

/// A native command on plain strings, checked and ready to be performed, whoever performs it.
public enum StringCommand: Sendable, Equatable {
    case read(StringRead, key: [UInt8])
    /// EXISTS and TOUCH over several keys, which may repeat: the sum.
    case count([[UInt8]])
    /// MGET.
    case getMany([[UInt8]])
    case write(StringWrite, key: [UInt8])
    /// DEL and UNLINK over several keys: how many there were.
    case deleteMany([[UInt8]])
    /// MSET, or MSETNX with `onlyIfNone`: all of them or none.
    case setMany([[UInt8]], values: [[UInt8]], onlyIfNone: Bool)
    /// RENAME, or RENAMENX with `onlyIfNone`.
    case rename([UInt8], to: [UInt8], onlyIfNone: Bool)
    /// DBSIZE.
    case countAll
    /// FLUSHDB.
    case removeAll

    /// The keys that it names, in order, repeated ones included.
    public var keys: [[UInt8]] {
        switch self {
        case .read(_, let key), .write(_, let key): [key]
        case .count(let keys), .getMany(let keys), .deleteMany(let keys), .setMany(let keys, _, _): keys
        case .rename(let from, let to, _): [from, to]
        case .countAll, .removeAll: []
        }
    }

    /// Whether each of its keys fulfils `predicate`; asks in order, makes no list of them, and stops at the first that
    /// does not.
    public func allKeys(satisfy predicate: (_ key: [UInt8]) -> Bool) -> Bool {
        switch self {
        case .read(_, let key), .write(_, let key): predicate(key)
        case .count(let keys), .getMany(let keys), .deleteMany(let keys), .setMany(let keys, _, _):
            keys.allSatisfy(predicate)
        case .rename(let from, let to, _): predicate(from) && predicate(to)
        case .countAll, .removeAll: true
        }
    }

    /// Bytes of the values that it carries.
    public var valueBytes: Int {
        switch self {
        case .setMany(_, let values, _): values.reduce(0) { $0 + $1.count }
        case .write(let write, _): write.valueBytes
        case .read, .count, .getMany, .deleteMany, .rename, .countAll, .removeAll: 0
        }
    }

    public var isWrite: Bool {
        switch self {
        case .read, .count, .getMany, .countAll: false
        case .write, .deleteMany, .setMany, .rename, .removeAll: true
        }
    }

    /// Performs the command; `rules` gives the expiry that a key's policy adds and the size that it allows.
    public func perform(in space: inout some KeySpace, now: Timestamp, rules: (_ key: [UInt8]) -> WriteRules) -> Reply {
        switch self {
        case .read(let read, let key): return read.reply(for: space.find(key), now: now)
        case .count(let keys): return .integer(keys.reduce(0) { $0 + (space.find($1) == nil ? 0 : 1) })
        case .getMany(let keys): return .array(keys.map { StringRead.element(for: space.find($0)) })
        case .write(let write, let key):
            let rules = rules(key)
            let held = write.needsHeld ? space.read(key) : nil
            let (change, reply) = rules.within(write, over: held, now: now).perform(on: held, now: now, rules: rules)
            let lasting = rules.givingLife(to: change, by: write, now: now)
            space.apply(rules.retaining(lasting, over: held, by: write, now: now), to: key)
            return reply
        case .deleteMany(let keys):
            return .integer(
                keys.reduce(0) { sum, key in
                    let (change, reply) = StringWrite.delete.perform(on: space.read(key), now: now, rules: rules(key))
                    space.apply(change, to: key)
                    return reply == .integer(1) ? sum + 1 : sum
                })
        case .setMany(let keys, let values, let onlyIfNone):
            if onlyIfNone, keys.contains(where: { space.find($0) != nil }) { return .integer(0) }
            for (key, value) in zip(keys, values) where value.count > rules(key).maxValue {
                return StringWrite.tooBig(value.count, rules(key).maxValue)
            }
            for (key, value) in zip(keys, values) {
                let write = StringWrite.set(value, expiry: .clear, condition: .always, reply: .ok)
                let lasting = rules(key).givingLife(to: .put(HeldValue(value)), by: write, now: now)
                space.apply(rules(key).retaining(lasting, over: nil, by: write, now: now), to: key)
            }
            return onlyIfNone ? .integer(1) : .ok
        case .rename(let from, let to, let onlyIfNone):
            guard let held = space.find(from) else { return .error("ERR no such key") }
            if onlyIfNone, space.find(to) != nil { return .integer(0) }
            if from != to {
                space.apply(.remove, to: from)
                // No command gives it an end of its own, so that it keeps the one that it has.
                space.apply(rules(to).retaining(.put(held), over: held, by: .persist, now: now), to: to)
            }
            return onlyIfNone ? .integer(1) : .ok
        case .countAll: return .integer(Int64(space.countKeys()))
        case .removeAll:
            space.removeAll()
            return .ok
        }
    }
}

/// What a key's policy adds to a write.
public struct WriteRules: Sendable, Equatable {
    /// The largest value, in bytes.
    public var maxValue: Int
    /// The life, in milliseconds, that a SET gets where the writer gives none; nil leaves it without expiry.
    public var life: Int64?
    /// What applies to records.
    public var records: RecordRules
    /// Where what is performed is committed, as replies of record commands say.
    public var committed: Committed

    public init(
        maxValue: Int, life: Int64?, records: RecordRules = RecordRules(), committed: Committed = .local
    ) {
        self.maxValue = maxValue
        self.life = life
        self.records = records
        self.committed = committed
    }

    /// The same change, with the policy's expiry where a write that sets a value gave none.
    func givingLife(to change: Change, by write: StringWrite, now: Timestamp) -> Change {
        guard let life, case .put(var held) = change, held.expiresAt == .never, write.takesPolicyLife else {
            return change
        }
        held.expiresAt = now.advanced(byMilliseconds: life)
        return .put(held)
    }
}

extension StringWrite {
    /// Whether what becomes of the key depends on what it holds; a plain SET does not.
    public var needsHeld: Bool {
        switch self {
        case .set(_, let expiry, let condition, let reply): expiry == .keep || condition != .always || reply == .old
        default: true
        }
    }

    /// Whether it is a SET without an expiry, to which the policy's `ttl` applies. INCR and the like keep what the key
    /// has.
    public var takesPolicyLife: Bool {
        if case .set(_, .clear, _, _) = self { true } else { false }
    }
}

extension StringWrite {
    /// Bytes of the value that it carries.
    public var valueBytes: Int {
        switch self {
        case .set(let bytes, _, _, _), .append(let bytes), .setRange(_, let bytes), .incrementFloat(let bytes):
            bytes.count
        case .delete, .getDelete, .getExpire, .expire, .persist, .increment, .throttle: 0
        case .record(let write): write.contentBytes
        }
    }
}

extension KeySpace {
    /// What a reader finds: what the key holds, unless it is what is left of a deleted record.
    mutating func find(_ key: [UInt8]) -> HeldValue? { read(key).flatMap { $0.isTombstone ? nil : $0 } }
}
