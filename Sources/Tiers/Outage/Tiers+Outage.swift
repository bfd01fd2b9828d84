// Commands whose authority is Redis and can't be asked, and keys of which earlier writes still wait for it.
//
// DESIGN §6: what is journaled is decided by the kind of a command, by whether it may have reached Redis, and by the
// policy. While a key has entries its new writes go behind them and its reads are answered from them, whatever the
// breaker says. Once it has none, a write may still have to wait until the disk has a note of what became of an earlier
// one (`UnnotedWrites`).

internal import LocalTier
internal import Primitives
internal import Resilience
internal import State
internal import Synchronization

extension TierShare {
    /// Notes which Redis answers.
    func noteProcess(_ process: UInt64) {
        if redisProcess.load(ordering: .relaxed) != process { redisProcess.store(process, ordering: .relaxed) }
    }
}

/// What became of commands that Redis did not answer, as the text of -UNAVAILABLE begins.
enum Attempt: String {
    case notSent = "not sent"
    /// Redis said that it takes no writes now.
    case notDone = "not done"
    case unknown = "outcome unknown"

    /// What to do, as the text ends.
    var advice: String {
        switch self {
        case .notSent, .notDone: ": nothing was done, try again when Redis answers"
        case .unknown: ": it may have been done, so read before you try again"
        }
    }
}

extension Tiers {
    // MARK: Writes

    /// Carries commands out in Redis, or behind what waits for it.
    ///
    /// Where all that waits of its keys is on its way to Redis already, a command waits for that (`maySettle`): going
    /// behind it into the journal, the writers of a busy key would keep it there for good.
    func performInOrder(
        _ commands: [NativeCommand], _ isTransaction: Bool, maySettle: Bool = true,
        _ completion: @escaping ([Reply]) -> Void
    ) {
        guard let journal, !journal.pending.isEmpty, mustWait(commands, behind: journal.pending) else {
            return performNoted(commands, isTransaction, completion)
        }
        let refusesWrites = breaker.refusesWrites
        let keys = Self.keys(commands) { _ in true }
        if maySettle, !refusesWrites {
            if journal.pending.isAllInFlight(of: keys) {
                let trace = trace
                return whenSettled(keys) { [self] _ in
                    resuming(trace) { performInOrder(commands, isTransaction, maySettle: false, completion) }
                }
            }
        }
        if Self.kind(of: commands) != .read, refusal(toJournal: commands, wasSent: false) == nil {
            return append(
                commands, attempt: .notSent, reason: .other("earlier writes of the key wait for Redis"), completion)
        }
        // It needs Redis's own answer, which is not there before those writes are.
        if refusesWrites {
            return performWithoutRedis(
                commands, isTransaction, attempt: .notSent, reason: breaker.reason(for: .write), completion)
        }
        let trace = trace
        whenSettled(keys) { [self] isSettled in
            guard isSettled else { return completion(unavailable(commands, Self.stillWaiting)) }
            resuming(trace) { performNoted(commands, isTransaction, completion) }
        }
    }

    /// Carries commands out in Redis once the disk has a note of what became of earlier writes of their keys. Without
    /// Redis they go into the journal, which writes that note first.
    private func performNoted(
        _ commands: [NativeCommand], _ isTransaction: Bool, _ completion: @escaping ([Reply]) -> Void
    ) {
        guard let journal, !journal.pending.unnoted.isEmpty, commands.contains(where: \.command.isWrite) else {
            return performInRedis(commands, isTransaction, completion)
        }
        let keys = Self.keys(commands, where: \.command.isWrite)
        guard journal.pending.unnoted.contains(anyOf: keys) else {
            return performInRedis(commands, isTransaction, completion)
        }
        if breaker.refusesWrites {
            return performWithoutRedis(
                commands, isTransaction, attempt: .notSent, reason: breaker.reason(for: .write), completion)
        }
        let trace = trace
        whenNoted(keys) { [self] isNoted in
            guard isNoted else { return completion(unavailable(commands, Self.unnoted)) }
            // A write that went before this one may have come to wait meanwhile.
            resuming(trace) { performInOrder(commands, isTransaction, maySettle: false, completion) }
        }
    }

