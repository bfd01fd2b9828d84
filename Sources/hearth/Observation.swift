// What a running Hearth tells of itself at one moment, and what happened between two moments.

internal import Metrics
internal import Primitives

/// HEARTH STATUS and HEARTH LATENCY, asked together.
struct Observation {
    static let tiers = ["local", "redis", "warm"]

    let status: ReplyMap
    /// By tier.
    let latencies: [String: HistogramSnapshot]
    /// A monotonic clock's nanoseconds.
    let at: Int64

    init(_ client: inout ControlClient, at: Int64) throws(ControlError) {
        guard let status = ReplyMap(try client.ask("HEARTH", "STATUS")),
            let latency = ReplyMap(try client.ask("HEARTH", "LATENCY"))
        else {
            throw ControlError(.software, "hearth: the answer to HEARTH STATUS is no map; are the versions the same?")
        }
        self.status = status
        self.at = at
        var latencies: [String: HistogramSnapshot] = [:]
        for (tier, reply) in latency.pairs { latencies[tier] = Self.histogram(reply) }
        self.latencies = latencies
    }

    /// Sum, maximum, then the middle and the count of each bucket.
    private static func histogram(_ reply: Reply) -> HistogramSnapshot? {
        guard case .array(let elements) = reply, elements.count >= 2, elements.count.isMultiple(of: 2) else {
            return nil
        }
        let values = elements.map { if case .integer(let value) = $0 { UInt64(clamping: value) } else { UInt64(0) } }
        let buckets = stride(from: 2, to: values.count, by: 2).map { (value: values[$0], count: values[$0 + 1]) }
        return HistogramSnapshot(occupied: buckets, sum: values[0], max: values[1])
    }

    func lookups(_ tier: String, _ result: String) -> Int64 { status.number("lookups_\(tier)_\(result)") }
}

/// Rates and percentiles since `earlier`, or since the start where there is none.
struct Interval {
    let now: Observation
    let earlier: Observation?

    /// At least a millisecond, so that nothing is divided by zero.
    var seconds: Double {
        guard let earlier else { return max(1, Double(now.status.number("uptime_seconds"))) }
        return max(0.001, Double(now.at - earlier.at) / 1e9)
    }

    /// How much a count grew; one that shrank belongs to a process that was started since.
    func change(_ name: String) -> Int64 {
        let (after, before) = (now.status.number(name), earlier?.status.number(name) ?? 0)
        return after >= before ? after - before : after
    }

    func perSecond(_ name: String) -> Double { Double(change(name)) / seconds }

    func lookups(_ tier: String, _ result: String) -> Double { perSecond("lookups_\(tier)_\(result)") }

    /// Look-ups that a tier answered: with a value, or with the knowledge that there is none.
    func answered(_ tier: String) -> Double {
        ["fresh", "stale", "absent", "default"].reduce(0) { $0 + lookups(tier, $1) }
    }

    func latency(_ tier: String) -> HistogramSnapshot {
        let after = now.latencies[tier] ?? HistogramSnapshot()
        guard let before = earlier?.latencies[tier], before.count <= after.count else { return after }
        return after.since(before)
    }
}
