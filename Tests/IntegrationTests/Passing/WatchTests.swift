// WATCH, and transactions that Redis queues: conflicts, lost connections, mixed commands.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Watching {
        @Test(arguments: [false, true])
        func `a watched key that anybody changes makes EXEC answer nil`(resp3: Bool) throws {
            let fixture = try PassingFixture()
            let (c, other, direct) = (
                try fixture.client(resp3: resp3), try fixture.client(), try fixture.redis.client()
            )
            for (who, writer) in [("another client of Hearth", other), ("a client of Redis", direct)] {
                _ = try c.call("SET", "k", "1")
                #expect(try c.call("WATCH", "k").text == "OK")
                #expect(try c.call("GET", "k").text == "1")
                _ = try writer.call("SET", "k", "theirs")
                #expect(try c.call("GET", "k").text == "theirs", "reads after WATCH are Redis's")
                #expect(try c.call("MULTI").text == "OK")
                #expect(try c.call("SET", "k", "mine").text == "QUEUED")
                #expect(try c.callRaw([Array("EXEC".utf8)]) == Array((resp3 ? "_\r\n" : "*-1\r\n").utf8), "\(who)")
                #expect(try c.call("GET", "k").text == "theirs" || who == "a client of Redis")
                #expect(try direct.call("GET", "k").text == "theirs")
            }
            // The other way round: what is done here is a conflict for whoever watches in Redis.
            _ = try direct.call("WATCH", "k")
            _ = try c.call("MULTI")
            _ = try c.call("SADD", "s", "1")
            _ = try c.call("SET", "k", "5")
            #expect(try c.call("EXEC").items.count == 2)
            _ = try direct.call("MULTI")
            _ = try direct.call("SET", "k", "6")
            #expect(try direct.call("EXEC") == .null)
            try fixture.waitForPins(0)
        }

        @Test func `nobody's change lets EXEC through, and many do so in turn without losing an increment`() throws {
            let fixture = try PassingFixture(workers: 2)
            _ = try fixture.client().call("SET", "n", "0")
            let failures = Failures()
            onThreads(4) { _ in
                do {
                    let c = try fixture.client()
                    var done = 0
                    while done < 25 {
                        _ = try c.call("WATCH", "n")
                        let value = Int(try c.call("GET", "n").text) ?? -1
                        _ = try c.call("MULTI")
                        _ = try c.call("SET", "n", "\(value + 1)")
                        let reply = try c.call("EXEC")
                        if reply.isError { failures.note("\(reply)") }
                        if reply != .null { done += 1 }
                    }
                } catch {
                    failures.note("\(error)")
                }
            }
            #expect(failures.all.isEmpty, "\(failures.all)")
            #expect(try fixture.client().call("GET", "n").text == "100")
            try fixture.waitForPins(0)
        }

        @Test func `EXEC says that the watch was lost, and does nothing`() throws {
            let fixture = try PassingFixture()
            let c = try fixture.client()
            let direct = try fixture.redis.client()
            _ = try c.call("SET", "k", "1")
            for queuesBefore in [false, true] {
                #expect(try c.call("WATCH", "k").text == "OK")
                if queuesBefore {
                    _ = try c.call("MULTI")
                    #expect(try c.call("SET", "k", "2").text == "QUEUED")
                }
                _ = try direct.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                try fixture.waitForPins(0)
                if !queuesBefore {
                    let read = try c.call("GET", "k")
                    #expect(read.isError && read.text.contains("watched"), "\(read)")
                    #expect(try c.call("MULTI").text == "OK")
                    #expect(try c.call("SET", "k", "2").text == "QUEUED")
                }
                let reply = try c.call("EXEC")
                #expect(reply.text.hasPrefix("UNAVAILABLE not sent") && reply.text.contains("watched"), "\(reply)")
                #expect(try direct.call("GET", "k").text == "1")
                try eventually("the client goes on") { try c.call("GET", "k").text == "1" }
            }
            // The same for a transaction that Redis queued without a watch.
            _ = try c.call("MULTI")
            #expect(try c.call("LPUSH", "l", "1").text == "QUEUED")
            _ = try direct.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            try fixture.waitForPins(0)
            #expect(try c.call("EXEC").text.hasPrefix("UNAVAILABLE not sent"))
            try eventually("the client goes on") { try c.call("EXISTS", "l").integer == 0 }
        }

        @Test func `a client that leaves within WATCH or MULTI gives its connection back`() throws {
            let fixture = try PassingFixture()
            let base = try fixture.connectionsAtRest()
            for _ in 0..<5 {
                let (a, b) = (try fixture.client(), try fixture.client())
                _ = try a.call("WATCH", "k")
                _ = try b.call("MULTI")
                _ = try b.call("LPUSH", "l", "1")
                try fixture.waitForPins(2)
                a.close()
                b.close()
                try fixture.waitForPins(0)
            }
            #expect(try fixture.client().call("EXISTS", "l").integer == 0)
            // One more than before: the shared connection, from which Redis's commands were learnt.
            try eventually("Redis has no more connections than before") {
                try fixture.connections() <= base + 1
            }
        }

        @Test func `a subscriber of RESP3 watches and unwatches on the connection that it keeps`() throws {
            let fixture = try PassingFixture()
            let (c, other) = (try fixture.client(resp3: true), try fixture.client())
            #expect(try c.call("SUBSCRIBE", "a").items.count == 3)
            for ending in ["UNWATCH", "DISCARD"] {
                #expect(try c.call("WATCH", "k").text == "OK")
                if ending == "DISCARD" {
                    _ = try c.call("MULTI")
                    #expect(try c.call("SADD", "never", "1").text == "QUEUED")
                }
                #expect(try c.call(ending).text == "OK")
                _ = try other.call("SET", "k", "theirs")
                // What was watched before is of no account to this transaction.
                _ = try c.call("MULTI")
                #expect(try c.call("LPUSH", "l", "1").text == "QUEUED")
                #expect(try c.call("EXEC").items.count == 1, "\(ending)")
            }
            #expect(try c.call("EXISTS", "never").integer == 0)
            _ = try other.call("PUBLISH", "a", "still here")
            #expect(try c.receive().items.last?.text == "still here")
            try fixture.waitForPins(1)
        }

        @Test func `a subscriber whose EXEC was not sent is not left within MULTI`() throws {
            let fixture = try PassingFixture()
            let (c, other) = (try fixture.client(resp3: true), try fixture.client())
            #expect(try c.call("SUBSCRIBE", "a").items.count == 3)
            _ = try c.call("MULTI")
            #expect(try c.call("LPUSH", "refused", "1").text == "QUEUED")
            _ = try other.call("HEARTH", "BREAKER", "OPEN")
            #expect(try c.call("EXEC").text.hasPrefix("UNAVAILABLE not sent"))
            _ = try other.call("HEARTH", "BREAKER", "AUTO")
            try fixture.hearth.waitUntilClosed()
            #expect(try c.call("EVAL", "return 7", "0").integer == 7)
            _ = try c.call("MULTI")
            #expect(try c.call("LPUSH", "done", "1").text == "QUEUED")
            #expect(try c.call("EXEC").items.count == 1)
            #expect(try c.call("EXISTS", "refused", "done").integer == 1)
        }

        @Test func `a watch whose connection is given up for another reason is lost as well`() throws {
            let fixture = try PassingFixture(timeout: "1s")
            let c = try fixture.client()
            #expect(try c.call("WATCH", "k").text == "OK")
            fixture.redis.process.signal(.stop)
            #expect(try c.call("SUBSCRIBE", "a").text.hasPrefix("UNAVAILABLE"))
            fixture.redis.process.signal(.continue)
            #expect(try c.call("MULTI").text == "OK")
            #expect(try c.call("SET", "k", "v").text == "QUEUED")
            #expect(try c.call("EXEC").text.hasPrefix("UNAVAILABLE not sent"))
            try eventually("it goes on") { try c.call("EXISTS", "k").integer == 0 }
            try fixture.waitForPins(0)
        }

        @Test func `policies rule what is written in Redis's transactions`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, redisOptions: HearthProcess.patient,
                extra: "policies: [{prefix: '', ttl: 1m, max_value: 1KiB}]\nbreaker: {slow_call: 60s}")
            try hearth.waitUntilClosed()
            let (c, direct) = (try hearth.client(), try redis.client())
            let large = String(repeating: "x", count: 2000)
            _ = try c.call("MULTI")
            _ = try c.call("SET", "before", "v")
            _ = try c.call("SETNX", "flag", "v")
            _ = try c.call("LPUSH", "l", "1")
            _ = try c.call("SET", "behind", "v")
            _ = try c.call("GETSET", "got", "v")
            #expect(try c.callRaw([Array("EXEC".utf8)]) == Array("*5\r\n+OK\r\n:1\r\n:1\r\n+OK\r\n$-1\r\n".utf8))
            _ = try c.call("WATCH", "w")
            #expect(try c.call("SET", "watched", "v").text == "OK")
            #expect(try c.call("SET", "large", large).text.hasPrefix("TOOBIG"))
            _ = try c.call("UNWATCH")
            for key in ["before", "behind", "got", "watched"] {
                #expect((50...60).contains(try direct.call("TTL", key).integer ?? 0), "\(key)")
            }
            _ = try c.call("MULTI")
            _ = try c.call("LPUSH", "l", "2")
            #expect(try c.call("SET", "large", large).text.hasPrefix("TOOBIG"))
            #expect(try c.call("EXEC").text.hasPrefix("EXECABORT"))
            #expect(try direct.call("EXISTS", "large").integer == 0 && direct.call("LLEN", "l").integer == 1)
        }

        @Test func `RESET and HELLO behave while keys are watched`() throws {
            let fixture = try PassingFixture()
            let c = try fixture.client()
            _ = try c.call("WATCH", "k")
            #expect(try c.call("HELLO", "3").text.contains("WATCH"))
            #expect(try c.call("RESET").text == "RESET")
            try fixture.waitForPins(0)
            #expect(!(try c.call("HELLO", "3").isError))
        }
    }
}
