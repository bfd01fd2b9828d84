// When an answer is no longer of use.

/// A moment by which something must be done, made once per request and handed down.
public struct Deadline: Hashable, Comparable, Sendable {
    public var at: MonotonicTime

    public init(at: MonotonicTime) { self.at = at }

    /// The deadline `timeout` after `now`.
    public init(after timeout: Duration, from now: MonotonicTime) { at = now.advanced(by: timeout) }

    /// No deadline.
    public static let none = Deadline(at: .never)

    public static func < (a: Deadline, b: Deadline) -> Bool { a.at < b.at }

    /// Whether it has passed; at the very moment, it has.
    public func isOver(_ now: MonotonicTime) -> Bool { now >= at }

    /// What is left of it, never negative.
    public func remaining(_ now: MonotonicTime) -> Duration { max(.zero, at.duration(since: now)) }
}
