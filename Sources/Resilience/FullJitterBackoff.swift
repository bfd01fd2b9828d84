// How long to wait before the next attempt.

/// Full-jitter exponential backoff: a random time between nothing and a ceiling that doubles up to a maximum.
///
/// Full jitter spreads many clients that failed together best [1]. The wait is never shorter than a tenth of `first`,
/// so that luck does not make an attempt follow at once.
///
/// [1] M. Brooker: Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
public struct FullJitterBackoff: Sendable, Hashable {
    /// The first ceiling.
    public let first: Duration
    /// The last ceiling.
    public let max: Duration
    /// Attempts since the last reset.
    public private(set) var attempts = 0

    /// `first` is positive and at most `max`; both in practice below an hour.
    public init(first: Duration, max: Duration) {
        precondition(first > .zero, "a backoff starts above zero")
        precondition(first <= max, "a backoff's maximum is not below its start")
        self.first = first
        self.max = max
    }

    /// The ceiling of the next wait.
    public var ceiling: Duration {
        let nanoseconds = first.wholeNanoseconds
        let doublings = min(attempts, nanoseconds.leadingZeroBitCount - 1)
        return min(max, .nanoseconds(nanoseconds << Int64(doublings)))
    }

    /// The next wait; each one's ceiling is twice the one before, up to `max`.
    public mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        let ceiling = ceiling.wholeNanoseconds
        let floor = min(first.wholeNanoseconds / 10, ceiling)
        attempts += 1
        return .nanoseconds(Int64.random(in: floor...ceiling, using: &random))
    }

    /// Starts again at `first`, after a success.
    public mutating func reset() { attempts = 0 }

    private func min<T: Comparable>(_ a: T, _ b: T) -> T { Swift.min(a, b) }
}
