// What is known of values that may not lie where a tier does, at one moment, for metrics and HEARTH STATUS.

internal import Metrics
internal import Tiers

/// The figures of residency at about one moment.
struct ResidencySnapshot {
    let skipped: [(place: String, count: UInt64)]
    let refused: UInt64

    init(_ figures: ResidencyFigures) {
        skipped = ResidencyFigures.Place.allCases.map { ($0.label, figures.skipped($0)) }
        refused = figures.refused.value
    }

    var statusFields: [(String, Field)] {
        [
            ("residency_skipped", .integer(Int64(clamping: skipped.reduce(0) { $0 + $1.count }))),
            ("residency_refused", .integer(Int64(clamping: refused))),
        ]
    }

    var families: [MetricFamily] {
        [
            MetricFamily(
                "hearth_residency_skipped_total",
                "Values that were not held in a tier, since it lies where their policy's keys may not be.", .counter,
                skipped.map { Sample([Label("tier", $0.place)], $0.count) }),
            MetricFamily(
                "hearth_residency_refused_total",
                "Requests answered -DENIED, since a tier lies where their policy's keys may not be.", .counter,
                [Sample([], refused)]),
        ]
    }
}
