// Asking Redis: flights that reached the same iteration travel as one question, and their answers fill the tiers.

internal import LocalTier
internal import Primitives
public import RedisTier
internal import Resilience
internal import State

extension Tiers {
    /// The most keys in one question: Redis serves nobody else meanwhile.
    static let batchMax = 64

    /// Sends what has gathered; to be called once per iteration of the worker's loop.
    public func flush() {
        if !extensions.isEmpty { sendExtensions() }
        replicas?.flush()
        while !outgoing.isEmpty {
            // One deadline rules a question: a flight that is tried again, with little time left, has its own.
            let deadline = outgoing[0].deadline
            let isTracked = outgoing[0].isTracked
            let count =
                outgoing.prefix(Self.batchMax).firstIndex {
                    abs($0.deadline - deadline) > limits.timeout / 10 || $0.isTracked != isTracked
                } ?? min(outgoing.count, Self.batchMax)
            var batch: [Flight] = []
            if count == outgoing.count {
                // As a rule all of them: nothing is copied, and there is room for as many in the next iteration.
                batch.reserveCapacity(count)
                swap(&batch, &outgoing)
            } else {
                batch = Array(outgoing[..<count])
                outgoing.removeFirst(count)
            }
            send(batch)
        }
    }

    private func send(_ flights: [Flight]) {
        guard let redis else { preconditionFailure("BUG: a flight to a Redis that is not configured") }
        let now = scheduler.monotonicNanoseconds
        var batch = flights
        if let first = flights.firstIndex(where: { isOvertaken($0) }) {
            batch = flights[..<first] + flights[(first + 1)...].filter { !isOvertaken($0) }
        }
        guard !batch.isEmpty else { return }
        guard let permit = breaker.admit(.read, now: now) else {
            for flight in batch { fail(flight, breaker.reasonForReads) }
            return
        }
        let sentAt = scheduler.now
        let question = FetchQuestion(batch, tracker, asScript: now < scriptUntil)
        for flight in batch {
            if !flight.wasRetried { retryBudget.onRequest() }
            flight.isOnWire = true
            flight.sentAt = sentAt
        }
        let request = question.request()
        for flight in batch where flight.isRemembered { ownWrites.ask(flight.hash) }
        let deadline = batch.reduce(Int64.max) { min($0, $1.deadline) }
        redis.send(request, timeoutNanoseconds: max(1, deadline - now)) { [self, question] result in
            didFetch(question, permit, sentAt: now, result)
        }
    }

    /// Takes the token of a flight that is about to leave. Where a write of its key has come to wait in the journal
    /// since it was made, or since Redis was first asked, the journal answers: what Redis has is older.
    ///
    /// The token first: a write that the journal takes between the two makes it void, and so does an erasure that
    /// begins. Of what is being erased nothing is kept.
    private func isOvertaken(_ flight: Flight) -> Bool {
        flight.token = TokenBox(local.beginFill(flight.hash))
        if share.erasures.covers(flight.key) { flight.token = nil }
        guard let value = journal?.pending.value(of: flight.key) else { return false }
        take(flight)
        flight.takeWaiters().each { waiter in
            readPending(
                flight.key, flight.hash, flight.policy, value, flight.form, isStrong: waiter.isStrong, waiter.completion
            )
        }
        return true
    }

    private func didFetch(_ question: FetchQuestion, _ permit: Permit, sentAt: Int64, _ result: RedisResult) {
        let now = scheduler.monotonicNanoseconds
        let elapsed = scheduler.waitedNanoseconds(since: sentAt)
        let batch = question.flights
        for flight in batch { flight.note(AnswerStep(.redis, nanoseconds: now - sentAt, isAnswered: result.isSuccess)) }
        switch result {
        case .failure(let failure):
            breaker.failed(permit, failure, now: now, elapsed: elapsed)
            counters.redisError.add(UInt64(batch.count))
            for flight in batch where !retry(flight, after: failure, now) { fail(flight, failure.text) }
        case .success(let replies):
            counters.redisLatency.record(UInt64(max(0, now - sentAt)), count: UInt64(batch.count))
            guard let answers = question.answers(replies) else {
                return didRefuse(question, permit, replies, now: now, elapsed: elapsed)
            }
            breaker.succeeded(permit, now: now, elapsed: elapsed)
            var passedOver: [Flight] = []
            answers.each { flight, value, life, isPassedOver in
                if isPassedOver { passedOver.append(flight) } else { land(flight, value, life) }
            }
            for flight in passedOver { sendAgain([flight], now) }
        }
    }

