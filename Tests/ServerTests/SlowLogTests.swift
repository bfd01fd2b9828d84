// What the slow log keeps of requests.

import Primitives
import Testing
import Tiers

@testable import Server

@Suite struct SlowLogTests {
    private func request(_ milliseconds: Int64, _ steps: [AnswerStep] = []) -> SlowRequest {
        SlowRequest(
            at: Timestamp(milliseconds: 1), nanoseconds: milliseconds * 1_000_000, command: "get", key: nil,
            keyCount: 0, client: 1, steps: steps)
    }

    private func log(_ change: (inout SlowLogConfiguration) -> Void = { _ in }) -> SlowLog {
        var configuration = SlowLogConfiguration()
        change(&configuration)
        return SlowLog(configuration)
    }

    @Test func `the newest come first, and the oldest goes when it is full`() {
        let log = log { $0.entries = 2 }
        for time in 1...3 { log.note(request(Int64(time))) }
        #expect(log.newest(10).map(\.id) == [3, 2])
        #expect(log.newest(1).map(\.nanoseconds) == [3_000_000])
        #expect(log.total == 3)
    }

    @Test func `what is kept stays in order however often the oldest has gone, and after a reload with more entries`() {
        let log = log { $0.entries = 3 }
        for _ in 0..<8 { log.note(request(1)) }
        #expect(log.newest(10).map(\.id) == [8, 7, 6])
        var next = SlowLogConfiguration()
        next.entries = 4
        log.reconfigure(next)
        for _ in 0..<3 { log.note(request(1)) }
        #expect(log.newest(10).map(\.id) == [11, 10, 9, 8])
    }

    @Test func `a reset forgets, and goes on counting`() {
        let log = log()
        log.note(request(1))
        #expect(log.reset() == 1)
        #expect(log.newest(10).isEmpty)
        log.note(request(1))
        #expect(log.newest(10).map(\.id) == [2])
    }

    @Test func `a reload takes effect at once, also with fewer entries`() {
        let log = log()
        for _ in 0..<5 { log.note(request(1)) }
        var next = SlowLogConfiguration()
        (next.entries, next.threshold) = (2, nil)
        log.reconfigure(next)
        #expect(log.newest(10).map(\.id) == [5, 4])
        #expect(!log.isOn && log.thresholdNanoseconds == .max)
    }

    @Test func `a key is hashed, or kept up to 128 bytes`() {
        // printf session:1 | sha1sum
        #expect(log().kept(Array("session:1".utf8)).count == 16)
        #expect(log { $0.keys = .plain }.kept(Array(repeating: 7, count: 200)) == Array(repeating: 7, count: 128))
    }

    @Test func `what no tier took was waited, and never less than nothing`() {
        let steps = [
            AnswerStep(.redis, nanoseconds: 4_000_000, isAnswered: false),
            AnswerStep(.warm, nanoseconds: 5_000_000, isAnswered: true),
        ]
        #expect(request(10, steps).waitedNanoseconds == 1_000_000)
        #expect(request(8, steps).waitedNanoseconds == 0)
    }
}
