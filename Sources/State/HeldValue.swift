// A plain value as every tier holds it, and what an operation does to it.

public import Primitives

/// The bytes of a key and when they expire: what an operation on a plain string is given and returns.
public struct HeldValue: Sendable, Equatable {
    public var bytes: [UInt8]
    /// When the value ends; `.never` without expiry.
    public var expiresAt: Timestamp

    public init(_ bytes: [UInt8], expiresAt: Timestamp = .never) {
        self.bytes = bytes
        self.expiresAt = expiresAt
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