    /// Asks once more, otherwise, where there is time for it.
    private func sendAgain(_ flights: [Flight], _ now: Int64) {
        let (late, inTime) = (flights.filter { $0.deadline <= now }, flights.filter { $0.deadline > now })
        for flight in late { fail(flight, "Redis answered too late to be asked once more") }
        if !inTime.isEmpty { send(inTime) }
    }

    /// How long reads are scripts after a Redis said that it is out of memory, in nanoseconds.
    private static let scriptTime: Int64 = 1_000_000_000

    /// Redis did not carry out what was asked: the first error says why.
    private func didRefuse(
        _ question: FetchQuestion, _ permit: Permit, _ replies: [Reply], now: Int64, elapsed: Int64
    ) {
        let batch = question.flights
        var text = Array("ERR Redis answered a read with something else than was asked".utf8)
        if case .error(let error)? = replies.first(where: \.isError) { text = error }
        let isOwn = breaker.judge(permit, error: text, now: now, elapsed: elapsed)
        if isOwn, let tracker, let refusal = question.refusalOfTracking(replies) {
            tracker.refusedReads(refusal)
            return sendAgain(batch, now)
        }
        // One key's error (-NOPERM) refuses the whole transaction: each key is asked for by itself.
        if isOwn && batch.count > 1 {
            for flight in batch { sendAgain([flight], now) }
            return
        }
        if text.starts(with: "OOM".utf8), question.form != .script {
            scriptUntil = now + Self.scriptTime
            return sendAgain(batch, now)
        }
        counters.redisError.add(UInt64(batch.count))
        for flight in batch {
            if isOwn {
                take(flight)
                flight.answer(Reading(content: .refused(text), source: .redis, freshness: .unknown))
            } else {
                fail(flight, "Redis answered: \(String(decoding: text, as: UTF8.self))")
            }
        }
    }

    /// One more try of a read whose connection broke, within its own deadline and the budget.
    private func retry(_ flight: Flight, after failure: RedisFailure, _ now: Int64) -> Bool {
        guard failure.cause == .connectionLost, !flight.wasRetried, flight.hasWaiters, flight.deadline > now,
            retryBudget.takeRetry(now: MonotonicTime(nanoseconds: now))
        else { return false }
        counters.retries.add()
        flight.wasRetried = true
        outgoing.append(flight)
        return true
    }

    /// The flight is over: nobody joins it from now on.
    private func take(_ flight: Flight) {
        guard let place = flights.index(forKey: HashedKey(flight.key, flight.hash)) else { return }
        if flights.values[place] === flight { flights.remove(at: place) }
    }

    private func fail(_ flight: Flight, _ reason: String) {
        take(flight)
        for waiter in flight.waiters.takeStrong() {
            degrade(flight.key, flight.hash, flight.policy, reason: reason, isStrong: true, waiter.completion)
        }
        guard flight.hasWaiters else { return }
        resuming(flight) {
            degrade(flight.key, flight.hash, flight.policy, reason: reason, isStrong: false) { flight.answer($0) }
        }
    }

    // MARK: Answers

