// A journal that is started for another Redis than it was written for: nothing is given away before a person says so,
// and whoever asks how the process is hears of it.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct HeldReplayTests {
        /// What the admin port says of the parts.
        private func readiness(_ hearth: HearthProcess) throws -> String {
            let told = try #require(hearth.log.matches(of: /"event":"admin","address":"127.0.0.1:(\d+)"/).last)
            let client = try RESPClient(.tcp(try #require(UInt16(told.1))))
            try client.send(raw: Array("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8))
            return try client.receiveUntilEnd()
        }

        @Test func `writes for another Redis are held, readyz says so, and a person's word ends it`() throws {
            let (old, new) = (try RedisServer(), try RedisServer())
            let hearth = try HearthProcess(redis: old.url, environment: ["HEARTH_ADMIN_LISTEN": "127.0.0.1:0"])
            try hearth.waitUntilClosed()
            _ = try hearth.client().call("HEARTH", "BREAKER", "OPEN")
            #expect(try hearth.client().call("SET", "k", "v").text == "OK")
            #expect(try readiness(hearth).contains("1 entries wait for Redis\""))
            try hearth.reconfigure(redis: new.url)
            try hearth.restart()
            try hearth.waitUntilRedisAnswers()
            try eventually("it is told: \(hearth.log.suffix(800))") { hearth.log.contains("\"replay_held\"") }
            let held = try readiness(hearth)
            #expect(held.hasPrefix("HTTP/1.1 200") && held.contains("\"status\":\"degraded\""), "\(held)")
            #expect(held.contains("1 entries wait for Redis, and are held: they were accepted for another redis.url"))
            #expect(held.contains("hearth journal replay"))
            #expect(try new.client().call("EXISTS", "k") == .integer(0))
            _ = try hearth.client().call("HEARTH", "JOURNAL", "REPLAY")
            try eventually("it is replayed") { try new.client().call("GET", "k").text == "v" }
            try eventually("nothing is held") { try !readiness(hearth).contains("held") }
        }
    }
}
