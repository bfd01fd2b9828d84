// `hearth slowlog`: which requests took long, and where.

internal import Primitives

extension CommandLineTool {
    func slowLog() -> Never {
        let words = words(options: ["--count", "--key"])
        let usage = "usage: hearth slowlog [reset] [--count N] [--key KEY] [--KEY VALUE …]"
        let count = words.options["--count"].map { Int($0) ?? 0 } ?? 32
        guard words.rest.isEmpty || words.rest == ["reset"], count > 0 else { fail(.usage, usage) }
        talk(words) { (client) throws(ControlError) in
            guard words.rest.isEmpty else {
                guard case .integer(let forgotten) = try client.ask("HEARTH", "SLOWLOG", "RESET") else {
                    throw ControlError(.software, "hearth: HEARTH SLOWLOG RESET is answered with no number")
                }
                return print("\(forgotten) forgotten")
            }
            // Those of one key are looked for among all that are kept.
            let asked = words.options["--key"] == nil ? count : Int(Int32.max)
            guard case .array(let replies) = try client.ask("HEARTH", "SLOWLOG", String(asked)) else {
                throw ControlError(.software, "hearth: HEARTH SLOWLOG is answered with no list")
            }
            let maps = replies.compactMap { ReplyMap($0) }.filter { words.options["--key"].map($0.isAbout) ?? true }
            for line in Self.lines(maps.prefix(count)) { print(line) }
        }
    }

    private static func lines(_ requests: ArraySlice<ReplyMap>) -> [String] {
        guard !requests.isEmpty else { return ["nothing took as long as slowlog.threshold"] }
        return ["time                      took       command       key and way"]
            + requests.map { request in
                let keys = request.number("keys")
                var key = request.bytes("key").map { Figures.printable($0) } ?? "-"
                if keys > 1 { key += " and \(keys - 1) more" }
                return Figures.left(Timestamp(milliseconds: request.number("at_ms")).rfc3339, 26)
                    + Figures.left(time(request.number("us")), 11) + Figures.left(request.text("command"), 14)
                    + "\(key): \(way(request))"
            }
    }

    /// `redis 100 ms without an answer, journal 2.1 ms, waited 0.3 ms`
    private static func way(_ request: ReplyMap) -> String {
        var parts: [String] = []
        if case .array(let steps)? = request["steps"] {
            parts = steps.compactMap { ReplyMap($0) }.map { step in
                let failed = step.text("answered") == "no" ? " without an answer" : ""
                return "\(step.text("tier")) \(time(step.number("us")))\(failed)"
            }
        }
        return (parts + ["waited \(time(request.number("waited_us")))"]).joined(separator: ", ")
    }

    private static func time(_ microseconds: Int64) -> String {
        Figures.time(nanoseconds: UInt64(max(0, microseconds)) * 1000)
    }
}

extension ReplyMap {
    /// Whether a slow request's key is this one, as it is or by its hash.
    fileprivate func isAbout(_ key: String) -> Bool {
        let bytes = Array(key.utf8)
        let kept = self.bytes("key")
        return kept == Array(bytes.prefix(128)) || kept == Array(SHA1Digest(bytes).hexadecimal.prefix(16))
    }
}
