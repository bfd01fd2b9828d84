// STATE.*, TURNS.*, CHECKPOINT.* and LEASE.*: the commands on records, their arguments and their replies.
//
// docs/records.md has each of them with its errors.

internal import Primitives
internal import State

enum RecordCommands {
    private static let oneKey = (first: 1, last: 1, step: 1)

    nonisolated(unsafe) static let all: [Command] = state + migrations + turns + checkpoints + leases

    private nonisolated(unsafe) static let state: [Command] = [
        Command(
            "state.get", arity: -2, [.readonly, .fast], keys: oneKey,
            .recordRead { (a) throws(CommandError) in
                var query = try RecordQuery(a, optionsFrom: 2) { .state($0) }
                query.isAboutValue = true
                return query
            }),
        Command("state.set", arity: -3, .write, keys: oneKey, .native(set)),
        Command(
            "state.del", arity: -2, .write, keys: oneKey,
            .native { (a, _) throws(CommandError) in
                var options = RecordOptions(allowed: [.version, .fence, .emit])
                try options.take(a, from: 2)
                return options.request(.delete, a)
            }),
    ]

    private nonisolated(unsafe) static let migrations: [Command] = [
        Command(
            "state.migrate", arity: -2, .write, keys: oneKey,
            .native { (a, _) throws(CommandError) in
                let action = RecordAction.migrate(includesHeld: try Parse.isHeldToo(a))
                return NativeRequest(.record(RecordWrite(id: .unmade, action)), a.bytes(1))
            }),
        Command(
            "state.migration", arity: -2, .readonly, keys: oneKey,
            .recordRead { (a) throws(CommandError) in
                var query = RecordQuery(key: a.bytes(1)) { _ in .null }
                query.isStrong = true
                query.foretells = .migration(includesHeld: try Parse.isHeldToo(a))
                return query
            }),
    ]

    private nonisolated(unsafe) static let turns: [Command] = [
        Command("turns.add", arity: -3, .write, keys: oneKey, .native(addTurns)),
        Command("turns.get", arity: -2, .readonly, keys: oneKey, .recordRead(getTurns)),
        Command(
            "turns.fold", arity: -5, .write, keys: oneKey,
            .native { (a, _) throws(CommandError) in
                guard a.isWord(2, "upto") else { throw .syntax }
                let sequence = try Parse.positive(a[3], "UPTO")
                var options = RecordOptions(allowed: [.version, .fence, .emit])
                try options.take(a, from: 5)
                return options.request(.foldTurns(upTo: sequence, summary: a.bytes(4)), a)
            }),
    ]

    private nonisolated(unsafe) static let checkpoints: [Command] = [
        Command(
            "checkpoint.put", arity: -4, .write, keys: oneKey,
            .native { (a, _) throws(CommandError) in
                let step = try Parse.positive(a[2], "the step")
                var options = RecordOptions(allowed: [.keep, .fence, .emit])
                try options.take(a, from: 4)
                return options.request(.putCheckpoint(step: step, a.bytes(3), keep: options.keep), a)
            }),
        Command(
            "checkpoint.get", arity: -2, .readonly, keys: oneKey,
            .recordRead { (a) throws(CommandError) in
                var step: Int64?
                if a.count == 4, a.isWord(2, "step") {
                    step = try Parse.positive(a[3], "STEP")
                } else if a.count != 2 {
                    throw .syntax
                }
                var query = RecordQuery(key: a.bytes(1)) { $0.checkpoint(step) }
                query.isAboutSteps = true
                return query
            }),
        Command(
            "checkpoint.list", arity: 2, .readonly, keys: oneKey,
            .recordRead { a in
                var query = RecordQuery(key: a.bytes(1)) { .checkpoints($0) }
                query.isAboutSteps = true
                return query
            }),
        Command(
            "checkpoint.del", arity: -2, .write, keys: oneKey,
            .native { (a, _) throws(CommandError) in
                var options = RecordOptions(allowed: [.fence, .emit])
                try options.take(a, from: 2)
                return options.request(.delete, a)
            }),
    ]

