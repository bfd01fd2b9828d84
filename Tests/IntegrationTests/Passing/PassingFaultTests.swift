// Passed-through commands while Redis misbehaves: answers within the limit, each to its own request.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct PassingFaults {
        @Test(arguments: [
            ScriptedRedis.Fault.hang, .resetInReply, .halfReply, .cutReply, .garbage, .delay(1500), .refuse,
        ])
        func `no reply reaches another request, whatever Redis does`(fault: ScriptedRedis.Fault) throws {
            let redis = try RedisServer()
            let scripted = try ScriptedRedis(redis.address)
            defer { scripted.stop() }
            let hearth = try HearthProcess(
                redis: scripted.url, redisOptions: "timeout: 1s, soft_timeout: 20ms, reconnect_max: 50ms",
                extra: "breaker: {slow_call: 60s, open: 50ms, open_max: 100ms}")
            try hearth.waitUntilClosed()
            let direct = try redis.client()
            for index in 0..<40 { _ = try direct.call("HSET", "h\(index)", "f", "value-\(index)") }
            let clients = [try hearth.client(), try hearth.client()]
            _ = try clients[1].call("HELLO", "3")
            var right = 0
            var unavailable = 0
            for round in 0..<6 {
                scripted.set(round % 2 == 0 ? .none : fault)
                if round % 2 == 0 {
                    try eventually("it works again") {
                        try clients.allSatisfy { try $0.call("HGET", "h0", "f").text == "value-0" }
                    }
                }
                let began = milliseconds()
                for client in clients {
                    for index in 0..<40 {
                        try client.send(
                            index % 4 == 3
                                ? ["EVAL", "return redis.call('HGET', KEYS[1], 'f')", "1", "h\(index)"]
                                : ["HGET", "h\(index)", "f"])
                    }
                }
                // Scripts have no deadline: what was sent hears when the fault ends, or the connection.
                if fault == .hang || fault == .halfReply, round % 2 == 1 {
                    for client in clients {
                        for index in 0..<3 { note(try client.receive(), index) }
                    }
                    #expect(milliseconds() - began < 20_000)
                    scripted.set(.none)
                    for client in clients { for index in 3..<40 { note(try client.receive(), index) } }
                } else {
                    for client in clients { for index in 0..<40 { note(try client.receive(), index) } }
                    #expect(milliseconds() - began < 20_000, "\(fault)")
                }
            }
            func note(_ reply: RESPValue, _ index: Int) {
                if reply.isError {
                    #expect(reply.text.hasPrefix("UNAVAILABLE "), "\(reply)")
                    unavailable += 1
                } else {
                    #expect(reply.text == "value-\(index)")
                    right += 1
                }
            }
            #expect(right >= 200 && unavailable > 0, "\(right) right, \(unavailable) unavailable")
        }

        @Test func `a hung Redis is answered for within redis timeout, and what was sent is an unknown outcome`() throws
        {
            let fixture = try PassingFixture(timeout: "1s", breaker: "slow_call: 60s, consecutive_failures: 1000")
            let c = try fixture.client()
            #expect(try c.call("LPUSH", "l", "1").integer == 1)
            #expect(try c.call("SET", "k", "v").text == "OK")
            #expect(try c.call("GET", "k").text == "v")
            fixture.redis.process.signal(.stop)
            let began = milliseconds()
            let write = try c.call("SETBIT", "k", "1", "1")
            #expect(write.text.hasPrefix("UNAVAILABLE outcome unknown: "), "\(write)")
            // A write that were waited for is waited for until Redis goes on, which is when this test says so.
            #expect(milliseconds() - began < 20_000)
            let read = try c.call("LRANGE", "l", "0", "-1")
            #expect(read.text.hasPrefix("UNAVAILABLE "), "\(read)")
            fixture.redis.process.signal(.continue)
            // The write may have been done: the copy is not fresh before Redis has been asked.
            try eventually("Redis is asked") {
                try c.call("GET", "k").text == fixture.redis.client().call("GET", "k").text
            }
            try eventually("it goes on") { try c.call("LRANGE", "l", "0", "-1").items.count == 1 }
            let direct = try fixture.redis.client()
            try eventually("what Redis has is what is read") {
                try c.call("GET", "k").text == direct.call("GET", "k").text
            }
        }

        @Test func `with the breaker open everything that needs Redis says why, at once`() throws {
            let fixture = try PassingFixture()
            let c = try fixture.client()
            _ = try c.call("HEARTH", "BREAKER", "OPEN")
            for line in [
                "LPUSH l 1", "LLEN l", "EVAL x 0", "WATCH k", "SUBSCRIBE c", "MONITOR", "BLPOP l 0", "WAIT 0 1",
                "NOSUCH",
            ] {
                let reply = try c.call(line.split(separator: " ").map(String.init))
                #expect(reply.text == "UNAVAILABLE not sent: the breaker is forced-open for reads", "\(line): \(reply)")
            }
            _ = try c.call("MULTI")
            #expect(try c.call("LPUSH", "l", "1").text.hasPrefix("UNAVAILABLE not sent"))
            #expect(try c.call("EXEC").text.hasPrefix("EXECABORT"))
            #expect(try c.call("COMMAND", "COUNT").integer ?? 0 > 50)
            #expect(try fixture.status("pinned_connections") == 0)
            _ = try c.call("HEARTH", "BREAKER", "AUTO")
            try fixture.hearth.waitUntilClosed()
            #expect(try c.call("LPUSH", "l", "1").integer == 1)
        }

        @Test func `another Redis at the same address is asked for its commands`() throws {
            let fixture = try PassingFixture()
            let c = try fixture.client()
            #expect(try c.call("LPUSH", "l", "1").integer == 1)
            let known = try fixture.redis.calls(of: "command")
            #expect(known >= 1)
            fixture.redis.kill()
            try fixture.redis.restart()
            try fixture.hearth.waitUntilClosed()
            try eventually("it goes on") { try c.call("LPUSH", "l", "1").integer == 1 }
            try eventually("it was asked anew") { try fixture.redis.calls(of: "command") >= 1 }
            #expect(try c.call("EVAL", "return redis.call('SET', KEYS[1], 'v')", "1", "k").text == "OK")
            try eventually("the value is read") { try c.call("GET", "k").text == "v" }
        }

        @Test func `a reply larger than max_output is an error, and those behind it are right`() throws {
            let fixture = try PassingFixture(limits: "max_output: 1MiB, max_value: 512KiB")
            let c = try fixture.client()
            let direct = try fixture.redis.client()
            _ = try direct.call(["RPUSH", "l"] + Array(repeating: String(repeating: "x", count: 10_000), count: 300))
            _ = try direct.call("SET", "large", String(repeating: "y", count: 3_000_000))
            let replies = try c.pipeline([
                ["LLEN", "l"], ["LRANGE", "l", "0", "-1"], ["LRANGE", "l", "0", "1"], ["BITCOUNT", "large"],
                ["EVAL", "return redis.call('GET', KEYS[1])", "1", "large"], ["LLEN", "l"], ["PING"],
            ])
            #expect(replies[0].integer == 300 && replies[2].items.count == 2 && replies[5].integer == 300)
            for index in [1, 4] {
                #expect(
                    replies[index].isError && replies[index].text.contains("limits.max_output (1048576 bytes)"),
                    "\(replies[index].text.prefix(100))")
            }
            #expect(replies[3].integer ?? 0 > 1000 && replies[6].text == "PONG")
        }

        @Test func `connections to Redis are as many as before when everybody has gone`() throws {
            let fixture = try PassingFixture(workers: 2)
            let base = try fixture.connectionsAtRest()
            var clients: [RESPClient] = []
            for index in 0..<20 {
                let c = try fixture.client(resp3: index % 2 == 0)
                clients.append(c)
                switch index % 5 {
                case 0: try c.send(["BLPOP", "none", "0"])
                case 1: _ = try c.call("SUBSCRIBE", "c")
                case 2: _ = try c.call("WATCH", "k")
                case 3: #expect(try c.call("EVAL", "return 1", "0").integer == 1)
                default: _ = try c.call("MONITOR")
                }
            }
            try fixture.waitForPins(16)
            for client in clients { client.close() }
            clients = []
            try fixture.waitForPins(0)
            // Two workers, each with a shared connection per protocol.
            try eventually("Redis has them no longer") { try fixture.connections() <= base + 4 }
        }

        @Test func `a pipeline on one key does not wait for each reply`() throws {
            let redis = try RedisServer()
            let scripted = try ScriptedRedis(redis.address)
            defer { scripted.stop() }
            let hearth = try HearthProcess(redis: scripted.url, redisOptions: "timeout: 5s, soft_timeout: 5s")
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            _ = try c.call("RPUSH", "l", "0")
            scripted.set(.delay(50))
            let began = milliseconds()
            let replies = try c.pipeline((1...100).map { ["RPUSH", "l", "\($0)"] } + [["LLEN", "l"]])
            #expect(replies.map(\.integer) == (2...101).map { Int64($0) } + [101])
            // One reply after the other would take five seconds, however quick the machine.
            #expect(milliseconds() - began < 4000)
            scripted.set(.none)
        }

        @Test func `draining ends what is blocked in Redis, and does not wait for it`() throws {
            let fixture = try PassingFixture(drain: "60s")
            let (blocked, subscribed) = (try fixture.client(), try fixture.client())
            try blocked.send(["BLPOP", "l", "0"])
            _ = try subscribed.call("SUBSCRIBE", "c")
            try fixture.waitForBlocked(1)
            let began = milliseconds()
            fixture.hearth.process.signal(.terminate)
            #expect(try fixture.hearth.process.wait() == 0)
            // Less than the minute of `drain`, and than a pop without end.
            #expect(milliseconds() - began < 25_000)
        }
    }
}
