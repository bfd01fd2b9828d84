// A real redis-server for one test: on a Unix socket alone, nothing on disk that stays.
//
// A port that was free when it was looked for may be taken when the server starts, or starts again: whoever needs TCP
// puts a `ScriptedRedis` before it.

/// A redis-server; it can be killed, stopped and started again at the same address.
public final class RedisServer: @unchecked Sendable {
    public let directory: TemporaryDirectory
    public let socketPath: String
    private let arguments: [String]
    public private(set) var process: ChildProcess

    public var address: ServerAddress { .unix(socketPath) }
    public var url: String { "unix://\(socketPath)" }

    public init(_ extra: [String] = []) throws {
        directory = try TemporaryDirectory()
        socketPath = directory.file("redis.sock")
        arguments =
            [
                "--port", "0", "--unixsocket", socketPath, "--dir", directory.path,
                "--save",
                "", "--appendonly", "no", "--daemonize", "no", "--enable-debug-command", "yes",
            ] + extra
        process = try Self.start(arguments, directory)
        try waitUntilReady()
    }

    private static func start(_ arguments: [String], _ directory: TemporaryDirectory) throws -> ChildProcess {
        guard let path = program("redis-server") else {
            throw TestError("redis-server is not installed: apt-get install redis-server, or brew install redis")
        }
        return try ChildProcess(path, arguments, output: directory.file("redis.log"))
    }

    private func waitUntilReady() throws {
        try eventually("redis-server answers; its log: \(process.output.suffix(800))") {
            (try? RESPClient(address).call("PING"))?.isError == false
        }
    }

    /// Starts it again after it was killed; empty unless `extra` or its directory gives it data.
    public func restart(_ extra: [String] = [], waiting: Bool = true) throws {
        process.end()
        process = try Self.start(arguments + extra, directory)
        if waiting { try waitUntilReady() }
    }

    public func kill() {
        process.signal(.kill)
        _ = try? process.wait()
    }

    public func client() throws -> RESPClient { try RESPClient(address) }

    /// How often Redis carried a command out since it started.
    public func calls(of command: String) throws -> Int {
        let text = try client().call("INFO", "commandstats").text
        guard
            let line = text.split(whereSeparator: \.isNewline).first(where: {
                $0.hasPrefix("cmdstat_\(command):calls=")
            })
        else { return 0 }
        return Int(line.split(separator: "=")[1].prefix { $0.isNumber }) ?? 0
    }

    deinit { process.end() }
}
