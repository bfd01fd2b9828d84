// What a histogram held at one moment: a value that can be merged, asked for percentiles and exported.

/// A histogram's content as a value: add those of all workers, then ask it.
public struct HistogramSnapshot: Sendable, Equatable {
    /// One count per bucket of ``Buckets``.
    var counts = [UInt64](repeating: 0, count: Buckets.count)
    /// How many values there are; always the sum of the buckets, so that an export agrees with itself.
    public internal(set) var count: UInt64 = 0
    /// The exact sum of all values, in their unit.
    public internal(set) var sum: UInt64 = 0
    /// The largest value, exactly; 0 where there is none.
    public internal(set) var max: UInt64 = 0

    /// A snapshot of nothing, to merge others into.
    public init() {}

    /// A snapshot from what another process told of one; see ``occupied``.
    public init(occupied: [(value: UInt64, count: UInt64)], sum: UInt64, max: UInt64) {
        for bucket in occupied {
            counts[Buckets.index(of: bucket.value)] &+= bucket.count
            count &+= bucket.count
        }
        self.sum = sum
        self.max = max
    }

    /// The middle of each bucket that holds something, and how many values it holds; ascending.
    public var occupied: [(value: UInt64, count: UInt64)] {
        counts.indices.filter { counts[$0] > 0 }.map { (Buckets.middle($0), counts[$0]) }
    }

    /// Adds what `other` holds.
    public mutating func merge(_ other: HistogramSnapshot) {
        for index in counts.indices { counts[index] &+= other.counts[index] }
        count &+= other.count
        sum &+= other.sum
        max = Swift.max(max, other.max)
    }

    /// The values recorded since `earlier`, a snapshot of the same histogram; the maximum stays that of all time.
    public func since(_ earlier: HistogramSnapshot) -> HistogramSnapshot {
        var difference = self
        // A snapshot taken before `earlier` would give negative counts; those are nothing, not huge.
        for index in counts.indices {
            difference.counts[index] =
                counts[index] >= earlier.counts[index] ? counts[index] - earlier.counts[index] : 0
        }
        difference.count = difference.counts.reduce(0, &+)
        difference.sum = sum >= earlier.sum ? sum - earlier.sum : 0
        return difference
    }

    /// The value that a share of `fraction` (0 to 1) of all values does not exceed, within 1.6 %; 0 for none.
    ///
    /// The nearest rank: p50 of 1 and 3 is 1. Never above ``max``.
    public func percentile(_ fraction: Double) -> UInt64 {
        guard count > 0 else { return 0 }
        let rank = Swift.min(count, Swift.max(1, UInt64((fraction * Double(count)).rounded(.up))))
        var seen: UInt64 = 0
        for index in counts.indices {
            seen &+= counts[index]
            if seen >= rank {
                // The last bucket has no upper end: the maximum is all that is known of it.
                return index == Buckets.count - 1 ? max : Swift.min(max, Buckets.middle(index))
            }
        }
        return max
    }

    public var p50: UInt64 { percentile(0.5) }
    public var p95: UInt64 { percentile(0.95) }
    public var p99: UInt64 { percentile(0.99) }
    public var p999: UInt64 { percentile(0.999) }

    /// How many values are at most `bound`: every value equal to it is counted, and one up to 3.1 % above it may be.
    public func count(upTo bound: UInt64) -> UInt64 {
        counts[...Buckets.index(of: bound)].reduce(0, &+)
    }
}
