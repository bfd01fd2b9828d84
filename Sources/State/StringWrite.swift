// Writes of plain strings: from what a key holds to what it shall hold, and Redis's own reply.
//
// DESIGN: one implementation serves wherever Hearth decides itself: the embedded mode, transactions there, and the
// replay of a journal. Arguments were checked by whoever parsed the command; what depends on the value is checked here.
//
// Source: Redis 7.0, t_string.c and expire.c.

internal import CLongDouble
public import Primitives

/// What a write does to the time at which a key expires.
public enum ExpiryChange: Sendable, Equatable {
    /// Leaves it as it is (KEEPTTL, GETEX without options).
    case keep
    /// Takes it away (SET without options, PERSIST).
    case clear
    case at(Timestamp)
}

/// When a SET is done at all.
public enum SetCondition: Sendable, Equatable {
    case always
    /// NX.
    case ifAbsent
    /// XX.
    case ifPresent
}

/// When an EXPIRE is done at all (NX, XX, GT, LT).
public struct ExpireCondition: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let ifNone = ExpireCondition(rawValue: 1)
    public static let ifSome = ExpireCondition(rawValue: 2)
    public static let ifGreater = ExpireCondition(rawValue: 4)
    public static let ifLess = ExpireCondition(rawValue: 8)
}

/// A write of one key; pure.
public enum StringWrite: Sendable, Equatable {
    /// What SET and its relatives answer with.
    public enum SetReply: Sendable, Equatable {
        /// OK, or nil where the condition failed.
        case ok
        /// 1 or 0 (SETNX).
        case flag
        /// The value before, or nil (SET … GET, GETSET).
        case old
    }

    case set([UInt8], expiry: ExpiryChange, condition: SetCondition, reply: SetReply)
    /// DEL and UNLINK: 1 or 0, to be summed over keys.
    case delete
    case getDelete
    case getExpire(ExpiryChange)
    case expire(at: Timestamp, ExpireCondition)
    case persist
    case increment(Int64)
    case incrementFloat([UInt8])
    case append([UInt8])
    case setRange(Int64, [UInt8])
    /// A write of a record (STATE.*, TURNS.*, CHECKPOINT.*, LEASE.*); behind a reference, since commands are handed on
    /// by value and it is ten times as large as any other.
    indirect case record(RecordWrite)
    /// A request that a rate limit judges.
    case throttle(Throttle)

    /// What becomes of the key and what is answered; `held` must be alive, and may be a tombstone.
    public func perform(on held: HeldValue?, now: Timestamp, rules: WriteRules) -> (Change, Reply) {
        if case .record(let write) = self { return Self.record(write, held, now, rules) }
        let visible = held.flatMap { $0.isTombstone ? nil : $0 }
        if let visible, visible.kind == .record { return performOnRecord(visible, now: now, rules: rules) }
        return perform(onString: visible, now: now, maxValue: rules.maxValue)
    }

    private func perform(onString held: HeldValue?, now: Timestamp, maxValue: Int) -> (Change, Reply) {
        switch self {
        case .set(let bytes, let expiry, let condition, let reply):
            return Self.set(held, bytes, expiry, condition, reply, now, maxValue)
        case .delete: return held == nil ? (.none, .integer(0)) : (.remove, .integer(1))
        case .getDelete: return held.map { (.remove, .string($0.bytes)) } ?? (.none, .null)
        case .getExpire(let change): return Self.getExpire(held, change, now)
        case .expire(let time, let condition): return Self.expire(held, time, condition, now)
        case .persist:
            guard let held, held.expiresAt != .never else { return (.none, .integer(0)) }
            return (.put(HeldValue(held.bytes, kind: held.kind)), .integer(1))
        case .increment(let step): return Self.increment(held, step)
        case .incrementFloat(let step): return Self.incrementFloat(held, step)
        case .append(let bytes): return Self.append(held, bytes, maxValue)
        case .setRange(let offset, let bytes): return Self.setRange(held, offset, bytes, maxValue)
        case .throttle(let throttle): return throttle.perform(on: held, now: now)
        case .record: preconditionFailure("BUG: a write of a record on a plain value")
        }
    }

