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
        for start in stride(from: 0, to: recording.exchanges.count, by: 200) {
            let part = recording.exchanges[start..<min(start + 200, recording.exchanges.count)]
            try client.send(raw: part.flatMap { RESPClient.encode($0.words) })
            for (place, exchange) in zip(start..., part) {
                let real = try client.receive()
                let name = String(decoding: exchange.words[0], as: UTF8.self)
                guard !Self.untold.contains(name), let simulated = RESPValue(exchange.reply) else { continue }
                let words = exchange.words.enumerated().map { $0 == 1 && name == "EVAL" ? "…" : text($1) }
                try #require(
                    real.told == simulated.told,
                    "HEARTH_SEED=\(seed &- 1000 &- UInt64(index)), command \(place): \(words.prefix(60))")
            }
        }
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
        // Redis adds the script to what went wrong in it.
        case .error(let text): return .error(String(text.prefix(9)))
        default: return self
        }
    }

    private var sortedFields: RESPValue {
        fields.isEmpty ? self : .array(fields.sorted { $0.key < $1.key }.flatMap { [.simple($0.key), $0.value] })
    }
}