    private func land(_ flight: Flight, _ value: Reply, _ life: Reply) {
        switch (value, life) {
        // Redis 7.0 looks at its clock anew for each command of a transaction: the key ended between the two.
        case (.null, _), (.string, .integer(-2)): landAbsent(flight)
        case (.string(let bytes), .integer(let milliseconds)):
            land(flight, HeldValue(bytes), lifeMilliseconds: milliseconds)
        case (.array([]), _), (.array, .integer(-2)): landAbsent(flight)
        case (.array(let fields), .integer(let milliseconds)):
            guard let record = Record(hash: fields) else { return landOther(flight) }
            land(flight, HeldValue(record, expiresAt: .never), lifeMilliseconds: milliseconds)
        case (.error(let text), _) where text.starts(with: "WRONGTYPE".utf8): landOther(flight)
        case (.error(let text), _):
            take(flight)
            counters.redisFresh.add()
            flight.answer(Reading(content: .refused(text), source: .redis, freshness: .fresh))
        default:
            fail(flight, "Redis answered a read with something else than was asked")
        }
    }

    private func land(_ flight: Flight, _ held: HeldValue, lifeMilliseconds: Int64) {
        // Beyond its hard end it is no record any more, whatever end somebody has given it in Redis.
        if flight.policy.retention != nil,
            flight.policy.hardEnd(of: HeldValue(held.bytes, kind: held.kind)) <= scheduler.now
        {
            share.lifecycle.overdueFound.add()
            return landAbsent(flight, isFinal: true)
        }
        take(flight)
        counters.redisFresh.add()
        counters.valueBytes.record(UInt64(held.bytes.count))
        flight.answer(fill(flight, held, lifeMilliseconds: lifeMilliseconds))
    }

    /// The key holds what was not asked for.
    private func landOther(_ flight: Flight) {
        take(flight)
        counters.redisFresh.add()
        // Of a record a reader of plain values learns no more than that: what is held of it is as good as it was.
        let isRecord = flight.key.withUnsafeBytes {
            local.peek($0, hash: flight.hash, now: scheduler.now) { $0.kind == .record } ?? false
        }
        if flight.form == .record || !isRecord { forget(flight.key, flight.hash, flight.policy) }
        flight.answer(Reading(content: .otherType, source: .redis, freshness: .fresh))
    }

    /// Fills local memory and the warm tier with what Redis said; the reading for those who wait.
    private func fill(_ flight: Flight, _ held: HeldValue, lifeMilliseconds: Int64) -> Reading {
        let policy = flight.policy
        var held = held
        held.expiresAt =
            lifeMilliseconds < 0 ? .never : min(flight.sentAt.advanced(byMilliseconds: lifeMilliseconds), .latest)
        if let life = policy.life(of: held), held.expiresAt != .never, !held.isTombstone {
            // This read extends the life; Redis hears of it when a tenth has gone since it last did.
            if lifeMilliseconds <= life { extendInRedis(flight.key, life) }
            // Beyond the tenth that Redis keeps it longer, the life was given by its writer: reading does not shorten
            // it.
            if lifeMilliseconds <= life + life / 10 {
                held.expiresAt = flight.sentAt.advanced(byMilliseconds: life)
            }
        }
        held = policy.retained(held)
        keep(
            flight.key, flight.hash, policy, held, sentAt: flight.sentAt, flight.token,
            isTracked: flight.isRemembered || tracker?.hasBroadcast(of: flight.key) ?? false)
        return .found(held, .redis, .fresh, verifiedAt: flight.sentAt)
    }

    /// Holds what Redis said in the tiers that the policy allows, unless a write or an invalidation came between.
    func keep(
        _ key: [UInt8], _ hash: KeyHash, _ policy: Policy, _ value: HeldValue, sentAt: Timestamp,
        _ token: TokenBox?, isTracked: Bool
    ) {
        guard let token else { return }
        let now = scheduler.now
        let (isCurrent, heldAt) = token.outlook(of: key, hash, in: local, now: now)
        // A later question may have been answered before this one.
        guard isCurrent, !(heldAt.map { $0 > sentAt && $0 <= now } ?? false) else {
            return counters.lateFills.add()
        }
        var mark: UInt8 = 0
        if warm != nil, mayHold(.warm, policy) {
            mark = EntryMark.inWarm
            if heldAt == nil || !warmHolds(key, hash, policy, value, verifiedAt: sentAt, now: now) {
                let copy = WarmCopy(value, verifiedAt: sentAt)
                changeWarm(key, policy, .put(copy, staleFor: policy.staleSeconds(of: value)))
                // A writer on another thread tells memory before the disk: one that came between is seen here, and
                // no copy is better than one that is older than an acknowledged write.
                guard token.isCurrent(in: local) else { return changeWarm(key, policy, .remove) }
            }
        }
        let metadata = policy.metadata(
            of: value, verifiedAt: sentAt, authority: .redis, epoch: isTracked ? epoch(token, policy) : 0, mark: mark)
        fillLocal(key, hash, policy, value.bytes, metadata, token, now: now)
    }

