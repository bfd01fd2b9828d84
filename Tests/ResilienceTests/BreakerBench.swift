// A breaker on a virtual clock, as the tests drive it.

import Resilience
import TestSupport

/// A breaker with its clock and the transitions that it has made.
final class BreakerBench {
    var breaker: Breaker
    var clock = VirtualClock()
    var transitions: [BreakerTransition] = []

    init(_ configuration: BreakerConfiguration = try! BreakerConfiguration(), seed: UInt64 = 1) {
        breaker = Breaker(configuration, seed: seed)
    }

    var now: MonotonicTime { MonotonicTime(nanoseconds: clock.nanoseconds) }

    func state(_ operation: Operation) -> BreakerState { breaker.state(of: operation) }

    func permit(_ operation: Operation) -> Permit? {
        guard case .admitted(let permit) = breaker.beforeRequest(operation, now: now) else { return nil }
        return permit
    }

    func report(_ permit: Permit, _ outcome: Outcome, after duration: Duration? = .milliseconds(1)) {
        transitions += breaker.onResult(permit, outcome, duration: duration, now: now)
    }

    /// Asks and reports at once; false when refused.
    @discardableResult
    func call(_ operation: Operation, _ outcome: Outcome, after duration: Duration? = .milliseconds(1)) -> Bool {
        guard let permit = permit(operation) else { return false }
        report(permit, outcome, after: duration)
        return true
    }

    func call(_ count: Int, _ operation: Operation, _ outcome: Outcome, after: Duration? = .milliseconds(1)) {
        for _ in 0..<count { call(operation, outcome, after: after) }
    }

    func probe() -> ProbeRequest? {
        let (probe, transitions) = breaker.probeDue(now)
        self.transitions += transitions
        return probe
    }

    /// Makes the probes that are due, answering each as told; returns how many there were.
    @discardableResult
    func answerProbes(after: Duration = .milliseconds(1), _ answer: (Operation) -> Outcome) -> Int {
        var count = 0
        while let probe = probe() {
            count += 1
            report(probe.permit, answer(probe.operation), after: after)
        }
        return count
    }

    func wait(_ duration: Duration) { clock.advance(by: duration) }

    /// Waits until the breaker wants attention, if it does.
    func waitForAttention() {
        guard let at = breaker.attentionAt, at > now else { return }
        clock.advance(by: at.duration(since: now))
    }

    /// Opens both sides by failures of the connection.
    func openBySilence() {
        call(breaker.configuration.consecutiveFailures, .read, .failure)
    }
}
