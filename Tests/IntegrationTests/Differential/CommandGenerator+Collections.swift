// Commands on lists, hashes, sets, sorted sets and places.

extension CommandGenerator {
    private mutating func side() -> Word { pick(["LEFT", "RIGHT"]) }
    private mutating func briefly() -> Word { pick(["0.001", "0.002", "0.005"]) }

    mutating func lists() -> [Word] {
        let key = key("list")
        switch int(0...31) {
        case 0...4: return [pick(["LPUSH", "RPUSH"]), keyFor("list")] + some(1...4) { $0.value() }
        case 5: return [pick(["LPUSHX", "RPUSHX"]), key, value()]
        case 6...7: return ["LRANGE", key, position(), position()]
        case 8...10: return ["LRANGE", key, "0", "-1"]
        case 11: return ["LLEN", key]
        case 12: return ["LINDEX", key, position()]
        case 13: return ["LSET", key, position(), value()]
        case 14: return ["LINSERT", key, pick(["BEFORE", "AFTER", "NEXT"]), number(-5...5), value()]
        case 15: return ["LREM", key, pick(["0", "1", "-2"]), number(-50...50)]
        case 16: return ["LTRIM", key, "0", pick(["20", "5", "-2"])]
        case 17...18: return [pick(["LPOP", "RPOP"]), key] + pick([[], ["2"], ["0"], ["-1"]])
        case 19:
            return ["LPOS", key, number(-50...50)]
                + pick([[], ["COUNT", "0"], ["RANK", "-1"], ["MAXLEN", "3"], ["RANK", "0"]])
        case 20: return ["LMOVE", key, keyFor("list"), side(), side()]
        case 21: return ["RPOPLPUSH", key, keyFor("list")]
        case 22: return ["LMPOP", "2", anyKey(), key, side()] + maybe("COUNT", "2")
        case 23: return [pick(["BLPOP", "BRPOP"]), key, self.key("list"), briefly()]
        case 24: return ["BLMOVE", key, keyFor("list"), side(), side(), briefly()]
        case 25: return ["BRPOPLPUSH", key, keyFor("list"), briefly()]
        case 26: return ["BLMPOP", briefly(), "1", key, side()]
        case 27: return ["SORT", key, "ALPHA"]
        default: return ["RPUSH", keyFor("list"), number(0...30), number(0...30)]
        }
    }

    mutating func hashes() -> [Word] {
        let key = key("hash")
        switch int(0...25) {
        case 0...4: return ["HSET", keyFor("hash")] + some(1...3) { [$0.member(), $0.value()] }.flatMap { $0 }
        case 5: return ["HMSET", keyFor("hash"), member(), value()]
        case 6: return ["HSETNX", keyFor("hash"), member(), value()]
        case 7...8: return ["HGET", key, member()]
        case 9: return ["HMGET", key] + some(1...3) { $0.member() }
        case 10...12: return ["HGETALL", key]
        case 13: return [pick(["HKEYS", "HVALS"]), key]
        case 14: return ["HLEN", key]
        case 15: return ["HSTRLEN", key, member()]
        case 16: return ["HEXISTS", key, member()]
        case 17: return ["HDEL", key] + some(1...2) { $0.member() }
        case 18...19: return ["HINCRBY", keyFor("hash"), pick(["n", "m"]), amount()]
        case 20: return ["HINCRBYFLOAT", keyFor("hash"), "f", float()]
        case 21: return ["HSCAN", key, "0", "COUNT", "1000"] + maybe("MATCH", "[a-d]")
        case 22: return ["HSET", keyFor("hash")] + some(1...3) { [$0.number(0...400), $0.value()] }.flatMap { $0 }
        default: return ["HSET", keyFor("hash"), member(), number(0...9)]
        }
    }

