// The journal's own work, whoever's thread it runs on: accepts writes without Redis, in order, and notes what is done.
//
// DESIGN: what has gathered becomes one commit. A write is performed on what is held here, so that it has a reply; what
// it comes to is staged with the base that a replay compares with; after the commit, and only then, it is pending,
// readable and answered. A batch whose commit fails never happened. There is one keeper, and it alone appends, so that
// the order of entries is the order of answers.

public import Journal
public import LocalTier
public import Primitives
internal import State

/// Work for the keeper; `deliver`, or the return, is called once, on the keeper's thread.
public enum JournalJob: Sendable {
    case write(JournalRequest, JournalReturn)
    case settle(Settlement, deliver: @Sendable (Bool) -> Void)
    /// Forgets entries without doing them; nil means all. Hears how many, or nil where the disk refuses.
    case discard([UInt64]?, deliver: @Sendable (Int?) -> Void)
    /// Forgets conflicts; nil means all. Hears how many, or nil where the disk refuses.
    case dropConflicts([UInt64]?, deliver: @Sendable (Int?) -> Void)
    /// Forgets entries and conflicts of keys under a prefix. Hears how many, or nil where the disk refuses.
    case erase([UInt8], deliver: @Sendable (JournalErasure?) -> Void)
    /// Tries to note what became of writes (`UnnotedWrites`). Hears whether nothing is left to note.
    case note(deliver: @Sendable (Bool) -> Void)
    /// The conflicts that are kept, oldest first.
    case conflicts(deliver: @Sendable ([(id: UInt64, conflict: Conflict)]) -> Void)
}

/// Owns the journal; belongs to one thread.
public final class JournalKeeper {
    public let journal: Journal
    public let pending: PendingWrites
    private let local: LocalTier
    private let changeWarm: (_ key: HashedKey, _ change: WarmChange) -> Void
    let sync: JournalSync
    /// When what was accepted is to be made durable, where that is done at intervals; monotonic.
    var nextSync = Int64.min
    /// Done in Redis, but the disk refused to note it: tried again with each batch. A crash in between is harmless,
    /// since Redis has a marker of each.
    private var unsettled: [Settlement] = []
    /// The entries of `unsettled`, each of which stands there once.
    private var unsettledEntries: Set<UInt64> = []
    /// Whether anything is done of which only Redis knows.
    package var hasUnsettled: Bool { !unsettled.isEmpty }

    // The batch under way.
    private var staged: [PendingWrites.Accepted] = []
    /// The policies under which each of `staged` was accepted.
    private var stagedPolicies: [PolicyTable] = []
    private let stagedValues = StagedValues()
    private var waiting: [Waiting] = []

    /// Who hears of the commit, in the order of the jobs.
    private enum Waiting {
        /// A write; without a sequence it changed nothing, but what it saw may be part of this batch.
        case write(JournalReturn, [Reply], sequence: UInt64?)
        case other((_ isDone: Bool) -> Void)
    }

    /// Takes over a journal that was just opened; entries that can't be understood are kept in it and returned.
    public init(
        _ journal: Journal, recovery: JournalRecovery, pending: PendingWrites, local: LocalTier, sync: JournalSync,
        changeWarm: @escaping (_ key: HashedKey, _ change: WarmChange) -> Void
    ) {
        self.journal = journal
        self.pending = pending
        self.local = local
        self.sync = sync
        self.changeWarm = changeWarm
        var entries: [(sequence: UInt64, acceptedAt: Timestamp, write: JournaledWrite)] = []
        for entry in recovery.entries {
            do throws(UnreadablePayload) {
                entries.append((entry.sequence, entry.acceptedAt, try JournaledWrite(payload: entry.payload)))
            } catch {
                unreadable.append((entry.sequence, error.description))
            }
        }
        pending.restore(entries)
    }

    /// Entries of the journal that this version can't understand, and why; they stay where they are.
    public private(set) var unreadable: [(sequence: UInt64, reason: String)] = []

    /// The conflicts that are kept, oldest first.
    public var conflicts: [(id: UInt64, conflict: Conflict)] {
        journal.notes.compactMap { note in Conflict(payload: note.payload).map { (note.id, $0) } }
    }

    // MARK: A batch

