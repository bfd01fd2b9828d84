// Answers without the authority: what is held, marked for what it is, or the policy's default.

public import LocalTier
public import Primitives
internal import State

extension Tiers {
    /// Answers a read that Redis can't: local within `stale_if_error`, warm within it, the default, nil.
    func degrade(
        _ key: [UInt8], _ hash: KeyHash, _ policy: Policy, reason: String, isStrong: Bool,
        _ completion: @escaping (Reading) -> Void
    ) {
        if isStrong || policy.strict {
            counters.unavailable.add()
            return completion(.unavailable(reason))
        }
        if let reading = staleLocal(key, hash, policy, reason: reason) { return completion(reading) }
        guard let warm, policy.tiers.contains(.warm) else { return completion(ignorance(key, policy, reason)) }
        let token = TokenBox(local.beginFill(hash))
        let askedAt = scheduler.monotonicNanoseconds
        let trace = trace
        warm.read(key) { [self] answer in
            noteWarm(since: askedAt, answer, trace)
            switch answer {
            case .copy(let copy) where share.deletions.isDead(key, verifiedAt: copy.verifiedAt):
                removeIfDead(key, policy, copy, token)
                counters.warmAbsent.add()
                completion(ignorance(key, policy, reason))
            case .copy(let copy): completion(staleWarm(key, hash, policy, copy, token, reason))
            case .absent:
                counters.warmAbsent.add()
                completion(ignorance(key, policy, reason))
            case .failed:
                counters.warmError.add()
                completion(ignorance(key, policy, reason))
            }
        }
    }

    /// The warm tier has answered, or failed, what it was asked at a monotonic moment.
    func noteWarm(since askedAt: Int64, _ answer: WarmAnswer, _ trace: (any AnswerTrace)?) {
        let elapsed = max(0, scheduler.monotonicNanoseconds - askedAt)
        counters.warmLatency.record(UInt64(elapsed))
        guard let trace else { return }
        var isAnswered = true
        if case .failed = answer { isAnswered = false }
        trace.note(AnswerStep(.warm, nanoseconds: elapsed, isAnswered: isAnswered))
    }

    /// Whether a read would go to a Redis that is not to be asked now.
    public var refusesRedisReads: Bool { redis != nil && breaker.refusesReads }

    /// Hands a copy that may be served in an outage to `body`, without allocating; whether there was one.
    ///
    /// For reads while `refusesRedisReads`; it counts nothing, which is the caller's.
    public func withServableCopy(
        _ key: UnsafeRawBufferPointer, hash: KeyHash, now: Timestamp, kind: EntryKind = .string,
        _ body: (borrowing LocalEntry) -> Void
    ) -> Bool {
        let index = policies.index(for: key)
        guard policies.policies[index].tiers.contains(.redis) else { return false }
        return local.read(key, hash: hash, now: now) { entry in
            guard entry.kind == kind,
                policies.policies[index].mayServeStale(
                    verifiedAt: max(entry.verifiedAt, share.coherence.verifiedUntil(entry.epoch) ?? .distantPast),
                    expiresAt: entry.expiresAt, now: now, authority: .redis)
            else { return false }
            body(entry)
            return true
        } ?? false
    }

    /// The local copy as a stale reading, where the policy still allows it.
    func staleLocal(_ key: [UInt8], _ hash: KeyHash, _ policy: Policy, reason: String) -> Reading? {
        let now = scheduler.now
        guard let copy = localCopy(key, hash, now), !copy.isAbsent else { return nil }
        let verifiedAt = verifiedAt(copy.metadata)
        guard
            policy.mayServeStale(
                verifiedAt: verifiedAt, expiresAt: copy.metadata.expiresAt, now: now, authority: .redis)
        else { return nil }
        let isFresh = isFresh(copy, policy, .redis, now)
        if isFresh { counters.localFresh.add() } else { counters.localStale.add() }
        return .found(
            copy.held, .local, isFresh ? .fresh : .stale, verifiedAt: verifiedAt, reason: reason)
    }

