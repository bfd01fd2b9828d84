// The open loop's schedule on virtual time: when requests are due, and what their latencies include.

internal import Metrics
import Testing

@testable import LoadGenerator

@Suite struct ScheduleTests {
    @Test func `requests are due at equal distances, without drift`() {
        var schedule = ArrivalSchedule(rate: 3, start: 1_000)
        var moments: [Int64] = []
        while let due = schedule.take(now: 10_000_001_000) { moments.append(due) }
        #expect(moments.count == 31)
        #expect(moments[0] == 1_000 && moments[3] == 1_000_001_000 && moments[30] == 10_000_001_000)
        #expect(schedule.taken == 31)
        #expect(schedule.nextDue == 1_000 + 10_333_333_333)
    }

    @Test func `nothing is due before its time`() {
        var schedule = ArrivalSchedule(rate: 1000, start: 0)
        #expect(schedule.take(now: -1) == nil)
        #expect(schedule.take(now: 0) == 0)
        #expect(schedule.take(now: 999_999) == nil)
        #expect(schedule.overdue(now: 999_999) == 0)
        #expect(schedule.take(now: 1_000_000) == 1_000_000)
    }

    @Test func `what could not be sent is overdue`() {
        var schedule = ArrivalSchedule(rate: 1000, start: 0)
        #expect(schedule.overdue(now: 5_000_000) == 6)
        _ = schedule.take(now: 5_000_000)
        #expect(schedule.overdue(now: 5_000_000) == 5)
    }

    @Test func `a high rate comes to its count over an hour`() {
        let schedule = ArrivalSchedule(rate: 1_234_567, start: 0)
        #expect(abs(schedule.overdue(now: 3_600_000_000_000) - 1_234_567 * 3600) <= 1)
    }

    /// Gil Tene's example: a server that answers in 1 ms and stops for 1 s in the middle of 10 s.
    @Test func `a stop of the server is in the latencies of all that waited, not of one`() {
        let latencies = Histogram()
        let naive = Histogram()
        var schedule = ArrivalSchedule(rate: 100, start: 0)
        // One request at a time: each takes a millisecond, except that the server is deaf from 5 to 6 s.
        var now: Int64 = 0
        while now < 10_000_000_000 {
            guard let due = schedule.take(now: now) else {
                now = schedule.nextDue
                continue
            }
            let isDeaf = now >= 5_000_000_000 && now < 6_000_000_000
            let answered = (isDeaf ? 6_000_000_000 : now) + 1_000_000
            latencies.record(UInt64(answered - due))
            naive.record(UInt64(answered - now))
            now = answered
        }
        let (corrected, plain) = (latencies.snapshot(), naive.snapshot())
        // A closed loop's view: one slow answer of a thousand.
        #expect(plain.percentile(0.99) < 1_100_000)
        // 100 requests were due while it was deaf, and waited from 0 to 1 s: 5 % of all waited for longer than 0.5 s.
        #expect(corrected.percentile(0.96) > 500_000_000)
        #expect(corrected.percentile(0.99) > 850_000_000 && corrected.max <= 1_001_000_000)
        #expect(corrected.percentile(0.5) < 1_100_000)
    }
}
