// Schemas with real processes: two releases side by side, a reload that lets the new form be stored, and no Redis.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct SchemaTests {
        private static let steps = "{to: 2, rename: {user.name: full_name}}, {to: 3, remove: [age]}"

        private static func extra(_ current: Int, _ writeBack: String) -> String {
            let steps = steps.split(separator: "}, ").prefix(current - 1).joined(separator: "}, ")
            let list = current == 2 ? steps + "}" : steps
            return "policies: [{prefix: '', schema: {current: \(current), write_back: \(writeBack), steps: [\(list)]}}]"
        }

        private static let old = "{\"user\": {\"name\": \"Ada\", \"n\": 1.0}, \"age\": 36}"
        private static let new = "{\"user\": {\"full_name\": \"Ada\", \"n\": 1.0}}"

        @Test func `two releases side by side, and then the new one alone`() throws {
            let redis = try RedisServer()
            let before = try HearthProcess(redis: redis.url, extra: Self.extra(2, "lazy"))
            let after = try HearthProcess(redis: redis.url, extra: Self.extra(3, "hold"))
            for car in [before, after] { try car.waitUntilClosed() }
            let (one, two, direct) = (try before.client(), try after.client(), try redis.client())
            #expect(try one.call("STATE.SET", "s", Self.old, "SCHEMA", "1").fields["version"] == .integer(1))
            let state = try two.call("STATE.GET", "s").fields
            #expect(state["value"]?.text == Self.new)
            #expect(state["schema"] == .integer(3))
            #expect(state["version"] == .integer(1))
            #expect(try two.call("HEARTH", "POLICY", "s").fields["schema_write_back"]?.text == "hold")
            // The old release has stored its own form by reading.
            let second = "{\"user\": {\"full_name\": \"Ada\", \"n\": 1.0}, \"age\": 36}"
            #expect(try one.call("STATE.GET", "s", "STRONG").fields["value"]?.text == second)
            try eventually("the second form is stored") { try direct.call("HGET", "s", "schema").text == "2" }
            #expect(try two.call("STATE.GET", "s", "STRONG").fields["value"]?.text == Self.new)
            #expect(try direct.call("HGET", "s", "value").text == second)

            try after.reconfigure(redis: redis.url, extra: Self.extra(3, "lazy"))
            after.process.signal(.hangUp)
            try eventually("the new form is stored; log: \(after.log.suffix(500))") {
                _ = try two.call("STATE.GET", "s", "STRONG")
                return try direct.call("HGET", "s", "schema").text == "3"
            }
            #expect(try direct.call("HGET", "s", "value").text == Self.new)
            #expect(try direct.call("HGET", "s", "version").text == "1")
            // It still holds the same version in its own form.
            #expect(try one.call("STATE.SET", "s", "{}").text.hasPrefix("NOSCHEMA the value has schema 3"))
            #expect(try one.call("STATE.GET", "s", "STRONG").text.hasPrefix("NOSCHEMA the value has schema 3"))
            #expect(try two.call("STATE.SET", "s", "{}", "VERSION", "1").fields["version"] == .integer(2))
            #expect(try two.call("STATE.SET", "s", "{}", "SCHEMA", "4").text.hasPrefix("NOSCHEMA given SCHEMA 4"))
            #expect(try one.call("TURNS.ADD", "s", "hello").fields["seq"] == .integer(1))
            let metrics = try one.call("HEARTH", "METRICS").text
            #expect(metrics.contains("hearth_schema_reads_total{outcome=\"newer\"} 1\n"))
            #expect(metrics.contains("hearth_schema_written_back_total 1\n"))
            #expect(metrics.contains("hearth_record_refusals_total{kind=\"noschema\"} 2\n"))
        }

        @Test func `without Redis the new form is committed, and a restart finds it`() throws {
            let hearth = try HearthProcess(extra: "workers: 1")
            let before = try hearth.client()
            _ = try before.call("STATE.SET", "s", Self.old)
            _ = try before.call("STATE.SET", "text", "no JSON")
            try hearth.reconfigure(redis: "off", extra: Self.extra(3, "lazy"))
            try hearth.restart()
            let client = try hearth.client()
            #expect(try client.call("STATE.GET", "s").fields["value"]?.text == Self.new)
            let text = try client.call("STATE.GET", "text").fields
            #expect(text["value"]?.text == "no JSON")
            #expect(text["schema"] == .integer(0))
            #expect(
                text["reason"]?.text == "the value is not migrated: the value is not JSON: expected a value at byte 0")
            try eventually("it is stored") {
                try client.call("HEARTH", "METRICS").text.contains("hearth_schema_written_back_total 1\n")
            }
            // A policy without a schema shows what is stored.
            try hearth.reconfigure(redis: "off", extra: "workers: 1")
            try hearth.restart()
            let stored = try hearth.client().call("STATE.GET", "s").fields
            #expect(stored["value"]?.text == Self.new)
            #expect(stored["schema"] == .integer(3))
            #expect(stored["version"] == .integer(1))
        }
    }
}
