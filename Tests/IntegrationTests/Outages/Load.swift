// Clients that ask all the time, check every reply against what it may be, and note how long each took.
//
// Every value is "<key>|<sequence number>|<padding>", so that a reply that belongs to another request is seen at once,
// whatever it belongs to.

import Synchronization
import TestSupport

/// What a request was for; the policies of the outage tests have these prefixes.
enum Kind: String, CaseIterable, Sendable {
    /// Read all the time and fresh for long: local hits.
    case hot
    /// Held locally and never fresh for long: Redis is asked, and a stale copy is at hand.
    case aged
    /// Never asked before: nobody but Redis holds it.
    case cold
    /// As cold, with a default context.
    case context = "ctx"
    case strict
    case strong
    /// A SET of a key of this client's own.
    case write
    case increment
    /// Eight reads in one pipeline.
    case pipeline
}

struct Sample: Sendable {
    var client: Int
    var kind: Kind
    var at: Double
    var took: Double
    var answer: Answer

    /// When its answer was there.
    var end: Double { at + took }

    enum Answer: String, Sendable { case value, null, context, unavailable, otherError }
}

/// What a writer knows of its own key.
struct WriteHistory: Sendable {
    var attempted = 0
    var acknowledged = 0
    var notSent: Set<Int> = []
    var unknown: Set<Int> = []
    /// Increments: how many were acknowledged, and how many may have been done.
    var incremented = 0
    var incrementsUnknown = 0
}

/// Several clients, each on its own thread and connection.
final class Load: Sendable {
    struct State {
        var samples: [Sample] = []
        var violations: [String] = []
        var errors: [String: Int] = [:]
    }

    let address: ServerAddress
    let clients: Int
    private let state = Mutex(State())
    private let written: Mutex<[WriteHistory]>
    private let isStopping = Mutex(false)
    private let threads = Mutex<[TestThread]>([])
    static let hotKeys = 8
    static let coldKeys = 20_000

    static func value(_ key: String, _ sequence: Int) -> String {
        "\(key)|\(sequence)|" + String(repeating: "p", count: (sequence &* 31 &+ key.utf8.count) % 200)
    }

    /// Fills the Redis behind with what the clients will read.
    static func prepare(_ redis: RedisServer, clients: Int) throws {
        let client = try redis.client()
        var requests: [[String]] = []
        for client in 0..<clients {
            for key in 0..<hotKeys {
                for kind in [Kind.hot, .aged, .strict, .strong] {
                    requests.append([
                        "SET", "\(kind.rawValue):\(client):\(key)", value("\(kind.rawValue):\(client):\(key)", 0),
                    ])
                }
            }
        }
        for key in 0..<coldKeys { requests.append(["SET", "cold:\(key)", value("cold:\(key)", 0)]) }
        for start in stride(from: 0, to: requests.count, by: 2000) {
            _ = try client.pipeline(Array(requests[start..<min(start + 2000, requests.count)]))
        }
    }

    /// Reads through Hearth what the clients are to have copies of, however little they come to before an outage.
    static func warm(_ address: ServerAddress, clients: Int) throws {
        let client = try RESPClient(address)
        for index in 0..<clients {
            let keys = (0..<hotKeys).flatMap { ["hot:\(index):\($0)", "aged:\(index):\($0)"] }
            for (key, reply) in zip(keys, try client.pipeline(keys.map { ["GET", $0] })) {
                guard reply.text == value(key, 0) else { throw TestError("\(key) is not held: \(reply)") }
            }
        }
    }

    /// Redis begins anew in between: counters begin anew too.
    private let losesData: Bool

    init(_ address: ServerAddress, clients: Int, losesData: Bool = false) {
        self.losesData = losesData
        self.address = address
        self.clients = clients
        written = Mutex(Array(repeating: WriteHistory(), count: clients))
    }

    func start() {
        let started = (0..<clients).map { index in TestThread { [self] in run(index) } }
        threads.withLock { $0 = started }
    }

    func stop() {
        isStopping.withLock { $0 = true }
        for thread in threads.withLock({ $0 }) { thread.join() }
    }

    var violations: [String] { state.withLock { $0.violations } }
    var errors: [String: Int] { state.withLock { $0.errors } }
    func samples(from: Double, to: Double) -> [Sample] {
        state.withLock { $0.samples.filter { $0.at >= from && $0.at < to } }
    }
    /// Waits until each client has done every kind of request from `start` to its answer, so many times.
    func waitForRounds(_ rounds: Int, from start: Double) throws {
        try eventually("each client asks for everything \(rounds) times", every: 20) {
            var done: [[Kind: Int]] = Array(repeating: [:], count: clients)
            for sample in samples(from: start, to: .infinity) { done[sample.client][sample.kind, default: 0] += 1 }
            // A client that has met an impossible reply may have ended.
            return !violations.isEmpty
                || done.allSatisfy { done in Kind.allCases.allSatisfy { done[$0, default: 0] >= rounds } }
        }
    }

    func histories() -> [WriteHistory] { written.withLock { $0 } }

    private func violate(_ text: String) { state.withLock { $0.violations.append(text) } }

