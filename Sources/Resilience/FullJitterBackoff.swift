// stand-in until the module's own
public struct FullJitterBackoff: Sendable {
    let base: Duration, cap: Duration
    var attempt = 0
    public init(base: Duration, cap: Duration) { self.base = base; self.cap = cap }
    public mutating func next(random: Double) -> Duration {
        let ceiling = min(cap, base * (1 << min(attempt, 20))); attempt += 1
        return ceiling * random
    }
    public mutating func reset() { attempt = 0 }
}
