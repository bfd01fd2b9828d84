// `wait_replicas` with a real Redis and real replicas: present, stopped, and back again.

import TestSupport
import Testing

/// A Redis with replicas, all in step.
private final class Replicated {
    let master: RedisServer
    let replicas: [RedisServer]
    private let reserved: ReservedPort

    init(_ count: Int) throws {
        // Replicas reach their master by TCP alone.
        let reserved = try ReservedPort()
        self.reserved = reserved
        let master = try RedisServer([
            "--repl-diskless-sync-delay", "0", "--port", "\(reserved.number)", "--bind", "127.0.0.1",
        ])
        self.master = master
        replicas = try (0..<count).map { _ in
            try RedisServer(["--replicaof", "127.0.0.1", "\(reserved.number)"])
        }
        try eventually("all replicas are in step", within: 20_000) {
            try master.client().call("INFO", "replication").text.split(whereSeparator: \.isNewline)
                .count { $0.contains("state=online") } == count
        }
    }

    func `continue`() { for replica in replicas { replica.process.signal(.continue) } }
    deinit { self.continue() }
}

extension RealProcesses {
    @Suite(.serialized) struct Replicas {
        private func hearth(_ redis: RedisServer, timeout: String, workers: Int = 1) throws -> HearthProcess {
            let hearth = try HearthProcess(
                redis: redis.url, redisOptions: "timeout: \(timeout)",
                extra: """
                    workers: \(workers)
                    policies:
                      - {prefix: "one:", wait_replicas: 1}
                      - {prefix: "two:", wait_replicas: 2}
                    """)
            try hearth.waitUntilClosed()
            return hearth
        }

        @Test func `a write that was acknowledged is in the replicas, whichever way it took`() throws {
            let redis = try Replicated(2)
            let hearth = try hearth(redis.master, timeout: "10s")
            let c = try hearth.client()
            #expect(try c.call("SET", "two:s", "v").text == "OK")
            _ = try c.call("INCR", "two:n")
            _ = try c.pipeline([["MULTI"], ["SET", "two:t", "v"], ["APPEND", "two:t", "w"], ["EXEC"]])
            _ = try c.call("HSET", "two:h", "f", "v")
            _ = try c.call("EVAL", "return redis.call('SET', KEYS[1], 'v')", "1", "two:e")
            _ = try c.pipeline([["MULTI"], ["SET", "two:p", "v"], ["LPUSH", "two:l", "v"], ["EXEC"]])
            for replica in redis.replicas {
                let direct = try replica.client()
                #expect(try direct.call("GET", "two:s").text == "v")
                #expect(try direct.call("GET", "two:n").text == "1")
                #expect(try direct.call("GET", "two:t").text == "vw")
                #expect(try direct.call("HGET", "two:h", "f").text == "v")
                #expect(try direct.call("GET", "two:e").text == "v")
                #expect(try direct.call("LRANGE", "two:l", "0", "-1").items.count == 1)
            }
            let metrics = try c.call("HEARTH", "METRICS").text
            #expect(metrics.contains(#"hearth_replica_waits_total{outcome="replicated"} 6"#), "\(metrics)")
            #expect(try c.call("HEARTH", "POLICY", "two:s").fields["wait_replicas"]?.integer == 2)
        }

        @Test func `a pipeline of writes is asked about together`() throws {
            let redis = try Replicated(1)
            let hearth = try hearth(redis.master, timeout: "10s")
            let c = try hearth.client()
            let replies = try c.pipeline((0..<200).map { ["SET", "one:\($0)", "v"] })
            #expect(replies.allSatisfy { $0.text == "OK" })
            #expect(try redis.master.calls(of: "wait") < 100)
        }

