// Values of records under their policy's schema: read in its form, and stored so behind the answer.
//
// DESIGN: a reader is given the value in the form that its policy names, whatever form the tiers hold. Storing that is
// no write of the state: version, times and life stay, so that nobody's VERSION fails by it; Redis compares the schema
// beside version and writer, so that a copy in the older form can't undo it. What is held here stays in the form in
// which it was found until the new one is stored.

internal import LocalTier
internal import Primitives
public import State

/// A record as its reader is given it.
public enum RecordPresentation: Sendable, Equatable {
    /// The record; `note` says why its value has another schema than the policy's, and is empty where it has that.
    case record(Record, note: String)
    case refused(RecordRefusal)
}

extension Tiers {
    /// Migrations of one worker that may be stored at the same time; one more is left to a later read.
    static let writeBacksMax = 64

    /// The record that `reading` found under `key`, its value in the form that its policy names.
    public func present(_ record: Record, of key: [UInt8], _ reading: Reading) -> RecordPresentation {
        let policy = policies.policies[policies.index(for: key)]
        let migration = record.migration(to: policy.records.schema)
        counters.schema.note(migration)
        switch migration {
        case .none: return .record(record, note: "")
        case .newer(let found, let known): return .refused(.newerSchema(found: found, known: known))
        case .failed(let failure): return .record(record, note: "the value is not migrated: \(failure.text)")
        case .changed(let value, let schema, _):
            let migrated = record.migrated(value: value, schema: schema)
            if policy.records.schema.writeBack == .lazy, reading.freshness == .fresh {
                writeBack(key, policy, isSmaller: migrated.contentBytes <= record.contentBytes, migrated.contentBytes)
            }
            return .record(migrated, note: "")
        }
    }

    /// Stores the new form behind the answer, where the authority can be asked; else a later read does.
    private func writeBack(_ key: [UInt8], _ policy: Policy, isSmaller: Bool, _ bytes: Int) {
        guard isSmaller || bytes <= policy.maxValue, writeBacks.count < Self.writeBacksMax,
            writeBacks.insert(key).inserted
        else { return }
        migrate(key, policy) { [self] isDone in
            writeBacks.remove(key)
            if isDone { counters.schema.writtenBack.add() }
        }
    }

    /// Brings what the authority holds of a record to its policy's schema; whether that changed anything.
    func migrate(_ key: [UInt8], _ policy: Policy, _ completion: @escaping (Bool) -> Void) {
        let write = RecordWrite(id: OperationID(rawValue: 0), .migrate(includesHeld: false))
        let native = NativeCommand(.write(.record(write), key: key), arguments: [])
        let authority = authority(policy)
        if authority == .redis, breaker.refusesWrites || mustFollow(key) {
            return completion(false)
        }
        let hears: ([Reply]) -> Void = { completion(MigrationAnswer.isMigrated($0[0])) }
        switch authority {
        case .redis: performRecordInRedis(native, write, key, hears)
        case .warm, .local: perform([native], isTransaction: false, completion: hears)
        }
    }
}
