// When the breaker opens, for how long, and what closes it.

/// The thresholds of a breaker, checked when it is made (`breaker:` in the configuration).
///
/// | threshold | default | opens when |
/// |---|---|---|
/// | `consecutiveFailures` | 5 | so many failures follow each other, whatever the window holds |
/// | `failureRate` | 0.5 | of at least `minCalls` in `window`, this share failed |
/// | `slowRate` | 0.8 | of at least `minCalls` in `window`, this share took `slowCall` or longer |
public struct BreakerConfiguration: Sendable, Hashable {
    public let window: Duration
    public let minCalls: Int
    public let failureRate: Double
    public let consecutiveFailures: Int
    public let slowCall: Duration
    public let slowRate: Double
    /// The first ceiling of the open time; also how long a probe may take.
    public let open: Duration
    /// The last ceiling of the open time.
    public let openMax: Duration
    /// Probes that must succeed before it closes; at most so many are under way at once.
    public let probes: Int

    /// Throws for a value out of range, and for two that contradict each other.
    public init(
        window: Duration = .seconds(10), minCalls: Int = 20, failureRate: Double = 0.5, consecutiveFailures: Int = 5,
        slowCall: Duration = .milliseconds(50), slowRate: Double = 0.8, open: Duration = .seconds(1),
        openMax: Duration = .seconds(30), probes: Int = 3
    ) throws(BreakerConfigurationError) {
        try Self.check(window >= .milliseconds(100) && window <= .seconds(3600), "window", "100ms to 1h")
        try Self.check(minCalls >= 1 && minCalls <= 1_000_000, "min_calls", "1 to 1000000")
        try Self.check(failureRate > 0 && failureRate <= 1, "failure_rate", "above 0, at most 1")
        try Self.check(consecutiveFailures >= 1, "consecutive_failures", "1 or more")
        try Self.check(consecutiveFailures <= 1_000_000, "consecutive_failures", "at most 1000000")
        try Self.check(slowCall > .zero && slowCall <= .seconds(3600), "slow_call", "above 0, at most 1h")
        try Self.check(slowRate > 0 && slowRate <= 1, "slow_rate", "above 0, at most 1")
        try Self.check(open >= .milliseconds(1) && open <= .seconds(3600), "open", "1ms to 1h")
        try Self.check(openMax <= .seconds(3600), "open_max", "at most 1h")
        try Self.check(open <= openMax, "open_max", "at least `open`")
        try Self.check(probes >= 1 && probes <= 1000, "probes", "1 to 1000")
        self.window = window
        self.minCalls = minCalls
        self.failureRate = failureRate
        self.consecutiveFailures = consecutiveFailures
        self.slowCall = slowCall
        self.slowRate = slowRate
        self.open = open
        self.openMax = openMax
        self.probes = probes
    }

    private static func check(_ holds: Bool, _ key: String, _ allowed: String) throws(BreakerConfigurationError) {
        if !holds { throw BreakerConfigurationError(key: key, allowed: allowed) }
    }
}

/// A threshold that cannot be: which, and what is allowed.
public struct BreakerConfigurationError: Error, Hashable, CustomStringConvertible {
    /// As it is called under `breaker:`.
    public let key: String
    public let allowed: String

    public var description: String { "breaker.\(key) is out of range: \(allowed)" }
}