    private func run(_ index: Int) {
        var random = SeededGenerator(seed: UInt64(index) &+ 17)
        var history = WriteHistory()
        do {
            let client = try RESPClient(address)
            var turn = 0
            while !isStopping.withLock({ $0 }) {
                turn += 1
                let kind = Kind.allCases[turn % Kind.allCases.count]
                let start = milliseconds()
                let answers = try perform(kind, client, index, &random, &history)
                let took = milliseconds() - start
                let sample = Sample(client: index, kind: kind, at: start, took: took, answer: answers)
                state.withLock { $0.samples.append(sample) }
                pause(1)
            }
        } catch {
            violate("client \(index): \(error)")
        }
        written.withLock { $0[index] = history }
    }

    // MARK: Requests

    private func perform(
        _ kind: Kind, _ client: RESPClient, _ index: Int, _ random: inout SeededGenerator, _ history: inout WriteHistory
    ) throws -> Sample.Answer {
        let number = Int.random(in: 0..<Self.hotKeys, using: &random)
        switch kind {
        case .hot, .aged, .strict, .strong:
            let key = "\(kind.rawValue):\(index):\(number)"
            return check(try client.call("GET", key), key, kind)
        case .cold:
            let key = "cold:\(Int.random(in: 0..<Self.coldKeys, using: &random))"
            return check(try client.call("GET", key), key, kind)
        case .context:
            let key = "ctx:\(Int.random(in: 0..<Self.coldKeys, using: &random))"
            return check(try client.call("GET", key), key, kind)
        case .pipeline:
            let keys = (0..<8).map { _ in
                switch Int.random(in: 0..<3, using: &random) {
                case 0: "hot:\(index):\(Int.random(in: 0..<Self.hotKeys, using: &random))"
                case 1: "aged:\(index):\(Int.random(in: 0..<Self.hotKeys, using: &random))"
                default: "cold:\(Int.random(in: 0..<Self.coldKeys, using: &random))"
                }
            }
            let replies = try client.pipeline(keys.map { ["GET", $0] })
            for (key, reply) in zip(keys, replies) { _ = check(reply, key, kind) }
            return .value
        case .write: return try write(client, index, &history)
        case .increment: return try increment(client, index, &history)
        }
    }

    private func check(_ reply: RESPValue, _ key: String, _ kind: Kind) -> Sample.Answer {
        switch reply {
        case .bulk(let bytes):
            let text = String(decoding: bytes, as: UTF8.self)
            if text == "default for \(key)" { return .context }
            let parts = text.split(separator: "|", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0] == key, let sequence = Int(parts[1]), text == Self.value(key, sequence)
            else {
                violate("GET \(key) was answered with \(text.prefix(80))")
                return .otherError
            }
            return .value
        case .null: return .null
        case .error(let text): return note(text, key)
        default:
            violate("GET \(key) was answered with \(reply)")
            return .otherError
        }
    }

    private func note(_ text: String, _ key: String) -> Sample.Answer {
        let short = text.prefix(60)
        state.withLock { $0.errors[String(short), default: 0] += 1 }
        if text.hasPrefix("UNAVAILABLE ") { return .unavailable }
        violate("\(key) was answered with -\(text)")
        return .otherError
    }

    private func write(_ client: RESPClient, _ index: Int, _ history: inout WriteHistory) throws -> Sample.Answer {
        let key = "own:\(index)"
        history.attempted += 1
        let sequence = history.attempted
        let reply = try client.call("SET", key, Self.value(key, sequence))
        switch reply {
        case .simple("OK"):
            history.acknowledged = sequence
            return .value
        case .error(let text):
            if text.hasPrefix("UNAVAILABLE not sent") || text.hasPrefix("UNAVAILABLE not done") {
                history.notSent.insert(sequence)
            } else if text.hasPrefix("UNAVAILABLE outcome unknown") {
                history.unknown.insert(sequence)
            } else {
                violate("SET \(key) was answered with -\(text)")
            }
            return note(text, key)
        default:
            violate("SET \(key) was answered with \(reply)")
            return .otherError
        }
    }

    private func increment(_ client: RESPClient, _ index: Int, _ history: inout WriteHistory) throws -> Sample.Answer {
        let reply = try client.call("INCR", "count:\(index)")
        switch reply {
        case .integer(let value):
            history.incremented += 1
            let most = history.incremented + history.incrementsUnknown
            if !losesData, !(Int64(history.incremented)...Int64(most)).contains(value) {
                violate("INCR count:\(index) gave \(value), and \(history.incremented)...\(most) is what may be")
            }
            return .value
        case .error(let text):
            if text.hasPrefix("UNAVAILABLE outcome unknown") { history.incrementsUnknown += 1 }
            return note(text, "count:\(index)")
        default:
            violate("INCR count:\(index) was answered with \(reply)")
            return .otherError
        }
    }
}

extension Array where Element == Sample {
    func of(_ kinds: Kind...) -> [Sample] { filter { kinds.contains($0.kind) } }

    func percentile(_ share: Double) -> Double {
        let sorted = map(\.took).sorted()
        return sorted.isEmpty ? 0 : sorted[Swift.min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }

    var slowest: Double { map(\.took).max() ?? 0 }
    func count(_ answer: Sample.Answer) -> Int { count { $0.answer == answer } }
}

/// Milliseconds with one decimal.
func short(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
