// `hearth status` and `hearth top` as text: 80 columns, fewer than 24 lines.

internal import Metrics

/// The lines of one screen, from what happened in an interval.
struct StatusScreen {
    let interval: Interval
    private var status: ReplyMap { interval.now.status }

    var lines: [String] { head + [""] + tierTable + [""] + holdings + [""] + requests }

    private var head: [String] {
        let uptime = Figures.duration(milliseconds: status.number("uptime_seconds") * 1000)
        let mode = status.text("mode") == "embedded" ? "no Redis: the warm tier is the authority" : "in front of Redis"
        return ["Hearth \(status.text("version")), up \(uptime), \(mode)"] + breaker
    }

    private var breaker: [String] {
        guard status.text("mode") != "embedded" else { return ["breaker     none"] }
        var lines = ["breaker     reads \(status.text("breaker_reads")), writes \(status.text("breaker_writes"))"]
        if status.text("breaker_mode") != "automatic" { lines[0] += "; `hearth breaker auto` ends the force" }
        if status.text("degraded") == "true" { lines.append("DEGRADED    reads are answered from what is held here") }
        return lines
    }

    // MARK: Tiers

    /// One row per tier: how many look-ups a second it answered, their share, and how long it took.
    private var tierTable: [String] {
        let tiers = Observation.tiers + ["default"]
        let whole = tiers.reduce(0) { $0 + interval.answered($1) }
        let title =
            Figures.left("tier", 8)
            + ["answers/s", "share", "stale/s", "errors/s"].map { Figures.right($0, 10) }.joined()
            + ["p50", "p95", "p99", "p99.9"].map { Figures.right($0, 8) }.joined()
        return [title] + tiers.map { row($0, whole) }
    }

    private func row(_ tier: String, _ whole: Double) -> String {
        let answered = interval.answered(tier)
        let counts = [
            Figures.count(answered), Figures.share(answered, of: whole), Figures.count(interval.lookups(tier, "stale")),
            Figures.count(interval.lookups(tier, "error")),
        ]
        let latency = interval.latency(tier)
        let times = [latency.p50, latency.p95, latency.p99, latency.p999].map {
            latency.count == 0 ? "-" : Figures.time(nanoseconds: $0)
        }
        return Figures.left(tier, 8) + counts.map { Figures.right($0, 10) }.joined()
            + times.map { Figures.right($0, 8) }.joined()
    }

    private var holdings: [String] {
        func entries(_ tier: String) -> String { Figures.count(status.number("\(tier)_entries")) + " entries" }
        func bytes(_ name: String) -> String { Figures.bytes(status.number(name)) }
        let warmState = status.text("warm_state") == "healthy" ? "" : ", DEGRADED: its disk takes no writes"
        return [
            "local       \(entries("local")), \(bytes("local_bytes")) of \(bytes("local_capacity_bytes")), "
                + "\(Figures.count(status.number("local_evicted"))) evicted",
            "warm        \(entries("warm")), \(bytes("warm_live_bytes")) live, \(bytes("warm_disk_bytes")) on disk\(warmState)",
            "memory      \(bytes("resident_bytes")) resident, warm index \(bytes("warm_index_bytes"))",
        ]
    }

    // MARK: Requests

    private var requests: [String] {
        func rate(_ name: String) -> String { Figures.count(interval.perSecond(name)) }
        func total(_ name: String) -> String { Figures.count(status.number(name)) }
        return [
            "clients     \(total("clients")) connected, \(total("clients_rejected")) refused, "
                + "\(total("clients_dropped")) dropped for not reading",
            "commands    \(rate("commands"))/s, \(rate("writes"))/s of them writes; \(total("commands")) since the start",
            "trouble     \(total("unavailable")) -UNAVAILABLE, \(total("unknown")) unknown, "
                + "\(total("writes_failed")) writes failed, \(total("command_errors")) errors",
            "redis       \(total("redis_pipeline_depth")) requests wait, \(total("redis_connects")) connections made, "
                + "\(total("redis_disconnects")) lost",
        ] + audit
    }

    private var audit: [String] {
        func total(_ name: String) -> String { Figures.count(status.number(name)) }
        guard !status.text("audit_state").isEmpty else { return [] }
        let state = status.text("audit_state") == "healthy" ? "" : "; DEGRADED: its lines can't be written"
        return [
            "audit       \(total("audit_lines")) lines, \(total("audit_dropped")) dropped, "
                + "\(total("audit_refused")) refused\(state)"
        ]
    }
}