    /// Stores the answer to a question in local memory, unless its token says that it came too late.
    func fillLocal(
        _ key: [UInt8], _ hash: KeyHash, _ policy: Policy, _ bytes: [UInt8], _ metadata: EntryMetadata,
        _ token: TokenBox, now: Timestamp? = nil
    ) {
        guard mayHold(.local, policy) else { return }
        guard bytes.count <= policy.maxLocalValue else {
            // What was held before is older than what is known now.
            if token.isCurrent(in: local) { key.withUnsafeBytes { _ = local.remove($0, hash: hash) } }
            return
        }
        let now = now ?? scheduler.now
        key.withUnsafeBytes { key in
            bytes.withUnsafeBytes { bytes in
                if Faults.ignoresTokens {
                    _ = local.put(key, hash: hash, value: bytes, metadata: metadata, now: now)
                    return
                }
                guard let token = token.take() else { return }
                let result = local.fill(key, hash: hash, value: bytes, metadata: metadata, now: now, token: token)
                if result == .cancelled { counters.lateFills.add() }
            }
        }
    }

    /// Whether the warm tier was already given this value with times that are near enough: a key that is read again
    /// and again must not be written again and again.
    private func warmHolds(
        _ key: [UInt8], _ hash: KeyHash, _ policy: Policy, _ value: HeldValue, verifiedAt: Timestamp, now: Timestamp
    ) -> Bool {
        guard let copy = key.withUnsafeBytes({ local.peek($0, hash: hash, now: now) { Self.copy($0) } }),
            copy.metadata.mark & EntryMark.inWarm != 0, copy.bytes == value.bytes,
            !share.coherence.isToBeRenewed(verifiedAt: copy.metadata.verifiedAt),
            !share.deletions.isToBeRenewed(key, verifiedAt: copy.metadata.verifiedAt)
        else { return false }
        let held = copy.metadata.expiresAt
        guard (held == .never) == (value.expiresAt == .never) else { return false }
        // The disk's copy is rewritten in each tenth of stale_if_error, and of a sliding life. Comparing with the last
        // verification alone would not do: each would be near the one before, and all of them far from the disk's.
        let slidingTenth = value.expiresAt == .never ? .max : (policy.life(of: value) ?? .max) / 10
        let tenth = max(1, min(policy.times.staleIfError / 10, slidingTenth))
        guard verifiedAt.milliseconds / tenth == copy.metadata.verifiedAt.milliseconds / tenth else { return false }
        guard value.expiresAt != .never, policy.life(of: value) == nil else { return true }
        // Milliseconds of difference come from PTTL's rounding and the network.
        let life = max(1, value.expiresAt.milliseconds(since: verifiedAt) / 10)
        let drift = abs(value.expiresAt.milliseconds(since: held))
        return drift <= 50 || drift <= life && value.expiresAt.milliseconds / life == held.milliseconds / life
    }

    func changeWarm(_ key: [UInt8], _ policy: Policy, _ change: WarmChange) {
        if case .put = change, !mayHold(.warm, policy) { return }
        guard policy.tiers.contains(.warm) else { return }
        warm?.change(key, change)
    }

    /// Redis has something that only Redis can read: what is held here is no longer true.
    func forget(_ key: [UInt8], _ hash: KeyHash, _ policy: Policy) {
        key.withUnsafeBytes { _ = local.remove($0, hash: hash) }
        changeWarm(key, policy, .remove)
    }

    // MARK: Absent

