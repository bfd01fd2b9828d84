// The state of the process as the page shows it: the columns of its history, and how things are now.

internal import Admin
internal import LocalTier
internal import Metrics
internal import Primitives
internal import Resilience
internal import Tiers
internal import WarmTier

extension Snapshot {
    /// Tiers whose latencies are kept.
    private static let tiers = ["local", "redis", "warm", "journal"]

    /// Names and numbers of the history's counts; the look-ups follow them.
    private var tallies: [(String, UInt64)] {
        [
            ("commands", counters.commands), ("writes", counters.writes), ("writes_failed", counters.writesFailed),
            ("journal_reads", counters.journalReads), ("unknown", counters.unknowns),
            ("unavailable", counters.unavailable),
            ("journal_accepted", journal?.accepted ?? 0), ("journal_refused", journal?.refused ?? 0),
            ("journal_replayed", journal?.replayed ?? 0),
            ("journal_conflicts", journal?.conflicts.reduce(0) { $0 + $1.count } ?? 0),
            ("record_conflicts", counters.recordConflicts),
            ("local_evicted", local.removedByCapacity + local.removedAsStale),
            ("local_expired", local.removedAsExpired), ("warm_evicted", UInt64(warm.evicted)),
            ("warm_expired", UInt64(warm.expired)), ("warm_promoted", counters.promoted),
            ("coherence_gaps", coherence.gaps), ("invalidations_received", coherence.received),
            ("invalidations_applied", coherence.applied), ("invalidations_flushes", coherence.flushes),
            ("late_fills", counters.lateFills),
            ("retention_overdue", lifecycle.overdueFound.value), ("retention_shortened", lifecycle.shortened.value),
            ("orphaned", lifecycle.orphanedInLocal.value + lifecycle.orphanedInWarm.value),
            ("turns_archived", archives.turns), ("archive_refused", archives.refused),
            ("archive_evicted", UInt64(warm.archivesEvicted)),
            ("archive_reads", archives.readsFound + archives.readsAbsent + archives.readsFailed),
            ("turns_dropped", counters.turnsDropped),
        ]
    }

    private var levels: [(String, Double?)] {
        [
            ("breaker_reads", hasRedis ? readState.severity : nil),
            ("breaker_writes", hasRedis ? writeState.severity : nil),
            ("coherence", hasRedis ? (coherence.isLive ? 0 : 1) : nil),
            ("coherence_gap_ms", hasRedis ? Double(coherence.gapAge / 1_000_000) : nil),
            ("deletions_age_ms", coherence.deletions.flatMap { hasRedis && $0.age >= 0 ? $0.age * 1000 : nil }),
            ("journal_entries", journal.map { Double($0.entries) }),
            ("journal_age_ms", journal.map { Double($0.ageMilliseconds) }),
            ("journal_disk_bytes", journal.map { Double($0.statistics.diskBytes) }),
            ("resident_bytes", Double(residentBytes)), ("local_bytes", Double(local.bytesUsed)),
            ("warm_index_bytes", Double(warm.indexBytes)), ("warm_disk_bytes", Double(warm.diskBytes)),
            ("archive_bytes", Double(warm.archiveBytes)),
            ("clients", Double(clients)),
        ]
    }

    /// What a row of the history holds, in its order.
    var columns: [String] {
        tallies.map(\.0) + counters.lookups.map { "\($0.tier)_\($0.result.label)" } + levels.map(\.0)
            + Self.tiers.flatMap { ["\($0)_p50", "\($0)_p95", "\($0)_p99"] }
    }

    var measurement: Measurement {
        Measurement(
            counts: tallies.map(\.1) + counters.lookups.map(\.count), levels: levels.map(\.1),
            histograms: [counters.localLatency, counters.redisLatency, counters.warmLatency, counters.journalLatency])
    }

