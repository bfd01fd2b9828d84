// Commands on keys of whatever type, and about the connection and the server.

extension CommandGenerator {
    mutating func keys(inTransaction: Bool) -> [Word] {
        let key = anyKey()
        switch int(0...43) {
        case 0...3: return [pick(["DEL", "UNLINK"])] + some(1...2) { $0.anyKey() }
        case 4...5: return ["EXISTS"] + some(1...3) { $0.anyKey() }
        case 6...7: return ["TYPE", key]
        case 8: return ["TOUCH", key, anyKey()]
        case 9: return ["TTL", key]
        case 10: return ["PTTL", key]
        case 11: return ["EXPIRETIME", key]
        case 12: return ["PEXPIRETIME", key]
        case 13...14: return ["EXPIRE", key, seconds()] + pick([[], [], ["NX"], ["XX"], ["GT"], ["LT"]])
        case 15: return ["PEXPIRE", key, milliseconds()] + pick([[], [], ["NX"], ["XX"], ["GT"], ["LT"]])
        case 16: return ["EXPIREAT", key, unixSeconds()] + pick([[], [], ["NX"], ["XX"], ["GT"], ["LT"]])
        case 17: return ["PEXPIREAT", key, unixMilliseconds()] + pick([[], [], ["NX", "XX"], ["GT"], ["LT"]])
        case 18:
            return [
                pick(["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]), key,
                pick(["-1", "0", "-9223372036854775808", "9223372036854775807", "x"]),
            ]
        case 19...20: return ["PERSIST", key]
        case 21...22: return [pick(["RENAME", "RENAMENX"]), key, anyKey()]
        case 23: return ["RENAMENX", key, absentKey()]
        case 24...25: return ["COPY", key, absentKey()] + maybe("REPLACE")
        case 26:
            return ["COPY", key, anyKey()]
                + pick([["REPLACE"], ["DB", "0"], ["DB", "1"], ["DB", "1", "REPLACE"], ["DB", "99"]])
        case 27: return ["OBJECT", "ENCODING", key]
        case 28:
            return ["OBJECT", pick(["IDLETIME", "REFCOUNT", "FREQ", "NOSUCH"]), key]
        case 29: return ["DUMP", key]
        case 30...32:
            let life: [Word] = oneIn(3) ? [unixMilliseconds(), pick(payloads), "ABSTTL"] : ["0", pick(payloads)]
            return ["RESTORE", oneIn(2) ? absentKey() : key] + life
                + pick([[], ["REPLACE"], ["REPLACE", "IDLETIME", "5"]])
        case 33:
            return ["SCAN", "0", "COUNT", "1000"]
                + pick([[], ["MATCH", "[a-f]"], ["TYPE", "string"], ["TYPE", "hash"]])
        case 34: return ["KEYS", pick(["*", "?", "[a-e]", "{tag}*", "nothing"])]
        case 35: return ["DBSIZE"]
        case 36:
            let by: [[Word]] = [[], ["BY", "*"], ["LIMIT", "0", "3"], ["GET", "#", "DESC"], ["BY", "nosort"]]
            return ["SORT_RO", self.key(pick(["list", "set"]))] + pick(by)
        case 37:
            return ["SORT", self.key(pick(["list", "set", "zset"])), "ALPHA"]
                + pick([[], ["DESC"], ["LIMIT", "1", "2"]])
        case 38: return ["SORT", self.key("list"), "ALPHA", "STORE", keyFor("list")]
        case 39: return ["SORT", self.key("set"), "BY", "nosort"]
        case 40: return ["MOVE", key, pick(["1", "0", "x", "99"])]
        case 41: return ["MEMORY", "USAGE", key] + maybe("SAMPLES", "0")
        default: return oneIn(20) ? ["FLUSHDB"] + pick([[], ["SYNC"], ["ASYNC"]]) : ["PERSIST", key]
        }
    }

    /// About the connection; never within MULTI, where Hearth refuses some of it.
    mutating func connection() -> [Request] {
        func one(_ words: [Word]) -> [Request] { [Request(words: words, family: .connection)] }
        switch int(0...19) {
        case 0: return one(["PING"])
        case 1: return one(["PING", value()])
        case 2: return one(["ECHO", value()])
        case 3: return one(["CLIENT", "SETNAME", pick(["me", "you", "", "a b", "x\r\n"])])
        case 4...5: return one(["CLIENT", "GETNAME"])
        case 6: return one(["CLIENT", pick(["ID", "INFO", "LIST", "NO-EVICT"])])
        case 7: return one(["CLIENT", "SETINFO", "LIB-NAME", "differential"])
        case 8: return one(["CLIENT", pick(["NO-EVICT", "NO-TOUCH"]), pick(["on", "off"])])
        // Redis goes to another database, and comes back.
        case 9:
            return one(["SELECT", pick(["0", "0", "0", "1", "-1", "x", "99", "9223372036854775808"])])
                + one(["SELECT", "0"])
        case 10: return one(["HELLO", pick(["4", "x", "1"])])
        case 11: return one(["HELLO"])
        case 12: return one(["AUTH", "x"])
        case 13: return one(["AUTH", pick(["default", "nobody"]), "x"])
        case 14: return one(["WAIT", pick(["0", "1", "x"]), pick(["1", "-1"])])
        case 15: return one([pick(["READONLY", "READWRITE", "ASKING"])])
        case 16: return one(["CLIENT", pick(["HELP", "NOSUCH", "SETNAME"])])
        case 17: return one(["HELLO", pick(["2", "3"]), "SETNAME", pick(["hello", "a b"])])
        default: return one(["PING", "x", "y"].dropLast(int(0...2)).map { $0 })
        }
    }

    mutating func server() -> [Word] {
        switch int(0...15) {
        case 0: return ["TIME"]
        case 1: return ["LASTSAVE"]
        case 2: return ["INFO", pick(["keyspace", "server", "nosuch"])]
        case 3 where !oneIn(4): return ["COMMAND", "COUNT"]
        case 4: return ["COMMAND", "INFO", pick(["get", "zadd", "nosuch", "xreadgroup"])]
        case 3: return pick([["COMMAND"], ["COMMAND", "DOCS"], ["COMMAND", "INFO"]])
        case 5:
            return ["COMMAND", "GETKEYS"]
                + pick([["SET", "a", "b"], ["EVAL", "x", "2", "a", "b", "c"], ["PING"], ["NOSUCH"]])
        case 6: return ["COMMAND", "DOCS", pick(["get", "lmpop"])]
        case 7: return ["COMMAND", "LIST", "FILTERBY", "PATTERN", pick(["x*", "z?????"])]
        case 8: return ["ACL", pick(["WHOAMI", "CAT", "USERS", "NOSUCH"])]
        case 9: return ["ROLE"]
        case 10: return ["CONFIG", "GET", pick(["maxmemory", "save", "nosuch", "appendonly", "hz"])]
        case 11: return [pick(["MEMORY", "OBJECT", "XINFO", "CONFIG", "SCRIPT", "PUBSUB", "ACL", "FUNCTION"]), "HELP"]
        case 12: return ["MODULE", "LIST"]
        case 13: return ["COMMAND", "GETKEYSANDFLAGS", "SET", "a", "b"]
        default: return pick(ReplyDifferences.harmlessDenied)
        }
    }
}
