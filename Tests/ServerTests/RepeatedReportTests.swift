// Reports that repeat: the first, each other one, and one in so long.

import Testing

@testable import Server

@Suite struct RepeatedReportTests {
    @Test func `what repeats is passed over and counted, what differs is not`() {
        var reports = RepeatedReport<String>(interval: 60)
        #expect(reports.take("refused", now: 100) == 0)
        #expect(reports.take("refused", now: 101) == nil)
        #expect(reports.take("refused", now: 159) == nil)
        #expect(reports.take("refused", now: 160) == 2)
        #expect(reports.take("refused", now: 161) == nil)
        #expect(reports.take("timed out", now: 162) == 1)
        #expect(reports.take("refused", now: 163) == 0)
    }

    @Test func `what was forgotten is news`() {
        var reports = RepeatedReport<String>(interval: 60)
        #expect(reports.take("refused", now: 100) == 0)
        #expect(reports.take("refused", now: 101) == nil)
        reports.forget()
        #expect(reports.take("refused", now: 102) == 0)
    }
}