        @Test func `a stopped replica makes writes errors, and its return makes them count again`() throws {
            let redis = try Replicated(2)
            let hearth = try hearth(redis.master, timeout: "500ms")
            let c = try hearth.client()
            try eventually("a write counts") { try c.call("SET", "two:k", "old").text == "OK" }
            redis.replicas[1].process.signal(.stop)
            defer { redis.continue() }
            func expectMissing(_ reply: RESPValue, _ what: String) {
                #expect(
                    reply.isError && reply.text.hasPrefix("UNAVAILABLE done, not replicated: Redis has it, and ")
                        && reply.text.contains(" of 2 replicas"), "\(what): \(reply.text)")
            }
            expectMissing(try c.call("SET", "two:k", "new"), "SET")
            #expect(try redis.master.client().call("GET", "two:k").text == "new", "Redis has it")
            // What is held of it here is not trusted.
            _ = try redis.master.client().call("SET", "two:k", "theirs")
            #expect(try c.call("GET", "two:k").text == "theirs")
            expectMissing(
                try c.pipeline([["MULTI"], ["SET", "two:a", "1"], ["SET", "two:b", "2"], ["EXEC"]])[3], "EXEC")
            expectMissing(try c.call("HSET", "two:h", "f", "v"), "HSET")
            expectMissing(try c.call("EVAL", "return redis.call('SET', KEYS[1], 'v')", "1", "two:e"), "EVAL")
            expectMissing(
                try c.pipeline([["MULTI"], ["SET", "two:p", "v"], ["LPUSH", "two:l", "v"], ["EXEC"]])[3],
                "EXEC in Redis")
            // One replica is enough for others, and none of these errors is Redis's failure.
            try eventually("one is enough") { try c.call("SET", "one:k", "v").text == "OK" }
            #expect(try c.call("SET", "k", "v").text == "OK")
            #expect(try c.call("GET", "two:a").text == "1")
            #expect(try hearth.breaker(c) == ("closed", "closed"))
            let metrics = try c.call("HEARTH", "METRICS").text
            #expect(!metrics.contains(#"hearth_replica_waits_total{outcome="short"} 0"#))
            redis.continue()
            try eventually("writes count again") { try c.call("SET", "two:k", "again").text == "OK" }
            #expect(try redis.replicas[1].client().call("GET", "two:k").text == "again")
        }

        @Test func `whoever waits for a replica holds nobody else up`() throws {
            let redis = try Replicated(1)
            // So long that nothing here is over by time.
            let hearth = try hearth(redis.master, timeout: "50s")
            let waiting = try hearth.client()
            _ = try waiting.call("SET", "one:k", "v")
            redis.replicas[0].process.signal(.stop)
            defer { redis.continue() }
            try waiting.send(["SET", "one:k", "w"])
            let other = try hearth.client()
            for number in 0..<50 {
                #expect(try other.call("SET", "k\(number)", "v").text == "OK")
                #expect(try other.call("HSET", "h\(number)", "f", "v").integer == 1)
            }
            #expect(try other.call("GET", "k1").text == "v")
            // Another write that waits is asked about on another connection.
            let second = try hearth.client()
            try second.send(["SET", "one:other", "v"])
            try eventually("both wait") {
                try redis.master.client().call("INFO", "clients").text.contains("blocked_clients:2")
            }
            redis.continue()
            #expect(try waiting.receive().text == "OK")
            #expect(try second.receive().text == "OK")
        }

        @Test func `what an outage kept is replayed, and settled when replicas have it`() throws {
            let redis = try Replicated(1)
            let hearth = try hearth(redis.master, timeout: "300ms")
            let c = try hearth.client()
            _ = try c.call("HEARTH", "BREAKER", "OPEN")
            #expect(try c.call("SET", "one:k", "kept").text == "OK")
            #expect(try c.call("INCR", "one:n").integer == 1)
            redis.replicas[0].process.signal(.stop)
            defer { redis.continue() }
            _ = try c.call("HEARTH", "BREAKER", "AUTO")
            let direct = try redis.master.client()
            try eventually("Redis has it") { try direct.call("GET", "one:n").text == "1" }
            try eventually("the log says what is missing") {
                hearth.log.contains("replay_refused") && hearth.log.contains("wait_replicas: 0 of 1")
            }
            #expect(try c.call("HEARTH", "JOURNAL").fields["journal_entries"]?.integer == 2)
            redis.continue()
            try eventually("it is settled", within: 20_000) {
                try c.call("HEARTH", "JOURNAL").fields["journal_entries"]?.integer == 0
            }
            #expect(try direct.call("GET", "one:n").text == "1", "done twice")
            #expect(try redis.replicas[0].client().call("GET", "one:k").text == "kept")
        }

        @Test func `without replicas at all every such write is an error, and a reload ends the asking`() throws {
            let redis = try RedisServer()
            let hearth = try hearth(redis, timeout: "50ms", workers: 2)
            let c = try hearth.client()
            #expect(try c.call("SET", "one:k", "v").text.hasPrefix("UNAVAILABLE done, not replicated"))
            try hearth.reconfigure(
                redis: redis.url, redisOptions: "timeout: 50ms",
                extra: "workers: 2\npolicies: [{prefix: \"one:\"}]")
            hearth.process.signal(.hangUp)
            try eventually("the reload is applied") { try c.call("SET", "one:k", "v").text == "OK" }
        }
    }
}
