// What the random commands found, each by itself, so that it is found again without them.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct FoundDifferences {
        /// Sends requests as one pipeline to both; the replies of Hearth, which have to be Redis's.
        @discardableResult
        private func compare(_ requests: [[Word]], speaking3: Bool = false) throws -> [String] {
            let pair = try SideBySide(.redis)
            let clients = [try pair.hearth.client(), try pair.oracle.client()]
            var replies: [[String]] = []
            for client in clients {
                if speaking3 { _ = try client.call("HELLO", "3") }
                try client.send(raw: requests.flatMap { RESPLine.frame($0) })
                replies.append(
                    try requests.map { _ in SideBySide.text(try client.receiveRaw()?.bytes ?? Array("closed".utf8)) })
            }
            for (request, (ours, theirs)) in zip(requests, zip(replies[0], replies[1])) {
                #expect(ours == theirs, "\(Request(words: request, family: .keys))")
            }
            return replies[0]
        }

        @Test func `a PING behind SUBSCRIBE in one pipeline is a subscriber's`() throws {
            let replies = try compare([
                ["SSUBSCRIBE", "c"], ["PING"], ["PING", "x"], ["GET", "k"], ["SUNSUBSCRIBE", "c"],
            ])
            #expect(replies[1].contains("pong"))
        }

        @Test func `a command behind UNSUBSCRIBE in one pipeline is carried out`() throws {
            let replies = try compare([
                ["SUBSCRIBE", "c"], ["UNSUBSCRIBE", "c"], ["SET", "k", "v"], ["PING"], ["GET", "k"],
            ])
            #expect(replies[4].contains("v"))
        }

        @Test func `HELLO behind a script or a blocking command in one pipeline changes the protocol`() throws {
            let replies = try compare([
                ["EVAL", "return 1", "0"], ["BLPOP", "none", "0.001"], ["CLIENT", "SETNAME", "me"], ["GET", "k"],
            ])
            #expect(replies[0].contains("1"))
            let pair = try SideBySide(.redis)
            let client = try pair.hearth.client()
            let answers = try client.pipeline([
                ["EVAL", "return 1", "0"], ["HELLO", "3"], ["GET", "k"], ["EVAL", "return 2", "0"],
            ])
            #expect(answers[1].fields["proto"] == .integer(3), "\(answers[1])")
            #expect(answers[3] == .integer(2))
        }

        @Test(arguments: [false, true])
        func `PFCOUNT changes the key that it counts, and a copy of it is not kept`(inTransaction: Bool) throws {
            var requests: [[Word]] = [["PFADD", "log", "a", "b"], ["GET", "log"]]
            if inTransaction { requests.append(["MULTI"]) }
            requests.append(["PFCOUNT", "log"])
            if inTransaction { requests.append(["EXEC"]) }
            let replies = try compare(requests + [["GET", "log"]])
            #expect(replies[1] != replies[replies.count - 1])
        }

        @Test func `an error quotes an argument up to a zero byte, and without line ends behind it`() throws {
            try compare([
                ["SET", "k", "v"], ["EXPIRE", "k", "10", "\r\n\u{0}"], ["EXPIRE", "k", "10", "a\r\nb\r\n"],
                ["NO\u{0}SUCH", "k"], ["HELLO", "3", "x\u{0}y"], ["CLIENT", "no\u{0}such"], ["TTL", "k"],
            ])
        }

        @Test func `the last millisecond that there is is an expiry`() throws {
            try compare([
                ["SET", "k", "v"], ["PEXPIREAT", "k", "9223372036854775807"], ["EXPIRETIME", "k"], ["PERSIST", "k"],
                ["PERSIST", "k"], ["SET", "k", "v", "PXAT", "9223372036854775807"], ["PERSIST", "k"],
            ])
        }

        @Test func `a cursor of SCAN is what Redis takes for one`() throws {
            try compare([
                ["SET", "k", "v"], ["SCAN", ""], ["SCAN", "x"], ["SCAN", " 0"], ["SCAN", "0", "COUNT", "0"],
                ["SCAN", "0", "TYPE", "nosuch"],
            ])
            let (hearth, redis) = (try HearthProcess(), try RedisServer())
            let (embedded, oracle) = (try hearth.client(), try redis.client())
            for words in [
                ["SCAN", ""], ["SCAN", "x"], ["SCAN", " 0"], ["SCAN", "99999999999999999999"], ["SCAN", "+0"],
            ] {
                #expect(try embedded.call(words) == oracle.call(words), "\(words)")
            }
        }

        @Test func `a wrong argument is found after the type of the key, where Redis does`() throws {
            try compare([
                ["GETEX", "none", "EX", "0"], ["GETEX", "none", "PX", "x"], ["RPUSH", "list", "a"],
                ["GETEX", "list", "EX", "0"], ["INCRBYFLOAT", "list", "x"], ["INCRBYFLOAT", "none", "x"],
                ["SET", "k", "1"], ["GETEX", "k", "EX", "0"], ["INCRBYFLOAT", "k", "x"], ["MULTI"],
                ["GETEX", "none", "EX", "0"], ["INCRBYFLOAT", "k", "x"], ["EXEC"], ["CLIENT", "NO-EVICT", "x"],
            ])
        }
    }
}
