// The server over real sockets, with clients that do what they should not.

import Primitives
import Synchronization
import Testing

@testable import Admin

#if canImport(Glibc)
    import Glibc
#endif

@Suite(.serialized) struct ServerTests {
    @Test func `every page answers, HEAD without a body`() throws {
        let server = try start()
        defer { server.stop() }
        let port = server.address.port
        #expect(port != 0)
        for path in ["/", "/livez", "/readyz", "/metrics", "/status", "/status?x=1", "/dashboard", "/page.js"] {
            let whole = try request(port, "GET", path)
            #expect(whole.status == 200 && !whole.body.isEmpty, "\(path)")
            let head = try request(port, "HEAD", path)
            #expect(head.status == 200 && head.body.isEmpty, "\(path)")
            #expect(head.head.contains("Content-Length: \(whole.body.utf8.count)"))
        }
        let metrics = try request(port, "GET", "/metrics")
        #expect(metrics.head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"))
        #expect(metrics.body == "# HELP hearth_up Whether it runs.\n# TYPE hearth_up gauge\nhearth_up 1\n")
    }

    @Test func `a connection serves several requests, also pipelined`() throws {
        let server = try start()
        defer { server.stop() }
        let client = try Client(server.address.port)
        client.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(client.read(until: "live\n").hasPrefix("HTTP/1.1 200"))
        client.send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        let both = client.read(until: "live\n")
        #expect(both.hasPrefix("HTTP/1.1 404") && both.contains("HTTP/1.1 200"))
    }

    @Test func `control takes a POST with its body, and nothing else`() throws {
        let log = Log()
        let server = try start(source(log: log))
        defer { server.stop() }
        let port = server.address.port
        #expect(try request(port, "POST", "/breaker/open", body: "maintenance").status == 200)
        #expect(try request(port, "POST", "/breaker/auto").status == 200)
        let wrong = try request(port, "GET", "/breaker/open")
        #expect(wrong.status == 405 && wrong.head.contains("Allow: POST"))
        #expect(try request(port, "POST", "/breaker/open", headers: "Origin: http://evil\r\n").status == 403)
        #expect(log.all.filter { $0 != "look" } == ["/breaker/open maintenance", "/breaker/auto "])
    }

