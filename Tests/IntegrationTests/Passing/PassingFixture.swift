// A Hearth before a Redis of its own, as the tests of passed-through commands need it.

import Synchronization
import TestSupport

struct PassingFixture {
    let redis: RedisServer
    let hearth: HearthProcess
    private let workers: Int

    /// Copies stay fresh for ever unless they are invalidated, so that what a test sees is not the clock's doing; and
    /// Redis tells of no changes, so that it is not Redis's either.
    init(
        timeout: String = "10s", limits: String = "", allow: String = "", breaker: String = "slow_call: 60s",
        workers: Int = 1, drain: String = "5s"
    ) throws {
        self.workers = workers
        redis = try RedisServer()
        hearth = try HearthProcess(
            redis: redis.url, redisOptions: "timeout: \(timeout), soft_timeout: 20ms",
            extra: """
                policies: [{prefix: "", consistency: eventual, negative_ttl: 1h, tracking: {mode: off}}]
                breaker: {\(breaker)}
                limits: {\(limits.isEmpty ? "max_clients: 1024" : limits)}
                commands: {allow: [\(allow)]}
                workers: \(workers)
                drain: \(drain)
                """)
        try hearth.waitUntilClosed()
    }

    func client(resp3: Bool = false) throws -> RESPClient {
        let client = try hearth.client()
        if resp3 { _ = try client.call("HELLO", "3") }
        return client
    }

    func status(_ name: String) throws -> Int64 {
        try hearth.client().call("HEARTH", "STATUS").fields[name]?.integer ?? -1
    }

    /// Waits until so many clients have a connection to Redis for themselves.
    func waitForPins(_ count: Int64) throws {
        try eventually("\(count) pins are in use") { try status("pinned_connections") == count }
    }

    /// How many connections Redis has, that of the asker aside.
    func connections() throws -> Int {
        let text = try redis.client().call("INFO", "clients").text
        let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("connected_clients:") }
        return (line.flatMap { Int($0.dropFirst(18)) } ?? 0) - 1
    }

    /// How many connections Redis has when every worker has its own, and nobody asks for anything.
    func connectionsAtRest() throws -> Int {
        var count = 0
        try eventually("\(workers) workers are connected") {
            count = try connections()
            return count >= workers
        }
        return count
    }

    /// Waits until so many clients are blocked in Redis.
    func waitForBlocked(_ count: Int) throws {
        try eventually("\(count) clients are blocked in Redis") {
            try redis.client().call("INFO", "clients").text.split(whereSeparator: \.isNewline)
                .contains("blocked_clients:\(count)")
        }
    }
}

/// What went wrong on other threads.
final class Failures: Sendable {
    private let texts = Mutex<[String]>([])

    func note(_ text: String) { texts.withLock { $0.append(text) } }
    var all: [String] { texts.withLock { $0 } }
}
