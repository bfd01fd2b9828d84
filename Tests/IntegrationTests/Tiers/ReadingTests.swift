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
                      - {prefix: "", negative_ttl: 2s, on_outage: reject}
                      - {prefix: "d:", default: "ctx {suffix} of {key}", negative_ttl: 300ms}
                      - {prefix: "strict:", strict: true}
                      - {prefix: "strong:", consistency: strong}
                    """)
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            // Absent: Redis said so, whatever the default.
            for key in ["a", "d:a", "strong:a"] {
                #expect(try c.call("GET", key) == .null)
                if key == "a" { #expect(try explain(c, "a") == "local absent") }
                #expect(try c.call("MGET", key, key) == .array([.null, .null]))
                #expect(try c.call("EXISTS", key) == .integer(0))
                #expect(try c.call("TTL", key) == .integer(-2))
            }
            #expect(try c.call("SET", "held", "v").text == "OK")
            try force(c, "OPEN")
            // Remembered as absent a moment ago; then nobody knows.
            try eventually("the memory of absence ends") {
                try explain(c, "d:a") == "default default" && explain(c, "a") == "none unknown"
            }
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
            // Nothing older goes back.
            try eventually("the stream of deletions is read") { hearth.log.contains("deletions_joined") }
            let c = try hearth.client()
            for key in ["p", "final:p", "gone"] {
                #expect(try c.call("SET", key, "v \(key)", "EX", "1000").text == "OK")
            }
            #expect(try c.call("DEL", "gone") == .integer(1))
            redis.kill()
            try redis.restart()
            try hearth.waitUntilRedisAnswers()
            // sleep: max_staleness passes.
            pause(60)
            #expect(try c.call("GET", "p").text == "v p")
            let direct = try redis.client()
            // When other sidecars have had time to tell what they know to be deleted.
            try eventually("it is promoted") {
                #expect(try c.call("GET", "p").text == "v p")
                return try direct.call("GET", "p").text == "v p"
            }
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
                    policies: [{prefix: "s:", ttl: 3s, sliding: true, max_staleness: 100s}]
                    """)
            try hearth.waitUntilClosed()
            let (c, direct) = (try hearth.client(), try redis.client())
            let begun = milliseconds()
            #expect(try c.call("SET", "s:a", "v").text == "OK")
            let given = Double(try direct.call("PTTL", "s:a").integer ?? 0)
            // Redis keeps it a tenth longer than local memory.
            #expect(given <= 3300 && given >= 3299 - (milliseconds() - begun), "\(given)")
            _ = try direct.call("SET", "s:long", "v", "EX", "100000")
            _ = try direct.call("SET", "s:none", "v")
            let scripts = try redis.calls(of: "pexpire")
            let start = milliseconds()
            // Two lives' worth of reads.
            while milliseconds() - start < 6000 {
                #expect(try c.call("GET", "s:a").text == "v")
                #expect(try c.call("GET", "s:long").text == "v")
                #expect(try c.call("GET", "s:none").text == "v")
                pause(5)
            }
            let extensions = try redis.calls(of: "pexpire") - scripts
            let tenths = (milliseconds() - begun) / 300
            print("sliding: \(extensions) extensions in \(short(tenths)) tenths of a life")
            #expect(extensions >= 2 && Double(extensions) <= tenths + 1, "\(extensions) in \(short(tenths)) tenths")
            // An extension goes out behind the read that causes it.
            try eventually("what is read has nearly all of its life before it") {
                #expect(try c.call("GET", "s:a").text == "v")
                let life = try direct.call("PTTL", "s:a").integer ?? 0
                #expect(life <= 3300)
                return life >= 2900
            }
            #expect(try direct.call("TTL", "s:long").integer ?? 0 > 99_000, "a life was shortened")
            #expect(try direct.call("TTL", "s:none") == .integer(-1), "a life was given")
            try eventually("it expires when nobody reads") {
                try direct.call("EXISTS", "s:a") == .integer(0)
            }
            #expect(try c.call("GET", "s:a") == .null)
        }

        @Test func `a hot key is refreshed ahead of its end, behind the answer`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url,
                extra: """
                    policies: [{prefix: "", max_staleness: 20s, refresh_ahead: 0.03, tracking: {mode: off}}]
                    """)
            try hearth.waitUntilClosed()
            let (c, direct) = (try hearth.client(), try redis.client())
            _ = try direct.call("SET", "k", "1")
            let asked = milliseconds()
            #expect(try c.call("GET", "k").text == "1")
            let known = milliseconds()
            _ = try direct.call("SET", "k", "2")
            try eventually("the new value is seen") { try c.call("GET", "k").text == "2" }
            let seen = milliseconds()
            // Not before 0.03 of its life, and long before the end of it.
            #expect(seen - asked >= 599 && seen - known < 19_000, "after \(short(seen - asked)) ms")
            print("refresh ahead: seen after \(short(seen - asked)) ms of 20,000")
        }

        @Test func `an absent key is remembered for negative_ttl and no longer`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, extra: "policies: [{prefix: \"\", negative_ttl: 1s, tracking: {mode: off}}]")
            try hearth.waitUntilClosed()
            let (c, direct) = (try hearth.client(), try redis.client())
            let start = milliseconds()
            #expect(try c.call("GET", "n") == .null)
            let asked = try redis.calls(of: "get")
            _ = try direct.call("SET", "n", "v")
            for _ in 0..<50 {
                let reply = try c.call("GET", "n")
                // What came later may be Redis's answer to another question.
                guard milliseconds() - start < 999 else { break }
                #expect(reply == .null)
            }
            let questions = try redis.calls(of: "get")
            #expect(questions == asked || milliseconds() - start >= 999)
            try eventually("the key is seen") { try c.call("GET", "n").text == "v" }
            #expect(milliseconds() - start >= 999)
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
                      - {prefix: "", max_staleness: 100ms, stale_if_error: 3s, tracking: {mode: off}}
                      - {prefix: "d:", max_staleness: 100ms, stale_if_error: 3s, default: "nobody knows"}
                      - {prefix: "w:", max_staleness: 100ms, stale_if_error: 3s, tiers: [redis, warm]}
                    """)
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            let start = milliseconds()
            for key in ["k", "d:k", "w:k"] { #expect(try c.call("SET", key, "v").text == "OK") }
            try force(c, "OPEN")
            try eventually("it is stale") { try explain(c, "k") == "local stale" }
            for key in ["k", "d:k", "w:k"] { #expect(try c.call("GET", key).text == "v") }
            #expect(try explain(c, "w:k") == "warm stale")
            try eventually("it is too old") { try c.call("GET", "k") == .null }
            let age = milliseconds() - start
            #expect(age >= 3099, "served for \(short(age)) ms")
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
            let hearth = try HearthProcess(redis: script.url)
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
            // As long as a connection to Redis would be waited for.
            #expect(slowest < 10_000)
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
            // Each of them is two commits on the disk, which others may be using.
            try eventually("enough is written", within: 120_000) { counted.withLock { $0 } > 2000 }
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
