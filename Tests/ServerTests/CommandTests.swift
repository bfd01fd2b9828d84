// The command table, and arguments to native commands with Redis's own errors.

import Primitives
import RESP
import State
import Testing

@testable import Server

private let now = Timestamp(milliseconds: 1_700_000_000_000)

/// A request's words in one buffer, as a connection holds them.
private func withArguments<R>(_ words: [String], _ body: (Arguments) throws -> R) rethrows -> R {
    var buffer: [UInt8] = []
    var ranges: [ArgumentRange] = []
    for word in words {
        ranges.append(ArgumentRange(offset: buffer.count, count: word.utf8.count))
        buffer += bytes(word)
    }
    buffer.append(0)
    return try buffer.withUnsafeMutableBytes { raw in try body(Arguments(base: raw.baseAddress!, ranges: ranges)) }
}

private enum Parsed: Equatable {
    case command(StringCommand)
    case error(String)
    case other
}

private func parse(_ line: String) -> Parsed {
    let words = line.split(separator: " ").map { $0 == "''" ? "" : String($0) }
    return withArguments(words) { arguments in
        guard let command = CommandTable.shared[arguments[0]] else { return .other }
        guard command.accepts(arguments.count) else { return .error(CommandError.arity(command.name).text) }
        guard case .native(let parse) = command.action else { return .other }
        do throws(CommandError) {
            return .command(try parse(arguments, now).command)
        } catch {
            return .error(error.text)
        }
    }
}

private func set(
    _ expiry: ExpiryChange = .clear, _ condition: SetCondition = .always, _ reply: StringWrite.SetReply = .ok
) -> Parsed {
    .command(.write(.set(bytes("v"), expiry: expiry, condition: condition, reply: reply), key: bytes("k")))
}

private func after(_ milliseconds: Int64) -> Timestamp { now.advanced(byMilliseconds: milliseconds) }

@Suite struct CommandTableTests {
    @Test func `names are found whatever their case, and only whole`() {
        for command in CommandTable.shared.all {
            for name in [
                command.name, command.name.uppercased(), command.name.prefix(1).uppercased() + command.name.dropFirst(),
            ] {
                #expect(withArguments([name]) { CommandTable.shared[$0[0]]?.name } == command.name)
            }
            #expect(withArguments([command.name + "x"]) { CommandTable.shared[$0[0]]?.name } != command.name)
            #expect(
                withArguments([String(command.name.dropLast())]) { CommandTable.shared[$0[0]]?.name } != command.name)
        }
        for name in ["", "nosuch", "get\0", String(repeating: "a", count: 17), "gèt"] {
            #expect(withArguments([name]) { CommandTable.shared[$0[0]] } == nil)
        }
    }

    @Test func `every native command of the design is there`() {
        let names = """
            get set setex psetex setnx getset getdel getex mget mset msetnx del unlink exists touch type ttl pttl expire
            expiretime pexpire pexpiretime expireat pexpireat persist incr decr incrby decrby incrbyfloat append strlen
            getrange setrange ping echo hello auth select client info command config time quit reset multi exec discard
            scan keys dbsize randomkey flushdb rename hearth
            """
        for name in names.split(whereSeparator: \.isWhitespace) {
            #expect(withArguments([String(name)]) { CommandTable.shared[$0[0]] != nil }, "\(name)")
        }
    }

    @Test func `native commands know their keys and whether they write`() {
        for command in CommandTable.shared.all {
            guard case .native = command.action else { continue }
            #expect(command.flags.contains(.write) != command.flags.contains(.readonly), "\(command.name)")
            #expect(command.firstKey == 0 || command.keyStep > 0, "\(command.name)")
        }
    }
}

