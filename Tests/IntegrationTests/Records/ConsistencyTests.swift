// What each consistency promises, seen with a second writer who changes Redis behind the sidecar's back.
//
// A promise is about the latest moment at which an older value may still be answered. Each test counts from when the
// second writer was told that his write is done, and looks at when a read was sent: a machine that is slow makes reads
// later, and so only more of them subject to the promise.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct ConsistencyTests {
        private static let policies = """
            breaker: {open: 100ms, open_max: 300ms, consecutive_failures: 2, slow_call: 60s}
            policies:
              - {prefix: "strong:", consistency: strong}
              - {prefix: "bounded:", max_staleness: 300ms, stale_if_error: 2s}
              - {prefix: "eventual:", consistency: eventual}
              - {prefix: "strict:", max_staleness: 300ms, strict: true}
            """

        private func served(_ redis: RedisServer) throws -> (
            hearth: HearthProcess, client: RESPClient, direct: RESPClient
        ) {
            let hearth = try HearthProcess(redis: redis.url, extra: Self.policies)
            try hearth.waitUntilClosed()
            return (hearth, try hearth.client(), try redis.client())
        }

        @Test func `strong: a read that is sent after another's write was done answers that write, or a later one`()
            throws
        {
            let redis = try RedisServer()
            let (hearth, client, direct) = try served(redis)
            defer { withExtendedLifetime(hearth) {} }
            _ = try client.call("SET", "strong:k", "0")
            _ = try client.call("STATE.SET", "strong:r", "0")
            for number in 1...100 {
                _ = try direct.call("SET", "strong:k", "\(number)")
                #expect(try client.call("GET", "strong:k").text == "\(number)")
                #expect(
                    try client.call("MGET", "strong:k", "strong:k").items.map(\.text) == ["\(number)", "\(number)"])
                // A second writer of a record changes its version with it.
                _ = try direct.call("HSET", "strong:r", "value", "\(number)", "version", "\(number + 1)")
                let state = try client.call("STATE.GET", "strong:r").fields
                #expect(state["value"]?.text == "\(number)")
                #expect(state["source"]?.text == "redis")
            }
            // What was read is no base for a write that expects something else.
            #expect(try client.call("STATE.SET", "strong:r", "x", "VERSION", "100").text.hasPrefix("CONFLICT"))
            redis.kill()
            #expect(try client.call("GET", "strong:k").text.hasPrefix("UNAVAILABLE not answered"))
            #expect(try client.call("SET", "strong:k", "x").text.hasPrefix("UNAVAILABLE"))
        }

        @Test(arguments: ["bounded:", "strict:"])
        func `bounded: an older value is answered no longer than max_staleness`(
            prefix: String
        ) throws {
            let redis = try RedisServer()
            let (hearth, client, direct) = try served(redis)
            defer { withExtendedLifetime(hearth) {} }
            let bound = 300.0
            for number in 1...6 {
                _ = try direct.call("SET", prefix + "k", "\(number)")
                let changedAt = milliseconds()
                try eventually("the change is seen") {
                    let sentAt = milliseconds()
                    let value = try client.call("GET", prefix + "k").text
                    if sentAt - changedAt > bound { #expect(value == "\(number)", "\(sentAt - changedAt) ms later") }
                    return value == "\(number)"
                }
            }
            // STATE.GET says how old what it answers is, and MAXAGE asks for less.
            _ = try client.call("STATE.SET", prefix + "r", "mine")
            _ = try direct.call("HSET", prefix + "r", "value", "theirs", "version", "2")
            #expect(try client.call("STATE.GET", prefix + "r", "STRONG").fields["value"]?.text == "theirs")
            _ = try direct.call("HSET", prefix + "r", "value", "again", "version", "3")
            #expect(try client.call("STATE.GET", prefix + "r", "MAXAGE", "0").fields["value"]?.text != "mine")
            let held = try client.call("STATE.GET", prefix + "r").fields
            #expect(held["freshness"]?.text == "fresh")
            #expect(held["age_ms"]?.integer ?? .max <= 300)
        }

        @Test func `eventual: an older value is answered until its life ends, and no longer`() throws {
            let redis = try RedisServer()
            let (hearth, client, direct) = try served(redis)
            defer { withExtendedLifetime(hearth) {} }
            let begunAt = milliseconds()
            _ = try client.call("SET", "eventual:k", "old", "PX", "1500")
            _ = try direct.call("SET", "eventual:k", "new", "PX", "600000")
            let life = milliseconds() - begunAt + 1500
            try eventually("the life of the copy ends") {
                let sentAt = milliseconds()
                let value = try client.call("GET", "eventual:k").text
                #expect(["old", "new"].contains(value))
                if sentAt - begunAt > life { #expect(value == "new", "\(sentAt - begunAt) ms later") }
                return value == "new"
            }
            // What a client of this sidecar writes is seen by its others at once.
            _ = try client.call("SET", "eventual:k", "mine")
            #expect(try client.call("GET", "eventual:k").text == "mine")
        }

        @Test func `in an outage bounded is stale, marked, and ends; strict says no as soon as its bound is over`()
            throws
        {
            let redis = try RedisServer()
            let (hearth, client, direct) = try served(redis)
            _ = try direct.call("SET", "strict:k", "v")
            for key in ["bounded:k", "strict:r"] { _ = try client.call("STATE.SET", key, "v") }
            #expect(try client.call("GET", "strict:k").text == "v")
            let readAt = milliseconds()
            redis.kill()
            try eventually("strict says no") {
                let sentAt = milliseconds()
                let reply = try client.call("GET", "strict:k").text
                // It was verified before it was read.
                if sentAt - readAt > 300 { #expect(reply.hasPrefix("UNAVAILABLE not answered"), "\(reply)") }
                return reply.hasPrefix("UNAVAILABLE not answered")
            }
            try eventually("strict says no of a record, too") {
                try client.call("STATE.GET", "strict:r").text.hasPrefix("UNAVAILABLE not answered")
            }
            var wasStale = false
            try eventually("stale_if_error ends") {
                let state = try client.call("STATE.GET", "bounded:k")
                guard state != .null else { return true }
                let fields = state.fields
                #expect(fields["value"]?.text == "v")
                if fields["age_ms"]?.integer ?? 0 > 300 {
                    #expect(fields["freshness"]?.text == "stale")
                    #expect(fields["reason"]?.text.isEmpty == false)
                    wasStale = true
                }
                #expect(fields["age_ms"]?.integer ?? 0 <= 2300)
                return false
            }
            #expect(wasStale, "log: \(hearth.log.suffix(500))")
        }

        @Test func `wait_replicas: a write is done when the replica has it, and what it has not is asked for again`()
            throws
        {
            let reserved = try ReservedPort()
            let master = try RedisServer([
                "--repl-diskless-sync-delay", "0", "--port", "\(reserved.number)", "--bind", "127.0.0.1",
            ])
            let replica = try RedisServer(["--replicaof", "127.0.0.1", "\(reserved.number)"])
            let direct = try master.client()
            try eventually("the replica is in step") {
                try direct.call("INFO", "replication").text.contains("state=online")
            }
            let hearth = try HearthProcess(
                redis: master.url, redisOptions: "timeout: 1s, soft_timeout: 1s",
                extra: #"policies: [{prefix: "", wait_replicas: 1, max_staleness: 100s, on_outage: reject}]"#)
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            try eventually("a write is acknowledged") { try client.call("SET", "k", "mine").text == "OK" }
            #expect(try replica.client().call("GET", "k").text == "mine")
            replica.process.signal(.stop)
            defer { replica.process.signal(.continue) }
            let reply = try client.call("STATE.SET", "r", "mine").text
            #expect(reply.hasPrefix("UNAVAILABLE done, not replicated: Redis has it, and 0 of 1 replicas"), "\(reply)")
            // It is not taken for fresh: what somebody has made of it meanwhile is read.
            _ = try direct.call("HSET", "r", "value", "theirs", "version", "2")
            #expect(try client.call("STATE.GET", "r").fields["value"]?.text == "theirs")
        }
    }
}
