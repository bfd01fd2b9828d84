// The state of the process as Prometheus metrics: base units, bounded labels, never a key.

internal import LocalTier
internal import Metrics
internal import Resilience
internal import Tiers
internal import WarmTier

extension Snapshot {
    var families: [MetricFamily] {
        lookupFamilies + recordFamilies + erasures.families + residency.families + redisFamilies
            + (hasRedis ? outbox.families + coherence.families(counters) : [])
            + (journal?.families(reads: counters.journalReads) ?? [])
            + tierFamilies + (audit?.families ?? []) + clientFamilies
    }

    private var lookupFamilies: [MetricFamily] {
        [
            MetricFamily(
                "hearth_lookups_total", "Look-ups by the tier that was looked in and what it came to.", .counter,
                counters.lookups.map { Sample([Label("tier", $0.tier), Label("result", $0.result.label)], $0.count) }),
            MetricFamily(
                "hearth_tier_duration_seconds", "Time that a tier took to answer, as its requester saw it.",
                .nanoseconds,
                [
                    HistogramSeries([Label("tier", "local")], counters.localLatency),
                    HistogramSeries([Label("tier", "redis")], counters.redisLatency),
                    HistogramSeries([Label("tier", "warm")], counters.warmLatency),
                    HistogramSeries([Label("tier", "journal")], counters.journalLatency),
                ]),
            MetricFamily(
                "hearth_operation_duration_seconds",
                "Time from a request's arrival to its reply, by kind of operation.",
                .nanoseconds,
                OperationKind.allCases.map {
                    HistogramSeries([Label("operation", $0.label)], counters.operations[$0.rawValue])
                }),
            MetricFamily(
                "hearth_value_bytes", "Sizes of values read from a tier below local memory, or written.", .bytes,
                counters.valueBytes),
            .counter("hearth_commands_total", "Commands carried out.", counters.commands),
            .counter(
                "hearth_command_errors_total", "Commands answered with an error of the request's own.",
                counters.commandErrors),
            .counter("hearth_reads_coalesced_total", "Reads that joined another's question.", counters.coalesced),
            .counter(
                "hearth_reads_refreshed_total", "Reads that refreshed their key in the background.", counters.refreshes),
            .counter(
                "hearth_reads_unknown_total", "Reads answered nil because nobody who knows could be asked.",
                counters.unknowns),
            .counter("hearth_unavailable_total", "Requests answered -UNAVAILABLE.", counters.unavailable),
            .counter("hearth_writes_total", "Writes given to their authority.", counters.writes),
            .counter("hearth_writes_failed_total", "Writes that their authority did not take.", counters.writesFailed),
            MetricFamily(
                "hearth_throttle_total", "Requests judged by their rate limits, by who judged and the verdict.",
                .counter,
                counters.throttled.flatMap { source, allowed, limited in
                    [("allowed", allowed), ("limited", limited)].map {
                        Sample([Label("source", source.rawValue), Label("verdict", $0.0)], $0.1)
                    }
                }),
            .counter("hearth_values_too_big_total", "Writes of plain values refused with -TOOBIG.", counters.tooBig),
        ]
    }

    private var recordFamilies: [MetricFamily] {
        [
            MetricFamily(
                "hearth_record_refusals_total", "Writes of records that were refused, by the error's first word.",
                .counter,
                [
                    ("conflict", counters.recordConflicts), ("fenced", counters.recordsFenced),
                    ("toobig", counters.recordsTooBig), ("noschema", counters.recordsOfNoSchema),
                ].map { Sample([Label("kind", $0.0)], $0.1) }),
            .counter(
                "hearth_records_reapplied_total",
                "Writes of records applied again, since Redis held another version than was thought.",
                counters.recordsReapplied),
            MetricFamily(
                "hearth_schema_reads_total",
                "Reads of values in another schema than their policy's, by what came of it.", .counter,
                counters.schemaReads.sorted { $0.key < $1.key }.map { Sample([Label("outcome", $0.key)], $0.value) }),
            .counter(
                "hearth_schema_written_back_total", "Values stored in their policy's schema behind a read.",
                counters.schemaWrittenBack),
            .counter(
                "hearth_checkpoints_from_memory_total",
                "Checkpoints acknowledged from memory (checkpoints.every).", counters.checkpointsFromMemory),
            .counter(
                "hearth_schema_migrated_total", "Values that STATE.MIGRATE has stored in their policy's schema.",
                counters.recordsMigrated),
            .counter(
                "hearth_turns_dropped_total", "Turns that were dropped unfolded (turns.overflow: drop-oldest).",
                counters.turnsDropped),
        ]
    }

