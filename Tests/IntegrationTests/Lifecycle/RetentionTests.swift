// Retention with real processes: the hard end of a life, whatever is done to the key, and who finds what has none.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct RetentionTests {
        private static let hour: Int64 = 3_600_000
        private static let policies = """
            policies:
              - {prefix: ''}
              - {prefix: 'r:', retention: 1h}
              - {prefix: 's:', retention: 1h, ttl: 50m, sliding: true}
            """

        private func sidecar(_ redis: RedisServer?) throws -> HearthProcess {
            let car = try HearthProcess(redis: redis?.url ?? "off", extra: Self.policies)
            if redis != nil { try car.waitUntilClosed() }
            return car
        }

        @Test(arguments: [true, false])
        func `a plain value ends so long after it was set, and nothing moves that to later`(hasRedis: Bool) throws {
            let redis = hasRedis ? try RedisServer() : nil
            let car = try sidecar(redis)
            let client = try car.client()
            func call(_ words: String) throws -> RESPValue {
                try client.call(words.split(separator: " ").map(String.init))
            }
            func life(_ key: String) throws -> Int64 { try call("PTTL \(key)").integer ?? -9 }
            for (words, key) in [
                ("SET r:a 1", "r:a"), ("SET r:b 1 EX 999999", "r:b"), ("SETNX r:c 1", "r:c"), ("INCR r:d", "r:d"),
                ("APPEND r:e x", "r:e"), ("MSET r:f 1 r:g 2", "r:g"), ("SET r:h 1 KEEPTTL", "r:h"),
                ("SETRANGE r:i 2 x", "r:i"), ("PSETEX r:j 999999999 1", "r:j"), ("SET s:a 1", "s:a"),
                ("MSETNX r:k 1 r:l 2", "r:k"), ("INCRBYFLOAT r:m 1.5", "r:m"), ("GETSET r:n 1", "r:n"),
            ] {
                #expect(!(try call(words).isError), "\(words)")
                let left = try life(key)
                #expect((1...Self.hour).contains(left), "\(words): \(left)")
            }
            #expect(try call("SET r:a 2 PX 600000").text == "OK")
            for (words, reply) in [
                ("PEXPIRE r:a 1800000", 1), ("EXPIRE r:a 999999", 1), ("PERSIST r:a", 0), ("EXPIRE r:a 999999 GT", 0),
                ("INCR r:a", 3), ("PEXPIRE r:a 999999999 XX", 1), ("PEXPIRE r:a 900000 NX", 0),
            ] {
                #expect(try call(words) == .integer(Int64(reply)), "\(words)")
                let left = try life("r:a")
                #expect((1...600_000).contains(left), "\(words): \(left)")
            }
            #expect(try call("GETEX r:a EX 999999").text == "3")
            #expect(try call("GETEX r:a PERSIST").text == "3")
            #expect(try call("SET r:a 4 KEEPTTL").text == "OK")
            #expect((1...600_000).contains(try life("r:a")))
            #expect(try call("PEXPIRE r:a 5000 LT") == .integer(1))
            #expect((1...5000).contains(try life("r:a")))
            #expect(try call("EXPIRE r:a -1") == .integer(1))
            #expect(try call("EXISTS r:a") == .integer(0))
            // A value that is set anew begins anew.
            #expect(try call("SET r:b 2").text == "OK")
            #expect(try life("r:b") > Self.hour - 60_000)
            _ = try call("SET other 1")
            #expect(try call("RENAME other r:z").text == "OK")
            #expect((1...Self.hour).contains(try life("r:z")))
            #expect(try call("HEARTH POLICY r:a").fields["retention_ms"] == .integer(Self.hour))
        }

        /// What a record of the hash has, written some time ago.
        private func write(_ direct: RESPClient, _ key: String, agedMilliseconds: Int64, sliding: Int64? = nil) throws {
            let time = try direct.call("TIME").items
            let now = (Int64(time[0].text) ?? 0) * 1000
            var words = [
                "HSET", key, "version", "1", "operations", "00000000000000aa", "created_ms",
                "\(now - agedMilliseconds)", "updated_ms", "\(now)", "value", "v",
            ]
            if let sliding { words += ["sliding_ms", "\(sliding)"] }
            _ = try direct.call(words)
        }

        @Test func `a record ends so long after its creation, however it is used`() throws {
            let redis = try RedisServer()
            let car = try sidecar(redis)
            let (client, direct) = (try car.client(), try redis.client())
            let left: Int64 = 600_000
            func call(_ words: String) throws -> RESPValue {
                try client.call(words.split(separator: " ").map(String.init))
            }
            for words in [
                "STATE.SET KEY new", "STATE.SET KEY new TTL 99999999", "STATE.SET KEY new SLIDING 3000000",
                "TURNS.ADD KEY hello", "PERSIST KEY", "EXPIRE KEY 999999", "EXPIRE KEY 999999 GT",
                "STATE.GET KEY STRONG",
            ] {
                let key = "r:\(words.split(separator: " ")[0])\(words.count)"
                try write(direct, key, agedMilliseconds: Self.hour - left)
                #expect(try direct.call("PEXPIRE", key, "60000") == .integer(1))
                #expect(!(try call(words.replacing("KEY", with: key)).isError), "\(words)")
                let life = try direct.call("PTTL", key).integer ?? -9
                #expect((1...left).contains(life), "\(words): \(life)")
            }
            // Read and read again, a sliding one lives on, up to that end.
            try write(direct, "s:slides", agedMilliseconds: Self.hour - left, sliding: 3_000_000)
            #expect(try direct.call("PEXPIRE", "s:slides", "60000") == .integer(1))
            try eventually("Redis hears of the longer life") {
                _ = try call("STATE.GET s:slides STRONG")
                return try direct.call("PTTL", "s:slides").integer ?? 0 > 300_000
            }
            #expect((1...left).contains(try direct.call("PTTL", "s:slides").integer ?? -9))
            #expect((1...left).contains(try call("STATE.GET s:slides").fields["ttl_ms"]?.integer ?? -9))
            // Past it, it is no record any more, whatever end somebody has given it.
            try write(direct, "r:late", agedMilliseconds: Self.hour + left)
            #expect(try call("STATE.GET r:late") == .null)
            #expect(try call("STATE.SET r:fresh 1").fields["version"] == .integer(1))
            #expect(try direct.call("PTTL", "r:fresh").integer ?? 0 > Self.hour - 60_000)
        }

        @Test func `an outage gives no longer life, and neither does its replay`() throws {
            let redis = try RedisServer()
            let car = try sidecar(redis)
            let client = try car.client()
            _ = try client.call("SET", "r:a", "1", "PX", "600000")
            _ = try client.call("STATE.SET", "r:b", "1")
            _ = try client.call("HEARTH", "BREAKER", "OPEN")
            for words in [
                ["EXPIRE", "r:a", "99999999"], ["PERSIST", "r:a"], ["SET", "r:c", "1"],
                ["SET", "r:d", "1", "EX", "99999999"],
                ["STATE.SET", "r:b", "2", "TTL", "99999999"], ["STATE.SET", "r:e", "1"], ["EXPIRE", "r:never", "9999"],
            ] { #expect(!(try client.call(words).isError), "\(words)") }
            for key in ["r:a", "r:b", "r:c", "r:d", "r:e"] {
                #expect((1...Self.hour).contains(try client.call("PTTL", key).integer ?? -9), "\(key)")
            }
            _ = try client.call("HEARTH", "BREAKER", "AUTO")
            let direct = try redis.client()
            try eventually("all is replayed") {
                try client.call("HEARTH", "JOURNAL").fields["journal_entries"] == .integer(0)
            }
            #expect((1...600_000).contains(try direct.call("PTTL", "r:a").integer ?? -9))
            for key in ["r:b", "r:c", "r:d", "r:e"] {
                #expect((1...Self.hour).contains(try direct.call("PTTL", key).integer ?? -9), "\(key)")
            }
        }

        @Test func `what lost its end behind Hearth's back is found, counted and ended`() throws {
            let redis = try RedisServer()
            let direct = try redis.client()
            _ = try direct.call("SET", "r:string", "1")
            _ = try direct.call("RPUSH", "r:list", "1")
            _ = try direct.call("SET", "other", "1")
            try write(direct, "r:young", agedMilliseconds: Self.hour - 600_000)
            try write(direct, "r:late", agedMilliseconds: 2 * Self.hour)
            for index in 0..<300 { _ = try direct.call("SET", "r:many\(index)", "1", "PX", "1000000") }
            let car = try sidecar(redis)
            let client = try car.client()
            func metric(_ name: String) throws -> Int {
                let line = try client.call("HEARTH", "METRICS").text.split(separator: "\n").first {
                    $0.hasPrefix(name + " ")
                }
                return Int(line?.split(separator: " ").last ?? "") ?? -1
            }
            try eventually("a walk is over") { try metric("hearth_retention_checked_timestamp_seconds") > 0 }
            #expect(try metric("hearth_retention_overdue") == 1)
            #expect(try metric("hearth_retention_overdue_found_total") == 1)
            #expect(try metric("hearth_retention_shortened_total") == 3)
            #expect(try direct.call("EXISTS", "r:late") == .integer(0))
            #expect((1...600_000).contains(try direct.call("PTTL", "r:young").integer ?? -9))
            for key in ["r:string", "r:list"] {
                #expect((1...Self.hour).contains(try direct.call("PTTL", key).integer ?? -9), "\(key)")
            }
            #expect(try direct.call("PTTL", "other") == .integer(-1))
            // Another of the same policies does not walk as well.
            let other = try sidecar(redis)
            _ = try other.client().call("PING")
            #expect(try direct.call("KEYS", "hearth:retention:*").items.count == 1)
        }

        @Test func `a retention that comes later rules what is there, and a tier that goes leaves no copies`() throws {
            let car = try HearthProcess(extra: "policies: [{prefix: ''}]")
            let client = try car.client()
            _ = try client.call("STATE.SET", "r:record", "1")
            _ = try client.call("SET", "r:string", "1")
            _ = try client.call("SET", "t:string", "1")
            #expect(try client.call("PTTL", "r:record") == .integer(-1))
            try car.reconfigure(
                redis: "off",
                extra: Self.policies + "\n  - {prefix: 't:', tiers: [warm]}\n")
            car.process.signal(.hangUp)
            try eventually("they have their end") {
                try ["r:record", "r:string"].allSatisfy {
                    (1...Self.hour).contains(try client.call("PTTL", $0).integer ?? -9)
                }
            }
            try eventually("the copy in memory is gone and counted") {
                try client.call("HEARTH", "METRICS").text.contains(
                    "hearth_lifecycle_events_total{tier=\"local\",event=\"orphaned\"} 1\n")
            }
            #expect(try client.call("GET", "t:string").text == "1")
            let metrics = try client.call("HEARTH", "METRICS").text
            #expect(metrics.contains("hearth_lifecycle_events_total{tier=\"warm\",event=\"created\"} 3\n"))
        }

        @Test func `an EXPIRE into the past with a condition leaves a record's version too`() throws {
            let redis = try RedisServer()
            let car = try sidecar(redis)
            let client = try car.client()
            for (key, words) in [
                ("a", ["EXPIRE", "a", "-1", "NX"]), ("b", ["PEXPIREAT", "b", "1000", "XX"]),
                ("c", ["EXPIRE", "c", "0", "LT"]),
            ] {
                _ = try client.call("STATE.SET", key, "1", "FENCE", "7")
                if key == "b" { _ = try client.call("EXPIRE", key, "1000") }
                #expect(try client.call(words) == .integer(1), "\(words)")
                #expect(try client.call("STATE.GET", key) == .null)
                #expect(try client.call("STATE.SET", key, "2").fields["version"] == .integer(3), "\(words)")
            }
            _ = try client.call("STATE.SET", "d", "1")
            #expect(try client.call("EXPIRE", "d", "-1", "XX") == .integer(0))
            #expect(try client.call("EXPIRE", "d", "-1", "GT") == .integer(0))
            #expect(try client.call("STATE.GET", "d").fields["version"] == .integer(1))
            _ = try client.call("SET", "plain", "1")
            #expect(try client.call("EXPIRE", "plain", "-1", "NX") == .integer(1))
            #expect(try client.call("EXISTS", "plain") == .integer(0))
        }
    }
}
