// The commands on plain strings: arguments as Redis reads them, with its own error texts.
//
// Source: Redis 7.0, t_string.c; https://redis.io/commands/?group=string.

internal import State

enum StringCommands {
    private static let oneKey = (first: 1, last: 1, step: 1)
    private static let manyKeys = (first: 1, last: -1, step: 1)
    private static let pairs = (first: 1, last: -1, step: 2)

    nonisolated(unsafe) static let all: [Command] = [
        Command(
            "get", arity: 2, [.readonly, .fast], keys: oneKey, .native { a, _ in NativeRequest(.get, a.bytes(1)) }),
        Command("set", arity: -3, .write, keys: oneKey, .native(set)),
        Command(
            "setnx", arity: 3, [.write, .fast], keys: oneKey,
            .native { a, _ in
                NativeRequest(.set(a.bytes(2), expiry: .clear, condition: .ifAbsent, reply: .flag), a.bytes(1))
            }),
        Command(
            "setex", arity: 4, .write, keys: oneKey,
            .native { (a, now) throws(CommandError) in
                try setWithLife(a, .seconds, "setex", now)
            }),
        Command(
            "psetex", arity: 4, .write, keys: oneKey,
            .native { (a, now) throws(CommandError) in
                try setWithLife(a, .milliseconds, "psetex", now)
            }),
        Command(
            "getset", arity: 3, [.write, .fast], keys: oneKey,
            .native { a, _ in
                NativeRequest(.set(a.bytes(2), expiry: .clear, condition: .always, reply: .old), a.bytes(1))
            }),
        Command(
            "getdel", arity: 2, [.write, .fast], keys: oneKey,
            .native { a, _ in
                NativeRequest(.getDelete, a.bytes(1))
            }),
        Command("getex", arity: -2, [.write, .fast], keys: oneKey, .native(getExpire)),
        Command(
            "mget", arity: -2, [.readonly, .fast], keys: manyKeys,
            .native { a, _ in
                NativeRequest(.getMany(a.bytes(from: 1)))
            }),
        Command(
            "mset", arity: -3, .write, keys: pairs,
            .native { (a, _) throws(CommandError) in
                try setMany(a, "mset", onlyIfNone: false)
            }),
        Command(
            "msetnx", arity: -3, .write, keys: pairs,
            .native { (a, _) throws(CommandError) in
                try setMany(a, "msetnx", onlyIfNone: true)
            }),
        Command(
            "incr", arity: 2, [.write, .fast], keys: oneKey,
            .native { a, _ in
                NativeRequest(.increment(1), a.bytes(1))
            }),
        Command(
            "decr", arity: 2, [.write, .fast], keys: oneKey,
            .native { a, _ in
                NativeRequest(.increment(-1), a.bytes(1))
            }),
        Command(
            "incrby", arity: 3, [.write, .fast], keys: oneKey,
            .native { (a, _) throws(CommandError) in
                NativeRequest(.increment(try Parse.integer(a[2])), a.bytes(1))
            }),
        Command(
            "decrby", arity: 3, [.write, .fast], keys: oneKey,
            .native { (a, _) throws(CommandError) in
                let step = try Parse.integer(a[2])
                if step == .min { throw CommandError("ERR decrement would overflow") }
                return NativeRequest(.increment(-step), a.bytes(1))
            }),
        Command(
            "incrbyfloat", arity: 3, [.write, .fast], keys: oneKey,
            .native { a, _ in
                guard StringWrite.isFloat(a.bytes(2)) else { return NativeRequest(.notFloat, a.bytes(1)) }
                return NativeRequest(.incrementFloat(a.bytes(2)), a.bytes(1))
            }),
        Command(
            "append", arity: 3, [.write, .fast], keys: oneKey,
            .native { a, _ in
                NativeRequest(.append(a.bytes(2)), a.bytes(1))
            }),
        Command(
            "strlen", arity: 2, [.readonly, .fast], keys: oneKey,
            .native { a, _ in
                NativeRequest(.length, a.bytes(1))
            }),
        Command("getrange", arity: 4, .readonly, keys: oneKey, .native(range)),
        Command("substr", arity: 4, .readonly, keys: oneKey, .native(range)),
        Command(
            "setrange", arity: 4, .write, keys: oneKey,
            .native { (a, _) throws(CommandError) in
                let offset = try Parse.integer(a[2])
                if offset < 0 { throw CommandError("ERR offset is out of range") }
                return NativeRequest(.setRange(offset, a.bytes(3)), a.bytes(1))
            }),
    ]

