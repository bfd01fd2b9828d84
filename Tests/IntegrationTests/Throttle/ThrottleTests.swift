// THROTTLE through real processes: several sidecars on one Redis, outages, and without Redis.

import Synchronization
import TestSupport
import Testing

extension RealProcesses {
    @Suite(.serialized) struct Throttles {
        private func integers(_ reply: RESPValue) -> [Int64?] { reply.items.map(\.integer) }

        @Test(arguments: ["redis", "embedded"])
        func `a limit is kept, told in five integers, and over by itself`(mode: String) throws {
            let redis = mode == "redis" ? try RedisServer() : nil
            let hearth = try HearthProcess(redis: redis?.url ?? "off", redisOptions: "timeout: 1s")
            if redis != nil { try hearth.waitUntilClosed() }
            let c = try hearth.client()
            // A limit so slow that no machine is too slow for it.
            let limit = ["THROTTLE", "k", "2", "1", "1000"]
            #expect(try integers(c.call(limit)) == [0, 3, 2, -1, 1000])
            #expect(try integers(c.call(limit + ["0"])).first == 0)
            #expect(try integers(c.call(limit)).prefix(3) == [0, 3, 1])
            #expect(try integers(c.call(limit)).prefix(3) == [0, 3, 0])
            let limited = try integers(c.call(limit))
            #expect(limited.prefix(3) == [1, 3, 0])
            #expect((900...1000).contains(limited[3] ?? 0) && (2900...3000).contains(limited[4] ?? 0), "\(limited)")
            #expect(try integers(c.call(limit + ["4"])).dropFirst(3).first == -1, "it will never pass")
            #expect(try integers(c.pipeline([["HELLO", "3"], limit])[1]).first == 1)
            // As a key like any other.
            #expect(try c.call("TYPE", "k").text == "string")
            #expect((2900...3000).contains(try c.call("TTL", "k").integer ?? 0))
            #expect(try c.call("GET", "k").text.hasSuffix("/1"))
            #expect(try c.call("DEL", "k").integer == 1)
            #expect(try integers(c.call(limit)).prefix(3) == [0, 3, 2])
            _ = try c.call("SET", "s", "hello")
            #expect(try c.call("THROTTLE", "s", "2", "1", "1").text.hasPrefix("WRONGTYPE"))
            // A life of a fiftieth of a second is over soon.
            #expect(try integers(c.call("THROTTLE", "short", "0", "50", "1")).first == 0)
            try eventually("the key is gone by itself") { try c.call("EXISTS", "short").integer == 0 }
            let metrics = try c.call("HEARTH", "METRICS").text
            let source = redis == nil ? "here" : "redis"
            #expect(metrics.contains(#"hearth_throttle_total{source="\#(source)",verdict="limited"} 3"#), "\(metrics)")
        }

        @Test(arguments: ["redis", "embedded"])
        func `arguments are judged as Redis judges arguments`(mode: String) throws {
            let redis = mode == "redis" ? try RedisServer() : nil
            let hearth = try HearthProcess(redis: redis?.url ?? "off")
            if redis != nil { try hearth.waitUntilClosed() }
            let c = try hearth.client()
            for (words, error) in [
                ("k 1 1", "ERR wrong number of arguments for 'throttle' command"),
                ("k 1 1 1 1 1", "ERR wrong number of arguments for 'throttle' command"),
                ("k x 1 1", "ERR value is not an integer or out of range"),
                ("k 1 1 1 y", "ERR value is not an integer or out of range"),
                ("k -1 1 1", "ERR max-burst must not be negative in 'throttle' command"),
                ("k 1 0 1", "ERR count must be positive in 'throttle' command"),
                ("k 1 1 0", "ERR period must be positive in 'throttle' command"),
                ("k 1 1 1 -1", "ERR quantity must not be negative in 'throttle' command"),
                ("k 9223372036854775807 1 1", "ERR the limit is too large in 'throttle' command"),
                ("k 1 1 9223372036854775807", "ERR the limit is too large in 'throttle' command"),
            ] {
                let reply = try c.call(["THROTTLE"] + words.split(separator: " ").map(String.init))
                #expect(reply.isError && reply.text.hasPrefix(error), "\(words): \(reply.text)")
            }
            #expect(try c.call("EXISTS", "k").integer == 0)
            _ = try c.call("MULTI")
            #expect(try c.call("THROTTLE", "k", "1", "1", "1").text.hasPrefix("ERR throttle can't be part of MULTI"))
            #expect(try c.call("EXEC").text.hasPrefix("EXECABORT"))
        }

        @Test func `two sidecars on one Redis never let more pass than the limit`() throws {
            let redis = try RedisServer()
            let hearths = try (0..<2).map { _ in
                try HearthProcess(redis: redis.url, redisOptions: "timeout: 5s", extra: "workers: 2")
            }
            for hearth in hearths { try hearth.waitUntilClosed() }
            let passed = Mutex(0)
            let asked = Mutex(0)
            let began = milliseconds()
            onThreads(8) { thread in
                guard let c = try? hearths[thread % 2].client() else { return }
                while milliseconds() - began < 1500 {
                    guard let replies = try? c.pipeline(Array(repeating: ["THROTTLE", "k", "9", "100", "1"], count: 5))
                    else { continue }
                    let count = replies.count { $0.items.first?.integer == 0 }
                    passed.withLock { $0 += count }
                    asked.withLock { $0 += replies.count }
                }
            }
            let elapsed = (milliseconds() - began) / 1000
            let (count, all) = (passed.withLock { $0 }, asked.withLock { $0 })
            #expect(Double(count) <= 10 + elapsed * 100, "\(count) of \(all) passed in \(elapsed) s")
            #expect(count >= 10)
        }

