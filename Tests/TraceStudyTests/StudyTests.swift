// Replays, what is made of them, and the command: tiny, so that it does not rot.

import BenchmarkTool
import LocalTier
import TestSupport
import Testing
import TraceStudy

@Suite struct StudyTests {
    private func options(_ words: String...) throws -> StudyOptions {
        guard case .run(let options) = try StudyOptions.parse(words) else { throw UsageRefused() }
        return options
    }

    private struct UsageRefused: Error {}

    private func refusal(_ words: String...) -> String {
        do throws(UsageError) {
            _ = try StudyOptions.parse(words)
            return "understood"
        } catch {
            return error.description
        }
    }

    @Test func `a replay counts reads and hits; what fits is missed once`() throws {
        let requests = (0..<1000).map { TraceRequest(object: UInt64($0 % 10), size: 100) }
        let trace = Trace(name: "t", requests: requests + [TraceRequest(object: 3, size: 500, operation: .set)])
        for rule in EvictionRuleKind.allCases {
            var replay = Replay()
            let result = try replay.run(trace, rule: rule, bytes: 1 << 20)
            #expect(result.reads == 1000)
            #expect(result.hits == 990)
            #expect(result.bytesHit == 99_000)
            #expect(result.bytes <= 1 << 20)
        }
    }

    @Test func `a replay has the same hits each time`() throws {
        let trace = SyntheticTrace.scan.trace(seed: 3, requests: 20_000)
        for rule in EvictionRuleKind.allCases {
            var replay = Replay()
            let first = try replay.run(trace, rule: rule, bytes: 200_000)
            #expect(first.hits > 0 && first.hits < first.reads)
            #expect(try replay.run(trace, rule: rule, bytes: 200_000).hits == first.hits)
        }
    }

    @Test func `a report has every rule at every size, in each form`() throws {
        let options = try options("--sizes", "10%,1MiB", "--rules", "lru,w-tinylfu")
        let studies = try [SyntheticTrace.zipf, .sessions].map {
            try Study($0.trace(requests: 5000), options)
        }
        let report = StudyReport(studies)
        #expect(report.text.contains("synthetic:sessions: 5,000 requests"))
        #expect(report.text.contains("w-tinylfu"))
        #expect(report.json.hasPrefix("{\"traces\":[{\"trace\":\"synthetic:zipf\""))
        #expect(report.json.contains("\"size\":\"1MiB\",\"bytes\":1048576,\"rule\":\"w-tinylfu\""))
        #expect(report.svg.hasPrefix("<svg"))
        #expect(report.svg.hasSuffix("</svg>\n"))
        let verdict = try #require(report.verdict)
        #expect(verdict.candidates.map(\.rule) == [.lru, .wTinyLFU])
        #expect(verdict.candidates[0].worstLoss == 0)
        #expect(Verdict([]) == nil)
    }

    @Test func `a wrong command line is refused in words`() {
        #expect(refusal("--rules", "fifo") == "--rules: 'fifo' is none of lru, s3-fifo, w-tinylfu")
        #expect(refusal("--sizes", "0%") == "--sizes: '0%' is neither a share, such as 10%, nor a size, such as 64MiB")
        #expect(refusal("--columns", "size") == "--columns: one of them must be the key")
        #expect(refusal("--columns", "key,key") == "--columns: key is there twice")
        #expect(refusal("--format", "lcs") == "--format: 'lcs' is none of oracle, text")
        #expect(
            refusal("--format", "oracle", "--columns", "key") == "--columns and --header-lines are for --format text")
        #expect(refusal("-", "-") == "- is standard input, which can be read once")
        #expect(refusal("synthetic:all") == "synthetic:all: there are zipf, scan, loop, shift, sessions, sizes")
        #expect(refusal("-x") == "there is no option -x; see --help")
        #expect(refusal("--shards", "3") == "--shards: 3 is no power of two")
        #expect(StudyOptions.help.split(separator: "\n").allSatisfy { $0.count <= 122 })
    }

    @Test func `the command reads a file, draws it, and says what is wrong with it`() throws {
        let directory = try TemporaryDirectory()
        let good = try directory.write("good.txt", (0..<3000).map { "key\($0 % 700) 300\n" }.joined())
        let bad = try directory.write("bad.txt", "a 1\nb many\n")
        let picture = directory.file("picture.svg")
        let command = try built("hearth-traces")
        let run = try ChildProcess.run(command, [good, "--sizes", "50%", "--svg", picture], in: directory)
        try #require(run.code == 0, "\(run.output)")
        #expect(run.output.contains("3,000 requests, 700 objects"))
        #expect(readFile(picture).hasPrefix("<svg"))
        let refused = try ChildProcess.run(command, [bad], in: directory)
        #expect(refused.code == 65)
        #expect(refused.output.contains("bad.txt:2: 'many' is no size"))
        #expect(try ChildProcess.run(command, ["/nowhere"], in: directory).code == 66)
    }
}
