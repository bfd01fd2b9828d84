// What holds of the breaker for any sequence of events, and from several threads.

import Synchronization
import TestSupport
import Testing

@testable import Resilience

@Suite struct BreakerPropertyTests {
    @Test func `the window counts what a list of calls counts`() {
        var random = SeededGenerator()
        for _ in 0..<50 {
            let window = Duration.milliseconds(Int.random(in: 100...20_000, using: &random))
            let bucket = window.wholeNanoseconds / 10
            var subject = CallWindow(window)
            var calls: [(at: Int64, failed: Bool, slow: Bool)] = []
            var now: Int64 = 0
            for _ in 0..<500 {
                now += Int64.random(in: 0...(random.oneIn(30) ? bucket * 15 : bucket / 2), using: &random)
                let (failed, slow) = (random.oneIn(3), random.oneIn(4))
                subject.record(failed: failed, slow: slow, now: MonotonicTime(nanoseconds: now))
                calls.append((now, failed, slow))
                let counts = subject.counts(MonotonicTime(nanoseconds: now))
                let held = calls.filter { $0.at / bucket > now / bucket - 10 }
                #expect(counts.calls == held.count, "\(random.replay)")
                #expect(counts.failures == held.count { $0.failed }, "\(random.replay)")
                #expect(counts.slow == held.count { $0.slow }, "\(random.replay)")
                let surelyWithin = calls.count { $0.at > now - bucket * 9 }
                let possiblyWithin = calls.count { $0.at > now - bucket * 10 }
                #expect(counts.calls >= surelyWithin && counts.calls <= possiblyWithin, "\(random.replay)")
            }
        }
    }

    @Test func `whatever happened, a healthy Redis closes it`() {
        var random = SeededGenerator()
        let outcomes: [Outcome] = [.success, .failure, .writeFailure, .refused, .denied]
        for _ in 0..<300 {
            let bench = BreakerBench(seed: random.next())
            var pending: [Permit] = []
            for _ in 0..<300 { step(bench, &pending, outcomes, &random) }
            bench.transitions += bench.breaker.force(.automatic, now: bench.now)
            var rounds = 0
            while bench.state(.read) != .closed || bench.state(.write) != .closed, rounds < 50 {
                bench.waitForAttention()
                bench.answerProbes { _ in .success }
                rounds += 1
            }
            #expect(bench.state(.read) == .closed, "\(random.replay)")
            #expect(bench.state(.write) == .closed, "\(random.replay)")
            #expect(bench.call(.read, .success), "\(random.replay)")
            #expect(bench.call(.write, .success), "\(random.replay)")
            expectChain(bench.transitions, random.replay)
        }
    }

    private func step(
        _ bench: BreakerBench, _ pending: inout [Permit], _ outcomes: [Outcome], _ random: inout SeededGenerator
    ) {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<45:
            let operation = random.oneIn(2) ? Operation.read : .write
            if let permit = bench.permit(operation) { pending.append(permit) }
        case 45..<75:
            guard let index = pending.indices.randomElement(using: &random) else { return }
            let slow = random.oneIn(3) ? Duration.milliseconds(80) : .milliseconds(1)
            bench.report(pending.remove(at: index), outcomes.randomElement(using: &random)!, after: slow)
        case 75..<88: if let probe = bench.probe() { pending.append(probe.permit) }
        case 88..<98: bench.wait(.milliseconds(Int.random(in: 0...3000, using: &random)))
        default:
            bench.transitions += bench.breaker.force(
                BreakerMode.allCases.randomElement(using: &random)!, now: bench.now)
        }
    }

    /// Each transition begins where the last one of that side ended.
    private func expectChain(_ transitions: [BreakerTransition], _ replay: String) {
        for side in Operation.allCases {
            let own = transitions.filter { $0.side == side }
            for (before, after) in zip(own, own.dropFirst()) {
                #expect(before.to == after.from, "\(replay)")
                #expect(before.at <= after.at, "\(replay)")
            }
        }
    }

    @Test func `many threads share it behind a lock: probes stay within their number, and it ends closed`() async {
        let shared = SharedBreaker()
        await withTaskGroup { group in
            for worker in UInt64(0)..<4 {
                group.addTask { shared.work(seed: worker) }
            }
        }
        #expect(shared.probesUnderWayMax.load(ordering: .relaxed) <= 6)
        var breaker = shared.breaker.withLock { $0 }
        var now = MonotonicTime(nanoseconds: shared.clock.load(ordering: .relaxed))
        for _ in 0..<50 where breaker.state(of: .read) != .closed || breaker.state(of: .write) != .closed {
            now = max(now, breaker.attentionAt ?? now)
            while let probe = breaker.probeDue(now).probe {
                _ = breaker.onSuccess(probe.permit, duration: .zero, now: now)
            }
        }
        #expect(breaker.state(of: .read) == .closed)
        #expect(breaker.state(of: .write) == .closed)
    }
}

/// A breaker as its owner shares it: behind a lock.
private final class SharedBreaker: Sendable {
    let breaker = Mutex(Breaker(try! BreakerConfiguration(), seed: 3))
    let clock = Atomic<Int64>(0)
    let probesUnderWay = Atomic<Int>(0)
    let probesUnderWayMax = Atomic<Int>(0)

    func work(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<5000 {
            let step = Int64.random(in: 0...2_000_000, using: &random)
            let now = MonotonicTime(nanoseconds: clock.wrappingAdd(step, ordering: .relaxed).newValue)
            let operation = random.oneIn(2) ? Operation.read : .write
            if case .admitted(let permit) = breaker.withLock({ $0.beforeRequest(operation, now: now) }) {
                let outcome: Outcome = random.oneIn(3) ? .success : .failure
                _ = breaker.withLock { $0.onResult(permit, outcome, duration: .zero, now: now) }
            }
            guard let probe = breaker.withLock({ $0.probeDue(now).probe }) else { continue }
            let underWay = probesUnderWay.wrappingAdd(1, ordering: .relaxed).newValue
            _ = probesUnderWayMax.max(underWay, ordering: .relaxed)
            probesUnderWay.wrappingSubtract(1, ordering: .relaxed)
            _ = breaker.withLock { $0.onResult(probe.permit, .success, duration: .zero, now: now) }
        }
    }
}
