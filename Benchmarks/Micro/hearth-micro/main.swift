// hearth-micro: what single operations of the modules cost, timed here or counted by Benchmarks/micro.

internal import BenchmarkTool
internal import MicroBenchmarks

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

private let tool = Tool("hearth-micro")

private func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

private func run(_ options: MicroOptions) throws(MicroFailure) {
    let place = try MicroPlace(under: getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp")
    defer { withExtendedLifetime(place) {} }
    for benchmark in options.selected {
        if options.counts {
            try benchmark.count()
            print("\(benchmark.operations)\t\(benchmark.name)")
        } else {
            Tool.show(benchmark.name)
            let tenths = Int((try benchmark.time(rounds: options.rounds) * 10).rounded())
            Tool.show("")
            print("\(padded("\(tenths / 10).\(tenths % 10)", 10)) ns  \(benchmark.name)")
        }
    }
}

do throws(UsageError) {
    switch try MicroOptions.parse(Array(CommandLine.arguments.dropFirst())) {
    case .help: print(MicroOptions.help, terminator: "")
    case .run(let options) where options.lists: for benchmark in options.selected { print(benchmark.name) }
    case .run(let options):
        do throws(MicroFailure) {
            try run(options)
        } catch {
            tool.finish(70, error.description)
        }
    }
} catch {
    tool.finish(64, error.description)
}
