// A histogram as Prometheus sees it: cumulative buckets at fixed bounds, a sum and a count.

/// The unit of a histogram's values, with the `le` bounds under which it is exported.
public enum HistogramUnit: Sendable {
    /// Nanoseconds, exported in seconds from 10 µs to 10 s in steps of 1, 2.5 and 5.
    case nanoseconds
    /// Bytes, from 64 B to 8 MiB in steps of 4, less the last, which is 2.
    case bytes

    /// Upper bounds in the unit of the recorded values, ascending, without `+Inf`.
    public var bounds: [UInt64] {
        switch self {
        case .nanoseconds:
            [
                10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
                1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000,
                100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
            ]
        case .bytes:
            [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20]
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

/// The labels of a unit's bounds, made once: there are hundreds of buckets in a scrape.
private enum BoundLabels {
    static let nanoseconds = of(.nanoseconds)
    static let bytes = of(.bytes)
    static let infinity = Label("le", "+Inf")

    private static func of(_ unit: HistogramUnit) -> [Label] {
        unit.bounds.map { Label("le", prometheusNumber(unit.base($0))) }
    }
}

extension HistogramSnapshot {
    /// The samples of this histogram under `labels`: cumulative `_bucket`s up to `+Inf`, `_sum` and `_count`.
    public func samples(_ labels: [Label] = [], unit: HistogramUnit) -> [Sample] {
        let bounds = unit.bounds
        let names = unit == .bytes ? BoundLabels.bytes : BoundLabels.nanoseconds
        var samples: [Sample] = []
        samples.reserveCapacity(bounds.count + 3)
        var next = 0
        var below: UInt64 = 0
        for (bound, name) in zip(bounds, names) {
            // There is nothing to look for in an empty one, as most of a scrape's are.
            let end = count > 0 ? Buckets.index(of: bound) + 1 : 0
            while next < end {
                below &+= counts[next]
                next += 1
            }
            samples.append(Sample(labels, bound: name, Double(below), suffix: "_bucket"))
        }
        samples.append(Sample(labels, bound: BoundLabels.infinity, Double(count), suffix: "_bucket"))
        samples.append(Sample(labels, unit.base(sum), suffix: "_sum"))
        samples.append(Sample(labels, Double(count), suffix: "_count"))
        return samples
    }
}
