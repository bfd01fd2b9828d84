// A plain value as every tier holds it, and what an operation does to it.

public import Primitives

/// The bytes of a key and when they expire: what an operation is given and returns.
public struct HeldValue: Sendable, Equatable {
    /// What the bytes are.
    public enum Kind: UInt8, Sendable {
        /// The value of a plain Redis string.
        case string = 1
        /// A record, as `Record.encoded` has it.
        case record = 2
    }

    public var bytes: [UInt8]
    public var kind: Kind
    /// When the value ends; `.never` without expiry.
    public var expiresAt: Timestamp

    /// A record and when it ends.
    public init(_ record: Record, expiresAt: Timestamp) {
        self.init(record.encoded, kind: .record, expiresAt: expiresAt)
    }

    public init(_ bytes: [UInt8], kind: Kind = .string, expiresAt: Timestamp = .never) {
        self.bytes = bytes
        self.kind = kind
        self.expiresAt = expiresAt
    }

    /// The record that it is; nil for a plain value.
    public var record: Record? { kind == .record ? Record(bytes) : nil }

    /// Milliseconds by which a use extends the record's life; nil where it has no such life.
    public var recordSlidingFor: Int64? {
        guard kind == .record, let head = bytes.withUnsafeBytes({ RecordHead($0) }), head.slidingFor > 0 else {
            return nil
        }
        return head.slidingFor
    }

    /// Whether it is what is left of a deleted record, which for every reader is no key at all.
    public var isTombstone: Bool {
        kind == .record && bytes.withUnsafeBytes { RecordHead($0)?.isDeleted ?? false }
    }

    /// The conversation of the record whose turns may be in an archive; nil where it has none. Complexity: O(1).
    public var archiveID: OperationID? {
        kind == .record ? bytes.withUnsafeBytes { RecordLayout.archiveID(in: $0) } : nil
    }

    /// Whether it still lives at `now`: a key is gone in the millisecond at which it expires, as in Redis.
    public func isAlive(at now: Timestamp) -> Bool { now < expiresAt }
}

/// What an operation did to a key.
public enum Change: Sendable, Equatable {
    case none
    case put(HeldValue)
    case remove
}

/// Where operations on several keys are performed: what a key holds, and what shall become of it.
///
/// What an implementation reads includes what was put or removed before in the same unit of work.
public protocol KeySpace {
    /// What `key` holds and what lives; nil when there is nothing.
    mutating func read(_ key: [UInt8]) -> HeldValue?
    mutating func apply(_ change: Change, to key: [UInt8])
    /// How many live keys there are.
    mutating func countKeys() -> Int
    /// Removes every key.
    mutating func removeAll()
}
