// Every transition of the breaker, by a virtual clock.

import Resilience
import TestSupport
import Testing

@Suite struct BreakerTests {
    let bench = BreakerBench()

    // MARK: Opening

    @Test func `a quiet sidecar opens on consecutive failures, long before its window is full`() {
        bench.call(4, .read, .failure)
        #expect(bench.state(.read) == .closed)
        bench.call(.read, .failure)
        #expect(bench.state(.read) == .open)
        #expect(bench.transitions.first?.cause == .consecutiveFailures(5))
        #expect(bench.transitions.first?.from == .closed)
        #expect(bench.transitions.first?.to == .open)
    }

    @Test func `a success between failures starts the count of consecutive ones again`() {
        for _ in 0..<4 {
            bench.call(4, .read, .failure)
            bench.call(.read, .success)
            bench.wait(.seconds(11))
        }
        #expect(bench.state(.read) == .closed)
    }

    @Test func `half of twenty calls failing opens it, half of nineteen does not`() {
        for _ in 0..<9 {
            bench.call(.read, .failure)
            bench.call(.read, .success)
        }
        bench.call(.read, .failure)
        #expect(bench.state(.read) == .closed, "19 calls")
        bench.call(.read, .success)
        #expect(bench.state(.read) == .open)
        var counts = CallCounts()
        (counts.calls, counts.failures) = (20, 10)
        #expect(bench.transitions.first?.cause == .failureRate(counts))
    }

    @Test func `failures that have left the window do not open it`() {
        for _ in 0..<9 {
            bench.call(.read, .failure)
            bench.call(.read, .success)
        }
        bench.wait(.seconds(10))
        bench.call(20, .read, .success)
        bench.call(4, .read, .failure)
        #expect(bench.state(.read) == .closed)
    }

    @Test func `slow successes open it by their share`() {
        bench.call(4, .read, .success, after: .milliseconds(1))
        bench.call(15, .read, .success, after: .milliseconds(50))
        #expect(bench.state(.read) == .closed)
        bench.call(.read, .success, after: .milliseconds(50))
        #expect(bench.state(.read) == .open)
        guard case .slowRate(let counts)? = bench.transitions.first?.cause else {
            Issue.record("opened for \(String(describing: bench.transitions.first?.cause))")
            return
        }
        #expect(counts.slow == 16)
        #expect(counts.calls == 20)
    }

    @Test func `what is not judged by its speed never counts as slow`() {
        bench.call(100, .read, .success, after: nil)
        #expect(bench.state(.read) == .closed)
    }

    @Test func `one refusal of our credentials opens both sides at once`() {
        bench.call(.read, .refused)
        #expect(bench.state(.read) == .open)
        #expect(bench.state(.write) == .open)
        #expect(bench.transitions.map(\.cause) == [.refused, .openedWithReads])
    }

    @Test func `a denied key among successes leaves it closed, nothing but denials opens its own side`() {
        for _ in 0..<100 {
            bench.call(2, .write, .denied)
            bench.call(4, .write, .success)
        }
        #expect(bench.state(.write) == .closed)
        bench.call(5, .write, .denied)
        #expect(bench.state(.write) == .open)
        #expect(bench.state(.read) == .closed)
    }

    // MARK: Two sides

    @Test(arguments: [Outcome.writeFailure, .failure])
    func `failing writes among succeeding reads open the write side alone`(_ outcome: Outcome) {
        for _ in 0..<5 {
            bench.call(3, .read, .success)
            bench.call(.write, outcome)
        }
        #expect(bench.state(.write) == .open)
        #expect(bench.state(.read) == .closed)
        #expect(bench.permit(.write) == nil)
        #expect(bench.call(.read, .success))
    }

    @Test func `failing reads take the write side with them`() {
        bench.openBySilence()
        #expect(bench.state(.read) == .open)
        #expect(bench.state(.write) == .open)
        #expect(bench.transitions.map(\.side) == [.read, .write])
        #expect(bench.permit(.write) == nil)
    }

    @Test func `failing writes alone, with no reads between, are failures of the connection for both`() {
        bench.call(5, .write, .failure)
        #expect(bench.state(.read) == .open)
        #expect(bench.state(.write) == .open)
    }

