// HEARTH JOURNAL: what waits for Redis, which conflicts a replay found, and what a person decides about both.

internal import EventLoop
internal import Primitives
internal import RESP
internal import Tiers

enum JournalCommands {
    static let help = [
        "JOURNAL", "    What waits for Redis, in figures.",
        "JOURNAL LIST [count [sequence]]",
        "    The entries that wait, oldest first, after that one; 100 unless told, and at most about 8 MiB.",
        "JOURNAL CONFLICTS [count]", "    The conflicts that replays found, both sides, oldest first.",
        "JOURNAL REPLAY", "    Tries at once what is due; answers how many entries wait.",
        "JOURNAL DISCARD ALL|sequence [sequence ...]", "    Forgets entries without doing them: they are lost.",
        "JOURNAL FORGET ALL|id [id ...]", "    Forgets conflicts that have been looked at.",
    ]

    /// HEARTH JOURNAL …; `a` holds the whole command.
    static func run(_ c: Connection, _ a: Arguments) throws(CommandError) {
        guard let journal = c.worker.journal else {
            throw CommandError(
                "ERR there is no journal: redis.url is off, or every policy says on_outage: reject or is strong")
        }
        guard a.count > 2 else {
            return c.immediate { $0.map(c.worker.process.journalFields(), c.version) }
        }
        switch (a.lowercased(2), a.count) {
        case ("list", 3...5): try list(c, a)
        case ("conflicts", 3...4): conflicts(c, journal, try count(a))
        case ("replay", 3):
            c.worker.process.replayNow(adopting: true)
            c.immediate { $0.integer(Int64(journal.pending.entryCount)) }
        case ("discard", 4...):
            let sequences = try numbers(a)
            let slot = c.reserve(keys: [], isWrite: true, isBarrier: true)
            journal.discard(sequences) { count in
                if let count { c.worker.process.share.journalCounters.discarded.add(UInt64(count)) }
                c.complete(slot) { reply(count, $0) }
            }
        case ("forget", 4...):
            let ids = try numbers(a)
            let slot = c.reserve(keys: [], isWrite: true)
            journal.dropConflicts(ids) { count in c.complete(slot) { reply(count, $0) } }
        case ("list", _), ("conflicts", _), ("replay", _), ("discard", _), ("forget", _):
            throw .arity("hearth|journal|\(a.lowercased(2))")
        default: throw .unknownSubcommand(a.text(2), of: "hearth|journal")
        }
    }

    private static func reply(_ count: Int?, _ output: OutputBuffer) {
        guard let count else {
            return output.error("UNAVAILABLE the journal's disk did not take it; nothing was changed")
        }
        output.integer(Int64(count))
    }

    private static func count(_ a: Arguments) throws(CommandError) -> Int {
        guard a.count > 3 else { return 100 }
        let value = try Parse.integer(a[3])
        guard value > 0 else { throw CommandError("ERR value is out of range, must be positive") }
        return Int(clamping: value)
    }

    /// Sequence numbers or ids; nil is ALL.
    private static func numbers(_ a: Arguments) throws(CommandError) -> [UInt64]? {
        if a.count == 4, a.isWord(3, "all") { return nil }
        var numbers: [UInt64] = []
        for index in 3..<a.count {
            let value = try Parse.integer(a[index])
            guard value > 0 else { throw .notInteger }
            numbers.append(UInt64(value))
        }
        return numbers
    }

    /// Bytes of entries in one reply, about: who wants more asks again, from where it ended.
    private static let listBytesMax = 8 << 20

    private static func list(_ c: Connection, _ a: Arguments) throws(CommandError) {
        guard let journal = c.worker.journal else { return }
        let after = a.count > 4 ? max(0, try Parse.integer(a[4])) : 0
        let entries = journal.pending.list(after: UInt64(after), limit: try count(a), bytesMax: listBytesMax)
        let now = Loop.wallClock
        c.immediate { output in
            output.arrayHead(entries.count)
            for entry in entries {
                output.map(
                    [
                        ("sequence", .integer(Int64(entry.sequence))),
                        ("age_ms", .integer(now.milliseconds(since: entry.acceptedAt))),
                        ("may_be_done", .text(entry.write.wasSent ? "yes: it was sent and not answered" : "no")),
                        (
                            "operations",
                            .list(
                                entry.write.operations.map { operation in
                                    [("key", .bytes(operation.key)), ("operation", .text(operation.write.name))]
                                        + (operation.write.setValue.map { [("value", .bytes($0))] } ?? [])
                                })
                        ),
                    ], c.version)
            }
        }
    }

    private static func conflicts(_ c: Connection, _ journal: JournalPort, _ count: Int) {
        let slot = c.reserve(keys: [], isWrite: false)
        let now = Loop.wallClock
        journal.conflicts { conflicts in
            c.complete(slot) { output in
                guard let conflicts else {
                    return output.error("UNAVAILABLE as many requests wait for the journal as may; try again")
                }
                let listed = conflicts.prefix(count)
                output.arrayHead(listed.count)
                for (id, conflict) in listed { output.map(fields(id, conflict, now), slot.version) }
            }
        }
    }

    private static func fields(_ id: UInt64, _ conflict: Conflict, _ now: Timestamp) -> [(String, Field)] {
        [
            ("id", .integer(Int64(id))), ("sequence", .integer(Int64(conflict.sequence))),
            ("key", .bytes(conflict.key)), ("verdict", .text(conflict.verdict.label)),
            ("operation", .text(conflict.operation)),
            ("ours", conflict.ours.map { .bytes($0) } ?? .null), ("their_type", .text(conflict.theirType)),
            ("theirs", conflict.theirs.map { .bytes($0) } ?? .null),
            ("accepted_age_ms", .integer(now.milliseconds(since: conflict.acceptedAt))),
        ]
    }
}
