// Redis's own COMMAND table: which commands it has, which of them write, and where their keys stand.
//
// Source: https://redis.io/commands/command/, https://redis.io/docs/reference/key-specs/. A Redis before 7 tells of no
// key specifications; there the positions of the first and the last key serve, and where those move Redis is asked.

internal import Primitives

/// Where a group of a command's keys stands, and whether it is only read.
struct KeySpecification {
    enum Begin {
        case index(Int)
        /// Behind this word (in lower case), which is looked for from a position on, or backwards from the end.
        case keyword([UInt8], from: Int)
        case unknown
    }
    enum Find {
        /// So many words further, or before the last one where negative; a limit of n takes the first nth of the rest.
        case range(last: Int, step: Int, limit: Int)
        /// A number among the words says how many there are.
        case count(at: Int, first: Int, step: Int)
        case unknown
    }

    let isReadOnly: Bool
    /// Not all keys are found by it.
    let isIncomplete: Bool
    let begin: Begin
    let find: Find

    /// The positions of the keys; nil where they can't be known from here.
    func positions(in words: [[UInt8]]) -> [Int]? {
        guard !isIncomplete, let first = start(in: words) else { return nil }
        guard let first else { return [] }
        switch find {
        case .unknown: return nil
        case .range(let last, let step, let limit):
            var end = last >= 0 ? first + last : words.count + last
            if last < 0, limit > 1 { end = first + (words.count - first) / limit + last }
            guard step > 0, first < words.count, end < words.count else { return [] }
            return Array(stride(from: first, through: end, by: step))
        case .count(let at, let offset, let step):
            let place = first + at
            guard place < words.count, step > 0,
                let count = Int(String(decoding: words[place], as: UTF8.self)), count > 0,
                count <= words.count
            else { return [] }
            let from = first + offset
            let positions = (0..<count).map { from + $0 * step }
            return positions.allSatisfy { $0 < words.count } ? positions : []
        }
    }

    /// Where the group begins: nil is unknown, `.some(nil)` that there is none in this request.
    private func start(in words: [[UInt8]]) -> Int?? {
        switch begin {
        case .unknown: return nil
        case .index(let index): return index < words.count ? index : .some(nil)
        case .keyword(let word, let from):
            if from >= 0 {
                for index in stride(from: from, to: words.count - 1, by: 1) where words[index].isWord(word) {
                    return index + 1
                }
            } else {
                for index in stride(from: words.count + from, to: 0, by: -1) where words[index].isWord(word) {
                    return index + 1
                }
            }
            return .some(nil)
        }
    }
}

/// A command as Redis's COMMAND tells of it.
final class RedisCommand {
    let name: String
    let isWrite: Bool
    let isReadOnly: Bool
    let isBlocking: Bool
    /// It reads, and may change what it reads all the same: PFCOUNT keeps the count that it made in the key.
    let mayChange: Bool
    let hasMovableKeys: Bool
    private let legacy: (first: Int, last: Int, step: Int)
    private let specifications: [KeySpecification]
    let subcommands: [String: RedisCommand]

    /// Reads one element of COMMAND's reply; nil where it is none.
    init?(_ reply: Reply) {
        let parts = reply.elements
        guard parts.count >= 6, let name = parts[0].text else { return nil }
        self.name = String(decoding: name, as: UTF8.self)
        let flags = Set(parts[2].elements.compactMap { $0.text.map { String(decoding: $0, as: UTF8.self) } })
        isWrite = flags.contains("write")
        isReadOnly = flags.contains("readonly")
        isBlocking = flags.contains("blocking")
        hasMovableKeys = flags.contains("movablekeys")
        legacy = (
            Int(parts[3].integer ?? 0), Int(parts[4].integer ?? 0), Int(parts[5].integer ?? 0)
        )
        let told = parts.count > 8 ? parts[8].elements.map { KeySpecification($0) } : []
        specifications = told.isEmpty ? KeySpecification.movable[self.name] ?? [] : told
        mayChange =
            isReadOnly && (specifications.isEmpty ? self.name == "pfcount" : specifications.contains { !$0.isReadOnly })
        var subcommands: [String: RedisCommand] = [:]
        for part in parts.count > 9 ? parts[9].elements : [] {
            guard let command = RedisCommand(part), let bar = command.name.firstIndex(of: "|") else { continue }
            subcommands[String(command.name[command.name.index(after: bar)...])] = command
        }
        self.subcommands = subcommands
    }

