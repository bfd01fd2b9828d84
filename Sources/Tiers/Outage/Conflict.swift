// Two writes of one key of which neither knew of the other: found at replay, counted, and kept with both sides.

public import Primitives
public import State

/// A replayed write that met what somebody else had written, or that Redis refused.
public struct Conflict: Sendable, Equatable {
    public enum Verdict: UInt8, Sendable, CaseIterable {
        /// Ours replaced theirs.
        case overwrote = 1
        /// Theirs stayed, ours was not done.
        case kept = 2
        /// Redis refused an operation of ours with an error (INCR of a text, a key of another type).
        case failed = 3

        /// The word of the metric's label.
        public var label: String {
            switch self {
            case .overwrote: "overwrote"
            case .kept: "kept"
            case .failed: "failed"
            }
        }
    }

    /// The entry's place in the journal.
    public var sequence: UInt64
    public var acceptedAt: Timestamp
    public var key: [UInt8]
    public var verdict: Verdict
    /// What ours does to the key, in words, as `SET`, `DEL`, `INCRBY 5`.
    public var operation: String
    /// The value that ours gives, where it gives one of its own.
    public var ours: [UInt8]?
    /// The type that Redis had (`string`, `hash`, `none`), or the error with which it refused.
    public var theirType: String
    /// Their value, where it is a string; its first mebibyte.
    public var theirs: [UInt8]?

    public func encoded() -> [UInt8] {
        var out = PayloadWriter()
        out.byte(1)
        out.integer(sequence)
        out.integer(UInt64(bitPattern: acceptedAt.milliseconds))
        out.bytes(key)
        out.byte(verdict.rawValue)
        out.bytes(Array(operation.utf8))
        for side in [ours, theirs] {
            out.byte(side == nil ? 0 : 1)
            if let side { out.bytes(side) }
        }
        out.bytes(Array(theirType.utf8))
        return out.storage
    }

    /// The conflict that `encoded` wrote; nil for other bytes.
    public init?(payload: [UInt8]) {
        var input = PayloadReader(payload)
        do throws(UnreadablePayload) {
            guard try input.byte() == 1 else { return nil }
            sequence = try input.integer()
            acceptedAt = Timestamp(milliseconds: Int64(bitPattern: try input.integer()))
            key = try input.bytes()
            guard let verdict = Verdict(rawValue: try input.byte()) else { return nil }
            self.verdict = verdict
            operation = String(decoding: try input.bytes(), as: UTF8.self)
            ours = try input.byte() == 0 ? nil : try input.bytes()
            theirs = try input.byte() == 0 ? nil : try input.bytes()
            theirType = String(decoding: try input.bytes(), as: UTF8.self)
        } catch {
            return nil
        }
    }

    public init(
        sequence: UInt64, acceptedAt: Timestamp, key: [UInt8], verdict: Verdict, operation: String, ours: [UInt8]?,
        theirType: String, theirs: [UInt8]?
    ) {
        self.sequence = sequence
        self.acceptedAt = acceptedAt
        self.key = key
        self.verdict = verdict
        self.operation = operation
        self.ours = ours
        self.theirType = theirType
        self.theirs = theirs
    }
}

extension JournaledWrite {
    /// What it does to a key, in words, and the value that it gives.
    public func summary(of key: [UInt8]) -> (operation: String, value: [UInt8]?) {
        let writes = operations.filter { $0.key == key }.map(\.write)
        let value = writes.last { $0.setValue != nil }?.setValue
        return (writes.map(\.name).joined(separator: ", "), value)
    }
}

extension StringWrite {
    /// The value that it gives the key, where it gives a whole one; what a write of a record brings.
    public var setValue: [UInt8]? {
        switch self {
        case .set(let bytes, _, _, _): bytes
        case .record(let write): write.action.content
        default: nil
        }
    }

    /// The command, without bytes that could be anybody's.
    public var name: String {
        switch self {
        case .set: "SET"
        case .delete: "DEL"
        case .getDelete: "GETDEL"
        case .getExpire: "GETEX"
        case .expire(let time, _): "PEXPIREAT \(time.milliseconds)"
        case .persist: "PERSIST"
        case .increment(let step): "INCRBY \(step)"
        case .incrementFloat(let step): "INCRBYFLOAT \(String(decoding: step, as: UTF8.self))"
        case .throttle: "THROTTLE"
        case .append(let bytes): "APPEND of \(bytes.count) bytes"
        case .record(let write): write.action.command + (write.emission == nil ? "" : " EMIT")
        case .setRange(let offset, let bytes): "SETRANGE at \(offset) of \(bytes.count) bytes"
        }
    }
}