    private func staleWarm(
        _ key: [UInt8], _ hash: KeyHash, _ policy: Policy, _ copy: WarmCopy, _ token: TokenBox, _ reason: String
    ) -> Reading {
        let now = scheduler.now
        let expiresAt = copy.value.expiresAt
        guard policy.mayServeStale(verifiedAt: copy.verifiedAt, expiresAt: expiresAt, now: now, authority: .redis),
            now < policy.staleEnd(of: copy.value)
        else {
            counters.warmAbsent.add()
            return ignorance(key, policy, reason)
        }
        counters.warmStale.add()
        // Held locally as what it is, so that the next read of it costs what a local hit costs.
        // A copy of doubt stays one: it is never fresh, and no base that a replay may rely on.
        var metadata = policy.metadata(
            of: copy.value, verifiedAt: copy.verifiedAt, authority: .redis,
            mark: EntryMark.inWarm | (copy.isSuspect ? EntryMark.suspect : 0))
        metadata.slidingFor = 0
        if copy.isSuspect { metadata.quietFor = 0 }
        fillLocal(key, hash, policy, copy.value.bytes, metadata, token)
        return .found(copy.value, .warm, .stale, verifiedAt: copy.verifiedAt, reason: reason)
    }

    /// Nobody holds the key, and nobody who knows could be asked.
    private func ignorance(_ key: [UInt8], _ policy: Policy, _ reason: String) -> Reading {
        guard let context = policy.defaultContext else {
            counters.unknowns.add()
            return Reading(content: .unknown, source: .none, freshness: .unknown, reason: reason)
        }
        counters.defaults.add()
        let bytes = context.value(forKey: key, prefixLength: policy.prefix.count)
        return Reading(content: .defaultContext(bytes), source: .policy, freshness: .contextual, reason: reason)
    }

    // MARK: The warm tier as the authority

    /// The end of a life after this read of it: where reads extend it, the disk hears so once per tenth of it.
    private func slide(_ key: [UInt8], _ policy: Policy, _ held: HeldValue) -> HeldValue {
        guard let life = policy.life(of: held), held.expiresAt != .never, !held.isTombstone else { return held }
        let now = scheduler.now
        if held.expiresAt.milliseconds(since: now) < life - life / 10 { extend(key, policy, life: life) }
        var held = held
        held.expiresAt = min(
            max(held.expiresAt, now.advanced(byMilliseconds: life)), policy.hardEnd(of: held))
        return held
    }

    func readWarmAuthority(
        _ key: [UInt8], _ hash: KeyHash, _ policy: Policy, _ completion: @escaping (Reading) -> Void
    ) {
        guard let warm else { preconditionFailure("BUG: the warm tier decides on a key and there is none") }
        let token = TokenBox(local.beginFill(hash))
        let sentAt = scheduler.now
        let askedAt = scheduler.monotonicNanoseconds
        let trace = trace
        warm.read(key) { [self] answer in
            noteWarm(since: askedAt, answer, trace)
            switch answer {
            case .copy(let copy) where copy.value.isAlive(at: scheduler.now):
                counters.warmFresh.add()
                counters.valueBytes.record(UInt64(copy.value.bytes.count))
                let held = slide(key, policy, copy.value)
                let metadata = policy.metadata(of: held, verifiedAt: sentAt, authority: .warm)
                fillLocal(key, hash, policy, held.bytes, metadata, token)
                completion(.found(held, .warm, .fresh, verifiedAt: sentAt))
            case .copy, .absent:
                counters.warmAbsent.add()
                rememberAbsent(key, hash, policy, sentAt: sentAt, token: token)
                completion(.absent(.warm))
            case .failed(let reason):
                counters.warmError.add()
                completion(.unavailable(reason))
            }
        }
    }

}
