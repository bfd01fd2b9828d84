// Writes of records: what is asked, of which version, and what became of it.

public import Primitives

/// A write of one record: an action, what it expects to find, and an id by which a repetition is recognised.
public struct RecordWrite: Sendable, Equatable {
    /// What the writer expects to find.
    public enum Expectation: Sendable, Equatable {
        /// Whatever is there: the action is applied to it.
        case any
        /// STATE.SET … VERSION n and the like.
        case version(Int64)
        /// STATE.SET … ABSENT.
        case absent
    }

    public var id: OperationID
    public var action: RecordAction
    public var expectation: Expectation
    /// The epoch of the lease under which it is made; nil where it claims none.
    public var fence: Int64?
    /// The rules under which it was accepted, where it is carried out later; nil for those of the moment.
    public var rules: RecordRules?
    /// The message that is committed with it; nil where it has none.
    public var emission: Emission?

    public init(id: OperationID, _ action: RecordAction, _ expectation: Expectation = .any, fence: Int64? = nil) {
        self.id = id
        self.action = action
        self.expectation = expectation
        self.fence = fence
    }

    /// Bytes that its writer gave, the message's among them.
    public var contentBytes: Int { action.contentBytes + (emission?.payload.count ?? 0) }
}

/// The life that STATE.SET gives.
public enum LifeChange: Sendable, Equatable {
    /// As it was; a new record gets its policy's.
    case keep
    /// TTL: ends so many milliseconds from now, whatever is read.
    case end(afterMilliseconds: Int64)
    /// SLIDING: ends so many milliseconds after its last use.
    case sliding(Int64)
}

/// What is done to a record.
public enum RecordAction: Sendable, Equatable {
    case set(value: [UInt8], schema: Int64?, LifeChange)
    case delete
    case addTurns([[UInt8]], keep: Int?)
    case foldTurns(upTo: Int64, summary: [UInt8])
    case putCheckpoint(step: Int64, [UInt8], keep: Int?)
    case acquireLease(owner: [UInt8], milliseconds: Int64)
    case renewLease(owner: [UInt8], epoch: Int64, milliseconds: Int64)
    case releaseLease(owner: [UInt8], epoch: Int64)
    /// Brings the value to its policy's schema, also where that policy holds write-back (`includesHeld`); no write of
    /// the state, so that version and times stay.
    case migrate(includesHeld: Bool)

    /// Whether it is about who may write, which only the authority may decide.
    public var isLease: Bool {
        switch self {
        case .acquireLease, .renewLease, .releaseLease: true
        case .set, .delete, .addTurns, .foldTurns, .putCheckpoint, .migrate: false
        }
    }

    /// Whether it brings a value to its policy's schema and leaves the state as it is.
    public var isMigration: Bool { if case .migrate = self { true } else { false } }

    /// The fields of the hash that it gives a value of its own.
    public var fields: [String] {
        switch self {
        case .set: ["value", "schema"]
        case .foldTurns: ["summary"]
        case .putCheckpoint(let step, _, _): ["step:\(step)"]
        case .delete, .addTurns, .acquireLease, .renewLease, .releaseLease, .migrate: []
        }
    }

    /// What it brings, as one piece: for those who compare two sides of a conflict.
    public var content: [UInt8]? {
        switch self {
        case .set(let value, _, _): value
        case .addTurns(let turns, _): Array(turns.joined(separator: [UInt8(ascii: "\n")]))
        case .foldTurns(_, let summary): summary
        case .putCheckpoint(_, let bytes, _): bytes
        case .delete, .acquireLease, .renewLease, .releaseLease, .migrate: nil
        }
    }

    /// The command that asks for it.
    public var command: String {
        switch self {
        case .set: "STATE.SET"
        case .delete: "STATE.DEL"
        case .addTurns: "TURNS.ADD"
        case .foldTurns: "TURNS.FOLD"
        case .putCheckpoint: "CHECKPOINT.PUT"
        case .acquireLease: "LEASE.ACQUIRE"
        case .renewLease: "LEASE.RENEW"
        case .releaseLease: "LEASE.RELEASE"
        case .migrate: "STATE.MIGRATE"
        }
    }

    /// Bytes that its writer gave.
    public var contentBytes: Int {
        switch self {
        case .set(let value, _, _): value.count
        case .addTurns(let turns, _): turns.reduce(0) { $0 + $1.count }
        case .foldTurns(_, let summary): summary.count
        case .putCheckpoint(_, let bytes, _): bytes.count
        case .acquireLease(let owner, _), .renewLease(let owner, _, _), .releaseLease(let owner, _): owner.count
        case .delete, .migrate: 0
        }
    }
}

