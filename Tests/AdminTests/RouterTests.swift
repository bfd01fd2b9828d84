// Which request gets which answer, without a socket.

import Testing

@testable import Admin

@Suite struct RouterTests {
    private func answer(_ method: String, _ path: String, _ change: (inout AdminRequest) -> Void = { _ in })
        -> AdminResponse
    {
        var request = AdminRequest(method: method, path: path)
        change(&request)
        return Router(source: source()).response(to: request)
    }

    private func text(_ response: AdminResponse) -> String { String(decoding: response.body, as: UTF8.self) }

    @Test func `liveness is the process`() {
        #expect(answer("GET", "/livez").status == 200)
        let dead = Router(source: source(isLive: false)).response(to: AdminRequest(method: "GET", path: "/livez"))
        #expect(dead.status == 503)
    }

    @Test func `Redis being down is told and fails nothing`() {
        let readiness = Readiness(
            isReady: true, components: [.init("redis", .failed, "connection \"refused\""), .init("warm", .ok)])
        let response = Router(source: source(readiness: readiness)).response(
            to: AdminRequest(method: "GET", path: "/readyz"))
        #expect(response.status == 200)
        #expect(
            text(response)
                == #"{"status":"degraded","components":[{"name":"redis","state":"failed","text":"connection \"refused\""},{"name":"warm","state":"ok","text":""}]}"#
        )
    }

    @Test func `a socket that does not answer is not ready`() {
        let readiness = Readiness(isReady: false, components: [])
        let response = Router(source: source(readiness: readiness)).response(
            to: AdminRequest(method: "GET", path: "/readyz"))
        #expect(response.status == 503 && text(response) == #"{"status":"not ready","components":[]}"#)
    }

    @Test func `metrics are Prometheus text`() {
        let response = answer("GET", "/metrics")
        #expect(response.contentType == "text/plain; version=0.0.4; charset=utf-8")
        #expect(text(response).hasSuffix("\nhearth_up 1\n"))
    }

    @Test func `an unknown path is 404, and what it says of it is printable`() {
        let response = answer("GET", "/a\u{1b}[31mb")
        #expect(response.status == 404 && text(response).hasPrefix("404: there is no /a?[31mb here"))
    }

    @Test(arguments: [
        ("POST", "/metrics", "GET, HEAD"), ("DELETE", "/", "GET, HEAD"), ("GET", "/breaker/open", "POST"),
    ])
    func `a wrong method is 405 with what is allowed`(method: String, path: String, allow: String) {
        let response = answer(method, path)
        #expect(response.status == 405 && response.allow == allow)
    }

    @Test func `control answers to this machine and to no foreign page`() {
        #expect(answer("POST", "/breaker/open").status == 200)
        #expect(answer("POST", "/breaker/open") { $0.isLocal = false }.status == 403)
        #expect(
            answer("POST", "/breaker/open") {
                $0.origin = "http://evil"
                $0.host = "h:1"
            }.status == 403)
        #expect(
            answer("POST", "/breaker/open") {
                $0.origin = "http://127.0.0.1:1"
                $0.host = "127.0.0.1:1"
            }.status == 200)
        #expect(answer("POST", "/breaker/open") { $0.body = Array(repeating: 0, count: 4097) }.status == 413)
    }
}

@Suite struct PageRoutingTests {
    private func route(_ path: String, isFull: Bool = false, _ change: (inout AdminRequest) -> Void = { _ in }) -> Route
    {
        var request = AdminRequest(method: "GET", path: path)
        change(&request)
        return Router(source: source()).route(request, isFull: isFull)
    }

    private func status(_ route: Route) -> Int {
        if case .response(let response) = route { response.status } else { 0 }
    }

    @Test func `a browser gets the page from the root, others the list of what there is`() {
        let router = Router(source: source())
        let browser = router.response(to: AdminRequest(method: "GET", path: "/", accept: "text/html,*/*;q=0.8"))
        #expect(browser.contentType == "text/html; charset=utf-8")
        #expect(browser == router.response(to: AdminRequest(method: "GET", path: "/dashboard")))
        let curl = router.response(to: AdminRequest(method: "GET", path: "/", accept: "*/*"))
        #expect(curl.contentType == "text/plain; charset=utf-8")
    }

    @Test func `the page may load nothing from elsewhere and run nothing inline`() throws {
        let page = Router(source: source()).response(to: AdminRequest(method: "GET", path: "/dashboard"))
        let policy = try #require(page.contentPolicy)
        #expect(policy.hasPrefix("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"))
        let text = String(decoding: page.body, as: UTF8.self)
        #expect(!text.contains("http://") && !text.contains("https://") && !text.contains("style="))
        for part in Page.parts {
            #expect(text.contains("\"\(part.path.dropFirst())\"") && status(route(part.path)) == 200)
        }
    }

