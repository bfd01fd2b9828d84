// The slow log of a running process: which way a request took while Redis hung, and what is never in it.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct SlowRequests {
        private func slow(_ client: RESPClient, _ command: String) throws -> [[String: RESPValue]] {
            try client.call("HEARTH", "SLOWLOG", "100").items.map(\.fields)
                .filter { $0["command"]?.text == command }
        }

        @Test func `a request that Redis left without an answer tells the time of each tier`() throws {
            let redis = try RedisServer()
            let script = try ScriptedRedis(redis.address)
            defer { script.stop() }
            // The breaker stays closed: it is not what this is about.
            let hearth = try HearthProcess(
                redis: script.url, redisOptions: "timeout: 400ms, soft_timeout: 400ms",
                extra: """
                    breaker: {slow_call: 60s, consecutive_failures: 1000, failure_rate: 1.0, min_calls: 1000000}
                    slowlog: {threshold: 300ms, keys: plain}
                    """)
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            // Redis's table of commands is asked for once, and must not be what is waited for.
            #expect(try c.call("LPUSH", "list", "0").integer == 1)
            script.set(.hang)
            _ = try c.call("GET", "nobody")
            #expect(try c.call("SET", "kept", "1").text == "OK")
            #expect(try c.call("LPUSH", "list", "1").text.hasPrefix("UNAVAILABLE"))
            let get = try #require(try slow(c, "get").first)
            #expect(get["key"]?.text == "nobody" && get["keys"]?.integer == 1)
            let steps = get["steps"]?.items.map(\.fields) ?? []
            #expect(steps.map { $0["tier"]?.text } == ["redis", "warm"])
            #expect(steps.map { $0["answered"]?.text } == ["no", "yes"])
            let took = steps.map { $0["us"]?.integer ?? 0 }
            #expect(took[0] >= 390_000 && took.reduce(0, +) <= get["us"]?.integer ?? 0, "\(took)")
            let set = try #require(try slow(c, "set").first)
            #expect(set["steps"]?.items.map { $0.fields["tier"]?.text } == ["redis", "journal"])
            let push = try #require(try slow(c, "lpush").first)
            #expect(push["steps"]?.items.map { $0.fields["tier"]?.text } == ["redis"])
            let screen = try ChildProcess.run(
                try built("hearth"), ["slowlog", "--key", "kept", "--config", hearth.configurationPath],
                in: hearth.directory)
            #expect(screen.code == 0)
            #expect(screen.output.contains(" set ") && screen.output.contains("kept: redis "), "\(screen.output)")
            #expect(screen.output.contains("without an answer, journal "), "\(screen.output)")
            #expect(!screen.output.contains("nobody"), "\(screen.output)")
        }

        @Test func `local hits are never in it, keys are hashed unless asked, and a reset forgets`() throws {
            let hearth = try HearthProcess(extra: "slowlog: {threshold: 1ms, entries: 2}")
            let c = try hearth.client()
            #expect(try c.call("SET", "k", "v").text == "OK")
            try eventually("a commit that takes a millisecond") {
                _ = try c.call("SET", "slow", String(repeating: "x", count: 4_000_000))
                return try !slow(c, "set").isEmpty
            }
            _ = try c.call("HEARTH", "SLOWLOG", "RESET")
            for _ in 0..<2000 { _ = try c.call("GET", "k") }
            #expect(try slow(c, "get").isEmpty)
            try eventually("two slow writes") {
                _ = try c.call("SET", "slow", String(repeating: "x", count: 4_000_000))
                return try slow(c, "set").count == 2
            }
            let kept = try #require(try slow(c, "set").first?["key"]?.text)
            #expect(kept.utf8.count == 16 && kept != "slow")
            #expect(try c.call("HEARTH", "SLOWLOG", "RESET").integer == 2)
            #expect(try c.call("HEARTH", "SLOWLOG").items.isEmpty)
            #expect(try c.call("HEARTH", "SLOWLOG", "0").text.hasPrefix("ERR"))
        }
    }
}
