// Reading a key: from local memory where its policy allows it, else by a flight that many may join.

internal import LocalTier
public import Primitives
public import State

extension Tiers {
    /// What local memory holds of a key, copied out from under the lock.
    struct LocalCopy {
        let bytes: [UInt8]
        let metadata: EntryMetadata
        let isLive: Bool
        let isExpired: Bool
        let isExtensionDue: Bool
        var isAbsent: Bool { metadata.kind == .absent }
        /// What it holds; not to be asked of what is remembered as absent.
        var held: HeldValue {
            HeldValue(bytes, kind: metadata.kind == .record ? .record : .string, expiresAt: metadata.expiresAt)
        }
    }

    func localCopy(_ key: [UInt8], _ hash: KeyHash, _ now: Timestamp) -> LocalCopy? {
        key.withUnsafeBytes { key in
            local.read(key, hash: hash, now: now) { entry in Self.copy(entry) }
        }
    }

    static func copy(_ entry: borrowing LocalEntry) -> LocalCopy {
        let count = entry.valueLength
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            if let base = buffer.baseAddress { entry.copyValue(to: base) }
            initialized = count
        }
        return LocalCopy(
            bytes: bytes, metadata: entry.metadata, isLive: entry.freshness == .live,
            isExpired: entry.freshness == .expired, isExtensionDue: entry.isExtensionDue)
    }

    /// Whether the policy lets local memory answer with this copy.
    func isFresh(_ copy: LocalCopy, _ policy: Policy, _ authority: Authority, _ now: Timestamp) -> Bool {
        let metadata = copy.metadata
        if copy.isExpired || metadata.mark & EntryMark.suspect != 0 { return false }
        if authority != .redis { return true }
        if policy.consistency == .strong || metadata.verifiedAt > now { return false }
        if copy.isLive { return true }
        // Somebody has changed the key since, and Redis told of it: whatever the contract, it is asked.
        if metadata.verifiedAt == .distantPast { return false }
        // What is remembered as absent ends by itself.
        if copy.isAbsent { return true }
        return now
            < policy.contractEnd(
                verifiedAt: verifiedAt(metadata), expiresAt: metadata.expiresAt, authority: authority)
    }

    /// Reads a key; the completion may run before this returns, when local memory answers.
    ///
    /// `form` is what the reader asks for. Who asks for a plain value and finds a record in a tier of this host gets
    /// that; in Redis it is `otherType`.
    public func read(
        _ key: [UInt8], hash: KeyHash, form: HeldValue.Kind = .string, strong: Bool = false, maxAge: Int64? = nil,
        completion: @escaping (Reading) -> Void
    ) {
        let policy = policies.policy(for: key)
        if policies.hasViolations, case .error(let text)? = policy.denial {
            share.residency.refused.add()
            return completion(Reading(content: .refused(text), source: .none, freshness: .unknown))
        }
        let isStrong = strong || policy.consistency == .strong
        if let journal, !journal.pending.isEmpty, let value = journal.pending.value(of: key) {
            return readPending(key, hash, policy, value, form, isStrong: isStrong, completion)
        }
        readTiers(key, hash, policy, form, isStrong: isStrong, maxAge: maxAge, completion)
    }

    /// Reads a key of which nothing waits for Redis.
    func readTiers(
        _ key: [UInt8], _ hash: KeyHash, _ policy: Policy, _ form: HeldValue.Kind, isStrong: Bool,
        maxAge: Int64? = nil, _ completion: @escaping (Reading) -> Void
    ) {
        let authority = authority(policy)
        let now = scheduler.now
        var holdsStale = false
        if !(isStrong && authority == .redis), let copy = localCopy(key, hash, now) {
            let verifiedAt = copy.isLive || maxAge != nil ? verifiedAt(copy.metadata) : copy.metadata.verifiedAt
            let isYoung = maxAge.map { now.milliseconds(since: verifiedAt) <= $0 } ?? true
            if isFresh(copy, policy, authority, now), isYoung || authority != .redis {
                noteUse(of: copy, key: key, hash: hash, policy: policy, authority: authority, now: now)
                return completion(reading(of: copy))
            }
            holdsStale =
                !copy.isAbsent
                && policy.mayServeStale(
                    verifiedAt: self.verifiedAt(copy.metadata), expiresAt: copy.metadata.expiresAt, now: now,
                    authority: authority)
        }
        switch authority {
        case .local:
            counters.localAbsent.add()
            completion(.absent(.local))
        case .warm: readWarmAuthority(key, hash, policy, completion)
        case .redis: ask(key, hash, policy, form, strong: isStrong, holdsStale: holdsStale, completion)
        }
    }

    private func reading(of copy: LocalCopy) -> Reading {
        if copy.isAbsent {
            counters.localAbsent.add()
            return .absent(.local)
        }
        counters.localFresh.add()
        let verifiedAt = verifiedAt(copy.metadata)
        noteStaleness(verifiedAt, now: scheduler.now)
        return .found(copy.held, .local, .fresh, verifiedAt: verifiedAt)
    }

    private func noteStaleness(_ verifiedAt: Timestamp, now: Timestamp) {
        guard redis != nil, verifiedAt != .distantPast else { return }
        counters.staleness.record(UInt64(max(0, now.milliseconds(since: verifiedAt))) * 1_000_000)
    }

    /// Takes note of how old the copy is that a read is about to be answered with; for some of those that are answered
    /// without any thought.
    public func sampleStaleness(_ key: UnsafeRawBufferPointer, hash: KeyHash, now: Timestamp) {
        let metadata = local.peek(key, hash: hash, now: now) { entry -> EntryMetadata? in
            let isAnswered = entry.freshness == .quiet || entry.freshness == .live
            return isAnswered && !entry.isAbsent ? entry.metadata : nil
        }
        if let metadata = metadata ?? nil { noteStaleness(verifiedAt(metadata), now: now) }
    }

    /// What a read of a fresh copy sets off behind the answer: a refresh, or the news of a longer life.
    private func noteUse(
        of copy: LocalCopy, key: [UInt8], hash: KeyHash, policy: Policy, authority: Authority, now: Timestamp
    ) {
        guard !copy.isAbsent else { return }
        if copy.isExtensionDue { extend(key, policy, life: policy.life(of: copy.held)) }
        guard authority == .redis else { return }
        let refreshAt = policy.refreshAt(
            verifiedAt: copy.metadata.verifiedAt, expiresAt: copy.metadata.expiresAt, authority: authority)
        guard now >= refreshAt, !copy.isLive, flights[HashedKey(key, hash)] == nil, !breaker.refusesReads else {
            return
        }
        counters.refreshes.add()
        _ = makeFlight(key, hash, policy, copy.held.kind)
    }

    /// Tells the authority of the longer life that a read of a sliding key has given; behind the answer.
    public func extend(_ key: [UInt8]) {
        let policy = policies.policy(for: key)
        extend(key, policy, life: policy.slidingLife)
    }

    /// The same for a record whose own life slides by so many milliseconds.
    public func extend(_ key: [UInt8], life: Int64) { extend(key, policies.policy(for: key), life: life) }

    func extend(_ key: [UInt8], _ policy: Policy, life: Int64?) {
        guard let life else { return }
        switch authority(policy) {
        case .redis:
            extendInRedis(key, life)
            extendCopyInWarm(key, policy)
        case .warm: extendInWarm(key, until: scheduler.now.advanced(byMilliseconds: life))
        case .local: break
        }
    }

    func extendInRedis(_ key: [UInt8], _ life: Int64) {
        if !breaker.refusesWrites { extensions.append((key, life + life / 10)) }
    }

    /// The copy on disk lives on with the one in memory: where Redis can't be told, its own ends before the outage
    /// does, and the copy is what brings the key back.
    private func extendCopyInWarm(_ key: [UInt8], _ policy: Policy) {
        let hash = KeyHash(key)
        let now = scheduler.now
        let erasureGeneration = share.erasures.generation
        guard warm != nil, policy.tiers.contains(.warm),
            let copy = key.withUnsafeBytes({ key in local.peek(key, hash: hash, now: now) { Self.copy($0) } }),
            !copy.isAbsent, !copy.isExpired, copy.metadata.mark & EntryMark.suspect == 0
        else { return }
        changeWarm(
            key, policy,
            .put(
                WarmCopy(copy.held, verifiedAt: copy.metadata.verifiedAt), staleFor: policy.staleSeconds(of: copy.held))
        )
        if share.erasures.mayHaveErased(key, since: erasureGeneration) { changeWarm(key, policy, .remove) }
    }

    /// A failure is the disk's, which reports it itself; the life is then extended by a later read, or ends.
    private func extendInWarm(_ key: [UInt8], until time: Timestamp) {
        counters.extensions.add()
        let command = StringCommand.write(.expire(at: time, [.ifSome, .ifGreater]), key: key)
        warm?.perform([command], policies: policies) { _ in }
    }

    // MARK: Asking Redis

    func ask(
        _ key: [UInt8], _ hash: KeyHash, _ policy: Policy, _ form: HeldValue.Kind, strong: Bool, holdsStale: Bool,
        _ completion: @escaping (Reading) -> Void
    ) {
        if breaker.refusesReads {
            return degrade(key, hash, policy, reason: breaker.reasonForReads, isStrong: strong, completion)
        }
        let flight: Flight
        if let joined = flights[HashedKey(key, hash)], joined.form == form,
            !joined.isOnWire || !strong && joined.isCurrent(in: local)
        {
            counters.coalesced.add()
            flight = joined
        } else {
            flight = makeFlight(key, hash, policy, form)
        }
        let waiter = Flight.Waiter(isStrong: strong, trace: trace, completion: completion)
        guard holdsStale, !strong else { return flight.waiters.append(waiter) }
        if flight.impatientWaiters.isEmpty { awaitSoftly(flight) }
        flight.impatientWaiters.append(waiter)
    }

    func makeFlight(_ key: [UInt8], _ hash: KeyHash, _ policy: Policy, _ form: HeldValue.Kind) -> Flight {
        let flight = Flight(
            key: key, hash: hash, policy: policy, form: form, deadline: scheduler.monotonicNanoseconds + limits.timeout)
        flights[HashedKey(key, hash)] = flight
        outgoing.append(flight)
        return flight
    }

    // MARK: The soft timeout

    private func awaitSoftly(_ flight: Flight) {
        let at = scheduler.monotonicNanoseconds + limits.softTimeout
        impatient.append((flight, at))
        if impatient.count == 1 { armSoftTimer(at) }
    }

    private func armSoftTimer(_ at: Int64) {
        let wait = (at - scheduler.monotonicNanoseconds + 999_999) / 1_000_000
        softTimer?.start(afterMilliseconds: max(0, wait))
    }

    /// Serves the stale copy to those who waited `softTimeout`; the flight goes on and fills.
    func losePatience() {
        let now = scheduler.monotonicNanoseconds
        let due = impatient.prefix { $0.at <= now }
        impatient.removeFirst(due.count)
        for (flight, _) in due where !flight.impatientWaiters.isEmpty {
            let waiters = flight.impatientWaiters
            flight.impatientWaiters = []
            counters.softTimeouts.add(UInt64(waiters.count))
            let step = AnswerStep(.redis, nanoseconds: limits.softTimeout, isAnswered: false)
            for waiter in waiters { waiter.trace?.note(step) }
            guard let reading = staleLocal(flight.key, flight.hash, flight.policy, reason: "Redis is slow") else {
                // The copy went meanwhile: nothing to serve but what Redis says.
                for waiter in waiters { flight.waiters.append(waiter) }
                continue
            }
            for waiter in waiters { waiter.completion(reading) }
        }
        if let next = impatient.first { armSoftTimer(next.at) }
    }
}

extension Tiers {
    /// Whether keyspace commands are Redis's to answer.
    public var hasRedis: Bool { redis != nil }

    /// A step of a walk over the keys that the warm tier holds as the authority.
    public func scan(cursor: UInt64, count: Int, completion: @escaping (ScanPage?) -> Void) {
        guard let warm else { return completion(ScanPage(next: 0, keys: [])) }
        warm.scan(cursor: cursor, count: count, completion: completion)
    }
}
