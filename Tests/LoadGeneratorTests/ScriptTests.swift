// `make bench`'s script for an instant, where what it needs is there: that it ends with every row, not what is in them.

import TestSupport
import Testing

@Suite struct ScriptTests {
    private let root: String = {
        let parts = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false)
        return parts.dropLast(3).joined(separator: "/")
    }()

    private func script(_ name: String = "bench", _ words: [String]) throws -> (
        code: Int32, output: String, directory: TemporaryDirectory
    ) {
        let directory = try TemporaryDirectory()
        let built = try built("hearth-bench")
        let place = built.dropLast("/hearth-bench".count)
        let run = try ChildProcess.run(
            "\(root)/Benchmarks/\(name)", ["--built", String(place), "--out", directory.path] + words, in: directory,
            within: 900_000)
        return (run.code, run.output, directory)
    }

    @Test func `every part runs and fills its rows`() throws {
        guard program("memcached") != nil, program("redis-benchmark") != nil else { return }
        let run = try script("bench", ["--quick", "--rounds", "1", "--seconds", "0.1", "--tiny"])
        try #require(run.code == 0, "\(run.output.suffix(2000))")
        let table = readFile(run.directory.file("latest.md"))
        for what in [
            "GET hit, pipeline 16 | hearth", "GET hit, no pipeline | memcached", "| bare libuv loop |",
            "by redis-benchmark | redis-server", "GET miss, no pipeline, answered by Redis",
            "GET degraded, breaker open",
            "SET through Redis", "GET warm hit", "SET, durable before it is answered", "while Redis hangs",
            "resident memory, idle", "start to first answer", "hung Redis to open breaker",
            "heap allocations per GET hit", "while warm writes saturate",
            "GET miss, answered by Redis, no pipeline |", "STATE.GET hit, pipeline 16 | hearth",
            "STATE.GET hit, no pipeline, by redis-benchmark", "times a batch",
        ] { #expect(table.contains(what), "\(what)") }
        let json = readFile(run.directory.file("latest.json"))
        #expect(json.contains("\"machine\"") && json.contains("\"targets\"") && json.contains("\"rows\""))
        #expect(readFile(run.directory.file("outage.svg")).hasPrefix("<svg "))
        #expect(!table.contains(root) && !json.contains(root))
    }

    @Test func `every curve of growth has a table and a picture`() throws {
        let run = try script("growth", ["--rounds", "1", "--seconds", "0.1", "--tiny"])
        try #require(run.code == 0, "\(run.output.suffix(2000))")
        let table = readFile(run.directory.file("growth.md"))
        for what in ["by connections", "by the size of the value", "by entries", "by policies", "by workers"] {
            #expect(table.contains(what), "\(what)")
        }
        for name in ["connections", "sizes", "entries", "policies", "workers"] {
            #expect(readFile(run.directory.file("growth-\(name).svg")).hasPrefix("<svg "), "\(name)")
        }
        #expect(!table.contains(root))
    }

    @Test func `wrong words are refused`() throws {
        #expect(try script("growth", ["--only", "nothing"]).code == 64)
        #expect(try script("bench", ["--only", "nothing"]).code == 64)
        #expect(try script("bench", ["--rounds", "0"]).code == 64)
        #expect(try script("bench", ["--nonsense"]).code == 64)
    }
}