    private var redisFamilies: [MetricFamily] {
        guard hasRedis else { return [] }
        func state(_ side: String, _ state: BreakerState) -> [Sample] {
            BreakerState.allCases.map {
                Sample([Label("side", side), Label("state", $0.rawValue)], $0 == state ? 1 : 0)
            }
        }
        return [
            MetricFamily(
                "hearth_breaker_state", "1 for the state that a side of the breaker is in.", .gauge,
                state("reads", readState) + state("writes", writeState)),
            MetricFamily(
                "hearth_breaker_transitions_total", "Transitions of the breaker by side and new state.", .counter,
                transitions.sorted { $0.key < $1.key }.map { key, count in
                    let words = key.split(separator: " ").map(String.init)
                    return Sample([Label("side", words[0]), Label("to", words[1])], count)
                }),
            .counter("hearth_redis_connects_total", "Connections to Redis that were made.", counters.redisConnects),
            .counter(
                "hearth_redis_disconnects_total", "Connections to Redis that ended, and attempts that failed.",
                counters.redisDisconnects),
            .gauge("hearth_redis_pipeline_depth", "Requests that wait for Redis.", Int(counters.redisPipelineDepth)),
            MetricFamily(
                "hearth_passed_commands_total", "Commands that Redis had to answer, by what came of them.", .counter,
                [
                    ("answered", counters.passedAnswered), ("error", counters.passedErrors),
                    ("unavailable", counters.passedUnavailable), ("denied", counters.passedDenied),
                ].map { Sample([Label("outcome", $0.0)], $0.1) }),
            MetricFamily(
                "hearth_passed_duration_seconds",
                "Time that Redis took for a passed-through command, scripts and what blocks left aside.", .nanoseconds,
                counters.passedLatency),
            .gauge(
                "hearth_passed_connections", "Connections to Redis for passed-through commands.",
                Int(counters.passedConnections)),
            .gauge("hearth_pinned_connections", "Connections to Redis that a client has for itself.", Int(pinned)),
            .counter(
                "hearth_pinned_refused_total", "Requests refused by limits.max_pinned.", counters.pinsRefused),
            .counter(
                "hearth_redis_soft_timeouts_total", "Reads served stale because Redis was slow.", counters.softTimeouts),
            .counter("hearth_redis_retries_total", "Reads tried again after their connection broke.", counters.retries),
            MetricFamily(
                "hearth_replica_waits_total", "Writes that waited for replicas, by what came of it.", .counter,
                [
                    ("replicated", counters.replicated), ("short", counters.underreplicated),
                    ("unknown", counters.replicationUnknown),
                ].map { Sample([Label("outcome", $0.0)], $0.1) }),
            MetricFamily(
                "hearth_replica_wait_seconds", "Time from Redis's answer to that of its replicas.", .nanoseconds,
                counters.replicaLatency),
            .counter("hearth_redis_extensions_total", "Lives extended in Redis by reads.", counters.extensions),
        ]
    }

