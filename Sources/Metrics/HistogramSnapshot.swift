// What a histogram held at one moment: a value that can be merged, asked for percentiles and exported.

/// A histogram's content as a value: add those of all workers, then ask it.
public struct HistogramSnapshot: Sendable, Equatable {
    /// One count per bucket of ``Buckets``; empty exactly while ``count`` is 0, as that of most operations' kinds is.
    private(set) var counts: [UInt64] = []
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
        var counts = [UInt64](repeating: 0, count: Buckets.count)
        for bucket in occupied { counts[Buckets.index(of: bucket.value)] &+= bucket.count }
        self.init(counts, sum: sum, max: max)
    }

    private init(_ counts: [UInt64], sum: UInt64, max: UInt64) {
        count = counts.reduce(0, &+)
        if count > 0 { self.counts = counts }
        self.sum = sum
        self.max = max
    }

    /// The middle of each bucket that holds something, and how many values it holds; ascending.
    public var occupied: [(value: UInt64, count: UInt64)] {
        counts.indices.filter { counts[$0] > 0 }.map { (Buckets.middle($0), counts[$0]) }
    }

    /// Adds what `other` holds.
    public mutating func merge(_ other: HistogramSnapshot) {
        add({ other.counts[$0] }, upTo: other.counts.count, sum: other.sum, max: other.max)
    }

    /// Adds the buckets below `end` by their counts, which may grow meanwhile, with the sum and the maximum of them.
    @inline(__always)
    mutating func add(_ others: (Int) -> UInt64, upTo end: Int, sum: UInt64, max: UInt64) {
        guard let first = (0..<end).first(where: { others($0) > 0 }) else { return }
        if counts.isEmpty { counts = [UInt64](repeating: 0, count: Buckets.count) }
        var total: UInt64 = 0
        counts.withUnsafeMutableBufferPointer { sums in
            for index in first..<end {
                let count = others(index)
                sums[index] &+= count
                total &+= count
            }
        }
        count &+= total
        self.sum &+= sum
        self.max = Swift.max(self.max, max)
    }

    /// The values recorded since `earlier`, a snapshot of the same histogram; the maximum stays that of all time.
    public func since(_ earlier: HistogramSnapshot) -> HistogramSnapshot {
        guard earlier.count > 0 else { return self }
        // A snapshot taken before `earlier` would give negative counts; those are nothing, not huge.
        let difference = zip(counts, earlier.counts).map { $0 >= $1 ? $0 - $1 : 0 }
        return HistogramSnapshot(difference, sum: sum >= earlier.sum ? sum - earlier.sum : 0, max: max)
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
        counts.prefix(Buckets.index(of: bound) + 1).reduce(0, &+)
    }
}
