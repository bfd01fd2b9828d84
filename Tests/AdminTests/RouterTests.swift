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
                $0.origin = "http://h:1"
                $0.host = "h:1"
            }.status == 200)
        #expect(answer("POST", "/breaker/open") { $0.body = Array(repeating: 0, count: 4097) }.status == 413)
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