    private var tierFamilies: [MetricFamily] {
        func tiers(_ local: Int, _ warm: Int) -> [Sample] {
            [Sample([Label("tier", "local")], local), Sample([Label("tier", "warm")], warm)]
        }
        let events: [(String, String, UInt64)] = [
            ("local", "evicted", local.removedByCapacity + local.removedAsStale),
            ("local", "expired", local.removedAsExpired), ("warm", "evicted", UInt64(warm.evicted)),
            ("warm", "expired", UInt64(warm.expired)), ("warm", "promoted", counters.promoted),
            ("local", "created", local.created), ("warm", "created", UInt64(warm.created)),
            ("local", "orphaned", lifecycle.orphanedInLocal.value),
            ("warm", "orphaned", lifecycle.orphanedInWarm.value),
            ("authority", "migrated", counters.schemaWrittenBack + counters.recordsMigrated),
        ]
        return [
            MetricFamily(
                "hearth_tier_entries", "Entries that a tier holds.", .gauge, tiers(local.entries, warm.entries)),
            MetricFamily(
                "hearth_tier_bytes", "Bytes of the entries that a tier holds.", .gauge,
                tiers(local.bytesUsed, warm.liveBytes)),
            MetricFamily(
                "hearth_tier_capacity_bytes", "Bytes that a tier takes up at most, or has taken.", .gauge,
                tiers(local.bytesArena, warm.diskBytes)),
            MetricFamily(
                "hearth_lifecycle_events_total", "What became of entries, by tier.", .counter,
                events.map { Sample([Label("tier", $0.0), Label("event", $0.1)], $0.2) }),
            MetricFamily(
                "hearth_never_read_total", "Entries that went without having been read since they were written.",
                .counter,
                [
                    Sample([Label("tier", "local")], local.neverRead),
                    Sample([Label("tier", "warm")], UInt64(warm.neverRead)),
                ]),
            .gauge(
                "hearth_retention_overdue",
                "Keys that the last walk found past their policy's retention, and removed.",
                Int(lifecycle.overdue.value)),
            .counter(
                "hearth_retention_overdue_found_total",
                "Keys that walks and reads found past their policy's retention.", lifecycle.overdueFound.value),
            .counter(
                "hearth_retention_shortened_total",
                "Lives that a walk found longer than their policy's retention, and shortened.",
                lifecycle.shortened.value),
            .gauge(
                "hearth_retention_checked_timestamp_seconds",
                "When this process last walked over all keys under a retention; 0 before.",
                Int((lifecycle.checkedAt?.milliseconds ?? 0) / 1000)),
            .counter(
                "hearth_local_fills_cancelled_total", "Answers not held because the key was written meanwhile.",
                local.fillsCancelled),
            MetricFamily(
                "hearth_local_eviction_rule", "1 for the rule by which local memory evicts.", .gauge,
                EvictionRuleKind.allCases.map { Sample([Label("rule", $0.rawValue)], $0 == localEviction ? 1 : 0) }),
            .gauge(
                "hearth_warm_degraded", "1 while the warm tier's disk does not take writes.",
                warm.state == .healthy ? 0 : 1),
            .gauge("hearth_warm_index_bytes", "Memory of the warm tier's index.", warm.indexBytes),
            .gauge("hearth_warm_dead_bytes", "Bytes on disk that compaction will free.", warm.deadBytes),
            .gauge("hearth_warm_segments", "Segment files.", warm.segments),
            .gauge("hearth_warm_reads_waiting", "Reads that wait for a warm reader.", warmReadsWaiting),
            .counter("hearth_warm_commits_total", "Commits of the warm tier.", UInt64(warm.commits)),
            .counter(
                "hearth_warm_commits_failed_total", "Commits that the disk did not take.", UInt64(warm.failedCommits)),
            .counter("hearth_warm_syncs_total", "Synchronisations of the warm tier's files.", UInt64(warm.syncs)),
            .counter("hearth_warm_damaged_total", "Records that failed their checksum.", UInt64(warm.damaged)),
            .counter(
                "hearth_warm_compacted_bytes_total", "Bytes copied forward by compaction.", UInt64(warm.compactedBytes)),
            .counter(
                "hearth_turns_archived_total", "Turns that went into archives on this host (turns.overflow: archive).",
                archives.turns),
            .counter("hearth_turns_archived_bytes_total", "Bytes of those turns.", archives.bytes),
            .counter(
                "hearth_turns_archive_refused_total", "Times at which turns stayed in their record: the disk refused.",
                archives.refused),
            MetricFamily(
                "hearth_archive_reads_total", "Reads of archives by what they found.", .counter,
                [
                    Sample([Label("result", "found")], archives.readsFound),
                    Sample([Label("result", "absent")], archives.readsAbsent),
                    Sample([Label("result", "failed")], archives.readsFailed),
                ]),
            .gauge("hearth_archive_bytes", "Bytes of archives on disk, compressed.", warm.archiveBytes),
            .gauge("hearth_archive_records", "Directories and chunks of archives.", warm.archives),
            .counter(
                "hearth_archive_evicted_total", "Directories and chunks of archives let go to make room.",
                UInt64(warm.archivesEvicted)),
            .counter("hearth_warm_compressed_total", "Values stored compressed.", UInt64(warm.compressed)),
            .counter(
                "hearth_warm_compressed_raw_bytes_total", "Bytes of those values as given.",
                UInt64(warm.compressedRawBytes)),
            .counter(
                "hearth_warm_compressed_stored_bytes_total", "Bytes of those values as stored.",
                UInt64(warm.compressedStoredBytes)),
            .counter(
                "hearth_warm_incompressible_total", "Large values that would not have shrunk by an eighth.",
                UInt64(warm.incompressible)),
            .counter("hearth_warm_expanded_total", "Compressed values that were read.", UInt64(warm.expanded)),
            .counter(
                "hearth_warm_changes_dropped_total", "Copies not kept for want of room or a failing disk.",
                UInt64(warmChangesDropped)),
        ]
    }

    private var clientFamilies: [MetricFamily] {
        [
            .gauge("hearth_clients_connected", "Clients that are connected.", Int(clients)),
            .counter("hearth_clients_opened_total", "Connections that were accepted.", counters.connectionsOpened),
            .counter(
                "hearth_clients_rejected_total", "Connections refused by limits.max_clients or socket.allow_uids.",
                clientsRejected),
            .counter(
                "hearth_clients_dropped_total", "Clients dropped because they left replies unread.",
                counters.droppedSlow),
            .counter("hearth_clients_idle_closed_total", "Clients closed by limits.idle.", counters.closedIdle),
            .counter(
                "hearth_protocol_errors_total", "Connections ended by a malformed request.", counters.protocolErrors),
            .counter(
                "hearth_slow_requests_total", "Requests that took slowlog.threshold or longer.", slowRequests),
            .counter("hearth_sent_bytes_total", "Bytes sent to clients.", counters.bytesOut),
            .gauge("hearth_resident_memory_bytes", "Resident memory of the process.", residentBytes),
            .gauge("hearth_uptime_seconds", "Seconds since the start.", Int(uptimeSeconds)),
            .gauge("hearth_workers", "Worker threads.", workers),
            MetricFamily(
                "hearth_build_info", "1; the version is in the label.", .gauge,
                [Sample([Label("version", Version.hearth)], 1)]),
        ]
    }
}
