// Figures over time, in rings with a stated maximum: what a page that is opened during an outage shows of its start.
//
// DESIGN. Nobody asks for the past until something goes wrong, so it is kept always, and must cost next to nothing: one
// row a second, in rings that never grow. A fine ring shows the last minutes, a coarse one the last hours. A coarse row
// is measured over its own interval, not averaged from fine ones: the p99 of half a minute is no mean of thirty p99s.
//
//     ring        rows    a row of 66 numbers    memory
//     1 s         600     280 B                  164 KiB: 10 minutes
//     30 s        720     280 B                  197 KiB: 6 hours
//
// Deliberately missing: a disk. A restart forgets; who wants weeks has Prometheus.

/// What is known at one moment: counts since the start, levels, and distributions since the start.
public struct Measurement: Sendable {
    /// Counts that only grow.
    public var counts: [UInt64]
    /// Levels, as depths and bytes; nil where there is none to tell.
    public var levels: [Double?]
    public var histograms: [HistogramSnapshot]

    public init(counts: [UInt64], levels: [Double?], histograms: [HistogramSnapshot]) {
        self.counts = counts
        self.levels = levels
        self.histograms = histograms
    }
}

/// A ring of rows, each for an interval: how much each count grew, each level's peak, and percentiles.
///
/// A row's columns are the counts, the levels, then for each histogram its p50, p95 and p99; NaN where there is nothing
/// to tell. Numbers are kept to seven digits. Memory is 4 bytes a number and 16 bytes a row, once the ring is full.
public struct History: Sendable {
    /// One interval that has passed.
    public struct Row: Sendable {
        /// Wall-clock milliseconds of its end.
        public let at: Int64
        /// Its length in milliseconds.
        public let elapsed: Int64
        public let values: [Float]
    }

    /// The percentiles that are kept of each histogram.
    public static let percentiles = [0.5, 0.95, 0.99]

    /// How long a row's interval is at least, in milliseconds.
    public let step: Int64
    /// The most rows that are kept; the oldest goes.
    public let capacity: Int
    private var times: [(at: Int64, elapsed: Int64)] = []
    private var values: [Float] = []
    /// Where the oldest row is, once the ring is full.
    private var first = 0
    /// What the interval under way began with, and when, in monotonic milliseconds.
    private var earlier: (measurement: Measurement, monotonic: Int64)?
    /// The highest levels of the interval under way.
    private var peaks: [Double?] = []

    public init(step: Int64, capacity: Int) {
        precondition(step > 0 && capacity > 0, "BUG: a history without rows")
        self.step = step
        self.capacity = capacity
    }

    public var count: Int { times.count }

    /// Takes a measurement; the row that it completed, if it did.
    ///
    /// `at` is wall-clock milliseconds, for who reads; `monotonic` is milliseconds that nobody sets, for the interval.
    /// The first measurement only begins one. All have the same number of each kind.
    public mutating func add(_ measurement: Measurement, at: Int64, monotonic: Int64) -> Row? {
        guard let before = earlier else {
            earlier = (measurement, monotonic)
            peaks = measurement.levels
            return nil
        }
        for (index, level) in measurement.levels.enumerated() {
            guard let level else { continue }
            peaks[index] = Swift.max(peaks[index] ?? level, level)
        }
        let elapsed = monotonic - before.monotonic
        guard elapsed >= step else { return nil }
        var row = zip(measurement.counts, before.measurement.counts).map { Float($0 >= $1 ? $0 - $1 : 0) }
        row += peaks.map { $0.map { Float($0) } ?? .nan }
        for (now, then) in zip(measurement.histograms, before.measurement.histograms) {
            let interval = now.since(then)
            row += Self.percentiles.map { interval.count > 0 ? Float(interval.percentile($0)) : .nan }
        }
        earlier = (measurement, monotonic)
        peaks = measurement.levels
        return append(Row(at: at, elapsed: elapsed, values: row))
    }

    private mutating func append(_ row: Row) -> Row {
        let width = row.values.count
        if times.count < capacity {
            times.append((row.at, row.elapsed))
            values += row.values
        } else {
            times[first] = (row.at, row.elapsed)
            values.replaceSubrange(first * width..<(first + 1) * width, with: row.values)
            first = (first + 1) % capacity
        }
        return row
    }

    /// The rows that are kept, the oldest first.
    public var rows: [Row] {
        let width = times.isEmpty ? 0 : values.count / times.count
        return times.indices.map { position in
            let index = (first + position) % times.count
            return Row(
                at: times[index].at, elapsed: times[index].elapsed,
                values: Array(values[index * width..<(index + 1) * width]))
        }
    }
}

extension JSONWriter {
    /// Writes a row as an array: its end and its length in milliseconds, then its values; `null` for NaN.
    public mutating func row(_ row: History.Row) {
        array { json in
            json.integer(row.at)
            json.integer(row.elapsed)
            // Nothing that is kept needs a fraction: counts, bytes, milliseconds, nanoseconds.
            for value in row.values { if value.isFinite { json.integer(Int64(value)) } else { json.null() } }
        }
    }
}
