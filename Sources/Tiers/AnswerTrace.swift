// Which way an answer took through the tiers, and how long each step of it was: what the slow log tells.
//
// DESIGN. Nothing is measured that is not measured anyway for the latencies of the tiers. Whoever asks hands itself
// over as a trace, in `Tiers.trace`, while it asks; what goes on without it takes the trace along, tells it of each
// step, and puts it back for what follows. A flight passes on what it is told to everybody who waits for it. A hit in
// local memory never comes here, and where nobody traces all of this is a nil that is looked at.

/// A step of an answer's way.
public struct AnswerStep: Sendable, Equatable {
    /// Whoever was asked, or made to do something.
    public enum Tier: String, Sendable, CaseIterable {
        case redis, warm, journal
        /// Redis had it; its replicas were waited for.
        case replicas
    }

    public let tier: Tier
    public let nanoseconds: Int64
    /// Whether it answered; "no such key" is an answer.
    public let isAnswered: Bool

    public init(_ tier: Tier, nanoseconds: Int64, isAnswered: Bool) {
        self.tier = tier
        self.nanoseconds = max(0, nanoseconds)
        self.isAnswered = isAnswered
    }
}

/// Whoever hears of the steps of an answer, in their order, on the worker's thread, before it is given.
public protocol AnswerTrace: AnyObject {
    func note(_ step: AnswerStep)
}

extension Tiers {
    /// Runs what goes on for an answer that was asked for with `trace`.
    func resuming<Result>(_ trace: (any AnswerTrace)?, _ body: () -> Result) -> Result {
        let other = self.trace
        self.trace = trace
        defer { self.trace = other }
        return body()
    }

    /// Asks for an answer whose steps `trace` is to hear of.
    public func traced(_ trace: (any AnswerTrace)?, _ body: () -> Void) { resuming(trace, body) }
}

extension Flight: AnswerTrace {
    /// Tells everybody who waits.
    func note(_ step: AnswerStep) {
        waiters.each { $0.trace?.note(step) }
        for waiter in impatientWaiters { waiter.trace?.note(step) }
    }
}

extension Result {
    /// Whether there was an answer.
    var isSuccess: Bool {
        if case .success = self { true } else { false }
    }
}
