// Every refusal says what was expected, what was found and what to do, and stands in docs/protocol.md.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct RefusalTests {
        /// A text with its numbers made the same.
        private static func pattern(_ text: String) -> String {
            var pattern = ""
            var wasNumber = false
            for character in text {
                if !character.isNumber { pattern.append(character) } else if !wasNumber { pattern.append("N") }
                wasNumber = character.isNumber
            }
            return pattern
        }

        /// What a refusal begins with, as the document shows it.
        private static func head(_ text: String) -> String {
            let end = [text.firstRange(of: ": "), text.firstRange(of: " ("), text.firstRange(of: " '")].compactMap {
                $0?.lowerBound
            }
            .filter { text[..<$0].contains(" ") }.min()
            return pattern(String(text[..<(end ?? text.endIndex)]))
        }

        /// Words by which a sentence tells somebody what to do.
        private static let verbs = [
            "read", "write", "send", "stop", "acquire", "fold", "raise", "resume", "allow", "give", "use", "try",
            "store",
            "wait",
        ]

        private struct Refusal {
            let code: String
            let words: [String]
            /// What was expected, and what was found.
            let says: [String]
        }

        private static let refusals: [Refusal] = [
            Refusal(
                code: "CONFLICT", words: ["STATE.SET", "r", "v", "VERSION", "7"], says: ["version 7", "version 1"]),
            Refusal(
                code: "CONFLICT", words: ["STATE.SET", "none", "v", "VERSION", "7"], says: ["version 7", "no record"]),
            Refusal(code: "CONFLICT", words: ["STATE.SET", "r", "v", "ABSENT"], says: ["no record", "version 1"]),
            Refusal(code: "CONFLICT", words: ["CHECKPOINT.PUT", "run", "3", "d"], says: ["after 5", "given 3"]),
            Refusal(code: "CONFLICT", words: ["TURNS.FOLD", "chat", "UPTO", "1", "s"], says: ["up to 2", "UPTO 1"]),
            Refusal(
                code: "FENCED", words: ["STATE.SET", "fenced", "v", "FENCE", "8"], says: ["at least 9", "given 8"]),
            Refusal(
                code: "FENCED", words: ["LEASE.RENEW", "free", "me", "5", "1000"], says: ["epoch 5", "found none"]),
            Refusal(
                code: "FENCED", words: ["LEASE.RENEW", "held", "me", "5", "1000"], says: ["epoch 5", "found epoch "]),
            Refusal(code: "TOOBIG", words: ["STATE.SET", "small:r", "12345"], says: ["5 bytes", "4 are allowed"]),
            Refusal(code: "TOOBIG", words: ["SET", "small:k", "12345"], says: ["5 bytes", "allows 4"]),
            Refusal(code: "TOOBIG", words: ["TURNS.ADD", "small:t", "a", "b", "c"], says: ["turns", "allowed"]),
            Refusal(
                code: "TOOBIG", words: ["STATE.SET", "small:e", "v", "EMIT", "s", "123456789"],
                says: ["9 bytes", "8 are"]),
            Refusal(code: "NOSCHEMA", words: ["STATE.GET", "old:new"], says: ["schema 9", "up to 2"]),
            Refusal(
                code: "NOSCHEMA", words: ["STATE.SET", "old:r", "{}", "SCHEMA", "5"], says: ["SCHEMA 5", "1 to 2"]),
            Refusal(
                code: "DENIED", words: ["CONFIG", "SET", "maxmemory", "1"], says: ["CONFIG SET", "commands.allow"]),
            Refusal(code: "DENIED", words: ["GET", "us:k"], says: ["held in us alone", "local memory is in eu"]),
        ]

        private static let extra = """
            regions: [eu, us]
            local: {region: eu}
            breaker: {open: 100ms, open_max: 300ms, consecutive_failures: 2, slow_call: 60s}
            policies:
              - {prefix: "small:", max_value: 4, turns: {keep: 1, unfolded: 1}, outbox: {max_payload: 8}}
              - {prefix: "old:", schema: {current: 2, steps: [{to: 2, remove: [x]}]}}
              - {prefix: "us:", residency: {regions: [us], on_violation: refuse}}
              - {prefix: "rejected:", on_outage: reject}
              - {prefix: "strong:", consistency: strong}
            """

        private func check(_ reply: String, _ code: String, _ says: [String], _ document: String) {
            #expect(reply.hasPrefix(code + " "), "\(reply)")
            for part in says { #expect(reply.contains(part), "\(reply) does not tell of \(part)") }
            // What to do comes behind what was found.
            let ends = [reply.firstRange(of: ": "), reply.firstRange(of: "; ")].compactMap { $0?.upperBound }
            let words = reply[(ends.min() ?? reply.startIndex)...].split { !$0.isLetter }.map(String.init)
            #expect(words.contains { Self.verbs.contains($0) }, "\(reply) does not say what to do")
            // The document's table of -UNAVAILABLE is by what follows that word.
            let head = Self.head(reply)
            let shown = code == "UNAVAILABLE" ? String(head.dropFirst(code.count + 1)) : head
            #expect(
                document.contains("`\(shown)") || document.contains("`-\(shown)"), "docs/protocol.md lacks \(shown)")
        }

        @Test func `every refusal says what was expected, what was found and what to do, and is documented`() throws {
            let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4)
                .joined(separator: "/")
            let document = Self.pattern(readFile("\(root)/docs/protocol.md"))
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, redisOptions: HearthProcess.patient + ", region: eu", warm: "region: eu",
                journal: "region: eu", extra: Self.extra)
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            _ = try client.call("STATE.SET", "r", "v")
            _ = try client.call("STATE.SET", "fenced", "v", "FENCE", "9")
            _ = try client.call("CHECKPOINT.PUT", "run", "5", "d")
            _ = try client.call("TURNS.ADD", "chat", "a", "b", "c", "KEEP", "1")
            _ = try client.call("TURNS.FOLD", "chat", "UPTO", "2", "s")
            _ = try client.call("LEASE.ACQUIRE", "held", "other", "60000")
            _ = try redis.client().call(
                "HSET", "old:new", "version", "1", "operations", "0000000000000001", "schema", "9", "value", "{}")
            for refusal in Self.refusals {
                check(try client.call(refusal.words).text, refusal.code, refusal.says, document)
            }
            #expect(Set(Self.refusals.map(\.code)) == ["CONFLICT", "FENCED", "TOOBIG", "NOSCHEMA", "DENIED"])

            redis.kill()
            try eventually("the breaker opens") {
                _ = try client.call("GET", "whatever")
                _ = try client.call("SET", "rejected:k", "v")
                return try hearth.breaker(client) != ("closed", "closed")
            }
            for (words, says) in [
                (["SET", "rejected:k", "v"], ["not sent", "on_outage: reject"]),
                (["STATE.SET", "strong:k", "v"], ["not sent", "the policy is strong"]),
                (["GET", "strong:k"], ["not answered", "the breaker is "]),
                (["LEASE.ACQUIRE", "l", "me", "1000"], ["not sent", "given by Redis alone"]),
                (["SET", "k", "v", "NX"], ["not sent", "depends on what Redis has"]),
                (["STATE.SET", "unknown", "v", "VERSION", "3"], ["not done", "nothing is held here"]),
                (["STATE.ERASE", "user:"], ["not done", "nothing was erased"]),
            ] { check(try client.call(words).text, "UNAVAILABLE", says, document) }
        }
    }
}
