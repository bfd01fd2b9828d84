// Writes in an outage of a real Redis, with others writing the same keys meanwhile: what Redis has afterwards, and what
// is kept of both sides.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct ConflictTests {
        /// How an outage begins and ends, and whether Redis has its data afterwards.
        enum Outage: String, CaseIterable, CustomTestStringConvertible {
            case stopped
            case restartedWithData = "restarted with its data"
            case restartedEmpty = "restarted empty"
            case takenAway = "the breaker is forced"
            var testDescription: String { rawValue }
        }

        private struct Scene {
            let redis: RedisServer
            let hearth: HearthProcess
            let client: RESPClient
            let outage: Outage

            init(_ outage: Outage) throws {
                self.outage = outage
                redis = try RedisServer(
                    // Every second would not do: with the disk busy, Redis lets its own file wait for up to two.
                    outage == .restartedWithData ? ["--appendonly", "yes", "--appendfsync", "always"] : [])
                hearth = try HearthProcess(
                    redis: redis.url, redisOptions: "timeout: 500ms, soft_timeout: 20ms",
                    extra: """
                        breaker: {open: 100ms, open_max: 300ms, consecutive_failures: 2}
                        policies:
                          - {prefix: "", on_conflict: overwrite}
                          - {prefix: "keep:", on_conflict: keep}
                          - {prefix: "newest:", on_conflict: newest-known}
                          - {prefix: "blind:", on_unknown_base: overwrite}
                        """)
                try hearth.waitUntilClosed()
                client = try hearth.client()
            }

            func begin() throws {
                switch outage {
                case .stopped: redis.process.signal(.stop)
                case .restartedWithData, .restartedEmpty: redis.kill()
                case .takenAway: _ = try client.call("HEARTH", "BREAKER", "OPEN")
                }
                try eventually("the outage is noticed; log \(hearth.log.suffix(600))") {
                    _ = try client.call("GET", "nobody")
                    return try hearth.breaker(client).writes.contains("open")
                }
            }

            /// Ends the outage; `others` writes directly in Redis before Hearth may.
            func end(_ others: (RESPClient) throws -> Void) throws {
                switch outage {
                case .stopped:
                    // Nobody can write while Redis is stopped: Hearth is kept away a little longer.
                    _ = try client.call("HEARTH", "BREAKER", "OPEN")
                    redis.process.signal(.continue)
                case .restartedWithData, .restartedEmpty:
                    _ = try client.call("HEARTH", "BREAKER", "OPEN")
                    try redis.restart()
                case .takenAway: break
                }
                try others(redis.client())
                _ = try client.call("HEARTH", "BREAKER", "AUTO")
                try eventually("the journal is replayed; log \(hearth.log.suffix(900))") {
                    try client.call("HEARTH", "JOURNAL").fields["journal_entries"]?.integer == 0
                }
            }

            /// Key, verdict and their value of each conflict.
            func conflicts() throws -> [String] {
                try client.call("HEARTH", "JOURNAL", "CONFLICTS").items.map {
                    let fields = $0.fields
                    return [fields["key"], fields["verdict"], fields["theirs"]].map { $0?.text ?? "" }
                        .joined(separator: " ")
                }
            }
        }

        @Test(arguments: Outage.allCases)
        func `conflicts are found, counted, kept, and treated as the policy says`(outage: Outage) throws {
            let scene = try Scene(outage)
            let (c, keys) = (scene.client, ["a", "b", "keep:a", "keep:b", "newest:a", "newest:b", "n", "blind:a"])
            for key in keys { #expect(try c.call("SET", key, "1").text == "OK") }
            try scene.begin()
            for key in keys where key != "n" { #expect(try c.call("SET", key, "ours").text == "OK", "\(key)") }
            for sum in 2...4 { #expect(try c.call("INCR", "n") == .integer(Int64(sum))) }
            #expect(try c.call("GET", "a").text == "ours")
            try scene.end { redis in
                if outage == .restartedEmpty { _ = try redis.call("SET", "n", "1") }
                for key in ["a", "keep:a", "newest:a"] { _ = try redis.call("SET", key, "theirs") }
                _ = try redis.call("INCRBY", "n", "100")
            }
            let redis = try scene.redis.client()
            let end = try keys.map { try redis.call("GET", $0).text }
            #expect(end == ["ours", "ours", "theirs", "ours", "theirs", "ours", "104", "ours"], "\(end)")
            #expect(
                try scene.conflicts().sorted() == ["a overwrote theirs", "keep:a kept theirs", "newest:a kept theirs"])
            let metrics = try c.call("HEARTH", "METRICS").text
            #expect(metrics.contains("hearth_journal_conflicts_total{verdict=\"kept\"} 2"))
            #expect(metrics.contains("hearth_journal_conflicts_total{verdict=\"overwrote\"} 1"))
            // Reads through Hearth find what Redis has, whatever was held in the outage.
            for (key, value) in zip(keys, end) {
                try eventually("\(key) is read as \(value)") { try c.call("GET", key).text == value }
            }
        }

        @Test func `newest-known replaces what was not touched since ours was accepted`() throws {
            let scene = try Scene(.takenAway)
            let redis = try scene.redis.client()
            #expect(try scene.client.call("SET", "newest:k", "1").text == "OK")
            #expect(try redis.call("SET", "newest:k", "theirs").text == "OK")
            try eventually("Redis counts it as idle") {
                (try redis.call("OBJECT", "IDLETIME", "newest:k").integer ?? 0) >= 3
            }
            try scene.begin()
            #expect(try scene.client.call("SET", "newest:k", "ours").text == "OK")
            try scene.end { _ in }
            #expect(try redis.call("GET", "newest:k").text == "ours")
            #expect(try scene.conflicts() == ["newest:k overwrote theirs"])
        }

        @Test func `a value that nobody here knew is kept, unless the policy says otherwise`() throws {
            let scene = try Scene(.takenAway)
            let redis = try scene.redis.client()
            for key in ["k", "blind:k", "gone"] { #expect(try redis.call("SET", key, "theirs").text == "OK") }
            try scene.begin()
            for key in ["k", "blind:k"] { #expect(try scene.client.call("SET", key, "ours").text == "OK") }
            #expect(try scene.client.call("DEL", "gone") == .integer(0))
            try scene.end { _ in }
            #expect(try redis.call("GET", "k").text == "theirs")
            #expect(try redis.call("GET", "blind:k").text == "ours")
            #expect(try redis.call("EXISTS", "gone") == .integer(0))
            #expect(try scene.conflicts().sorted() == ["blind:k overwrote theirs", "k kept theirs"])
        }

        @Test func `writes that lie in a stopped Redis's buffers do not overwrite what was replayed`() throws {
            let scene = try Scene(.stopped)
            let clients = try (0..<8).map { _ in try scene.hearth.client() }
            for key in 0..<8 { #expect(try scene.client.call("SET", "k\(key)", "0").text == "OK") }
            scene.redis.process.signal(.stop)
            // These are sent, time out, and lie in the buffers of Redis's sockets.
            for (key, client) in clients.enumerated() { try client.send(["SET", "k\(key)", "1"]) }
            for client in clients { #expect(try client.receive().text == "OK") }
            for key in 0..<8 { #expect(try scene.client.call("SET", "k\(key)", "2").text == "OK") }
            scene.redis.process.signal(.continue)
            try eventually("the journal is replayed; log \(scene.hearth.log.suffix(900))") {
                try scene.client.call("HEARTH", "JOURNAL").fields["journal_entries"]?.integer == 0
            }
            let redis = try scene.redis.client()
            for key in 0..<8 { #expect(try redis.call("GET", "k\(key)").text == "2") }
            #expect(try scene.conflicts() == [])
            #expect(try redis.call("KEYS", "hearth:op:*").items.isEmpty, "markers are left")
        }

        @Test func `the command line shows what waits and what collided, and lets both be forgotten`() throws {
            let scene = try Scene(.takenAway)
            _ = try scene.redis.client().call("SET", "k", "theirs")
            try scene.begin()
            for (key, value) in [("k", "ours"), ("other", "v")] { _ = try scene.client.call("SET", key, value) }
            func hearth(_ words: String...) throws -> (code: Int32, output: String) {
                try ChildProcess.run(
                    try built("hearth"), ["journal"] + words + ["--config", scene.hearth.configurationPath],
                    in: scene.hearth.directory)
            }
            let list = try hearth("list").output
            #expect(list.contains("SET k") && list.contains("2 entries wait for Redis"), "\(list)")
            #expect(try hearth("list", "--count", "1").output.contains("the oldest of which are above"))
            #expect(try hearth("replay").output.contains("the breaker is forced-open for writes"))
            let export = try hearth("export").output
            #expect(
                export.contains("\"operation\":\"SET\"") && export.contains("\"value_base64\":\"b3Vycw==\""),
                "\(export)")
            #expect(try hearth("discard", "2").output == "1 forgotten, not done\n")
            try scene.end { _ in }
            #expect(try scene.redis.client().call("EXISTS", "other") == .integer(0))
            let conflicts = try hearth("conflicts").output
            #expect(conflicts.contains("k: theirs stayed") && conflicts.contains("string theirs"), "\(conflicts)")
            #expect(try hearth("forget", "ALL").output == "1 forgotten\n")
            #expect(try hearth("conflicts").output == "0 conflicts\n")
            scene.hearth.process.end()
            let inspected = try hearth("inspect")
            #expect(
                inspected.code == 0 && inspected.output.contains("0 entries wait for Redis, 0 conflicts"),
                "\(inspected)")
            #expect(try hearth("inspect", "/nowhere").code == 69)
            #expect(try hearth("discard").code == 64)
            #expect(try hearth("list", "--count", "x").code == 64)
        }

        @Test func `a journal whose disk is full refuses, and takes again when there is room`() throws {
            guard isRoot else { return }
            let directory = try TemporaryDirectory()
            let mount = directory.file("small")
            #expect(try ChildProcess.run("mkdir", [mount], in: directory).code == 0)
            #expect(
                try ChildProcess.run("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", mount], in: directory).code == 0
            )
            defer { _ = try? ChildProcess.run("umount", ["-l", mount], in: directory) }
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url,
                extra: """
                    limits: {max_value: 256KiB}
                    policies: [{prefix: "", on_unknown_base: overwrite}]
                    """, environment: ["HEARTH_JOURNAL_PATH": "\(mount)/journal", "HEARTH_JOURNAL_MAX_BYTES": "64MiB"])
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            _ = try c.call("HEARTH", "BREAKER", "OPEN")
            let value = String(repeating: "v", count: 100_000)
            var accepted: [Int] = []
            var refusal = ""
            for number in 0..<40 where refusal.isEmpty {
                let reply = try c.call("SET", "k\(number)", value)
                if reply.isError { refusal = reply.text } else { accepted.append(number) }
            }
            #expect(refusal.hasPrefix("UNAVAILABLE not sent"), "\(refusal)")
            #expect(refusal.contains("no space left on device"), "\(refusal)")
            #expect(accepted.count > 5)
            #expect(try c.call("HEARTH", "METRICS").text.contains("hearth_journal_refused_total 1"))
            try eventually("the log says so") { hearth.log.contains("journal_degraded") }
            #expect(try c.call("GET", "k\(accepted.count)") == .null, "what was refused is read")
            _ = try c.call("HEARTH", "BREAKER", "AUTO")
            try eventually("what was accepted reaches Redis; log \(hearth.log.suffix(900))") {
                try redis.client().call("DBSIZE").integer ?? 0 >= accepted.count
                    && c.call("HEARTH", "JOURNAL").fields["journal_entries"]?.integer == 0
            }
            _ = try c.call("HEARTH", "BREAKER", "OPEN")
            try eventually("the journal takes writes again; log \(hearth.log.suffix(900))") {
                try c.call("SET", "again", value).text == "OK"
            }
        }
    }
}