    @Test func `failing reads do not count in the write side's window while the read side is closed`() {
        for _ in 0..<200 {
            bench.call(2, .read, .failure)
            bench.call(8, .read, .success)
            bench.wait(.milliseconds(20))
        }
        #expect(bench.state(.write) == .closed)
        #expect(bench.breaker.counts(of: .write, now: bench.now).calls == 0)
    }

    @Test func `a script sent as a read that Redis refuses as a write counts against writes`() {
        bench.call(5, .read, .writeFailure)
        #expect(bench.state(.write) == .open)
        #expect(bench.state(.read) == .closed)
    }

    @Test func `each side closes by its own probes`() {
        bench.openBySilence()
        bench.wait(.seconds(1))
        bench.answerProbes { $0 == .read ? .success : .writeFailure }
        #expect(bench.state(.read) == .closed)
        #expect(bench.state(.write) == .open)
        bench.waitForAttention()
        bench.answerProbes { _ in .success }
        #expect(bench.state(.write) == .closed)
    }

    // MARK: Half-open

    @Test func `no user's request is admitted before the probes have succeeded`() {
        bench.openBySilence()
        #expect(bench.probe() == nil, "not before the open time is over")
        bench.wait(.seconds(1))
        #expect(bench.permit(.read) == nil)
        let first = bench.probe()!
        #expect(first.permit.isProbe)
        #expect(bench.state(.read) == .halfOpen)
        #expect(bench.permit(.read) == nil)
        bench.report(first.permit, .success)
        #expect(bench.permit(.read) == nil)
        bench.answerProbes { _ in .success }
        #expect(bench.state(.read) == .closed)
        #expect(bench.permit(.read) != nil)
    }

    @Test func `at most the configured number of probes is under way on each side`() {
        bench.openBySilence()
        bench.wait(.seconds(1))
        var issued: [Operation] = []
        while let probe = bench.probe() { issued.append(probe.operation) }
        #expect(issued == [.read, .read, .read, .write, .write, .write])
    }

    @Test func `one failed probe opens it again, and those still under way no longer count`() {
        bench.openBySilence()
        bench.wait(.seconds(1))
        let probes = (0..<3).map { _ in bench.probe()! }
        bench.report(probes[0].permit, .success)
        bench.report(probes[1].permit, .failure)
        #expect(bench.state(.read) == .open)
        #expect(bench.transitions.last?.cause == .probeFailed(.failure))
        bench.report(probes[2].permit, .success)
        #expect(bench.state(.read) == .open)
    }

    @Test func `a slow probe is a failed one`() {
        bench.openBySilence()
        bench.wait(.seconds(1))
        let probe = bench.probe()!
        bench.report(probe.permit, .success, after: .milliseconds(50))
        #expect(bench.state(.read) == .open)
        #expect(bench.transitions.last?.cause == .probeSlow)
    }

    @Test func `a probe that never returns times out, and its late answer is ignored`() {
        bench.openBySilence()
        bench.wait(.seconds(1))
        let probe = bench.probe()!
        while bench.probe() != nil {}
        bench.wait(.seconds(1))
        #expect(bench.now >= probe.deadline)
        #expect(bench.probe() == nil)
        #expect(bench.state(.read) == .open)
        #expect(bench.transitions.contains { $0.cause == .probeTimedOut && $0.side == .read })
        bench.report(probe.permit, .success)
        #expect(bench.state(.read) == .open)
    }

    @Test func `a PING that is refused for what concerns writes passes as a probe of reads`() {
        bench.openBySilence()
        bench.wait(.seconds(1))
        bench.answerProbes { _ in .writeFailure }
        #expect(bench.state(.read) == .closed)
        #expect(bench.state(.write) == .open)
    }