    /// How things are now, as a JSON object.
    func present(_ readiness: Readiness) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("status", readiness.status)
            json.array("components") { json in
                for component in readiness.components {
                    json.object {
                        $0.member("name", component.name)
                        $0.member("state", component.state.rawValue)
                        $0.member("text", component.text)
                    }
                }
            }
            json.member("mode", hasRedis ? "redis" : "embedded")
            json.member("uptime_seconds", uptimeSeconds)
            json.member("clients", clients)
            json.member("commands", counters.commands)
            json.member("resident_bytes", residentBytes)
            if hasRedis {
                json.object("breaker") {
                    $0.member("mode", breakerMode.rawValue)
                    $0.member("reads", readState.rawValue)
                    $0.member("writes", writeState.rawValue)
                }
            }
            writeHeld(&json)
            json.array("value_bytes") { json in
                var below: UInt64 = 0
                for bound in HistogramUnit.bytes.bounds + [.max] {
                    let upTo = bound == .max ? counters.valueBytes.count : counters.valueBytes.count(upTo: bound)
                    json.array {
                        if bound == .max { $0.null() } else { $0.integer(bound) }
                        $0.integer(upTo - below)
                    }
                    below = upTo
                }
            }
        }
        return json.bytes
    }

    private func writeHeld(_ json: inout JSONWriter) {
        json.object("local") {
            $0.member("entries", local.entries)
            $0.member("bytes", local.bytesUsed)
            $0.member("capacity_bytes", local.bytesTotal)
        }
        json.object("warm") {
            $0.member("entries", warm.entries)
            $0.member("disk_bytes", warm.diskBytes)
            $0.member("state", warm.state == .healthy ? "healthy" : "degraded")
        }
        if let journal {
            json.object("journal") {
                $0.member("state", journal.state)
                $0.member("entries", journal.entries)
                $0.member("age_ms", journal.ageMilliseconds)
                $0.member("disk_bytes", journal.statistics.diskBytes)
                $0.member("max_bytes", journal.statistics.maxBytes)
                $0.member("conflicts_kept", journal.statistics.notes)
            }
        }
    }
}

extension BreakerState {
    /// Of two states within an interval the page shows the one of the larger number.
    fileprivate var severity: Double {
        switch self {
        case .closed: 0
        case .forcedClosed: 1
        case .halfOpen: 2
        case .open: 3
        case .forcedOpen: 4
        }
    }
}

extension PolicyTable {
    /// The policies as they rule now, each rule under its name in the configuration.
    func write(_ json: inout JSONWriter) {
        json.array("policies") { json in
            for policy in policies {
                json.object { json in
                    json.member("prefix", String(decoding: policy.prefix, as: UTF8.self))
                    for (name, value) in policy.rules { json.member(name, value) }
                }
            }
        }
    }
}

extension Policy {
    /// What the page tells of a policy; a default context's text, which may be somebody's, is not told.
    fileprivate var rules: [(String, String)] {
        func held(_ tier: TierSet, _ name: String) -> String? { tiers.contains(tier) ? name : nil }
        let names = [held(.local, "local"), held(.redis, "redis"), held(.warm, "warm")].compactMap { $0 }
        return [
            ("consistency", consistency.rawValue),
            ("max_staleness", consistency == .bounded ? Self.text(maxStaleness) : "-"),
            ("ttl", (ttl.map(Self.text) ?? "none") + (sliding ? ", sliding" : "")),
            ("stale_if_error", strict ? "strict" : Self.text(staleIfError)),
            ("refresh_ahead", refreshAhead.map { "\($0)" } ?? "off"),
            ("default", defaultContext == nil ? "none" : "set"),
            ("on_outage", onOutage.rawValue), ("on_absent", onAbsent.rawValue),
            ("on_conflict", onConflict.rawValue), ("tiers", names.joined(separator: ", ")),
            ("max_value", Self.bytes(maxValue)), ("audit", audit.rawValue),
        ]
    }

    /// A duration in the largest unit that divides it, as the configuration writes it.
    private static func text(_ duration: Duration) -> String {
        let milliseconds = duration.milliseconds
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] as [(String, Int64)]
        where milliseconds > 0 && milliseconds.isMultiple(of: size) {
            return "\(milliseconds / size)\(unit)"
        }
        return "\(milliseconds)ms"
    }

    private static func bytes(_ count: Int) -> String {
        for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        where count > 0 && count.isMultiple(of: size) {
            return "\(count / size)\(unit)"
        }
        return "\(count)B"
    }
}
