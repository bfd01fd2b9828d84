// Replaying writes of records: each operation is applied to the record that Redis has, and the result compared and set.
//
// DESIGN §6, §8: an operation that expects no version is applied to whatever is there. One that does was accepted
// against a state that is in its entry as the base; where Redis has that state, with what earlier entries made of it,
// it is done, and else it is a conflict, kept with both sides. What was done before, by a write whose answer was lost,
// is known by the ids that the record remembers; so a unit needs no marker.

internal import Primitives
internal import RedisTier
internal import Resilience
internal import State

/// What came of the entries of a unit against one state of the record.
struct RecordReplay {
    /// What Redis held.
    let found: HeldValue?
    private(set) var record: Record?
    private(set) var expiresAt: Timestamp
    /// For each entry what is to be told of it.
    private(set) var conflicts: [[Conflict]] = []

    /// The last entry that was done to this very state.
    private var applied: OperationID?

    /// Applies the entries of `unit`, all of one key, to what Redis holds; `isOtherProcess` says of a Redis process
    /// that it is not the one that answers now. `mayArchive`: there is a disk that takes turns.
    init(
        _ unit: PendingWrites.Unit, found: HeldValue?, policy: Policy, now: Timestamp, mayArchive: Bool = false,
        isOtherProcess: (UInt64) -> Bool
    ) {
        self.found = found
        record = found?.record
        // None of the unit's own: they are certain when all of it is done.
        if mayArchive, let turns = record?.turns, let archive = turns.archive {
            (archivesBefore, archiveID) = (turns.next, archive.id)
        }
        expiresAt = found?.expiresAt ?? .never
        if found == nil, let held = unit.writes[0].bases[0].base.held, held.kind == .record, held.isAlive(at: now),
            isOtherProcess(unit.writes[0].redisProcess)
        {
            // A Redis that began anew has lost it: nobody took it away.
            record = held.record
            expiresAt = policy.retained(held).expiresAt
        }
        let known = Set(found?.record?.operations ?? [])
        func isKnown(_ write: JournaledWrite) -> Bool { write.record.map { known.contains($0.id) } ?? false }
        // A replay goes in order: what nothing but a replay can have done says that all before it is done as well. A
        // write that was sent when its client asked may have been done then, ahead of others that were not.
        let inOrder = unit.writes.lastIndex { !$0.wasSent && isKnown($0) } ?? -1
        for index in unit.writes.indices {
            let isDone = index <= inOrder || isKnown(unit.writes[index])
            let refusal = isDone ? nil : apply(unit.writes[index], acceptedAt: unit.acceptedAt[index], policy)
            conflicts.append(
                refusal.map { [conflict(unit, index, $0.verdict, $0.reason)] } ?? [])
        }
        if let ended = record, expiresAt <= now {
            // A life that ended before it could be replayed: its version and its fence live on.
            record = ended.isDeleted ? ended : ended.tombstone
            expiresAt = now.advanced(byMilliseconds: RecordRules.tombstoneLife)
        }
        brought = unit.writes.flatMap { $0.record?.action.fields ?? [] }
        outbox.maxLength = policy.outbox.maxLength
        if let record { hardEnd = policy.hardEnd(of: HeldValue(record, expiresAt: expiresAt)) }
    }

    private var archivesBefore: Int64 = 0
    /// The conversation that these are of: a deletion among the entries begins another.
    private var archiveID: OperationID?
    /// The turns that are to be in their archive before the record lets them go.
    var leaving: [Turns.Turn] { record?.turnsArchived(since: found?.record) ?? [] }
    var result: HeldValue? { record.map { HeldValue($0, expiresAt: expiresAt) } }
    /// Whether the unit ends a record that had an archive.
    var endsArchive: Bool { found?.archiveID != nil && record?.isDeleted ?? false }

    private var hardEnd = Timestamp.never

    private var brought: [String] = []
    /// The messages of the entries that are done now.
    private var outbox = OutboxBatch(isAccepted: true)
    var messageCount: Int { outbox.messages.count }

    /// What has to be written; nil where nothing has.
    var swap: RecordSwap? {
        guard let record, record.stamp != found?.record?.stamp || record.isDeleted != found?.record?.isDeleted else {
            return nil
        }
        return RecordSwap(
            from: found, to: record, expiresAt: expiresAt, brought: brought, hardEnd: hardEnd, outbox: outbox)
    }

