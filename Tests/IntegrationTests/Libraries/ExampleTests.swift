// The examples of docs/examples, which docs/python.md shows: run as they stand, without Redis and in front of one.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Examples {
        private static let names = ["session", "chat", "agent", "approval", "job", "worker", "outbox", "embedding"]
        private static let root = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false)
            .dropLast(4).joined(separator: "/")
        private static let policies = "policies: [{prefix: 'approval:', consistency: strong}]"

        private func run(_ name: String, _ hearth: HearthProcess, _ python: String) throws {
            let (code, output) = try ChildProcess.run(
                python, ["\(Self.root)/docs/examples/\(name).py", hearth.socketPath], in: hearth.directory,
                within: 300_000)
            #expect(code == 0, "\(name): \(output.suffix(1500))")
        }

        @Test func `every example runs without Redis, and again`() throws {
            guard let python = try Clients.python() else { return }
            let hearth = try HearthProcess(extra: Self.policies)
            for name in Self.names + Self.names { try run(name, hearth, python) }
        }

        @Test func `every example runs in front of Redis, and again`() throws {
            guard let python = try Clients.python() else { return }
            let redis = try RedisServer()
            let hearth = try HearthProcess(redis: redis.url, extra: Self.policies)
            try hearth.waitUntilClosed()
            for name in Self.names + Self.names { try run(name, hearth, python) }
        }

        @Test func `docs python shows the examples as they run`() throws {
            let document = readFile("\(Self.root)/docs/python.md")
            for name in Self.names.dropFirst() {
                let text = readFile("\(Self.root)/docs/examples/\(name).py")
                #expect(!text.isEmpty && document.contains("```python\n\(text)```"), "\(name)")
            }
        }

        @Test func `refusals of records and dropped turns are counted`() throws {
            let redis = try RedisServer()
            for url in ["off", redis.url] {
                let hearth = try HearthProcess(
                    redis: url,
                    extra:
                        "policies: [{prefix: '', max_value: 100B, turns: {keep: 1, unfolded: 1, overflow: drop-oldest}}]"
                )
                if url != "off" { try hearth.waitUntilClosed() }
                let client = try hearth.client()
                _ = try client.call("STATE.SET", "k", "v", "FENCE", "9")
                for words in [
                    ["STATE.SET", "k", "v", "ABSENT"], ["STATE.SET", "k", "v", "VERSION", "7"],
                    ["STATE.SET", "k", "v", "FENCE", "8"], ["STATE.SET", "k", String(repeating: "x", count: 101)],
                    ["TURNS.ADD", "t", "one", "two", "three", "four"],
                ] { _ = try client.call(words) }
                let metrics = try client.call("HEARTH", "METRICS").text
                for line in [
                    #"record_refusals_total{kind="conflict"} 2"#, #"record_refusals_total{kind="fenced"} 1"#,
                    #"record_refusals_total{kind="toobig"} 1"#, "records_reapplied_total 0", "turns_dropped_total 2",
                ] { #expect(metrics.contains("hearth_\(line)\n"), "\(url): \(line)") }
                let status = try client.call("HEARTH", "STATUS").fields
                #expect(status["record_conflicts"] == .integer(2) && status["turns_dropped"] == .integer(2))
                let policy = try client.call("HEARTH", "POLICY", "t").fields
                #expect(policy["turns_overflow"]?.text == "drop-oldest" && policy["checkpoints_keep"] == .integer(3))
            }
        }
    }
}
