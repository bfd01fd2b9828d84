// Residency with real processes: what is on a disk elsewhere, what Redis is told, and what is denied.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct ResidencyTests {
        private static func regions(redis: String = "eu", warm: String = "eu", _ onViolation: String) -> String {
            """
            regions: [eu, us]
            local: {region: eu}
            policies:
              - {prefix: "eu:", residency: {regions: [eu], on_violation: \(onViolation)}}
            """
        }

        @Test func `a disk in another region never has the bytes, and the keys are served all the same`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, redisOptions: HearthProcess.patient + ", region: eu",
                warm: "region: us, sync: always",
                journal: "region: eu", extra: Self.regions("skip"))
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            _ = try client.call("SET", "any:1", "may-be-on-disk")
            _ = try client.call("SET", "eu:1", "must-not-be-on-disk")
            _ = try client.call("STATE.SET", "eu:2", "must-not-be-on-disk")
            _ = try client.call("HSET", "eu:3", "f", "v")
            #expect(try client.call("GET", "eu:1").text == "must-not-be-on-disk")
            #expect(try client.call("HEARTH", "POLICY", "eu:1").fields["tiers"]?.text == "local redis")
            #expect(
                try client.call("HEARTH", "EXPLAIN", "eu:1").fields["residency"]?.text
                    == "in eu; the warm tier is in us: left out")
            let metrics = try client.call("HEARTH", "METRICS").text
            #expect(metrics.contains("hearth_residency_skipped_total{tier=\"warm\"} 2"))
            hearth.process.signal(.terminate)
            _ = try hearth.process.wait()
            let directory = hearth.directory
            let found = try ChildProcess.run(
                "grep", ["-rlc", "must-not-be-on-disk", directory.file("warm")], in: directory)
            #expect(found.output.isEmpty)
            let other = try ChildProcess.run("grep", ["-rlc", "may-be-on-disk", directory.file("warm")], in: directory)
            #expect(!other.output.isEmpty)
        }

        @Test func `a Redis in another region is not told of the keys, whichever command names them`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, redisOptions: HearthProcess.patient + ", region: us",
                warm: "region: eu, when_full: refuse", journal: "region: eu", extra: Self.regions("skip"))
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            #expect(try client.call("SET", "eu:1", "v").text == "OK")
            #expect(try client.call("STATE.SET", "eu:2", "v").fields["committed"]?.text == "warm")
            for words in [
                ["HSET", "eu:3", "f", "v"], ["EVAL", "return redis.call('SET', KEYS[1], 'v')", "1", "eu:3"],
                ["SORT", "any:list", "STORE", "eu:3"], ["BLPOP", "eu:3", "0.01"], ["WATCH", "eu:3"],
            ] {
                let reply = try client.call(words).text
                #expect(
                    reply.hasPrefix("DENIED keys that begin with 'eu:' may be held in eu alone"), "\(words): \(reply)")
            }
            _ = try client.call("MULTI")
            _ = try client.call("SET", "eu:4", "v")
            #expect(try client.call("HSET", "any:3", "f", "v").text.hasPrefix("DENIED"))
            #expect(try client.call("EXEC").text.hasPrefix("EXECABORT"))
            #expect(try client.call("HSET", "any:3", "f", "v") == .integer(1))
            #expect(try redis.client().call("KEYS", "eu:*").items.isEmpty)
        }

        @Test func `a Hearth in the wrong place denies the keys and serves the others`() throws {
            let hearth = try HearthProcess(
                warm: "region: us", extra: Self.regions("refuse"))
            let client = try hearth.client()
            for words in [
                ["SET", "eu:1", "v"], ["GET", "eu:1"], ["STATE.GET", "eu:1"], ["THROTTLE", "eu:1", "1", "1", "1"],
            ] {
                let reply = try client.call(words).text
                #expect(reply.hasPrefix("DENIED keys that begin with 'eu:'"), "\(words): \(reply)")
            }
            #expect(try client.call("SET", "any:1", "v").text == "OK")
            #expect(try client.call("HEARTH", "METRICS").text.contains("hearth_residency_refused_total 4"))
        }
    }
}
