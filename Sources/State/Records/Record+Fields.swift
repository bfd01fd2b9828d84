// A record as a Redis hash, whose fields any Redis tool can read.
//
// | field | what |
// |---|---|
// | `version` | the version |
// | `operations` | the ids of the last writes, newest first, of 16 hex digits; a hash without both is no record |
// | `created_ms`, `updated_ms` | milliseconds since 1970 |
// | `value`, `schema` | what STATE.SET gave |
// | `fence` | the highest fence of a write |
// | `sliding_ms` | by how much a use extends the life |
// | `deleted` | `1` in what is left of a deleted record |
// | `turn:<seq>` | time in milliseconds, a space, the turn |
// | `summary`, `turns_next`, `turns_folded`, `turns_keep`, `turns_dropped` | the rest of the conversation |
// | `turns_archive`, `turns_archived`, `turns_archived_to` | its archive: the conversation, how many turns, the last |
// | `step:<n>` | time in milliseconds, a space, the checkpoint |
// | `lease_owner`, `lease_epoch`, `lease_until_ms` | who holds it |

internal import Primitives

extension Record {
    /// A field of the hash.
    public typealias Field = (name: [UInt8], value: [UInt8])

    /// The fields of the hash, in the order of the table. Complexity: O(size).
    public var fields: [Field] {
        var fields: [Field] = []
        func add(_ name: String, _ value: [UInt8]) { fields.append((Array(name.utf8), value)) }
        func add(_ name: String, _ number: Int64) { add(name, Array(String(number).utf8)) }
        add("version", version)
        add("operations", Array(operations.map(\.text).joined(separator: " ").utf8))
        add("created_ms", createdAt.milliseconds)
        add("updated_ms", updatedAt.milliseconds)
        if let value { add("value", value) }
        if schema != 0 { add("schema", schema) }
        if fence != 0 { add("fence", fence) }
        if slidingFor != 0 { add("sliding_ms", slidingFor) }
        if isDeleted { add("deleted", 1) }
        if let turns {
            for turn in turns.items { add("turn:\(turn.sequence)", Self.stamped(turn.at, turn.bytes)) }
            if let summary = turns.summary { add("summary", summary) }
            add("turns_next", turns.next)
            add("turns_folded", turns.foldedTo)
            add("turns_keep", Int64(turns.keep))
            if turns.dropped != 0 { add("turns_dropped", turns.dropped) }
            if let archive = turns.archive {
                add("turns_archive", Array(archive.id.text.utf8))
                add("turns_archived", archive.count)
                add("turns_archived_to", archive.upTo)
            }
        }
        for step in checkpoints?.steps ?? [] { add("step:\(step.number)", Self.stamped(step.at, step.bytes)) }
        if let lease {
            add("lease_owner", lease.owner)
            add("lease_epoch", lease.epoch)
            add("lease_until_ms", lease.until.milliseconds)
        }
        return fields
    }

    private static func stamped(_ time: Timestamp, _ bytes: [UInt8]) -> [UInt8] {
        Array("\(time.milliseconds) ".utf8) + bytes
    }

    /// What has to change in the hash of `old` for it to be this record's.
    ///
    /// Fields that `brought` names are set though they seem to be there: what a write brings is written.
    public func changes(from old: Record?, brought: [String] = []) -> (set: [Field], remove: [[UInt8]]) {
        let now = fields
        let brought = Set(brought.map { Array($0.utf8) })
        guard let old else { return (now, []) }
        var before: [[UInt8]: [UInt8]] = [:]
        for field in old.fields { before[field.name] = field.value }
        var set: [Field] = []
        for field in now
        where before.removeValue(forKey: field.name) != field.value || brought.contains(field.name) {
            set.append(field)
        }
        return (set, Array(before.keys))
    }

    /// The record of a hash; nil where it is none. Fields that are not known are left alone and not read.
    public init?(fields: [Field]) {
        var named: [String: [UInt8]] = [:]
        var turns: [Turns.Turn] = []
        var steps: [Checkpoints.Step] = []
        for (name, value) in fields {
            let name = String(decoding: name, as: UTF8.self)
            if name.hasPrefix("turn:") {
                guard let number = Int64(name.dropFirst(5)), let (at, bytes) = Self.unstamped(value) else { return nil }
                turns.append(Turns.Turn(sequence: number, at: at, bytes: bytes))
            } else if name.hasPrefix("step:") {
                guard let number = Int64(name.dropFirst(5)), let (at, bytes) = Self.unstamped(value) else { return nil }
                steps.append(Checkpoints.Step(number: number, at: at, bytes: bytes))
            } else {
                named[name] = value
            }
        }
        func number(_ name: String) -> Int64? { named[name].flatMap { Int64(String(decoding: $0, as: UTF8.self)) } }
        guard let version = number("version"), version > 0, named["operations"] != nil else { return nil }
        let created = Timestamp(milliseconds: number("created_ms") ?? 0)
        self.init(
            version: version, createdAt: created, updatedAt: Timestamp(milliseconds: number("updated_ms") ?? 0))
        value = named["value"]
        schema = number("schema") ?? 0
        fence = number("fence") ?? 0
        slidingFor = number("sliding_ms") ?? 0
        isDeleted = named["deleted"] != nil
        operations = String(decoding: named["operations"] ?? [], as: UTF8.self).split(separator: " ")
            .compactMap { UInt64($0, radix: 16).map { OperationID(rawValue: $0) } }
        if let next = number("turns_next") {
            guard let keep = number("turns_keep"), keep > 0, keep <= Int32.max else { return nil }
            var conversation = Turns(keep: Int(keep))
            conversation.next = next
            conversation.foldedTo = number("turns_folded") ?? 0
            conversation.dropped = number("turns_dropped") ?? 0
            conversation.summary = named["summary"]
            conversation.items = turns.sorted { $0.sequence < $1.sequence }
            if let text = named["turns_archive"] {
                guard let id = UInt64(String(decoding: text, as: UTF8.self), radix: 16) else { return nil }
                conversation.archive = Turns.Archive(
                    id: OperationID(rawValue: id), count: number("turns_archived") ?? 0,
                    upTo: number("turns_archived_to") ?? 0)
            }
            self.turns = conversation
        }
        if !steps.isEmpty {
            var checkpoints = Checkpoints()
            checkpoints.steps = steps.sorted { $0.number < $1.number }
            self.checkpoints = checkpoints
        }
        if let owner = named["lease_owner"], let epoch = number("lease_epoch"), let until = number("lease_until_ms") {
            lease = Lease(owner: owner, epoch: epoch, until: Timestamp(milliseconds: until))
        }
        guard isSound else { return nil }
    }

    private static func unstamped(_ bytes: [UInt8]) -> (Timestamp, [UInt8])? {
        guard let space = bytes.firstIndex(of: UInt8(ascii: " ")),
            let time = Int64(String(decoding: bytes[..<space], as: UTF8.self))
        else { return nil }
        return (Timestamp(milliseconds: time), Array(bytes[(space + 1)...]))
    }
}

extension OperationID {
    /// 16 hexadecimal digits, as the hash has it.
    public var text: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