    private nonisolated(unsafe) static let leases: [Command] = [
        Command(
            "lease.acquire", arity: 4, .write, keys: oneKey,
            .native { (a, _) throws(CommandError) in
                let action = RecordAction.acquireLease(
                    owner: try Parse.owner(a), milliseconds: try Parse.life(a[3], "ttl-ms"))
                return NativeRequest(.record(RecordWrite(id: .unmade, action)), a.bytes(1))
            }),
        Command(
            "lease.renew", arity: 5, .write, keys: oneKey,
            .native { (a, _) throws(CommandError) in
                let action = RecordAction.renewLease(
                    owner: try Parse.owner(a), epoch: try Parse.positive(a[3], "the epoch"),
                    milliseconds: try Parse.life(a[4], "ttl-ms"))
                return NativeRequest(.record(RecordWrite(id: .unmade, action)), a.bytes(1))
            }),
        Command(
            "lease.release", arity: 4, .write, keys: oneKey,
            .native { (a, _) throws(CommandError) in
                let action = RecordAction.releaseLease(
                    owner: try Parse.owner(a), epoch: try Parse.positive(a[3], "the epoch"))
                return NativeRequest(.record(RecordWrite(id: .unmade, action)), a.bytes(1))
            }),
    ]

    /// STATE.SET key value [VERSION n | ABSENT] [SCHEMA n] [TTL ms | SLIDING ms] [FENCE n] [EMIT stream payload]
    private static func set(_ a: Arguments, _ now: Moment) throws(CommandError) -> NativeRequest {
        var options = RecordOptions(allowed: [.version, .absent, .schema, .life, .fence, .emit])
        try options.take(a, from: 3)
        return options.request(.set(value: a.bytes(2), schema: options.schema, options.life), a)
    }

    /// TURNS.ADD key turn [turn …] [--] [VERSION n] [FENCE n] [KEEP n] [EMIT stream payload]
    ///
    /// Turns come before the options; `--` ends them, for those whose last words read like an option.
    private static func addTurns(_ a: Arguments, _ now: Moment) throws(CommandError) -> NativeRequest {
        var end = a.count
        while true {
            if end - 2 > 2, RecordOptions.isOption(a, end - 2, [.version, .fence, .keep]) {
                end -= 2
            } else if end - 3 > 2, a.isWord(end - 3, "emit") {
                end -= 3
            } else {
                break
            }
        }
        var options = RecordOptions(allowed: [.version, .fence, .keep, .emit])
        try options.take(a, from: end)
        if end - 1 > 2, a.isWord(end - 1, "--") { end -= 1 }
        return options.request(.addTurns((2..<end).map { a.bytes($0) }, keep: options.keep), a)
    }

    /// TURNS.GET key [LAST n] [FROM seq] [STRONG] [MAXAGE ms]
    private static func getTurns(_ a: Arguments) throws(CommandError) -> RecordQuery {
        var last: Int64?
        var from: Int64?
        var index = 2
        while index + 1 < a.count {
            if a.isWord(index, "last"), last == nil {
                last = try Parse.positive(a[index + 1], "LAST")
            } else if a.isWord(index, "from"), from == nil {
                from = try Parse.positive(a[index + 1], "FROM")
            } else {
                break
            }
            index += 2
        }
        let count = last.map { Int(clamping: $0) }
        var query = try RecordQuery(a, optionsFrom: index) { [from] in .turns($0, last: count, from: from) }
        query.turnsWanted = from.map { ($0, count) }
        return query
    }
}

extension OperationID {
    /// Until the worker gives it one: parsing is the same for the same words.
    static let unmade = OperationID(rawValue: 0)
}

extension Parse {
    /// An integer from 1 to half of what a record's numbers stay below, so that counting on from it ends nothing.
    static func positive(_ bytes: UnsafeRawBufferPointer, _ what: String) throws(CommandError) -> Int64 {
        guard let value = StringWrite.integer(Array(bytes)), value > 0, value < Record.numberLimit / 2 else {
            throw CommandError("ERR \(what) must be an integer from 1 to \(Record.numberLimit / 2 - 1)")
        }
        return value
    }

    /// `[HELD]`, the last word of STATE.MIGRATE and STATE.MIGRATION.
    static func isHeldToo(_ a: Arguments) throws(CommandError) -> Bool {
        guard a.count > 2 else { return false }
        guard a.count == 3, a.isWord(2, "held") else { throw .syntax }
        return true
    }