    /// Carries out what has gathered as one commit; every job's `deliver` has been called when this returns.
    public func process(_ jobs: [JournalJob], now: Timestamp) {
        journal.begin()
        var failed: String?
        // Before they are tried again: what is noted in this batch an erasure does not find.
        var erased: [Conflict] = []
        for case .erase(let prefix, _) in jobs { erased += takeUnsettled(under: prefix) }
        let retried = unsettled
        (unsettled, unsettledEntries) = ([], [])
        var settlesNow = !retried.isEmpty
        for settlement in retried { stage(settlement, { _ in }, now) }
        for job in jobs {
            switch job {
            case .write(let request, let answer): stage(request, answer, now)
            case .settle(let settlement, let deliver):
                settlesNow = true
                stage(settlement, deliver, now)
            case .discard(let sequences, let deliver):
                settlesNow = true
                discard(sequences, deliver)
            case .dropConflicts(let ids, let deliver): drop(ids, deliver)
            case .erase(let prefix, let deliver):
                settlesNow = true
                erase(prefix, erased, deliver)
            case .note(let deliver): deliver(pending.unnoted.isEmpty)
            case .conflicts(let deliver): deliver(conflicts)
            }
        }
        var isVoid = true
        do throws(JournalError) {
            try journal.commit(synchronously: sync == .always || settlesNow, now: now)
        } catch {
            failed = "\(error)"
            if case .refused(_, isVoid: false) = error { isVoid = false }
        }
        finish(failed: failed, isVoid: isVoid, now: now)
    }

    private func finish(failed: String?, isVoid: Bool, now: Timestamp) {
        if failed == nil {
            pending.append(staged)
            for (write, policies) in zip(staged, stagedPolicies) {
                publish(write.values.first?.value ?? .unknown, of: write.key, policies, now)
                guard write.values.count > 1 else { continue }
                for (key, value) in write.values.elements.dropFirst() {
                    publish(value, of: HashedKey(key), policies, now)
                }
            }
        } else {
            for write in staged { pending.release(write.superseded) }
            if !isVoid {
                let keys = staged.lazy.flatMap { $0.write.bases.lazy.map(\.key) }
                pending.unnoted.refuse(keys, opening: journal.segmentsOpened)
            }
        }
        staged.removeAll(keepingCapacity: true)
        stagedPolicies.removeAll(keepingCapacity: true)
        stagedValues.values.removeAll(keepingCapacity: stagedValues.values.count <= Self.turnMax)
        let refusal = failed.map { isVoid ? JournalOutcome.refused($0) : .unknown($0) }
        for waiting in waiting {
            switch waiting {
            case .write(let answer, let replies, let sequence):
                answer.deliver(refusal ?? .done(replies, sequence: sequence))
            case .other(let deliver): deliver(failed == nil)
            }
        }
        waiting.removeAll(keepingCapacity: true)
        lookAtUnnoted()
    }

    /// What the disk has a note of by now is not held back any more.
    func lookAtUnnoted() {
        if !journal.mayBringBack { pending.unnoted.noteRefused() }
        if unsettled.isEmpty { pending.unnoted.noteDone() }
    }

    // MARK: Writes

    private func stage(_ request: JournalRequest, _ answer: JournalReturn, _ now: Timestamp) {
        var space = OutageSpace(
            pending: pending, local: local, warm: request.warm, now: now, staged: stagedValues)
        let (replies, operations) = Self.perform(request, &space, now)
        guard !operations.isEmpty else { return waiting.append(.write(answer, replies, sequence: nil)) }
        var write = JournaledWrite(
            operations: operations, bases: [], wasSent: request.wasSent, redisProcess: request.redisProcess,
            redisAddress: request.redisAddress)
        let first = HashedKey(operations[0].key)
        var superseded: [UInt64] = []
        if write.isAbsolute, stagedValues.values.isEmpty || stagedValues.values[first] == nil,
            let claimed = pending.claimSuperseded(first)
        {
            superseded = claimed.sequences
            write.bases = [(first.bytes, claimed.base)]
        } else if operations.count == 1 {
            write.bases = [(first.bytes, base(of: operations[0], space, now))]
        } else {
            var bases = FewKeys<Base>()
            for operation in operations where bases[operation.key] == nil {
                bases.set(operation.key, base(of: operation, space, now))
            }
            guard bases.count <= Self.keysMax else {
                let limit =
                    "\(bases.count) keys in one command or transaction; it takes \(Self.keysMax) at most: use several"
                return answer.deliver(.refused(limit))
            }
            write.bases = bases.elements.map { ($0.key, $0.value) }
        }
        let values = Self.results(of: write, space)
        do throws(JournalError) {
            let sequence = try journal.append(write.encoded(), superseding: superseded, now: now)
            stagedValues.note(values, first)
            staged.append(
                PendingWrites.Accepted(
                    sequence: sequence, write: write, acceptedAt: now, key: first, superseded: superseded,
                    values: values))
            stagedPolicies.append(request.policies)
            waiting.append(.write(answer, replies, sequence: sequence))
        } catch {
            pending.release(superseded)
            answer.deliver(.refused("\(error)"))
        }
    }

