// Commands on streams, scripts and functions.

extension CommandGenerator {
    private mutating func id() -> Word {
        pick(["0", "1-1", "5-1", "100", "0-0", "\(count)", "\(count / 2)-0", "7", "9-1", "x"])
    }
    private mutating func group() -> Word { pick(["g", "g", "g", "g", "g", "g2"]) }
    private mutating func consumer() -> Word { pick(["c1", "c2"]) }

    mutating func streams() -> [Word] {
        let key = key("stream")
        switch int(0...31) {
        case 0...4:
            return ["XADD", keyFor("stream"), "\(count)-1"] + some(1...2) { [$0.member(), $0.value()] }.flatMap { $0 }
        case 5: return ["XADD", keyFor("stream"), "MAXLEN", pick(["=", "~"]), "10", "\(count)-*", "f", value()]
        case 6: return ["XADD", key, pick(["1-1", "0-0", "x", "\(count)"]), "f", "v"]
        case 7: return ["XADD", key, "NOMKSTREAM", "\(count)-2", "f", value()]
        case 8: return ["XLEN", key]
        case 9...10: return ["XRANGE", key, "-", "+"] + maybe("COUNT", "3")
        case 11: return ["XRANGE", key, id(), pick(["+", "(500", "300-1"])]
        case 12: return ["XREVRANGE", key, "+", "-"] + maybe("COUNT", "2")
        case 13: return ["XREAD", "COUNT", "2", "STREAMS", key, self.key("stream"), id(), "0"]
        case 14: return ["XREAD", "BLOCK", pick(["1", "2"]), "STREAMS", key, pick(["$", "0"])]
        case 15: return ["XDEL", key, id()]
        case 16: return ["XTRIM", key, pick(["MAXLEN", "MINID"]), pick(["=", "~"]), number(3...20)]
        case 17: return ["XGROUP", "CREATE", keyFor("stream"), group(), pick(["0", "$"]), "MKSTREAM"]
        case 18: return ["XGROUP", "CREATE", absentKey(), "g", "0", "MKSTREAM"]
        case 19: return ["XADD", keyFor("stream"), "\(count)-1", "f", value()]
        case 20: return ["XGROUP", pick(["CREATECONSUMER", "DELCONSUMER"]), key, group(), consumer()]
        case 21: return ["XGROUP"] + (oneIn(6) ? ["DESTROY", key, group()] : ["SETID", key, group(), id()])
        case 22...23:
            return ["XREADGROUP", "GROUP", group(), consumer(), "COUNT", "2", "STREAMS", key, pick([">", ">", "0"])]
        case 24: return ["XREADGROUP", "GROUP", group(), consumer(), "BLOCK", "1", "NOACK", "STREAMS", key, ">"]
        case 25: return ["XACK", key, group(), id(), "\(count / 2)-1"]
        case 26: return ["XPENDING", key, group()] + pick([[], ["-", "+", "5"], ["IDLE", "0", "-", "+", "5", "c1"]])
        case 27: return ["XCLAIM", key, group(), consumer(), "0", id()] + pick([[], ["JUSTID"], ["FORCE"]])
        case 28: return ["XAUTOCLAIM", key, group(), consumer(), "0", "0", "COUNT", "3"] + maybe("JUSTID")
        case 29: return ["XINFO", "STREAM", key] + pick([[], [], ["FULL"]])
        case 30: return oneIn(2) ? ["XINFO", "GROUPS", key] : ["XINFO", "CONSUMERS", key, group()]
        default: return ["XSETID", key, "\(count)-9"]
        }
    }

