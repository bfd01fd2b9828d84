// Whether one more try may be spent: retries are a share of traffic, so that they cannot multiply an outage.

/// A token bucket that requests fill and retries empty, with a small reserve for quiet times.
///
/// Each request deposits `share` of a token, each retry takes one; `reservePerSecond` more arrive with time, so that a
/// quiet sidecar may retry at all. At most `tokensMax` are kept: an old calm does not pay for a new storm.
///
/// Source: Twitter Finagle, RetryBudget.
public struct RetryBudget: Sendable {
    public let share: Double
    public let reservePerSecond: Double
    public let tokensMax: Double
    private var tokens: Double
    private var refilledAt: MonotonicTime?

    /// `share` lies in 0...1; the budget starts with the reserve of one second.
    public init(share: Double = 0.1, reservePerSecond: Double = 1, tokensMax: Double = 100) {
        precondition(share >= 0 && share <= 1, "a share of traffic lies between 0 and 1")
        precondition(reservePerSecond >= 0, "a reserve is not negative")
        precondition(tokensMax >= 1, "a budget that cannot hold one retry allows none")
        self.share = share
        self.reservePerSecond = reservePerSecond
        self.tokensMax = tokensMax
        tokens = min(reservePerSecond, tokensMax)
    }

    /// Counts a request (not a retry).
    public mutating func onRequest() { tokens = min(tokensMax, tokens + share) }

    /// Takes one retry out of the budget, if it has one.
    public mutating func takeRetry(now: MonotonicTime) -> Bool {
        refill(now)
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }

    private mutating func refill(_ now: MonotonicTime) {
        defer { refilledAt = max(now, refilledAt ?? now) }
        guard let refilledAt, now > refilledAt else { return }
        let seconds = Double(now.nanoseconds - refilledAt.nanoseconds) / 1e9
        tokens = min(tokensMax, tokens + seconds * reservePerSecond)
    }
}