    /// Redis has no such key: the warm tier may know it all the same, unless the policy says that Redis's word is
    /// final.
    /// `isFinal`: so it is, whatever the policy says.
    private func landAbsent(_ flight: Flight, isFinal: Bool = false) {
        guard !isFinal, flight.policy.onAbsent == .promote, flight.policy.tiers.contains(.warm), let warm,
            !share.erasures.covers(flight.key)
        else {
            if isFinal { changeWarm(flight.key, flight.policy, .remove) } else { forgetWarm(flight) }
            return rememberAbsent(flight)
        }
        let askedAt = scheduler.monotonicNanoseconds
        // Before the copy is read: whatever was deleted until here does not show in it, and what was deleted since is
        // seen by the script that promotes.
        let standing = share.deletions.standing(now: askedAt)
        warm.read(flight.key) { [self] answer in
            noteWarm(since: askedAt, answer, flight)
            switch answer {
            case .copy(let copy)
            where flight.policy.retained(copy.value).isAlive(at: scheduler.now) && !copy.isSuspect && mayPromote(copy):
                counters.warmFresh.add()
                let retained = WarmCopy(flight.policy.retained(copy.value), verifiedAt: copy.verifiedAt)
                judge(flight, retained, standing)
            case .copy, .absent:
                counters.warmAbsent.add()
                rememberAbsent(flight)
            case .failed:
                counters.warmError.add()
                rememberAbsent(flight)
            }
        }
    }

    /// Promotes a copy unless it may be of what was deleted through a sidecar.
    private func judge(_ flight: Flight, _ copy: WarmCopy, _ standing: Deletions.Standing) {
        guard share.deletions.mayPromote(flight.key, verifiedAt: copy.verifiedAt, now: scheduler.now) else {
            share.deletions.refusedPromotions.add()
            removeIfDead(flight.key, flight.policy, copy, flight.token)
            return rememberAbsent(flight)
        }
        switch standing {
        case .off: promote(flight, copy, after: nil)
        case .known(let position): promote(flight, copy, after: position)
        case .waiting(let reason):
            share.deletions.hasten()
            fail(flight, reason)
        case .refused:
            share.deletions.refusedPromotions.add()
            rememberAbsent(flight)
        }
    }

    /// Removes a copy of a key that another sidecar has deleted, unless something newer came.
    func removeIfDead(_ key: [UInt8], _ policy: Policy, _ copy: WarmCopy, _ token: TokenBox?) {
        guard share.deletions.isDead(key, verifiedAt: copy.verifiedAt), token?.isCurrent(in: local) ?? false else {
            return
        }
        share.deletions.removedCopies.add()
        changeWarm(key, policy, .remove)
    }

    /// Whether the key of a copy on disk can't have been deleted since it was verified, as far as anybody can know.
    private func mayPromote(_ copy: WarmCopy) -> Bool {
        share.coherence.mayPromote(
            verifiedAt: copy.verifiedAt, to: redis?.client.map { Replay.process($0) })
    }

    /// Redis's word is final: what the disk still holds must not be served in an outage either.
    private func forgetWarm(_ flight: Flight) {
        guard flight.policy.onAbsent == .final, flight.policy.tiers.contains(.warm), let warm else { return }
        let token = TokenBox(local.beginFill(flight.hash))
        warm.read(flight.key) { [self] answer in
            guard case .copy = answer, token.isCurrent(in: local) else { return }
            changeWarm(flight.key, flight.policy, .remove)
        }
    }

    private func rememberAbsent(_ flight: Flight) {
        take(flight)
        counters.redisAbsent.add()
        rememberAbsent(flight.key, flight.hash, flight.policy, sentAt: flight.sentAt, token: flight.token)
        flight.answer(.absent(.redis))
    }

    func rememberAbsent(
        _ key: [UInt8], _ hash: KeyHash, _ policy: Policy, sentAt: Timestamp, token: TokenBox?
    ) {
        guard policy.negativeTTL > .zero, let token else { return }
        fillLocal(key, hash, policy, [], policy.absentMetadata(verifiedAt: sentAt), token)
    }

