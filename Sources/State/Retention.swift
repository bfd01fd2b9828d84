// Retention: the hard end of a life, counted from creation, which nothing that is done to a key moves to later.
//
// DESIGN: a record knows when it was created. A plain value does not, and neither does a Redis string: its end is given
// with its value (SET: at most `retention` from then) and is not moved to later afterwards, so that it never has to be
// known when that was. An INCR or APPEND that makes the key gives it an end in the same way. The price: under a
// retention, reads do not slide the life of plain values, and EXPIRE only shortens it.

public import Primitives

extension HeldValue {
    /// When the record was created; nil for a plain value, and for what is left of a deleted record.
    public var recordCreatedAt: Timestamp? {
        guard kind == .record, let head = bytes.withUnsafeBytes({ RecordHead($0) }), !head.isDeleted else { return nil }
        return Timestamp(milliseconds: head.created)
    }

    /// The end beyond which the policy's retention lets nothing live; `.never` where it says nothing.
    ///
    /// A plain value's is the end that it has: it was given by the retention, and nothing moves it to later.
    public func hardEnd(retention: Int64?) -> Timestamp {
        guard let retention, !isTombstone else { return .never }
        return recordCreatedAt?.advanced(byMilliseconds: retention) ?? expiresAt
    }

    /// The same with its end at the hard one, at the latest.
    public func retained(_ retention: Int64?) -> HeldValue {
        var held = self
        held.expiresAt = min(expiresAt, hardEnd(retention: retention))
        return held
    }
}

extension WriteRules {
    /// The write with the end that it gives within the policy's retention, so that conditions (GT) are judged by that.
    func within(_ write: StringWrite, over held: HeldValue?, now: Timestamp) -> StringWrite {
        guard let retention = records.retention, write.movesEnd, let held, !held.isTombstone else { return write }
        let hard = held.hardEnd(retention: retention)
        let end = hard == .never ? now.advanced(byMilliseconds: retention) : hard
        return switch write {
        case .expire(let time, let condition): .expire(at: min(time, end), condition)
        case .persist: .expire(at: end, .ifGreater)
        case .getExpire(.at(let time)): .getExpire(.at(min(time, end)))
        case .getExpire(.clear): .getExpire(.keep)
        default: write
        }
    }

    /// The change with its end within the policy's retention; `held` is what the key held before, `write` what is done.
    func retaining(_ change: Change, over held: HeldValue?, by write: StringWrite, now: Timestamp) -> Change {
        guard let retention = records.retention, case .put(var value) = change else { return change }
        switch value.kind {
        case .record: value = value.retained(retention)
        case .string:
            let isNew = write.givesValue || held?.kind != .string || held?.expiresAt == .never
            value.expiresAt = min(
                value.expiresAt, isNew ? now.advanced(byMilliseconds: retention) : held?.expiresAt ?? .never)
        }
        return value.expiresAt <= now ? .remove : .put(value)
    }
}

extension StringWrite {
    /// Whether it gives the key a value that has nothing of the one before, its end included: its life begins with it.
    var givesValue: Bool {
        if case .set(_, let expiry, _, _) = self { expiry != .keep } else { false }
    }
}
