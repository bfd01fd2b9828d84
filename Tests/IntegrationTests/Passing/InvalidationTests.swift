// What a passed-through command changes is seen by the next read, whatever local memory held.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Invalidation {
        /// How a key that holds `old` is changed, and what it holds afterwards; nil is nothing, or another type.
        static let changes: [(name: String, commands: [[String]], after: String?)] = [
            ("EVAL", [["EVAL", "return redis.call('SET', KEYS[1], 'new')", "1", "k"]], "new"),
            (
                "EVAL in a pipeline of others",
                [["LPUSH", "l", "1"], ["EVAL", "redis.call('DEL', KEYS[2])", "2", "x", "k"]], nil
            ),
            ("SETBIT", [["SETBIT", "k", "7", "0"]], "nld"),
            ("BITFIELD", [["BITFIELD", "k", "SET", "u8", "0", "110"]], "nld"),
            ("BITOP", [["SET", "a", "abc"], ["BITOP", "OR", "k", "a", "a"]], "abc"),
            ("COPY", [["SET", "a", "copy"], ["COPY", "a", "k", "REPLACE"]], "copy"),
            ("MOVE", [["MOVE", "k", "1"]], nil),
            ("SORT STORE", [["RPUSH", "n", "3", "1"], ["SORT", "n", "STORE", "k"]], nil),
            (
                "GEORADIUS STORE",
                [["GEOADD", "g", "1", "1", "m"], ["GEORADIUS", "g", "1", "1", "1", "km", "STORE", "k"]], nil
            ),
            (
                "GEOSEARCHSTORE",
                [
                    ["GEOADD", "g", "1", "1", "m"],
                    ["GEOSEARCHSTORE", "k", "g", "FROMLONLAT", "1", "1", "BYRADIUS", "1", "km"],
                ], nil
            ),
            ("ZUNIONSTORE", [["ZADD", "z", "1", "m"], ["ZUNIONSTORE", "k", "1", "z"]], nil),
            ("ZRANGESTORE", [["ZADD", "z", "1", "m"], ["ZRANGESTORE", "k", "z", "0", "-1"]], nil),
            ("SINTERSTORE", [["SADD", "s", "1"], ["SINTERSTORE", "k", "s"]], nil),
            ("PFMERGE", [["PFADD", "p", "1"], ["DEL", "k"], ["PFMERGE", "k", "p"]], nil),
            ("DEL and LPUSH", [["DEL", "k"], ["GET", "k"], ["LPUSH", "k", "v"]], nil),
            ("DEL and RPOPLPUSH", [["RPUSH", "m", "v"], ["DEL", "k"], ["RPOPLPUSH", "m", "k"]], nil),
            ("DEL and BLMOVE", [["RPUSH", "m", "v"], ["DEL", "k"], ["BLMOVE", "m", "k", "LEFT", "LEFT", "1"]], nil),
            ("DEL and XADD", [["DEL", "k"], ["XADD", "k", "1-1", "f", "v"]], nil),
            ("DEL and XGROUP", [["DEL", "k"], ["XGROUP", "CREATE", "k", "g", "$", "MKSTREAM"]], nil),
            ("MULTI with a list", [["MULTI"], ["SET", "k", "queued"], ["LPUSH", "l", "1"], ["EXEC"]], "queued"),
            (
                "MULTI with a script", [["MULTI"], ["EVAL", "redis.call('SET', KEYS[1], 'new')", "1", "k"], ["EXEC"]],
                "new"
            ),
            ("WATCH and EXEC", [["WATCH", "k"], ["GET", "k"], ["MULTI"], ["APPEND", "k", "er"], ["EXEC"]], "older"),
            ("WATCH and a plain SET", [["WATCH", "a"], ["SET", "k", "plain"], ["UNWATCH"]], "plain"),
            ("SWAPDB", [["SWAPDB", "0", "1"]], nil),
            ("FLUSHALL", [["FLUSHALL"]], nil),
        ]

        @Test(arguments: [false, true])
        func `a fresh copy does not outlive a passed-through write of its key`(resp3: Bool) throws {
            let fixture = try PassingFixture(allow: "\"FLUSHALL\", \"SWAPDB\"")
            let (c, other) = (try fixture.client(resp3: resp3), try fixture.client())
            let direct = try fixture.redis.client()
            for (index, change) in Self.changes.enumerated() {
                // Keys are single letters in the table; each change has its own.
                let k = "\(index):k"
                // Fresh here: a change behind Hearth's back is not seen. What Redis tells of a SWAPDB before may come
                // yet.
                try eventually("\(change.name): a copy is fresh") {
                    #expect(try c.call("SET", k, "old").text == "OK")
                    #expect(try c.call("GET", k).text == "old")
                    _ = try direct.call("SET", k, "unseen")
                    return try other.call("GET", k).text == "old"
                }
                _ = try direct.call("SET", k, "old")
                for command in change.commands {
                    let reply = try c.call(
                        command.map { $0.count == 1 && ("a"..."z").contains($0) ? "\(index):\($0)" : $0 })
                    #expect(!reply.isError, "\(change.name): \(reply.text)")
                }
                for client in [c, other] {
                    let reply = try client.call("GET", k)
                    let truth = try direct.call("GET", k)
                    #expect(reply == truth, "\(change.name): \(reply), Redis \(truth)")
                    if let after = change.after {
                        #expect(reply.text == after, "\(change.name): \(reply)")
                    } else {
                        #expect(reply.isError || reply == .null || reply.text != "old", "\(change.name): \(reply)")
                    }
                }
            }
        }

        @Test func `RESTORE, FCALL and EVALSHA are seen at once`() throws {
            let fixture = try PassingFixture()
            let c = try fixture.client()
            let direct = try fixture.redis.client()
            _ = try direct.call("SET", "from", "restored")
            let dump = try direct.callRaw([Array("DUMP".utf8), Array("from".utf8)])
            let line = (dump.firstIndex(of: 10) ?? 0) + 1
            let payload = Array(dump[line..<dump.count - 2])
            for way in ["RESTORE", "FCALL", "EVALSHA"] {
                _ = try c.call("SET", "k", "old")
                #expect(try c.call("GET", "k").text == "old")
                switch way {
                case "RESTORE":
                    let words = ["RESTORE", "k", "0"].map { Array($0.utf8) } + [payload, Array("REPLACE".utf8)]
                    #expect(try c.callRaw(words) == Array("+OK\r\n".utf8))
                    #expect(try c.call("GET", "k").text == "restored")
                case "FCALL":
                    let library =
                        "#!lua name=l\nredis.register_function('f', function(k, a) return redis.call('SET', k[1], a[1]) end)"
                    #expect(try c.call("FUNCTION", "LOAD", library).text == "l")
                    #expect(try c.call("FCALL", "f", "1", "k", "called").text == "OK")
                    #expect(try c.call("GET", "k").text == "called")
                default:
                    let digest = try c.call("SCRIPT", "LOAD", "return redis.call('SET', KEYS[1], ARGV[1])").text
                    #expect(try c.call("EVALSHA", digest, "1", "k", "sha").text == "OK")
                    #expect(try c.call("GET", "k").text == "sha")
                }
            }
        }

        @Test func `a command whose keys only Redis can tell is asked about first`() throws {
            let fixture = try PassingFixture(allow: "\"MIGRATE\"")
            let target = try RedisServer()
            // Redis gives keys away over TCP only; this port is held from the moment that it is known.
            let front = try ScriptedRedis(target.address)
            defer { front.stop() }
            let c = try fixture.client()
            for key in ["k", "kept"] {
                #expect(try c.call("SET", key, "old").text == "OK")
                #expect(try c.call("GET", key).text == "old")
            }
            let before = try fixture.redis.calls(of: "command|getkeys")
            #expect(
                try c.call("MIGRATE", "127.0.0.1", "\(front.port)", "", "0", "20000", "KEYS", "k", "none").text == "OK")
            #expect(try fixture.redis.calls(of: "command|getkeys") == before + 1)
            #expect(try c.call("GET", "k") == .null && target.client().call("GET", "k").text == "old")
            // What it did not name is still held: a change behind Hearth's back is not seen.
            _ = try fixture.redis.client().call("SET", "kept", "unseen")
            #expect(try c.call("GET", "kept").text == "old")
        }

        @Test func `requests of one pipeline are carried out in their order, whichever connection they take`() throws {
            let fixture = try PassingFixture(workers: 2)
            let c = try fixture.client()
            for round in 0..<60 {
                let k = "k\(round % 5)"
                let replies = try c.pipeline([
                    ["SET", k, "\(round)"], ["GET", k],
                    ["EVAL", "return redis.call('APPEND', '\(k)', '-s')", "0"],  // A key that the script does not name.
                    ["GET", k], ["SETRANGE", k, "0", "x"], ["BITCOUNT", k], ["COPY", k, "copy", "REPLACE"],
                    ["GET", "copy"],
                    ["SET", k, "end"], ["LPUSH", "l", k], ["GET", k], ["STRLEN", k], ["EXISTS", "l"],
                ])
                #expect(replies[1].text == "\(round)" && replies[8].text == "OK")
                #expect(replies[7].text == "x" + "\(round)-s".dropFirst(), "\(replies)")
                #expect(replies[10].text == "end" && replies[11].integer == 3 && replies[12].integer == 1, "\(replies)")
            }
        }

        @Test func `a read in flight while a passed-through write runs does not bring the old value back`() throws {
            let redis = try RedisServer()
            let scripted = try ScriptedRedis(redis.address)
            defer { scripted.stop() }
            let hearth = try HearthProcess(
                redis: scripted.url, redisOptions: "timeout: 5s, soft_timeout: 5s",
                extra: "policies: [{prefix: '', consistency: eventual}]\nbreaker: {slow_call: 60s}")
            try hearth.waitUntilClosed()
            let (reader, writer) = (try hearth.client(), try hearth.client())
            _ = try writer.call("LPUSH", "warm-up", "1")
            let direct = try redis.client()
            for round in 0..<8 {
                let k = "k\(round)"
                _ = try direct.call("SET", k, "old")
                // Both are delayed by as much; the read's answer may come before or behind the write's.
                scripted.set(.delay(30))
                if round % 2 == 0 { try reader.send(["GET", k]) }
                try writer.send(["BITOP", "NOT", k, k])
                if round % 2 == 1 { try reader.send(["GET", k]) }
                #expect(try writer.receive().integer == 3)
                _ = try reader.receive()
                scripted.set(.none)
                let truth = try direct.call("GET", k)
                #expect(try writer.call("GET", k) == truth && reader.call("GET", k) == truth)
            }
        }
    }
}
