// The audit of a real process: what has a line, what waits for one, and what disks, kills and hands leave of it.

import TestSupport
import Testing

/// An audited Hearth, and what its lines say.
final class AuditedHearth {
    let directory: TemporaryDirectory
    let hearth: HearthProcess
    let path: String

    init(
        redis: String = "off", audit: String = "", path: String? = nil,
        policies: String = #"{prefix: "a:", audit: all}"#,
        extra: String = ""
    ) throws {
        let directory = try TemporaryDirectory()
        self.directory = directory
        let file = path ?? directory.file("audit.log")
        self.path = file
        hearth = try HearthProcess(
            redis: redis, redisOptions: "timeout: 500ms",
            extra: """
                audit: {path: "\(file)"\(audit.isEmpty ? "" : ", \(audit)")}
                policies: [\(policies)]
                \(extra)
                """, directory: directory)
    }

    var lines: [AuditedLine] { AuditedLine.all(in: path) }
    /// Lines that tell of accesses.
    var accesses: [AuditedLine] { lines.filter { $0["event"] == nil } }

    /// The lines of accesses from that place on, as soon as there are so many.
    func accesses(from start: Int, count: Int) throws -> [AuditedLine] {
        try eventually("\(count) lines behind \(start); there are \(accesses.count)") {
            accesses.count >= start + count
        }
        return Array(accesses[start...])
    }

    func verify(_ more: String...) throws -> (code: Int32, output: String) {
        try ChildProcess.run(
            try built("hearth"), ["audit", "verify", "--config", hearth.configurationPath] + more, in: directory)
    }

    /// A restart in order: SIGTERM, and the end waited for.
    func end() throws {
        hearth.process.signal(.terminate)
        try hearth.process.wait()
    }
}

/// A line's members, as far as these tests look at them: by the shape that they are written in.
struct AuditedLine {
    let text: Substring

    static func all(in path: String) -> [AuditedLine] {
        readFile(path).split(separator: "\n").map { AuditedLine(text: $0) }
    }

    subscript(_ name: String) -> String? {
        guard let start = text.range(of: "\"\(name)\":")?.upperBound else { return nil }
        let rest = text[start...]
        if rest.hasPrefix("\"") { return String(rest.dropFirst().prefix { $0 != "\"" }) }
        return String(rest.prefix { $0 != "," && $0 != "}" })
    }

    /// `GET a:1 ok`
    var short: String { "\(self["command"] ?? "-") \(self["key"] ?? self["keys"] ?? "-") \(self["outcome"] ?? "-")" }
}

extension Substring {
    /// The first place of a text; no Foundation.
    fileprivate func range(of other: String) -> Range<Index>? { ranges(of: other).first }
}

extension RealProcesses {
    @Suite(.serialized) struct Audits {
        @Test func `each access to an audited key has a line, and nothing else has`() throws {
            let audited = try AuditedHearth(
                policies: #"{prefix: "a:", audit: all}, {prefix: "w:", audit: writes}, {prefix: "b:"}"#)
            let c = try audited.hearth.client()
            _ = try c.pipeline([
                ["SET", "a:1", "x"], ["GET", "a:1"], ["GET", "a:2"], ["GET", "b:1"], ["SET", "b:1", "y"],
                ["MGET", "a:1", "b:1", "a:2"], ["SET", "w:1", "z"], ["GET", "w:1"], ["DEL", "a:1", "b:1", "w:1"],
            ])
            _ = try c.pipeline([["SET", "a:1"], ["SET", "a:1", "x", "EX", "0"]])
            _ = try c.pipeline([
                ["INCR", "a:n"], ["APPEND", "a:n", "x"],
                ["INCR", "a:n"], ["PING"], ["TTL", "a:n"], ["HEARTH", "EXPLAIN", "a:n"],
            ])
            let found = try audited.accesses(from: 0, count: 13).map(\.short)
            #expect(
                found == [
                    "SET a:1 ok", "GET a:1 ok", "GET a:2 nil", "MGET a:1 ok", "MGET a:2 nil", "SET w:1 ok",
                    "DEL a:1 ok", "DEL w:1 ok", "SET a:1 ERR", "INCR a:n ok", "APPEND a:n ok", "INCR a:n ERR",
                    "TTL a:n ok", "HEARTH EXPLAIN a:n ok",
                ])
            let verified = try audited.verify()
            #expect(verified.code == 0, "\(verified.output)")
            try audited.end()
            #expect(try audited.verify().code == 0)
        }

