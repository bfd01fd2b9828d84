// The built hearth, serving on a socket of a test's own.

/// A running `hearth serve`.
public final class HearthProcess: @unchecked Sendable {
    public let directory: TemporaryDirectory
    public let socketPath: String
    public let configurationPath: String
    public private(set) var process: ChildProcess
    private let environment: [String: String]

    public var address: ServerAddress { .unix(socketPath) }

    /// Limits of time that no busy machine reaches: a test that is about them gives its own. With Hearth's defaults a
    /// Redis that the scheduler lets wait for a tenth of a second is an outage.
    public static let patient = "timeout: 10s, soft_timeout: 10s"

    /// What a test's configuration begins with: `extra` follows, and may hold further sections.
    ///
    /// Slow calls count only where a test says what is slow.
    public static func configuration(
        directory: TemporaryDirectory, redis: String, redisOptions: String = "", warm: String = "",
        journal: String = "", socket: String = "",
        extra: String = ""
    ) -> String {
        let breaker = redis == "off" || extra.contains("breaker:") ? "" : "breaker: {slow_call: 60s}\n"
        return """
            socket: {path: "\(directory.file("h.sock"))", mode: "0666"\(socket.isEmpty ? "" : ", \(socket)")}
            redis: {url: \(redis == "off" ? "off" : "\"\(redis)\"")\(redisOptions.isEmpty ? "" : ", \(redisOptions)")}
            warm: {path: "\(directory.file("warm"))", max_bytes: 256MiB\(warm.isEmpty ? "" : ", \(warm)")}
            journal: {path: "\(directory.file("journal"))"\(journal.isEmpty ? "" : ", \(journal)")}
            admin: {listen: off}
            \(breaker)\(extra)

            """
    }

    public init(
        redis: String = "off", redisOptions: String = HearthProcess.patient, warm: String = "", journal: String = "",
        socket: String = "", extra: String = "",
        directory: TemporaryDirectory? = nil, environment: [String: String] = [:], waiting: Bool = true
    ) throws {
        let directory = try directory ?? TemporaryDirectory()
        self.directory = directory
        self.environment = environment
        socketPath = directory.file("h.sock")
        configurationPath = try directory.write(
            "hearth.yaml",
            Self.configuration(
                directory: directory, redis: redis, redisOptions: redisOptions, warm: warm, journal: journal,
                socket: socket,
                extra: extra
            ))
        process = try Self.start(directory, configurationPath, environment)
        if waiting { try waitUntilReady() }
    }

    private static func start(
        _ directory: TemporaryDirectory, _ configuration: String, _ environment: [String: String]
    ) throws -> ChildProcess {
        try ChildProcess(
            try built("hearth"), ["serve", "--config", configuration], environment: environment,
            output: directory.file("hearth.log"))
    }

    public func waitUntilReady() throws {
        try eventually("hearth answers; its log: \(log.suffix(800))") {
            if let code = process.exitStatus { throw TestError("hearth ended with \(code): \(log.suffix(2000))") }
            return (try? RESPClient(address).call("PING")) != nil
        }
    }

    /// Waits until Redis is connected and the breaker closed.
    @discardableResult
    public func waitUntilClosed(within limit: Double = 30_000) throws -> Double {
        let client = try client()
        return try eventually("the breaker closes; log: \(log.suffix(1500))", within: limit) {
            try breaker(client) == ("closed", "closed")
        }
    }

    /// Waits until Redis itself has answered a read again: after its process was replaced, a breaker that is closed may
    /// only not have heard of it yet.
    public func waitUntilRedisAnswers() throws {
        let client = try client()
        try eventually("Redis answers; log: \(log.suffix(1500))") {
            try !client.call("STATE.GET", "waiting for Redis", "STRONG").isError
        }
        try waitUntilClosed()
    }

    /// The breaker's state for reads and for writes.
    public func breaker(_ client: RESPClient) throws -> (reads: String, writes: String) {
        let fields = try client.call("HEARTH", "BREAKER").fields
        return (fields["reads"]?.text ?? "", fields["writes"]?.text ?? "")
    }

    public var log: String { process.output }

    public func client() throws -> RESPClient { try RESPClient(address) }

    public func reconfigure(
        redis: String, redisOptions: String = HearthProcess.patient, warm: String = "", journal: String = "",
        socket: String = "", extra: String = ""
    ) throws {
        try writeFile(
            configurationPath,
            Self.configuration(
                directory: directory, redis: redis, redisOptions: redisOptions, warm: warm, journal: journal,
                socket: socket,
                extra: extra
            ))
    }

    /// Starts it again with the configuration as it is in its file now.
    public func restart(waiting: Bool = true) throws {
        process.end()
        process = try Self.start(directory, configurationPath, environment)
        if waiting { try waitUntilReady() }
    }

    deinit { process.end() }
}
