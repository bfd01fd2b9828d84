// The script of a record's write in a real Redis: it compares the version, and who wrote it.

import TestSupport
import Testing

@testable import Tiers

@Suite struct RecordSwapTests {
    /// From a version (and schema) that a write made, to the second version with a value.
    private func swap(_ version: String, by write: String, to value: String, _ client: RESPClient) throws -> RESPValue {
        let noMessages = ["0", "0", "0", "0"]
        return try client.call(
            ["EVAL", RecordSwap.text, "1", "r", version, write, "-", "deleter", "1000"] + noMessages
                + ["2", "version", "2", "value", value])
    }

    @Test func `the same version by another write is another state, and is answered`() throws {
        let redis = try RedisServer()
        let client = try redis.client()
        _ = try client.call("HSET", "r", "version", "1", "operations", "theirs", "value", "theirs")
        for (version, write) in [("1:0", "ours"), ("2:0", "theirs"), ("1:1", "theirs"), ("0:0", "")] {
            #expect(try swap(version, by: write, to: "ours", client).items.count == 3, "\(version) by \(write)")
            #expect(try client.call("HGET", "r", "value").text == "theirs", "\(version) by \(write)")
        }
        #expect(try swap("1:0", by: "theirs", to: "ours", client).text == "OK")
        #expect(try client.call("HGET", "r", "value").text == "ours")
    }
}
