// Commands that wait for something to happen, and scripts that take long.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Blocking {
        @Test(arguments: [false, true])
        func `a blocked pop gets what another client pushes, and what comes behind it waits`(resp3: Bool) throws {
            let fixture = try PassingFixture(timeout: "500ms")
            let (c, other) = (try fixture.client(resp3: resp3), try fixture.client())
            try c.send(raw: RESPClient.encode(["BLPOP", "l", "0"]) + RESPClient.encode(["PING"]))
            try c.send(["GET", "k"])
            try fixture.waitForBlocked(1)
            try fixture.waitForPins(1)
            // Others are served meanwhile, and far longer than redis.timeout passes.
            let began = milliseconds()
            while milliseconds() - began < 1500 { #expect(try other.call("SET", "k", "v").text == "OK") }
            #expect(try other.call("RPUSH", "l", "a").integer == 1)
            #expect(try c.receive().items.map(\.text) == ["l", "a"])
            #expect(try c.receive().text == "PONG")
            #expect(try c.receive().text == "v")
            try fixture.waitForPins(0)
        }

        @Test func `every blocking command blocks, and is given what it waits for`() throws {
            let fixture = try PassingFixture()
            let direct = try fixture.redis.client()
            _ = try direct.call("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM")
            let commands: [([String], [String])] = [
                (["BRPOP", "l", "0"], ["RPUSH", "l", "1"]),
                (["BLMOVE", "l", "m", "LEFT", "LEFT", "0"], ["RPUSH", "l", "1"]),
                (["BRPOPLPUSH", "l", "m", "0"], ["RPUSH", "l", "1"]),
                (["BLMPOP", "0", "1", "l", "LEFT"], ["RPUSH", "l", "1"]),
                (["BZPOPMIN", "z", "0"], ["ZADD", "z", "1", "m"]), (["BZPOPMAX", "z", "0"], ["ZADD", "z", "1", "m"]),
                (["BZMPOP", "0", "1", "z", "MIN"], ["ZADD", "z", "1", "m"]),
                (["XREAD", "BLOCK", "0", "STREAMS", "x", "$"], ["XADD", "x", "*", "f", "v"]),
                (["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "x", ">"], ["XADD", "x", "*", "f", "v"]),
            ]
            let c = try fixture.client()
            // Given here before: what a group has not read would be given at once.
            for (command, cause) in commands {
                if command[0] == "XREADGROUP" {
                    _ = try c.call(["XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"])
                }
                try c.send(command)
                try fixture.waitForBlocked(1)
                _ = try direct.call(cause)
                let reply = try c.receive()
                #expect(!reply.isError && reply != .null, "\(command): \(reply)")
            }
            // WAIT: no replica will ever have it.
            _ = try c.call("SET", "k", "v")
            try c.send(["WAIT", "1", "0"])
            try fixture.waitForBlocked(1)
            c.close()
            try fixture.waitForBlocked(0)
        }

        @Test(arguments: ["alone", "with requests behind"])
        func `a client that leaves while blocked takes no element with it`(way: String) throws {
            let fixture = try PassingFixture()
            let direct = try fixture.redis.client()
            for _ in 0..<5 {
                let c = try fixture.client()
                try c.send(["BLPOP", "l", "0"])
                if way != "alone" { try c.send(["SET", "k", "never"]) }
                try fixture.waitForBlocked(1)
                c.close()
                try fixture.waitForBlocked(0)
                try fixture.waitForPins(0)
                #expect(try direct.call("RPUSH", "l", "kept").integer == 1)
                #expect(try direct.call("LPOP", "l").text == "kept")
            }
            #expect(try direct.call("EXISTS", "k").integer == 0)
        }

        @Test func `a Redis that dies answers blocked clients at once, and one that hangs when their time is over`()
            throws
        {
            let fixture = try PassingFixture(timeout: "1s")
            let (endless, timed) = (try fixture.client(), try fixture.client())
            try endless.send(["BLPOP", "l", "0"])
            try fixture.waitForBlocked(1)
            fixture.redis.process.signal(.stop)
            let began = milliseconds()
            try timed.send(["BLPOP", "l", "0.4"])
            let late = try timed.receive()
            let waited = milliseconds() - began
            #expect(late.text.hasPrefix("UNAVAILABLE"), "\(late)")
            #expect(waited < 20_000, "\(waited) ms")
            fixture.redis.kill()
            let died = milliseconds()
            let reply = try endless.receive()
            #expect(reply.text.hasPrefix("UNAVAILABLE outcome unknown") && milliseconds() - died < 20_000, "\(reply)")
            try fixture.waitForPins(0)
            try fixture.redis.restart()
            try eventually("it goes on") { try endless.call("LLEN", "l").integer == 0 }
            // Reads and writes are judged apart, and those that failed meanwhile may have opened the breaker.
            try fixture.hearth.waitUntilClosed()
            let pushed = try endless.call("RPUSH", "l", "1")
            #expect(pushed.integer == 1, "\(pushed.text); log \(fixture.hearth.log.suffix(900))")
            #expect(try timed.call("BLPOP", "l", "1").items.map(\.text) == ["l", "1"])
        }

        @Test func `as many clients as max_pinned have a connection for themselves, and the next is told so`() throws {
            let fixture = try PassingFixture(limits: "max_pinned: 2")
            let (a, b, c) = (try fixture.client(), try fixture.client(), try fixture.client())
            try a.send(["BLPOP", "l", "0"])
            _ = try b.call("WATCH", "k")
            try fixture.waitForPins(2)
            for command in [
                ["BLPOP", "l", "0"], ["WATCH", "k"], ["SUBSCRIBE", "c"], ["MONITOR"], ["EVAL", "return 1", "0"],
            ] {
                let reply = try c.call(command)
                #expect(
                    reply.text.hasPrefix("UNAVAILABLE not sent: all 2 pinned connections (limits.max_pinned)"),
                    "\(command): \(reply)")
            }
            _ = try c.call("MULTI")
            #expect(try c.call("LPUSH", "x", "1").text.contains("limits.max_pinned"))
            #expect(try c.call("EXEC").text.hasPrefix("EXECABORT"))
            #expect(try fixture.status("pinned_refused") == 6)
            #expect(try c.call("HEARTH", "METRICS").text.contains("hearth_pinned_connections 2"))
            // Whoever has one may go on with it, and it is free when he has finished.
            #expect(try b.call("EVAL", "return 1", "0").integer == 1)
            _ = try b.call("UNWATCH")
            #expect(try c.call("EVAL", "return 1", "0").integer == 1)
        }

        @Test func `a script may run longer than redis timeout, and its client's leaving ends the waiting`() throws {
            let fixture = try PassingFixture(timeout: "500ms")
            let slow = """
                local t = redis.call('TIME'); local e = t[1] * 1000 + t[2] / 1000 + tonumber(ARGV[1])
                repeat t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 >= e
                redis.call('SET', KEYS[1], 'done') return 'done'
                """
            let c = try fixture.client()
            #expect(try c.call("EVAL", slow, "1", "k", "1500").text == "done")
            #expect(try fixture.redis.client().call("GET", "k").text == "done")
            let leaving = try fixture.client()
            try leaving.send(["EVAL", slow, "1", "k2", "1500"])
            try fixture.waitForPins(1)
            leaving.close()
            try fixture.waitForPins(0)
        }

        @Test func `a client that has closed its half of the connection gets its script's reply`() throws {
            let fixture = try PassingFixture()
            let c = try fixture.client()
            let requests = [
                ["EVAL", "return 'in RESP2'", "0"], ["HELLO", "3"], ["HGETALL", "h"], ["EVAL", "return false", "0"],
            ]
            try c.send(raw: requests.flatMap { RESPClient.encode($0) })
            c.endSending()
            let text = try c.receiveUntilEnd()
            #expect(
                text.hasPrefix("$8\r\nin RESP2\r\n%7\r\n") && text.hasSuffix("%0\r\n_\r\n"), "\(text.debugDescription)")
        }

        @Test func `a script behind which Redis hangs is given up, and one that only takes long is not`() throws {
            let fixture = try PassingFixture(timeout: "500ms")
            let c = try fixture.client()
            c.patience = 60_000
            let slow = "local t = redis.call('TIME')[1] repeat until redis.call('TIME')[1] - t >= 8 return 'done'"
            #expect(try c.call("EVAL", slow, "0").text == "done")
            try eventually("the breaker closes again") {
                try fixture.hearth.breaker(c) == ("closed", "closed")
            }
            try c.send(["EVAL", "while true do end", "0"])
            try fixture.waitForPins(1)
            fixture.redis.process.signal(.stop)
            let began = milliseconds()
            let reply = try c.receive()
            #expect(reply.text.hasPrefix("UNAVAILABLE outcome unknown"), "\(reply)")
            #expect(milliseconds() - began < 40_000)
            fixture.redis.process.signal(.continue)
        }
    }
}
