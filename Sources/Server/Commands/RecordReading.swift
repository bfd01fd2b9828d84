// What reads of records are answered with: the record's own fields, and how they are known.

internal import Primitives
internal import State
internal import Tiers

/// A read of a record, and how its answer becomes a reply.
struct RecordQuery {
    let key: [UInt8]
    /// Asks the authority, whatever is held here.
    var isStrong = false
    /// Milliseconds since the last verification beyond which the authority is asked; nil leaves it to the policy.
    var maxAge: Int64?
    /// Tells of the value, which is given in its policy's schema.
    var isAboutValue = false
    /// Tells of checkpoints, one of which this process alone may have.
    var isAboutSteps = false
    /// Tells of turns from this one on, the last so many of them, those in this host's archive included.
    var turnsWanted: (from: Int64, last: Int?)?
    /// Tells what a command would do, by the rules of the key's policy, in place of `reply`.
    var foretells: Foretold?

    enum Foretold {
        case migration(includesHeld: Bool)
    }
    let reply: (RecordFound) -> Reply

    init(key: [UInt8], reply: @escaping (RecordFound) -> Reply) {
        self.key = key
        self.reply = reply
    }

    /// Takes `[STRONG] [MAXAGE ms]`.
    init(
        _ a: Arguments, optionsFrom start: Int, reply: @escaping (RecordFound) -> Reply
    ) throws(CommandError) {
        self.init(key: a.bytes(1), reply: reply)
        var index = start
        while index < a.count {
            if a.isWord(index, "strong"), !isStrong {
                isStrong = true
                index += 1
            } else if index + 1 < a.count, a.isWord(index, "maxage"), maxAge == nil {
                guard let value = StringWrite.integer(Array(a[index + 1])), value >= 0 else {
                    throw CommandError("ERR MAXAGE must be milliseconds, from 0 on")
                }
                maxAge = value
                index += 2
            } else {
                throw .syntax
            }
        }
    }
}

/// A record that was read, and how it is known.
struct RecordFound {
    let record: Record
    let expiresAt: Timestamp
    let reading: Reading
    let now: Timestamp
    /// Why the value has another schema than its policy's; empty where it has that.
    var note = ""
    /// The step that was acknowledged from memory and is nowhere else; nil where there is none.
    var stepInMemory: Int64?
    /// What this host's archive has of the turns that are asked for; nil where the record has all of them.
    var archived: ArchiveAnswer?

    /// Names and values of a map.
    typealias Fields = [(String, Reply)]

    /// Names are simple strings, as those in replies of Redis's modules: shorter by the length that the others have, of
    /// which there are nine in each STATE.GET.
    fileprivate static func map(_ fields: Fields) -> Reply {
        .map(fields.flatMap { [word($0.0), $0.1] })
    }

    /// One of the words of this module, which have no line ends in them.
    private static func word(_ text: String) -> Reply { .status(Array(text.utf8)) }

    private static func text(_ text: String) -> Reply { .string(Array(text.utf8)) }

    /// Which tier answered, how fresh that is, when it was last compared with the authority, and why not later.
    fileprivate var provenance: Fields {
        [
            ("source", Self.word(reading.source.rawValue)), ("freshness", Self.word(reading.freshness.rawValue)),
            ("age_ms", reading.verifiedAt.map { .integer(max(0, now.milliseconds(since: $0))) } ?? .null),
            ("ttl_ms", expiresAt == .never ? .null : .integer(max(0, expiresAt.milliseconds(since: now)))),
            ("reason", Self.text([reading.reason, note].filter { !$0.isEmpty }.joined(separator: "; "))),
        ]
    }

    /// A checkpoint, the newest where none is named; nil where it is not kept.
    func checkpoint(_ number: Int64?) -> Reply {
        let steps = record.checkpoints?.steps ?? []
        guard let step = number.map({ number in steps.first { $0.number == number } }) ?? steps.last else {
            return .null
        }
        var provenance = provenance
        if step.number == stepInMemory {
            // Newer than what any tier has.
            provenance[0].1 = Self.word(Reading.Source.local.rawValue)
            provenance[4].1 = Self.text("acknowledged from memory, and nowhere else (checkpoints.every)")
        }
        return Self.map(
            [
                ("step", .integer(step.number)), ("data", .string(step.bytes)),
                ("saved_ms_ago", .integer(max(0, now.milliseconds(since: step.at)))),
                ("version", .integer(record.version)),
            ] + provenance)
    }
}

extension Reply {
    /// STATE.GET.
    static func state(_ found: RecordFound) -> Reply {
        RecordFound.map(
            [
                ("value", found.record.value.map { .string($0) } ?? .null),
                ("version", .integer(found.record.version)), ("schema", .integer(found.record.schema)),
                ("fence", .integer(found.record.fence)),
            ] + found.provenance)
    }

    /// TURNS.GET: without options the whole of what the record has; `last` counts from the end, `from` is a sequence
    /// number, from which on the turns of this host's archive are told of as well.
    static func turns(_ found: RecordFound, last: Int?, from: Int64?) -> Reply {
        guard let turns = found.record.turns else { return .null }
        let listing = TurnListing(turns, found.archived, last: last, from: from)
        var found = found
        found.note = listing.note
        let listed: [Reply] = listing.turns.map { turn in
            .array([.integer(turn.sequence), .integer(turn.at.milliseconds), .string(turn.bytes)])
        }
        var fields: RecordFound.Fields = [
            ("version", .integer(found.record.version)),
            ("summary", turns.summary.map { .string($0) } ?? .null), ("folded", .integer(turns.foldedTo)),
            ("next", .integer(turns.next)), ("dropped", .integer(turns.dropped)),
            ("unfolded", .integer(Int64(turns.unfolded.count))), ("turns", .array(listed)),
        ]
        if let archive = turns.archive { fields.append(("archived", .integer(archive.count))) }
        if from != nil {
            fields += [
                ("from_archive", .integer(Int64(listing.fromArchive))),
                ("complete_from", .integer(listing.completeFrom)),
                ("more", listing.more.map { .integer($0) } ?? .null),
            ]
        }
        return RecordFound.map(fields + found.provenance)
    }

    /// CHECKPOINT.LIST: step, milliseconds since it was saved, and bytes of each that is kept, oldest first.
    static func checkpoints(_ found: RecordFound) -> Reply {
        let steps: [Reply] = (found.record.checkpoints?.steps ?? []).map { step in
            .array([
                .integer(step.number), .integer(max(0, found.now.milliseconds(since: step.at))),
                .integer(Int64(step.bytes.count)),
            ])
        }
        return RecordFound.map([("steps", .array(steps))] + found.provenance)
    }
}
