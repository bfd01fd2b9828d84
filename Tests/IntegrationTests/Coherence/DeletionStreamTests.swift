// The stream of deletions over a real Redis: what was deleted through one sidecar does not come back through another.
//
// `kept` goes back to Redis where copies may; when it has, `gone` would have too.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Deletions {
        private static let policies = #"policies: [{prefix: "", max_staleness: 50ms, negative_ttl: 0s}]"#

        private static func sidecar(_ redis: String, deletions: Int = 100_000) throws -> HearthProcess {
            let hearth = try HearthProcess(
                redis: redis, redisOptions: "\(HearthProcess.patient), deletions: \(deletions)", extra: policies)
            try hearth.waitUntilClosed()
            try joined(hearth, 1)
            return hearth
        }

        private static func joined(_ hearth: HearthProcess, _ times: Int) throws {
            try eventually("the stream is read; \(hearth.log.suffix(1500))") {
                hearth.log.split(separator: "\n").count { $0.contains("\"deletions_joined\"") } >= times
            }
        }

        /// Keys that A has written and that lie on B's disk.
        private static func plant(_ keys: [String], _ a: HearthProcess, _ b: HearthProcess) throws {
            let (writer, reader) = (try a.client(), try b.client())
            for key in keys {
                #expect(try writer.call("SET", key, "v").text == "OK")
                #expect(try reader.call("GET", key).text == "v")
            }
            // With what is known of the stream, which is an entry too.
            try eventually("they are on the disk") {
                try Coherence.figure("warm_entries", b) >= Int64(keys.count + 1)
            }
        }

        /// Waits until `kept` is in Redis again, and looks for `gone`.
        private static func check(_ b: HearthProcess, _ redis: RedisServer, keptComesBack: Bool = true) throws {
            let (client, direct) = (try b.client(), try redis.client())
            if keptComesBack {
                try eventually("the copy that may goes back; \(b.log.suffix(2500))") {
                    _ = try client.call("GET", "kept")
                    return try direct.call("GET", "kept").text == "v"
                }
            }
            #expect(try client.call("GET", "gone") == .null, "\(b.log.suffix(2500))")
            #expect(try direct.call("EXISTS", "gone") == .integer(0), "\(b.log.suffix(2500))")
        }

        @Test func `what was deleted while a sidecar was killed stays deleted when Redis has restarted with its data`()
            throws
        {
            let redis = try RedisServer(["--appendonly", "yes", "--appendfsync", "always"])
            let (a, b) = (try Self.sidecar(redis.url), try Self.sidecar(redis.url))
            try Self.plant(["gone", "kept"], a, b)
            b.process.signal(.kill)
            _ = try b.process.wait()
            #expect(try a.client().call("DEL", "gone") == .integer(1))
            redis.kill()
            try redis.restart()
            try b.restart()
            try b.waitUntilRedisAnswers()
            try Self.joined(b, 2)
            try Self.check(b, redis)
        }

        @Test func `what was deleted while a sidecar was killed stays deleted when Redis has come back empty`() throws {
            let redis = try RedisServer()
            let (a, b) = (try Self.sidecar(redis.url), try Self.sidecar(redis.url))
            try Self.plant(["gone", "kept"], a, b)
            b.process.signal(.kill)
            _ = try b.process.wait()
            #expect(try a.client().call("UNLINK", "gone") == .integer(1))
            redis.kill()
            try redis.restart()
            try b.restart()
            try b.waitUntilRedisAnswers()
            try Self.joined(b, 2)
            #expect(b.log.contains("deletions_began_anew"))
            try Self.check(b, redis)
        }

        @Test func `what was deleted in a gap, and lost with Redis, is told by the sidecar that deleted it`() throws {
            let redis = try RedisServer()
            let proxy = try ScriptedRedis(redis.address)
            defer { proxy.stop() }
            let (a, b) = (try Self.sidecar(redis.url), try Self.sidecar(proxy.url))
            try Self.plant(["gone", "kept"], a, b)
            proxy.set(.refuse)
            #expect(try a.client().call("GETDEL", "gone").text == "v")
            redis.kill()
            try redis.restart()
            try Self.joined(a, 2)
            proxy.set(.none)
            try Self.joined(b, 2)
            try Self.check(b, redis)
        }

        @Test func `where the stream was trimmed beyond what was read nothing older goes back`() throws {
            let redis = try RedisServer()
            let (a, b) = (try Self.sidecar(redis.url, deletions: 1), try Self.sidecar(redis.url))
            try Self.plant(["gone", "kept"], a, b)
            b.process.signal(.kill)
            _ = try b.process.wait()
            let client = try a.client()
            #expect(try client.call("DEL", "gone") == .integer(1))
            // Redis trims whole nodes, of a hundred entries.
            _ = try client.pipeline((0..<400).map { ["DEL", "x\($0)"] })
            try b.restart()
            try Self.joined(b, 2)
            #expect(b.log.contains("deletions_missed"))
            redis.kill()
            try redis.restart()
            try Self.joined(b, 3)
            #expect(try a.client().call("SET", "proof", "1").text == "OK")
            let direct = try redis.client()
            let reader = try b.client()
            for key in ["gone", "kept"] {
                // Until others have had time to tell, a copy is served and not given back.
                try eventually("\(key) is not found") { try reader.call("GET", key) == .null }
                #expect(try direct.call("EXISTS", key) == .integer(0))
            }
        }

        @Test func `a user who may not append deletes all the same, and it is said`() throws {
            let redis = try RedisServer()
            _ = try redis.client().call(
                "ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all", "-xadd", "-xrange")
            let hearth = try HearthProcess(redis: "unix://limited:pw@\(redis.socketPath)", extra: Self.policies)
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            #expect(try client.call("SET", "k", "v").text == "OK")
            #expect(try client.call("DEL", "k") == .integer(1))
            #expect(try client.call("GETDEL", "k") == .null)
            try eventually("it is said; \(hearth.log.suffix(1500))") { hearth.log.contains("deletions_refused") }
        }

        @Test func `the stream names no key, and is as long as it may be`() throws {
            let redis = try RedisServer()
            let hearth = try Self.sidecar(redis.url, deletions: 200)
            let (client, direct) = (try hearth.client(), try redis.client())
            for key in ["mary", "joseph"] { _ = try client.call("SET", key, "v") }
            #expect(try client.call("DEL", "mary") == .integer(1))
            #expect(try client.call("STATE.ERASE", "jos").isError == false)
            let text = try direct.call("XRANGE", "hearth:deletions", "-", "+").text
            #expect(!text.contains("mary") && !text.contains("joseph"))
            // redis.sha1hex('mary'), the first half of which is 16 digits.
            let hash = try direct.call("EVAL", "return string.sub(redis.sha1hex('mary'), 1, 16)", "0").text
            #expect(text.contains(hash))
            for start in 0..<10 {
                _ = try client.pipeline((0..<100).map { ["DEL", "x\(start * 100 + $0)"] })
            }
            guard case .integer(let length) = try direct.call("XLEN", "hearth:deletions") else {
                Issue.record("no stream")
                return
            }
            #expect((200..<400).contains(length), "\(length)")
        }
    }
}
