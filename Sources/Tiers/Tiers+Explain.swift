// Why a read would be answered as it would: what each tier holds, how fresh, under which policy.

internal import LocalTier
internal import Primitives
public import Resilience
internal import State

/// What the tiers know of a key at one moment, and what a read would be answered with.
public struct Explanation: Sendable {
    /// A copy in one tier.
    public struct Copy: Sendable {
        public var bytes: Int
        public var ageMilliseconds: Int64?
        /// Milliseconds until it expires, negative when it has; nil without expiry.
        public var lifeMilliseconds: Int64?
        public var note: String
    }

    public var key: [UInt8]
    public var policy: Policy
    public var authority: Authority
    public var local: Copy?
    public var warm: Copy?
    /// What the warm tier answered where it holds no copy.
    public var warmNote = ""
    /// What of the key waits for Redis.
    public var journalNote = ""
    public var readBreaker: BreakerState?
    public var writeBreaker: BreakerState?
    /// What of its conversation went into archives, and whether this host has one.
    public var archiveNote = "none"
    /// Which tier would answer a read now, and how fresh that would be.
    public var source: Reading.Source = .none
    public var freshness: Reading.Freshness = .unknown
    /// One sentence.
    public var reason = ""
    /// What bounds how old a read of the key from local memory may be.
    public var bound = ""
}

extension Tiers {
    /// Explains a key without leaving a trace: nothing is asked of Redis, nothing counts as a use.
    public func explain(_ key: [UInt8], completion: @escaping (Explanation) -> Void) {
        let policy = policies.policy(for: key)
        let authority = authority(policy)
        let hash = KeyHash(key)
        let now = scheduler.now
        let copy = key.withUnsafeBytes { key in local.peek(key, hash: hash, now: now) { Self.copy($0) } }
        var explanation = Explanation(key: key, policy: policy, authority: authority)
        if redis != nil {
            explanation.readBreaker = breaker.state(of: .read)
            explanation.writeBreaker = breaker.state(of: .write)
        }
        explanation.journalNote = journalNote(key)
        explanation.local = copy.map { describe($0, policy, authority, now) }
        explanation.bound = bound(policy, authority, copy)
        guard let warm, policy.tiers.contains(.warm) else {
            explanation.warmNote = "the policy keeps these keys out of the warm tier"
            judge(&explanation, copy, nil, now)
            return completion(explanation)
        }
        warm.read(key) { [self] answer in
            var held: WarmCopy?
            switch answer {
            case .copy(let copy):
                let isDead = share.deletions.isDead(key, verifiedAt: copy.verifiedAt)
                if !isDead { held = copy }
                explanation.warm = Explanation.Copy(
                    bytes: copy.value.bytes.count, ageMilliseconds: age(copy.verifiedAt, now),
                    lifeMilliseconds: life(copy.value.expiresAt, now),
                    note: isDead
                        ? "of a key that another sidecar has deleted: not served"
                        : copy.value.isAlive(at: now) ? "alive" : "past its expiry, kept for an outage")
            case .absent: explanation.warmNote = "not held"
            case .failed(let reason):
                explanation.warmNote = reason
                if authority == .warm, copy.map({ !isFresh($0, policy, authority, now) }) ?? true {
                    explanation.reason = "the warm tier is the authority and can't be read: -UNAVAILABLE"
                    return completion(explanation)
                }
            }
            judge(&explanation, copy, held, now)
            let value = copy.flatMap { $0.isAbsent ? nil : $0.held } ?? held?.value
            guard let value, let id = value.archiveID, let archive = value.record?.turns?.archive else {
                return completion(explanation)
            }
            let sum = "\(archive.count) turns of the conversation left for archives, the last of them \(archive.upTo)"
            guard archive.count > 0 else {
                explanation.archiveNote = "no turn has left for it"
                return completion(explanation)
            }
            warm.readArchive(of: key, id, from: .max) { answer in
                switch answer {
                case .turns: explanation.archiveNote = "\(sum); this host has one"
                case .absent: explanation.archiveNote = "\(sum); this host has none"
                case .failed(let reason): explanation.archiveNote = "\(sum); this host's can't be read: \(reason)"
                }
                completion(explanation)
            }
        }
    }

    /// Whether proofs, time or nothing bounds the age of reads under `policy`, and for this copy.
    private func bound(_ policy: Policy, _ authority: Authority, _ copy: LocalCopy?) -> String {
        guard authority == .redis else { return "none: what is held here is the truth" }
        switch policy.consistency {
        case .strong: return "every read asks Redis"
        case .eventual:
            return policy.effectiveTracking == .off
                ? "the entry's expiry alone" : "the entry's expiry, or a change that Redis tells of"
        case .bounded: break
        }
        let time = "max_staleness (\(policy.maxStaleness)) after it was verified"
        guard policy.effectiveTracking != .off else { return "\(time): the policy's tracking is off" }
        guard policy.trustsInvalidations else {
            return "\(time): a bound below \(PolicyTable.provableMin) is kept by time"
        }
        guard share.coherence.isLive else { return "\(time): invalidations are not live" }
        guard let copy else { return "invalidations, which are live" }
        if copy.metadata.epoch != 0, copy.metadata.epoch == local.liveEpoch {
            return "invalidations, which have been live since it was filled"
        }
        return "\(time): it was filled by a write, or before a gap; the next read from Redis is tracked"
    }

