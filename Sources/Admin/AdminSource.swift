// What the admin server asks of the rest of the process: values, never references into it.

public import Metrics

/// Whether the process answers its socket, and how its parts are.
public struct Readiness: Sendable, Equatable {
    /// A part of the process, as `redis` or `warm`.
    public struct Component: Sendable, Equatable {
        public enum State: String, Sendable {
            case ok
            /// It works, with less than it should have; requests are still answered.
            case degraded
            case failed
        }

        public let name: String
        public let state: State
        /// One sentence for a person.
        public let text: String

        public init(_ name: String, _ state: State, _ text: String = "") {
            self.name = name
            self.state = state
            self.text = text
        }
    }

    /// Whether the socket is open and answers. Redis being down does not change it.
    public let isReady: Bool
    public let components: [Component]

    public init(isReady: Bool, components: [Component]) {
        self.isReady = isReady
        self.components = components
    }

    /// `ready`, `degraded` where a component isn't ok, or `not ready`.
    public var status: String {
        if !isReady { return "not ready" }
        return components.allSatisfy { $0.state == .ok } ? "ready" : "degraded"
    }
}

/// An answer of the admin server.
public struct AdminResponse: Sendable, Equatable {
    /// The HTTP status, as 200.
    public var status: Int
    public var contentType: String
    public var body: [UInt8]
    /// The `Allow` header of a 405.
    var allow: String?
    /// The `Content-Security-Policy` header of a page.
    var contentPolicy: String?

    public init(status: Int = 200, contentType: String, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    /// All headers but those that the server adds by itself.
    var headers: [(String, String)] {
        var headers = [
            ("Content-Type", contentType), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Resource-Policy", "same-origin"),
        ]
        if let allow { headers.append(("Allow", allow)) }
        if let contentPolicy { headers.append(("Content-Security-Policy", contentPolicy)) }
        return headers
    }

    /// A line of text; a line break is added.
    public static func text(_ text: String, status: Int = 200) -> AdminResponse {
        AdminResponse(status: status, contentType: "text/plain; charset=utf-8", body: Array("\(text)\n".utf8))
    }

    /// A JSON document.
    public static func json(_ body: [UInt8], status: Int = 200) -> AdminResponse {
        AdminResponse(status: status, contentType: "application/json", body: body)
    }
}

/// What the live page is told. Every closure is called on the admin thread, and returns JSON without line breaks.
public struct LiveSource: Sendable {
    /// Looks at the process; called once a second, whether or not a page is open.
    public var look: @Sendable () -> Void
    /// What the last look brought.
    public var news: @Sendable () -> [UInt8]
    /// Everything that is kept, with which a page begins.
    public var past: @Sendable () -> [UInt8]

    public init(
        look: @escaping @Sendable () -> Void, news: @escaping @Sendable () -> [UInt8],
        past: @escaping @Sendable () -> [UInt8]
    ) {
        self.look = look
        self.news = news
        self.past = past
    }
}

/// The process as the admin server sees it. Every closure is called on the admin thread and may block only that.
public struct AdminSource: Sendable {
    /// Whether the process still works at all; false asks whoever supervises it for a restart.
    public var liveness: @Sendable () -> Bool
    public var readiness: @Sendable () -> Readiness
    /// Families with distinct names.
    public var metrics: @Sendable () -> [MetricFamily]
    /// The document that `hearth status` reads: JSON.
    public var status: @Sendable () -> [UInt8]
    /// Paths that ``control`` answers; POST only, and only from this machine.
    public var controlPaths: [String] = ["/breaker/open", "/breaker/close", "/breaker/auto"]
    /// Does what a POST to one of ``controlPaths`` asks; the body has at most 4 KiB.
    public var control: @Sendable (_ path: String, _ body: [UInt8]) -> AdminResponse
    /// What the live page shows.
    public var live: LiveSource
    /// Told once of a failure of the server itself, in one line; the rest of the process is unharmed.
    public var failed: @Sendable (_ text: String) -> Void

    public init(
        liveness: @escaping @Sendable () -> Bool, readiness: @escaping @Sendable () -> Readiness,
        metrics: @escaping @Sendable () -> [MetricFamily], status: @escaping @Sendable () -> [UInt8],
        control: @escaping @Sendable (_ path: String, _ body: [UInt8]) -> AdminResponse,
        live: LiveSource,
        failed: @escaping @Sendable (_ text: String) -> Void
    ) {
        self.liveness = liveness
        self.readiness = readiness
        self.metrics = metrics
        self.status = status
        self.control = control
        self.live = live
        self.failed = failed
    }
}
