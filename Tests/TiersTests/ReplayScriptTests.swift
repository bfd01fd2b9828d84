// The script of a replay in a real Redis: what was done is not done again, and a conflict is treated as its rule says.

import TestSupport
import Testing

@testable import Tiers

@Suite struct ReplayScriptTests {
    private static let marker = "hearth:replayed:test"

    /// Sends entries of one key, each as its words after its sequence; the answers, each as its texts.
    private func replay(_ key: String, _ entries: [(sequence: Int, words: [String])], _ client: RESPClient) throws
        -> [[String]]
    {
        let words = entries.flatMap { ["\($0.sequence)"] + $0.words } + ["\(entries[entries.count - 1].sequence)"]
        let reply = try client.call(
            ["EVAL", ReplayScript.text, "2", Self.marker, key, "60000", "deleter", "1000"] + words)
        return reply.items.map { answer in answer.items.map(\.text) }
    }

    @Test func `an entry that was done is not done again, and one behind it is`() throws {
        let redis = try RedisServer()
        let client = try redis.client()
        let increment = ["0", "1", "3", "INCRBY", "n", "1"]
        #expect(try replay("n", [(7, increment)], client) == [["ok"]])
        #expect(try replay("n", [(7, increment)], client) == [["ok"]])
        #expect(try client.call("GET", "n").text == "1")
        #expect(try replay("n", [(7, increment), (8, increment)], client) == [["ok"], ["ok"]])
        #expect(try client.call("GET", "n").text == "2")
    }

    @Test func `what somebody else wrote is kept or overwritten as the rule says`() throws {
        let redis = try RedisServer()
        let client = try redis.client()
        _ = try client.call("SET", "k", "theirs")
        func entry(_ rule: String) -> [String] {
            ["1", "k", rule, "-", "0", "1", "absent", "1", "3", "SET", "k", "ours"]
        }
        #expect(try replay("k", [(1, entry("keep"))], client) == [["kept", "k", "string", "theirs"]])
        #expect(try client.call("GET", "k").text == "theirs")
        #expect(try replay("k", [(2, entry("overwrite"))], client) == [["overwrote", "k", "string", "theirs"]])
        #expect(try client.call("GET", "k").text == "ours")
    }
}