    /// Keys of one entry: a replay is one script, and Redis serves nobody else meanwhile.
    private static let keysMax = 16_384

    /// The replies, and what is to be done in Redis later.
    private static func perform(
        _ request: JournalRequest, _ space: inout OutageSpace, _ now: Timestamp
    ) -> ([Reply], [JournaledWrite.Operation]) {
        let policies = request.policies
        let rules: ([UInt8]) -> WriteRules = { policies.ruling(for: $0).journaled }
        var operations: [JournaledWrite.Operation] = []
        var replies: [Reply] = []
        replies.reserveCapacity(request.commands.count)
        for command in request.commands {
            let reply = space.reply(to: command, policies) ?? command.perform(in: &space, now: now, rules: rules)
            let changes = space.takeChanges()
            // Judged by what is held here, of a write that Redis may have done.
            if request.wasSent, case .write(.record, _) = command, case .error(let text) = reply {
                replies.append(
                    .error(
                        Array("UNAVAILABLE outcome unknown: Redis did not answer; here it would be: ".utf8) + text))
                continue
            }
            replies.append(reply)
            if reply.isError { continue }
            let change: ([UInt8]) -> Change = { changes[$0] ?? .none }
            command.forEachEffect(now: now, rules: rules, change: change) { key, write in
                operations.append(JournaledWrite.Operation(key, write))
            }
        }
        return (replies, operations)
    }

    /// What was known of a key before the first operation on it.
    private func base(of operation: JournaledWrite.Operation, _ space: OutageSpace, _ now: Timestamp) -> Base {
        let waiting = space.waiting(operation.key)
        switch waiting ?? space.held(operation.key) {
        case .unknown: return Base(states: [], isUnknown: true)
        case .absent: return Base(states: [.absent], isUnknown: false)
        case .held(let held):
            var states = [KnownState(held)]
            // It may have ended in Redis before the replay comes.
            if held.expiresAt != .never { states.append(.absent) }
            // A record's version goes on even from what a write replaces.
            let isNeeded =
                waiting == nil && (!operation.write.isAbsolute || held.kind == .record) && held.isAlive(at: now)
            return Base(
                states: states, isUnknown: false, mayBeOurs: waiting == nil && space.isInDoubt(operation.key),
                held: isNeeded ? held : nil)
        }
    }

    /// What each key of a write holds after it, as far as is known.
    private static func results(of write: JournaledWrite, _ space: OutageSpace) -> FewKeys<PendingWrites.Value> {
        var results = FewKeys<PendingWrites.Value>()
        for (key, _) in write.bases {
            // What changed nothing that is held here: an EXPIRE leaves a key that nobody knows as unknown as it was, a
            // deletion leaves none, also on a disk that could not be asked.
            let isGone = write.operations.contains { $0.write.takesKeyAway && $0.key == key }
            results.set(key, space.results[key] ?? (isGone ? .absent : space.known(key)))
        }
        return results
    }

    /// Memory and disk hold what waits for Redis, as what may be served in an outage and is never fresh.
    private func publish(
        _ value: PendingWrites.Value, of key: HashedKey, _ policies: PolicyTable, _ now: Timestamp
    ) {
        let ruling = policies.ruling(for: key.bytes)
        let usesWarm = ruling.policy.tiers.contains(.warm)
        guard case .held(let held) = value else {
            key.bytes.withUnsafeBytes { _ = local.remove($0, hash: key.hash) }
            if usesWarm, value == .absent { changeWarm(key, .remove) }
            return
        }
        let metadata = ruling.waitingMetadata(of: held, now: now)
        key.bytes.withUnsafeBytes { bytes in
            guard ruling.policy.tiers.contains(.local), held.bytes.count <= ruling.policy.maxLocalValue else {
                _ = local.remove(bytes, hash: key.hash)
                return
            }
            held.bytes.withUnsafeBytes {
                _ = local.put(bytes, hash: key.hash, value: $0, metadata: metadata, now: now)
            }
        }
        guard usesWarm else { return }
        let copy = WarmCopy(held, verifiedAt: now, isSuspect: true)
        changeWarm(key, .put(copy, staleFor: ruling.staleSeconds(of: held)))
    }

    // MARK: Settling

    private func afterCommit(_ deliver: @escaping (_ isDone: Bool) -> Void) { waiting.append(.other(deliver)) }

