// The histogram against the plain sorted list, and its export against its counts.

import Metrics
import Testing

/// SplitMix64: the same numbers for the same seed, everywhere.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

@Suite struct HistogramTests {
    @Test func `an empty histogram answers zero to everything`() {
        let snapshot = Histogram().snapshot()
        #expect(snapshot.count == 0 && snapshot.sum == 0 && snapshot.max == 0)
        #expect(snapshot.p50 == 0 && snapshot.p999 == 0)
    }

    @Test(arguments: [UInt64(1), 2, 3]) func `percentiles are within 3 % of the sorted list's`(seed: UInt64) {
        var random = Seeded(state: seed)
        let histogram = Histogram()
        var values: [UInt64] = []
        for _ in 0..<20_000 {
            // From 1 µs to about a minute, evenly over the orders of magnitude.
            let octave = UInt64.random(in: 10...35, using: &random)
            let value = (1 << octave) + UInt64.random(in: 0..<(1 << octave), using: &random)
            values.append(value)
            histogram.record(value)
        }
        values.sort()
        let snapshot = histogram.snapshot()
        for fraction in [0.001, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1] {
            let exact = Double(values[Int((fraction * 20_000).rounded(.up)) - 1])
            let found = Double(snapshot.percentile(fraction))
            #expect(abs(found - exact) / exact <= 0.016, "p\(fraction) is \(found), not \(exact), seed \(seed)")
        }
        #expect(snapshot.max == values.last)
        #expect(snapshot.sum == values.reduce(0, +))
        #expect(snapshot.count == 20_000)
    }

    @Test func `small values are exact`() {
        for value in UInt64(0)..<64 {
            let histogram = Histogram()
            histogram.record(value)
            #expect(histogram.snapshot().p50 == value)
        }
    }

    @Test func `values beyond the range count, and the maximum says how far`() {
        let histogram = Histogram()
        histogram.record(.max)
        histogram.record(1 << 37)
        let snapshot = histogram.snapshot()
        #expect(snapshot.count == 2 && snapshot.max == .max && snapshot.p999 == .max)
    }

    @Test func `a percentile never exceeds the maximum`() {
        let histogram = Histogram()
        histogram.record(1_000_000)
        #expect(histogram.snapshot().p99 <= 1_000_000)
    }

    @Test func `one record of n is n records`() {
        let (once, often) = (Histogram(), Histogram())
        once.record(5_000, count: 16)
        for _ in 0..<16 { often.record(5_000) }
        #expect(once.snapshot() == often.snapshot())
    }

    @Test func `merged snapshots are what one histogram of both would be`() {
        let (first, second, both) = (Histogram(), Histogram(), Histogram())
        for value in UInt64(1)...1000 {
            (value % 3 == 0 ? first : second).record(value * 997)
            both.record(value * 997)
        }
        var merged = first.snapshot()
        merged.merge(second.snapshot())
        #expect(merged == both.snapshot())
    }

    @Test func `adding histograms to a snapshot is merging their snapshots`() {
        let recorded: [[UInt64]] = [[], [0, 0], [1], [5_000, 70, 5_000], [UInt64.max >> 1, 0], [1 << 37, 1 << 36]]
        let histograms = recorded.map { values in
            let histogram = Histogram()
            for value in values { histogram.record(value) }
            return histogram
        }
        var (added, merged) = (HistogramSnapshot(), HistogramSnapshot())
        for (histogram, values) in zip(histograms, recorded) {
            histogram.add(to: &added)
            merged.merge(histogram.snapshot())
            #expect(added == merged)
            #expect(histogram.snapshot().count == UInt64(values.count))
        }
        #expect(added.count == 10 && added.count(upTo: 0) == 3)
    }

    @Test func `a snapshot of nothing can be asked everything`() {
        let (nothing, something) = (HistogramSnapshot(), Histogram())
        something.record(7)
        #expect(nothing == Histogram().snapshot())
        #expect(nothing.count(upTo: 0) == 0 && nothing.count(upTo: .max) == 0)
        #expect(nothing.p50 == 0 && nothing.percentile(1) == 0 && nothing.occupied.isEmpty)
        #expect(nothing.since(something.snapshot()).count == 0)
        #expect(something.snapshot().since(nothing) == something.snapshot())
        #expect(something.snapshot().since(something.snapshot()).count(upTo: .max) == 0)
        var merged = something.snapshot()
        merged.merge(nothing)
        #expect(merged == something.snapshot())
    }

    @Test func `the difference of two snapshots holds what came between`() {
        let histogram = Histogram()
        histogram.record(10_000, count: 5)
        let earlier = histogram.snapshot()
        histogram.record(40_000_000, count: 3)
        let between = histogram.snapshot().since(earlier)
        #expect(between.count == 3 && between.sum == 120_000_000)
        #expect(abs(Double(between.p50) - 40e6) < 0.016 * 40e6)
        #expect(earlier.since(histogram.snapshot()).count == 0)
    }

    @Test func `a snapshot taken while another thread records agrees with itself`() async {
        let histogram = Histogram()
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                for value in UInt64(0)..<100_000 { histogram.record(value) }
                return true
            }
            group.addTask {
                var last: UInt64 = 0
                for _ in 0..<50 {
                    let snapshot = histogram.snapshot()
                    if snapshot.count < last || snapshot.count(upTo: .max) != snapshot.count { return false }
                    last = snapshot.count
                }
                return true
            }
            for await held in group { #expect(held) }
        }
        #expect(histogram.snapshot().count == 100_000)
    }

    @Test(arguments: [HistogramUnit.nanoseconds, .bytes])
    func `a value at a bound is counted under it, one 4 % above is not`(unit: HistogramUnit) {
        for bound in unit.bounds {
            let histogram = Histogram()
            histogram.record(bound)
            histogram.record(bound + bound / 25)
            #expect(histogram.snapshot().count(upTo: bound) == 1, "at \(bound)")
        }
    }

    @Test func `the export is cumulative, in seconds, and ends with infinity`() {
        let histogram = Histogram()
        histogram.record(5_000)
        histogram.record(2_000_000)
        histogram.record(20_000_000_000)
        let family = MetricFamily(
            "m", "h", .nanoseconds, [HistogramSeries([Label("tier", "local")], histogram.snapshot())])
        let lines = String(decoding: exposition([family]), as: UTF8.self).split(separator: "\n").dropFirst(2)
        let buckets = lines.filter { $0.hasPrefix("m_bucket{tier=\"local\",le=\"") }
        #expect(buckets.count == 20 && lines.count == 22)
        #expect(buckets.first == "m_bucket{tier=\"local\",le=\"1e-05\"} 1")
        let counts = buckets.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
        #expect(counts.count == 20 && counts == counts.sorted() && Set(counts) == [1, 2, 3])
        #expect(buckets.last == "m_bucket{tier=\"local\",le=\"+Inf\"} 3")
        #expect(lines.suffix(2) == ["m_sum{tier=\"local\"} 20.002005", "m_count{tier=\"local\"} 3"])
    }
}
