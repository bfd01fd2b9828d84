// One side of the breaker: closed, open, half-open, and what moves it from one to the next.
//
//                 failures, rates                 open time over
//      ┌────────┐ ───────────────► ┌──────┐ ───────────────► ┌───────────┐
//      │ closed │                  │ open │                  │ half-open │
//      └────────┘                  └──────┘ ◄─────────────── └───────────┘
//           ▲                              a probe fails,          │
//           │                              is slow or times out    │
//           └──────────────────────────────────────────────────────┘
//                             all probes succeed
//
// Every arrow starts a new generation; results of an earlier one are ignored (as in sony/gobreaker).

/// The state machine of one side; `Breaker` feeds it what concerns it.
struct BreakerSide: Sendable {
    enum Phase: Sendable, Hashable {
        case closed
        case open(until: MonotonicTime)
        /// Probes handed out, how many have succeeded, and when the patience with those under way ends.
        case halfOpen(issued: Int, succeeded: Int, deadline: MonotonicTime)
    }

    let operation: Operation
    let configuration: BreakerConfiguration
    private(set) var phase = Phase.closed
    private(set) var generation: UInt32 = 0
    private(set) var consecutiveFailures = 0
    private var window: CallWindow
    private var backoff: FullJitterBackoff
    private var closedAt: MonotonicTime?

    init(_ operation: Operation, _ configuration: BreakerConfiguration) {
        self.operation = operation
        self.configuration = configuration
        window = CallWindow(configuration.window)
        backoff = FullJitterBackoff(first: configuration.open, max: configuration.openMax)
    }

    var state: BreakerState {
        switch phase {
        case .closed: .closed
        case .open: .open
        case .halfOpen: .halfOpen
        }
    }

    /// When the owner should ask for probes next, or look for one that was not answered; nil while closed.
    var attentionAt: MonotonicTime? {
        switch phase {
        case .closed: nil
        case .open(let until): until
        case .halfOpen(let issued, _, let deadline):
            issued < configuration.probes ? MonotonicTime(nanoseconds: 0) : deadline
        }
    }

    mutating func counts(_ now: MonotonicTime) -> CallCounts { window.counts(now) }

    // MARK: Results of requests, while closed

    /// Counts a result of this generation; returns why the side should open, if it should.
    mutating func record(failed: Bool, slow: Bool, now: MonotonicTime) -> TransitionCause? {
        assert(phase == .closed, "BUG: a request's result in \(phase)")
        window.record(failed: failed, slow: slow, now: now)
        consecutiveFailures = failed ? consecutiveFailures + 1 : 0
        if consecutiveFailures >= configuration.consecutiveFailures { return .consecutiveFailures(consecutiveFailures) }
        let counts = window.counts(now)
        guard counts.calls >= configuration.minCalls else { return nil }
        let calls = Double(counts.calls)
        if Double(counts.failures) >= configuration.failureRate * calls { return .failureRate(counts) }
        if Double(counts.slow) >= configuration.slowRate * calls { return .slowRate(counts) }
        return nil
    }

    // MARK: Transitions

    /// Opens it. The open time grows while openings come within a window of the last closing, else it starts anew.
    mutating func open(
        _ cause: TransitionCause, now: MonotonicTime, random: inout SplitMix64
    ) -> BreakerTransition {
        if let closedAt, now >= closedAt.advanced(by: configuration.window) { backoff.reset() }
        let until = now.advanced(by: backoff.next(using: &random))
        return move(to: .open(until: until), cause, now)
    }

    mutating func close(_ cause: TransitionCause, now: MonotonicTime) -> BreakerTransition {
        closedAt = now
        window.reset()
        consecutiveFailures = 0
        return move(to: .closed, cause, now)
    }

    /// Opens it with the open time over: probes are due at once.
    mutating func openForProbes(_ cause: TransitionCause, now: MonotonicTime) -> BreakerTransition {
        move(to: .open(until: now), cause, now)
    }

    private mutating func move(to next: Phase, _ cause: TransitionCause, _ now: MonotonicTime) -> BreakerTransition {
        let from = state
        phase = next
        generation &+= 1
        return BreakerTransition(side: operation, from: from, to: state, cause: cause, at: now)
    }

    // MARK: Probes

    /// Moves on with time: half-open once the open time is over, open again when a probe was not answered.
    mutating func onTime(_ now: MonotonicTime, random: inout SplitMix64) -> BreakerTransition? {
        switch phase {
        case .closed: return nil
        case .open(let until):
            guard now >= until else { return nil }
            let deadline = now.advanced(by: configuration.open)
            return move(to: .halfOpen(issued: 0, succeeded: 0, deadline: deadline), .probing, now)
        case .halfOpen(let issued, let succeeded, let deadline):
            guard issued > succeeded, now >= deadline else { return nil }
            return open(.probeTimedOut, now: now, random: &random)
        }
    }

    /// Takes one of the permits of the half-open state; nil when all are given out or it is not half-open.
    mutating func takeProbe(_ now: MonotonicTime) -> MonotonicTime? {
        guard case .halfOpen(let issued, let succeeded, _) = phase, issued < configuration.probes else { return nil }
        let deadline = now.advanced(by: configuration.open)
        phase = .halfOpen(issued: issued + 1, succeeded: succeeded, deadline: deadline)
        return deadline
    }

    /// Counts a probe's result of this generation.
    mutating func onProbe(
        _ outcome: Outcome, slow: Bool, now: MonotonicTime, random: inout SplitMix64
    ) -> BreakerTransition? {
        guard case .halfOpen(let issued, let succeeded, let deadline) = phase else {
            preconditionFailure("BUG: a probe's result in \(phase), of the same generation")
        }
        assert(succeeded < issued, "BUG: a probe's result was reported twice")
        guard succeeded < issued else { return nil }
        let passed = outcome == .success || (operation == .read && outcome == .writeFailure)
        guard passed else { return open(.probeFailed(outcome), now: now, random: &random) }
        guard !slow else { return open(.probeSlow, now: now, random: &random) }
        guard succeeded + 1 < configuration.probes else { return close(.probesSucceeded, now: now) }
        phase = .halfOpen(issued: issued, succeeded: succeeded + 1, deadline: deadline)
        return nil
    }
}