        @Test func `a line says who asked, by the kernel's word, and for whom, by the client's`() throws {
            let audited = try AuditedHearth()
            let c = try audited.hearth.client()
            _ = try c.call("GET", "a:1")
            _ = try c.call("CLIENT", "SETNAME", "worker-7")
            _ = try c.call("GET", "a:1")
            #expect(try c.call("HEARTH", "ACTOR", "Ada Lovelace").text == "OK")
            _ = try c.call("GET", "a:1")
            _ = try c.call("HEARTH", "ACTOR", "")
            _ = try c.call("GET", "a:1")
            _ = try c.call("HEARTH", "ACTOR", "Ada")
            _ = try c.call("RESET")
            _ = try c.call("GET", "a:1")
            #expect(try c.call("HEARTH", "ACTOR", "a\nb").isError)
            #expect(try c.call("HEARTH", "ACTOR", String(repeating: "x", count: 257)).isError)
            #expect(try c.call("HEARTH", "ACTOR").isError)
            let found = try audited.accesses(from: 0, count: 5)
            #expect(found.map { $0["actor"] } == ["null", "worker-7", "Ada Lovelace", "worker-7", "null"])
            let own = try ChildProcess.run("id", ["-u"], in: audited.directory).output
            for line in found {
                #expect(line["uid"] == own.trimmed)
                #expect(line["gid"] != nil)
                #expect(Int(line["pid"] ?? "") ?? 0 > 1)
                #expect(line["time"]?.hasSuffix("Z") ?? false)
            }
        }

        @Test func `a client by TCP is known by its address`() throws {
            let reserved = try ReservedPort()
            let port = reserved.number
            let directory = try TemporaryDirectory()
            let file = directory.file("audit.log")
            let hearth = try HearthProcess(
                socket: "tcp: \"127.0.0.1:\(port)\"",
                extra: "audit: {path: \"\(file)\"}\npolicies: [{prefix: \"\", audit: all}]", directory: directory)
            _ = try RESPClient(.tcp(port)).call("GET", "k")
            let line = try #require(AuditedLine.all(in: file).last)
            #expect(line["address"]?.hasPrefix("127.0.0.1:") ?? false, "\(line.text)")
            #expect(line["uid"] == nil)
            _ = (hearth, reserved)
        }

        @Test func `transactions have a line for each of their commands when they are carried out`() throws {
            let redis = try RedisServer()
            let audited = try AuditedHearth(redis: redis.url)
            try audited.hearth.waitUntilClosed()
            let c = try audited.hearth.client()
            _ = try c.pipeline([
                ["MULTI"], ["SET", "a:1", "x"], ["GET", "b:1"], ["GET", "a:2"], ["INCR", "a:1"], ["EXEC"],
            ])
            _ = try c.pipeline([["MULTI"], ["SET", "a:1", "x"], ["DISCARD"]])
            _ = try c.pipeline([["MULTI"], ["SET", "a:1", "y"], ["LPUSH", "a:l", "1"], ["GET", "a:3"], ["EXEC"]])
            let found = try audited.accesses(from: 0, count: 6).map(\.short)
            #expect(
                found == [
                    "SET a:1 ok", "GET a:2 nil", "INCR a:1 ERR", "SET a:1 ok", "LPUSH a:l ok", "GET a:3 nil",
                ])
            _ = try c.call("WATCH", "a:w")
            _ = try redis.client().call("SET", "a:w", "theirs")
            _ = try c.pipeline([["MULTI"], ["SET", "a:w", "ours"], ["EXEC"]])
            #expect(try audited.accesses(from: 6, count: 1).map(\.short) == ["SET a:w aborted"])
        }

