// The simulated Redis against the real one: whatever Hearth asked of it in a run is asked of redis-server, with the
// real scripts, and answered the same. Without this a simulation would prove nothing.

import Primitives
import Simulation
import TestSupport
import Testing

@Suite struct `The simulated Redis` {
    /// Commands whose replies tell of time, or of other connections.
    private static let untold: Set<String> = ["WAIT", "PTTL", "TTL"]

    @Test(arguments: 0..<(isThorough ? 60 : 4))
    func `answers what redis-server answers to the same commands and scripts`(_ index: Int) throws {
        let seed = SeededGenerator.seed() &+ 1000 &+ UInt64(index)
        let recording = World.record(Plan(seed: seed, requests: 400))
        guard !recording.exchanges.isEmpty else { return }
        let server = try RedisServer()
        let client = try server.client()
        var ids = StreamIDs()
        var part: [Recording.Exchange] = []
        var place = 0
        func exchange() throws {
            try client.send(raw: part.flatMap { RESPClient.encode($0.words.map { ids.real($0) }) })
            for exchange in part {
                let real = try client.receive()
                place += 1
                let name = String(decoding: exchange.words[0], as: UTF8.self)
                guard !Self.untold.contains(name), let simulated = RESPValue(exchange.reply) else { continue }
                let words = exchange.words.enumerated().map { $0 == 1 && name == "EVAL" ? "…" : text($1) }
                try #require(
                    real.told == simulated.told,
                    "HEARTH_SEED=\(seed &- 1000 &- UInt64(index)), command \(place - 1): \(words.prefix(60))")
                ids.learn(simulated, real)
            }
            part = []
        }
        for next in recording.exchanges {
            // What an entry is called tells the reply to an earlier command.
            if part.count == 200 || next.words.contains(where: { StreamIDs.isID($0) }) { try exchange() }
            part.append(next)
        }
        try exchange()
        try compare(recording, client)
    }

    /// What is held at last; Hearth's own keys are each kind's own affair.
    private func compare(_ recording: Recording, _ client: RESPClient) throws {
        var compared = 0
        for (key, entry) in recording.entries where !text(key).hasPrefix("hearth:") {
            switch entry.content {
            case .string(let value): #expect(try client.call("GET", text(key)) == .bulk(value), "\(text(key))")
            case .hash(let fields):
                let real = try client.call("HGETALL", text(key))
                let simulated = RESPValue.array(fields.flatMap { [.bulk($0.key), .bulk($0.value)] })
                #expect(real.told == simulated.told, "\(text(key))")
            case .list, .stream, .sortedSet: continue
            }
            compared += 1
        }
        #expect(compared > 0)
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}

/// What an entry of a stream that the simulated Redis has made is called in the real one.
private struct StreamIDs {
    private var names: [[UInt8]: [UInt8]] = [:]

    static func isID(_ bytes: [UInt8]) -> Bool {
        let parts = bytes.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0 >= 48 && $0 <= 57 } }
    }

    func real(_ word: [UInt8]) -> [UInt8] { names[word] ?? word }

    mutating func learn(_ simulated: RESPValue, _ real: RESPValue) {
        switch (simulated, real) {
        case (.bulk(let a), .bulk(let b)) where Self.isID(a) && Self.isID(b): names[a] = b
        case (.array(let a), .array(let b)) where a.count == b.count: for (a, b) in zip(a, b) { learn(a, b) }
        default: break
        }
    }
}

extension RESPValue {
    /// As redis-server would send it.
    fileprivate init?(_ reply: Reply) {
        switch reply {
        case .string(let bytes): self = .bulk(bytes)
        case .status(let text): self = .simple(String(decoding: text, as: UTF8.self))
        case .error(let text): self = .error(String(decoding: text, as: UTF8.self))
        case .integer(let value): self = .integer(value)
        case .null: self = .null
        case .array(let items), .map(let items): self = .array(items.compactMap { RESPValue($0) })
        case .framed: return nil
        }
    }

    /// Without what tells of time or of order in tables: lives, clocks, where the fields of a hash stand.
    fileprivate var told: RESPValue {
        switch self {
        case .array(let items):
            // A look at a record: its fields, its life, Redis's time.
            if items.count == 3, case .array(let fields) = items[0], case .integer = items[1] {
                return .array([RESPValue.array(fields).sortedFields, .null, .null])
            }
            if items.count % 2 == 0, items.count > 2, items.allSatisfy({ if case .bulk = $0 { true } else { false } }) {
                return sortedFields
            }
            return .array(items.map(\.told))
        case .bulk(let bytes) where StreamIDs.isID(bytes): return .bulk([])
        // Redis adds the script to what went wrong in it.
        case .error(let text): return .error(String(text.prefix(9)))
        default: return self
        }
    }

    private var sortedFields: RESPValue {
        fields.isEmpty ? self : .array(fields.sorted { $0.key < $1.key }.flatMap { [.simple($0.key), $0.value] })
    }
}
