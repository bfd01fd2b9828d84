// One command to two servers: Hearth, and a Redis that nothing else talks to; their replies, byte for byte.

import TestSupport

/// A reply of Hearth's that is not Redis's.
struct Difference: CustomStringConvertible {
    var command: String
    var way: String
    var redis: String
    var hearth: String
    var scenario: String

    var description: String { "\(command) (\(way)): Redis \(redis), Hearth \(hearth)" }
}

/// Hearth and what stands behind it, beside a Redis to compare it with.
final class SideBySide {
    enum Mode: String, CaseIterable, Sendable {
        /// Redis behind, and all tiers.
        case redis
        /// Redis behind, nothing held in local memory or on disk.
        case redisAlone
        /// No Redis: the warm tier is the authority.
        case embedded
    }

    let mode: Mode
    let oracle: RedisServer
    let behind: RedisServer?
    let hearth: HearthProcess

    init(_ mode: Mode, workers: Int = 1, allowing allowed: [String] = []) throws {
        self.mode = mode
        oracle = try RedisServer()
        behind = mode == .embedded ? nil : try RedisServer()
        let tiers = mode == .redisAlone ? ", tiers: [redis]" : ""
        hearth = try HearthProcess(
            redis: behind?.url ?? "off", redisOptions: "timeout: 5s, soft_timeout: 5s, deletions: 0",
            extra: """
                policies: [{prefix: ""\(tiers)}]
                breaker: {slow_call: 60s}
                workers: \(workers)
                commands: {allow: [\(allowed.map { "\"\($0)\"" }.joined(separator: ", "))]}
                """)
        if behind != nil { try hearth.waitUntilClosed() }
    }

    /// Replies that may differ by as much as time passed between the two.
    private static let tolerances: [String: Int64] = ["TTL": 2, "EXPIRETIME": 2, "PTTL": 2000, "PEXPIRETIME": 2000]

    /// Whether two replies to this command mean the same.
    static func agree(_ command: [[UInt8]], _ a: [UInt8], _ b: [UInt8]) -> Bool {
        if a == b { return true }
        let name = String(decoding: command.first ?? [], as: UTF8.self).uppercased()
        if name == "EXEC" { return agreeLineByLine(a, b) }
        guard let tolerance = tolerances[name], let x = integer(a), let y = integer(b), x >= 0, y >= 0 else {
            return false
        }
        return abs(x - y) <= tolerance
    }

    /// The replies of a transaction: remaining lives, the only large integers in it, may differ as far as time went on.
    private static func agreeLineByLine(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        let (a, b) = (a.split(separator: 10), b.split(separator: 10))
        return a.count == b.count
            && zip(a, b).allSatisfy { a, b in
                if a == b { return true }
                guard let x = integer(Array(a) + [10]), let y = integer(Array(b) + [10]) else { return false }
                return min(x, y) > 10_000 && abs(x - y) <= 2000
            }
    }

    private static func integer(_ reply: [UInt8]) -> Int64? {
        guard reply.first == UInt8(ascii: ":") else { return nil }
        return Int64(String(decoding: reply.dropFirst().dropLast(2), as: UTF8.self))
    }

    /// The words of a scenario's line.
    static func words(_ line: String, scope: String) -> [[UInt8]] {
        var words: [[UInt8]] = []
        var rest = Array(line.utf8)[...]
        while true {
            rest = rest.drop { $0 == 32 }
            guard let first = rest.first else { return words }
            if first == UInt8(ascii: "'") {
                rest = rest.dropFirst()
                words.append(Array(rest.prefix { $0 != UInt8(ascii: "'") }))
                rest = rest.drop { $0 != UInt8(ascii: "'") }.dropFirst()
                continue
            }
            let word = Array(rest.prefix { $0 != 32 })
            rest = rest.dropFirst(word.count)
            if word.first == UInt8(ascii: "@") {
                words.append(Array(scope.utf8) + word.dropFirst())
            } else if word.first == UInt8(ascii: "~"),
                let count = Int(String(decoding: word.dropFirst(), as: UTF8.self))
            {
                words.append(Array(repeating: UInt8(ascii: "x"), count: count))
            } else {
                words.append(word)
            }
        }
    }

    static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.prefix(300), as: UTF8.self).debugDescription + (bytes.count > 300 ? "…" : "")
    }

    static func text(_ command: [[UInt8]]) -> String {
        command.map { String(decoding: $0.prefix(60), as: UTF8.self) }.joined(separator: " ")
    }

    /// Runs a scenario on both; what they disagree on. `asPipeline` sends whatever lies between `!` lines at once.
    func run(_ scenario: String, number: Int, resp3: Bool, asPipeline: Bool) throws -> [Difference] {
        let (a, b) = (try hearth.client(), try oracle.client())
        if resp3 {
            _ = try a.call("HELLO", "3")
            _ = try b.call("HELLO", "3")
        }
        let scope = "\(number)\(resp3 ? "r" : "")\(asPipeline ? "p" : ""):"
        var differences: [Difference] = []
        var pending: [[[UInt8]]] = []
        func settle() throws {
            guard !pending.isEmpty else { return }
            let bytes = pending.flatMap { RESPClient.encode($0) }
            try a.send(raw: bytes)
            try b.send(raw: bytes)
            for command in pending {
                let ours = try a.receiveRaw()?.bytes ?? Array("(closed)".utf8)
                let theirs = try b.receiveRaw()?.bytes ?? Array("(closed)".utf8)
                if !Self.agree(command, ours, theirs) {
                    let way = "\(resp3 ? "RESP3" : "RESP2")\(asPipeline ? ", pipelined" : "")"
                    differences.append(
                        Difference(
                            command: Self.text(command).replacing(scope, with: "@"), way: way,
                            redis: Self.text(theirs), hearth: Self.text(ours), scenario: scenario))
                }
            }
            pending = []
        }
        for line in scenario.split(separator: ";").map({ $0.drop { $0 == " " } }) where !line.isEmpty {
            if line.hasPrefix("!") {
                try settle()
                let command = Self.words(String(line.dropFirst()), scope: scope)
                _ = try oracle.client().callRaw(command)
                _ = try behind?.client().callRaw(command)
            } else {
                pending.append(Self.words(String(line), scope: scope))
                if !asPipeline { try settle() }
            }
        }
        try settle()
        return differences
    }
}
