// What is decided about passed-through commands without a Redis: keys by its table, denials, frames.

import Primitives
import RedisTier
import TestSupport
import Testing

@testable import Server

private func words(_ line: String) -> [[UInt8]] { line.split(separator: " ").map { Array($0.utf8) } }

private func texts(_ keys: [[UInt8]]?) -> [String]? { keys?.map { String(decoding: $0, as: UTF8.self) } }

private func string(_ text: String) -> Reply { .string(Array(text.utf8)) }

private func specification(_ flags: [String], _ begin: [Reply], _ find: [Reply]) -> Reply {
    .array([
        string("flags"), .array(flags.map { .status(Array($0.utf8)) }), string("begin_search"), .array(begin),
        string("find_keys"), .array(find),
    ])
}

private func index(_ index: Int64) -> [Reply] {
    [string("type"), string("index"), string("spec"), .array([string("index"), .integer(index)])]
}

private func keyword(_ word: String, from: Int64) -> [Reply] {
    [
        string("type"), string("keyword"), string("spec"),
        .array([string("keyword"), string(word), string("startfrom"), .integer(from)]),
    ]
}

private let unknown: [Reply] = [string("type"), string("unknown"), string("spec"), .array([])]

private func range(_ last: Int64, step: Int64 = 1, limit: Int64 = 0) -> [Reply] {
    [
        string("type"), string("range"), string("spec"),
        .array([
            string("lastkey"), .integer(last), string("keystep"), .integer(step), string("limit"), .integer(limit),
        ]),
    ]
}

private func count(at: Int64, first: Int64) -> [Reply] {
    [
        string("type"), string("keynum"), string("spec"),
        .array([
            string("keynumidx"), .integer(at), string("firstkey"), .integer(first), string("keystep"), .integer(1),
        ]),
    ]
}

private func command(
    _ name: String, _ flags: [String], _ specifications: [Reply], legacy: (Int64, Int64, Int64) = (0, 0, 0)
) -> RedisCommand? {
    RedisCommand(
        .array([
            string(name), .integer(-2), .array(flags.map { .status(Array($0.utf8)) }), .integer(legacy.0),
            .integer(legacy.1), .integer(legacy.2), .array([]), .array([]), .array(specifications), .array([]),
        ]))
}

