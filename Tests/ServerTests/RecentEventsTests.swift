// What happened last, as the page is told it: bounded, and nothing rare pushed out by what repeats.

import Testing

@testable import Server

@Suite struct RecentEventsTests {
    private func transition(_ at: Int64, _ side: String, _ from: String, _ to: String)
        -> RecentTransitions.Transition
    {
        RecentTransitions.Transition(at: at, side: side, from: from, to: to, cause: "")
    }

    @Test func `an outage of many failed probes keeps its beginning and its end`() {
        var recent = RecentTransitions()
        for side in ["reads", "writes"] { recent.note(transition(0, side, "closed", "open")) }
        for at in 1...500 as ClosedRange<Int64> {
            for side in ["reads", "writes"] {
                recent.note(transition(at, side, "open", "half-open"))
                recent.note(transition(at, side, "half-open", "open"))
            }
        }
        recent.note(transition(501, "reads", "open", "half-open"))
        recent.note(transition(502, "reads", "half-open", "closed"))
        let reads = recent.transitions.filter { $0.side == "reads" }
        #expect(reads.map(\.to) == ["open", "half-open", "open", "half-open", "closed"])
        #expect(reads.map(\.times) == [1, 1, 500, 1, 1])
        #expect(reads.map(\.at) == [0, 1, 500, 501, 502])
        #expect(recent.version == 2 + 2000 + 2)
    }

    @Test func `transitions are bounded`() {
        var recent = RecentTransitions()
        for at in 1...300 as ClosedRange<Int64> { recent.note(transition(at, "reads", "closed", "open")) }
        #expect(recent.transitions.map(\.at) == Array(201...300))
    }

    @Test func `of one event ten lines are kept, and a hundred in all`() {
        var recent = RecentLines()
        recent.note("rare", [1], time: "", level: "error")
        for index in 0..<200 { recent.note("often", [UInt8(index)], time: "", level: "warning") }
        #expect(recent.lines.count == 11 && recent.lines[0].event == "rare")
        #expect(recent.lines.last?.json == [199])
        for index in 0..<200 { recent.note("event \(index)", [], time: "", level: "warning") }
        #expect(recent.lines.count == 100)
    }

    @Test func `a line that is too long is kept as its event`() {
        var recent = RecentLines()
        recent.note("long", Array(repeating: 0x20, count: 4000), time: "now", level: "error")
        let text = String(decoding: recent.lines[0].json, as: UTF8.self)
        #expect(
            text == #"{"time":"now","level":"error","event":"long","text":"a line of 4000 bytes; it is in the log"}"#)
    }
}