    /// Gives a copy that outlived Redis's back to Redis, where there is still none and it was not deleted after an
    /// entry of the stream of deletions, and to local memory.
    private func promote(_ flight: Flight, _ copy: WarmCopy, after position: StreamPosition?) {
        let sentAt = scheduler.now
        let now = scheduler.monotonicNanoseconds
        guard let (given, content) = promoted(copy, flight.policy) else {
            return fail(flight, "the warm tier's record can't be read")
        }
        guard share.erasures.beginPromotion(of: flight.key) else { return askAgain(flight, now) }
        // A write of this process since the question was asked knows better, a deletion above all.
        guard flight.token?.isCurrent(in: local) ?? false else {
            share.erasures.endPromotion(of: flight.key)
            return askAgain(flight, now)
        }
        guard let redis, let permit = breaker.admit(.write, now: now) else {
            share.erasures.endPromotion(of: flight.key)
            return fail(flight, breaker.reasonForWrites)
        }
        distrustTracking(of: flight.key, flight.hash)
        ownWrites.begin(flight.hash)
        let life = lifeInRedis(of: given.value, flight.policy, sentAt)
        var request = RequestEncoder()
        request.append(
            DeletionScript.words(
                DeletionScript.promotion, keys: [flight.key, DeletionScript.stream],
                [position?.text ?? [], DeletedKey(flight.key).hexadecimal, Array(String(life).utf8)] + content))
        // A time of its own: that the disk was slow must not look as if Redis were.
        redis.send(request, timeoutNanoseconds: limits.timeout) { [self] result in
            share.erasures.endPromotion(of: flight.key)
            let ended = scheduler.monotonicNanoseconds
            let elapsed = scheduler.waitedNanoseconds(since: now)
            switch result {
            case .success(let replies):
                if case .error(let text) = replies[0] {
                    _ = breaker.judge(permit, error: text, now: ended, elapsed: elapsed)
                    let text = String(decoding: text, as: UTF8.self)
                    return fail(flight, "Redis did not take the copy from the warm tier: \(text)")
                }
                breaker.succeeded(permit, now: ended, elapsed: elapsed)
                didPromote(flight, given, replies[0], sentAt)
            case .failure(let failure):
                breaker.failed(permit, failure, now: ended, elapsed: elapsed)
                share.doubtful.note(failure, now: ended)
                fail(flight, failure.text)
            }
        }
    }

    /// The life of a promoted copy in Redis, in milliseconds; 0 for one without end.
    private func lifeInRedis(of value: HeldValue, _ policy: Policy, _ now: Timestamp) -> Int64 {
        guard value.expiresAt != .never else {
            return value.kind == .record ? 0 : policy.retention?.milliseconds ?? 0
        }
        let life = max(1, value.expiresAt.milliseconds(since: now))
        guard value.record?.slidingFor ?? 0 > 0 else { return life }
        // A tenth longer where uses extend it, so that it does not end first (DESIGN §5).
        let hardEnd = policy.hardEnd(of: value)
        return min(life + life / 10, hardEnd == .never ? .max : max(1, hardEnd.milliseconds(since: now)))
    }

    /// A copy as Redis is to have it, and how the script is told; nil for a record that can't be read.
    private func promoted(_ copy: WarmCopy, _ policy: Policy) -> (WarmCopy, [[UInt8]])? {
        guard copy.value.kind == .record else { return (copy, [[UInt8(ascii: "s")], copy.value.bytes]) }
        guard var record = copy.value.record else { return nil }
        // Redis may have given versions that this host never saw: none of them must come again.
        record.version += Self.promotionMargin
        let fields = record.changes(from: nil, brought: []).set
        return (
            WarmCopy(HeldValue(record, expiresAt: copy.value.expiresAt), verifiedAt: copy.verifiedAt),
            [[UInt8(ascii: "h")]] + fields.flatMap { [$0.name, $0.value] }
        )
    }

