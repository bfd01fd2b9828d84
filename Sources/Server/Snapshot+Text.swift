// The state of the process for people: INFO, HEARTH STATUS and LATENCY, and the JSON document of both status commands.

internal import LocalTier
internal import Metrics
internal import Resilience
internal import Tiers
internal import WarmTier

extension Snapshot {
    private var percentiles: [(String, HistogramSnapshot)] {
        [
            ("local", counters.localLatency), ("redis", counters.redisLatency), ("warm", counters.warmLatency),
            ("journal", counters.journalLatency),
        ]
    }

    private var mode: String { hasRedis ? "redis" : "embedded" }
    private var isDegraded: Bool { hasRedis && readState != .closed && readState != .forcedClosed }
    private var warmState: String { warm.state == .healthy ? "healthy" : "degraded" }

    // MARK: INFO

    /// The sections of Redis's INFO that make sense here, and those that are Hearth's own.
    func information(_ sections: Set<String>, processID: Int32) -> String {
        let isAll = sections.isEmpty || !sections.isDisjoint(with: ["all", "everything", "default"])
        return allSections(processID).filter { isAll || sections.contains($0.name.lowercased()) }
            .map { section in "# \(section.name)\r\n" + section.lines.map { "\($0.0):\($0.1)\r\n" }.joined() }
            .joined(separator: "\r\n")
    }

    private func allSections(_ processID: Int32) -> [(name: String, lines: [(String, String)])] {
        let statistics: [(String, String)] = [
            ("total_connections_received", "\(counters.connectionsOpened)"),
            ("total_commands_processed", "\(counters.commands)"), ("total_net_output_bytes", "\(counters.bytesOut)"),
            ("rejected_connections", "\(clientsRejected)"),
            ("evicted_keys", "\(local.removedByCapacity + local.removedAsStale)"),
            ("expired_keys", "\(local.removedAsExpired)"),
        ]
        let latencies = percentiles.map { tier, histogram in
            ("latency_percentiles_usec_\(tier)", Self.inline(histogram))
        }
        return [
            (
                "Server",
                [
                    ("redis_version", Version.redisCompatible), ("hearth_version", Version.hearth),
                    ("redis_mode", "standalone"),
                    ("process_id", "\(processID)"), ("uptime_in_seconds", "\(uptimeSeconds)"), ("hearth_mode", mode),
                ]
            ),
            ("Clients", [("connected_clients", "\(clients)")]),
            ("Memory", [("used_memory", "\(local.bytesUsed)"), ("used_memory_rss", "\(residentBytes)")]),
            ("Stats", statistics),
            (
                "Tiers",
                [
                    ("local_entries", "\(local.entries)"), ("local_bytes", "\(local.bytesUsed)"),
                    ("local_eviction", localEviction.rawValue),
                    ("warm_entries", "\(warm.entries)"), ("warm_disk_bytes", "\(warm.diskBytes)"),
                    ("warm_state", warmState),
                    ("breaker_reads", hasRedis ? readState.rawValue : "none"),
                    ("breaker_writes", hasRedis ? writeState.rawValue : "none"),
                    ("pinned_connections", "\(pinned)"),
                ] + (journal?.informationLines ?? [])
                    + counters.lookups.map { ("lookups_\($0.tier)_\($0.result.label)", "\($0.count)") }
            ),
            ("Latencystats", latencies), ("Audit", audit?.informationLines ?? [("audit_state", "off")]),
            ("Keyspace", hasRedis ? [] : [("db0", "keys=\(warm.entries),expires=0,avg_ttl=0")]),
        ]
    }

    private static func inline(_ histogram: HistogramSnapshot) -> String {
        [("p50", histogram.p50), ("p95", histogram.p95), ("p99", histogram.p99), ("p99.9", histogram.p999)]
            .map { "\($0)=\(Double($1 / 10) / 100)" }.joined(separator: ",")
    }

    // MARK: HEARTH STATUS

