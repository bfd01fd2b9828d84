// What STATE.MIGRATE does to a record and STATE.MIGRATION foretells: one judgement for both.

public import Primitives

/// What becomes of a record's value under its policy's schema, as it is answered and reported.
public struct MigrationAnswer: Sendable, Equatable {
    /// The word of the reply and of the report.
    public enum Outcome: String, Sendable, CaseIterable {
        /// Its policy names no schema.
        case noSchema = "no_schema"
        /// It has that schema, or there is no value.
        case current
        case migrated
        /// It would be migrated, and its policy holds write-back.
        case held
        /// It is no JSON, a step can't be carried out, or no step begins with its schema.
        case failed
        /// A newer release wrote it.
        case newer
        /// It would grow beyond `max_value`.
        case tooBig = "too_big"
    }

    public var outcome: Outcome
    /// The schema that it was found with; 0 where its writer named none.
    public var found: Int64
    /// The schema of its policy; 0 where that names none.
    public var current: Int64
    /// What the steps changed, in their order.
    public var effects: [MigrationEffect] = []
    /// Why it is not migrated; empty where it is.
    public var reason = ""

    /// The record in its new form, where it is to be stored, and what to say of it; nil and nil where there is none.
    ///
    /// A migration never grows a record beyond `maxValue`, unless it is no larger than it was. Complexity: O(size).
    public static func of(
        _ held: Record?, to schema: Schema, maxValue: Int, includesHeld: Bool
    ) -> (record: Record?, answer: MigrationAnswer?) {
        guard let held, !held.isDeleted else { return (nil, nil) }
        var answer = MigrationAnswer(outcome: .current, found: held.schema, current: schema.current ?? 0)
        guard schema.current != nil else {
            answer.outcome = .noSchema
            return (nil, answer)
        }
        switch held.migration(to: schema) {
        case .none: return (nil, answer)
        case .failed(let failure):
            answer.outcome = .failed
            answer.reason = failure.text
        case .newer(let found, let known):
            answer.outcome = .newer
            answer.reason = "it has schema \(found), and its policy knows up to \(known)"
        case .changed(let value, let number, let effects):
            let record = held.migrated(value: value, schema: number)
            let bytes = record.contentBytes
            answer.effects = effects
            guard bytes <= maxValue || bytes <= held.contentBytes else {
                answer.outcome = .tooBig
                answer.reason = "it would have \(bytes) bytes, and max_value of its policy allows \(maxValue)"
                break
            }
            guard schema.writeBack == .lazy || includesHeld else {
                answer.outcome = .held
                answer.reason = "its policy says write_back: hold"
                break
            }
            answer.outcome = .migrated
            return (record, answer)
        }
        return (nil, answer)
    }

    /// Names and values of the reply; an effect is its step, its operation, and the places that it changed and in which
    /// a value is lost.
    public var fields: [(String, Reply)] {
        func text(_ text: String) -> Reply { .string(Array(text.utf8)) }
        let effects: [Reply] = effects.map { effect in
            .array([
                .integer(effect.step), text(effect.operation), .integer(Int64(effect.changed)),
                .integer(Int64(effect.lost)),
            ])
        }
        return [
            ("outcome", text(outcome.rawValue)), ("schema", .integer(found)), ("current", .integer(current)),
            ("effects", .array(effects)), ("reason", text(reason)),
        ]
    }

    /// Whether a reply to STATE.MIGRATE says that the new form was stored.
    public static func isMigrated(_ reply: Reply) -> Bool {
        guard case .map(let fields) = reply, fields.count > 1 else { return false }
        return fields[1] == .string(Array(Outcome.migrated.rawValue.utf8))
    }
}
