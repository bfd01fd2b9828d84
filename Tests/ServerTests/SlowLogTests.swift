// What the slow log keeps of requests.

import Primitives
import Testing
import Tiers

@testable import Server

@Suite struct SlowLogTests {
    private func request(_ milliseconds: Int64, _ steps: [AnswerStep] = [], key: [UInt8]? = nil) -> SlowRequest {
        SlowRequest(
            at: Timestamp(milliseconds: 1), nanoseconds: milliseconds * 1_000_000, command: "get", key: key,
            keyCount: key == nil ? 0 : 1, client: 1, steps: steps)
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
        for time in 4...7 {
            log.note(request(Int64(time)))
            #expect(log.newest(10).map(\.id) == [UInt64(time), UInt64(time - 1)])
        }
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

    @Test(arguments: [9, 1024, 1025])
    func `a key is hashed, or kept up to 128 bytes, as it was said when it came`(count: Int) {
        let key = Array(repeating: UInt8(ascii: "k"), count: count)
        let log = log()
        log.note(request(1, key: key))
        var next = SlowLogConfiguration()
        next.keys = .plain
        log.reconfigure(next)
        log.note(request(1, key: key))
        let hash = Array(SHA1Digest(key).hexadecimal.prefix(16))
        #expect(log.newest(10).map(\.key) == [Array(key.prefix(128)), hash])
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