    /// One flat map, so that a client of any protocol version reads it by name.
    var statusFields: [(String, Field)] {
        processFields + recordFields + erasures.statusFields + residency.statusFields
            + (hasRedis ? outbox.statusFields + coherence.statusFields(counters) : []) + breakerFields
            + (journal?.statusFields ?? []) + tierFields
            + (audit?.statusFields ?? [])
            + counters.lookups.map { ("lookups_\($0.tier)_\($0.result.label)", Self.integer($0.count)) }
            + percentiles.flatMap { tier, histogram in
                [("p50", histogram.p50), ("p95", histogram.p95), ("p99", histogram.p99), ("p99.9", histogram.p999)]
                    .map { ("latency_\(tier)_\($0)_ns", Self.integer($1)) }
            }
    }

    private static func integer(_ value: UInt64) -> Field { .integer(Int64(clamping: value)) }
    private static func integer(_ value: Int) -> Field { .integer(Int64(value)) }

    private var processFields: [(String, Field)] {
        [
            ("version", .text(Version.hearth)), ("mode", .text(mode)), ("degraded", .text("\(isDegraded)")),
            ("uptime_seconds", .integer(uptimeSeconds)), ("workers", Self.integer(workers)),
            ("resident_bytes", Self.integer(residentBytes)), ("clients", .integer(clients)),
            ("clients_rejected", Self.integer(clientsRejected)),
            ("clients_dropped", Self.integer(counters.droppedSlow)),
            ("commands", Self.integer(counters.commands)), ("command_errors", Self.integer(counters.commandErrors)),
            ("writes", Self.integer(counters.writes)), ("writes_failed", Self.integer(counters.writesFailed)),
            ("unavailable", Self.integer(counters.unavailable)), ("unknown", Self.integer(counters.unknowns)),
            ("coalesced", Self.integer(counters.coalesced)),
            ("replicated", Self.integer(counters.replicated)),
            ("underreplicated", Self.integer(counters.underreplicated + counters.replicationUnknown)),
            ("throttle_allowed", Self.integer(counters.throttled.reduce(0) { $0 + $1.allowed })),
            ("throttle_limited", Self.integer(counters.throttled.reduce(0) { $0 + $1.limited })),
        ]
    }

    private var recordFields: [(String, Field)] {
        [
            ("record_conflicts", Self.integer(counters.recordConflicts)),
            ("records_fenced", Self.integer(counters.recordsFenced)),
            ("records_too_big", Self.integer(counters.recordsTooBig)),
            ("records_reapplied", Self.integer(counters.recordsReapplied)),
            ("turns_dropped", Self.integer(counters.turnsDropped)),
        ]
    }

    private var breakerFields: [(String, Field)] {
        [
            ("breaker_mode", .text(hasRedis ? breakerMode.rawValue : "none")),
            ("breaker_reads", .text(hasRedis ? readState.rawValue : "none")),
            ("breaker_writes", .text(hasRedis ? writeState.rawValue : "none")),
            ("breaker_transitions", Self.integer(transitions.values.reduce(0, +))),
            ("redis_pipeline_depth", .integer(counters.redisPipelineDepth)),
            ("redis_connects", Self.integer(counters.redisConnects)),
            ("redis_disconnects", Self.integer(counters.redisDisconnects)),
            ("passed_answered", Self.integer(counters.passedAnswered)),
            ("passed_errors", Self.integer(counters.passedErrors)),
            ("passed_unavailable", Self.integer(counters.passedUnavailable)),
            ("passed_denied", Self.integer(counters.passedDenied)),
            ("passed_connections", .integer(counters.passedConnections)),
            ("pinned_connections", .integer(pinned)), ("pinned_max", Self.integer(maxPinned)),
            ("pinned_refused", Self.integer(counters.pinsRefused)),
        ]
    }

