// A histogram as Prometheus sees it: cumulative buckets at fixed bounds, a sum and a count.

/// The unit of a histogram's values, with the `le` bounds under which it is exported.
public enum HistogramUnit: Sendable {
    /// Nanoseconds, exported in seconds from 10 µs to 10 s in steps of 1, 2.5 and 5.
    case nanoseconds
    /// Bytes, from 64 B to 8 MiB in steps of 4, less the last, which is 2.
    case bytes

    /// Upper bounds in the unit of the recorded values, ascending, without `+Inf`.
    public var bounds: [UInt64] { buckets.map(\.bound) }

    /// The bounds, with what Prometheus is told of them.
    var buckets: [HistogramBucket] {
        switch self {
        case .nanoseconds: HistogramBucket.nanoseconds
        case .bytes: HistogramBucket.bytes
        }
    }

    /// `value` in base units.
    func base(_ value: UInt64) -> Double {
        switch self {
        // Divided, not multiplied by 1e-9: 10,000 / 1e9 is exactly the double that prints as 1e-05.
        case .nanoseconds: Double(value) / 1e9
        case .bytes: Double(value)
        }
    }
}

/// A bound under which a histogram is exported; made once, since there are hundreds of buckets in a scrape.
struct HistogramBucket: Sendable {
    let bound: UInt64
    /// The bound in base units, as `le` has it.
    let text: String
    /// One past the last of ``Buckets`` that counts here.
    let end: Int

    private init(_ bound: UInt64, _ unit: HistogramUnit) {
        self.bound = bound
        text = prometheusNumber(unit.base(bound))
        end = Buckets.index(of: bound) + 1
    }

    static let nanoseconds: [HistogramBucket] = [
        10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
        1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000,
        100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
    ].map { HistogramBucket($0, .nanoseconds) }

    static let bytes: [HistogramBucket] = [
        64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20,
    ].map { HistogramBucket($0, .bytes) }
}

extension HistogramSnapshot {
    /// The buckets of the exposition with how many values each counts, all below it included; without `+Inf`.
    func forEachBucket(of unit: HistogramUnit, _ body: (HistogramBucket, UInt64) -> Void) {
        var next = 0
        var below: UInt64 = 0
        for bucket in unit.buckets {
            // There is nothing to look for in an empty one, as most of a scrape's are.
            let end = count > 0 ? bucket.end : 0
            while next < end {
                below &+= counts[next]
                next += 1
            }
            body(bucket, below)
        }
    }
}