/// What a policy says of the records under it.
public struct RecordRules: Sendable, Equatable {
    /// What happens when more turns wait to be folded than `unfolded` allows.
    public enum Overflow: String, Sendable, CaseIterable {
        /// The turn is refused with -TOOBIG until the application folds.
        case refuse
        /// The oldest unfolded turns go, and are counted; so they do where the record would pass `max_value`.
        case drop = "drop-oldest"
        /// The oldest unfolded turns go into an archive on the disk of the host that makes room; so they do where the
        /// record would pass `max_value`.
        case archive
    }

    /// Turns in the window of a conversation that names no KEEP, from 1.
    public var turnsKeep = 10
    /// Turns that may wait to be folded, from 0.
    public var turnsUnfolded = 40
    public var turnsOverflow = Overflow.refuse
    /// Only turns before this one may go into an archive: those that are certain, and of which the record's authority
    /// has told. 0 keeps all of them in the record, as long as it has room. Of the moment, as `retention` is.
    public var archivesBefore = Int64.max
    /// Checkpoints that are kept of a run that names no KEEP, from 1.
    public var checkpointsKeep = 3
    /// The life of a new record whose writer gives none, in milliseconds; nil is without end.
    public var life: Int64?
    /// Whether that life begins anew with every use.
    public var isSliding = false
    /// Milliseconds after its creation at which a record ends, whatever was read, written or extended; nil is never.
    /// What is carried out later goes by the rules of that moment, not by those under which it was accepted.
    public var retention: Int64?
    /// The schema of values, and the steps from older ones.
    public var schema = Schema()

    public init() {}

    /// How long a deleted record's version and fence are remembered, in milliseconds: a day.
    public static let tombstoneLife: Int64 = 86_400_000
    /// How long the epoch of a lease outlives it, in milliseconds: a week. Beyond it, epochs go on from the time.
    public static let epochLife: Int64 = 7 * 86_400_000
}

/// Why a write of a record is not done.
public enum RecordRefusal: Sendable, Equatable {
    /// Another version is there than was expected; 0 and nil stand for none.
    case conflict(expected: RecordWrite.Expectation, found: Int64?)
    /// A newer lease has written.
    case fenced(given: Int64, newest: Int64)
    case tooBig(bytes: Int, allowed: Int)
    case tooManyUnfolded(count: Int, allowed: Int)
    /// A checkpoint that does not come after the newest one.
    case stepNotNewer(given: Int64, newest: Int64)
    /// TURNS.FOLD beyond what there is.
    case foldBeyond(given: Int64, newest: Int64)
    /// TURNS.FOLD of what is folded already.
    case foldedAlready(given: Int64, foldedTo: Int64)
    case notHeld(given: Int64, owner: [UInt8], found: Lease?)
    /// The value is of a schema that the policy does not know yet.
    case newerSchema(found: Int64, known: Int64)
    /// STATE.SET … SCHEMA with one that the policy does not know.
    case unknownSchema(given: Int64, known: ClosedRange<Int64>)

