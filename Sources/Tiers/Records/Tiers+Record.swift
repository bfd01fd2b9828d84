// Writes of records whose authority is Redis: a pure operation on what is held, and a compare-and-set.
//
// DESIGN §8: what memory holds is good enough to begin with, since the comparison in Redis finds out when it is not:
// one round trip without contention, and one more where nothing is held. A refusal is only believed of a state that
// Redis has just shown. An operation that expects no version is applied again to what somebody else has made of the
// record meanwhile, so many times; one that does is refused by the state that is found.

internal import LocalTier
internal import Primitives
internal import RedisTier
public import State

/// A write of a record on its way, and how often it has been tried.
private final class RecordAttempt {
    let native: NativeCommand
    let write: RecordWrite
    let key: [UInt8]
    let hash: KeyHash
    let policy: Policy
    let completion: ([Reply]) -> Void
    var tries = 0
    /// The tiers have been asked: what Redis had lost is back there, if any tier had it.
    var hasLooked = false
    /// The disk did not take what the record would let go: all of it stays in the record.
    var keepsTurns = false

    init(
        _ native: NativeCommand, _ write: RecordWrite, _ key: [UInt8], _ policy: Policy,
        _ completion: @escaping ([Reply]) -> Void
    ) {
        self.native = native
        self.write = write
        self.key = key
        self.policy = policy
        self.completion = completion
        hash = KeyHash(key)
    }
}

/// How well the state is known to which a write is applied.
private enum Certainty {
    /// Memory holds it.
    case held
    /// A read found no record; what is left of a deleted one does not show in reads.
    case absent
    /// Redis has just shown it.
    case shown
}

extension Tiers {
    /// How often a write without an expected version is applied anew before it is refused.
    static let recordTriesMax = 8

    /// The id of a new write of a record.
    public func makeOperationID() -> OperationID { OperationID(rawValue: operationIDs.next()) }

    /// Carries a write of a record out in Redis.
    func performRecordInRedis(
        _ native: NativeCommand, _ write: RecordWrite, _ key: [UInt8], _ completion: @escaping ([Reply]) -> Void
    ) {
        counters.writes.add()
        let attempt = RecordAttempt(native, write, key, policies.policy(for: key), completion)
        // Who may write is judged by Redis's clock, which comes with what it holds.
        if write.action.isLease { return exchange(attempt, .look, nil) }
        let copy = localCopy(key, attempt.hash, scheduler.now)
        // What the journal made of a record is provisional. Its replay may have given Redis the same version, by the
        // same write, from another state: the comparison would not tell the two apart, and what differs be lost.
        guard let copy, !copy.isExpired, copy.metadata.mark & EntryMark.journaled == 0,
            copy.isAbsent || copy.metadata.kind == .record
        else { return look(attempt) }
        apply(attempt, to: copy.isAbsent ? nil : copy.held, .held, now: scheduler.now)
    }

    /// Asks Redis for the record, and the warm tier where Redis has lost it.
    private func look(_ attempt: RecordAttempt) {
        attempt.hasLooked = true
        readTiers(attempt.key, attempt.hash, attempt.policy, .record, isStrong: true) { [self] reading in
            switch reading.content {
            // Redis's clock comes with what the script shows.
            case .record where attempt.write.action.isLease, .absent where attempt.write.action.isLease:
                exchange(attempt, .look, nil)
            case .record(let held): apply(attempt, to: held, .shown, now: scheduler.now)
            case .absent: apply(attempt, to: nil, .absent, now: scheduler.now)
            case .otherType, .value: attempt.completion([StringWrite.wrongType])
            case .refused(let text): attempt.completion([.error(text)])
            case .unavailable, .unknown, .defaultContext:
                performWithoutRedis([attempt.native], false, attempt: .notSent, reason: .other(reading.reason)) {
                    attempt.completion($0)
                }
            }
        }
    }

    private func apply(_ attempt: RecordAttempt, to held: HeldValue?, _ certainty: Certainty, now: Timestamp) {
        // What began to wait in the journal meanwhile comes first.
        if mustFollow(attempt.key) {
            return performInOrder([attempt.native], false, maySettle: false, attempt.completion)
        }
        let base = held.flatMap(\.record)
        guard held == nil || base != nil else { return attempt.completion([StringWrite.unreadableRecord]) }
        var rules = attempt.policy.writeRules
        if attempt.keepsTurns || warm == nil || !attempt.policy.tiers.contains(.warm) {
            rules.records.archivesBefore = 0
        }
        var outcome = attempt.write.perform(
            on: base, expiresAt: held?.expiresAt ?? .never, now: now, maxValue: rules.maxValue, rules: rules.records)
        if case .changed = outcome,
            let refusal = share.checkpoints.refusal(of: attempt.write, key: attempt.key, upon: base)
        {
            outcome = .refused(refusal)
        }
        switch (outcome, certainty) {
        case (.changed(let record, let end, let answer), _):
            let leaving = record.turnsArchived(since: base)
            // What goes to the disk for good went from a state that Redis has shown.
            if !leaving.isEmpty, certainty != .shown { return look(attempt) }
            // An end that was counted from Redis's clock is the same distance away by this host's.
            let isOurs = end == .never || end == held?.expiresAt
            let expiresAt =
                isOurs ? end : end.advanced(byMilliseconds: scheduler.now.milliseconds(since: now))
            let outbox = OutboxBatch(
                messages: attempt.write.message(version: record.version).map { [$0] } ?? [],
                maxLength: attempt.policy.outbox.maxLength)
            let swap = RecordSwap(
                from: held, to: record, expiresAt: expiresAt, brought: attempt.write.action.fields,
                keepsLife: attempt.write.action.isMigration,
                hardEnd: attempt.policy.hardEnd(of: HeldValue(record, expiresAt: expiresAt)), outbox: outbox)
            let result = HeldValue(record, expiresAt: expiresAt)
            guard !leaving.isEmpty else { return exchange(attempt, swap, (result, answer)) }
            archive(leaving, of: attempt.key, result, attempt.policy) { [self] isKept in
                attempt.keepsTurns = !isKept
                guard isKept, !mustFollow(attempt.key) else {
                    return apply(attempt, to: held, .shown, now: scheduler.now)
                }
                exchange(attempt, swap, (result, answer))
            }
        // What memory holds may be older than what decides.
        case (_, .held): look(attempt)
        case (_, .absent): exchange(attempt, .look, nil)
        case (.unchanged(let answer), .shown): attempt.completion([answer.reply(to: attempt.write, committed: .redis)])
        case (.refused(let refusal), .shown): attempt.completion([refusal.reply])
        }
    }