    /// The keys of a request, and those of them that it may change.
    struct Keys {
        var all: [[UInt8]] = []
        var written: [[UInt8]] = []
    }

    /// The keys that a request touches; nil where only Redis can tell.
    func keys(of words: [[UInt8]]) -> Keys? {
        if name == "sort" || name == "sort_ro" { return sortKeys(words) }
        guard !specifications.isEmpty else { return hasMovableKeys ? nil : legacyKeys(words) }
        var keys = Keys()
        for specification in specifications {
            guard let positions = specification.positions(in: words) else {
                // What is only read, and can't be known, may be as old as it is.
                if specification.isReadOnly { continue }
                return nil
            }
            let found = positions.map { words[$0] }
            keys.all += found
            if !specification.isReadOnly { keys.written += found }
        }
        return keys
    }

    private func legacyKeys(_ words: [[UInt8]]) -> Keys {
        guard legacy.first > 0, legacy.step > 0 else { return Keys() }
        let last = min(legacy.last < 0 ? words.count + legacy.last : legacy.last, words.count - 1)
        let keys = stride(from: legacy.first, through: last, by: legacy.step).map { words[$0] }
        return Keys(all: keys, written: keys)
    }

    /// SORT key … [STORE destination]: the word STORE may stand anywhere, and be a pattern of BY or GET as well.
    private func sortKeys(_ words: [[UInt8]]) -> Keys {
        guard words.count > 1 else { return Keys() }
        var keys = Keys(all: [words[1]], written: [])
        var index = 2
        while index < words.count {
            if words[index].isWord(Array("limit".utf8)) {
                index += 3
            } else if words[index].isWord(Array("get".utf8)) || words[index].isWord(Array("by".utf8)) {
                index += 2
            } else if words[index].isWord(Array("store".utf8)), index + 1 < words.count {
                keys.all.append(words[index + 1])
                keys.written.append(words[index + 1])
                index += 2
            } else {
                index += 1
            }
        }
        return keys
    }
}

extension KeySpecification {
    /// The keys of commands in which they move, for a Redis that does not tell (before 7.0).
    fileprivate static let movable: [String: [KeySpecification]] = {
        func one(_ index: Int, isReadOnly: Bool) -> KeySpecification {
            KeySpecification(
                isReadOnly: isReadOnly, isIncomplete: false, begin: .index(index),
                find: .range(last: 0, step: 1, limit: 0))
        }
        func counted(_ index: Int, isReadOnly: Bool) -> KeySpecification {
            KeySpecification(
                isReadOnly: isReadOnly, isIncomplete: false, begin: .index(index),
                find: .count(at: 0, first: 1, step: 1))
        }
        func behind(_ word: String, from: Int, _ find: Find, isReadOnly: Bool) -> KeySpecification {
            KeySpecification(
                isReadOnly: isReadOnly, isIncomplete: false, begin: .keyword(Array(word.utf8), from: from), find: find)
        }
        func radius(_ from: Int) -> [KeySpecification] {
            let next = Find.range(last: 0, step: 1, limit: 0)
            return [one(1, isReadOnly: true)]
                + ["store", "storedist"].map { behind($0, from: from, next, isReadOnly: false) }
        }
        let streams = Find.range(last: -1, step: 1, limit: 2)
        var table: [String: [KeySpecification]] = [
            "georadius": radius(6), "georadiusbymember": radius(5),
            "xread": [behind("streams", from: 1, streams, isReadOnly: true)],
            "xreadgroup": [behind("streams", from: 4, streams, isReadOnly: false)],
        ]
        for name in ["eval", "evalsha", "lmpop", "zmpop", "blmpop", "bzmpop"] {
            table[name] = [counted(name == "lmpop" || name == "zmpop" ? 1 : 2, isReadOnly: false)]
        }
        for name in ["zunionstore", "zinterstore", "zdiffstore"] {
            table[name] = [one(1, isReadOnly: false), counted(2, isReadOnly: true)]
        }
        for name in ["zunion", "zinter", "zdiff", "sintercard", "zintercard"] {
            table[name] = [counted(1, isReadOnly: true)]
        }
        return table
    }()