    @Test func `events are a stream while there is a place, to this server's own page`() {
        #expect(route("/events") == .stream)
        #expect(status(route("/events", isFull: true)) == 503)
        #expect(status(route("/events") { $0.method = "HEAD" }) == 200)
        #expect(status(route("/events") { $0.method = "POST" }) == 405)
        #expect(route("/events") { $0.site = "same-origin" } == .stream)
        #expect(status(route("/events") { $0.site = "cross-site" }) == 403)
        #expect(
            status(
                route("/events") {
                    $0.origin = "http://evil"
                    $0.host = "127.0.0.1:7381"
                }) == 403)
    }

    @Test(arguments: [
        ("127.0.0.1:7381", true), ("[::1]:7381", true), ("[::1]", true), ("localhost:7381", true), ("localhost", true),
        ("10.0.0.1:80", true), ("evil.example:7381", false), ("127.0.0.1.evil.example:7381", false), ("", false),
    ])
    func `a name that somebody made lead to this machine is not its own`(host: String, isOwn: Bool) {
        var request = AdminRequest(method: "POST", path: "/breaker/open")
        (request.host, request.origin) = (host, "http://\(host)")
        #expect((Router(source: source()).response(to: request).status == 200) == isOwn)
    }

    @Test func `a request that a browser makes for another site controls nothing`() {
        let request = AdminRequest(method: "POST", path: "/breaker/open", site: "same-site")
        #expect(Router(source: source()).response(to: request).status == 403)
    }
}

@Suite struct EventStreamsTests {
    private func take(_ streams: inout EventStreams<Int>, _ id: Int, _ room: Int = 1000) -> String? {
        withUnsafeTemporaryAllocation(byteCount: room, alignment: 1) { buffer in
            guard case .bytes(let count) = streams.next(for: id, into: buffer) else { return nil }
            return String(decoding: buffer[..<count], as: UTF8.self)
        }
    }

    private func next(_ streams: inout EventStreams<Int>, _ id: Int) -> EventStreams<Int>.Next {
        withUnsafeTemporaryAllocation(byteCount: 1000, alignment: 1) { streams.next(for: id, into: $0) }
    }

    @Test func `a page is told the past, then what happens, then waits`() {
        var streams = EventStreams<Int>(countMax: 2, waitingMax: 3)
        streams.open(1, past: Array("[]".utf8))
        #expect(streams.tell(EventStreams<Int>.event("news", Array("{}".utf8))) == [])
        #expect(take(&streams, 1) == "retry: 1000\nevent: past\ndata: []\n\n")
        #expect(take(&streams, 1) == "event: news\ndata: {}\n\n")
        #expect(next(&streams, 1) == .wait)
    }

    @Test func `an event is sent in as many parts as there is room for`() {
        var streams = EventStreams<Int>(countMax: 1, waitingMax: 3)
        streams.open(1, past: [])
        var text = ""
        while let part = take(&streams, 1, 5) { text += part }
        #expect(text == "retry: 1000\nevent: past\ndata: \n\n")
    }

    @Test func `there is no place beyond the maximum, until one leaves`() {
        var streams = EventStreams<Int>(countMax: 2, waitingMax: 3)
        streams.open(1, past: [])
        #expect(!streams.isFull)
        streams.open(2, past: [])
        #expect(streams.isFull)
        streams.close(1)
        #expect(!streams.isFull)
    }

    @Test func `who takes nothing is dropped at the maximum, and nobody else`() {
        var streams = EventStreams<Int>(countMax: 2, waitingMax: 3)
        streams.open(1, past: [])
        streams.open(2, past: [])
        var dropped: [[Int]] = []
        for _ in 0..<4 {
            while take(&streams, 2) != nil {}
            dropped.append(streams.tell([0]))
        }
        #expect(dropped == [[], [], [1], []])
        #expect(next(&streams, 1) == .end)
    }

    @Test func `an end is told after what waits, and nobody comes any more`() {
        var streams = EventStreams<Int>(countMax: 2, waitingMax: 3)
        streams.open(1, past: [])
        streams.end()
        #expect(streams.isFull)
        #expect(take(&streams, 1) != nil)
        #expect(next(&streams, 1) == .end)
    }
}

@Suite struct ConnectionsTests {
    private let start = ContinuousClock.now

    @Test func `one too many takes the place of the one that has waited longest`() {
        var connections = Connections<Int>(max: 2, patience: .seconds(30))
        #expect(connections.opened(1, at: start) == nil)
        #expect(connections.opened(2, at: start + .seconds(1)) == nil)
        connections.answered(1, at: start + .seconds(2))
        #expect(connections.opened(3, at: start + .seconds(3)) == 2)
        connections.closed(2)
        #expect(connections.opened(4, at: start + .seconds(4)) == 1)
    }

    @Test func `a connection without a request is overdue once, one that was answered later`() {
        var connections = Connections<Int>(max: 4, patience: .seconds(30))
        _ = connections.opened(1, at: start)
        _ = connections.opened(2, at: start)
        connections.answered(2, at: start + .seconds(10))
        #expect(connections.overdue(at: start + .seconds(31)) == [1])
        #expect(connections.overdue(at: start + .seconds(32)) == [])
        #expect(connections.overdue(at: start + .seconds(41)) == [2])
        #expect(connections.isEmpty)
    }
}

@Suite struct ListenAddressTests {
    @Test(arguments: ["127.0.0.1:7381", "0.0.0.0:0", "[::1]:65535", "[::]:1"])
    func `an address reads and prints`(text: String) throws {
        #expect(try #require(ListenAddress(text)).description == text)
    }

    @Test(arguments: [
        "", ":1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:1", "[::1]", "[::1:1", "localhost:1", "1.2.3:4",
        "127.0.0.1:+1", "[127.0.0.1]:1",
    ])
    func `what is no numeric address and port is refused`(text: String) {
        #expect(ListenAddress(text) == nil)
    }
}
