// The script that delivers messages in a real Redis: each is in its queue or in its stream.

import TestSupport
import Testing

@testable import Tiers

@Suite struct OutboxScriptTests {
    private static let index = String(decoding: OutboxScript.index, as: UTF8.self)
    private static let queue = index + ":s"

    /// Delivers so many messages at most; how many it did, how many are left, and why no more.
    private func deliver(_ count: Int, _ client: RESPClient) throws -> (delivered: Int64?, left: Int64?, why: String) {
        let reply = try client.call("EVAL", OutboxScript.text, "2", Self.index, Self.queue, "s", "\(count)")
        let parts = reply.items
        try #require(parts.count == 3, "\(reply)")
        return (parts[0].integer, parts[1].integer, parts[2].text)
    }

    @Test func `a message that was delivered has left its queue, and the last one takes the queue with it`() throws {
        let redis = try RedisServer()
        let client = try redis.client()
        _ = try client.call("ZADD", Self.index, "1", "s")
        for id in ["1", "2", "3"] {
            _ = try client.call(
                "XADD", Self.queue, "*", "id", id, "key", "k", "version", id, "payload", "p", "maxlen", "0")
        }
        #expect(try deliver(2, client) == (2, 1, ""))
        #expect(try client.call("XLEN", Self.queue).integer == 1)
        #expect(try deliver(2, client) == (1, 0, ""))
        let delivered = try client.call("XRANGE", "s", "-", "+").items.map { $0.items[1].items[1].text }
        #expect(delivered == ["1", "2", "3"])
        #expect(try client.call("EXISTS", Self.queue, Self.index).integer == 0)
    }

    @Test func `what the stream does not take stays, and why is told`() throws {
        let redis = try RedisServer()
        let client = try redis.client()
        _ = try client.call("SET", "s", "no stream")
        _ = try client.call("ZADD", Self.index, "1", "s")
        _ = try client.call(
            "XADD", Self.queue, "*", "id", "1", "key", "k", "version", "1", "payload", "p", "maxlen", "0")
        let (delivered, left, why) = try deliver(2, client)
        #expect((delivered, left) == (0, 1))
        #expect(why.contains("WRONGTYPE"), "\(why)")
        #expect(try client.call("ZSCORE", Self.index, "s").text == "1")
    }
}