    fileprivate init(_ reply: Reply) {
        let fields = Self.fields(reply)
        let flags = fields["flags"]?.elements.compactMap { $0.text.map { String(decoding: $0, as: UTF8.self) } } ?? []
        isReadOnly = flags.contains("RO")
        isIncomplete = flags.contains("incomplete")
        let begin = fields["begin_search"].map(Self.fields) ?? [:]
        let find = fields["find_keys"].map(Self.fields) ?? [:]
        let beginSpec = begin["spec"].map(Self.fields) ?? [:]
        let findSpec = find["spec"].map(Self.fields) ?? [:]
        func number(_ fields: [String: Reply], _ name: String) -> Int { Int(fields[name]?.integer ?? 0) }
        switch begin["type"]?.text.map({ String(decoding: $0, as: UTF8.self) }) {
        case "index": self.begin = .index(number(beginSpec, "index"))
        case "keyword":
            self.begin = .keyword(
                (beginSpec["keyword"]?.text ?? []).map(Arguments.lowercase), from: number(beginSpec, "startfrom"))
        default: self.begin = .unknown
        }
        switch find["type"]?.text.map({ String(decoding: $0, as: UTF8.self) }) {
        case "range":
            self.find = .range(
                last: number(findSpec, "lastkey"), step: number(findSpec, "keystep"), limit: number(findSpec, "limit"))
        case "keynum":
            self.find = .count(
                at: number(findSpec, "keynumidx"), first: number(findSpec, "firstkey"),
                step: number(findSpec, "keystep"))
        default: self.find = .unknown
        }
    }

    /// A map: names and values in turn.
    private static func fields(_ reply: Reply) -> [String: Reply] {
        let elements = reply.elements
        var fields: [String: Reply] = [:]
        for index in stride(from: 0, to: elements.count - 1, by: 2) {
            guard let name = elements[index].text else { continue }
            fields[String(decoding: name, as: UTF8.self)] = elements[index + 1]
        }
        return fields
    }
}

/// All commands of one Redis.
final class RedisCommandTable {
    private let byName: [String: RedisCommand]

    /// Nil where the reply is not COMMAND's.
    init?(_ reply: Reply) {
        var byName: [String: RedisCommand] = [:]
        for element in reply.elements {
            guard let command = RedisCommand(element) else { continue }
            byName[command.name] = command
        }
        guard !byName.isEmpty else { return nil }
        self.byName = byName
    }

    var count: Int { byName.count }

    /// The command of a request, or its subcommand; nil where Redis had none when it was asked.
    func command(of words: [[UInt8]]) -> RedisCommand? {
        guard let name = words.first, let command = byName[name.lowercasedText] else { return nil }
        guard words.count > 1, !command.subcommands.isEmpty else { return command }
        return command.subcommands[words[1].lowercasedText] ?? command
    }
}

extension [UInt8] {
    /// Whether this is a word (given in lower case), whatever its case.
    func isWord(_ word: [UInt8]) -> Bool {
        count == word.count && zip(self, word).allSatisfy { Arguments.lowercase($0) == $1 }
    }

    var lowercasedText: String { String(decoding: map(Arguments.lowercase), as: UTF8.self) }
}