    private func journalNote(_ key: [UInt8]) -> String {
        guard let pending = journal?.pending else { return "there is none" }
        let count = pending.entryCount(of: key)
        let waiting = count == 0 ? "nothing waits" : "\(count) \(count == 1 ? "entry waits" : "entries wait") for Redis"
        guard pending.unnoted.contains(anyOf: [key]) else { return waiting }
        return waiting + "; writes wait until the disk has a note of what became of an earlier one"
    }

    private func age(_ verifiedAt: Timestamp, _ now: Timestamp) -> Int64? {
        verifiedAt == .distantPast || verifiedAt > now ? nil : now.milliseconds(since: verifiedAt)
    }

    private func life(_ expiresAt: Timestamp, _ now: Timestamp) -> Int64? {
        expiresAt == .never ? nil : expiresAt.milliseconds(since: now)
    }

    private func describe(
        _ copy: LocalCopy, _ policy: Policy, _ authority: Authority, _ now: Timestamp
    ) -> Explanation.Copy {
        let note =
            if copy.isAbsent {
                copy.isExpired ? "remembered as absent, for longer than negative_ttl" : "remembered as absent"
            } else if copy.metadata.mark & EntryMark.journaled != 0 {
                "unverified: written in an outage, and not read from Redis since"
            } else if copy.metadata.mark & EntryMark.suspect != 0 {
                "unverified: a write of this key had an unknown outcome"
            } else if isFresh(copy, policy, authority, now) {
                copy.isLive ? "fresh: invalidations are live since it was filled" : "fresh"
            } else {
                copy.isExpired ? "past its expiry, kept for an outage" : "older than max_staleness"
            }
        return Explanation.Copy(
            bytes: copy.bytes.count, ageMilliseconds: age(verifiedAt(copy.metadata), now),
            lifeMilliseconds: life(copy.metadata.expiresAt, now), note: note)
    }

    /// Walks the straight line of a read with what is held, and says where it would end.
    private func judge(_ explanation: inout Explanation, _ copy: LocalCopy?, _ held: WarmCopy?, _ now: Timestamp) {
        let (policy, authority) = (explanation.policy, explanation.authority)
        let isStrong = policy.consistency == .strong && authority == .redis
        if let value = journal?.pending.value(of: explanation.key), !isStrong, !policy.strict, value != .unknown {
            explanation.source = .journal
            explanation.freshness = value == .absent ? .absent : .stale
            explanation.reason = "the newest write of the key waits for Redis, and reads are answered from it"
            return
        }
        if let copy, !isStrong, isFresh(copy, policy, authority, now) {
            explanation.source = .local
            explanation.freshness = copy.isAbsent ? .absent : .fresh
            explanation.reason =
                copy.isAbsent
                ? "local memory remembers that there is no such key"
                : "local memory holds a copy within the policy's contract"
            return
        }
        switch authority {
        case .local: explanation.reason = "the policy keeps these keys in local memory alone, and it holds none"
        case .warm:
            let isAlive = held?.value.isAlive(at: now) ?? false
            explanation.source = .warm
            explanation.freshness = isAlive ? .fresh : .absent
            explanation.reason =
                isAlive
                ? "the warm tier is the authority and holds it" : "the warm tier is the authority and holds no such key"
        case .redis where !breaker.refusesReads:
            explanation.source = .redis
            explanation.freshness = .unknown
            explanation.reason = isStrong ? "the policy is strong: every read asks Redis" : "Redis is asked"
        case .redis: judgeDegraded(&explanation, copy, held, now)
        }
    }

    private func judgeDegraded(
        _ explanation: inout Explanation, _ copy: LocalCopy?, _ held: WarmCopy?, _ now: Timestamp
    ) {
        let policy = explanation.policy
        let outage = breaker.reasonForReads
        func allows(_ verifiedAt: Timestamp, _ expiresAt: Timestamp) -> Bool {
            policy.mayServeStale(verifiedAt: verifiedAt, expiresAt: expiresAt, now: now, authority: .redis)
        }
        if policy.consistency == .strong || policy.strict {
            explanation.reason = "\(outage), and the policy allows no answer without Redis: -UNAVAILABLE"
        } else if let copy, !copy.isAbsent, allows(verifiedAt(copy.metadata), copy.metadata.expiresAt) {
            explanation.source = .local
            explanation.freshness = .stale
            explanation.reason = "\(outage); local memory holds a copy within stale_if_error"
        } else if let held, allows(held.verifiedAt, held.value.expiresAt) {
            explanation.source = .warm
            explanation.freshness = .stale
            explanation.reason = "\(outage); the warm tier holds a copy within stale_if_error"
        } else if policy.defaultContext != nil {
            explanation.source = .policy
            explanation.freshness = .contextual
            explanation.reason = "\(outage), nobody holds a copy, and the policy has a default context"
        } else {
            explanation.reason = "\(outage), nobody holds a copy, and the policy has no default context: nil"
        }
    }
}
