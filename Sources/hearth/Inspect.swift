// `hearth explain`, `hearth breaker` and `hearth metrics`: what a running Hearth says, and being told what to do.

internal import Primitives

extension CommandLineTool {
    func explain() -> Never {
        let words = words()
        guard words.rest.count == 1 else { fail(.usage, "usage: hearth explain KEY [--KEY VALUE …]") }
        talk(words) { (client) throws(ControlError) in
            guard let map = ReplyMap(try client.ask("HEARTH", "EXPLAIN", words.rest[0])) else {
                throw ControlError(.software, "hearth: HEARTH EXPLAIN is answered with no map")
            }
            for line in Self.explanation(map) { print(line) }
        }
    }

    static func explanation(_ map: ReplyMap) -> [String] {
        func bytes(_ name: String) -> String {
            if case .string(let bytes) = map[name] { Figures.printable(bytes) } else { "" }
        }
        let prefix = bytes("policy")
        return [
            "key         \(bytes("key"))",
            "a read now  \(map.text("freshness")), from \(map.text("source")): \(map.text("reason"))",
            "policy      \(prefix.isEmpty ? "the one for every key" : "\"\(prefix)\""), \(map.text("consistency"))",
            "authority   \(map.text("authority"))",
            "local       \(copy(map, "local"))",
            "warm        \(copy(map, "warm"))",
            "breaker     \(breaker(map))",
        ]
    }

    /// Both sides; without a Redis there is no breaker, which is said once.
    private static func breaker(_ map: ReplyMap) -> String {
        let (reads, writes) = (map.text("breaker_reads"), map.text("breaker_writes"))
        return reads == writes && reads.hasPrefix("none") ? reads : "reads \(reads), writes \(writes)"
    }

    private static func copy(_ map: ReplyMap, _ tier: String) -> String {
        guard let copy = map.map(tier) else { return map.text(tier) }
        var parts = [copy.text("state"), Figures.bytes(copy.number("bytes"))]
        if let age = copy.optionalNumber("age_ms") {
            parts.append("verified \(Figures.duration(milliseconds: age)) ago")
        }
        if let life = copy.optionalNumber("ttl_ms") {
            let text = Figures.duration(milliseconds: abs(life))
            parts.append(life >= 0 ? "expires in \(text)" : "expired \(text) ago")
        }
        return parts.joined(separator: ", ")
    }

    func breaker() -> Never {
        let words = words()
        let modes = ["open", "close", "auto"]
        guard words.rest.count <= 1, words.rest.allSatisfy(modes.contains) else {
            fail(.usage, "usage: hearth breaker [open|close|auto] [--KEY VALUE …]")
        }
        talk(words) { (client) throws(ControlError) in
            let request = ["HEARTH", "BREAKER"] + words.rest
            guard let map = ReplyMap(try client.ask(request.map { Array($0.utf8) })) else {
                throw ControlError(.software, "hearth: HEARTH BREAKER is answered with no map")
            }
            print("reads \(map.text("reads")), writes \(map.text("writes")); mode \(map.text("mode"))")
        }
    }

    func metrics() -> Never {
        let words = words()
        guard words.rest.isEmpty else { fail(.usage, "usage: hearth metrics [--KEY VALUE …]") }
        talk(words) { (client) throws(ControlError) in
            guard case .string(let text) = try client.ask("HEARTH", "METRICS") else {
                throw ControlError(.software, "hearth: HEARTH METRICS is answered with no text")
            }
            print(String(decoding: text, as: UTF8.self), terminator: "")
        }
    }

    /// Connects to the Hearth that the words name, and ends the process with what came of the conversation.
    func talk(_ words: Words, _ body: (inout ControlClient) throws(ControlError) -> Void) -> Never {
        let configuration = load(words.file, words.flags).configuration
        do throws(ControlError) {
            var client = try ControlClient.connect(configuration)
            try body(&client)
            finish(.clean)
        } catch {
            fail(error.code, error.text)
        }
    }
}
