// Figures over time: what a row says of its interval, and which rows are kept.

import Metrics
import TestSupport
import Testing

@Suite struct HistoryTests {
    private func measurement(_ count: UInt64, _ level: Double?, _ values: [UInt64] = []) -> Measurement {
        let histogram = Histogram()
        for value in values { histogram.record(value) }
        return Measurement(counts: [count], levels: [level], histograms: [histogram.snapshot()])
    }

    @Test func `a row is the growth of counts, the peak of levels and the percentiles of its interval`() throws {
        var history = History(step: 1000, capacity: 8)
        #expect(history.add(measurement(10, 3, [5]), at: 50_000, monotonic: 0) == nil)
        #expect(history.add(measurement(11, 9, [5]), at: 50_400, monotonic: 400) == nil)
        let rowMade = history.add(measurement(15, 4, [5, 7, 7]), at: 51_000, monotonic: 1001)
        let row = try #require(rowMade)
        #expect(row.at == 51_000 && row.elapsed == 1001)
        #expect(row.values == [5, 9, 7, 7, 7])
        // The next interval begins with what this one ended with.
        let nextMade = history.add(measurement(15, 1, [5, 7, 7, 9]), at: 52_000, monotonic: 2001)
        let next = try #require(nextMade)
        #expect(next.values == [0, 4, 9, 9, 9])
    }

    @Test func `what there is nothing to tell of is null`() throws {
        var history = History(step: 1, capacity: 1)
        _ = history.add(measurement(0, nil), at: 0, monotonic: 0)
        let rowMade = history.add(measurement(2, nil), at: 7, monotonic: 5)
        let row = try #require(rowMade)
        var json = JSONWriter()
        json.row(row)
        #expect(json.text == "[7,5,2,null,null,null,null]")
    }

    @Test func `a level that began to be told counts from then on`() throws {
        var history = History(step: 1, capacity: 1)
        _ = history.add(measurement(0, nil), at: 0, monotonic: 0)
        let row = history.add(measurement(0, 4), at: 1, monotonic: 1)
        #expect(row?.values[1] == 4)
    }

    @Test func `a clock that is set back changes no interval, and a count that shrinks is nothing`() throws {
        var history = History(step: 1000, capacity: 4)
        _ = history.add(measurement(9, 0), at: 90_000, monotonic: 0)
        let rowMade = history.add(measurement(4, 0), at: 10_000, monotonic: 1000)
        let row = try #require(rowMade)
        #expect(row.at == 10_000 && row.elapsed == 1000 && row.values[0] == 0)
    }

    @Test func `a full ring keeps the newest rows in their order`() {
        var history = History(step: 1, capacity: 3)
        for moment in 0...7 {
            _ = history.add(measurement(UInt64(moment * moment), 0), at: Int64(moment), monotonic: Int64(moment))
            #expect(history.count == min(moment, 3))
        }
        #expect(history.rows.map(\.at) == [5, 6, 7])
        #expect(history.rows.map { $0.values[0] } == [9, 11, 13])
    }
}
