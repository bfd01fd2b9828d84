// THROTTLE: judged by Redis where that is the authority, in an outage as the policy says, else here.

public import Primitives
internal import RedisTier
internal import Resilience
public import State

/// What a policy says of its rate limits.
public struct ThrottlePolicy: Sendable, Equatable {
    /// What is answered while Redis can't judge.
    public enum OnOutage: String, Sendable, CaseIterable {
        /// By a bucket of this process's own, of a share of the limit.
        case share
        /// Everything is limited.
        case deny
        /// Everything passes.
        case allow
    }

    public var onOutage = OnOutage.share
    /// The part of each limit that this process gives out in an outage, above 0 and at most 1.
    public var share = 0.25

    public init() {}
}

extension Tiers {
    /// Judges a request by its limit. Nothing of it is journaled: a limit that is late is none.
    public func throttle(_ throttle: Throttle, _ key: [UInt8], completion: @escaping (Reply) -> Void) {
        let policy = policies.policy(for: key)
        if policies.hasViolations, let denial = policy.denial {
            share.residency.refused.add()
            return completion(denial)
        }
        guard authority(policy) == .redis else {
            let command = NativeCommand(.write(.throttle(throttle), key: key), arguments: [])
            return perform([command], isTransaction: false) { [counters] replies in
                if let verdict = ThrottleVerdict(replies[0]) { counters.count(verdict, .here) }
                completion(replies[0])
            }
        }
        // A write of this very key that waits for Redis: the limit is judged when it is there.
        whenFree([key], changing: [key]) { [self] refusal in
            guard refusal == nil else { return throttleWithoutRedis(throttle, key, policy, completion) }
            throttleInRedis(throttle, key, policy, byDigest: true, completion)
        }
    }

    private func throttleInRedis(
        _ throttle: Throttle, _ key: [UInt8], _ policy: Policy, byDigest: Bool, _ completion: @escaping (Reply) -> Void
    ) {
        let now = scheduler.monotonicNanoseconds
        guard let redis, let permit = breaker.admit(.write, now: now) else {
            return throttleWithoutRedis(throttle, key, policy, completion)
        }
        // The key is a plain string to every other command: what is held here of it is forgotten.
        let writes = beginPassedWrites([key], areAll: false)
        counters.writes.add()
        var request = RequestEncoder()
        request.append(ThrottleScript.words(throttle, key, byDigest: byDigest))
        let trace = trace
        redis.send(request, timeoutNanoseconds: limits.timeout) { [self] result in
            defer { writes.end() }
            let ended = scheduler.monotonicNanoseconds
            trace?.note(AnswerStep(.redis, nanoseconds: ended - now, isAnswered: result.isSuccess))
            let elapsed = scheduler.waitedNanoseconds(since: now)
            switch result {
            case .failure(let failure):
                breaker.failed(permit, failure, now: ended, elapsed: elapsed)
                counters.writesFailed.add()
                share.doubtful.note(failure, now: ended)
                if failure.mayHaveBeenSent { writes.suspect() }
                throttleWithoutRedis(throttle, key, policy, completion)
            case .success(let replies):
                counters.redisLatency.record(UInt64(max(0, ended - now)))
                guard case .error(let text) = replies[0] else {
                    breaker.succeeded(permit, now: ended, elapsed: elapsed)
                    writes.settle()
                    if let verdict = ThrottleVerdict(replies[0]) { counters.count(verdict, .redis) }
                    return completion(replies[0])
                }
                if byDigest, text.starts(with: "NOSCRIPT".utf8) {
                    breaker.succeeded(permit, now: ended, elapsed: elapsed)
                    return throttleInRedis(throttle, key, policy, byDigest: false, completion)
                }
                writes.settle()
                if breaker.judge(permit, error: text, now: ended, elapsed: elapsed) { return completion(replies[0]) }
                counters.writesFailed.add()
                throttleWithoutRedis(throttle, key, policy, completion)
            }
        }
    }

    /// Redis can't judge: the policy says who does.
    private func throttleWithoutRedis(
        _ throttle: Throttle, _ key: [UInt8], _ policy: Policy, _ completion: (Reply) -> Void
    ) {
        let verdict: ThrottleVerdict
        switch policy.throttle.onOutage {
        case .share:
            verdict = share.throttleShares.judge(
                throttle, key, share: policy.throttle.share, now: scheduler.monotonicNanoseconds / 1000)
            counters.count(verdict, .share)
        case .deny:
            verdict = throttle.denial
            counters.count(verdict, .deny)
        case .allow:
            verdict = throttle.permission
            counters.count(verdict, .allow)
        }
        completion(verdict.reply)
    }
}

/// Who judged a request by its limit.
public enum ThrottleSource: String, Sendable, CaseIterable {
    /// Redis, for everybody.
    case redis
    /// This process, where Redis is not the authority.
    case here
    /// The policy, in an outage.
    case share, deny, allow
}

extension TierCounters {
    func count(_ verdict: ThrottleVerdict, _ source: ThrottleSource) {
        throttled[source.index(isLimited: verdict.isLimited)].counter.add()
    }

    /// How many requests were limited, or passed, by a source.
    public func throttled(_ source: ThrottleSource, isLimited: Bool) -> UInt64 {
        throttled[source.index(isLimited: isLimited)].counter.value
    }
}

extension ThrottleSource {
    /// The place of its counter.
    fileprivate func index(isLimited: Bool) -> Int {
        (Self.allCases.firstIndex(of: self) ?? 0) * 2 + (isLimited ? 1 : 0)
    }
}