@Suite struct ArgumentTests {
    @Test func `SET and its options, in any order and case`() {
        #expect(parse("SET k v") == set())
        #expect(parse("set k v nx") == set(.clear, .ifAbsent))
        #expect(parse("SET k v XX GET") == set(.clear, .ifPresent, .old))
        #expect(parse("SET k v GET NX PX 5") == set(.at(after(5)), .ifAbsent, .old))
        #expect(parse("SET k v EX 10 XX") == set(.at(after(10_000)), .ifPresent))
        #expect(parse("SET k v eXaT 1800000000") == set(.at(Timestamp(milliseconds: 1_800_000_000_000))))
        #expect(parse("SET k v PXAT 1800000000001") == set(.at(Timestamp(milliseconds: 1_800_000_000_001))))
        #expect(parse("SET k v KEEPTTL") == set(.keep))
        #expect(parse("SETEX k 10 v") == set(.at(after(10_000))))
        #expect(parse("PSETEX k 10 v") == set(.at(after(10))))
        #expect(parse("SETNX k v") == set(.clear, .ifAbsent, .flag))
        #expect(parse("GETSET k v") == set(.clear, .always, .old))
    }

    @Test(arguments: [
        "SET k v NX XX", "SET k v XX NX", "SET k v EX", "SET k v EX 1 PX 1", "SET k v EX 1 KEEPTTL",
        "SET k v KEEPTTL EX 1",
        "SET k v what", "SET k v EX 1 EXAT 1", "SET k v PERSIST", "GETEX k NX", "GETEX k PERSIST EX 1",
        "GETEX k EX 1 PERSIST",
        "GETEX k KEEPTTL", "GETEX k EX", "FLUSHDB what", "FLUSHDB SYNC ASYNC",
    ])
    func `what is no syntax`(_ line: String) { #expect(parse(line) == .error("ERR syntax error")) }

    @Test(arguments: [
        ("SET k v EX 0", "set"), ("SET k v PX -1", "set"), ("SETEX k 0 v", "setex"), ("PSETEX k -5 v", "psetex"),
        ("SET k v EX 9223372036854775807", "set"), ("SET k v PX 9223372036854775807", "set"),
        ("EXPIRE k 9223372036854775807", "expire"), ("PEXPIRE k 9223372036854775807", "pexpire"),
        ("EXPIREAT k 9223372036854775807", "expireat"), ("EXPIRE k -9223372036854775808", "expire"),
    ])
    func `times that can't be`(_ line: String, _ name: String) {
        #expect(parse(line) == .error("ERR invalid expire time in '\(name)' command"))
    }

    @Test(arguments: [
        "INCRBY k x", "INCRBY k 1.5", "INCRBY k 01", "DECRBY k ''", "GETRANGE k a 1", "SETRANGE k x v", "EXPIRE k x",
        "SET k v EX x", "SETEX k x v", "INCRBY k 9223372036854775808",
    ])
    func `what is no integer`(_ line: String) {
        #expect(parse(line) == .error("ERR value is not an integer or out of range"))
    }

    @Test(arguments: [
        ("GET", "get"), ("GET a b", "get"), ("SET k", "set"), ("MSET a", "mset"), ("MSET a 1 b", "mset"),
        ("MSETNX a 1 b", "msetnx"), ("DEL", "del"), ("MGET", "mget"), ("EXPIRE k", "expire"), ("SETEX k 1", "setex"),
        ("TTL a b", "ttl"), ("INCR", "incr"), ("RENAME a", "rename"),
    ])
    func `the wrong number of arguments`(_ line: String, _ name: String) {
        #expect(parse(line) == .error("ERR wrong number of arguments for '\(name)' command"))
    }

    @Test(arguments: [
        ("GETEX k EX 0", "ERR invalid expire time in 'getex' command", true),
        ("GETEX k EX x", "ERR value is not an integer or out of range", true),
        ("INCRBYFLOAT k abc", "ERR value is not a valid float", false),
    ])
    func `what is found wrong once the key has been looked at, as in Redis`(
        _ line: String, _ text: String, _ nilIfAbsent: Bool
    ) {
        #expect(parse(line) == .command(.read(.refusal(bytes(text), nilIfAbsent: nilIfAbsent), key: bytes("k"))))
    }

    @Test func `numbers and their ends`() {
        #expect(parse("INCR k") == .command(.write(.increment(1), key: bytes("k"))))
        #expect(parse("DECR k") == .command(.write(.increment(-1), key: bytes("k"))))
        #expect(parse("DECRBY k 5") == .command(.write(.increment(-5), key: bytes("k"))))
        #expect(parse("INCRBY k -9223372036854775808") == .command(.write(.increment(.min), key: bytes("k"))))
        #expect(parse("DECRBY k -9223372036854775808") == .error("ERR decrement would overflow"))
        #expect(parse("INCRBYFLOAT k 1e3") == .command(.write(.incrementFloat(bytes("1e3")), key: bytes("k"))))
        #expect(parse("SETRANGE k -1 v") == .error("ERR offset is out of range"))
    }

    @Test func `EXPIRE and its conditions`() {
        func expire(_ time: Timestamp, _ condition: ExpireCondition) -> Parsed {
            .command(.write(.expire(at: time, condition), key: bytes("k")))
        }
        #expect(parse("EXPIRE k 10") == expire(after(10_000), []))
        #expect(parse("EXPIRE k -10 nx") == expire(after(-10_000), .ifNone))
        #expect(parse("PEXPIRE k 10 XX GT") == expire(after(10), [.ifSome, .ifGreater]))
        #expect(parse("EXPIREAT k 1800000000 LT") == expire(Timestamp(milliseconds: 1_800_000_000_000), .ifLess))
        #expect(parse("PEXPIREAT k 1") == expire(Timestamp(milliseconds: 1), []))
        #expect(parse("EXPIRE k 10 what") == .error("ERR Unsupported option what"))
        let both = "ERR NX and XX, GT or LT options at the same time are not compatible"
        for options in ["NX XX", "NX GT", "LT NX"] { #expect(parse("EXPIRE k 10 \(options)") == .error(both)) }
        #expect(parse("EXPIRE k 10 GT LT") == .error("ERR GT and LT options at the same time are not compatible"))
    }

    @Test func `commands over several keys`() {
        #expect(parse("DEL a") == .command(.write(.delete, key: bytes("a"))))
        #expect(parse("UNLINK a b a") == .command(.deleteMany([bytes("a"), bytes("b"), bytes("a")])))
        #expect(parse("EXISTS a a") == .command(.count([bytes("a"), bytes("a")])))
        #expect(parse("MGET a b") == .command(.getMany([bytes("a"), bytes("b")])))
        #expect(
            parse("MSET a 1 b ''")
                == .command(.setMany([bytes("a"), bytes("b")], values: [bytes("1"), []], onlyIfNone: false)))
        #expect(parse("TTL k") == .command(.read(.timeToLive(.seconds, absolute: false), key: bytes("k"))))
        #expect(parse("PEXPIRETIME k") == .command(.read(.timeToLive(.milliseconds, absolute: true), key: bytes("k"))))
        #expect(parse("GETRANGE k -3 -1") == .command(.read(.range(-3, -1), key: bytes("k"))))
        #expect(parse("GETEX k") == .command(.write(.getExpire(.keep), key: bytes("k"))))
        #expect(parse("GETEX k PERSIST") == .command(.write(.getExpire(.clear), key: bytes("k"))))
        #expect(parse("GETEX k PX 5") == .command(.write(.getExpire(.at(after(5))), key: bytes("k"))))
    }

    @Test func `words are compared whole and whatever their case`() {
        withArguments(["NoSuch", "", "get\u{e9}"]) { arguments in
            #expect(arguments.isWord(0, "nosuch"))
            #expect(!arguments.isWord(0, "nosuc"))
            #expect(arguments.isWord(1, ""))
            #expect(!arguments.isWord(2, "get"))
            #expect(arguments.lowercased(0) == "nosuch")
            #expect(arguments.bytes(from: 1).count == 2)
        }
    }
}
