// Subscriptions and MONITOR: what Redis sends by itself reaches the client, and nothing else does.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Subscriptions {
        /// Sends to both, and compares so many replies.
        private func compare(
            _ ours: RESPClient, _ theirs: RESPClient, _ commands: [[String]], replies: Int
        ) throws {
            let bytes = commands.flatMap { RESPClient.encode($0) }
            try ours.send(raw: bytes)
            try theirs.send(raw: bytes)
            for index in 0..<replies {
                let a = try ours.receiveRaw()?.bytes ?? []
                let b = try theirs.receiveRaw()?.bytes ?? []
                #expect(
                    a == b, "\(commands), reply \(index): Redis \(SideBySide.text(b)), Hearth \(SideBySide.text(a))")
            }
        }

        @Test(arguments: [false, true])
        func `subscribing and unsubscribing answer as Redis does`(resp3: Bool) throws {
            let fixture = try PassingFixture()
            let (ours, theirs) = (try fixture.client(), try fixture.redis.client())
            if resp3 {
                _ = try ours.call("HELLO", "3")
                _ = try theirs.call("HELLO", "3")
            }
            try compare(ours, theirs, [["UNSUBSCRIBE"], ["PUNSUBSCRIBE", "a"], ["SUNSUBSCRIBE"]], replies: 3)
            try compare(
                ours, theirs, [["SUBSCRIBE", "a", "b"], ["PSUBSCRIBE", "p*"], ["SSUBSCRIBE", "s"]], replies: 4)
            try compare(ours, theirs, [["PING"], ["PING", "x"], ["SUBSCRIBE", "a"]], replies: 3)
            if resp3 {
                try compare(
                    ours, theirs, [["SET", "k", "v"], ["GET", "k"], ["LPUSH", "l", "1"], ["DEL", "l"]], replies: 4)
                try compare(ours, theirs, [["MULTI"], ["SADD", "s1", "1"], ["DEL", "s1"], ["EXEC"]], replies: 4)
            } else {
                try compare(
                    ours, theirs,
                    [
                        ["GET", "k"], ["LPUSH", "l", "1"], ["MULTI"], ["NOSUCH"], ["CONFIG", "GET", "x"],
                        ["HELLO", "3"],
                    ],
                    replies: 3)
                for _ in 0..<3 {
                    let (a, b) = (try ours.receive(), try theirs.receive())
                    #expect(a.isError && b.isError)
                }
            }
            try compare(ours, theirs, [["UNSUBSCRIBE", "b"], ["UNSUBSCRIBE"], ["PUNSUBSCRIBE"]], replies: 3)
            try compare(ours, theirs, [["SUNSUBSCRIBE"], ["PING"], ["SET", "k", "w"], ["GET", "k"]], replies: 4)
            try compare(ours, theirs, [["SUBSCRIBE"], ["PING"]], replies: 2)
            try fixture.waitForPins(0)
            try compare(ours, theirs, [["SUBSCRIBE", "z"], ["RESET"], ["PING"], ["GET", "k"]], replies: 4)
            try fixture.waitForPins(0)
        }

        @Test(arguments: [false, true])
        func `what is published reaches those who subscribed, in order and untouched`(resp3: Bool) throws {
            let fixture = try PassingFixture(workers: 2)
            let (subscriber, witness) = (try fixture.client(resp3: resp3), try fixture.redis.client())
            if resp3 { _ = try witness.call("HELLO", "3") }
            for client in [subscriber, witness] {
                try client.send(raw: RESPClient.encode(["SUBSCRIBE", "a"]) + RESPClient.encode(["PSUBSCRIBE", "a*"]))
                _ = try client.receive()
                _ = try client.receive()
            }
            let publisher = try fixture.client()
            for index in 0..<200 {
                let text = index % 50 == 0 ? String(repeating: "m", count: 100_000) : "message \(index)\r\n"
                #expect(try publisher.call("PUBLISH", "a", text).integer == 4)
                #expect(try publisher.call("PUBLISH", "ab", "\(index)").integer == 2)
            }
            for _ in 0..<600 {
                #expect(try subscriber.receiveRaw()?.bytes == witness.receiveRaw()?.bytes)
            }
            if resp3 {
                // Ordinary commands go on between what is pushed.
                for index in 0..<50 {
                    try subscriber.send(["SET", "k", "\(index)"])
                    _ = try publisher.call("PUBLISH", "ab", "x")
                    try subscriber.send(["GET", "k"])
                    var replies: [RESPValue] = []
                    var pushes = 0
                    while replies.count < 2 || pushes < 1 {
                        let reply = try subscriber.receive()
                        if reply.items.count > 2 { pushes += 1 } else { replies.append(reply) }
                    }
                    #expect(replies.map(\.text) == ["OK", "\(index)"])
                }
            }
        }

        @Test(arguments: ["SUBSCRIBE RESP2", "SUBSCRIBE RESP3", "MONITOR"])
        func `a client's connection ends when Redis goes away under what it listens to`(way: String) throws {
            let fixture = try PassingFixture(timeout: "1s")
            let c = try fixture.client(resp3: way.hasSuffix("3"))
            _ = try c.call(way == "MONITOR" ? ["MONITOR"] : ["SUBSCRIBE", "a"])
            try fixture.waitForPins(1)
            fixture.redis.kill()
            _ = try c.receiveUntilEnd()
            try eventually("the log tells") { fixture.hearth.log.contains("subscription_lost") }
            try fixture.redis.restart()
            try fixture.hearth.waitUntilClosed()
            let again = try fixture.client(resp3: way.hasSuffix("3"))
            #expect(try again.call("SUBSCRIBE", "a").items.count == 3)
            try eventually("a message comes") { try fixture.client().call("PUBLISH", "a", "x").integer == 1 }
            #expect(try again.receive().items.last?.text == "x")
        }

        @Test func `a PING of a subscriber tells that Redis hangs`() throws {
            let fixture = try PassingFixture(timeout: "1s")
            let c = try fixture.client()
            _ = try c.call("SUBSCRIBE", "a")
            fixture.redis.process.signal(.stop)
            defer { fixture.redis.process.signal(.continue) }
            try c.send(["PING"])
            let text = try c.receiveUntilEnd()
            #expect(text.contains("UNAVAILABLE"), "\(text)")
        }

        @Test func `a subscriber that does not read is dropped at max_output`() throws {
            let fixture = try PassingFixture(limits: "max_output: 1MiB, max_value: 512KiB")
            let (slow, publisher) = (try fixture.client(), try fixture.client())
            _ = try slow.call("SUBSCRIBE", "a")
            let text = String(repeating: "x", count: 100_000)
            try eventually("it is dropped") { try publisher.call("PUBLISH", "a", text).integer == 0 }
            try eventually("the log tells") { fixture.hearth.log.contains("client_dropped") }
            try fixture.waitForPins(0)
        }

        @Test func `MONITOR shows what Redis does, and its client may do little else`() throws {
            let fixture = try PassingFixture()
            let (c, other) = (try fixture.client(), try fixture.client())
            #expect(try c.call("MONITOR").text == "OK")
            _ = try other.call("LPUSH", "seen", "1")
            var lines: [String] = []
            try eventually("the command is shown") {
                lines.append(try c.receive().text)
                return lines.last?.contains("\"LPUSH\" \"seen\" \"1\"") ?? false
            }
            try c.send(["GET", "seen"])
            try c.send(["PING"])
            try eventually("the error comes") {
                try c.receive() == .error("ERR Replica can't interact with the keyspace")
            }
            try eventually("PING is answered") { try c.receive().text == "PONG" }
            try c.send(["RESET"])
            try eventually("it ends with RESET") { try c.receive().text == "RESET" }
            try fixture.waitForPins(0)
            #expect(try c.call("LLEN", "seen").integer == 1)
        }
    }
}