    /// Whether an earlier write of the key waits for Redis, or for a note of what became of it.
    func mustFollow(_ key: [UInt8]) -> Bool {
        guard let pending = journal?.pending else { return false }
        return pending.has(key) || pending.unnoted.contains(anyOf: [key])
    }

    /// The keys of those commands; none where one concerns all of them (FLUSHDB).
    private static func keys(_ commands: [NativeCommand], where isAsked: (NativeCommand) -> Bool) -> [[UInt8]] {
        var keys: [[UInt8]] = []
        for command in commands where isAsked(command) {
            if case .removeAll = command.command { return [] }
            keys += command.command.keys
        }
        return keys
    }

    /// Whether commands concern keys of which something waits for Redis; FLUSHDB concerns all of them, DBSIZE none.
    private func mustWait(_ commands: [NativeCommand], behind pending: PendingWrites) -> Bool {
        commands.contains { command in
            if case .removeAll = command.command { return true }
            return !command.command.allKeys { !pending.has($0) }
        }
    }

    /// Why a command that can't go into the journal was not sent.
    private static let stillWaiting =
        "not sent: writes of this key wait in the journal for Redis" + Attempt.notSent.advice

    /// Why a write was not sent whose key has an earlier one that the disk says something wrong of.
    private static let unnoted =
        "not sent: the journal's disk took no note of what became of an earlier write of this key, and a restart would "
        + "do that again: nothing was done, try again when the disk takes writes"

    private static func kind(of commands: [NativeCommand]) -> OutageKind {
        commands.reduce(.read) { max($0, $1.command.outageKind) }
    }

    /// Redis can't be asked, or has not answered: into the journal, or refused.
    func performWithoutRedis(
        _ commands: [NativeCommand], _ isTransaction: Bool, attempt: Attempt, reason: OutageReason,
        late: LateAnswer? = nil, _ completion: @escaping ([Reply]) -> Void
    ) {
        if let refusal = refusal(toJournal: commands, wasSent: attempt == .unknown) {
            // Of a lease its own text says what to do.
            let advice = Self.kind(of: commands) == .exclusive ? "" : attempt.advice
            return completion(unavailable(commands, "\(attempt.rawValue): \(reason.text)\(refusal)\(advice)"))
        }
        append(commands, attempt: attempt, reason: reason, late: late, completion)
    }

    /// Redis has answered a write that was given up: what the journal keeps of it is done, and what Redis does after it
    /// must not be undone by a replay.
    ///
    /// Of a key that may have been erased since, nothing is held: Redis had done the write before, and has it no more.
    func settle(_ late: LateAnswer) {
        late.hasCome = true
        guard let journal, let sequence = late.sequence else { return }
        // One that a replay has taken already is settled by it.
        let claimed = journal.pending.claim([sequence])
        guard !claimed.isEmpty else { return }
        settleClaimed(claimed)
        for key in late.keys where share.erasures.mayHaveErased(key, since: late.erasureGeneration) {
            forget(key, KeyHash(key), policies.policy(for: key))
        }
    }

    /// Notes entries as settled that no replay did, and of which Redis has no marker: they count as settled when the
    /// disk has noted so, and are tried again until then.
    private func settleClaimed(_ claimed: [UInt64]) {
        journal?.settle(Settlement(sequences: claimed)) { [self] isDurable in
            if isDurable {
                _ = journal?.pending.finish(claimed)
            } else {
                lateSettlements.append(claimed)
                if lateSettlements.count == 1 { lateTimer?.start(afterMilliseconds: 100) }
            }
        }
    }

    func retryLateSettlements() {
        let waiting = lateSettlements
        lateSettlements = []
        for claimed in waiting { settleClaimed(claimed) }
    }

