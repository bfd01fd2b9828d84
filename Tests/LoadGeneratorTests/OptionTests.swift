// The command line of hearth-bench: what is understood, and what is refused in which words.

import Testing

@testable import BenchmarkTool
@testable import LoadGenerator

@Suite struct OptionTests {
    private func options(_ words: String...) throws -> LoadOptions {
        guard case .run(let options) = try LoadOptions.parse(words) else {
            throw UsageError("help was given")
        }
        return options
    }

    private func refusal(_ words: [String]) -> String? {
        do throws(UsageError) {
            _ = try LoadOptions.parse(words)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func `no words are the canonical workload`() throws {
        let options = try options()
        #expect(options == LoadOptions())
        #expect(options.address == .unix("run/hearth.sock"))
        #expect(options.workload.name == "hit" && options.connections == 50 && options.pipeline == 1)
        #expect(options.sizes == ValueSizes(64) && options.rate == nil)
    }

    @Test func `every option is understood, with a space or an equals sign`() throws {
        let options = try options(
            "--tcp=localhost:6379", "--protocol", "memcached", "--workload", "get:80,miss:10,set:10", "--connections=3",
            "--pipeline", "16", "--apart", "--keys", "7", "--cold-keys=9", "--cold-start", "8", "--prefix", "p:",
            "--cold-prefix", "c:", "--state-prefix", "s:", "--distribution", "zipfian:1.2", "--value-size",
            "64:50,1024:40,16384:10", "--check",
            "frame", "--rate", "2500.5", "--duration", "1.5s", "--warmup", "250ms", "--drain", "1m", "--seed", "42",
            "--no-load", "--pid", "1", "--output", "json", "--timeline", "--svg", "out.svg")
        var expected = LoadOptions()
        expected.address = .tcp(host: "127.0.0.1", port: 6379)
        expected.wire = .memcached
        expected.workload = try #require(Workload("get:80,miss:10,set:10"))
        (expected.connections, expected.pipeline, expected.isApart) = (3, 16, true)
        (expected.keys, expected.coldKeys, expected.coldStart) = (7, 9, 8)
        (expected.prefix, expected.coldPrefix, expected.statePrefix) = ("p:", "c:", "s:")
        expected.distribution = .zipfian(theta: 1.2)
        expected.sizes = try #require(
            ValueSizes([(64, 50), (1024, 40), (16384, 10)].map { .init(size: $0.0, weight: $0.1) }))
        (expected.check, expected.rate, expected.seed, expected.loads) = (.frame, 2500.5, 42, false)
        expected.length = .nanoseconds(1_500_000_000)
        (expected.warmUp, expected.drain, expected.pid) = (250_000_000, 60_000_000_000, 1)
        (expected.output, expected.hasTimeline, expected.plotPath) = (.json, true, "out.svg")
        #expect(options == expected)
        #expect(try self.options("--requests", "1000").length == .requests(1000))
        let mixed = try self.options("--workload", "get:50,state-get:45,state-set:5").workload
        #expect(mixed.operations == [.get, .stateGet, .stateSet] && mixed.weight(.stateGet) == 45)
        #expect(try self.options("--workload", "state").workload.operations == [.stateGet])
        // Where no record is asked for, strings may have its keys.
        #expect(try self.options("--prefix", "state:").prefix == "state:")
        #expect(try self.options("--tcp", "[::1]:1").address == .tcp(host: "::1", port: 1))
    }

    @Test(arguments: [
        ["--connections", "0"], ["--connections", "many"], ["--pipeline", "5000"], ["--keys", "0"], ["--keys"],
        ["--protocol", "http"], ["--workload", "reads"], ["--workload", "get:0"], ["--workload", "get:1,get:1"],
        ["--distribution", "zipfian:0"], ["--distribution", "normal"], ["--value-size", "-1"],
        ["--value-size", "64,128"], ["--value-size", "64:0"], ["--value-size", "1000000000"], ["--rate", "0"],
        ["--rate", "nan"], ["--duration", "5"], ["--duration", "0s"], ["--duration", "-1s"], ["--warmup", "2days"],
        ["--requests", "0"], ["--requests", "5", "--duration", "5s"], ["--socket", "a", "--tcp", "b:1"],
        ["--no-load", "--load-only"], ["--tcp", "6379"], ["--tcp", "host:0"], ["--tcp", ":1"], ["--seed", "-1"],
        ["--pid", "0"], ["--output", "xml"], ["--apart=yes"], ["--prefix", "a b"], ["--prefix", "cold:"],
        ["--cold-start", "200000"], ["--workload", "state", "--prefix", "state:"],
        ["--workload", "state-set:1", "--state-prefix", "cold:"], ["--workload", "state", "--protocol", "memcached"],
        ["--workload", "get:50,state-get:50", "--apart", "--connections", "1"], ["--state-prefix", "a b"],
        ["--protocol", "memcached", "--workload", "get:99,state-set:1"],
        ["--protocol", "memcached", "--workload", "degraded"],
        ["--apart", "--connections", "1", "--workload", "mixed"], ["--nothing"], ["hit"], ["--seed="],
    ])
    func `a wrong command line is refused in words that name the option`(_ words: [String]) {
        let text = refusal(words)
        #expect(text != nil, "\(words)")
        let named = text?.contains(words[0].prefix { $0 != "=" }) ?? false
        #expect(
            named || text?.contains(words.first { $0.hasPrefix("--") && words[0] != $0 } ?? "?") ?? false,
            "\(words): \(text ?? "")")
    }

    @Test func `help names every option within a hundred columns`() throws {
        #expect(try LoadOptions.parse(["--socket", "x", "--help"]) == .help)
        let lines = LoadOptions.help.split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 112 })
        for name in [
            "--socket", "--tcp", "--state-prefix", "--workload", "--rate", "--timeline", "--svg", "--cold-start",
            "--drain",
        ] {
            #expect(lines.contains { $0.hasPrefix("  \(name)") }, "\(name)")
        }
        for word in Workload.named.map(\.name) + LoadGenerator.Operation.allCases.map(\.name) {
            #expect(LoadOptions.help.contains(word), "\(word)")
        }
    }

    @Test func `connections are split by weight, one at least for each operation`() {
        #expect(Lane.split(50, by: [90, 10]) == [45, 5])
        #expect(Lane.split(3, by: [98, 1, 1]) == [1, 1, 1])
        #expect(Lane.split(10, by: [1, 1, 1]).reduce(0, +) == 10)
    }
}
