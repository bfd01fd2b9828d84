// From a whole HTTP request to its answer; knows no socket and no library.

internal import Metrics

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
}

struct Router: Sendable {
    /// The largest body of a POST, in bytes.
    static let bodyMax = 4096

    let source: AdminSource

    private static let pages = ["/", "/livez", "/readyz", "/metrics", "/status"]

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
        case "/metrics": return AdminResponse(contentType: expositionContentType, body: exposition(source.metrics()))
        case "/status": return .json(source.status())
        default: return .text(index)
        }
    }

    static var tooLarge: AdminResponse { .text("413: a body has at most \(bodyMax) bytes here", status: 413) }

    /// Control changes what the process does: only from this machine, and from no web page of somebody else's.
    private func control(_ request: AdminRequest) -> AdminResponse {
        guard request.method == "POST" else { return notAllowed(request, allow: "POST") }
        guard request.isLocal else {
            return .text(
                "403: \(request.path) answers only to this machine; run the command beside Hearth", status: 403)
        }
        if let origin = request.origin, origin != "http://\(request.host ?? "")" {
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

        GET  /livez    the process
        GET  /readyz   whether the socket answers, and how each part is (JSON)
        GET  /metrics  Prometheus text
        GET  /status   what `hearth status` shows (JSON)

        """ + source.controlPaths.map { "POST \($0)" }.joined(separator: "\n")
    }
}

/// What a peer sent, in an answer: printable ASCII, at most 80 characters.
private func printable(_ text: String) -> String {
    String(decoding: text.utf8.prefix(80).map { (0x21...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
}
