// From the form that a value has to the one that its policy names; pure, and the only place where that is decided.

/// What becomes of a value under a schema.
public enum Migration: Sendable, Equatable {
    /// It has the form that is asked for, or there is none to have.
    case none
    /// It has another form now: these bytes, which may be the same ones, with the schema's number.
    case changed(value: [UInt8], schema: Int64, effects: [MigrationEffect])
    /// It stays as it is, and so does its number.
    case failed(MigrationFailure)
    /// A newer release wrote it, in a form that is not known here.
    case newer(found: Int64, known: Int64)
}

/// What an operation of a step did to a value.
public struct MigrationEffect: Sendable, Hashable {
    /// The schema that the step leads to.
    public var step: Int64
    /// As `remove user.age`.
    public var operation: String
    /// Places in which it changed something, and those in which a value was lost.
    public var changed: Int
    public var lost: Int
}

/// Why a value could not be brought to the schema of its policy.
public enum MigrationFailure: Sendable, Equatable {
    case notJSON(String, offset: Int)
    /// An operation found something else than it is for.
    case step(to: Int64, operation: String, reason: String)
    /// No step begins with the schema that it has.
    case tooOld(found: Int64, oldest: Int64)

    /// What happened, for a reply and a report; names of members may be in it, values never.
    public var text: String {
        switch self {
        case .notJSON(let reason, let offset): "the value is not JSON: \(reason) at byte \(offset)"
        case .step(let to, let operation, let reason): "the step to \(to), \(operation): \(reason)"
        case .tooOld(let found, let oldest): "it has schema \(found), and the steps begin at \(oldest)"
        }
    }

    /// The word of the metric's label.
    public var label: String {
        switch self {
        case .notJSON: "not_json"
        case .step: "failed"
        case .tooOld: "too_old"
        }
    }
}

extension Schema {
    /// What becomes of `value`, which has `schema`; 0 stands for none, and is the oldest that there are steps for.
    ///
    /// All steps are done, or none. Complexity: O(size), for each operation where it has wildcards.
    public func migrate(_ value: [UInt8], from schema: Int64) -> Migration {
        guard let current, let oldest else { return .none }
        let from = schema == 0 ? oldest : schema
        if from > current { return .newer(found: from, known: current) }
        if from == current { return schema == current ? .none : .changed(value: value, schema: current, effects: []) }
        guard from >= oldest else { return .failed(.tooOld(found: from, oldest: oldest)) }
        let due = steps.filter { $0.to > from }
        var document: JSONDocument
        do throws(JSONError) {
            document = try JSONDocument(value)
        } catch {
            return .failed(.notJSON(error.text, offset: error.offset))
        }
        var effects: [MigrationEffect] = []
        for step in due {
            for operation in step.operations {
                do throws(JSONEditError) {
                    let count = try operation.perform(on: &document)
                    guard count.changed > 0 else { continue }
                    effects.append(
                        MigrationEffect(
                            step: step.to, operation: operation.text, changed: count.changed, lost: count.lost))
                } catch {
                    return .failed(.step(to: step.to, operation: operation.text, reason: error.text))
                }
            }
        }
        return .changed(value: document.edited(), schema: current, effects: effects)
    }
}

extension Record {
    /// What becomes of its value under its policy's schema; `.none` where it has no value.
    public func migration(to schema: Schema) -> Migration {
        guard let value, !isDeleted else { return .none }
        return schema.migrate(value, from: self.schema)
    }

    /// The same record with its value in a new form: no write, so that version, operations and times stay.
    public func migrated(value: [UInt8], schema: Int64) -> Record {
        var record = self
        record.value = value
        record.schema = schema
        return record
    }
}