    /// Why an entry is not done; nil where it is, or was.
    private mutating func apply(
        _ entry: JournaledWrite, acceptedAt: Timestamp, _ policy: Policy
    ) -> (verdict: Conflict.Verdict, reason: String)? {
        guard var write = entry.record else { preconditionFailure("BUG: a plain write in a unit of records") }
        let alive = record.flatMap { $0.isDeleted ? nil : $0 }
        let state = alive.map { KnownState($0.stamp) } ?? .absent
        let base = entry.bases[0].base
        let isMet = base.states.contains(state) || record.map { base.states.contains(KnownState($0.stamp)) } ?? false
        if write.expectation != .any, let applied, record?.operations.first == applied {
            // It was accepted upon the entry before it, whatever version that has become.
            write.expectation = .any
        } else if write.expectation != .any, !isMet {
            skipVersion(of: write)
            return (.kept, "expected another version, found \(alive.map { "version \($0.version)" } ?? "no record")")
        }
        // Who wrote without knowing anything must not erase what somebody else knew.
        if base.isUnknown, alive != nil, case .set = write.action, policy.onUnknownBase == .keep {
            return (.kept, "written without knowing that there was a record")
        }
        write.rules?.schema = policy.records.schema
        var rules = RecordRules()
        rules.retention = policy.retention?.milliseconds
        rules.archivesBefore = record?.turns?.archive?.id == archiveID ? archivesBefore : 0
        let outcome = write.perform(
            on: record, expiresAt: expiresAt, now: acceptedAt, maxValue: policy.maxValue, rules: rules)
        switch outcome {
        case .changed(let record, let expiresAt, _):
            self.record = record
            self.expiresAt = expiresAt
            applied = write.id
            if let message = write.message(version: record.version) { outbox.messages.append(message) }
            return nil
        case .unchanged: return nil
        case .refused(let refusal): return (refusal.label == "conflict" ? .kept : .failed, refusal.text)
        }
    }

    /// The version that a refused entry was acknowledged with is nobody's: what Redis has goes beyond it.
    private mutating func skipVersion(of write: RecordWrite) {
        guard case .version(let expected) = write.expectation, let version = record?.version else { return }
        record?.version = max(version, expected + 2)
    }

    private func conflict(
        _ unit: PendingWrites.Unit, _ index: Int, _ verdict: Conflict.Verdict, _ reason: String
    ) -> Conflict {
        let (operation, ours) = unit.writes[index].summary(of: unit.keys[0])
        return Conflict(
            sequence: unit.sequences[index], acceptedAt: unit.acceptedAt[index], key: unit.keys[0], verdict: verdict,
            operation: operation, ours: ours, theirType: "record: \(reason)",
            theirs: record?.value.map { Array($0.prefix(1 << 20)) })
    }
}

extension Replay {
    /// How often a unit is applied to a record that others keep writing, before it waits for its next turn.
    private static let triesMax = 16

    /// Replays a unit of writes of one record; `completion` hears its conflicts, or nil where it has to be tried again.
    func sendRecords(
        _ unit: PendingWrites.Unit, _ permit: Permit,
        _ completion: @escaping (_ conflicts: [[Conflict]]?, _ wasAttempted: Bool) -> Void
    ) {
        exchange(unit, RecordSwap.look, nil, permit, tries: 0, completion)
    }

    private func exchange(
        _ unit: PendingWrites.Unit, _ swap: RecordSwap, _ replay: RecordReplay?, _ permit: Permit, tries: Int,
        _ completion: @escaping ([[Conflict]]?, Bool) -> Void
    ) {
        let key = unit.keys[0]
        let process = connection.client.map { Self.process($0) } ?? 0
        tiers.send(swap, key, connection, permit, timeout: timeout) { [self] answer in
            switch answer {
            case .done(let waiting):
                guard let replay else {
                    refuse(Array("ERR Redis answered a look at a record with OK".utf8))
                    return completion(nil, false)
                }
                tiers.share.outbox.note(replay.messageCount, waiting: waiting)
                if replay.endsArchive { tiers.removeArchive(of: key) }
                completion(replay.conflicts, true)
            case .other(let found, _):
                let policy = tiers.policies.policy(for: key)
                func replayed(mayArchive: Bool) -> RecordReplay {
                    RecordReplay(
                        unit, found: found, policy: policy, now: tiers.scheduler.now, mayArchive: mayArchive,
                        isOtherProcess: { $0 != 0 && process != 0 && $0 != process })
                }
                let next = replayed(mayArchive: tiers.warm != nil && policy.tiers.contains(.warm))
                guard let result = next.result, next.swap != nil else { return completion(next.conflicts, false) }
                tiers.archive(next.leaving, of: key, result, policy) { [self] isKept in
                    let next = isKept ? next : replayed(mayArchive: false)
                    guard let swap = next.swap else { return completion(next.conflicts, false) }
                    guard tries < Self.triesMax,
                        let permit = tiers.breaker.admit(.write, now: tiers.scheduler.monotonicNanoseconds)
                    else { return completion(nil, false) }
                    exchange(unit, swap, next, permit, tries: tries + 1, completion)
                }
            case .otherType: completion(failed(unit, "no record"), false)
            // An error of this key alone must not hold up the others.
            case .refused(let text): completion(failed(unit, String(decoding: text, as: UTF8.self)), false)
            case .unavailable(let text):
                refuse(text)
                completion(nil, false)
            case .failed(let failure): completion(nil, failure.mayHaveBeenSent)
            }
        }
    }

    /// Nothing of the unit can be done: somebody made something else of the key, or Redis refuses it.
    private func failed(_ unit: PendingWrites.Unit, _ reason: String) -> [[Conflict]] {
        unit.writes.indices.map { index in
            let (operation, ours) = unit.writes[index].summary(of: unit.keys[0])
            return [
                Conflict(
                    sequence: unit.sequences[index], acceptedAt: unit.acceptedAt[index], key: unit.keys[0],
                    verdict: .failed, operation: operation, ours: ours, theirType: reason, theirs: nil)
            ]
        }
    }
}
