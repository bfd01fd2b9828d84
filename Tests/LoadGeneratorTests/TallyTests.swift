// Percentiles against exact ones, the time line's slices, and errors by their text.

internal import Metrics
import TestSupport
import Testing

@testable import LoadGenerator

@Suite struct TallyTests {
    @Test func `percentiles are within 1.6 % of the exact ones`() {
        var random = SeededGenerator(seed: SeededGenerator.seed())
        // Latencies as they are: a body, and a tail over three orders of magnitude.
        let values = (0..<200_000).map { _ -> Int64 in
            let body = Int64.random(in: 20_000...200_000, using: &random)
            return random.oneIn(100) ? body * Int64.random(in: 1...1000, using: &random) : body
        }
        let tally = Tally()
        for value in values { tally.right(.get, value) }
        let sorted = values.sorted()
        for fraction in [0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999] {
            let exact = Double(sorted[max(0, Int((fraction * Double(sorted.count)).rounded(.up)) - 1)])
            let told = Double(tally.latency.percentile(fraction))
            #expect(abs(told / exact - 1) <= 0.016, "\(fraction): \(told) for \(exact); \(random.replay)")
        }
        #expect(tally.latency.max == UInt64(sorted[sorted.count - 1]))
    }

    @Test func `operations are kept apart and summed`() {
        let tally = Tally()
        tally.right(.get, 100)
        tally.absent(.miss, 1000)
        tally.failed(.set, 10_000, "ERR no")
        tally.wrong(.get, 5, "not the value")
        tally.lost(3, "the server closed the connection")
        #expect(tally.completed == 4 && tally.absent == 1 && tally.failed == 4 && tally.wrong == 1)
        #expect(tally.latency.count == 4 && tally.latency(.get).count == 2 && tally.latency(.set).count == 1)
        #expect(tally.errors == ["ERR no": 1, "not the value": 1, "the server closed the connection": 3])
    }

    @Test func `texts beyond the maximum are counted together`() {
        let tally = Tally()
        for number in 0..<100 { tally.failed(.get, 1, "ERR \(number)") }
        #expect(tally.errors.count == Tally.errorsMax + 1)
        #expect(tally.errors["other errors"] == UInt64(100 - Tally.errorsMax))
    }

    @Test func `a slice holds what came in it and nothing from before`() {
        let tally = Tally()
        for _ in 0..<10 { tally.right(.get, 1000) }
        tally.cut(start: 0, nanoseconds: 100_000_000)
        tally.cut(start: 100_000_000, nanoseconds: 100_000_000)
        tally.right(.get, 2_000_000)
        tally.failed(.get, 2_000_000, "ERR")
        tally.cut(start: 200_000_000, nanoseconds: 50_000_000)
        let slices = tally.slices
        #expect(slices.map(\.completed) == [10, 0, 2])
        #expect(slices.map(\.start) == [0, 100, 200] && slices[2].milliseconds == 50)
        #expect(slices.map(\.errors) == [0, 0, 1])
        #expect(slices[0].p99 < 1100 && slices[1].p99 == 0 && abs(Double(slices[2].p50) / 2e6 - 1) < 0.02)
    }
}