    private var tierFields: [(String, Field)] {
        [
            ("local_entries", Self.integer(local.entries)), ("local_bytes", Self.integer(local.bytesUsed)),
            ("local_capacity_bytes", Self.integer(local.bytesTotal)), ("local_eviction", .text(localEviction.rawValue)),
            ("local_evicted", Self.integer(local.removedByCapacity + local.removedAsStale)),
            ("warm_entries", Self.integer(warm.entries)), ("warm_live_bytes", Self.integer(warm.liveBytes)),
            ("warm_disk_bytes", Self.integer(warm.diskBytes)), ("warm_index_bytes", Self.integer(warm.indexBytes)),
            ("warm_state", .text(warmState)), ("warm_evicted", Self.integer(warm.evicted)),
            ("warm_reads_waiting", Self.integer(warmReadsWaiting)),
            ("warm_changes_dropped", Self.integer(warmChangesDropped)),
        ]
    }

    // MARK: HEARTH LATENCY

    /// Each tier's histogram: sum, maximum, then the middle and the count of each bucket that holds something.
    var latencyFields: [(String, Field)] {
        percentiles.map { tier, histogram in
            let buckets = histogram.occupied.flatMap { [$0.value, $0.count] }
            return (tier, .integers(([histogram.sum, histogram.max] + buckets).map { Int64(clamping: $0) }))
        }
    }

    // MARK: JSON

    func json() -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("version", Version.hearth)
            json.member("mode", mode)
            json.member("degraded", isDegraded)
            json.member("uptime_seconds", uptimeSeconds)
            json.member("workers", workers)
            json.member("resident_bytes", residentBytes)
            json.object("clients") {
                $0.member("connected", clients)
                $0.member("opened", counters.connectionsOpened)
                $0.member("rejected", clientsRejected)
                $0.member("dropped", counters.droppedSlow)
            }
            json.member("commands", counters.commands)
            json.member("writes", counters.writes)
            json.member("writes_failed", counters.writesFailed)
            json.member("unavailable", counters.unavailable)
            json.object("records") {
                $0.member("conflicts", counters.recordConflicts)
                $0.member("fenced", counters.recordsFenced)
                $0.member("too_big", counters.recordsTooBig)
                $0.member("reapplied", counters.recordsReapplied)
                $0.member("turns_dropped", counters.turnsDropped)
            }
            if hasRedis {
                json.object("breaker") {
                    $0.member("mode", breakerMode.rawValue)
                    $0.member("reads", readState.rawValue)
                    $0.member("writes", writeState.rawValue)
                }
            }
            if hasRedis { json.object("outbox") { outbox.write(&$0) } }
            writeTiers(&json)
            if let audit { json.object("audit") { audit.write(&$0) } }
        }
        return json.bytes
    }

    private func writeTiers(_ json: inout JSONWriter) {
        json.object("local") {
            $0.member("entries", local.entries)
            $0.member("bytes", local.bytesUsed)
            $0.member("capacity_bytes", local.bytesTotal)
            $0.member("evicted", local.removedByCapacity + local.removedAsStale)
        }
        json.object("warm") {
            $0.member("entries", warm.entries)
            $0.member("live_bytes", warm.liveBytes)
            $0.member("disk_bytes", warm.diskBytes)
            $0.member("state", warmState)
            $0.member("commits", warm.commits)
        }
        if let journal { json.object("journal") { journal.write(&$0) } }
        json.array("lookups") { json in
            for lookup in counters.lookups {
                json.object {
                    $0.member("tier", lookup.tier)
                    $0.member("result", lookup.result.label)
                    $0.member("count", lookup.count)
                }
            }
        }
        json.object("latency_seconds") { json in
            for (tier, histogram) in percentiles {
                json.object(tier) {
                    $0.member("count", histogram.count)
                    $0.member("p50", Double(histogram.p50) / 1e9)
                    $0.member("p95", Double(histogram.p95) / 1e9)
                    $0.member("p99", Double(histogram.p99) / 1e9)
                    $0.member("p99.9", Double(histogram.p999) / 1e9)
                }
            }
        }
    }
}