        @Test func `a key is the same for all: other writes, scripts that Redis forgot, types, copies`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(redis: redis.url, redisOptions: "timeout: 1s")
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            let direct = try redis.client()
            let limit = ["THROTTLE", "k", "5", "1", "1000"]
            _ = try c.call(limit)
            let first = try c.call("GET", "k").text
            _ = try c.call(limit)
            #expect(try c.call("GET", "k").text != first, "a copy outlived the limit's change")
            #expect(try c.call("GET", "k").text == direct.call("GET", "k").text)
            _ = try direct.call("SCRIPT", "FLUSH")
            #expect(try integers(c.call(limit)).prefix(3) == [0, 6, 3])
            _ = try direct.call("DEL", "k")
            #expect(try integers(c.call(limit)).prefix(3) == [0, 6, 5])
            _ = try direct.call("RPUSH", "l", "x")
            #expect(try c.call("THROTTLE", "l", "5", "1", "1000").text.hasPrefix("WRONGTYPE"))
            // In the order of the client's requests, and under WATCH.
            let replies = try c.pipeline([
                ["SET", "k", "x"], limit, ["DEL", "k"], limit, ["WATCH", "w"], limit, ["UNWATCH"],
            ])
            #expect(replies[1].text.hasPrefix("WRONGTYPE"))
            #expect(integers(replies[3]).prefix(3) == [0, 6, 5])
            #expect(integers(replies[5]).prefix(3) == [0, 6, 4])
        }

        @Test func `in an outage the policy says who passes, and Redis judges again when it is back`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, redisOptions: "timeout: 100ms, soft_timeout: 20ms",
                extra: """
                    breaker: {open: 100ms, open_max: 200ms}
                    workers: 2
                    policies:
                      - {prefix: "share:", throttle: {share: 0.5}}
                      - {prefix: "deny:", throttle: {on_outage: deny}}
                      - {prefix: "allow:", throttle: {on_outage: allow}}
                    """)
            try hearth.waitUntilClosed()
            let clients = try (0..<4).map { _ in try hearth.client() }
            let c = clients[0]
            let numbers = ["9", "10", "10000"]
            for key in ["share:k", "deny:k", "allow:k"] {
                #expect(try integers(c.call(["THROTTLE", key] + numbers)).prefix(3) == [0, 10, 9])
            }
            redis.process.signal(.stop)
            defer { redis.process.signal(.continue) }
            var number = 0
            try eventually("the breaker opens") {
                number += 1
                _ = try c.call("SET", "x\(number)", "y")
                return try hearth.breaker(c).writes != "closed"
            }
            // Half of ten at once, over all clients and workers of this process.
            let passed = try (0..<20).count { index in
                try integers(clients[index % 4].call(["THROTTLE", "share:k"] + numbers)).first == 0
            }
            #expect(passed == 5)
            #expect(try integers(c.call(["THROTTLE", "share:k"] + numbers)).prefix(3) == [1, 5, 0])
            #expect(try integers(c.call(["THROTTLE", "deny:k"] + numbers)) == [1, 10, 0, 1000, 10000])
            for _ in 0..<20 {
                #expect(try integers(c.call(["THROTTLE", "allow:k"] + numbers)) == [0, 10, 10, -1, 0])
            }
            let metrics = try c.call("HEARTH", "METRICS").text
            for sample in [
                #"{source="share",verdict="allowed"} 5"#, #"{source="share",verdict="limited"} 16"#,
                #"{source="deny",verdict="limited"} 1"#, #"{source="allow",verdict="allowed"} 20"#,
                #"{source="redis",verdict="allowed"} 3"#,
            ] { #expect(metrics.contains("hearth_throttle_total\(sample)"), "\(sample)") }
            #expect(
                try c.call("HEARTH", "JOURNAL").fields["journal_keys"]?.integer ?? 0 <= number, "it is not journaled")
            redis.process.signal(.continue)
            try hearth.waitUntilClosed()
            try eventually("Redis judges again") {
                try integers(c.call(["THROTTLE", "allow:k"] + numbers))[1] == 10
                    && integers(c.call(["THROTTLE", "allow:k"] + numbers))[4] ?? 0 > 0
            }
        }

        @Test func `without Redis a limit outlives a restart`() throws {
            let hearth = try HearthProcess()
            let limit = ["THROTTLE", "k", "1", "1", "1000"]
            let c = try hearth.client()
            _ = try c.pipeline([limit, limit])
            #expect(try integers(c.call(limit)).first == 1)
            hearth.process.signal(.kill)
            try hearth.process.wait()
            try hearth.restart()
            #expect(try integers(hearth.client().call(limit)).first == 1)
        }
    }
}
