// What reads are answered with and why: absent, unknown and default apart, promotion, lives, refreshes, coalescing.

import Synchronization
import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Reading {
        /// What HEARTH EXPLAIN says of a key: source and freshness.
        private func explain(_ client: RESPClient, _ key: String) throws -> String {
            let fields = try client.call("HEARTH", "EXPLAIN", key).fields
            return "\(fields["source"]?.text ?? "?") \(fields["freshness"]?.text ?? "?")"
        }

        private func force(_ client: RESPClient, _ state: String) throws {
            #expect(try client.call("HEARTH", "BREAKER", state).isError == false)
        }

        @Test func `absent, unknown and default are told apart by GET, MGET, EXISTS, TTL and EXPLAIN`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url,
                extra: """
                    policies:
                      - {prefix: "", negative_ttl: 300ms, on_outage: reject}
                      - {prefix: "d:", default: "ctx {suffix} of {key}", negative_ttl: 300ms}
                      - {prefix: "strict:", strict: true}
                      - {prefix: "strong:", consistency: strong}
                    """)
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            // Absent: Redis said so, whatever the default.
            for key in ["a", "d:a", "strong:a"] {
                #expect(try c.call("GET", key) == .null)
                #expect(try c.call("MGET", key, key) == .array([.null, .null]))
                #expect(try c.call("EXISTS", key) == .integer(0))
                #expect(try c.call("TTL", key) == .integer(-2))
            }
            #expect(try explain(c, "a") == "local absent")
            #expect(try c.call("SET", "held", "v").text == "OK")
            try force(c, "OPEN")
            // Remembered as absent a moment ago; then nobody knows.
            try eventually("the memory of absence ends") { try explain(c, "d:a") == "default default" }
            #expect(try c.call("GET", "d:a").text == "ctx a of d:a")
            #expect(
                try c.call("MGET", "d:a", "held", "a").items == [
                    .bulk(Array("ctx a of d:a".utf8)), .bulk([118]), .null,
                ])
            #expect(try c.call("EXISTS", "d:a", "held") == .integer(1), "a default does not exist")
            #expect(try c.call("TTL", "d:a") == .integer(-2))
            #expect(try c.call("TYPE", "d:a").text == "none")
            #expect(try c.call("STRLEN", "d:a") == .integer(Int64("ctx a of d:a".count)))
            #expect(try explain(c, "a") == "none unknown")
            #expect(try c.call("GET", "a") == .null)
            #expect(try c.call("GET", "held").text == "v")
            #expect(try explain(c, "held") == "local fresh")
            for key in ["strong:a", "strict:a"] {
                #expect(try c.call("GET", key).text.hasPrefix("UNAVAILABLE not answered"))
                #expect(try c.call("EXISTS", key).text.hasPrefix("UNAVAILABLE"))
                #expect(try c.call("MGET", "held", key).text.hasPrefix("UNAVAILABLE"))
                #expect(try c.call("HEARTH", "EXPLAIN", key).fields["reason"]?.text.contains("UNAVAILABLE") == true)
            }
            #expect(try c.call("SET", "a", "v").text.hasPrefix("UNAVAILABLE not sent"))
            #expect(try c.call("SET", "a", "v", "NX").text.hasPrefix("UNAVAILABLE not sent"))
            try force(c, "AUTO")
            try hearth.waitUntilClosed()
            #expect(try c.call("GET", "d:a") == .null, "the default was stored somewhere")
            #expect(try redis.client().call("EXISTS", "d:a") == .integer(0))
        }

        @Test func `what Redis lost is promoted from the warm tier, unless Redis's word is final`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url,
                extra: """
                    policies:
                      - {prefix: "", max_staleness: 50ms, negative_ttl: 50ms}
                      - {prefix: "final:", on_absent: final, max_staleness: 50ms, negative_ttl: 50ms}
                    """)
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            for key in ["p", "final:p", "gone"] {
                #expect(try c.call("SET", key, "v \(key)", "EX", "1000").text == "OK")
            }
            #expect(try c.call("DEL", "gone") == .integer(1))
            redis.kill()
            try redis.restart()
            try hearth.waitUntilClosed()
            pause(60)
            #expect(try c.call("GET", "p").text == "v p")
            let direct = try redis.client()
            #expect(try direct.call("GET", "p").text == "v p", "not promoted")
            let life = try direct.call("TTL", "p").integer ?? 0
            #expect((900...1000).contains(life), "promoted with \(life) s to live")
            #expect(try c.call("GET", "final:p") == .null)
            #expect(try direct.call("EXISTS", "final:p") == .integer(0))
            #expect(try c.call("GET", "gone") == .null, "a deletion was undone")
            #expect(try c.call("MGET", "p", "gone", "final:p").items == [.bulk(Array("v p".utf8)), .null, .null])
        }

        @Test func `reads extend a life in Redis at most once per tenth, never shorten one, never give one`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url,
                extra: """
                    policies: [{prefix: "s:", ttl: 2s, sliding: true, max_staleness: 100s}]
                    """)
            try hearth.waitUntilClosed()
            let (c, direct) = (try hearth.client(), try redis.client())
            #expect(try c.call("SET", "s:a", "v").text == "OK")
            _ = try direct.call("SET", "s:long", "v", "EX", "1000")
            _ = try direct.call("SET", "s:none", "v")
            let given = try direct.call("PTTL", "s:a").integer ?? 0
            #expect((2100...2200).contains(given), "Redis's life is a tenth longer than the local one: \(given)")
            let start = milliseconds()
            let scripts = try redis.calls(of: "pexpire")
            // Three lives' worth of reads.
            while milliseconds() - start < 4000 {
                #expect(try c.call("GET", "s:a").text == "v")
                #expect(try c.call("GET", "s:long").text == "v")
                #expect(try c.call("GET", "s:none").text == "v")
                pause(5)
            }
            let extensions = try redis.calls(of: "pexpire") - scripts
            print("sliding: \(extensions) extensions in two lives")
            #expect((8...24).contains(extensions), "\(extensions) extensions in two lives")
            let life = try direct.call("PTTL", "s:a").integer ?? 0
            #expect((1900...2200).contains(life), "\(life)")
            #expect(try direct.call("TTL", "s:long").integer ?? 0 > 990, "a life was shortened")
            #expect(try direct.call("TTL", "s:none") == .integer(-1), "a life was given")
            try eventually("it expires when nobody reads", within: 4000) {
                try direct.call("EXISTS", "s:a") == .integer(0)
            }
            #expect(try c.call("GET", "s:a") == .null)
        }

        @Test func `a hot key is refreshed ahead of its end, behind the answer`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url,
                extra: """
                    policies: [{prefix: "", max_staleness: 1s, refresh_ahead: 0.5}]
                    """)
            try hearth.waitUntilClosed()
            let (c, direct) = (try hearth.client(), try redis.client())
            _ = try direct.call("SET", "k", "1")
            #expect(try c.call("GET", "k").text == "1")
            let start = milliseconds()
            _ = try direct.call("SET", "k", "2")
            var slowest = 0.0
            var seen = 0.0
            while milliseconds() - start < 900, seen == 0 {
                let asked = milliseconds()
                if try c.call("GET", "k").text == "2" { seen = milliseconds() - start }
                slowest = max(slowest, milliseconds() - asked)
                pause(2)
            }
            #expect(seen > 450 && seen < 800, "the new value was seen after \(short(seen)) ms")
            print("refresh ahead: seen after \(short(seen)) ms of 1000, slowest read \(short(slowest)) ms")
        }

        @Test func `an absent key is remembered for negative_ttl and no longer`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, extra: "policies: [{prefix: \"\", negative_ttl: 400ms}]")
            try hearth.waitUntilClosed()
            let (c, direct) = (try hearth.client(), try redis.client())
            #expect(try c.call("GET", "n") == .null)
            let asked = try redis.calls(of: "get")
            let start = milliseconds()
            _ = try direct.call("SET", "n", "v")
            for _ in 0..<50 { #expect(try c.call("GET", "n") == .null) }
            let (took50, asked50) = (milliseconds() - start, try redis.calls(of: "get"))
            #expect(took50 > 350 || asked50 == asked)
            let took = try eventually("the key is seen") { try c.call("GET", "n").text == "v" }
            #expect(took < 600)
            // A write here is seen at once.
            #expect(try c.call("GET", "m") == .null)
            #expect(try c.call("SET", "m", "v").text == "OK")
            #expect(try c.call("GET", "m").text == "v")
        }

        @Test func `a stale copy is served as long as stale_if_error allows and no longer`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url,
                extra: """
                    policies:
                      - {prefix: "", max_staleness: 100ms, stale_if_error: 1s}
                      - {prefix: "d:", max_staleness: 100ms, stale_if_error: 1s, default: "nobody knows"}
                      - {prefix: "w:", max_staleness: 100ms, stale_if_error: 1s, tiers: [redis, warm]}
                    """)
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            for key in ["k", "d:k", "w:k"] { #expect(try c.call("SET", key, "v").text == "OK") }
            #expect(try c.call("SET", "short", "v", "PX", "200").text == "OK")
            let start = milliseconds()
            try force(c, "OPEN")
            try eventually("it is stale") { try explain(c, "k") == "local stale" }
            for key in ["k", "d:k", "w:k"] { #expect(try c.call("GET", key).text == "v") }
            #expect(try explain(c, "w:k") == "warm stale")
            let end = try eventually("it is too old") { try c.call("GET", "k") == .null }
            let age = milliseconds() - start
            #expect(age >= 1050 && age < 1400, "served for \(short(age)) ms (waited \(short(end)))")
            try eventually("the default is served") { try c.call("GET", "d:k").text == "nobody knows" }
            try eventually("the warm copy is too old") { try c.call("GET", "w:k") == .null }
            #expect(try explain(c, "k") == "none unknown")
            try force(c, "AUTO")
            try hearth.waitUntilClosed()
            #expect(try c.call("GET", "k").text == "v")
        }

        @Test func `a thousand reads of one cold key at once ask Redis once`() throws {
            let redis = try RedisServer()
            let script = try ScriptedRedis(redis.address)
            defer { script.stop() }
            let hearth = try HearthProcess(redis: script.url, redisOptions: "timeout: 2s, soft_timeout: 1s")
            try hearth.waitUntilClosed()
            _ = try redis.client().call("SET", "cold", "the value")
            let before = try redis.calls(of: "get")
            script.set(.delay(150))
            let clients = try (0..<1000).map { _ in try hearth.client() }
            for client in clients { try client.send(["GET", "cold"]) }
            for client in clients { #expect(try client.receive().text == "the value") }
            #expect(try redis.calls(of: "get") - before == 1)
            script.set(.none)
        }

        @Test(arguments: ["redis up", "redis down"])
        func `a restart with a filled warm tier serves from it at once`(state: String) throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(redis: redis.url)
            try hearth.waitUntilClosed()
            var c = try hearth.client()
            let count = 5000
            // Small pipelines: the breaker must not take a busy test machine for a slow Redis.
            for start in stride(from: 0, to: count, by: 50) {
                let replies = try c.pipeline((start..<start + 50).map { ["SET", "k\($0)", "value \($0)"] })
                #expect(
                    replies.allSatisfy { $0.text == "OK" },
                    "\(replies.first { $0.text != "OK" } as Any) \(hearth.log.suffix(600))")
            }
            hearth.process.signal(.terminate)
            #expect(try hearth.process.wait() == 0)
            if state == "redis down" { redis.kill() }
            let start = milliseconds()
            try hearth.restart()
            let up = milliseconds() - start
            c = try hearth.client()
            var slowest = 0.0
            for number in stride(from: 0, to: count, by: 7) {
                let asked = milliseconds()
                let reply = try c.call("GET", "k\(number)")
                let why = reply.text == "value \(number)" ? "" : try c.call("HEARTH", "EXPLAIN", "k\(number)").text
                #expect(reply.text == "value \(number)", "k\(number): \(reply); \(why)")
                slowest = max(slowest, milliseconds() - asked)
            }
            if state == "redis down" { #expect(try explain(c, "k1").hasSuffix("stale")) }
            print("restart, \(state): answers after \(short(up)) ms, slowest read \(short(slowest)) ms")
            #expect(slowest < 150)
        }

        @Test func `every acknowledged write is there after kill -9 in the embedded mode`() throws {
            let hearth = try HearthProcess(redis: "off", warm: "sync: always")
            let writers = 32
            let acknowledged = Mutex([Int](repeating: 0, count: writers))
            let counted = Mutex(0)
            let address = hearth.address
            let threads = (0..<writers).map { writer in
                TestThread {
                    guard let client = try? RESPClient(address) else { return }
                    var number = 0
                    while let reply = try? client.call("SET", "w\(writer):\(number)", "value \(number)"),
                        reply.text == "OK"
                    {
                        acknowledged.withLock { $0[writer] = number + 1 }
                        number += 1
                        guard let sum = try? client.call("INCR", "total"), sum.integer != nil else { return }
                        counted.withLock { $0 += 1 }
                    }
                }
            }
            let before = milliseconds()
            try eventually("enough is written", within: 10_000) { counted.withLock { $0 } > 2000 }
            let took = milliseconds() - before
            hearth.process.signal(.kill)
            for thread in threads { thread.join() }
            try hearth.restart()
            let c = try hearth.client()
            var lost = 0
            for (writer, count) in acknowledged.withLock({ $0 }).enumerated() where count > 0 {
                let replies = try c.pipeline((0..<count).map { ["GET", "w\(writer):\($0)"] })
                for (number, reply) in replies.enumerated() where reply.text != "value \(number)" { lost += 1 }
            }
            let total = Int(try c.call("GET", "total").text) ?? 0
            let least = counted.withLock { $0 }
            print(
                "kill -9: \(acknowledged.withLock { $0.reduce(0, +) }) sets and \(least) increments acknowledged in \(short(took)) ms, \(lost) lost, total \(total)"
            )
            #expect(lost == 0)
            // Each client may have one increment that was done and not acknowledged.
            #expect((least...least + writers).contains(total), "\(total) of \(least)")
        }
    }
}
