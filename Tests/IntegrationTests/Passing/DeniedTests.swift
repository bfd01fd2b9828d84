// Commands that are denied, and commands without a Redis.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Denied {
        static let denied = [
            "SHUTDOWN NOSAVE", "DEBUG SLEEP 0", "DEBUG JMAP", "CONFIG SET maxmemory 1", "CONFIG REWRITE",
            "config resetstat",
            "FLUSHALL", "SWAPDB 0 1", "REPLICAOF NO ONE", "SLAVEOF NO ONE", "FAILOVER", "CLUSTER RESET", "SAVE",
            "BGSAVE",
            "BGREWRITEAOF", "MODULE LOAD x", "MODULE LOADEX x", "MODULE UNLOAD x", "ACL SETUSER a", "ACL DELUSER a",
            "ACL LOAD", "ACL SAVE", "CLIENT KILL ID 1", "client pause 1", "CLIENT UNPAUSE", "SCRIPT FLUSH",
            "script kill",
            "SCRIPT DEBUG YES", "FUNCTION FLUSH", "FUNCTION KILL", "FUNCTION RESTORE x", "MIGRATE h 1 k 0 1",
            "LATENCY RESET", "SLOWLOG RESET", "PFDEBUG GETREG k", "PFSELFTEST",
        ]
        static let impossible = [
            "SYNC", "PSYNC ? -1", "REPLCONF ack 0", "CLIENT TRACKING ON", "CLIENT CACHING YES", "CLIENT REPLY OFF",
            "CLIENT UNBLOCK 1", "CLIENT TRACKINGINFO", "CLIENT GETREDIR",
        ]

        @Test func `what would harm others is denied, in a transaction too, and says how it is allowed`() throws {
            let fixture = try PassingFixture()
            let c = try fixture.client()
            for line in Self.denied {
                let words = line.split(separator: " ").map(String.init)
                let reply = try c.call(words)
                #expect(reply.text.hasPrefix("DENIED \(words[0].uppercased())"), "\(line): \(reply)")
                #expect(reply.text.contains("allow it with commands.allow: [\""), "\(line): \(reply)")
                _ = try c.call("MULTI")
                #expect(try c.call(words).isError)
                #expect(try c.call("EXEC").text.hasPrefix("EXECABORT"))
            }
            for line in Self.impossible {
                let reply = try c.call(line.split(separator: " ").map(String.init))
                #expect(reply.text.contains("can't pass through Hearth"), "\(line): \(reply)")
            }
            #expect(try fixture.status("passed_denied") >= Int64(Self.denied.count))
            #expect(try c.call("LPUSH", "l", "1").integer == 1)
        }

        @Test func `commands allow takes effect at a reload, by name, by subcommand, and for all`() throws {
            let fixture = try PassingFixture(allow: "\"slowlog reset\"")
            let c = try fixture.client()
            #expect(try c.call("SLOWLOG", "RESET").text == "OK")
            #expect(try c.call("CONFIG", "SET", "maxmemory-samples", "7").text.hasPrefix("DENIED"))
            func allow(_ names: String) throws {
                try fixture.hearth.reconfigure(redis: fixture.redis.url, extra: "commands: {allow: [\(names)]}")
                fixture.hearth.process.signal(.hangUp)
            }
            try allow("\"CONFIG SET\", \"ACL\"")
            try eventually("CONFIG SET is allowed") {
                try c.call("CONFIG", "SET", "maxmemory-samples", "7").text == "OK"
            }
            #expect(try c.call("ACL", "SETUSER", "somebody").text == "OK")
            #expect(try c.call("CONFIG", "RESETSTAT").text.hasPrefix("DENIED"))
            #expect(try c.call("SLOWLOG", "RESET").text.hasPrefix("DENIED"))
            try allow("\"*\"")
            try eventually("all are allowed") { try c.call("CONFIG", "RESETSTAT").text == "OK" }
            #expect(try c.call("CLIENT", "REPLY", "OFF").text.contains("can't pass through"))
            #expect(!fixture.hearth.log.contains("not built yet; the commands"))
            try c.send(["SHUTDOWN", "NOSAVE"])
            try eventually("Redis has been stopped") { !fixture.redis.process.isRunning }
        }

        @Test func `without a Redis, commands that Redis knows are unavailable, and others unknown`() throws {
            let hearth = try HearthProcess()
            let c = try hearth.client()
            for line in [
                "LPUSH l 1", "EVAL x 0", "WATCH k", "SUBSCRIBE c", "MONITOR", "BLPOP l 0", "FLUSHALL", "object help",
            ] {
                let reply = try c.call(line.split(separator: " ").map(String.init))
                #expect(reply.text == "UNAVAILABLE no Redis is configured (redis.url: off)", "\(line): \(reply)")
            }
            #expect(try c.call("NOSUCH", "a").text == "ERR unknown command 'NOSUCH', with args beginning with: 'a' ")
            _ = try c.call("MULTI")
            #expect(try c.call("SET", "k", "v").text == "QUEUED")
            #expect(try c.call("LPUSH", "l", "1").text.hasPrefix("UNAVAILABLE no Redis"))
            #expect(try c.call("EXEC").text.hasPrefix("EXECABORT"))
            #expect(try c.call("EXISTS", "k").integer == 0)
            #expect(try c.call("COMMAND", "COUNT").integer ?? 0 < 100)
        }
    }
}