    /// Why commands don't go into the journal, as the end of a sentence; nil where they do.
    private func refusal(toJournal commands: [NativeCommand], wasSent: Bool) -> String? {
        guard journal != nil else { return "" }
        var refusing: Ruling?
        var violating: Ruling?
        var isStrict = false
        var isHeld = true
        for command in commands {
            _ = command.command.allKeys { key in
                let ruling = policies.ruling(for: key)
                if refusing == nil, ruling.policy.consistency == .strong || ruling.policy.onOutage == .reject {
                    refusing = ruling
                }
                if violating == nil, ruling.policy.residency.violation?.journal ?? false { violating = ruling }
                isStrict = isStrict || ruling.policy.strict
                isHeld = isHeld && ruling.policy.conditionalOnOutage == .held
                return true
            }
        }
        if let policy = refusing?.policy {
            return policy.consistency == .strong ? "; the policy is strong" : "; the policy says on_outage: reject"
        }
        if let violation = violating?.policy.residency.violation {
            if commands.contains(where: \.command.isWrite) { share.residency.skip(.journal) }
            return "; the residency of its policy leaves the journal out (\(violation.text))"
        }
        if isStrict, commands.contains(where: { !$0.command.isWrite }) {
            return "; the policy is strict, and nothing but Redis may answer"
        }
        switch Self.kind(of: commands) {
        case .read, .idempotent: return nil
        case .accumulating:
            return wasSent ? "; it must not be done twice, so it is not kept for later" : nil
        case .conditional:
            if wasSent { return "; its answer is Redis's alone" }
            return isHeld
                ? nil
                : "; its answer depends on what Redis has now (conditional_on_outage: held would judge by what is held "
                    + "here)"
        case .keyspace: return "; it is about Redis's keyspace"
        case .exclusive: return "; a lease is given by Redis alone: wait, or stop working"
        case .upkeep: return "; a later read migrates the value, or the same command again"
        }
    }

    private func append(
        _ commands: [NativeCommand], attempt: Attempt, reason: OutageReason, late: LateAnswer? = nil,
        _ completion: @escaping ([Reply]) -> Void
    ) {
        guard let journal else { preconditionFailure("BUG: an append without a journal") }
        let askedAt = scheduler.monotonicNanoseconds
        if !flights.isEmpty {
            for key in commands.flatMap(\.command.keys) { flights[HashedKey(key)] = nil }
        }
        let entry = JournalAppend(
            commands: commands, attempt: attempt, reason: reason, late: late, trace: trace, askedAt: askedAt,
            completion: completion)
        var missing = FewKeys<Void>()
        for command in commands {
            _ = command.command.allKeys { key in
                if isMissing(HashedKey(key)) { missing.set(key, ()) }
                return true
            }
        }
        guard let warm, !missing.isEmpty else { return append(entry, warm: [:], to: journal) }
        gather(missing, from: warm) { [self] found in append(entry, warm: found, to: journal) }
    }

    private func append(_ entry: JournalAppend, warm: [[UInt8]: WarmCopy], to journal: any JournalAccess) {
        let request = JournalRequest(
            commands: entry.commands.map(\.command), wasSent: entry.attempt == .unknown, policies: policies, warm: warm,
            redisProcess: share.redisProcess.load(ordering: .relaxed), redisAddress: redisAddress)
        journal.append(request) { [self] outcome in conclude(entry, outcome) }
    }

    private func conclude(_ entry: JournalAppend, _ outcome: JournalOutcome) {
        let elapsed = max(0, scheduler.monotonicNanoseconds - entry.askedAt)
        counters.journalLatency.record(UInt64(elapsed))
        if let trace = entry.trace {
            var isDone = false
            if case .done = outcome { isDone = true }
            trace.note(AnswerStep(.journal, nanoseconds: elapsed, isAnswered: isDone))
        }
        let commands = entry.commands
        switch outcome {
        case .done(let replies, let sequence):
            if let late = entry.late {
                late.sequence = sequence
                if late.hasCome { settle(late) }
            }
            share.journalCounters.accepted.add(UInt64(commands.count))
            answersFromJournal = true
            entry.completion(replies)
            answersFromJournal = false
            if !breaker.refusesWrites { onJournaled() }
        case .refused(let cause):
            share.journalCounters.refused.add(UInt64(commands.count))
            entry.completion(
                unavailable(
                    commands,
                    "\(entry.attempt.rawValue): \(entry.reason.text); and the journal refused it: \(cause)"
                        + entry.attempt.advice))
        case .unknown(let cause):
            share.journalCounters.refused.add(UInt64(commands.count))
            entry.completion(
                unavailable(
                    commands,
                    "outcome unknown: \(entry.reason.text); and the journal could not keep it: \(cause)"
                        + Attempt.unknown.advice))
        }
    }

