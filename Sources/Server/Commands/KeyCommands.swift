// The commands on keys whatever they hold, and on the keyspace.
//
// Source: Redis 7.0, expire.c and db.c; https://redis.io/commands/?group=generic.

internal import Primitives
internal import RESP
internal import State

enum KeyCommands {
    private static let oneKey = (first: 1, last: 1, step: 1)
    private static let manyKeys = (first: 1, last: -1, step: 1)

    nonisolated(unsafe) static let all: [Command] = [
        Command("del", arity: -2, .write, keys: manyKeys, .native(delete)),
        Command("unlink", arity: -2, [.write, .fast], keys: manyKeys, .native(delete)),
        Command("exists", arity: -2, [.readonly, .fast], keys: manyKeys, .native(count)),
        Command("touch", arity: -2, [.readonly, .fast], keys: manyKeys, .native(count)),
        Command(
            "type", arity: 2, [.readonly, .fast], keys: oneKey, .native { a, _ in NativeRequest(.type, a.bytes(1)) }),
        life("ttl", .seconds, absolute: false),
        life("pttl", .milliseconds, absolute: false),
        life("expiretime", .seconds, absolute: true),
        life("pexpiretime", .milliseconds, absolute: true),
        expire("expire", .seconds, absolute: false),
        expire("pexpire", .milliseconds, absolute: false),
        expire("expireat", .seconds, absolute: true),
        expire("pexpireat", .milliseconds, absolute: true),
        Command(
            "persist", arity: 2, [.write, .fast], keys: oneKey,
            .native { a, _ in
                NativeRequest(.persist, a.bytes(1))
            }),
        Command(
            "rename", arity: 3, .write, keys: (1, 2, 1),
            .native { a, _ in
                NativeRequest(.rename(a.bytes(1), to: a.bytes(2), onlyIfNone: false))
            }),
        Command(
            "renamenx", arity: 3, [.write, .fast], keys: (1, 2, 1),
            .native { a, _ in
                NativeRequest(.rename(a.bytes(1), to: a.bytes(2), onlyIfNone: true))
            }),
        Command("dbsize", arity: 1, [.readonly, .fast, .barrier], .native { _, _ in NativeRequest(.countAll) }),
        Command(
            "flushdb", arity: -1, [.write, .barrier],
            .native { (a, _) throws(CommandError) in
                guard a.count == 1 || a.count == 2 && (a.isWord(1, "sync") || a.isWord(1, "async")) else {
                    throw .syntax
                }
                return NativeRequest(.removeAll)
            }),
        Command(
            "scan", arity: -2, [.readonly, .barrier],
            .immediate { (c, a) throws(CommandError) in
                try KeyspaceScan.scan(c, a)
            }),
        Command("keys", arity: 2, [.readonly, .barrier], .immediate { c, a in KeyspaceScan.keys(c, a) }),
        Command("randomkey", arity: 1, [.readonly, .barrier], .immediate { c, a in KeyspaceScan.randomKey(c, a) }),
    ]

    private static func delete(_ a: Arguments, _ now: Moment) -> NativeRequest {
        a.count == 2 ? NativeRequest(.delete, a.bytes(1)) : NativeRequest(.deleteMany(a.bytes(from: 1)))
    }

    private static func count(_ a: Arguments, _ now: Moment) -> NativeRequest {
        a.count == 2 ? NativeRequest(.exists, a.bytes(1)) : NativeRequest(.count(a.bytes(from: 1)))
    }

    private static func life(_ name: String, _ unit: ExpiryUnit, absolute: Bool) -> Command {
        Command(
            name, arity: 2, [.readonly, .fast], keys: oneKey,
            .native { a, _ in
                NativeRequest(.timeToLive(unit, absolute: absolute), a.bytes(1))
            })
    }

    private static func expire(_ name: String, _ unit: ExpiryUnit, absolute: Bool) -> Command {
        Command(
            name, arity: -3, [.write, .fast], keys: oneKey,
            .native { (a, now) throws(CommandError) in
                let condition = try condition(a)
                let time = try Parse.expiry(a[2], unit, absolute: absolute, isPositive: false, command: name, now: now)
                return NativeRequest(.expire(at: time, condition), a.bytes(1))
            })
    }

    private static func condition(_ a: Arguments) throws(CommandError) -> ExpireCondition {
        var condition = ExpireCondition()
        for index in stride(from: 3, to: a.count, by: 1) {
            if a.isWord(index, "nx") {
                condition.insert(.ifNone)
            } else if a.isWord(index, "xx") {
                condition.insert(.ifSome)
            } else if a.isWord(index, "gt") {
                condition.insert(.ifGreater)
            } else if a.isWord(index, "lt") {
                condition.insert(.ifLess)
            } else {
                throw CommandError("ERR Unsupported option \(a.text(index))")
            }
        }
        if condition.contains(.ifNone), condition != .ifNone {
            throw CommandError("ERR NX and XX, GT or LT options at the same time are not compatible")
        }
        if condition.isSuperset(of: [.ifGreater, .ifLess]) {
            throw CommandError("ERR GT and LT options at the same time are not compatible")
        }
        return condition
    }
}
