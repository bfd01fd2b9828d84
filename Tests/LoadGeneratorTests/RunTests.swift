// Every workload for a fraction of a second against real servers: what the reports hold, never how fast it was.

import TestSupport
import Testing

@testable import LoadGenerator

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite(.serialized) struct RunTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Runs hearth-bench for an instant; its exit code and output.
    private func bench(_ words: String...) throws -> (code: Int32, output: String) {
        try ChildProcess.run(try built("hearth-bench"), words, in: directory)
    }

    /// The same against a server, as JSON, with few keys.
    private func report(_ path: String, _ words: String...) throws -> String {
        let common = [
            "--socket", path, "--connections", "4", "--keys", "100", "--cold-keys", "300", "--duration", "300ms",
            "--warmup", "20ms", "--drain", "20s", "--output", "json",
        ]
        let run = try ChildProcess.run(try built("hearth-bench"), common + words, in: directory)
        try #require(run.code == 0, "\(words): \(run.output)")
        return run.output
    }

    /// The number behind a member's name, the first in the document.
    private func number(_ name: String, _ json: String) throws -> Double {
        let parts = json.split(separator: "\"\(name)\":", maxSplits: 1, omittingEmptySubsequences: false)
        let text = try #require(
            parts.count == 2 ? parts[1].prefix { $0.isNumber || $0 == "." || $0 == "-" || $0 == "e" } : nil)
        return try #require(Double(text), "\(name): \(text)")
    }

    /// What every report must hold, when every answer is to be right.
    private func expectSound(_ json: String, _ note: String = "") throws {
        #expect(try number("completed", json) > 0, "\(note)")
        #expect(try number("throughput", json) > 0)
        for name in ["wrong", "failed", "unanswered"] { #expect(try number(name, json) == 0, "\(note): \(json)") }
        for name in ["p50", "p90", "p99", "p99.9", "max", "mean"] { #expect(try number(name, json) > 0, "\(note)") }
        #expect(try number("p50", json) <= number("p99", json) * 1.001)
        #expect(try number("pid", json) > 0 && number("resident_bytes", json) > 0)
        #expect(try number("sleeps_per_operation", json) >= 0)
        #expect(json.contains("\"cpu_source\":\"s") && json.contains("\"generator\":"))
    }

    @Test(arguments: [
        "hit", "mixed", "write", "miss-warm", "get:50,miss:30,set:20", "state", "state-set:100",
        "get:40,store:10,state-get:40,state-set:10",
    ])
    func `a workload runs against a Hearth without Redis`(_ workload: String) throws {
        let hearth = try HearthProcess()
        try expectSound(try report(hearth.socketPath, "--workload", workload), workload)
        let open = try report(
            hearth.socketPath, "--workload", workload, "--rate", "2000", "--pipeline", "4", "--distribution", "uniform")
        try expectSound(open, workload)
        #expect(open.contains("\"waiting\":"))
        #expect(try number("rate", open) == 2000)
    }

    @Test(arguments: ["hit", "miss-redis", "mixed", "write", "degraded", "state", "get:50,state-get:40,state-set:10"])
    func `a workload runs in front of a Redis`(_ workload: String) throws {
        let redis = try RedisServer()
        let hearth = try HearthProcess(redis: redis.url)
        try hearth.waitUntilClosed()
        let json = try report(
            hearth.socketPath, "--workload", workload, "--value-size", "64:50,1024:40,16384:10", "--pipeline", "4")
        try expectSound(json, workload)
        #expect(try number("absent", json) == 0)
        // A breaker that was forced is given back.
        #expect(try hearth.client().call("HEARTH", "BREAKER").fields["mode"]?.text == "automatic")
    }

    @Test func `strings and records side by side have rows of their own`() throws {
        let hearth = try HearthProcess()
        let json = try report(hearth.socketPath, "--workload", "get:50,state-get:50", "--apart", "--pipeline", "16")
        try expectSound(json)
        #expect(try number("absent", json) == 0)
        #expect(json.contains("\"get\":{\"count\":") && json.contains("\"state-get\":{\"count\":"))
        #expect(try hearth.client().call("TYPE", "state:000000000007").text == "hash")
        #expect(try hearth.client().call("TYPE", "key:000000000007").text == "string")
        let absent = try report(hearth.socketPath, "--workload", "state", "--no-load", "--state-prefix", "nobody:")
        #expect(try number("absent", absent) > 0 && number("failed", absent) == 0)
    }

    /// Others are understood as well, but at a pace at which the server would wait for the generator.
    @Test func `what a Hearth answers from memory is the usual reply`() throws {
        let hearth = try HearthProcess()
        let keys = KeySpace(hotPrefix: "key:", coldPrefix: "cold:", statePrefix: "state:", sizes: ValueSizes(64))
        let client = try hearth.client()
        let (key, value) = (keys.keyText(.record(1)), String(decoding: keys.value(.record(1)), as: UTF8.self))
        for life in [[], ["TTL", "60000"]] {
            _ = try client.call(["STATE.SET", key, value] + life)
            let reply = try client.callRaw(["STATE.GET", key].map { Array($0.utf8) })
            let count = reply.withUnsafeBytes { ReplyReader(.redis, keys, .value).usualRecord($0, .record(1)) }
            #expect(count == reply.count, "\(String(decoding: reply, as: UTF8.self))")
        }
    }

    @Test func `redis-server and the bare loop are asked the same`() throws {
        let redis = try RedisServer()
        try expectSound(try report(redis.socketPath, "--pipeline", "16"))
        try expectSound(try report(redis.socketPath, "--workload", "mixed", "--apart", "--rate", "1000"))
        let front = try ScriptedRedis(redis.address)
        defer { front.stop() }
        let tcp = try bench(
            "--tcp", "127.0.0.1:\(front.port)", "--requests", "100", "--warmup", "0s", "--output", "json", "--pid",
            "\(redis.process.pid)")
        #expect(tcp.code == 0)
        #expect(try number("completed", tcp.output) == 100)

        let path = directory.file("bare.sock")
        let bare = try ChildProcess(try built("bare-loop"), [path], output: directory.file("bare.log"))
        try eventually("the bare loop listens") { access(path, F_OK) == 0 }
        try expectSound(try report(path, "--check", "frame", "--no-load", "--pipeline", "16"))
        // It answers all the same, which a check of the values tells.
        let wrong = try bench("--socket", path, "--no-load", "--requests", "100", "--warmup", "0s")
        #expect(
            wrong.code == 65 && wrong.output.contains("100 wrong") && wrong.output.contains("not the value of key:"))
        bare.end()
    }

    @Test func `memcached is asked in its own protocol`() throws {
        guard let program = program("memcached") else { return }
        let path = directory.file("m.sock")
        let user = isRoot ? ["-u", "root"] : []
        let server = try ChildProcess(program, user + ["-s", path, "-t", "1"], output: directory.file("m.log"))
        try eventually("memcached listens; \(server.output)") { access(path, F_OK) == 0 }
        for workload in ["hit", "write", "mixed"] {
            let json = try report(path, "--protocol", "memcached", "--workload", workload, "--pipeline", "8")
            try expectSound(json, workload)
            #expect(try number("absent", json) == 0)
        }
        server.end()
    }

    @Test func `a server that hangs in an open loop shows in the latencies and in the time line`() throws {
        let redis = try RedisServer()
        let load = ["--socket", redis.socketPath, "--load-only", "--keys", "100"]
        #expect(try ChildProcess.run(try built("hearth-bench"), load, in: directory).code == 0)
        let picture = directory.file("picture.svg")
        let run = try ChildProcess(
            try built("hearth-bench"),
            [
                "--socket", redis.socketPath, "--no-load", "--keys", "100", "--connections", "4", "--rate", "500",
                "--warmup", "0s", "--duration", "3s", "--timeline", "--svg", picture, "--output", "json",
            ], output: directory.file("hang.out"))
        try eventually("it is asked") { try redis.calls(of: "get") > 20 }
        redis.process.signal(.stop)
        // sleep: how long the server hangs is what is measured.
        pause(1200)
        redis.process.signal(.continue)
        #expect(try run.wait() == 0, "\(run.output)")
        let json = run.output
        #expect(try number("failed", json) == 0 && number("unanswered", json) == 0)
        // All that was due while it hung waited; a closed loop would have four slow answers.
        #expect(try number("max", json) > 300_000_000)
        #expect(try number("p90", json) > 100_000_000)
        #expect(json.contains("\"completed\":0,") && json.contains("\"start_ms\":1000"))
        let drawn = readFile(picture)
        #expect(drawn.hasPrefix("<svg ") && drawn.hasSuffix("</svg>\n"))
        #expect(drawn.contains("latency by percentile") && drawn.contains("latency over time"))
        #expect(!drawn.contains("nan") && !drawn.contains("inf"))
    }

    @Test func `a server that dies is reported by what happened, and waited for`() throws {
        let redis = try RedisServer()
        let run = try ChildProcess(
            try built("hearth-bench"),
            [
                "--socket", redis.socketPath, "--keys", "100", "--connections", "4", "--warmup", "0s", "--duration",
                "3s", "--drain", "100ms", "--output", "json",
            ], output: directory.file("death.out"))
        try eventually("it is asked") { try redis.calls(of: "get") > 100 }
        redis.kill()
        #expect(try run.wait() == 0, "\(run.output)")
        #expect(try number("failed", run.output) > 0)
        #expect(run.output.contains("the server closed the connection") || run.output.contains("the connection failed"))
    }

    @Test func `errors and absent keys are counted apart`() throws {
        let redis = try RedisServer()
        let absent = try report(redis.socketPath, "--no-load", "--prefix", "nobody:")
        #expect(try number("absent", absent) > 0 && number("failed", absent) == 0)
        _ = try redis.client().call("CONFIG", "SET", "maxmemory", "1")
        let refused = try bench("--socket", redis.socketPath, "--keys", "10")
        #expect(refused.code == 69 && refused.output.contains("could not be written") && refused.output.contains("OOM"))
        let failed = try report(redis.socketPath, "--no-load", "--workload", "write")
        #expect(try number("failed", failed) > 0 && failed.contains("\"OOM "))
    }

    @Test func `text says what there is, and wrong words end with their codes`() throws {
        let redis = try RedisServer()
        let text = try bench("--socket", redis.socketPath, "--duration", "100ms", "--warmup", "0s", "--timeline")
        #expect(text.code == 0)
        for words in ["every answer was right", "p99.9", "ns of CPU per operation", "MiB resident", "answers/s"] {
            #expect(text.output.contains(words), "\(words) in \(text.output)")
        }
        #expect(!text.output.contains("\u{1b}"))
        let nobody = try bench("--socket", "/nonexistent/hearth.sock")
        #expect(nobody.code == 69 && nobody.output.contains("no server at /nonexistent/hearth.sock"))
        let wrong = try bench("--rate", "fast")
        #expect(wrong.code == 64 && wrong.output.contains("--rate: 'fast'"))
        let help = try bench("--help")
        #expect(help.code == 0 && help.output.hasPrefix("usage: hearth-bench"))
        let records = try bench("--socket", redis.socketPath, "--workload", "state")
        #expect(records.code == 69 && records.output.contains("ERR unknown command 'STATE.SET'"))
        let degraded = try bench("--socket", redis.socketPath, "--workload", "degraded")
        #expect(degraded.code == 69 && degraded.output.contains("HEARTH BREAKER OPEN: ERR unknown command"))
    }
}
