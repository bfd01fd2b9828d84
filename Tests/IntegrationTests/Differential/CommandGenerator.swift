// Random commands of all families of Redis 7.0, on few keys that all types share.
//
// DESIGN: keys collide on purpose: any command may be given any key. So that most commands succeed all the same, the
// generator is told before each pipeline what type each key has (`types`), and takes a key of the right type, or an
// absent one, in nine of ten cases. One of twenty-five commands is spoilt: a word too many, one missing, one changed.
//
// What Redis itself decides by chance is asked for in a way that can be compared: SPOP takes everything, or the one
// element that there is; a command that draws elements follows one that lists them. Streams are given explicit ids.
// Lives are long, and no two of them within minutes of each other, so that GT and LT are no matter of luck.

import TestSupport

/// Makes requests; the same seed and the same types make the same ones.
struct CommandGenerator {
    var random: SeededGenerator
    /// What is known of the keys' types; absent keys are not in it.
    var types: [Word: String] = [:]
    /// How many commands were made: what makes lives and stream ids different from each other.
    var count = 0
    /// The fingerprints of scripts that both servers know.
    var fingerprints: [Word] = []
    /// Payloads of DUMP.
    var payloads: [Word] = []
    /// The keys of this run; every command may be given each of them.
    static let keys: [Word] =
        [
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "{tag}1",
            "{tag}2", "", "k\r\n\u{0}x", "with \"quotes\" '",
        ]
        + [Word(bytes: [0xFF, 0xFE, 0x00, 0x80]), Word(String(repeating: "long", count: 30))]

    init(_ random: SeededGenerator) { self.random = random }

    // MARK: Choosing

    mutating func pick<T>(_ choices: [T]) -> T { choices[Int.random(in: 0..<choices.count, using: &random)] }
    mutating func oneIn(_ count: Int) -> Bool { random.oneIn(count) }
    mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    mutating func number(_ range: ClosedRange<Int>) -> Word { Word("\(int(range))") }
    mutating func some<T>(_ range: ClosedRange<Int>, _ make: (inout Self) -> T) -> [T] {
        (0..<int(range)).map { _ in make(&self) }
    }
    mutating func maybe(_ words: Word...) -> [Word] { oneIn(2) ? words : [] }

    /// A key of a type, mostly; `orNone` takes one that is absent at times.
    mutating func key(_ type: String, orNone: Bool = false) -> Word {
        if oneIn(10) { return pick(Self.keys) }
        let fitting = Self.keys.filter { types[$0] == type }
        return fitting.isEmpty || orNone && oneIn(4) ? absentKey() : pick(fitting)
    }

    mutating func anyKey() -> Word {
        let present = Self.keys.filter { types[$0] != nil }
        return present.isEmpty || oneIn(5) ? pick(Self.keys) : pick(present)
    }

    mutating func absentKey() -> Word {
        let absent = Self.keys.filter { types[$0] == nil }
        return absent.isEmpty ? pick(Self.keys) : pick(absent)
    }

    /// A key that the command is about to make one of this type.
    mutating func keyFor(_ type: String) -> Word {
        let key = key(type, orNone: true)
        if types[key] == nil { types[key] = type }
        return key
    }

    // MARK: Values

    mutating func value() -> Word {
        switch int(0...19) {
        case 0...7: number(-50...50)
        case 8: ""
        case 9: "9223372036854775807"
        case 10: "1.5"
        case 11: Word(String(repeating: "v", count: int(1...300)))
        case 12: "line\r\nand\u{0}zero"
        case 13: Word(bytes: [0, 0xFF, 0x80, 13, 10])
        case 14: "caf\u{e9}"
        case 15 where oneIn(20): Word(String(repeating: "long ", count: 5000))
        default: Word("value-\(count % 97)")
        }
    }

    mutating func member() -> Word {
        switch int(0...15) {
        case 0: ""
        case 1: "m\r\n\u{0}"
        case 2 where oneIn(4): Word(String(repeating: "m", count: 70))
        case 3...6: number(0...30)
        default: pick(["a", "b", "c", "d", "e", "f", "g", "one", "two", "three"])
        }
    }

    mutating func score() -> Word {
        switch int(0...11) {
        case 0: pick(["inf", "-inf", "+inf"])
        case 1: pick(["1e3", "0.1", "3.0000000000000001", "-0", "1e-5", "12345678901234567890", "nan"])
        case 2: "1.5"
        default: number(-20...20)
        }
    }

    mutating func position() -> Word { pick(["0", "1", "-1", "3", "-4", "10", "0", "-1"]) }
    mutating func amount() -> Word {
        pick(["1", "-1", "7", "100", "-3", "0", "3", "2", "9223372036854775807", "x", "2.5"])
    }
    mutating func float() -> Word { pick(["1.5", "-0.25", "3", "1e2", "0", "0.1", "-7", "5e-3", "x", "inf", "1e400"]) }

