// What is known of coherence at one moment, for metrics, HEARTH STATUS and the status document.

internal import EventLoop
internal import Metrics
internal import Tiers

/// The figures of coherence at about one moment.
struct CoherenceFigures {
    let isLive: Bool
    let received: UInt64
    let applied: UInt64
    let flushes: UInt64
    let gaps: UInt64
    let gapDurations: HistogramSnapshot
    /// Nanoseconds that the present gap has lasted; 0 while there is none.
    let gapAge: Int64
    /// Keys that Redis tracks for all its clients; nil while it has not told.
    let trackedKeys: Int64?

    /// Of the stream of deletions; nil where there is none.
    let deletions: DeletionFigures?

    init(_ coherence: Coherence, _ deletions: Deletions) {
        self.deletions = deletions.maxEntries > 0 ? DeletionFigures(deletions) : nil
        isLive = coherence.isLive
        received = coherence.received
        applied = coherence.applied
        flushes = coherence.flushes
        gaps = coherence.gaps
        gapDurations = coherence.gapDurations
        gapAge = coherence.gapAge(now: Loop.monotonicNanoseconds) ?? 0
        trackedKeys = coherence.trackedKeys
    }

    func statusFields(_ counters: Snapshot.Sums) -> [(String, Field)] {
        [
            ("coherence_live", .text("\(isLive)")), ("coherence_gaps", .integer(Int64(clamping: gaps))),
            ("coherence_gap_age_ms", .integer(gapAge / 1_000_000)),
            ("invalidations_received", .integer(Int64(clamping: received))),
            ("invalidations_applied", .integer(Int64(clamping: applied))),
            ("invalidations_flushes", .integer(Int64(clamping: flushes))),
            ("late_fills", .integer(Int64(clamping: counters.lateFills))),
            ("tracked_keys", trackedKeys.map { .integer($0) } ?? .null),
            ("staleness_p50_ms", .integer(Int64(clamping: counters.staleness.p50 / 1_000_000))),
            ("staleness_p99_ms", .integer(Int64(clamping: counters.staleness.p99 / 1_000_000))),
        ] + (deletions?.statusFields ?? [])
    }

    func families(_ counters: Snapshot.Sums) -> [MetricFamily] {
        [
            MetricFamily(
                "hearth_coherence_live", "1 while changes that others make in Redis are proved to be heard of.", .gauge,
                [Sample([], isLive ? 1 : 0)]),
            .counter("hearth_coherence_gaps_total", "Times at which that ceased.", gaps),
            MetricFamily(
                "hearth_coherence_gap_duration_seconds", "How long each gap took that is over.", .nanoseconds,
                gapDurations),
            MetricFamily(
                "hearth_coherence_gap_age_seconds", "How long the present gap has lasted; 0 while there is none.",
                .gauge, [Sample([], Double(gapAge) / 1e9)]),
            .counter("hearth_invalidations_received_total", "Keys of which Redis told that they changed.", received),
            .counter("hearth_invalidations_applied_total", "Those of them that local memory held.", applied),
            .counter("hearth_invalidation_flushes_total", "Times at which Redis told that every key changed.", flushes),
            .counter(
                "hearth_late_fills_total",
                "Answers of Redis that were not held, since their key was written or invalidated meanwhile.",
                counters.lateFills),
            MetricFamily(
                "hearth_tracked_keys",
                "Keys that Redis tracks for all its clients (tracking-table-max-keys bounds it).",
                .gauge, [Sample([], Double(trackedKeys ?? 0))]),
            MetricFamily(
                "hearth_read_staleness_seconds",
                "Time since a value was last known to be true, for sampled reads that local memory answered.",
                .nanoseconds, counters.staleness),
        ] + (deletions?.families ?? [])
    }
}

/// The figures of the stream of deletions at about one moment.
struct DeletionFigures {
    let entries: UInt64
    let keys: UInt64
    let remembered: Int
    /// Seconds since the stream was last read to its end; -1 where it has not been yet.
    let age: Double
    let refused: UInt64
    let removed: UInt64
    let unreached: UInt64
    let begunAnew: UInt64

    init(_ deletions: Deletions) {
        entries = deletions.entriesRead.value
        keys = deletions.keysRead.value
        let (remembered, heardAt) = deletions.figures
        self.remembered = remembered
        age = heardAt.map { Double(max(0, Loop.wallClock.milliseconds(since: $0))) / 1000 } ?? -1
        refused = deletions.refusedPromotions.value
        removed = deletions.removedCopies.value
        unreached = deletions.unreached.value
        begunAnew = deletions.begunAnew.value
    }

    var statusFields: [(String, Field)] {
        [
            ("deletions_read", .integer(Int64(clamping: entries))),
            ("deletions_keys", .integer(Int64(clamping: keys))), ("deletions_remembered", .integer(Int64(remembered))),
            ("deletions_age_ms", .integer(age < 0 ? -1 : Int64(age * 1000))),
            ("deletions_unreached", .integer(Int64(clamping: unreached))),
        ]
    }

    var families: [MetricFamily] {
        [
            .counter("hearth_deletions_read_total", "Entries of the stream of deletions that were read.", entries),
            .counter("hearth_deletions_keys_total", "Keys that they name, of other sidecars.", keys),
            MetricFamily(
                "hearth_deletions_remembered", "Deletions that this sidecar remembers, 131,072 at most.", .gauge,
                [Sample([], Double(remembered))]),
            MetricFamily(
                "hearth_deletions_age_seconds",
                "Time since the stream of deletions was last read to its end; -1 before the first time.", .gauge,
                [Sample([], age)]),
            .counter(
                "hearth_deletions_refused_promotions_total",
                "Copies on disk that were not given to Redis, since their key was deleted or may have been.", refused),
            .counter(
                "hearth_deletions_removed_copies_total",
                "Copies of deleted keys that reads have removed from the disk.",
                removed),
            .counter(
                "hearth_deletions_unreached_total",
                "Times at which the stream did not reach back to what was read last.", unreached),
            .counter(
                "hearth_deletions_began_anew_total", "Times at which Redis had lost the stream with its data.",
                begunAnew),
        ]
    }
}