    mutating func sets() -> [Word] {
        let (key, other) = (key("set"), key("set"))
        switch int(0...27) {
        case 0...4: return ["SADD", keyFor("set")] + some(1...5) { $0.member() }
        case 5: return ["SADD", keyFor("set")] + some(1...9) { $0.number(0...500) }
        case 6: return ["SREM", key] + some(1...2) { $0.member() }
        case 7...8: return ["SISMEMBER", key, member()]
        case 9: return ["SMISMEMBER", key] + some(1...3) { $0.member() }
        case 10: return ["SCARD", key]
        case 11...13: return ["SMEMBERS", key]
        case 14: return ["SINTER", key, other]
        case 15: return ["SUNION", key, other]
        case 16: return ["SDIFF", key, other]
        case 17: return [pick(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), keyFor("set"), key, other]
        case 18: return ["SINTERCARD", "2", key, other] + maybe("LIMIT", "2")
        case 19: return ["SMOVE", key, keyFor("set"), member()]
        case 20: return oneIn(4) ? ["SPOP", key, "100000"] : ["SPOP", key, pick(["0", "-1", "x"])]
        case 21: return ["SSCAN", key, "0", "COUNT", "1000"] + maybe("MATCH", "[a-d]")
        case 22: return ["SORT", key, "ALPHA"]
        default: return ["SADD", keyFor("set"), number(0...30), number(0...30)]
        }
    }

    private mutating func limit() -> Word { pick(["-inf", "+inf", "0", "(3", "5", "-7", "10", "1.5", "+inf", "-inf"]) }
    private mutating func lexical() -> Word { pick(["-", "+", "[a", "(c", "[z", "-", "+"]) }

    /// By name: what Redis answers is promised where all scores are the same, so they are made so before.
    mutating func lexical(_ key: Word) -> [Request] {
        let asked: [Word] =
            switch int(0...4) {
            case 0: ["ZLEXCOUNT", key, lexical(), lexical()]
            case 1: ["ZRANGE", key, lexical(), lexical(), "BYLEX"] + maybe("LIMIT", "1", "2")
            case 2: ["ZRANGE", key, lexical(), lexical(), "BYLEX", "REV"]
            case 3: [pick(["ZRANGEBYLEX", "ZREVRANGEBYLEX"]), key, lexical(), lexical()]
            default: ["ZREMRANGEBYLEX", key, lexical(), lexical()]
            }
        let members: [[Word]] = [
            ["DEL", key], ["ZADD", key] + some(2...6) { ["0", $0.member()] }.flatMap { $0 }, asked,
        ]
        return members.map { Request(words: $0, family: .sortedSets) }
    }

