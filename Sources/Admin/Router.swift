// From a whole HTTP request to its answer; knows no socket and no library.

internal import Metrics
internal import Primitives

/// A request as far as its answer depends on it.
struct AdminRequest: Equatable {
    var method: String
    /// Without the query.
    var path: String
    var body: [UInt8] = []
    /// Whether the peer is on this machine.
    var isLocal = true
    /// The `Origin` and `Host` headers.
    var origin: String?
    var host: String?
    /// The `Accept` and `Sec-Fetch-Site` headers.
    var accept: String?
    var site: String?
}

/// What becomes of a request.
enum Route: Equatable {
    case response(AdminResponse)
    /// The live page's stream of events begins.
    case stream
}

struct Router: Sendable {
    /// The largest body of a POST, in bytes.
    static let bodyMax = 4096

    let source: AdminSource
    private let metrics = Locked(ExpositionWriter())

    init(source: AdminSource) { self.source = source }

    private static let pages =
        ["/", "/livez", "/readyz", "/metrics", "/status", "/events", "/dashboard"] + Page.parts.map(\.path)

    static let streamHeaders = AdminResponse(contentType: "text/event-stream; charset=utf-8", body: []).headers

    /// `isFull` says that there are as many open pages as there may be.
    func route(_ request: AdminRequest, isFull: Bool) -> Route {
        guard request.path == "/events", request.method == "GET" else { return .response(response(to: request)) }
        // Else a page from elsewhere could take all the places.
        if isForeign(request) {
            return .response(.text("403: /events does not answer to pages from elsewhere", status: 403))
        }
        if isFull {
            return .response(
                .text("503: as many pages are open as there may be at once; close one, or try again", status: 503))
        }
        return .stream
    }

    /// The answer to everything but a GET of /events.
    func response(to request: AdminRequest) -> AdminResponse {
        if source.controlPaths.contains(request.path) { return control(request) }
        guard Self.pages.contains(request.path) else {
            return .text("404: there is no \(printable(request.path)) here; / lists what there is", status: 404)
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            return notAllowed(request, allow: "GET, HEAD")
        }
        switch request.path {
        case "/livez": return livez()
        case "/readyz": return readyz()
        case "/metrics":
            let families = source.metrics()
            return AdminResponse(contentType: expositionContentType, body: metrics.withLock { $0.text(of: families) })
        case "/status": return .json(source.status())
        case "/events": return AdminResponse(contentType: "text/event-stream; charset=utf-8", body: [])
        case "/dashboard": return Page.document
        case "/": return request.accept?.contains("text/html") == true ? Page.document : .text(index)
        default: return Page.parts.first { $0.path == request.path }?.response ?? .text(index)
        }
    }

    /// Whether a browser asks on behalf of a page that is not this server's.
    ///
    /// What the page's own address is, is only known where it is a number or `localhost`: somebody's name may lead to
    /// this machine as well (DNS rebinding), and would then be both origin and host.
    private func isForeign(_ request: AdminRequest) -> Bool {
        if let site = request.site, site != "same-origin", site != "none" { return true }
        guard let origin = request.origin else { return false }
        guard let host = request.host, origin == "http://\(host)" else { return true }
        let name = host.last == "]" ? host[...] : host[..<(host.lastIndex(of: ":") ?? host.endIndex)]
        return name != "localhost" && ListenAddress("\(name):0") == nil
    }

    static var tooLarge: AdminResponse { .text("413: a body has at most \(bodyMax) bytes here", status: 413) }

    /// Control changes what the process does: only from this machine, and from no web page of somebody else's.
    private func control(_ request: AdminRequest) -> AdminResponse {
        guard request.method == "POST" else { return notAllowed(request, allow: "POST") }
        guard request.isLocal else {
            return .text(
                "403: \(request.path) answers only to this machine; run the command beside Hearth", status: 403)
        }
        if isForeign(request) {
            return .text("403: \(request.path) does not answer to pages from elsewhere", status: 403)
        }
        guard request.body.count <= Self.bodyMax else { return Self.tooLarge }
        return source.control(request.path, request.body)
    }

    private func notAllowed(_ request: AdminRequest, allow: String) -> AdminResponse {
        var response = AdminResponse.text(
            "405: \(request.path) takes \(allow), not \(printable(request.method))", status: 405)
        response.allow = allow
        return response
    }

    private func livez() -> AdminResponse {
        source.liveness() ? .text("live") : .text("not live", status: 503)
    }

    private func readyz() -> AdminResponse {
        let readiness = source.readiness()
        var json = JSONWriter()
        json.object {
            $0.member("status", readiness.status)
            $0.array("components") {
                for component in readiness.components {
                    $0.object {
                        $0.member("name", component.name)
                        $0.member("state", component.state.rawValue)
                        $0.member("text", component.text)
                    }
                }
            }
        }
        return .json(json.bytes, status: readiness.isReady ? 200 : 503)
    }

    private var index: String {
        """
        Hearth

        GET  /dashboard  what happens, as a page; a browser gets it from / too
        GET  /livez      the process
        GET  /readyz     whether the socket answers, and how each part is (JSON)
        GET  /metrics    Prometheus text
        GET  /status     what `hearth status` shows (JSON)
        GET  /events     what the page is told (server-sent events)

        """ + source.controlPaths.map { "POST \($0)" }.joined(separator: "\n")
    }
}

/// What a peer sent, in an answer: printable ASCII, at most 80 characters.
private func printable(_ text: String) -> String {
    String(decoding: text.utf8.prefix(80).map { (0x21...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
}