    /// Who holds a lease: at most 256 bytes.
    static func owner(_ a: Arguments) throws(CommandError) -> [UInt8] {
        guard a[2].count <= 256 else { throw CommandError("ERR the owner of a lease must have at most 256 bytes") }
        return a.bytes(2)
    }

    /// The stream of EMIT: a key of the application's, and not the record's own.
    static func stream(_ a: Arguments, _ index: Int) throws(CommandError) -> [UInt8] {
        let stream = a.bytes(index)
        guard !stream.isEmpty, stream.count <= Emission.streamBytesMax else {
            throw CommandError("ERR the stream of EMIT must have 1 to \(Emission.streamBytesMax) bytes")
        }
        guard !stream.starts(with: "hearth:".utf8) else {
            throw CommandError("ERR keys that begin with hearth: are Hearth's own; EMIT needs a stream of another name")
        }
        guard stream != a.bytes(1) else {
            throw CommandError("ERR EMIT needs a stream, and this key is the record's own; name another")
        }
        return stream
    }

    /// Milliseconds from 1 to some thousand years.
    static func life(_ bytes: UnsafeRawBufferPointer, _ what: String) throws(CommandError) -> Int64 {
        guard let value = StringWrite.integer(Array(bytes)), value > 0, value < 1 << 47 else {
            throw CommandError("ERR \(what) must be milliseconds, from 1 to \(1 << 47 - 1)")
        }
        return value
    }
}

/// The options of the writes of records; each at most once.
private struct RecordOptions {
    enum Name { case version, absent, schema, life, fence, keep, emit }

    let allowed: Set<Name>
    private(set) var expectation = RecordWrite.Expectation.any
    private(set) var schema: Int64?
    private(set) var life = LifeChange.keep
    private(set) var fence: Int64?
    private(set) var keep: Int?
    private(set) var emission: Emission?

    init(allowed: Set<Name>) { self.allowed = allowed }

    func request(_ action: RecordAction, _ a: Arguments) -> NativeRequest {
        var write = RecordWrite(id: .unmade, action, expectation, fence: fence)
        write.emission = emission
        return NativeRequest(.record(write), a.bytes(1))
    }

    static func isOption(_ a: Arguments, _ index: Int, _ names: Set<Name>) -> Bool {
        guard StringWrite.integer(Array(a[index + 1])) != nil else { return false }
        return names.contains(.version) && a.isWord(index, "version")
            || names.contains(.fence) && a.isWord(index, "fence") || names.contains(.keep) && a.isWord(index, "keep")
    }

    mutating func take(_ a: Arguments, from start: Int) throws(CommandError) {
        var index = start
        while index < a.count { index += try take(a, index) }
    }

    /// Takes the option at `index`; how many words it had.
    private mutating func take(_ a: Arguments, _ index: Int) throws(CommandError) -> Int {
        if allowed.contains(.absent), a.isWord(index, "absent"), expectation == .any {
            expectation = .absent
            return 1
        }
        guard index + 1 < a.count else { throw .syntax }
        if allowed.contains(.emit), a.isWord(index, "emit"), emission == nil {
            guard index + 2 < a.count else { throw .syntax }
            emission = Emission(stream: try Parse.stream(a, index + 1), payload: a.bytes(index + 2))
            return 3
        }
        let value = a[index + 1]
        if allowed.contains(.version), a.isWord(index, "version"), expectation == .any {
            expectation = .version(try Parse.positive(value, "VERSION"))
        } else if allowed.contains(.schema), a.isWord(index, "schema"), schema == nil {
            schema = try Parse.positive(value, "SCHEMA")
        } else if allowed.contains(.life), a.isWord(index, "ttl"), life == .keep {
            life = .end(afterMilliseconds: try Parse.life(value, "TTL"))
        } else if allowed.contains(.life), a.isWord(index, "sliding"), life == .keep {
            life = .sliding(try Parse.life(value, "SLIDING"))
        } else if allowed.contains(.fence), a.isWord(index, "fence"), fence == nil {
            fence = try Parse.positive(value, "FENCE")
        } else if allowed.contains(.keep), a.isWord(index, "keep"), keep == nil {
            let count = try Parse.positive(value, "KEEP")
            guard count <= 100_000 else { throw CommandError("ERR KEEP must be at most 100000") }
            keep = Int(count)
        } else {
            throw .syntax
        }
        return 2
    }
}
