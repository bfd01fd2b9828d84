// Durations as whole milliseconds and nanoseconds, the units of timers and clocks.

extension Duration {
    /// Whole milliseconds, rounded towards zero; saturates.
    public var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return overflow ? (seconds > 0 ? .max : .min) : product &+ attoseconds / 1_000_000_000_000_000
    }

    /// Whole nanoseconds, rounded towards zero; saturates after 292 years.
    public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds > 0 ? .max : .min) : product &+ attoseconds / 1_000_000_000
    }
}