    /// What writes of plain strings do to a record: what they do to a hash in Redis, and a deletion leaves its version.
    private func performOnRecord(_ held: HeldValue, now: Timestamp, rules: WriteRules) -> (Change, Reply) {
        switch self {
        case .set(_, _, _, .old), .getDelete, .getExpire, .increment, .incrementFloat, .append, .setRange, .throttle:
            return (.none, Self.wrongType)
        case .set, .persist: return perform(onString: held, now: now, maxValue: rules.maxValue)
        case .expire(let time, _) where time > now: return perform(onString: held, now: now, maxValue: rules.maxValue)
        case .expire(let time, let condition):
            guard case (.remove, let reply) = Self.expire(held, time, condition, now) else {
                return (.none, .integer(0))
            }
            return (Self.tombstone(held, now), reply)
        case .delete: return (Self.tombstone(held, now), .integer(1))
        case .record: preconditionFailure("BUG: a write of a record taken for one of a plain value")
        }
    }

    /// What is left of a record that is deleted without an operation of its own.
    private static func tombstone(_ held: HeldValue, _ now: Timestamp) -> Change {
        guard var record = held.record else { return .remove }
        record.version += 1
        return .put(
            HeldValue(record.tombstone, expiresAt: now.advanced(byMilliseconds: RecordRules.tombstoneLife)))
    }

    /// Redis's text for a key of another type.
    public static let wrongType = Reply.error(
        "WRONGTYPE Operation against a key holding the wrong kind of value")

    private static func record(
        _ write: RecordWrite, _ held: HeldValue?, _ now: Timestamp, _ rules: WriteRules
    ) -> (Change, Reply) {
        guard held.map({ $0.kind == .record }) ?? true else { return (.none, wrongType) }
        if let held, held.record == nil { return (.none, Self.unreadableRecord) }
        let outcome = write.perform(
            on: held?.record, expiresAt: held?.expiresAt ?? .never, now: now, maxValue: rules.maxValue,
            rules: rules.records)
        switch outcome {
        case .changed(let record, let expiresAt, let answer):
            return (.put(HeldValue(record, expiresAt: expiresAt)), answer.reply(to: write, committed: rules.committed))
        case .unchanged(let answer): return (.none, answer.reply(to: write, committed: rules.committed))
        case .refused(let refusal): return (.none, refusal.reply)
        }
    }

    /// Bytes that no version of Hearth up to this one has written as a record.
    public static let unreadableRecord = Reply.error(
        "ERR the record can't be read: it is damaged, or of a newer Hearth; use that, or delete the key")

    private static func set(
        _ held: HeldValue?, _ bytes: [UInt8], _ expiry: ExpiryChange, _ condition: SetCondition, _ reply: SetReply,
        _ now: Timestamp, _ maxValue: Int
    ) -> (Change, Reply) {
        let isDone =
            switch condition {
            case .always: true
            case .ifAbsent: held == nil
            case .ifPresent: held != nil
            }
        let answer: Reply =
            switch reply {
            case .ok: isDone ? .ok : .null
            case .flag: .integer(isDone ? 1 : 0)
            case .old: held.map { .string($0.bytes) } ?? .null
            }
        guard isDone else { return (.none, answer) }
        guard bytes.count <= maxValue else { return (.none, tooBig(bytes.count, maxValue)) }
        let expiresAt = time(expiry, held)
        return (expiresAt <= now ? .remove : .put(HeldValue(bytes, expiresAt: expiresAt)), answer)
    }

    private static func time(_ expiry: ExpiryChange, _ held: HeldValue?) -> Timestamp {
        switch expiry {
        case .keep: held?.expiresAt ?? .never
        case .clear: .never
        case .at(let time): time
        }
    }

    private static func getExpire(_ held: HeldValue?, _ change: ExpiryChange, _ now: Timestamp) -> (Change, Reply) {
        guard let held else { return (.none, .null) }
        let expiresAt = time(change, held)
        if expiresAt == held.expiresAt { return (.none, .string(held.bytes)) }
        let change = expiresAt <= now ? Change.remove : .put(HeldValue(held.bytes, expiresAt: expiresAt))
        return (change, .string(held.bytes))
    }