    /// The error, in words that say what was expected, what was found, and what to do.
    public var text: String {
        switch self {
        case .conflict(.absent, let found):
            "CONFLICT expected no record, found version \(found ?? 0): read it and decide anew"
        case .conflict(.version(let expected), nil):
            "CONFLICT expected version \(expected), found no record: it was deleted, or has expired; read it and decide "
                + "anew"
        case .conflict(.version(let expected), let found?):
            "CONFLICT expected version \(expected), found version \(found): read it, apply the change to what it holds "
                + "now, and write that with VERSION \(found)"
        case .conflict(.any, let found):
            "CONFLICT the record changed at every attempt, at last to version \(found ?? 0): nothing was written; "
                + "send it again"
        case .fenced(let given, let newest):
            "FENCED expected a fence of at least \(newest), given \(given): another holder has taken the lease since; "
                + "stop working, and acquire it anew"
        case .tooBig(let bytes, let allowed):
            "TOOBIG the record would have \(bytes) bytes, \(allowed) are allowed (max_value of its policy): fold or "
                + "remove something, or raise the limit"
        case .tooManyUnfolded(let count, let allowed):
            "TOOBIG \(count) turns would wait to be folded, \(allowed) are allowed (turns.unfolded of its policy): "
                + "fold the oldest with TURNS.FOLD, and send the turn again"
        case .stepNotNewer(let given, let newest):
            "CONFLICT expected a step after \(newest), given \(given): steps only grow; resume with CHECKPOINT.GET"
        case .foldBeyond(let given, let newest):
            "ERR the newest turn is \(newest), so \(given) can't be folded: fold UPTO a turn that TURNS.GET returned"
        case .foldedAlready(let given, let foldedTo):
            "CONFLICT the turns up to \(foldedTo) are folded, given UPTO \(given): another process has folded; read "
                + "with TURNS.GET, and fold what is left"
        case .notHeld(let given, _, nil):
            "FENCED expected a lease of epoch \(given), found none: it has ended; stop working, and acquire it anew"
        case .notHeld(let given, _, let lease?):
            "FENCED expected a lease of epoch \(given), found epoch \(lease.epoch): another holder has taken it; stop "
                + "working, and acquire it anew"
        case .newerSchema(let found, let known):
            "NOSCHEMA the value has schema \(found), and the policy of its key knows up to \(known): a newer release "
                + "wrote it; read and write it there, or give the policy that schema"
        case .unknownSchema(let given, let known):
            "NOSCHEMA given SCHEMA \(given), and the policy of the key knows \(known.lowerBound) to "
                + "\(known.upperBound): write one of these, or give the policy that schema"
        }
    }

    public var reply: Reply { .error(text) }

    /// The word of the metric's label.
    public var label: String {
        switch self {
        case .conflict, .stepNotNewer, .foldedAlready: "conflict"
        case .fenced, .notHeld: "fenced"
        case .tooBig, .tooManyUnfolded: "toobig"
        case .newerSchema, .unknownSchema: "noschema"
        case .foldBeyond: "error"
        }
    }
}

/// What became of a write.
public enum RecordOutcome: Sendable, Equatable {
    /// It makes this of the record, ending at this time; what is answered once that is committed.
    case changed(Record, expiresAt: Timestamp, RecordAnswer)
    /// It was done before, or there is nothing to do.
    case unchanged(RecordAnswer)
    case refused(RecordRefusal)
}

/// What a write is answered with, before it is known where it was committed.
public enum RecordAnswer: Sendable, Equatable {
    /// STATE.SET: the version.
    case version(Int64)
    /// STATE.DEL: whether there was one.
    case flag(Bool)
    case turns(version: Int64, sequence: Int64, window: Int, unfolded: Int, dropped: Int, archived: Int?)
    case checkpoint(version: Int64, step: Int64)
    /// LEASE.ACQUIRE and LEASE.RENEW: the epoch; nil where somebody else holds it.
    case epoch(Int64?)
    /// STATE.MIGRATE; nil where there is no record.
    case migration(MigrationAnswer?)

    /// The reply to `write`, where the authority or the journal has committed it.
    public func reply(to write: RecordWrite, committed: Committed) -> Reply {
        func map(_ given: (String, Reply)...) -> Reply { map(given) }
        func map(_ given: [(String, Reply)]) -> Reply {
            var fields = given
            if write.emission != nil { fields.append(("message", .string(Array(write.id.text.utf8)))) }
            fields.append(("committed", .string(Array(committed.rawValue.utf8))))
            return .map(fields.flatMap { [.string(Array($0.0.utf8)), $0.1] })
        }
        switch self {
        case .version(let version): return map(("version", .integer(version)))
        case .flag(let flag): return .integer(flag ? 1 : 0)
        case .turns(let version, let sequence, let window, let unfolded, let dropped, let archived):
            return map(
                [
                    ("version", .integer(version)), ("seq", .integer(sequence)), ("window", .integer(Int64(window))),
                    ("unfolded", .integer(Int64(unfolded))), ("dropped", .integer(Int64(dropped))),
                ] + (archived.map { [("archived", .integer(Int64($0)))] } ?? []))
        case .checkpoint(let version, let step): return map(("version", .integer(version)), ("step", .integer(step)))
        case .epoch(let epoch): return epoch.map { .integer($0) } ?? .null
        case .migration(let answer): return answer.map { map($0.fields) } ?? .null
        }
    }
}

/// Where an acknowledged write of a record is (DESIGN §10).
public enum Committed: String, Sendable {
    case redis, journal, warm, local
    /// Redis and this host's disk: checkpoints.
    case redisAndDisk = "redis+disk"
}