    /// Scripts, how many keys each has, and whether it only reads.
    static let allScripts: [(text: Word, keys: Int, isReadOnly: Bool)] = [
        ("return redis.call('GET', KEYS[1])", 1, true),
        ("return {redis.call('INCR', KEYS[1]), KEYS[1], ARGV[1]}", 1, false),
        (
            "redis.call('SET', KEYS[1], ARGV[1]); redis.call('RPUSH', KEYS[2], ARGV[1]); return redis.call('LLEN', KEYS[2])",
            2, false
        ),
        ("local r = redis.pcall('LPUSH', KEYS[1], 'x'); if r['err'] then return r['err'] end; return r", 1, false),
        ("return redis.error_reply('MYERR ' .. ARGV[1])", 0, true),
        ("return redis.status_reply(ARGV[1])", 0, true),
        ("return {1, 2, {3, 'four', false, true}, 3.99, KEYS[1]}", 1, true),
        ("return cjson.encode({1, ARGV[1], {a = 1}}) .. redis.sha1hex(ARGV[1])", 0, true),
        ("return redis.call('MGET', unpack(KEYS))", 3, true),
        ("return redis.call('NOSUCH')", 0, true),
        ("return {", 0, true),
        ("return undefined_global", 0, true),
        (
            "redis.call('DEL', KEYS[1]); for i = 1, 20 do redis.call('ZADD', KEYS[1], i, 'm' .. i) end; return redis.call('ZCARD', KEYS[1])",
            1, false
        ),
        ("redis.setresp(3); return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')", 1, true),
        ("redis.setresp(3); return {double = 3.5}", 0, true),
        ("#!lua flags=no-writes\nreturn redis.call('SET', KEYS[1], 'x')", 1, false),
        ("#!lua\nredis.call('SET', KEYS[1], ARGV[1], 'EX', 100000); return redis.call('GET', KEYS[1])", 1, false),
        ("return tostring(redis.call('EXISTS', KEYS[1])) .. redis.call('TYPE', KEYS[1])['ok']", 1, true),
        ("redis.call('RENAME', KEYS[1], KEYS[2]); return redis.call('APPEND', KEYS[2], 'y')", 2, false),
    ]

    mutating func scripts() -> [Word] {
        let index = int(0...Self.allScripts.count - 1)
        let script = Self.allScripts[index]
        let keys = some(script.keys...script.keys) { $0.oneIn(3) ? $0.anyKey() : $0.key("string", orNone: true) }
        let arguments: [Word] = [Word("\(keys.count)")] + keys + [value()]
        switch int(0...9) {
        case 0...3: return ["EVAL", script.text] + arguments
        case 4...6 where index < fingerprints.count && !fingerprints[index].bytes.isEmpty:
            return ["EVALSHA", fingerprints[index]] + arguments
        case 7: return [script.isReadOnly || oneIn(4) ? "EVAL_RO" : "EVAL", script.text] + arguments
        case 8:
            return pick([
                ["SCRIPT", "EXISTS", fingerprints.first ?? "x", "0000000000000000000000000000000000000000"],
                ["SCRIPT", "LOAD", script.text], ["EVALSHA", "0000000000000000000000000000000000000000", "0"],
                ["EVAL", script.text, "9"], ["EVAL", script.text, "-1"], ["SCRIPT", "NOSUCH"],
                ["EVALSHA_RO", fingerprints.first ?? "x", "1", anyKey()],
            ])
        default: return ["EVAL", script.text] + arguments
        }
    }

    static let library: Word = """
        #!lua name=lib
        redis.register_function('put', function(keys, args) return redis.call('SET', keys[1], args[1]) end)
        redis.register_function('push', function(keys, args)
          redis.call('RPUSH', keys[1], args[1]); return redis.call('LRANGE', keys[1], 0, -1) end)
        redis.register_function{function_name='look', callback=function(keys) return redis.call('GET', keys[1]) end,
          flags={'no-writes'}}
        redis.register_function('fail', function() return redis.error_reply('FAILED on purpose') end)
        """

    mutating func functions() -> [Word] {
        switch int(0...11) {
        case 0...3: return ["FCALL", "put", "1", keyFor("string"), value()]
        case 4...5: return ["FCALL", "push", "1", keyFor("list"), value()]
        case 6...7: return ["FCALL_RO", "look", "1", key("string")]
        case 8: return ["FCALL", pick(["fail", "nosuch"]), "0"]
        case 9: return ["FCALL_RO", "put", "1", anyKey(), "x"]
        case 10: return ["FUNCTION", "LOAD"] + maybe("REPLACE") + [Self.library]
        default:
            return pick([
                ["FUNCTION", "LIST"], ["FUNCTION", "DELETE", "nosuch"], ["FUNCTION", "STATS"], ["FUNCTION", "DUMP"],
            ])
        }
    }
}
