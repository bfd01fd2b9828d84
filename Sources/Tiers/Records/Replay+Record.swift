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

    /// Applies the entries of `unit`, all of one key, to what Redis holds.
    init(_ unit: PendingWrites.Unit, found: HeldValue?, policy: Policy) {
        self.found = found
        record = found?.record
        expiresAt = found?.expiresAt ?? .never
        for index in unit.writes.indices {
            let refusal = apply(unit.writes[index], acceptedAt: unit.acceptedAt[index], policy)
            conflicts.append(
                refusal.map { [conflict(unit, index, $0.verdict, $0.reason)] } ?? [])
        }
    }

    /// What has to be written; nil where nothing has.
    var swap: RecordSwap? {
        guard let record, record.stamp != found?.record?.stamp else { return nil }
        return RecordSwap(from: found?.record, to: record, expiresAt: expiresAt)
    }

    /// Why an entry is not done; nil where it is, or was.
    private mutating func apply(
        _ entry: JournaledWrite, acceptedAt: Timestamp, _ policy: Policy
    ) -> (verdict: Conflict.Verdict, reason: String)? {
        guard let write = entry.record else { preconditionFailure("BUG: a plain write in a unit of records") }
        if let record, record.operations.contains(write.id) { return nil }
        let alive = record.flatMap { $0.isDeleted ? nil : $0 }
        let state = alive.map { KnownState($0.stamp) } ?? .absent
        let base = entry.bases[0].base
        let isMet = base.states.contains(state) || record.map { base.states.contains(KnownState($0.stamp)) } ?? false
        if write.expectation != .any, !isMet {
            return (.kept, "expected another version, found \(alive.map { "version \($0.version)" } ?? "no record")")
        }
        // Who wrote without knowing anything must not erase what somebody else knew.
        if base.isUnknown, alive != nil, case .set = write.action, policy.onUnknownBase == .keep {
            return (.kept, "written without knowing that there was a record")
        }
        let outcome = write.perform(
            on: record, expiresAt: expiresAt, now: acceptedAt, maxValue: policy.maxValue, rules: RecordRules())
        switch outcome {
        case .changed(let record, let expiresAt, _):
            self.record = record
            self.expiresAt = expiresAt
            return nil
        case .unchanged: return nil
        case .refused(let refusal): return (refusal.label == "conflict" ? .kept : .failed, refusal.text)
        }
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
        tiers.send(swap, key, connection, permit) { [self] answer in
            switch answer {
            case .done: completion(replay?.conflicts, true)
            case .other(let found, _):
                let next = RecordReplay(unit, found: found, policy: tiers.policies.policy(for: key))
                guard let swap = next.swap else { return completion(next.conflicts, false) }
                guard tries < Self.triesMax,
                    let permit = tiers.breaker.admit(.write, now: tiers.scheduler.monotonicNanoseconds)
                else { return completion(nil, false) }
                exchange(unit, swap, next, permit, tries: tries + 1, completion)
            case .otherType: completion(otherType(unit), false)
            case .refused(let text), .unavailable(let text):
                refuse(text)
                completion(nil, false)
            case .failed(let failure): completion(nil, failure.mayHaveBeenSent)
            }
        }
    }

    /// Somebody made something else of the key: nothing of the unit can be done.
    private func otherType(_ unit: PendingWrites.Unit) -> [[Conflict]] {
        unit.writes.indices.map { index in
            let (operation, ours) = unit.writes[index].summary(of: unit.keys[0])
            return [
                Conflict(
                    sequence: unit.sequences[index], acceptedAt: unit.acceptedAt[index], key: unit.keys[0],
                    verdict: .failed, operation: operation, ours: ours, theirType: "no record", theirs: nil)
            ]
        }
    }
}