    @Test func `the open time grows with each opening to its maximum, and never beyond`() {
        let configuration = try! BreakerConfiguration(open: .seconds(1), openMax: .seconds(8))
        var longest: [Duration] = Array(repeating: .zero, count: 6)
        for seed in UInt64(1)...200 {
            let bench = BreakerBench(configuration, seed: seed)
            bench.openBySilence()
            for round in 0..<6 {
                guard case .refused(_, let retryAt) = bench.breaker.beforeRequest(.read, now: bench.now) else { return }
                longest[round] = max(longest[round], retryAt.duration(since: bench.now))
                bench.waitForAttention()
                bench.wait(.seconds(8))
                bench.answerProbes { _ in .failure }
            }
        }
        for (round, ceiling) in [1, 2, 4, 8, 8, 8].enumerated() {
            #expect(longest[round] <= .seconds(ceiling))
            #expect(longest[round] > .seconds(ceiling) * 0.9, "200 seeds come near the ceiling of round \(round)")
        }
    }

    @Test func `after a window in peace the open time starts anew`() {
        let bench = BreakerBench(try! BreakerConfiguration(openMax: .seconds(30)))
        for _ in 0..<20 {
            bench.openBySilence()
            #expect(bench.breaker.attentionAt!.duration(since: bench.now) <= .seconds(1))
            bench.wait(.seconds(1))
            bench.answerProbes { _ in .success }
            #expect(bench.state(.read) == .closed)
            bench.wait(.seconds(10))
        }
    }

    @Test func `the same seed opens for the same time`() {
        let other = BreakerBench()
        bench.openBySilence()
        other.openBySilence()
        #expect(bench.breaker.attentionAt == other.breaker.attentionAt)
    }

    // MARK: Generations

    @Test func `results from before it opened do not count after it has closed`() {
        let early = (0..<10).map { _ in bench.permit(.read)! }
        bench.openBySilence()
        bench.wait(.seconds(1))
        bench.answerProbes { _ in .success }
        for permit in early { bench.report(permit, .failure) }
        #expect(bench.state(.read) == .closed)
        #expect(bench.breaker.counts(of: .read, now: bench.now).calls == 0)
    }

    @Test func `what failed before it opened is forgotten when it closes`() {
        bench.openBySilence()
        bench.wait(.seconds(1))
        bench.answerProbes { _ in .success }
        bench.call(4, .read, .failure)
        #expect(bench.state(.read) == .closed)
    }

    // MARK: Force

    @Test func `forced open refuses everything and asks for no probes`() {
        #expect(Array(bench.breaker.force(.forcedOpen, now: bench.now)).map(\.to) == [.forcedOpen, .forcedOpen])
        #expect(bench.permit(.read) == nil)
        #expect(bench.breaker.attentionAt == nil)
        bench.wait(.seconds(100))
        #expect(bench.probe() == nil)
        #expect(bench.breaker.beforeRequest(.write, now: bench.now) == .refused(.forcedOpen, retryAt: .never))
    }

    @Test func `from forced open it comes back by probes, at once`() {
        _ = bench.breaker.force(.forcedOpen, now: bench.now)
        let transitions = Array(bench.breaker.force(.automatic, now: bench.now))
        #expect(transitions.map(\.from) == [.forcedOpen, .forcedOpen])
        #expect(transitions.map(\.to) == [.open, .open])
        #expect(bench.permit(.read) == nil)
        #expect(bench.answerProbes { _ in .success } == 6)
        #expect(bench.state(.read) == .closed)
    }

    @Test func `forced closed admits everything, whatever fails, and judges anew afterwards`() {
        bench.openBySilence()
        _ = bench.breaker.force(.forcedClosed, now: bench.now)
        bench.call(100, .read, .failure)
        #expect(bench.state(.read) == .forcedClosed)
        let permit = bench.permit(.read)!
        _ = bench.breaker.force(.automatic, now: bench.now)
        #expect(bench.state(.read) == .closed)
        for _ in 0..<10 { bench.report(permit, .failure) }
        #expect(bench.state(.read) == .closed, "what was sent under force does not count")
        bench.call(4, .read, .failure)
        #expect(bench.state(.read) == .closed)
        bench.call(.read, .failure)
        #expect(bench.state(.read) == .open)
    }

    @Test func `forcing what is already so changes nothing`() {
        #expect(bench.breaker.force(.automatic, now: bench.now).isEmpty)
    }
}
