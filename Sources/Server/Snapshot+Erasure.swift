// What is known of erasures (STATE.ERASE) at one moment, for metrics and HEARTH STATUS.

internal import Metrics
internal import Tiers

/// The figures of erasures at about one moment.
struct ErasureSnapshot {
    let done: UInt64
    let incomplete: UInt64
    let refused: UInt64
    /// What was removed in all, by where it was.
    let removed: [(name: String, count: UInt64)]

    init(_ erasures: Erasures) {
        done = erasures.done.value
        incomplete = erasures.incomplete.value
        refused = erasures.refused.value
        removed = erasures.removedByPart
    }

    var statusFields: [(String, Field)] {
        [
            ("erasures_done", .integer(Int64(clamping: done))),
            ("erasures_incomplete", .integer(Int64(clamping: incomplete))),
            ("erasures_refused", .integer(Int64(clamping: refused))),
        ]
    }

    var families: [MetricFamily] {
        [
            MetricFamily(
                "hearth_erasures_total", "Erasures (STATE.ERASE) by what came of them.", .counter,
                [("done", done), ("incomplete", incomplete), ("refused", refused)].map {
                    Sample([Label("outcome", $0.0)], $0.1)
                }),
            MetricFamily(
                "hearth_erased_total", "What erasures removed, by where it was.", .counter,
                removed.map { Sample([Label("where", $0.name)], $0.count) }),
        ]
    }
}