    /// Lives that are no two within a minute and a half of each other.
    mutating func seconds() -> Word { Word("\(int(1...9) * 100_000_000 + count * 100)") }
    mutating func milliseconds() -> Word { Word("\((int(1...9) * 100_000_000 + count * 100) * 1000)") }
    mutating func unixSeconds() -> Word { Word("\(int(3...9) * 1_000_000_000 + count * 100)") }
    mutating func unixMilliseconds() -> Word {
        Word("\((int(3...9) * 1_000_000_000 + count * 100) * 1000 + int(0...999))")
    }

    // MARK: Requests

    /// The next requests, which belong together and may not be parted; `inTransaction` leaves out what can't be queued.
    mutating func next(inTransaction: Bool) -> [Request] {
        count += 1
        let family = family(inTransaction: inTransaction)
        if !inTransaction, let drawn = drawn(family) { return drawn }
        var words: [Word]
        switch family {
        case .strings: words = strings()
        case .keys: words = keys(inTransaction: inTransaction)
        case .lists: words = lists()
        case .hashes: words = hashes()
        case .sets: words = sets()
        case .sortedSets: words = sortedSets()
        case .streams: words = streams()
        case .bitmaps: words = bitmaps()
        case .hyperLogLogs: words = hyperLogLogs()
        case .geo: words = geo()
        case .scripts: words = scripts()
        case .functions: words = functions()
        case .connection: return connection()
        case .server: words = server()
        case .transactions, .subscriptions: words = strings()
        }
        if oneIn(25), words[0] != "SPOP", words[0] != "SORT", family != .server { words = spoil(words) }
        if oneIn(30) { words[0] = Word(String(decoding: words[0].bytes, as: UTF8.self).lowercased()) }
        var request = Request(words: words, family: family)
        request.isInline = oneIn(12) && words.reduce(0) { $0 + $1.bytes.count } < 4000
        return [request]
    }

    private mutating func family(inTransaction: Bool) -> Family {
        switch int(0...99) {
        case 0...22: .strings
        case 23...36: .keys
        case 37...45: .lists
        case 46...53: .hashes
        case 54...61: .sets
        case 62...71: .sortedSets
        case 72...78: .streams
        case 79...82: .bitmaps
        case 83...85: .hyperLogLogs
        case 86...89: .geo
        case 90...93: .scripts
        case 94...95: .functions
        case 96...97 where !inTransaction: .connection
        case 98...99 where !inTransaction: .server
        default: .strings
        }
    }

    /// What nobody would send on purpose.
    ///
    /// SPOP and SORT are left as they are: without a word they may pop, or store, what Redis chooses.
    private mutating func spoil(_ words: [Word]) -> [Word] {
        var words = words
        let wrong: [Word] = [
            "", "x", "-1", "9223372036854775808", "1e400", "nan", "\r\n\u{0}", "(5", "-9223372036854775809",
        ]
        switch int(0...3) {
        case 0: words.append(pick(wrong))
        case 1 where words.count > 1: words.removeLast()
        case 2: words = [pick(["NOSUCH", "", "NO\u{0}SUCH", "no such", "SETT"])] + words.dropFirst()
        default: if words.count > 1 { words[int(1...words.count - 1)] = pick(wrong) }
        }
        return words
    }

    /// A command that draws by chance, behind one that lists what it draws from.
    private mutating func drawn(_ family: Family) -> [Request]? {
        guard oneIn(15) else { return nil }
        let count: [Word] = oneIn(2) ? [] : [pick(["1", "3", "-4", "0", "100"])]
        let pair: ([Word], [Word])
        switch family {
        case .keys: pair = (["KEYS", "*"], ["RANDOMKEY"])
        case .hashes:
            let key = key("hash")
            pair = (["HGETALL", key], ["HRANDFIELD", key] + count + (count.isEmpty ? [] : maybe("WITHVALUES")))
        case .sets:
            let key = key("set")
            if oneIn(3) {
                return [["DEL", key], ["SADD", key, member()], ["SPOP", key]].map { Request(words: $0, family: .sets) }
            }
            pair = (["SMEMBERS", key], ["SRANDMEMBER", key] + count)
        case .sortedSets:
            let key = key("zset")
            if oneIn(2) { return lexical(key) }
            pair = (
                ["ZRANGE", key, "0", "-1", "WITHSCORES"],
                ["ZRANDMEMBER", key] + count + (count.isEmpty ? [] : maybe("WITHSCORES"))
            )
        default: return nil
        }
        return [Request(words: pair.0, family: family), Request(words: pair.1, family: family, isDrawn: true)]
    }
}