@Suite struct RedisCommandTests {
    @Test func `keys stand where the specifications say`() throws {
        let xread = try #require(
            command("xread", ["readonly"], [specification(["RO"], keyword("STREAMS", from: 1), range(-1, limit: 2))]))
        #expect(texts(xread.keys(of: words("XREAD COUNT 2 streams a b 0 0"))?.all) == ["a", "b"])
        #expect(xread.keys(of: words("XREAD STREAMS a b 0 0"))?.written.isEmpty ?? false)
        #expect(texts(xread.keys(of: words("XREAD COUNT 2"))?.all) == [])
        let eval = try #require(command("eval", [], [specification(["RW"], index(2), count(at: 0, first: 1))]))
        #expect(texts(eval.keys(of: words("EVAL s 2 a b c"))?.written) == ["a", "b"])
        #expect(texts(eval.keys(of: words("EVAL s 0 c"))?.written) == [])
        for line in ["EVAL s", "EVAL s x a", "EVAL s -1 a", "EVAL s 3 a b", "EVAL s 9223372036854775807 a"] {
            #expect(texts(eval.keys(of: words(line))?.written) == [], "\(line)")
        }
        let union = try #require(
            command(
                "zunionstore", ["write"],
                [specification(["OW"], index(1), range(0)), specification(["RO"], index(2), count(at: 0, first: 1))]))
        let keys = try #require(union.keys(of: words("ZUNIONSTORE d 2 a b WEIGHTS 1 2")))
        #expect(texts(keys.written) == ["d"] && texts(keys.all) == ["d", "a", "b"])
        let mset = try #require(command("mset", ["write"], [specification(["OW"], index(1), range(-1, step: 2))]))
        #expect(texts(mset.keys(of: words("MSET a 1 b 2"))?.written) == ["a", "b"])
        let radius = try #require(
            command(
                "georadius", ["write"],
                [
                    specification(["RO"], index(1), range(0)),
                    specification(["OW"], keyword("STORE", from: 6), range(0)),
                ]))
        #expect(texts(radius.keys(of: words("GEORADIUS g 1 2 3 km store d"))?.written) == ["d"])
        #expect(texts(radius.keys(of: words("GEORADIUS g 1 2 3 km"))?.written) == [])
        #expect(texts(radius.keys(of: words("GEORADIUS g 1 2 3 km STORE"))?.written) == [])
    }

    @Test func `SORT's destination is found wherever it stands`() throws {
        let sort = try #require(command("sort", ["write"], [specification(["OW"], unknown, unknown)]))
        for (line, written) in [
            ("SORT l STORE d", ["d"]), ("SORT l BY store GET store store d", ["d"]), ("SORT l LIMIT 0 store", []),
            ("SORT l LIMIT 0 1 STORE a STORE b", ["a", "b"]), ("SORT l STORE", []), ("SORT", []),
        ] {
            #expect(texts(sort.keys(of: words(line))?.written) == written, "\(line)")
        }
    }

    @Test func `what only Redis can tell is not guessed`() throws {
        let module = try #require(command("mod.cmd", ["write", "movablekeys"], []))
        #expect(module.keys(of: words("mod.cmd a")) == nil)
        let incomplete = try #require(
            command("migrate", ["write"], [specification(["RW", "incomplete"], keyword("KEYS", from: -2), range(-1))]))
        #expect(incomplete.keys(of: words("MIGRATE h 1 k 0 1")) == nil)
        // A Redis before 7 tells the first and the last position.
        let old = try #require(command("lmove", ["write"], [], legacy: (1, 2, 1)))
        #expect(texts(old.keys(of: words("LMOVE a b LEFT LEFT"))?.written) == ["a", "b"])
        #expect(texts(old.keys(of: words("LMOVE a"))?.written) == ["a"])
        for (line, written) in [
            ("EVAL s 2 a b c", ["a", "b"]), ("ZUNIONSTORE d 2 a b", ["d"]), ("LMPOP 1 l LEFT", ["l"]),
            ("BLMPOP 0 1 l LEFT", ["l"]), ("GEORADIUSBYMEMBER g m 1 km STOREDIST d", ["d"]), ("XREAD STREAMS a 0", []),
        ] {
            let name = String(line.prefix { $0 != " " }).lowercased()
            let moving = try #require(command(name, ["write", "movablekeys"], []))
            #expect(texts(moving.keys(of: words(line))?.written) == written, "\(line)")
        }
        #expect(RedisCommand(.array([string("short")])) == nil && RedisCommandTable(.integer(1)) == nil)
    }

    @Test(
        arguments: [
            ("BLPOP l 0", true, nil), ("BLPOP l 1.5", true, 1_500_000_000), ("BLPOP l x", true, 0),
            ("BLPOP l -1", true, 0),
            ("blmpop 2 1 l LEFT", true, 2_000_000_000), ("XREAD BLOCK 10 STREAMS x $", true, 10_000_000),
            ("XREAD block 0 STREAMS x $", true, nil), ("XREAD STREAMS BLOCK 0", false, nil),
            ("XREAD COUNT 1 STREAMS x 0", false, nil),
            ("XREADGROUP GROUP g c BLOCK 5 STREAMS x >", true, 5_000_000), ("WAIT 1 100", true, 100_000_000),
            ("WAIT 1 0", true, nil), ("LPOP l", false, nil), ("BLPOP", true, 0),
        ] as [(String, Bool, Int64?)])
    func `how long a command may block is read from it`(line: String, blocks: Bool, time: Int64?) {
        guard case .blocking(let found) = PassedKind(words(line)) else {
            #expect(!blocks, "\(line)")
            return
        }
        #expect(blocks && found == time, "\(line): \(String(describing: found))")
    }

    @Test func `denials go by name, subcommand and what is allowed`() {
        func refusal(_ line: String, _ allowed: [String] = []) -> String? {
            DeniedCommands.refusal(words(line), allowed: allowed)
        }
        #expect(
            refusal("shutdown")
                == "DENIED SHUTDOWN would stop Redis for everybody; allow it with commands.allow: [\"SHUTDOWN\"]")
        #expect(refusal("CONFIG set a b")?.hasPrefix("DENIED CONFIG SET") ?? false)
        #expect(refusal("CONFIG GET a") == nil && refusal("LPUSH shutdown 1") == nil && refusal("OBJECT HELP") == nil)
        #expect(refusal("CONFIG SET a b", ["CONFIG SET"]) == nil && refusal("CONFIG SET a b", ["CONFIG"]) == nil)
        #expect(refusal("CONFIG SET a b", ["CONFIG GET", "SHUTDOWN"]) != nil)
        #expect(refusal("DEBUG SLEEP 1", ["DEBUG SLEEP"]) == nil && refusal("DEBUG SEGFAULT", ["DEBUG SLEEP"]) != nil)
        #expect(refusal("FLUSHALL", ["*"]) == nil && refusal("CLIENT REPLY OFF", ["*"]) != nil)
    }
}