    /// The warm tier's copies of keys.
    private func gather(
        _ missing: FewKeys<Void>, from warm: any WarmAccess, _ completion: @escaping ([[UInt8]: WarmCopy]) -> Void
    ) {
        if missing.count == 1, let only = missing.first?.key {
            return warm.read(only) { answer in
                if case .copy(let copy) = answer { completion([only: copy]) } else { completion([:]) }
            }
        }
        var found: [[UInt8]: WarmCopy] = [:]
        var left = missing.count
        for (key, _) in missing.elements {
            warm.read(key) { answer in
                if case .copy(let copy) = answer { found[key] = copy }
                left -= 1
                if left == 0 { completion(found) }
            }
        }
    }

    /// Whether neither the journal nor memory knows the key, so that the warm tier has to be asked.
    private func isMissing(_ key: HashedKey) -> Bool {
        guard policies.ruling(for: key.bytes).policy.tiers.contains(.warm), journal?.pending.has(key) != true else {
            return false
        }
        let now = scheduler.now
        return key.bytes.withUnsafeBytes { local.peek($0, hash: key.hash, now: now) { _ in true } } == nil
    }

    // MARK: Reads

    /// Answers a read of a key whose newest value waits for Redis.
    func readPending(
        _ key: [UInt8], _ hash: KeyHash, _ policy: Policy, _ value: PendingWrites.Value, _ form: HeldValue.Kind,
        isStrong: Bool,
        _ completion: @escaping (Reading) -> Void
    ) {
        if isStrong || policy.strict {
            counters.unavailable.add()
            return completion(.unavailable("writes of this key wait in the journal for Redis"))
        }
        let now = scheduler.now
        switch value {
        case .held(let held) where held.isAlive(at: now) || mayOutlive(held, policy, now):
            counters.journalReads.add()
            completion(
                .found(held, .journal, .stale, verifiedAt: nil, reason: "writes of this key wait for Redis"))
        case .held, .absent:
            counters.journalReads.add()
            completion(.absent(.journal))
        case .unknown where breaker.refusesReads || breaker.refusesWrites:
            // The entries change a value that nobody here knows: what is held is the best there is.
            degrade(key, hash, policy, reason: "writes of this key wait for Redis", isStrong: false, completion)
        case .unknown:
            whenSettled([key]) { [self] isSettled in
                guard isSettled else {
                    return degrade(key, hash, policy, reason: Self.stillWaiting, isStrong: false, completion)
                }
                readTiers(key, hash, policy, form, isStrong: false, completion)
            }
        }
    }

    /// In an outage a value is served past its expiry, as any copy is.
    private func mayOutlive(_ held: HeldValue, _ policy: Policy, _ now: Timestamp) -> Bool {
        breaker.refusesReads && now < policy.staleEnd(of: held)
    }

    // MARK: Waiting

    /// Whether there is anything for which `whenFree` would wait.
    public var mayHaveToWait: Bool {
        guard let pending = journal?.pending else { return false }
        return !pending.isEmpty || !pending.unnoted.isEmpty
    }

