// A write of a record as bytes, and back: what the journal keeps of it. docs/journal-format.md has the table.

internal import Primitives
internal import State

private enum ActionCode: UInt8 {
    case set = 1
    case delete, addTurns, foldTurns, putCheckpoint
}

extension PayloadWriter {
    private mutating func signed(_ value: Int64) { integer(UInt64(bitPattern: value)) }

    private mutating func optional(_ value: Int64?) {
        byte(value == nil ? 0 : 1)
        if let value { signed(value) }
    }

    mutating func record(_ write: RecordWrite) {
        integer(write.id.rawValue)
        switch write.expectation {
        case .any: byte(0)
        case .version(let version):
            byte(1)
            signed(version)
        case .absent: byte(2)
        }
        optional(write.fence)
        guard let rules = write.rules else { preconditionFailure("BUG: a write of a record without its rules") }
        self.rules(rules)
        action(write.action)
    }

    private mutating func rules(_ rules: RecordRules) {
        signed(Int64(rules.turnsKeep))
        signed(Int64(rules.turnsUnfolded))
        switch rules.turnsOverflow {
        case .refuse: byte(0)
        case .drop: byte(1)
        case .archive: byte(2)
        }
        signed(Int64(rules.checkpointsKeep))
        optional(rules.life)
        byte(rules.isSliding ? 1 : 0)
    }

    private mutating func action(_ action: RecordAction) {
        switch action {
        case .set(let value, let schema, let life):
            byte(ActionCode.set.rawValue)
            optional(schema)
            switch life {
            case .keep: byte(0)
            case .end(let milliseconds):
                byte(1)
                signed(milliseconds)
            case .sliding(let milliseconds):
                byte(2)
                signed(milliseconds)
            }
            bytes(value)
        case .delete: byte(ActionCode.delete.rawValue)
        case .addTurns(let turns, let keep):
            byte(ActionCode.addTurns.rawValue)
            optional(keep.map { Int64($0) })
            count(turns.count)
            for turn in turns { bytes(turn) }
        case .foldTurns(let sequence, let summary):
            byte(ActionCode.foldTurns.rawValue)
            signed(sequence)
            bytes(summary)
        case .putCheckpoint(let step, let content, let keep):
            byte(ActionCode.putCheckpoint.rawValue)
            signed(step)
            optional(keep.map { Int64($0) })
            bytes(content)
        case .acquireLease, .renewLease, .releaseLease: preconditionFailure("BUG: a lease in the journal")
        case .migrate: preconditionFailure("BUG: a migration in the journal")
        }
    }
}

extension PayloadReader {
    private mutating func optional() throws(UnreadablePayload) -> Int64? { try byte() == 0 ? nil : try signed() }

    private mutating func optionalCount() throws(UnreadablePayload) -> Int? {
        guard let value = try optional() else { return nil }
        return try Self.small(value)
    }

    private static func small(_ value: Int64) throws(UnreadablePayload) -> Int {
        guard value >= 0, value <= Int32.max else { throw .damaged }
        return Int(value)
    }

    mutating func record() throws(UnreadablePayload) -> RecordWrite {
        let id = OperationID(rawValue: try integer())
        let expectation: RecordWrite.Expectation
        switch try byte() {
        case 0: expectation = .any
        case 1: expectation = .version(try signed())
        case 2: expectation = .absent
        default: throw .damaged
        }
        let fence = try optional()
        let rules = try rules()
        var write = RecordWrite(id: id, try action(), expectation, fence: fence)
        write.rules = rules
        return write
    }

    private mutating func rules() throws(UnreadablePayload) -> RecordRules {
        var rules = RecordRules()
        rules.turnsKeep = try Self.small(try signed())
        rules.turnsUnfolded = try Self.small(try signed())
        switch try byte() {
        case 0: rules.turnsOverflow = .refuse
        case 1: rules.turnsOverflow = .drop
        case 2: rules.turnsOverflow = .archive
        default: throw .damaged
        }
        rules.checkpointsKeep = try Self.small(try signed())
        rules.life = try optional()
        rules.isSliding = try byte() != 0
        return rules
    }

    private mutating func action() throws(UnreadablePayload) -> RecordAction {
        guard let code = ActionCode(rawValue: try byte()) else { throw .damaged }
        switch code {
        case .set:
            let schema = try optional()
            let life: LifeChange
            switch try byte() {
            case 0: life = .keep
            case 1: life = .end(afterMilliseconds: try signed())
            case 2: life = .sliding(try signed())
            default: throw .damaged
            }
            return .set(value: try bytes(), schema: schema, life)
        case .delete: return .delete
        case .addTurns:
            let keep = try optionalCount()
            var turns: [[UInt8]] = []
            for _ in 0..<(try count()) { turns.append(try bytes()) }
            return .addTurns(turns, keep: keep)
        case .foldTurns:
            let sequence = try signed()
            return .foldTurns(upTo: sequence, summary: try bytes())
        case .putCheckpoint:
            let step = try signed()
            let keep = try optionalCount()
            return .putCheckpoint(step: step, try bytes(), keep: keep)
        }
    }
}