@Suite struct FrameSourceTests {
    private func feed(_ source: FrameSource, _ text: String) throws -> [Reply] {
        try Array(text.utf8).withUnsafeBytes { try source.feed($0) }
        var replies: [Reply] = []
        while let reply = try source.next() { replies.append(reply) }
        return replies
    }

    @Test func `frames come out as they went in, in pieces of every size`() throws {
        let all = ReplyTexts.all
        let bytes = all.joined()
        for piece in 1...17 {
            let source = FrameSource { 1 << 20 }
            var found: [Reply] = []
            var rest = Substring(bytes)
            while !rest.isEmpty {
                found += try feed(source, String(rest.unicodeScalars.prefix(piece)))
                rest = Substring(rest.unicodeScalars.dropFirst(piece))
            }
            #expect(found == all.map { .framed(Array($0.utf8)) })
        }
    }

    @Test func `what is too large is dropped, and what comes behind it is not`() throws {
        let large = "*3\r\n$5\r\nabcde\r\n$200\r\n\(String(repeating: "x", count: 200))\r\n:1\r\n"
        for piece in [1, 7, 50, 1000] {
            let source = FrameSource { 100 }
            var found: [Reply] = []
            var rest = Substring("+before\r\n" + large + "+behind\r\n" + large)
            while !rest.isEmpty {
                found += try feed(source, String(rest.unicodeScalars.prefix(piece)))
                rest = Substring(rest.unicodeScalars.dropFirst(piece))
            }
            #expect(found.count == 4 && found[0] == .framed(Array("+before\r\n".utf8)))
            #expect(found[1].isError && found[3].isError && found[2] == .framed(Array("+behind\r\n".utf8)))
            let text = String(decoding: found[1].errorText ?? [], as: UTF8.self)
            #expect(text.contains("limits.max_output (100 bytes)"), "\(text)")
        }
    }

    @Test func `what frames say is understood`() {
        func understood(_ text: String) -> Reply { Reply.framed(Array(text.utf8)).understood }
        #expect(
            understood("%1\r\n$1\r\na\r\n~2\r\n:-5\r\n#t\r\n")
                == .array([string("a"), .array([.integer(-5), .integer(1)])]))
        #expect(understood("=8\r\ntxt:some\r\n") == string("some") && understood("_\r\n") == .null)
        #expect(understood("*-1\r\n") == .null && understood("$-1\r\n") == .null)
        #expect(understood("|1\r\n+a\r\n:1\r\n+OK\r\n") == .ok)
        #expect(understood("!6\r\nERR no\r\n") == .error("ERR no") && understood("-ERR no\r\n") == .error("ERR no"))
        #expect(Reply.framed(Array(">1\r\n+x\r\n".utf8)).isPush && !Reply.framed(Array("*1\r\n+x\r\n".utf8)).isPush)
        #expect(Reply.framed(Array("!3\r\nERR\r\n".utf8)).isError)
    }

    @Test func `what is no reply ends the connection`() {
        #expect(throws: RedisFailure.self) { try feed(FrameSource { 100 }, "HTTP/1.1 400\r\n") }
    }
}

private enum ReplyTexts {
    static let all = [
        "+OK\r\n", "-ERR no\r\n", ":1\r\n", "$5\r\na\r\nbc\r\n", "$-1\r\n", "*-1\r\n", "*2\r\n$1\r\na\r\n*1\r\n:5\r\n",
        "_\r\n", "%1\r\n+a\r\n,3.5\r\n", ">2\r\n+message\r\n+x\r\n", "|1\r\n+a\r\n+b\r\n~1\r\n#f\r\n",
        "=7\r\ntxt:abc\r\n",
    ]
}