    private func didPromote(_ flight: Flight, _ copy: WarmCopy, _ reply: Reply, _ sentAt: Timestamp) {
        if reply.isStatus("OK") { return promoted(flight, copy, sentAt) }
        if reply.isStatus("DELETED") {
            share.deletions.refusedPromotions.add()
            share.deletions.hasten()
            return rememberAbsent(flight)
        }
        if reply.isStatus("BEHIND") {
            share.deletions.hasten()
            return fail(flight, "the deletions of other sidecars have not been read up to now")
        }
        // Somebody wrote the key meanwhile: what they wrote is what Redis will say now.
        askAgain(flight, scheduler.monotonicNanoseconds)
    }

    /// Redis has taken the copy.
    private func promoted(_ flight: Flight, _ copy: WarmCopy, _ sentAt: Timestamp) {
        counters.promoted.add()
        take(flight)
        ownWrites.settle(flight.hash)
        // A write of ours has ended the tracking that the question began.
        keep(flight.key, flight.hash, flight.policy, copy.value, sentAt: sentAt, flight.token, isTracked: false)
        flight.answer(.found(copy.value, .warm, .fresh, verifiedAt: sentAt))
    }

    /// By how much a record's version grows when Redis has lost it and a host's copy takes its place.
    static let promotionMargin: Int64 = 1000

    /// What was answered is no longer true.
    private func askAgain(_ flight: Flight, _ now: Int64) {
        guard flight.deadline > now else { return fail(flight, "Redis changed while it was asked") }
        flight.isOnWire = false
        outgoing.append(flight)
    }

    // MARK: Extensions

    /// Lengthens a life, never shortens one, and gives none to a key without. (PEXPIRE … GT would do, from Redis 7 on.)
    ///
    /// The key is tracked by it: a copy that was written here, and has not been read from Redis, would otherwise hear
    /// of no change for as long as uses move its end.
    private static let extensionScript = Array(
        """
        local life = redis.call('PTTL', KEYS[1])
        if life > 0 and life < tonumber(ARGV[1]) then
          redis.call('PEXPIRE', KEYS[1], ARGV[1])
          return redis.call('EXISTS', KEYS[1])
        end
        return 0
        """.utf8)

    private func sendExtensions() {
        let batch = extensions.prefix(512)
        extensions.removeFirst(batch.count)
        let now = scheduler.monotonicNanoseconds
        guard let redis, let permit = breaker.admit(.write, now: now) else { return }
        var request = RequestEncoder()
        for (key, life) in batch {
            let life = Array(String(life).utf8)
            let policy = policies.policies[policies.index(for: key)]
            if tracker?.isTracking ?? false, policy.effectiveTracking == .keys {
                ownWrites.ask(KeyHash(key))
                request.appendCaching()
            }
            if let retention = policy.retention?.milliseconds {
                let words = [Array("EVAL".utf8), Self.retainedExtensionScript, [UInt8(ascii: "1")], key, life]
                request.append(words + [Array(String(retention).utf8)])
            } else {
                request.append("EVAL", Self.extensionScript, [UInt8(ascii: "1")], key, life)
            }
        }
        counters.extensions.add(UInt64(batch.count))
        redis.send(request, timeoutNanoseconds: limits.timeout) { [self] result in
            let ended = scheduler.monotonicNanoseconds
            switch result {
            case .failure(let failure):
                breaker.failed(permit, failure, now: ended, elapsed: scheduler.waitedNanoseconds(since: now))
            case .success(let replies):
                if case .error(let text)? = replies.first(where: \.isError) {
                    _ = breaker.judge(permit, error: text, now: ended, elapsed: scheduler.waitedNanoseconds(since: now))
                } else {
                    breaker.succeeded(permit, now: ended, elapsed: scheduler.waitedNanoseconds(since: now))
                }
            }
        }
    }
}

extension RedisFailure {
    /// What happened, for an error text: `Redis did not answer (timed out: no reply within 0.1 seconds)`.
    public var text: String {
        detail.isEmpty
            ? "Redis did not answer (\(cause.rawValue))" : "Redis did not answer (\(cause.rawValue): \(detail))"
    }
}