        @Test func `passed-through commands are told of by Redis's own table, and those that reach every key too`()
            throws
        {
            let redis = try RedisServer()
            let audited = try AuditedHearth(redis: redis.url)
            try audited.hearth.waitUntilClosed()
            let c = try audited.hearth.client()
            _ = try c.call("HSET", "a:h", "f", "v")
            _ = try c.call("HGET", "a:h", "f")
            _ = try c.call("HGET", "b:h", "f")
            _ = try c.call("GET", "a:h")
            _ = try c.call("OBJECT", "ENCODING", "a:h")
            _ = try c.call("EVAL", "return redis.call('GET', KEYS[1])", "2", "a:s", "b:s")
            _ = try c.call("EVAL", "return 1", "0")
            _ = try c.call("RENAME", "a:h", "b:new")
            _ = try c.call("KEYS", "*")
            _ = try c.call("FLUSHDB")
            _ = try c.call("DBSIZE")
            _ = try c.call("BLPOP", "a:q", "b:q", "0.01")
            let found = try audited.accesses(from: 0, count: 10).map(\.short)
            #expect(
                found == [
                    "HSET a:h ok", "HGET a:h ok", "GET a:h WRONGTYPE", "OBJECT ENCODING a:h ok", "EVAL a:s nil",
                    "EVAL all ok", "RENAME a:h ok", "KEYS all ok", "FLUSHDB all ok", "BLPOP a:q nil",
                ])
        }

        @Test func `where an answer came from is told, in an outage too`() throws {
            let redis = try RedisServer()
            let audited = try AuditedHearth(
                redis: redis.url,
                policies:
                    #"{prefix: "a:", audit: all, max_staleness: 1h}, {prefix: "a:d", audit: all, default: "ctx"}, "#
                    + #"{prefix: "a:r", audit: all, on_outage: reject}"#)
            try audited.hearth.waitUntilClosed()
            let c = try audited.hearth.client()
            _ = try c.call("SET", "a:1", "x")
            _ = try c.call("GET", "a:1")
            _ = try c.call("HEARTH", "BREAKER", "OPEN")
            _ = try c.call("GET", "a:1")
            _ = try c.call("GET", "a:d")
            _ = try c.call("SET", "a:1", "y")
            _ = try c.call("GET", "a:1")
            _ = try c.call("SET", "a:r", "y")
            let found = try audited.accesses(from: 0, count: 7)
            #expect(
                found.map { "\($0.short) \($0["source"] ?? "-") \($0["freshness"] ?? "-")" } == [
                    "SET a:1 ok - -", "GET a:1 ok local fresh", "GET a:1 ok local fresh", "GET a:d ok default default",
                    "SET a:1 ok journal -", "GET a:1 ok journal stale", "SET a:r UNAVAILABLE not sent - -",
                ])
        }

        @Test func `keys that are not audited are still answered by local memory, and policies change by a reload`()
            throws
        {
            let audited = try AuditedHearth()
            let c = try audited.hearth.client()
            _ = try c.call("SET", "b:1", "x")
            for _ in 0..<10 { #expect(try c.call("GET", "b:1").text == "x") }
            #expect(audited.accesses.isEmpty)
            try audited.hearth.reconfigure(
                redis: "off", redisOptions: "timeout: 500ms",
                extra: "audit: {path: \"\(audited.path)\"}\npolicies: [{prefix: \"b:\", audit: all}]")
            audited.hearth.process.signal(.hangUp)
            try eventually("the reload is applied") {
                _ = try c.call("GET", "b:1")
                return !audited.accesses.isEmpty
            }
            let before = audited.accesses.count
            _ = try c.call("GET", "a:1")
            _ = try c.call("GET", "b:1")
            #expect(try audited.accesses(from: before, count: 1).map(\.short) == ["GET b:1 ok"])
            #expect(try audited.verify().code == 0)
        }

        // MARK: What waits for a line

        @Test func `under refuse every reply that was read has its line, whatever instant the process is killed`()
            throws
        {
            for sync in ["always", "never"] {
                let audited = try AuditedHearth(audit: "sync: \(sync)")
                var expected = 0
                for _ in 0..<3 {
                    let c = try audited.hearth.client()
                    _ = try c.call("PING")
                    try c.send(raw: (0..<200).flatMap { RESPClient.encode(["GET", "a:\($0)"]) })
                    for _ in 0..<20 {
                        guard try c.receiveRaw() != nil else { break }
                        expected += 1
                    }
                    audited.hearth.process.signal(.kill)
                    try audited.hearth.process.wait()
                    while (try? c.receiveRaw()) ?? nil != nil { expected += 1 }
                    #expect(audited.accesses.count >= expected, "sync: \(sync)")
                    try audited.hearth.restart()
                }
                #expect(audited.lines.contains { $0["after"] == "killed" })
                let verified = try audited.verify()
                #expect(verified.code == 0, "\(verified.output)")
            }
        }

        @Test func `a full disk refuses audited accesses and no others, and is taken again when there is room`() throws
        {
            guard isRoot else { return }
            try onSmallDisk { mount, directory in
                let audited = try AuditedHearth(path: "\(mount)/audit.log", policies: #"{prefix: "a:", audit: all}"#)
                let c = try audited.hearth.client()
                _ = try c.call("SET", "b:1", "free")
                #expect(try c.call("SET", "a:1", "x").text == "OK")
                let filler = "\(mount)/filler"
                _ = try ChildProcess.run("dd", ["if=/dev/zero", "of=\(filler)", "bs=4096"], in: directory)
                var refusal = ""
                try eventually("an access is refused") {
                    let reply = try c.call("SET", "a:2", "x")
                    if reply.isError { refusal = reply.text }
                    return reply.isError
                }
                #expect(refusal.hasPrefix("UNAVAILABLE"), "\(refusal)")
                #expect(refusal.contains("audit: ") && refusal.contains("no space left"), "\(refusal)")
                let later = try c.call("GET", "a:1").text
                #expect(later.hasPrefix("UNAVAILABLE not sent: audit: "), "\(later)")
                #expect(try c.call("GET", "b:1").text == "free")
                #expect(try c.call("INFO", "audit").text.contains("audit_state:degraded"))
                let metrics = try c.call("HEARTH", "METRICS").text
                #expect(metrics.contains("hearth_audit_degraded 1"))
                #expect(!metrics.contains("hearth_audit_refused_total 0"))
                try eventually("the log says so") { audited.hearth.log.contains("audit_degraded") }
                _ = try ChildProcess.run("rm", [filler], in: directory)
                try eventually("audited accesses are answered again") { try c.call("GET", "a:1").text == "x" }
                try eventually("the log says so") { audited.hearth.log.contains("audit_healthy") }
                #expect(audited.lines.contains { $0["event"] == "gap" && $0["refused"] != "0" })
                let verified = try audited.verify()
                #expect(verified.code == 0, "\(verified.output)")
                try audited.end()
            }
        }

        @Test func `under drop a full disk harms nobody, and the lines that are missing are counted`() throws {
            guard isRoot else { return }
            try onSmallDisk { mount, directory in
                let audited = try AuditedHearth(audit: "on_failure: drop", path: "\(mount)/audit.log")
                let c = try audited.hearth.client()
                #expect(try c.call("SET", "a:1", "x").text == "OK")
                let filler = "\(mount)/filler"
                _ = try ChildProcess.run("dd", ["if=/dev/zero", "of=\(filler)", "bs=4096"], in: directory)
                try eventually("lines are dropped") {
                    #expect(try c.call("GET", "a:1").text == "x")
                    return try c.call("INFO", "audit").text.contains("audit_state:degraded")
                }
                #expect(try !c.call("INFO", "audit").text.contains("audit_dropped:0\r"))
                _ = try ChildProcess.run("rm", [filler], in: directory)
                try eventually("lines are written again") {
                    try c.call("INFO", "audit").text.contains("audit_state:healthy")
                }
                _ = try c.call("GET", "a:1")
                try eventually("the gap is told of") {
                    audited.lines.contains { $0["event"] == "gap" && $0["dropped"] != "0" }
                }
                try audited.end()
                #expect(try audited.verify().code == 0)
            }
        }

        private func onSmallDisk(_ body: (String, TemporaryDirectory) throws -> Void) throws {
            let directory = try TemporaryDirectory()
            let mount = directory.file("small")
            #expect(try ChildProcess.run("mkdir", [mount], in: directory).code == 0)
            #expect(
                try ChildProcess.run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], in: directory).code == 0
            )
            defer { _ = try? ChildProcess.run("umount", ["-l", mount], in: directory) }
            try body(mount, directory)
        }

        // MARK: Files

        @Test func `files are rotated and removed, and moved ones are left at SIGHUP`() throws {
            let audited = try AuditedHearth(audit: "max_bytes: 64KiB, keep: 2")
            let c = try audited.hearth.client()
            for _ in 0..<12 { _ = try c.pipeline((0..<100).map { ["GET", "a:\($0)"] }) }
            func files() throws -> [String] {
                try ChildProcess.run("ls", [audited.directory.path], in: audited.directory).output
                    .split(separator: "\n").map(String.init).filter { $0.hasPrefix("audit.log") }.sorted()
            }
            try eventually("two rotated files are left") {
                try files().count == 3 && audited.hearth.log.contains("audit_file_removed")
            }
            #expect(try audited.verify().code == 0)
            _ = try ChildProcess.run("mv", [audited.path, audited.path + ".moved"], in: audited.directory)
            audited.hearth.process.signal(.hangUp)
            try eventually("a new file is begun") { audited.lines.count == 1 }
            _ = try c.call("GET", "a:1")
            #expect(audited.accesses.map(\.short) == ["GET a:1 nil"])
            #expect(AuditedLine.all(in: audited.path + ".moved").last?["event"] == "rotated")
            let verified = try audited.verify()
            #expect(verified.code == 0, "\(verified.output)")
        }

        @Test func `hearth audit finds what was altered, shows what is asked for, and knows its heads`() throws {
            let audited = try AuditedHearth(audit: "keys: hashed")
            let c = try audited.hearth.client()
            _ = try c.call("HEARTH", "ACTOR", "ada")
            _ = try c.pipeline([["SET", "a:1", "x"], ["GET", "a:1"], ["GET", "a:2"]])
            _ = try c.call("HEARTH", "ACTOR", "bob")
            _ = try c.call("GET", "a:1")
            func hearth(_ words: String...) throws -> (code: Int32, output: String) {
                try ChildProcess.run(try built("hearth"), ["audit"] + words, in: audited.directory)
            }
            let config = audited.hearth.configurationPath
            func shown(_ words: String...) throws -> Int {
                let result = try ChildProcess.run(
                    try built("hearth"), ["audit", "show", "--config", config] + words, in: audited.directory)
                #expect(result.code == 0, "\(result.output)")
                return result.output.split(separator: "\n").count
            }
            #expect(try shown() == 5)
            #expect(try shown("--key", "a:1") == 3)
            #expect(try shown("--key", "a:1", "--actor", "ada") == 2)
            #expect(try shown("--command", "set") == 1)
            #expect(try shown("--since", "2020-01-01T00:00:00Z") == 5)
            #expect(try shown("--since", "2999-01-01") == 0)
            #expect(!readFile(audited.path).contains("a:1"))

            let status = try c.call("HEARTH", "STATUS").fields
            let head = "\(status["audit_sequence"]?.text ?? ""):\(status["audit_head"]?.text ?? "")"
            #expect(try hearth("verify", audited.path).code == 69, "its end is open")
            #expect(try hearth("verify", audited.path, "--head", head).code == 0)
            #expect(try hearth("verify", "--config", config).code == 0)
            try audited.end()
            #expect(try hearth("verify", audited.path).code == 0)
            #expect(try hearth("verify", audited.path, "--head", head).code == 0)
            let altered = audited.directory.file("altered")
            try writeFile(altered, String(readFile(audited.path).map { $0 == "b" ? "c" : $0 }))
            let found = try hearth("verify", altered)
            #expect(found.code == 69 && found.output.contains("BROKEN"), "\(found.output)")
            #expect(try hearth("verify", "/nowhere").code == 69)
            for wrong in [["verify", "--head", "x"], ["frobnicate"], ["show", "--since", "yesterday"], []] {
                let result = try ChildProcess.run(try built("hearth"), ["audit"] + wrong, in: audited.directory)
                #expect(result.code == 64, "\(wrong): \(result.output)")
            }
        }

        @Test func `a file that is no audit, or that another process writes, is refused at the start`() throws {
            let directory = try TemporaryDirectory()
            let file = try directory.write("audit.log", "precious\n")
            let first = try HearthProcess(
                extra: "audit: {path: \"\(file)\"}\npolicies: [{prefix: \"\", audit: all}]", waiting: false)
            #expect(try first.process.wait() == 69)
            #expect(first.log.contains("holds something that is no audit"))
            #expect(readFile(file) == "precious\n")
            let audited = try AuditedHearth()
            let second = try HearthProcess(
                extra: "audit: {path: \"\(audited.path)\"}\npolicies: [{prefix: \"\", audit: all}]", waiting: false)
            #expect(try second.process.wait() == 69)
            #expect(second.log.contains("is being written by another process"))
        }

        @Test func `several workers and clients write one chain`() throws {
            let audited = try AuditedHearth(extra: "workers: 3")
            let address = audited.hearth.address
            onThreads(6) { thread in
                guard let c = try? RESPClient(address) else { return }
                for round in 0..<20 {
                    _ = try? c.pipeline((0..<10).map { ["SET", "a:\(thread)", "\(round * 10 + $0)"] })
                }
            }
            #expect(audited.accesses.count == 6 * 200)
            let verified = try audited.verify()
            #expect(verified.code == 0 && verified.output.contains("1200 accesses"), "\(verified.output)")
        }
    }
}

extension String {
    fileprivate var trimmed: String { String(drop { $0.isWhitespace }.prefix { !$0.isWhitespace }) }
}
