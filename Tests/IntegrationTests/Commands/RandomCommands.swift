// Random commands on few keys, as an application in a hurry would send them.

import TestSupport

/// Makes commands; the same seed makes the same ones.
struct RandomCommands {
    var random: SeededGenerator
    private var count = 0
    /// Commands of an open MULTI still to come.
    private var queued = 0
    let keys = ["a", "b", "c", "d", "e"]

    /// What the lives of this client's keys have beyond those of the others.
    private let offset: Int

    init(_ random: SeededGenerator, client: Int) {
        self.random = random
        offset = client * 30_000
    }

    private mutating func pick(_ words: [String]) -> String { words.randomElement(using: &random) ?? "" }
    private mutating func key() -> String { pick(keys) }

    /// A life that no other command of this run, of whichever client, gives within half a second, so that GT and LT are
    /// no matter of luck.
    private mutating func seconds() -> String { "\(Int.random(in: 1...9, using: &random) * 100_000 + offset + count)" }
    private mutating func millis() -> String {
        "\(Int.random(in: 1...9, using: &random) * 100_000_000 + (offset + count) * 1000 + 500)"
    }

    private mutating func value() -> String {
        switch Int.random(in: 0..<10, using: &random) {
        case 0...3: "\(Int.random(in: -50...50, using: &random))"
        case 4: ""
        case 5: "9223372036854775807"
        case 6: "1.5"
        case 7: String(repeating: "v", count: Int.random(in: 1...3000, using: &random))
        default: "value-\(count)"
        }
    }

    private mutating func number() -> String {
        pick(["1", "-1", "7", "100", "-3", "0", "9223372036854775807", "x", "2.5"])
    }
    private mutating func position() -> String { pick(["0", "1", "-1", "3", "-4", "10", "200", "-200"]) }

    mutating func next() -> [String] {
        count += 1
        if queued > 0 {
            queued -= 1
            if queued == 0 { return [random.oneIn(6) ? "DISCARD" : "EXEC"] }
            return one(inTransaction: true)
        }
        if random.oneIn(25) {
            queued = Int.random(in: 1...6, using: &random)
            return ["MULTI"]
        }
        if random.oneIn(150) { return ["FLUSHDB"] }
        return one(inTransaction: false)
    }

    private mutating func one(inTransaction: Bool) -> [String] {
        let (k, l) = (key(), key())
        switch Int.random(in: 0..<40, using: &random) {
        case 0...5: return ["GET", k]
        case 6...8: return ["SET", k, value()]
        case 9: return ["SET", k, value(), pick(["NX", "XX"])]
        case 10: return ["SET", k, value(), pick(["EX", "EXAT"]) == "EX" ? "EX" : "PX", millis()].map { $0 }
        case 11: return ["SET", k, value(), "KEEPTTL"] + (random.oneIn(2) ? ["GET"] : [])
        case 12: return ["SET", k, value(), "GET"] + (random.oneIn(2) ? [pick(["NX", "XX"])] : [])
        case 13: return ["SETNX", k, value()]
        case 14: return ["SETEX", k, seconds(), value()]
        case 15: return ["GETSET", k, value()]
        case 16: return ["GETDEL", k]
        case 17: return ["GETEX", k] + [[], ["PERSIST"], ["PX", millis()]][Int.random(in: 0..<3, using: &random)]
        case 18...20: return ["MGET", k, l, key()]
        case 21: return ["MSET", k, value(), l, value()]
        case 22: return ["MSETNX", k, value(), l, value()]
        case 23: return ["DEL", k] + (random.oneIn(2) ? [l] : [])
        case 24: return ["EXISTS", k, l]
        case 25: return ["TYPE", k]
        case 26: return ["STRLEN", k]
        case 27: return ["TTL", k]
        case 28: return ["PTTL", k]
        case 29:
            return ["EXPIRE", k, seconds()]
                + [[], ["NX"], ["XX"], ["GT"], ["LT"]][Int.random(in: 0..<5, using: &random)]
        case 30: return ["PEXPIRE", k, random.oneIn(8) ? "-5" : millis()]
        case 31: return ["PERSIST", k]
        case 32: return ["INCR", k]
        case 33: return ["INCRBY", k, number()]
        case 34: return ["DECRBY", k, number()]
        case 35: return ["INCRBYFLOAT", k, number()]
        case 36: return ["APPEND", k, pick(["", "x", "12", "tail"])]
        case 37: return ["GETRANGE", k, position(), position()]
        case 38: return ["SETRANGE", k, pick(["0", "1", "5", "40", "-1"]), pick(["", "z", "patch"])]
        default: return inTransaction || random.oneIn(2) ? ["UNLINK", k] : [pick(["RENAME", "RENAMENX"]), k, l]
        }
    }
}