    @Test func `a body beyond 4 KiB is 413, announced or not`() throws {
        let log = Log()
        let server = try start(source(log: log))
        defer { server.stop() }
        let port = server.address.port
        let full = String(repeating: "x", count: 4096)
        #expect(try request(port, "POST", "/breaker/open", body: full).status == 200)
        #expect(try request(port, "POST", "/breaker/open", body: full + "x").status == 413)
        let client = try Client(port)
        client.send("POST /breaker/open HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in 0..<3 { client.send("1000\r\n\(full)\r\n") }
        client.send("0\r\n\r\n")
        #expect(try parts(try #require(client.readToEnd())).status == 413)
        #expect(log.all.count { $0 != "look" } == 1)
    }

    @Test func `a body without end is cut off`() throws {
        let server = try start()
        defer { server.stop() }
        let client = try Client(server.address.port)
        client.send("POST /breaker/open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        let chunk = "10000\r\n" + String(repeating: "x", count: 65_536) + "\r\n"
        var sent = 0
        while sent < 200, client.send(chunk) { sent += 1 }
        #expect(sent < 200)
        #expect(try request(server.address.port, "GET", "/livez").status == 200)
    }

    @Test(arguments: [
        "GET /livez HTTP/1.1\r\nX: \(String(repeating: "y", count: 100_000))\r\n\r\n",
        "GET /\(String(repeating: "z", count: 100_000)) HTTP/1.1\r\n\r\n",
        String(repeating: "\u{1}\u{0}ÿ", count: 5_000) + "\r\n\r\n",
        "GET\r\n\r\n", "GET /livez HTTP/9.9\r\n\r\n",
        "POST /breaker/open HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        "POST /breaker/open HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ])
    func `what is no request, or too large a one, is refused and harms nobody`(text: String) throws {
        let server = try start()
        defer { server.stop() }
        let client = try Client(server.address.port)
        client.send(text)
        let answer = try #require(client.readToEnd(), "the connection stayed open")
        let status = answer.isEmpty ? 400 : try parts(answer).status
        #expect((400...599).contains(status), "\(answer.prefix(200))")
        #expect(try request(server.address.port, "GET", "/livez").status == 200)
    }

    @Test func `a client that drips bytes is closed when its patience is over, and delays nobody`() throws {
        var limits = AdminLimits()
        limits.patience = .milliseconds(600)
        let server = try start(limits: limits)
        defer { server.stop() }
        let slow = try Client(server.address.port)
        let began = ContinuousClock.now
        var isOpen = slow.send("GET /livez HTTP/1.1\r\n")
        while isOpen, began.duration(to: .now) < .seconds(60) {
            let asked = ContinuousClock.now
            #expect(try request(server.address.port, "GET", "/livez").status == 200)
            #expect(asked.duration(to: .now) < .seconds(20))
            isOpen = slow.send("X")
        }
        #expect(!isOpen)
    }

    @Test func `idle connections, however many, never keep a probe out`() throws {
        var limits = AdminLimits()
        limits.connectionsMax = 8
        let server = try start(limits: limits)
        defer { server.stop() }
        var idle: [Client] = []
        for _ in 0..<100 { idle.append(try Client(server.address.port)) }
        for _ in 0..<5 { #expect(try request(server.address.port, "GET", "/livez").status == 200) }
        // The first of them gave way.
        #expect(idle[0].readToEnd() == "")
    }

    @Test func `a page hears the past at once, and then what happens, for as long as it likes`() throws {
        var limits = AdminLimits()
        // It has no patience to lose, and is not idle: both would end it at its second event.
        limits.patience = .milliseconds(50)
        limits.lookInterval = .milliseconds(300)
        let server = try start(limits: limits)
        defer { server.stop() }
        let page = try Client(server.address.port)
        page.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        let past = page.read(until: "data: {\"past\":1}\n\n")
        #expect(past.contains("Content-Type: text/event-stream") && past.contains("retry: 1000\nevent: past\n"))
        for _ in 0..<4 { #expect(page.read(until: "event: news\ndata: {\"news\":1}\n\n").contains("news")) }
    }

    @Test func `one page too many is told so, and gets the place of one that leaves`() throws {
        var limits = AdminLimits()
        limits.pagesMax = 2
        limits.lookInterval = .milliseconds(20)
        let server = try start(limits: limits)
        defer { server.stop() }
        let port = server.address.port
        func open() throws -> Client {
            let page = try Client(port)
            page.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(page.read(until: "\"past\"").contains("event: past"))
            return page
        }
        let first = try open()
        var second: Client? = try open()
        let refused = try request(port, "GET", "/events")
        #expect(refused.status == 503 && refused.body.hasPrefix("503: as many pages"))
        #expect(try request(port, "GET", "/livez").status == 200)
        second?.leave()
        second = nil
        // Seen at the next look.
        let began = ContinuousClock.now
        var status = 503
        while status == 503, began.duration(to: .now) < .seconds(60) {
            let page = try Client(port)
            page.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            status = try parts(page.read(until: "\r\n\r\n")).status
        }
        #expect(status == 200)
        withExtendedLifetime(first) {}
    }

    @Test func `a page that takes nothing is dropped, and delays nobody`() throws {
        var limits = AdminLimits()
        limits.lookInterval = .milliseconds(10)
        limits.eventsWaitingMax = 4
        let log = Log()
        var source = source(log: log)
        // More than the sockets' buffers hold.
        source.live.past = { Array(repeating: 0x20, count: 64 << 20) }
        let server = try start(source, limits: limits)
        defer { server.stop() }
        let slow = try Client(server.address.port)
        slow.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(slow.read(until: "event: past").contains("200"))
        let (looks, began) = (log.all.count, ContinuousClock.now)
        while log.all.count < looks + 10, began.duration(to: .now) < .seconds(60) {
            #expect(try request(server.address.port, "GET", "/livez").status == 200)
        }
        // The rest of what was in the buffers, and then the end, long before the past was told.
        let rest = try #require(slow.readToEnd())
        #expect(rest.utf8.count < 64 << 20)
    }

    @Test func `a stop ends pages as it should, and waits for none`() throws {
        let server = try start()
        let page = try Client(server.address.port)
        page.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = page.read(until: "\"past\":1}\n\n")
        let began = ContinuousClock.now
        server.stop()
        #expect(began.duration(to: .now) < .seconds(20))
        // The last chunk: the browser hears an end, not a broken connection.
        #expect(try #require(page.readToEnd()).hasSuffix("0\r\n\r\n"))
    }

    @Test func `the process is looked at while nobody looks`() throws {
        let log = Log()
        var limits = AdminLimits()
        limits.lookInterval = .milliseconds(10)
        let server = try start(source(log: log), limits: limits)
        defer { server.stop() }
        let began = ContinuousClock.now
        while log.all.count < 3, began.duration(to: .now) < .seconds(60) {
            _ = try request(server.address.port, "GET", "/livez")
        }
        #expect(log.all.count >= 3)
    }

    #if os(Linux)
        @Test func `its thread gives way to the others, and may be interrupted`() throws {
            let seen = Locked<(niceness: Int32, account: String)>((0, ""))
            var source = source()
            source.liveness = {
                let niceness = getpriority(Int32(PRIO_PROCESS.rawValue), 0)
                seen.withLock { $0 = (niceness, text(of: "/proc/thread-self/sched")) }
                return true
            }
            let server = try start(source)
            defer { server.stop() }
            #expect(try request(server.address.port, "GET", "/livez").status == 200)
            let (niceness, account) = seen.withLock { $0 }
            #expect(niceness >= 10)
            // A kernel from 6.12 on keeps the slice that a thread asks for; not every one tells.
            let slice = account.split(separator: "\n").first { $0.hasPrefix("se.slice ") }
            if let slice, try !kernel().lexicographicallyPrecedes([6, 12]) {
                #expect(slice.hasSuffix(" 100000000"), "\(slice)")
            }
        }

        private func kernel() throws -> [Int] {
            let release = text(of: "/proc/sys/kernel/osrelease").split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
            return try #require(release.count == 2 ? release : nil)
        }
    #endif

    @Test func `a stop closes what is open, and the port is free at once`() throws {
        let server = try start()
        let port = server.address.port
        let open = try Client(port)
        open.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = open.read(until: "live\n")
        let began = ContinuousClock.now
        server.stop()
        server.stop()
        // The half minute of patience with an open connection is not waited for.
        #expect(began.duration(to: .now) < .seconds(20))
        #expect(open.readToEnd() == "")
        #expect(throws: (any Error).self) { try Client(port) }
        let again = try start(listen: "127.0.0.1:\(port)")
        #expect(try request(port, "GET", "/livez").status == 200)
        again.stop()
    }

    @Test func `a server that is let go stops by itself`() throws {
        var server: AdminServer? = try start()
        let port = try #require(server?.address.port)
        server = nil
        #expect(throws: (any Error).self) { try Client(port) }
    }

    @Test func `an address in use is refused with what to do`() throws {
        let first = try start()
        defer { first.stop() }
        #expect { try start(listen: first.address.description) } throws: {
            "\($0)"
                == "admin: can't listen on \(first.address): address in use (EADDRINUSE); set admin.listen or stop what holds it"
        }
    }

    @Test func `an address of another host is refused with what to do`() {
        #expect { try start(listen: "192.0.2.1:1") } throws: {
            "\($0)"
                == "admin: can't listen on 192.0.2.1:1: this host has no such address (EADDRNOTAVAIL); set admin.listen to one that it has"
        }
    }

    @Test func `off starts nothing`() throws {
        var configuration = AdminConfiguration()
        configuration.listen = nil
        #expect(try AdminServer.start(configuration, source: source()) == nil)
    }

    @Test func `many clients at once are all answered`() async throws {
        let server = try start()
        defer { server.stop() }
        let port = server.address.port
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<40 { group.addTask { try request(port, "GET", "/metrics").status } }
            for try await status in group { #expect(status == 200) }
        }
    }
}