    private static func expire(
        _ held: HeldValue?, _ time: Timestamp, _ condition: ExpireCondition, _ now: Timestamp
    ) -> (Change, Reply) {
        guard let held else { return (.none, .integer(0)) }
        // A key without expiry counts as one that never ends, for GT and LT alike.
        let isRefused =
            condition.contains(.ifNone) && held.expiresAt != .never
            || condition.contains(.ifSome) && held.expiresAt == .never
            || condition.contains(.ifGreater) && time <= held.expiresAt
            || condition.contains(.ifLess) && time >= held.expiresAt
        if isRefused { return (.none, .integer(0)) }
        return (time <= now ? .remove : .put(HeldValue(held.bytes, kind: held.kind, expiresAt: time)), .integer(1))
    }

    private static func increment(_ held: HeldValue?, _ step: Int64) -> (Change, Reply) {
        guard let value = held.map({ integer($0.bytes) }) ?? 0 else {
            return (.none, .error("ERR value is not an integer or out of range"))
        }
        let (sum, overflow) = value.addingReportingOverflow(step)
        if overflow { return (.none, .error("ERR increment or decrement would overflow")) }
        return (.put(HeldValue(Array(String(sum).utf8), expiresAt: held?.expiresAt ?? .never)), .integer(sum))
    }

    private static func incrementFloat(_ held: HeldValue?, _ step: [UInt8]) -> (Change, Reply) {
        let value = held?.bytes ?? [UInt8(ascii: "0")]
        var sum = [CChar](repeating: 0, count: 5200)
        var count = 0
        let result = value.withUnsafeBytes { a in
            step.withUnsafeBytes { b in
                hearth_add_long_doubles(
                    a.baseAddress?.assumingMemoryBound(to: CChar.self), a.count,
                    b.baseAddress?.assumingMemoryBound(to: CChar.self), b.count, &sum, sum.count, &count)
            }
        }
        switch hearth_float_result(rawValue: UInt32(result)) {
        case hearth_float_ok:
            let text = sum[..<count].map(UInt8.init(bitPattern:))
            return (.put(HeldValue(text, expiresAt: held?.expiresAt ?? .never)), .string(text))
        case hearth_float_infinite: return (.none, .error("ERR increment would produce NaN or Infinity"))
        default: return (.none, .error("ERR value is not a valid float"))
        }
    }

    private static func append(_ held: HeldValue?, _ bytes: [UInt8], _ maxValue: Int) -> (Change, Reply) {
        let count = (held?.bytes.count ?? 0) + bytes.count
        if count > maxValue { return (.none, tooBig(count, maxValue)) }
        let value = HeldValue((held?.bytes ?? []) + bytes, expiresAt: held?.expiresAt ?? .never)
        return (.put(value), .integer(Int64(count)))
    }

    private static func setRange(
        _ held: HeldValue?, _ offset: Int64, _ bytes: [UInt8], _ maxValue: Int
    ) -> (Change, Reply) {
        guard !bytes.isEmpty else { return (.none, .integer(Int64(held?.bytes.count ?? 0))) }
        let (end, overflow) = offset.addingReportingOverflow(Int64(bytes.count))
        if overflow || end > maxValue { return (.none, tooBig(overflow ? .max : Int(end), maxValue)) }
        var value = held?.bytes ?? []
        if value.count < end { value += [UInt8](repeating: 0, count: Int(end) - value.count) }
        value.replaceSubrange(Int(offset)..<Int(end), with: bytes)
        return (.put(HeldValue(value, expiresAt: held?.expiresAt ?? .never)), .integer(Int64(value.count)))
    }

    /// The refusal of a value that is larger than its policy allows.
    public static func tooBig(_ count: Int, _ limit: Int) -> Reply {
        .error(
            "TOOBIG the value would have \(count) bytes and max_value of its policy allows \(limit); "
                + "store less, or raise max_value")
    }

    /// An integer as Redis reads it: no plus sign, no leading zero, no space; nil for anything else.
    public static func integer(_ bytes: some Collection<UInt8>) -> Int64? {
        guard bytes.count <= 20 else { return nil }
        let digits = bytes.first == UInt8(ascii: "-") ? bytes.dropFirst() : bytes[...]
        guard let first = digits.first, digits.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
        guard first != 48 || bytes.count == 1 else { return nil }
        return Int64(String(decoding: bytes, as: UTF8.self))
    }

    /// Whether Redis would take these bytes for a float in INCRBYFLOAT.
    public static func isFloat(_ bytes: [UInt8]) -> Bool {
        // Adding zero fails with «invalid» only where one side is not a float.
        incrementFloat(HeldValue(bytes), [48]).1 != .error("ERR value is not a valid float")
    }
}
