// The script in Redis against the function here: the same verdicts and the same memory, at every moment given to both.

import Primitives
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct ThrottleScriptTests {
    /// The script, told the time instead of asking for it.
    private var script: String {
        String(decoding: ThrottleScript.text, as: UTF8.self)
            .replacing("local time = redis.call('TIME')", with: "")
            .replacing("time[1] * 1000000 + time[2]", with: "tonumber(ARGV[5])")
            // Redis's own clock goes on: a key must not end under this test.
            .replacing("string.format('%.0f', math.floor((moment - now) / 1000) + 1)", with: "'600000'")
    }

    @Test func `the script in Redis decides as the function does`() throws {
        let redis = try RedisServer()
        let client = try redis.client()
        var random = SeededGenerator()
        for round in 0..<60 {
            let key = "limit:\(round)"
            let burst = Int64.random(in: 0...[0, 4, 900].randomElement(using: &random)!, using: &random)
            var count = Int64.random(in: 1...[3, 7, 1000, 999_999_937].randomElement(using: &random)!, using: &random)
            let period = Int64.random(in: 1...[1, 60, 86_400].randomElement(using: &random)!, using: &random)
            var held: ThrottleMoment?
            var now: Int64 = 1_767_225_600_000_000
            for step in 0..<40 {
                if random.oneIn(20) { count = max(1, count - 1) }
                let quantity: Int64 = [0, 1, 1, 1, 3, burst + 1, burst + 2].randomElement(using: &random)!
                guard let limit = Throttle(burst: burst, count: count, period: period, quantity: quantity) else {
                    continue
                }
                let place = "\(random.replay): round \(round), step \(step): \(limit) at \(now)"
                let reply = try client.call(
                    [
                        "EVAL", script, "1", key, "\(limit.burst)", "\(limit.count)", "\(limit.period)",
                        "\(limit.quantity)", "\(now)",
                    ])
                let (verdict, next) = limit.judge(held, now: now)
                held = next ?? held
                let expected = [
                    verdict.isLimited ? 1 : 0, verdict.limit, verdict.remaining, verdict.retryAfter, verdict.resetAfter,
                ]
                try #require(reply.items.map(\.integer) == expected, "\(place): \(reply)")
                if let held {
                    #expect(try client.call("GET", key).text == String(decoding: held.text, as: UTF8.self), "\(place)")
                }
                let interval = max(1, limit.period / limit.count)
                now += Int64.random(in: 0...(interval * [0, 1, 2, 9].randomElement(using: &random)!), using: &random)
            }
        }
    }

    @Test func `the script gives the key a life that ends when the limit is as if never used`() throws {
        let redis = try RedisServer()
        let client = try redis.client()
        let limit = try #require(Throttle(burst: 0, count: 1, period: 1000, quantity: 1))
        func throttle() throws -> RESPValue {
            let words = ThrottleScript.words(limit, Array("k".utf8), byDigest: false)
            return try client.call(words.map { String(decoding: $0, as: UTF8.self) })
        }
        #expect(try throttle().items.map(\.integer) == [0, 1, 0, -1, 1000])
        let life = try #require(try client.call("PTTL", "k").integer)
        #expect(life <= 1_000_001 && life > 900_000)
        #expect(try throttle().items.first?.integer == 1)
    }

    @Test func `a key that holds something else is left alone`() throws {
        let redis = try RedisServer()
        let client = try redis.client()
        let limit = try #require(Throttle(burst: 0, count: 1, period: 1, quantity: 1))
        let words = ThrottleScript.words(limit, Array("k".utf8), byDigest: false)
            .map { String(decoding: $0, as: UTF8.self) }
        _ = try client.call("RPUSH", "k", "x")
        #expect(try client.call(words).text.hasPrefix("WRONGTYPE"))
        for text in ["hello", "1 2", "1 3/3", "1 0/0", "1 1/2 "] {
            _ = try client.call("DEL", "k")
            _ = try client.call("SET", "k", text)
            #expect(try client.call(words).text.hasPrefix("WRONGTYPE"), "\(text)")
            #expect(try client.call("GET", "k").text == text)
        }
    }
}
