// What is known of the journal at one moment, for metrics, INFO, HEARTH STATUS and readiness.

internal import EventLoop
internal import Journal
internal import Metrics
internal import Primitives
internal import Tiers

/// The journal's figures at about one moment.
struct JournalFigures {
    let statistics: JournalStatistics
    let entries: Int
    let keys: Int
    /// Keys whose writes are held back since the disk took no note of what became of an earlier one.
    let unnotedKeys: Int
    /// Milliseconds since the oldest entry that waits was accepted; 0 where none waits.
    let ageMilliseconds: Int64
    /// Whether they wait for a person's word, since they are for another Redis.
    let isHeld: Bool
    let accepted: UInt64
    let refused: UInt64
    let replayed: UInt64
    let discarded: UInt64
    let conflicts: [(verdict: Conflict.Verdict, count: UInt64)]

    init(_ service: JournalService, _ counters: JournalCounters) {
        statistics = service.statistics
        entries = service.pending.entryCount
        keys = service.pending.keyCount
        unnotedKeys = service.pending.unnoted.keyCount
        let oldest = entries > 0 ? statistics.oldest : nil
        ageMilliseconds = oldest.map { max(0, Loop.wallClock.milliseconds(since: $0)) } ?? 0
        isHeld = entries > 0 && counters.isHeld
        accepted = counters.accepted.value
        refused = counters.refused.value
        replayed = counters.replayed.value
        discarded = counters.discarded.value
        conflicts = Conflict.Verdict.allCases.map { ($0, counters.count($0)) }
    }

    var state: String { statistics.stateName }

    var statusFields: [(String, Field)] {
        [
            ("journal_state", .text(state)), ("journal_entries", .integer(Int64(entries))),
            ("journal_keys", .integer(Int64(keys))), ("journal_unnoted_keys", .integer(Int64(unnotedKeys))),
            ("journal_age_ms", .integer(ageMilliseconds)),
            ("journal_disk_bytes", .integer(Int64(statistics.diskBytes))),
            ("journal_accepted", .integer(Int64(accepted))), ("journal_refused", .integer(Int64(refused))),
            ("journal_replayed", .integer(Int64(replayed))),
            ("journal_conflicts_kept", .integer(Int64(statistics.notes))),
        ]
    }

    var informationLines: [(String, String)] {
        [
            ("journal_state", state), ("journal_entries", "\(entries)"), ("journal_keys", "\(keys)"),
            ("journal_age_ms", "\(ageMilliseconds)"), ("journal_disk_bytes", "\(statistics.diskBytes)"),
            ("journal_conflicts_kept", "\(statistics.notes)"),
        ]
    }

    func write(_ json: inout JSONWriter) {
        json.member("state", state)
        json.member("entries", entries)
        json.member("keys", keys)
        json.member("age_ms", ageMilliseconds)
        json.member("disk_bytes", statistics.diskBytes)
        json.member("accepted", accepted)
        json.member("refused", refused)
        json.member("replayed", replayed)
        json.member("conflicts_kept", statistics.notes)
    }

    func families(reads: UInt64) -> [MetricFamily] {
        [
            .gauge("hearth_journal_entries", "Entries that wait for Redis.", entries),
            .gauge("hearth_journal_keys", "Keys of which entries wait for Redis.", keys),
            .gauge(
                "hearth_journal_unnoted_keys",
                "Keys whose writes are refused until the disk has a note of what became of an earlier one.", unnotedKeys
            ),
            MetricFamily(
                "hearth_journal_age_seconds", "Age of the oldest entry that waits; 0 where none does.", .gauge,
                [Sample([], Double(ageMilliseconds) / 1000)]),
            .gauge("hearth_journal_entry_bytes", "Bytes of the entries that wait, as records.", statistics.entryBytes),
            .gauge(
                "hearth_journal_free_bytes", "Bytes that further entries may take before the journal is full.",
                statistics.freeBytes),
            .gauge("hearth_journal_disk_bytes", "Bytes of the journal's files.", statistics.diskBytes),
            .gauge(
                "hearth_journal_max_bytes", "Bytes that the journal's files may take (journal.max_bytes).",
                statistics.maxBytes),
            MetricFamily(
                "hearth_journal_state", "1 for the state that the journal is in.", .gauge,
                ["healthy", "full", "degraded"].map { Sample([Label("state", $0)], $0 == state ? 1 : 0) }),
            .gauge(
                "hearth_journal_conflicts_kept", "Conflicts that are kept for a person to look at.",
                statistics.notes),
            MetricFamily(
                "hearth_journal_conflicts_total", "Conflicts found at replay, by what was done.", .counter,
                conflicts.map { Sample([Label("verdict", $0.verdict.label)], $0.count) }),
            .counter("hearth_journal_accepted_total", "Commands accepted without Redis.", accepted),
            .counter("hearth_journal_refused_total", "Commands that the journal could not take.", refused),
            .counter("hearth_journal_replayed_total", "Entries whose effect Redis has.", replayed),
            .counter("hearth_journal_discarded_total", "Entries forgotten by hearth journal discard.", discarded),
            .counter("hearth_journal_reads_total", "Reads answered from what waits for Redis.", reads),
            .counter(
                "hearth_journal_syncs_total", "Synchronisations of the journal's files.",
                UInt64(statistics.synchronizations)),
            .counter(
                "hearth_journal_superseded_total", "Entries that a later write of their key made needless.",
                UInt64(statistics.superseded)),
            .counter(
                "hearth_journal_compacted_bytes_total", "Bytes copied forward to make room.",
                UInt64(statistics.compactedBytes)),
        ]
    }
}
