// Edges that were found broken once: each a real process, asked what it got wrong before.

import Synchronization
import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Edges {
        @Test func `FLUSHDB within MULTI removes what the transaction and those before it wrote`() throws {
            let hearth = try HearthProcess()
            let c = try hearth.client()
            #expect(try c.call("SET", "before", "1").text == "OK")
            let replies = try c.pipeline([
                ["MULTI"], ["SET", "within", "2"], ["FLUSHDB"], ["SET", "after", "3"], ["EXEC"],
            ])
            #expect(replies.last?.items.count == 3)
            #expect(try c.call("MGET", "before", "within", "after").items.map(\.text) == ["", "", "3"])
            #expect(try c.call("DBSIZE").integer == 1)
            #expect(try c.call("FLUSHDB").text == "OK")
            #expect(try c.call("DBSIZE").integer == 0)
            try hearth.restart()
            #expect(try hearth.client().call("KEYS", "*").items.isEmpty)
        }

        @Test(arguments: [nil, 1, 7, 33, 1000] as [Int?])
        func `hits, misses and other commands of one pipeline are answered in order, however it is cut`(piece: Int?)
            throws
        {
            let redis = try RedisServer()
            let hearth = try HearthProcess(redis: redis.url)
            try hearth.waitUntilClosed()
            let direct = try RESPClient(redis.address)
            let c = try hearth.client()
            var random = SeededGenerator()
            for number in 0..<20 { #expect(try c.call("SET", "held\(number)", "value \(number)").text == "OK") }
            for number in 0..<20 { _ = try direct.call("SET", "cold\(number)", "cold value \(number)") }
            var asked: [UInt8] = []
            var expected: [String] = []
            for turn in 0..<200 {
                let number = Int.random(in: 0..<20, using: &random)
                switch Int.random(in: 0..<40, using: &random) {
                case 0..<30:
                    asked += RESPClient.encode(["GET", "held\(number)"])
                    expected.append("value \(number)")
                case 30..<34:
                    asked += RESPClient.encode(["get", "cold\(number)"])
                    expected.append("cold value \(number)")
                case 34:
                    asked += RESPClient.encode(["GET", "nothing\(number)"])
                    expected.append("")
                case 35:
                    asked += Array("GET held\(number)\r\n".utf8)
                    expected.append("value \(number)")
                case 36:
                    asked += RESPClient.encode(["SET", "own", "\(turn)"]) + RESPClient.encode(["GET", "own"])
                    expected += ["OK", "\(turn)"]
                case 37:
                    asked += RESPClient.encode(["GET", "held\(number)", "too many"])
                    expected.append("ERR wrong number of arguments for 'get' command")
                default:
                    asked += RESPClient.encode(["ECHO", "\(turn)"])
                    expected.append("\(turn)")
                }
            }
            for start in stride(from: 0, to: asked.count, by: piece ?? asked.count) {
                try c.send(raw: Array(asked[start..<min(start + (piece ?? asked.count), asked.count)]))
            }
            for (number, text) in expected.enumerated() { #expect(try c.receive().text == text, "reply \(number)") }
        }

        @Test func `a reply keeps the protocol in which it was asked for`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(redis: redis.url)
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            try c.send(raw: RESPClient.encode(["GET", "nothing"]) + RESPClient.encode(["HELLO", "3"]))
            #expect(try c.receiveRaw()?.bytes == Array("$-1\r\n".utf8))
            #expect(try c.receive().fields["proto"]?.integer == 3)
        }

        @Test func `a value that local memory alone may hold and can't is refused`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(redis: redis.url, extra: #"policies: [{prefix: "m:", tiers: [local]}]"#)
            let c = try hearth.client()
            #expect(try c.call("SET", "m:small", "v").text == "OK")
            #expect(try c.call("GET", "m:small").text == "v")
            let large = String(repeating: "x", count: 2 << 20)
            #expect(try c.call("SET", "m:large", large).text.hasPrefix("TOOBIG "))
            #expect(try c.call("GET", "m:large") == .null)
        }

        @Test func `commands without keys are Redis's where there is one, whatever the empty prefix may hold`() throws {
            let redis = try RedisServer()
            // The stream of deletions would be a key, too.
            let hearth = try HearthProcess(
                redis: redis.url, redisOptions: "\(HearthProcess.patient), deletions: 0",
                extra: "policies: [{prefix: '', tiers: [local]}]")
            try hearth.waitUntilClosed()
            let direct = try RESPClient(redis.address)
            #expect(try direct.call("SET", "k", "v").text == "OK")
            let c = try hearth.client()
            #expect(try c.call("DBSIZE").integer == 1)
            #expect(try c.call("FLUSHDB").text == "OK")
            #expect(try direct.call("DBSIZE").integer == 0)
        }

        @Test func `absence is believed no longer than presence`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url,
                extra: "policies: [{prefix: '', max_staleness: 100ms, negative_ttl: 1h, tracking: {mode: off}}]")
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            #expect(try c.call("GET", "k") == .null)
            #expect(try RESPClient(redis.address).call("SET", "k", "v").text == "OK")
            // Long before the hour that `negative_ttl` alone would be.
            try eventually("the value is seen") { try c.call("GET", "k").text == "v" }
        }

        @Test func `a session that is read through an outage longer than its life is there when Redis is back`() throws
        {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, redisOptions: "timeout: 10s, soft_timeout: 10s, reconnect_max: 100ms",
                extra: """
                    breaker: {open: 100ms, open_max: 200ms, slow_call: 60s}
                    policies: [{prefix: "s:", ttl: 3s, sliding: true, max_staleness: 200ms}]
                    """)
            try hearth.waitUntilClosed()
            // Nothing older goes back to Redis.
            try eventually("the stream of deletions is read") { hearth.log.contains("deletions_joined") }
            let c = try hearth.client()
            #expect(try c.call("SET", "s:1", "turns").text == "OK")
            // It is read all the time, whatever else this test waits for: three seconds without a read would end it.
            let failures = Failures()
            let isOver = Mutex(false)
            let reader = TestThread {
                do {
                    let c = try hearth.client()
                    while !isOver.withLock({ $0 }) {
                        let read = try c.call("GET", "s:1")
                        if read.text != "turns" { failures.note("\(read)") }
                        pause(3)
                    }
                } catch {
                    failures.note("\(error)")
                }
            }
            defer {
                isOver.withLock { $0 = true }
                reader.join()
                #expect(failures.all.isEmpty, "\(failures.all.prefix(5))")
            }
            redis.kill()
            // sleep: twice its life passes.
            pause(6000)
            try redis.restart()
            try hearth.waitUntilRedisAnswers()
            #expect(try c.call("GET", "s:1").text == "turns")
            try eventually("Redis has it again") {
                _ = try c.call("GET", "s:1")
                return try RESPClient(redis.address).call("GET", "s:1").text == "turns"
            }
        }

        @Test func `a browser that is made to speak HTTP here is not obeyed`() throws {
            let hearth = try HearthProcess()
            let c = try hearth.client()
            try c.send(raw: Array("POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET pwned 1\r\n".utf8))
            #expect(try c.receiveUntilEnd().isEmpty)
            #expect(try hearth.client().call("EXISTS", "pwned").integer == 0)
            try eventually("a log line tells") { hearth.log.contains("http_refused") }
        }

        @Test func `MGET beyond max_output is an error, and the connection lives`() throws {
            let hearth = try HearthProcess(extra: "limits: {max_output: 1MiB, max_value: 512KiB}")
            let c = try hearth.client()
            #expect(try c.call("SET", "k", String(repeating: "x", count: 400_000)).text == "OK")
            let reply = try c.call(["MGET"] + Array(repeating: "k", count: 100))
            #expect(reply.isError && reply.text.contains("limits.max_output"), "\(reply.text.prefix(200))")
            #expect(try c.call("PING").text == "PONG")
        }

        @Test func `a reload to strong takes hold of keys that were quiet`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(redis: redis.url, extra: "policies: [{prefix: '', consistency: eventual}]")
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            #expect(try c.call("SET", "k", "old").text == "OK")
            #expect(try RESPClient(redis.address).call("SET", "k", "new").text == "OK")
            #expect(try c.call("GET", "k").text == "old")
            try hearth.reconfigure(redis: redis.url, extra: "policies: [{prefix: '', consistency: strong}]")
            hearth.process.signal(.hangUp)
            try eventually("the reload is logged") { hearth.log.contains("\"reloaded\"") }
            try eventually("the new value is read") { try c.call("GET", "k").text == "new" }
        }

        @Test func `a pipeline of two large commands over different keys is quick`() throws {
            let hearth = try HearthProcess()
            let c = try hearth.client()
            c.patience = 60_000
            let set = ["MSET"] + (0..<8000).flatMap { ["a\($0)", "v"] }
            let get = ["MGET"] + (0..<8000).map { "b\($0)" }
            let replies = try c.pipeline([set, get])
            #expect(replies[0].text == "OK" && replies[1].items.count == 8000)
        }
    }
}
