// Commands on strings, bits and HyperLogLogs.

extension CommandGenerator {
    mutating func expiry() -> [Word] {
        switch int(0...7) {
        case 0: ["EX", seconds()]
        case 1: ["PX", milliseconds()]
        case 2: ["EXAT", unixSeconds()]
        case 3: ["PXAT", unixMilliseconds()]
        default: []
        }
    }

    mutating func strings() -> [Word] {
        switch int(0...39) {
        case 0...8: return ["GET", key("string")]
        case 9...12: return ["SET", keyFor("string"), value()]
        case 13: return ["SET", keyFor("string"), value()] + expiry()
        case 14: return ["SET", keyFor("string"), value(), pick(["NX", "XX"])] + maybe("GET") + expiry()
        case 15: return ["SET", keyFor("string"), value()] + maybe("KEEPTTL") + maybe("GET")
        case 16:
            return ["SET", key("string"), value(), pick(["EX", "PX"]), pick(["0", "-1", "x", "9223372036854775807"])]
        case 17: return ["SETNX", keyFor("string"), value()]
        case 18:
            return oneIn(2)
                ? ["SETEX", keyFor("string"), seconds(), value()]
                : ["PSETEX", keyFor("string"), milliseconds(), value()]
        case 19: return ["GETSET", key("string", orNone: true), value()]
        case 20: return ["GETDEL", key("string")]
        case 21:
            return ["GETEX", key("string")]
                + (oneIn(4) ? ["PERSIST"] : oneIn(6) ? ["EX", pick(["0", "-1", "x"])] : expiry())
        case 22...24: return ["MGET"] + some(1...4) { $0.anyKey() }
        case 25: return ["MSET"] + some(1...3) { [$0.keyFor("string"), $0.value()] }.flatMap { $0 }
        case 26: return ["MSETNX", absentKey(), value(), absentKey(), value()]
        case 27: return ["STRLEN", key("string")]
        case 28: return [pick(["INCR", "DECR"]), key("string", orNone: true)]
        case 29: return [pick(["INCRBY", "DECRBY"]), key("string", orNone: true), amount()]
        case 30: return ["INCRBYFLOAT", key("string", orNone: true), float()]
        case 31...32: return ["APPEND", keyFor("string"), pick(["", "x", "12", "tail", "\r\n"])]
        case 33...34: return [pick(["GETRANGE", "SUBSTR"]), key("string"), position(), position()]
        case 35: return ["SETRANGE", keyFor("string"), pick(["0", "1", "5", "40", "-1"]), pick(["", "z", "patch"])]
        case 36:
            return ["LCS", key("string"), key("string")]
                + pick([[], ["LEN"], ["IDX"], ["IDX", "MINMATCHLEN", "2", "WITHMATCHLEN"]])
        case 37: return ["SET", keyFor("string"), number(-5...500)]
        default: return ["SET", keyFor("string"), pick(["10", "3.5", "0", "-7", "text"])]
        }
    }

    mutating func bitmaps() -> [Word] {
        let key = key("string", orNone: true)
        let unit: [Word] = pick([[], ["BYTE"], ["BIT"]])
        switch int(0...13) {
        case 0...2:
            return [
                "SETBIT", keyFor("string"), pick(["0", "7", "8", "100", "1000", "-1"]), pick(["0", "1", "1", "2"]),
            ]
        case 3...4: return ["GETBIT", key, pick(["0", "7", "8", "100", "4294967295"])]
        case 5: return ["BITCOUNT", key]
        case 6: return ["BITCOUNT", key, position(), position()] + unit
        case 7: return ["BITPOS", key, pick(["0", "1"])]
        case 8: return ["BITPOS", key, pick(["0", "1", "2"]), position(), position()] + unit
        case 9:
            return ["BITOP", pick(["AND", "OR", "XOR"]), keyFor("string"), self.key("string"), self.key("string")]
        case 10: return ["BITOP", "NOT", keyFor("string"), self.key("string")]
        case 11:
            return [
                "BITFIELD", key, "SET", pick(["u8", "i5", "u63", "i64", "u64"]), pick(["0", "#2", "13"]), amount(),
            ]
        case 12:
            return ["BITFIELD", key, "OVERFLOW", pick(["WRAP", "SAT", "FAIL"]), "INCRBY", pick(["u4", "i8", "u16"])]
                + [pick(["0", "#1"]), pick(["1", "-1", "100"]), "GET", "u8", "0"]
        default:
            return [pick(["BITFIELD_RO", "BITFIELD"]), key, "GET", pick(["u8", "i16"]), pick(["0", "#1", "100"])]
        }
    }

    mutating func hyperLogLogs() -> [Word] {
        switch int(0...9) {
        case 0...3: return ["PFADD", keyFor("log")] + some(0...4) { $0.member() }
        case 4...5: return ["PFCOUNT", key("log")]
        case 6: return ["PFCOUNT", key("log"), key("log", orNone: true)]
        case 7: return ["PFMERGE", keyFor("log"), key("log")] + some(0...1) { $0.key("log") }
        default: return [pick(["GET", "STRLEN"]), key("log")]
        }
    }
}