    private func stage(
        _ settlement: Settlement, _ deliver: @escaping @Sendable (Bool) -> Void, _ now: Timestamp
    ) {
        // Of one that is too large for what the batch has left nothing is noted: the next batch begins with it.
        let payloads = settlement.conflicts.map { $0.encoded().count }
        guard journal.hasRoom(forNotes: payloads) || !journal.hasStagedNotes else {
            leaveUnsettled(settlement)
            return deliver(false)
        }
        do throws(JournalError) {
            for conflict in settlement.conflicts { try note(conflict, now) }
            try journal.settle(settlement.sequences)
        } catch {
            leaveUnsettled(settlement)
            return deliver(false)
        }
        afterCommit { [self] isDone in
            if !isDone { leaveUnsettled(settlement) }
            deliver(isDone)
        }
    }

    private func leaveUnsettled(_ settlement: Settlement) {
        pending.unnoted.finish(records: pending.recordKeys(of: settlement.sequences))
        var left = settlement
        left.sequences.removeAll { !unsettledEntries.insert($0).inserted }
        if !left.sequences.isEmpty || !left.conflicts.isEmpty { unsettled.append(left) }
    }

    /// Keeps a conflict; of one that is larger than all that may be kept, what happened without the values; and nothing
    /// of one for which even that is too much, because a command had so many.
    private func note(_ conflict: Conflict, _ now: Timestamp) throws(JournalError) {
        do throws(JournalError) {
            _ = try journal.note(conflict.encoded(), now: now)
        } catch {
            guard case .tooLarge = error else { throw error }
            var short = conflict
            short.ours = conflict.ours.map { Array($0.prefix(Self.shortened)) }
            short.theirs = conflict.theirs.map { Array($0.prefix(Self.shortened)) }
            do throws(JournalError) {
                _ = try journal.note(short.encoded(), now: now)
            } catch {
                guard case .tooLarge = error else { throw error }
                journal.leaveNoteOut()
            }
        }
    }

    /// Bytes that are kept of each side of a conflict for which there is no room.
    private static let shortened = 256

    private func discard(_ sequences: [UInt64]?, _ deliver: @escaping @Sendable (Int?) -> Void) {
        let claimed = pending.claim(sequences)
        do throws(JournalError) {
            try journal.settle(claimed)
        } catch {
            pending.release(claimed)
            return deliver(nil)
        }
        finishUndone(claimed) { isDone in deliver(isDone ? claimed.count : nil) }
    }

    /// Entries that were claimed and settled undone are gone once that is committed; else they wait on.
    private func finishUndone(_ claimed: [UInt64], _ deliver: @escaping (Bool) -> Void) {
        afterCommit { [self] isDone in
            defer { deliver(isDone) }
            guard isDone else { return pending.release(claimed) }
            // What was held of these keys is what nobody will ever write.
            for (key, _) in pending.finish(claimed) {
                let key = HashedKey(key)
                key.bytes.withUnsafeBytes { _ = local.remove($0, hash: key.hash) }
                changeWarm(key, .remove)
            }
        }
    }

    /// Conflicts of keys under a prefix that the disk has not taken yet; they are no longer tried.
    private func takeUnsettled(under prefix: [UInt8]) -> [Conflict] {
        var taken: [Conflict] = []
        for index in unsettled.indices {
            taken += unsettled[index].conflicts.filter { $0.key.starts(with: prefix) }
            unsettled[index].conflicts.removeAll { $0.key.starts(with: prefix) }
        }
        return taken
    }

    /// A batch of its own: what is staged beside it would not be found. `unsettled` are the conflicts that the disk has
    /// not taken yet: they are tried again where it does not take this either.
    private func erase(
        _ prefix: [UInt8], _ unsettled: [Conflict], _ deliver: @escaping @Sendable (JournalErasure?) -> Void
    ) {
        let claimed = pending.claim(under: prefix)
        let dropped = conflicts.filter { $0.conflict.key.starts(with: prefix) }.map(\.id)
        do throws(JournalError) {
            try journal.settle(claimed)
            try journal.dropNotes(dropped)
        } catch {
            pending.release(claimed)
            keepTrying(unsettled)
            return deliver(nil)
        }
        finishUndone(claimed) { [self] isDone in
            if !isDone { keepTrying(unsettled) }
            let conflicts = dropped.count + unsettled.count
            deliver(isDone ? JournalErasure(entries: claimed.count, conflicts: conflicts) : nil)
        }
    }

    private func keepTrying(_ conflicts: [Conflict]) {
        if !conflicts.isEmpty { unsettled.append(Settlement(sequences: [], conflicts: conflicts)) }
    }

    private func drop(_ ids: [UInt64]?, _ deliver: @escaping @Sendable (Int?) -> Void) {
        let kept = Set(journal.notes.map(\.id))
        let dropped = Array(ids.map { kept.intersection($0) } ?? kept)
        do throws(JournalError) {
            try journal.dropNotes(dropped)
        } catch {
            return deliver(nil)
        }
        afterCommit { isDone in deliver(isDone ? dropped.count : nil) }
    }
}
