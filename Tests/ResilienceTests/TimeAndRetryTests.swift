// Backoff, retry budget, deadlines and the limits of a breaker's configuration.

import Resilience
import TestSupport
import Testing

@Suite struct TimeAndRetryTests {
    @Test func `a backoff stays between its floor and a ceiling that doubles to the maximum`() {
        var random = SeededGenerator()
        for _ in 0..<200 {
            var backoff = FullJitterBackoff(first: .milliseconds(100), max: .seconds(3))
            for ceiling in [100, 200, 400, 800, 1600, 3000, 3000, 3000] {
                #expect(backoff.ceiling == .milliseconds(ceiling))
                let wait = backoff.next(using: &random)
                #expect(wait >= .milliseconds(10), "\(random.replay)")
                #expect(wait <= .milliseconds(ceiling), "\(random.replay)")
            }
            backoff.reset()
            #expect(backoff.ceiling == .milliseconds(100))
        }
    }

    @Test func `a backoff of a thousand attempts does not overflow`() {
        var random = SeededGenerator(seed: 1)
        var backoff = FullJitterBackoff(first: .nanoseconds(1), max: .seconds(3600))
        for _ in 0..<1000 {
            let wait = backoff.next(using: &random)
            #expect(wait <= .seconds(3600))
        }
        #expect(backoff.ceiling == .seconds(3600))
    }

    @Test func `full jitter spreads waits over the whole range`() {
        var random = SplitMix64(seed: 7)
        var tenths = [Int](repeating: 0, count: 10)
        for _ in 0..<10_000 {
            var backoff = FullJitterBackoff(first: .seconds(1), max: .seconds(1))
            let share = backoff.next(using: &random) / Duration.seconds(1)
            tenths[min(9, Int(share * 10))] += 1
        }
        #expect(tenths[0] == 0, "a tenth is the floor")
        for tenth in tenths.dropFirst() { #expect(tenth > 900 && tenth < 1300) }
    }

    @Test func `retries are a share of traffic and no more`() {
        var budget = RetryBudget(share: 0.1, reservePerSecond: 0, tokensMax: 1000)
        let now = MonotonicTime(nanoseconds: 0)
        var retries = 0
        for _ in 0..<1000 {
            budget.onRequest()
            if budget.takeRetry(now: now) { retries += 1 }
        }
        #expect(retries == 99 || retries == 100)
    }

    private func take(_ budget: inout RetryBudget, at nanoseconds: Int64) -> Bool {
        budget.takeRetry(now: MonotonicTime(nanoseconds: nanoseconds))
    }

    @Test func `a quiet sidecar has its reserve, and an old calm does not pay for a new storm`() {
        var budget = RetryBudget(share: 0.1, reservePerSecond: 1, tokensMax: 5)
        #expect(take(&budget, at: 0))
        #expect(!take(&budget, at: 999_999_999))
        #expect(take(&budget, at: 1_000_000_001))
        for _ in 0..<10_000 { budget.onRequest() }
        var taken = 0
        while budget.takeRetry(now: MonotonicTime(nanoseconds: 3_600_000_000_000)) { taken += 1 }
        #expect(taken == 5)
    }

    @Test func `a deadline is over at its moment, and what remains is never negative`() {
        let deadline = Deadline(after: .milliseconds(100), from: MonotonicTime(nanoseconds: 5))
        #expect(!deadline.isOver(MonotonicTime(nanoseconds: 100_000_004)))
        #expect(deadline.isOver(MonotonicTime(nanoseconds: 100_000_005)))
        #expect(deadline.remaining(MonotonicTime(nanoseconds: 100_000_004)) == .nanoseconds(1))
        #expect(deadline.remaining(MonotonicTime(nanoseconds: 200_000_000)) == .zero)
        #expect(!Deadline.none.isOver(MonotonicTime(nanoseconds: .max - 1)))
    }

    @Test func `monotonic time saturates instead of overflowing`() {
        let late = MonotonicTime(nanoseconds: .max - 1)
        #expect(late.advanced(by: .seconds(1)) == .never)
        #expect(late.advanced(by: .seconds(Int64.max)) == .never)
        #expect(late.duration(since: MonotonicTime(nanoseconds: -10)) == .nanoseconds(Int64.max))
    }

    @Test func `thresholds out of range are refused by name`() {
        func key(_ make: () throws -> BreakerConfiguration) -> String? {
            do {
                _ = try make()
                return nil
            } catch {
                return (error as? BreakerConfigurationError)?.key
            }
        }
        #expect(key { try BreakerConfiguration() } == nil)
        #expect(key { try BreakerConfiguration(window: .zero) } == "window")
        #expect(key { try BreakerConfiguration(minCalls: 0) } == "min_calls")
        #expect(key { try BreakerConfiguration(failureRate: 0) } == "failure_rate")
        #expect(key { try BreakerConfiguration(failureRate: 1.01) } == "failure_rate")
        #expect(key { try BreakerConfiguration(failureRate: .nan) } == "failure_rate")
        #expect(key { try BreakerConfiguration(consecutiveFailures: 0) } == "consecutive_failures")
        #expect(key { try BreakerConfiguration(slowCall: .zero) } == "slow_call")
        #expect(key { try BreakerConfiguration(slowRate: -1) } == "slow_rate")
        #expect(key { try BreakerConfiguration(open: .zero) } == "open")
        #expect(key { try BreakerConfiguration(open: .seconds(2), openMax: .seconds(1)) } == "open_max")
        #expect(key { try BreakerConfiguration(probes: 0) } == "probes")
    }
}