    private static func range(_ a: Arguments, _ now: Moment) throws(CommandError) -> NativeRequest {
        NativeRequest(.range(try Parse.integer(a[2]), try Parse.integer(a[3])), a.bytes(1))
    }

    private static func setWithLife(
        _ a: Arguments, _ unit: ExpiryUnit, _ name: String, _ now: Moment
    ) throws(CommandError) -> NativeRequest {
        let time = try Parse.expiry(a[2], unit, absolute: false, isPositive: true, command: name, now: now)
        return NativeRequest(.set(a.bytes(3), expiry: .at(time), condition: .always, reply: .ok), a.bytes(1))
    }

    private static func setMany(
        _ a: Arguments, _ name: String, onlyIfNone: Bool
    ) throws(CommandError) -> NativeRequest {
        guard a.count % 2 == 1 else { throw .arity(name) }
        return NativeRequest(
            .setMany(a.bytes(from: 1, step: 2), values: a.bytes(from: 2, step: 2), onlyIfNone: onlyIfNone))
    }

    /// SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
    private static func set(_ a: Arguments, _ now: Moment) throws(CommandError) -> NativeRequest {
        var options = SetOptions()
        var index = 3
        while index < a.count {
            index += try options.take(a, index, allowsKeep: true)
        }
        let expiry = try options.expiry(a, "set", now) ?? (options.keepsLife ? .keep : .clear)
        return NativeRequest(
            .set(
                a.bytes(2), expiry: expiry, condition: options.condition,
                reply: options.returnsOld ? .old : .ok), a.bytes(1))
    }

    /// GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]
    private static func getExpire(_ a: Arguments, _ now: Moment) throws(CommandError) -> NativeRequest {
        var options = SetOptions()
        var index = 2
        while index < a.count {
            index += try options.take(a, index, allowsKeep: false)
        }
        do throws(CommandError) {
            let change = try options.expiry(a, "getex", now) ?? (options.persists ? .clear : .keep)
            return NativeRequest(.getExpire(change), a.bytes(1))
        } catch {
            return NativeRequest(error, nilIfAbsent: true, a.bytes(1))
        }
    }
}

/// The options of SET and GETEX; of the expiries at most one is taken.
private struct SetOptions {
    var condition = SetCondition.always
    var returnsOld = false
    var keepsLife = false
    var persists = false
    private var time: (index: Int, unit: ExpiryUnit, absolute: Bool)?

    private var hasExpiry: Bool { keepsLife || persists || time != nil }

    /// Takes the option at `index`; how many words it had.
    mutating func take(_ a: Arguments, _ index: Int, allowsKeep: Bool) throws(CommandError) -> Int {
        if allowsKeep {
            if a.isWord(index, "nx"), condition != .ifPresent {
                condition = .ifAbsent
                return 1
            }
            if a.isWord(index, "xx"), condition != .ifAbsent {
                condition = .ifPresent
                return 1
            }
            if a.isWord(index, "get") {
                returnsOld = true
                return 1
            }
            if a.isWord(index, "keepttl"), !hasExpiry || keepsLife {
                keepsLife = true
                return 1
            }
        } else if a.isWord(index, "persist"), !hasExpiry || persists {
            persists = true
            return 1
        }
        return try takeTime(a, index)
    }

    private mutating func takeTime(_ a: Arguments, _ index: Int) throws(CommandError) -> Int {
        let kinds: [(StaticString, ExpiryUnit, Bool)] = [
            ("ex", .seconds, false), ("px", .milliseconds, false), ("exat", .seconds, true),
            ("pxat", .milliseconds, true),
        ]
        guard let (_, unit, absolute) = kinds.first(where: { a.isWord(index, $0.0) }), index + 1 < a.count else {
            throw .syntax
        }
        // The same option again is taken, as Redis does: the last one counts.
        let isRepeated = time.map { $0.unit == unit && $0.absolute == absolute } ?? false
        guard !hasExpiry || isRepeated else { throw .syntax }
        time = (index + 1, unit, absolute)
        return 2
    }

    func expiry(_ a: Arguments, _ command: String, _ now: Moment) throws(CommandError) -> ExpiryChange? {
        guard let time else { return nil }
        return .at(
            try Parse.expiry(
                a[time.index], time.unit, absolute: time.absolute, isPositive: true, command: command, now: now))
    }
}
