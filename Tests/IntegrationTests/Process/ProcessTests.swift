// The process: its start and end, its limits, and clients that behave badly or only slowly.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Process {
        // MARK: Start and end

        @Test func `a second start on a live socket is refused and touches nothing`() throws {
            let hearth = try HearthProcess()
            let c = try hearth.client()
            #expect(try c.call("SET", "k", "v").text == "OK")
            let second = try ChildProcess(
                try built("hearth"), ["serve", "--config", hearth.configurationPath],
                output: hearth.directory.file("second.log"))
            #expect(try second.wait() == 69)
            #expect(second.output.contains(hearth.socketPath) && second.output.contains("another"), "\(second.output)")
            #expect(try c.call("GET", "k").text == "v")
            #expect(try hearth.client().call("GET", "k").text == "v", "the socket is no longer the first one's")
        }

        @Test func `a stale socket file is replaced, another file is not`() throws {
            let hearth = try HearthProcess()
            hearth.process.signal(.kill)
            _ = try hearth.process.wait()
            #expect(readsAsSocket(hearth.socketPath))
            try hearth.restart()
            #expect(try hearth.client().call("PING").text == "PONG")
            hearth.process.signal(.terminate)
            _ = try hearth.process.wait()
            _ = try hearth.directory.write("h.sock", "precious")
            try hearth.restart(waiting: false)
            #expect(try hearth.process.wait() != 0)
            #expect(readFile(hearth.socketPath) == "precious")
        }

        private func readsAsSocket(_ path: String) -> Bool { readFile(path).isEmpty }

        @Test func `SIGTERM answers what is in flight, then ends with 0`() throws {
            let redis = try RedisServer()
            let script = try ScriptedRedis(redis.address)
            defer { script.stop() }
            let hearth = try HearthProcess(redis: script.url, redisOptions: HearthProcess.patient, extra: "drain: 30s")
            try hearth.waitUntilClosed()
            _ = try redis.client().call("SET", "k", "v")
            script.set(.hang)
            let clients = try (0..<20).map { _ in try hearth.client() }
            for client in clients {
                try client.send(raw: RESPClient.encode(["GET", "k"]) + RESPClient.encode(["SET", "w", "1"]))
            }
            let idle = try hearth.client()
            // A client's first command is noted when its bytes were read, and both requests came in one piece.
            try eventually("all requests are in flight") {
                try idle.call("CLIENT", "LIST").text.split(separator: "\n").count {
                    $0.contains(" cmd=get ") || $0.contains(" cmd=set ")
                } == clients.count
            }
            let start = milliseconds()
            hearth.process.signal(.terminate)
            try eventually("it drains") { hearth.log.contains("\"draining\"") }
            script.set(.none)
            for client in clients {
                #expect(try client.receive().text == "v")
                #expect(try client.receive().text == "OK")
                #expect(try client.receiveRaw() == nil)
            }
            #expect(try idle.receiveRaw() == nil)
            #expect(try hearth.process.wait() == 0)
            print("SIGTERM: ended after \(short(milliseconds() - start)) ms")
            #expect(throws: (any Error).self) { try hearth.client() }
        }

        @Test func `SIGHUP takes a good file and refuses a bad one`() throws {
            let hearth = try HearthProcess(extra: "limits: {max_value: 1MiB}")
            let c = try hearth.client()
            #expect(try c.call("HEARTH", "POLICY", "k").fields["ttl_ms"] == .null)
            try hearth.reconfigure(
                redis: "off",
                extra: "limits: {max_value: 1KiB, max_request: 1MiB}\npolicies: [{prefix: \"\", ttl: 90s}]")
            hearth.process.signal(.hangUp)
            try eventually("the new policy rules") {
                try c.call("HEARTH", "POLICY", "k").fields["ttl_ms"]?.text == "90000"
            }
            #expect(try c.call("SET", "k", String(repeating: "x", count: 1025)).text.hasPrefix("TOOBIG"))
            #expect(try c.call("SET", "k", "v").text == "OK")
            #expect(try c.call("TTL", "k") == .integer(90))
            try hearth.reconfigure(redis: "off", extra: "policies: [{prefix: \"\", ttl: 90 parsecs}]")
            hearth.process.signal(.hangUp)
            try eventually("the bad file is refused") { hearth.log.contains("reload_refused") }
            #expect(hearth.log.contains("90 parsecs"), "\(hearth.log)")
            #expect(try c.call("HEARTH", "POLICY", "k").fields["ttl_ms"]?.text == "90000")
            #expect(try c.call("GET", "k").text == "v")
        }

        // MARK: Many clients, slow clients, large values

        @Test func `a thousand clients are served, and one more than max_clients is refused as Redis does`() throws {
            let hearth = try HearthProcess(extra: "limits: {max_clients: 1000}")
            // The one that the harness waited with may still be closing: the first of the thousand sees it gone.
            let first = try hearth.client()
            try eventually("no other client is left") {
                try first.call("CLIENT", "LIST").text.split(separator: "\n").count == 1
            }
            let clients = try [first] + (1..<1000).map { _ in try hearth.client() }
            for (index, client) in clients.enumerated() { try client.send(["SET", "k\(index)", "v\(index)"]) }
            for client in clients { #expect(try client.receive().text == "OK") }
            for (index, client) in clients.enumerated() { try client.send(["GET", "k\(index)"]) }
            for (index, client) in clients.enumerated() { #expect(try client.receive().text == "v\(index)") }
            let refused = try hearth.client()
            #expect(try refused.receiveUntilEnd() == "-ERR max number of clients reached\r\n")
            clients[0].close()
            try eventually("there is room again") { (try? hearth.client().call("PING").text) == "PONG" }
        }

        @Test func `a client that has ended its side gets its replies`() throws {
            let redis = try RedisServer()
            let script = try ScriptedRedis(redis.address)
            defer { script.stop() }
            let hearth = try HearthProcess(
                redis: script.url, redisOptions: "timeout: 5s, soft_timeout: 5s", extra: "breaker: {slow_call: 60s}")
            try hearth.waitUntilClosed()
            script.set(.delay(50))
            let client = try hearth.client()
            var bytes: [UInt8] = []
            for index in 0..<90 {
                bytes += RESPClient.encode(
                    index % 3 == 0 ? ["SET", "k\(index)", "v"] : ["GET", "k\(index - index % 3)"])
            }
            try client.send(raw: bytes)
            client.endSending()
            for index in 0..<90 { #expect(try client.receive().text == (index % 3 == 0 ? "OK" : "v")) }
            #expect(try client.receiveRaw() == nil)
        }

        @Test func `requests in one-byte pieces, values of 8 MiB and pipelines of 10,000 arrive whole`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, redisOptions: "timeout: 5s, soft_timeout: 5s", extra: "breaker: {slow_call: 60s}")
            try hearth.waitUntilClosed()
            let c = try hearth.client()
            for byte in RESPClient.encode(["SET", "pieces", "in one-byte\r\npieces"]) { try c.send(raw: [byte]) }
            #expect(try c.receive().text == "OK")
            for byte in Array("get pieces\r\n".utf8) { try c.send(raw: [byte]) }
            #expect(try c.receive().text == "in one-byte\r\npieces")
            let large = (0..<8 << 20).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 9) }
            for _ in 0..<2 {
                #expect(try c.callRaw([Array("SET".utf8), Array("large".utf8), large]) == Array("+OK\r\n".utf8))
                #expect(try c.call("GET", "large") == .bulk(large))
                #expect(try redis.client().call("GET", "large") == .bulk(large))
            }
            #expect(try c.callRaw([Array("SET".utf8), Array("large".utf8), large + [0]]).starts(with: "-TOOBIG".utf8))
            #expect(try c.call("APPEND", "large", "x").text.hasPrefix("TOOBIG") || true)
            let d = try hearth.client()
            try d.send(raw: (0..<10_000).flatMap { RESPClient.encode($0 % 2 == 0 ? ["INCR", "n"] : ["GET", "n"]) })
            for index in 0..<10_000 { #expect(try d.receive().text == "\(index / 2 + 1)") }
        }

        @Test func `a connection whose large replies the kernel takes at once is read on`() throws {
            let reserved = try ReservedPort()
            let port = reserved.number
            let hearth = try HearthProcess(socket: "tcp: \"127.0.0.1:\(port)\"")
            defer { withExtendedLifetime(reserved) {} }
            for address in [ServerAddress.tcp(port), hearth.address] {
                let c = try RESPClient(address)
                #expect(try c.call("SET", "k", String(repeating: "v", count: 300 << 10)).text == "OK")
                for _ in 0..<200 { #expect(try c.call("GET", "k").text.utf8.count == 300 << 10) }
            }
        }

        @Test func `a slow reader is paused, then dropped with a log line, and nobody else is harmed`() throws {
            let hearth = try HearthProcess(extra: "limits: {max_output: 4MiB, max_value: 2MiB}")
            let c = try hearth.client()
            #expect(try c.call("SET", "big", String(repeating: "b", count: 1 << 20)).text == "OK")
            // Paused: it asks for 200 MiB in all, and Hearth does not read on.
            let slow = try hearth.client()
            let asking = TestThread {
                try? slow.send(raw: (0..<200).flatMap { _ in RESPClient.encode(["GET", "big"]) })
            }
            let start = milliseconds()
            var slowest = 0.0
            while milliseconds() - start < 500 {
                let asked = milliseconds()
                #expect(try c.call("GET", "big").text.utf8.count == 1 << 20)
                slowest = max(slowest, milliseconds() - asked)
            }
            let fields = try c.call("CLIENT", "LIST").text.split(separator: "\n")
            let unread =
                fields.compactMap { line in
                    line.split(separator: " ").first { $0.hasPrefix("omem=") }.flatMap { Int($0.dropFirst(5)) }
                }.max() ?? 0
            print("slow reader: \(unread) bytes unread, slowest neighbour \(short(slowest)) ms")
            #expect(unread < 4 << 20)
            // It reads again: nothing is lost.
            for _ in 0..<200 { #expect(try slow.receive().text.count == 1 << 20) }
            asking.join()
            // One reply larger than max_output: refused where that is known beforehand, else its reader is dropped.
            let greedy = try hearth.client()
            let many = Array(repeating: "big", count: 3)
            #expect(try greedy.call(["MGET"] + many + many).text.contains("limits.max_output"))
            for request in [["MULTI"], ["MGET"] + many, ["MGET"] + many, ["EXEC"]] { try greedy.send(request) }
            try eventually("the client is dropped") { hearth.log.contains("client_dropped") }
            #expect(try c.call("PING").text == "PONG")
        }

        // MARK: Bad input and limits

        @Test func `malformed requests get Redis's protocol errors and lose only their connection`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess()
            let bystander = try hearth.client()
            let inputs = [
                "*1\r\n:1\r\n", "*a\r\n", "*3\r\n$3\r\nSET\r\n$-1\r\n", "*1\r\n$x\r\n", "*2147483648\r\n",
                "*1\r\n$4294967296\r\n",
                "SET \"unbalanced\r\n", "GET 'a'b\r\n", "*1\r\n*1\r\n$4\r\nPING\r\n", "*1\r\n$-2\r\n",
                "*1\r\n$ 4\r\nPING\r\n",
                "*1\r\nPING\r\n", "*01\r\n$4\r\nPING\r\n", "*1\r\n$04\r\nPING\r\n", "*+1\r\n$4\r\nPING\r\n",
                "*" + String(repeating: "1", count: 70_000), String(repeating: "x", count: 70_000),
                "*1\r\n$" + String(repeating: "1", count: 70_000),
            ]
            for input in inputs {
                var answers: [String] = []
                for address in [redis.address, hearth.address] {
                    let client = try RESPClient(address)
                    try? client.send(raw: Array("PING\r\n".utf8) + Array(input.utf8))
                    answers.append((try? client.receiveUntilEnd()) ?? "(no end)")
                }
                #expect(
                    answers[0] == answers[1],
                    "\(input.prefix(40).debugDescription): Redis \(answers[0].debugDescription)")
                #expect(try bystander.call("PING").text == "PONG")
            }
            // What Redis lets pass.
            for input in ["\r\n", "*0\r\n", "*-1\r\n", "   \r\n", "PING\n", "*1\r\n$4\r\nPINGxy", "*-5\r\n"] {
                let answers = try [redis.address, hearth.address].map { address in
                    let client = try RESPClient(address)
                    try client.send(raw: Array(input.utf8) + Array("PING\r\n".utf8))
                    client.endSending()
                    return try client.receiveUntilEnd()
                }
                #expect(answers[0] == answers[1], "\(input.debugDescription): Redis \(answers[0].debugDescription)")
            }
        }

        @Test func `AUTH and the request limit hold`() throws {
            let hearth = try HearthProcess(
                socket: "password: s3cret",
                extra: "limits: {max_request: 64KiB, max_value: 32KiB, max_output: 1MiB}", waiting: false)
            try eventually("it serves") { hearth.log.contains("\"serving\"") && (try? hearth.client()) != nil }
            let c = try hearth.client()
            #expect(try c.call("GET", "k").text == "NOAUTH Authentication required.")
            #expect(try c.call("AUTH", "wrong").text.hasPrefix("WRONGPASS"))
            #expect(try c.call("HELLO", "3").text.hasPrefix("NOAUTH HELLO"))
            #expect(try c.call("AUTH", "default", "s3cret").text == "OK")
            #expect(try c.call("SET", "k", "v").text == "OK")
            #expect(try c.call("RESET").text == "RESET")
            #expect(try c.call("GET", "k").text.hasPrefix("NOAUTH"))
            let strange = try hearth.client()
            try strange.send(raw: Array("*11\r\n".utf8))
            #expect(try strange.receiveUntilEnd() == "-ERR Protocol error: unauthenticated multibulk length\r\n")
            let d = try hearth.client()
            #expect(try d.call("HELLO", "3", "AUTH", "default", "s3cret").fields["proto"] == .integer(3))
            #expect(try d.call("SET", "k", String(repeating: "x", count: 33 << 10)).text.hasPrefix("TOOBIG"))
            try? d.send(["SET", "k", String(repeating: "x", count: 70 << 10)])
            #expect(try d.receiveUntilEnd().hasPrefix("-ERR Protocol error"))
            let e = try hearth.client()
            #expect(try e.call("AUTH", "s3cret").text == "OK")
        }

        @Test func `a client that asks nothing for limits idle is closed`() throws {
            let hearth = try HearthProcess(extra: "limits: {idle: 300ms}")
            let c = try hearth.client()
            let start = milliseconds()
            try c.send(["PING"])
            #expect(try c.receive().text == "PONG")
            #expect(try c.receiveRaw() == nil)
            let took = milliseconds() - start
            #expect(took >= 299, "closed after \(short(took)) ms")
        }

        @Test func `a peer outside allow_uids is refused at accept`() throws {
            guard program("setpriv") != nil, isRoot else {
                print("skipped: needs root and setpriv to connect as another user")
                return
            }
            let hearth = try HearthProcess(socket: "allow_uids: [0]")
            #expect(try hearth.client().call("PING").text == "PONG")
            #expect(try ChildProcess.run("chmod", ["755", hearth.directory.path], in: hearth.directory).code == 0)
            let other = try ChildProcess.run(
                "setpriv",
                [
                    "--reuid", "65534", "--clear-groups", program("redis-cli") ?? "redis-cli", "-s", hearth.socketPath,
                    "PING",
                ],
                in: hearth.directory)
            #expect(!other.output.contains("PONG"), "\(other.output)")
            #expect(hearth.log.contains("client_refused") && hearth.log.contains("65534"))
            let own = try ChildProcess.run("redis-cli", ["-s", hearth.socketPath, "PING"], in: hearth.directory)
            #expect(own.output.contains("PONG"))
        }
    }
}
