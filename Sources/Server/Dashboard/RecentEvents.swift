// What happened last, for the page: warnings and errors of the log, and transitions of the breaker. Bounded, in memory.

internal import Metrics
internal import Resilience

/// The last warnings and errors that were logged, oldest first.
///
/// Of one event at most ten are kept: one that comes each second doesn't push the rare one out that explains it.
struct RecentLines: Sendable {
    static let countMax = 100
    static let perEventMax = 10
    /// A longer line is not kept whole: its event alone is.
    static let bytesMax = 2048

    private(set) var lines: [(event: String, json: [UInt8])] = []
    /// Changes whenever a line is added.
    private(set) var version = 0

    mutating func note(_ event: String, _ json: [UInt8], time: String, level: String) {
        version += 1
        var kept = json
        if kept.count > Self.bytesMax {
            var short = JSONWriter()
            short.object {
                $0.member("time", time)
                $0.member("level", level)
                $0.member("event", event)
                $0.member("text", "a line of \(json.count) bytes; it is in the log")
            }
            kept = short.bytes
        }
        if lines.count(where: { $0.event == event }) >= Self.perEventMax {
            if let oldest = lines.firstIndex(where: { $0.event == event }) { lines.remove(at: oldest) }
        } else if lines.count >= Self.countMax {
            lines.removeFirst()
        }
        lines.append((event, kept))
    }

    func write(_ json: inout JSONWriter) {
        json.array("lines") { json in for line in lines { json.verbatim(line.json) } }
    }
}

/// The last transitions of the breaker, oldest first.
///
/// Probes that fail one after another are told once, as the last of them and how many there were: an outage of hours
/// doesn't push out how it began.
struct RecentTransitions: Sendable {
    static let countMax = 100

    struct Transition: Sendable {
        /// Wall-clock milliseconds.
        let at: Int64
        let side: String
        let from: String
        let to: String
        let cause: String
        /// How many such probes in a row failed.
        var times = 1
    }

    private(set) var transitions: [Transition] = []
    /// Changes whenever one is added.
    private(set) var version = 0

    mutating func note(_ transition: Transition) {
        version += 1
        var transition = transition
        let own = transitions.indices.filter { transitions[$0].side == transition.side }.suffix(2)
        if transition.isFailedProbe, own.count == 2, let before = own.first, let probe = own.last,
            transitions[before].isFailedProbe
        {
            transition.times = transitions[before].times + 1
            transitions.remove(at: probe)
            transitions.remove(at: before)
        }
        if transitions.count >= Self.countMax { transitions.removeFirst() }
        transitions.append(transition)
    }

    func write(_ json: inout JSONWriter) {
        json.array("transitions") { json in
            for transition in transitions {
                json.object {
                    $0.member("at", transition.at)
                    $0.member("side", transition.side)
                    $0.member("from", transition.from)
                    $0.member("to", transition.to)
                    $0.member("cause", transition.cause)
                    $0.member("times", transition.times)
                }
            }
        }
    }
}

extension RecentTransitions.Transition {
    fileprivate var isFailedProbe: Bool {
        from == BreakerState.halfOpen.rawValue && to == BreakerState.open.rawValue
    }
}
