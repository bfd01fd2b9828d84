// Everything that a Redis holds, in a form that can be compared with another's.

import TestSupport

/// The keys of a server: content, encoding and end of life of each.
struct FinalState {
    struct Key: Equatable {
        var type: String
        var encoding: String
        var content: [[UInt8]]
        /// In milliseconds since 1970; -1 without.
        var end: Int64
    }

    let keys: [Word: Key]

    init(_ client: RESPClient) throws {
        guard case .array(let names) = try client.call("KEYS", "*") else { throw TestError("KEYS is no array") }
        var keys: [Word: Key] = [:]
        for case .bulk(let name) in names {
            let word = Word(bytes: name)
            func ask(_ words: [Word]) throws -> [UInt8] { try client.callRaw(words.map(\.bytes)) }
            func text(_ words: [Word]) throws -> String {
                ReplyTree(try ask(words)).map { String(decoding: $0.text, as: UTF8.self) } ?? ""
            }
            let type = try text(["TYPE", word])
            // It went in between.
            if type == "none" { continue }
            func elements(_ words: [Word], by size: Int) throws -> [[UInt8]] {
                (ReplyTree(try ask(words))?.sorted(by: size).children ?? []).map(\.canonical)
            }
            let content: [[UInt8]] =
                switch type {
                case "string": [try ask(["GET", word])]
                case "list": [try ask(["LRANGE", word, "0", "-1"])]
                case "hash": try elements(["HGETALL", word], by: 2)
                case "set": try elements(["SMEMBERS", word], by: 1)
                case "zset": [try ask(["ZRANGE", word, "0", "-1", "WITHSCORES"])]
                case "stream":
                    [
                        try ask(["XRANGE", word, "-", "+"]), try ask(["XINFO", "GROUPS", word]),
                        try ask(["XINFO", "STREAM", word]),
                    ]
                default: throw TestError("a key of type \(type)")
                }
            keys[word] = Key(
                type: type, encoding: try text(["OBJECT", "ENCODING", word]), content: content,
                end: Int64(try text(["PEXPIRETIME", word])) ?? -2)
        }
        self.keys = keys
    }

    /// What is not the same in `other`, which is what a bare Redis holds.
    func differences(from other: FinalState) -> [String] {
        Set(keys.keys).union(other.keys.keys).compactMap { name in
            let text = SideBySide.text(name.bytes)
            guard let a = keys[name], let b = other.keys[name] else {
                return "\(text): \(keys[name] == nil ? "missing" : "too much") behind Hearth"
            }
            let isSameLife = a.end == b.end || min(a.end, b.end) > 0 && abs(a.end - b.end) <= ReplyDifferences.lag
            guard a.type == b.type, a.content == b.content, isSameLife, a.encoding == b.encoding else {
                func short(_ key: Key) -> String {
                    "\(key.type)/\(key.encoding), ends \(key.end): \(key.content.map { SideBySide.text(Array($0.prefix(200))) })"
                }
                return "\(text): Redis \(short(b)), behind Hearth \(short(a))"
            }
            return nil
        }
    }
}