    /// Calls back when nothing that is to be done before stands in the way of a request to Redis: with nil, or with why
    /// it may not be sent, as the text of -UNAVAILABLE.
    ///
    /// `keys` are those whose writes have to reach Redis first, `changed` those that it may change: nil is none of
    /// either, an empty list is every key.
    public func whenFree(
        _ keys: [[UInt8]]?, changing changed: [[UInt8]]?, completion: @escaping (String?) -> Void
    ) {
        func goOn(_ isSettled: Bool) {
            guard isSettled else { return completion(Self.stillWaiting) }
            guard let changed, journal?.pending.unnoted.contains(anyOf: changed) ?? false else {
                return completion(nil)
            }
            whenNoted(changed) { [self] isNoted in
                // A write that went before this one may have come to wait meanwhile.
                isNoted ? whenFree(keys, changing: changed, completion: completion) : completion(Self.unnoted)
            }
        }
        if let keys { whenSettled(keys, completion: goOn) } else { goOn(true) }
    }

    /// Calls back when the next process can't do an earlier write of these keys (of any, where none is named) again:
    /// true; or false where the journal's disk takes no note of it, took none a moment ago, or has not within
    /// `redis.timeout`.
    func whenNoted(_ keys: [[UInt8]], completion: @escaping (Bool) -> Void) {
        guard let journal, journal.pending.unnoted.contains(anyOf: keys) else { return completion(true) }
        let wait = NoteWait(completion)
        wait.timer = scheduler.makeTimer { wait.answer(false) }
        wait.timer?.start(afterMilliseconds: max(1, limits.timeout / 1_000_000))
        journal.note { _ in wait.answer(!journal.pending.unnoted.contains(anyOf: keys)) }
    }

    /// Calls back when no writes of these keys (of any, where none is named) wait for Redis: true; or false after
    /// `redis.timeout`, or at once when Redis takes no writes.
    func whenSettled(_ keys: [[UInt8]], completion: @escaping (Bool) -> Void) {
        guard let journal, journal.pending.hasAny(of: keys) else { return completion(true) }
        guard !breaker.refusesWrites else { return completion(false) }
        settleWaits.append(
            SettleWait(
                keys: keys, deadline: scheduler.monotonicNanoseconds + limits.timeout, completion: completion))
        if settleWaits.count == 1 { settleTimer?.start(afterMilliseconds: 1) }
    }

    func lookAtSettleWaits() {
        guard let journal else { return }
        let now = scheduler.monotonicNanoseconds
        var left: [SettleWait] = []
        var over: [(wait: SettleWait, isSettled: Bool)] = []
        for wait in settleWaits {
            if !journal.pending.hasAny(of: wait.keys) {
                over.append((wait, true))
            } else if wait.deadline <= now || breaker.refusesWrites {
                over.append((wait, false))
            } else {
                left.append(wait)
            }
        }
        settleWaits = left
        if !left.isEmpty { settleTimer?.start(afterMilliseconds: 1) }
        for (wait, isSettled) in over { wait.completion(isSettled) }
    }
}

/// Commands on their way into the journal, and who waits for its word.
private struct JournalAppend {
    let commands: [NativeCommand]
    let attempt: Attempt
    let reason: OutageReason
    let late: LateAnswer?
    let trace: (any AnswerTrace)?
    /// Monotonic nanoseconds.
    let askedAt: Int64
    let completion: ([Reply]) -> Void
}

/// The answer to a write that was given up, which may still come, and the entry that was made of the write.
final class LateAnswer {
    private let commands: [NativeCommand]
    /// Where erasures stood when the write was sent.
    let erasureGeneration: UInt64
    var hasCome = false
    var sequence: UInt64?

    init(_ commands: [NativeCommand], _ erasures: Erasures) {
        self.commands = commands
        erasureGeneration = erasures.generation
    }

    var keys: [[UInt8]] { commands.flatMap(\.command.keys) }
}

/// A request that waits until the disk has a note of earlier writes, or has refused it, or for too long.
private final class NoteWait {
    var timer: (any ScheduledTimer)?
    private var completion: ((Bool) -> Void)?

    init(_ completion: @escaping (Bool) -> Void) { self.completion = completion }

    func answer(_ isNoted: Bool) {
        guard let completion else { return }
        self.completion = nil
        timer?.stop()
        timer = nil
        completion(isNoted)
    }
}

/// A request that waits until writes of its keys have reached Redis.
struct SettleWait {
    let keys: [[UInt8]]
    let deadline: Int64
    let completion: (Bool) -> Void
}
