// STATE.ERASE with real processes: what it removed, what it refuses, and a sidecar that is killed in the middle.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct ErasureTests {
        private static let breaker = "breaker: {open: 100ms, open_max: 300ms, consecutive_failures: 2, slow_call: 60s}"

        /// What Redis has under a prefix, but for what is left of records.
        private func remains(_ prefix: String, _ redis: RESPClient) throws -> [String] {
            try redis.call("KEYS", prefix + "*").items.map(\.text).filter { key in
                try redis.call("TYPE", key).text != "hash" || redis.call("HGET", key, "deleted").text != "1"
            }
        }

        @Test func `a subject is erased from Redis, memory, disk, journal and queues, and is told by line`() throws {
            let redis = try RedisServer()
            let audited = try AuditedHearth(
                redis: redis.url, policies: #"{prefix: "user:1:secret:", audit: writes}"#, extra: Self.breaker)
            let hearth = audited.hearth
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            let direct = try redis.client()
            for subject in ["user:1:", "user:2:"] {
                for number in 0..<40 { _ = try client.call("SET", "\(subject)\(number)", "v") }
                _ = try client.call("TURNS.ADD", subject + "chat", "hello", "there")
                _ = try client.call("STATE.SET", subject + "state", "secret", "FENCE", "5")
                _ = try client.call("RPUSH", subject + "list", "a", "b")
                _ = try client.call("HSET", subject + "hash", "f", "v")
            }
            _ = try direct.call("SET", "news", "no stream")
            for subject in ["user:1:", "user:2:"] {
                _ = try client.call("STATE.SET", subject + "emits", "v", "EMIT", "news", "hello")
            }
            let removed = try client.call("STATE.ERASE", "user:1:").fields
            #expect(removed["redis"] == .integer(45))
            #expect(removed["local"] == .integer(43))
            #expect(removed["warm"] == .integer(43))
            #expect(removed["messages"] == .integer(1))
            #expect(removed["journal"] == .integer(0))
            #expect(removed["conflicts"] == .integer(0))
            #expect(try remains("user:1:", direct).isEmpty)
            #expect(try remains("user:2:", direct).count == 45)
            #expect(try direct.call("XLEN", "hearth:outbox:news") == .integer(1))
            #expect(try client.call("GET", "user:1:1") == .null)
            #expect(try client.call("STATE.GET", "user:1:state") == .null)
            #expect(try client.call("STATE.SET", "user:1:state", "v", "FENCE", "4").text.hasPrefix("FENCED"))
            #expect(try client.call("GET", "user:2:1").text == "v")
            let lines = try audited.accesses(from: 0, count: 1)
            #expect(lines.allSatisfy { $0.text.contains("\"STATE.ERASE\"") && $0.text.contains("user:1:") })
            let metrics = try client.call("HEARTH", "METRICS").text
            #expect(metrics.contains("hearth_erasures_total{outcome=\"done\"} 1"))
            #expect(metrics.contains("hearth_erased_total{where=\"redis\"} 45"))

            // Neither a restart nor a Redis that lost everything brings it back: no disk has it.
            hearth.process.signal(.kill)
            _ = try hearth.process.wait()
            redis.kill()
            try redis.restart()
            try hearth.restart()
            try hearth.waitUntilClosed()
            let later = try hearth.client()
            #expect(try later.call("GET", "user:1:1") == .null)
            #expect(try later.call("STATE.GET", "user:1:chat") == .null)
            #expect(try later.call("GET", "user:2:1").text == "v")
        }

        @Test func `what can't be erased is refused, and says why and what to do`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(redis: redis.url, redisOptions: "timeout: 500ms", extra: Self.breaker)
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            _ = try client.call("SET", "user:1:a", "v")
            #expect(
                try client.call("STATE.ERASE", "").text
                    == "ERR STATE.ERASE needs a prefix of 1 to 1024 bytes: an empty one is every key, and that is FLUSHDB"
            )
            #expect(try client.call("STATE.ERASE", String(repeating: "x", count: 1025)).text.hasSuffix("has 1025"))
            #expect(try client.call("STATE.ERASE", "hearth:outbox").text.hasPrefix("ERR keys that begin with hearth:"))
            #expect(try client.call("STATE.ERASE").text.hasPrefix("ERR wrong number of arguments"))
            _ = try client.call("MULTI")
            #expect(try client.call("STATE.ERASE", "user:").text.contains("can't be used within MULTI"))
            _ = try client.call("DISCARD")
            redis.kill()
            var number = 0
            try eventually("the breaker opens") {
                // A key of its own each: behind what is journaled Redis is not asked.
                number += 1
                _ = try client.call("SET", "other:\(number)", "journaled")
                return try hearth.breaker(client).writes != "closed"
            }
            #expect(try client.call("SET", "user:1:a", "journaled").text == "OK")
            #expect(
                try client.call("STATE.ERASE", "user:").text.hasPrefix(
                    "UNAVAILABLE not done: the breaker is "))
            #expect(try client.call("GET", "user:1:a").text == "journaled")
            // What the journal holds of the subject goes with the rest, once Redis is there.
            try redis.restart()
            try hearth.waitUntilClosed()
            #expect(try client.call("STATE.ERASE", "user:").fields["redis"] != nil)
            #expect(try client.call("GET", "user:1:a") == .null)
            #expect(try redis.client().call("EXISTS", "user:1:a") == .integer(0))
        }

        @Test func `a sidecar killed in the middle has promised nothing, and the next erasure does the rest`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(redis: redis.url)
            try hearth.waitUntilClosed()
            let direct = try redis.client()
            let client = try hearth.client()
            let count = 6_000
            for start in stride(from: 0, to: count, by: 500) {
                let pairs = (start..<start + 500).flatMap { ["user:1:\($0)", "v"] }
                #expect(try client.call(["MSET"] + pairs).text == "OK")
            }
            _ = try client.call("STATE.SET", "user:1:state", "v", "FENCE", "9")
            try client.send(["STATE.ERASE", "user:1:"])
            try eventually("some keys are gone") { try direct.call("DBSIZE").integer ?? 0 < count - 200 }
            hearth.process.signal(.kill)
            _ = try hearth.process.wait()
            try hearth.restart()
            try hearth.waitUntilClosed()
            let again = try hearth.client()
            let removed = try again.call("STATE.ERASE", "user:1:").fields
            #expect(removed["redis"] != nil)
            #expect(try remains("user:1:", direct).isEmpty)
            #expect(try again.call("STATE.SET", "user:1:state", "v", "FENCE", "8").text.hasPrefix("FENCED"))
            _ = try direct.call("FLUSHALL")
            for number in stride(from: 0, to: count, by: 600) {
                #expect(try again.call("GET", "user:1:\(number)") == .null)
            }
        }
    }
}
