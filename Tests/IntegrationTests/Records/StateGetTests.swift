// STATE.GET from memory: the short way answers what the long one does, byte for byte, and counts the same.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct StateGetTests {
        /// A reply with the numbers that time changes made the same.
        private static func timeless(_ reply: [UInt8]) -> String {
            var text = String(decoding: reply, as: UTF8.self)
            for name in ["age_ms", "ttl_ms"] {
                guard let found = text.firstRange(of: "\(name)\r\n:") else { continue }
                let end = text[found.upperBound...].firstIndex(of: "\r\n") ?? text.endIndex
                text.replaceSubrange(found.upperBound..<end, with: "0")
            }
            return text
        }

        @Test(arguments: ["2", "3"]) func `the short way answers what the long one does`(version: String) throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url,
                extra: """
                    policies:
                      # What a migration writes back behind an answer would be told of between the two questions.
                      - {prefix: "", max_staleness: 1h, tracking: {mode: off}}
                      - {prefix: "slides:", ttl: 1h, sliding: true, max_staleness: 1h}
                      - {prefix: "formed:", schema: {current: 2, steps: [{to: 2, remove: [x]}]}, max_staleness: 1h}
                    """)
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            _ = try client.call("HELLO", version)
            func state(_ words: String...) throws { _ = try client.call(["STATE.SET"] + words) }
            try state("plain", "value", "FENCE", "4503599627370495", "SCHEMA", "9")
            try state("empty", "")
            try state("lives", "value", "TTL", "100000")
            try state("slides:k", "value")
            try state("formed:k", #"{"x": 1, "y": 2}"#, "SCHEMA", "1")
            try state("large", String(repeating: "v", count: 200_000))
            _ = try client.call("TURNS.ADD", "turns", "only turns")
            try state("both", "value")
            _ = try client.call("TURNS.ADD", "both", String(repeating: "t", count: 5000))
            try state("deleted", "value")
            _ = try client.call("STATE.DEL", "deleted")
            _ = try client.call("SET", "string", "plain")
            for key in [
                "plain", "empty", "lives", "slides:k", "formed:k", "large", "turns", "both", "deleted", "string",
                "none",
            ] {
                // Held from here on.
                _ = try client.call("STATE.GET", key)
                let short = try client.callRaw([Array("state.GET".utf8), Array(key.utf8)])
                let long = try client.callRaw(["STATE.GET", key, "MAXAGE", "3600000"].map { Array($0.utf8) })
                #expect(Self.timeless(short) == Self.timeless(long), "\(key)")
            }
            // Behind one another, and behind what has to wait.
            let replies = try client.pipeline(
                [["STATE.GET", "plain"], ["GET", "nowhere"], ["STATE.GET", "plain"], ["STATE.GET", "both"]])
            #expect(replies.map { $0.fields["value"]?.text } == ["value", nil, "value", "value"])
        }

        @Test(arguments: ["2", "3"])
        func `the short way writes every length of value and number as the long one does`(version: String) throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, extra: #"policies: [{prefix: "", max_staleness: 1h, tracking: {mode: off}}]"#)
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            let direct = try redis.client()
            _ = try client.call("HELLO", version)
            // Around each power of ten, of which some change the way in which digits are found; and around what has
            // room in a buffer of replies, which grows for the rest.
            let powers: [Int64] = (0..<16).map { power in (0..<power).reduce(1) { value, _ in value * 10 } }
            let numbers: [Int64] = powers.flatMap { [max(1, $0 - 1), $0, $0 + 1] } + [63, 64, 255, 256, 4711]
            let lengths = numbers.filter { $0 <= 100_001 } + [0, 383, 384, 640, 1024, 4096, 16_384]
            func check(_ key: String, _ value: String, _ field: String = "version", _ number: Int64 = 1) throws {
                _ = try client.call("STATE.SET", key, value)
                _ = try direct.call("HSET", key, field, String(number))
                // Held as Redis has it from here on.
                let held = try client.call("STATE.GET", key, "STRONG")
                #expect(held.fields[field]?.integer == number && held.fields["value"]?.text == value, "\(key)")
                let short = try client.callRaw(["STATE.GET", key].map { Array($0.utf8) })
                let long = try client.callRaw(["STATE.GET", key, "MAXAGE", "3600000"].map { Array($0.utf8) })
                #expect(Self.timeless(short) == Self.timeless(long), "\(key)")
            }
            for number in numbers {
                for field in ["version", "schema", "fence"] { try check("\(field):\(number)", "v", field, number) }
            }
            for length in lengths {
                try check("length:\(length)", String(repeating: "v", count: Int(length)))
            }
            // One behind another, as they grow a buffer that has replies in it.
            let replies = try client.pipeline(lengths.map { ["STATE.GET", "length:\($0)"] })
            #expect(replies.map { $0.fields["value"]?.text.utf8.count } == lengths.map { Int($0) })
        }

        @Test func `a pipeline is answered in its order, whoever answers what of it`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(redis: redis.url)
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            let direct = try redis.client()
            _ = try client.call("STATE.SET", "record", "state")
            var requests: [[String]] = []
            var answers: [String?] = []
            func ask(_ words: [String], _ answer: String?) {
                requests.append(words)
                answers.append(answer)
            }
            for number in 0..<40 {
                // What memory holds, what Redis alone has, what nobody has; and what changes between two reads.
                _ = try client.call("SET", "near:\(number)", "n\(number)")
                _ = try direct.call("SET", "far:\(number)", "f\(number)")
                ask(["GET", "near:\(number)"], "n\(number)")
                if number % 3 == 0 { ask(["STATE.GET", "record"], "state") }
                ask(["get", "far:\(number)"], "f\(number)")
                ask(["GET", "none:\(number)"], nil)
                if number % 4 == 0 { ask(["STATE.GET", "far:\(number)"], "WRONGTYPE") }
                ask(["SET", "far:\(number)", "changed"], "OK")
                ask(["GET", "far:\(number)"], "changed")
                if number % 5 == 0 { ask(["GET", "record"], "WRONGTYPE") }
            }
            let replies = try client.pipeline(requests)
            for (index, reply) in replies.enumerated() {
                let found = requests[index][0] == "STATE.GET" ? reply.fields["value"]?.text ?? reply.text : reply.text
                if let answer = answers[index] {
                    #expect(found.hasPrefix(answer), "\(requests[index])")
                } else {
                    #expect(reply == .null, "\(requests[index])")
                }
            }
        }

        @Test func `what is not fresh, or not for everybody, does not go the short way`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url,
                extra: #"policies: [{prefix: "", max_staleness: 50ms}, {prefix: "s:", consistency: strong}]"#)
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            let direct = try redis.client()
            for key in ["k", "s:k"] {
                _ = try client.call("STATE.SET", key, "mine")
                #expect(try client.call("STATE.GET", key).fields["value"]?.text == "mine")
                _ = try direct.call("HSET", key, "value", "theirs", "version", "2")
                try eventually("the change is seen") {
                    try client.call("STATE.GET", key).fields["value"]?.text == "theirs"
                }
            }
            // Within MULTI it is refused, whatever memory holds.
            _ = try client.call("MULTI")
            #expect(try client.call("STATE.GET", "k").text.contains("can't be used within MULTI"))
            _ = try client.call("DISCARD")
            let before = try client.call("HEARTH", "METRICS").text
            #expect(before.contains("hearth_operation_duration_seconds_count{operation=\"record_read\"}"))
        }
    }
}