    private func exchange(_ attempt: RecordAttempt, _ swap: RecordSwap, _ result: (HeldValue, RecordAnswer)?) {
        guard let redis, let permit = breaker.admit(.write, now: scheduler.monotonicNanoseconds) else {
            return performWithoutRedis(
                [attempt.native], false, attempt: .notSent, reason: breaker.reason(for: .write), attempt.completion)
        }
        if let client = redis.client { share.noteProcess(Replay.process(client)) }
        let wanted = result == nil ? 0 : replicasWanted([attempt.key])
        let commands = [attempt.native]
        let writes =
            result == nil ? nil : Writes(commands, self, sentAt: scheduler.now, isOrdered: wanted == 0)
        let late = LateAnswer(commands, share.erasures)
        let messages = attempt.write.emission == nil ? 0 : 1
        let hears: (RecordSwap.Answer) -> Void = { [self] in
            guard case .done(let waiting) = $0 else { return }
            share.outbox.note(messages, waiting: waiting)
            settle(late)
        }
        let mayHear = journal != nil && result != nil && wanted == 0
        let sentAt = scheduler.monotonicNanoseconds
        if result != nil { endDoubtful(over: redis) }
        send(swap, attempt.key, redis, permit, late: mayHear ? hears : nil) { [self] answer in
            if case .done(let waiting) = answer, let (held, answer) = result, let writes {
                if messages > 0 { share.outbox.note(messages, waiting: waiting) }
                return awaitReplicas(wanted, over: redis, since: sentAt) { [self] shortfall in
                    defer { writes.end(self) }
                    guard let shortfall else {
                        writes.settle(attempt.key, to: held, self)
                        return acknowledge(attempt, held, answer)
                    }
                    writes.suspect(self)
                    attempt.completion(unavailable([attempt.native], shortfall.text))
                }
            }
            if case .other(let held, let now) = answer {
                // Nothing was written: the next attempt is not one of two that are under way together.
                writes?.end(self)
                return goOn(attempt, held, now, isFirstLook: result == nil)
            }
            defer { writes?.end(self) }
            switch answer {
            case .done, .other: attempt.completion([.error("ERR Redis answered a look at a record with OK")])
            case .otherType:
                writes?.forget(attempt.key, self)
                attempt.completion([StringWrite.wrongType])
            case .refused(let text): attempt.completion([.error(text)])
            case .unavailable(let text):
                counters.writesFailed.add()
                writes?.suspect(self)
                performWithoutRedis(
                    [attempt.native], false, attempt: .notDone,
                    reason: .other("Redis answered \(String(decoding: text, as: UTF8.self))"), attempt.completion)
            case .failed(let failure):
                counters.writesFailed.add()
                let mayBeDone = failure.mayHaveBeenSent && result != nil
                if mayBeDone { writes?.suspect(self) }
                performWithoutRedis(
                    [attempt.native], false, attempt: mayBeDone ? .unknown : .notSent, reason: .other(failure.text),
                    late: late, attempt.completion)
            }
        }
    }

    /// Redis has it. A checkpoint is acknowledged when this host's disk has it as well, or has said that it has not.
    private func acknowledge(_ attempt: RecordAttempt, _ held: HeldValue, _ answer: RecordAnswer) {
        func reply(_ committed: Committed) -> [Reply] { [answer.reply(to: attempt.write, committed: committed)] }
        guard case .putCheckpoint = attempt.write.action, attempt.policy.tiers.contains(.warm), let warm,
            let version = held.record?.version
        else { return attempt.completion(reply(.redis)) }
        warm.confirm(attempt.key, version: version) { isOnDisk in
            attempt.completion(reply(isOnDisk ? .redisAndDisk : .redis))
        }
    }

    /// Redis holds another state than was thought.
    private func goOn(_ attempt: RecordAttempt, _ held: HeldValue?, _ now: Timestamp, isFirstLook: Bool) {
        attempt.tries += 1
        guard attempt.tries <= Self.recordTriesMax else {
            return attempt.completion([
                RecordRefusal.conflict(expected: .any, found: held?.record?.version).reply
            ])
        }
        if !isFirstLook { counters.recordsReapplied.add() }
        // Redis may have lost what the warm tier still has.
        if held == nil, !attempt.hasLooked { return look(attempt) }
        apply(attempt, to: held, .shown, now: attempt.write.action.isLease ? now : scheduler.now)
    }
}
