// Every micro-benchmark for an instant, so that none rots; and that the script tells what became dearer.

import BenchmarkTool
import MicroBenchmarks
import TestSupport
import Testing

@Suite(.serialized) struct MicroTests {
    private func options(_ words: String...) throws -> MicroOptions {
        guard case .run(let options) = try MicroOptions.parse(words) else { throw HelpWasGiven() }
        return options
    }
    private struct HelpWasGiven: Error {}

    @Test func `every benchmark finds what it expects`() throws {
        let place = try MicroPlace(under: "/tmp")
        defer { withExtendedLifetime(place) {} }
        let benchmarks = try options("--tiny").selected
        #expect(Set(benchmarks.map(\.name)).count == benchmarks.count)
        for benchmark in benchmarks { try benchmark.count() }
    }

    @Test func `names are chosen by a part of them, and wrong words are refused`() throws {
        #expect(try options("journal: ", "warm: hit").selected.map(\.name).contains("warm: hit of 1 KiB"))
        #expect(try options("--rounds", "3").rounds == 3)
        #expect(throws: UsageError.self) { try options("--rounds", "0") }
        #expect(throws: UsageError.self) { try options("no such benchmark") }
        #expect(MicroOptions.help.contains("--count"))
    }

    @Test func `the script counts alike twice, and names what became dearer`() throws {
        guard program("valgrind") != nil else { return }
        let directory = try TemporaryDirectory()
        let baseline = directory.file("baseline.txt")
        func script(_ words: String...) throws -> (code: Int32, output: String) {
            let built = try built("hearth-micro").dropLast("/hearth-micro".count)
            let run = try ChildProcess.run(
                "\(root)/Benchmarks/micro",
                ["--built", String(built), "--tiny", "--against", baseline] + words, in: directory, within: 300_000)
            return (run.code, run.output)
        }
        let name = "resp: bulk reply of 64 B written"
        #expect(try script(name).code == 69)
        #expect(try script("--baseline", name).code == 0)
        let same = try script(name)
        #expect(same.code == 0 && same.output.contains(" 1.000 "), "\(same.output)")
        var lines = readFile(baseline).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for index in lines.indices where lines[index].hasSuffix(name) { lines[index] = "1.0 0.0 \(name)" }
        try writeFile(baseline, lines.joined(separator: "\n"))
        let dearer = try script(name)
        #expect(dearer.code == 65 && dearer.output.contains("error: \(name) became dearer"), "\(dearer.output)")
        try writeFile(baseline, "# made by nobody\n\(lines.filter { !$0.hasPrefix("#") }.joined(separator: "\n"))")
        let others = try script(name)
        #expect(others.code == 0 && others.output.contains("not judged"), "\(others.output)")
    }

    private let root: String = {
        let parts = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false)
        return parts.dropLast(3).joined(separator: "/")
    }()
}