    mutating func sortedSets() -> [Word] {
        let (key, other) = (key("zset"), key("zset"))
        switch int(0...43) {
        case 0...5: return ["ZADD", keyFor("zset")] + some(1...4) { [$0.score(), $0.member()] }.flatMap { $0 }
        case 6: return ["ZADD", keyFor("zset"), pick(["NX", "XX", "GT", "LT", "CH"]), score(), member()]
        case 7:
            return ["ZADD", keyFor("zset")] + pick([["XX", "GT"], ["NX", "GT"], ["INCR"], ["XX", "CH"]]) + [
                score(), member(),
            ]
        case 8...9: return ["ZSCORE", key, member()]
        case 10: return ["ZMSCORE", key, member(), member()]
        case 11: return ["ZINCRBY", keyFor("zset"), score(), member()]
        case 12: return ["ZCARD", key]
        case 13: return ["ZCOUNT", key, limit(), limit()]
        case 14: return ["ZCOUNT", key, "-inf", limit()]
        case 15...17: return ["ZRANGE", key, position(), position()] + maybe("WITHSCORES")
        case 18: return ["ZRANGE", key, "0", "-1", "REV"] + maybe("WITHSCORES")
        case 19: return ["ZRANGE", key, limit(), limit(), "BYSCORE"] + maybe("LIMIT", "0", "2") + maybe("WITHSCORES")
        case 20: return ["ZRANGE", key, limit(), limit(), "BYSCORE", "REV"] + maybe("WITHSCORES")
        case 21: return ["ZREVRANGE", key, position(), position()] + maybe("WITHSCORES")
        case 22: return ["ZRANGEBYSCORE", key, limit(), limit()] + maybe("WITHSCORES") + maybe("LIMIT", "1", "2")
        case 23: return ["ZREVRANGEBYSCORE", key, limit(), limit()] + maybe("WITHSCORES")
        case 24: return ["ZRANGESTORE", keyFor("zset"), key, limit(), limit(), "BYSCORE"]
        case 25: return ["ZRANGESTORE", keyFor("zset"), key, position(), position()]
        case 26: return [pick(["ZRANK", "ZREVRANK"]), key, member()]
        case 27: return ["ZREM", key] + some(1...2) { $0.member() }
        case 28: return ["ZREMRANGEBYRANK", key, pick(["0", "5"]), pick(["0", "1", "-5"])]
        case 29: return ["ZREMRANGEBYSCORE", key, pick(["15", "(19"]), limit()]
        case 30: return ["ZCARD", key]
        case 31: return [pick(["ZPOPMIN", "ZPOPMAX"]), key] + pick([[], ["1"], ["2"]])
        case 32: return ["ZMPOP", "2", other, key, pick(["MIN", "MAX"])] + maybe("COUNT", "2")
        case 33: return [pick(["BZPOPMIN", "BZPOPMAX"]), key, other, briefly()]
        case 34: return ["BZMPOP", briefly(), "1", key, pick(["MIN", "MAX"])]
        case 35: return ["ZUNION", "2", key, other] + maybe("WEIGHTS", "2", "1.5") + maybe("WITHSCORES")
        case 36: return ["ZINTER", "2", key, self.key("set")] + maybe("AGGREGATE", "MAX") + maybe("WITHSCORES")
        case 37: return ["ZDIFF", "2", key, other] + maybe("WITHSCORES")
        case 38:
            return [pick(["ZUNIONSTORE", "ZINTERSTORE"]), keyFor("zset"), "2", key, other]
                + maybe("AGGREGATE", pick(["SUM", "MIN"]))
        case 39: return ["ZDIFFSTORE", keyFor("zset"), "2", key, other]
        case 40: return ["ZINTERCARD", "2", key, other] + maybe("LIMIT", "1")
        case 41: return ["ZSCAN", key, "0", "COUNT", "1000"] + maybe("MATCH", "[a-d]")
        default: return ["ZADD", keyFor("zset"), number(0...20), member()]
        }
    }

    private mutating func place() -> [Word] {
        pick([
            ["13.361389", "38.115556"], ["15.087269", "37.502669"], ["2.35", "48.85"], ["-0.1", "51.5"], ["181", "5"],
        ])
    }
    private mutating func town() -> Word { pick(["Palermo", "Palermo", "Palermo", "Catania", "Paris", "a"]) }

    mutating func geo() -> [Word] {
        let key = key("places")
        let order: [Word] = pick([[], ["ASC"], ["DESC"], ["COUNT", "2"]])
        let with: [Word] = pick([[], ["WITHDIST"], ["WITHCOORD", "WITHHASH"]])
        let around: [Word] = oneIn(2) ? ["FROMLONLAT"] + place() : ["FROMMEMBER", town()]
        let area: [Word] =
            oneIn(2) ? ["BYRADIUS", "500", "km"] : ["BYBOX", "400", "900", pick(["km", "mi", "ft", "km", "xx"])]
        switch int(0...13) {
        case 0...2: return ["GEOADD", keyFor("places")] + pick([[], ["NX"], ["CH"]]) + place() + [town()]
        case 3:
            return [
                "GEOADD", keyFor("places"), "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania",
            ]
        case 4: return ["GEOPOS", key, town(), town()]
        case 5: return ["GEODIST", key, town(), town()] + pick([[], ["km"], ["ft"], ["m"], ["xx"]])
        case 6: return ["GEOHASH", key, town(), town()]
        case 7...8: return ["GEOSEARCH", key] + around + area + order + with
        case 9: return ["GEOSEARCHSTORE", keyFor("places"), key] + around + area + maybe("STOREDIST")
        case 10: return [pick(["GEORADIUS", "GEORADIUS_RO"]), key] + place() + ["900", "km"] + order + with
        case 11: return ["GEORADIUS", key] + place() + ["900", "km", pick(["STORE", "STOREDIST"]), keyFor("places")]
        case 12: return [pick(["GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"]), key, town(), "900", "km"] + order
        default:
            return [
                "GEOADD", keyFor("places"), "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania",
            ]
        }
    }
}
