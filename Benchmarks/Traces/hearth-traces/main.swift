// hearth-traces: replays traces through the local tier, as a command.

internal import BenchmarkTool
internal import LocalTier
internal import TraceStudy

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

private let tool = Tool("hearth-traces")

/// Reads a trace from a descriptor to its end, or to as many requests as are wanted.
func readTrace(_ name: String, _ descriptor: Int32, _ reading: TraceReading) -> Trace {
    var reader = TraceReader(name: name, reading)
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    do throws(TraceError) {
        while !reader.isFull {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { tool.finish(66, "\(name) can't be read: \(Tool.lastError)") }
            guard count > 0 else { break }
            try reader.read(buffer[..<count])
        }
        return try reader.finish()
    } catch {
        tool.finish(65, error.description)
    }
}

func load(_ source: StudyOptions.Source, _ options: StudyOptions) -> Trace {
    switch source {
    case .synthetic(let trace): return trace.trace(seed: options.seed)
    case .standardInput: return readTrace("standard input", STDIN_FILENO, options.reading)
    case .file(let path):
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { tool.finish(66, "\(path) can't be opened: \(Tool.lastError)") }
        defer { close(descriptor) }
        return readTrace(path, descriptor, options.reading)
    }
}

let options: StudyOptions
do throws(UsageError) {
    switch try StudyOptions.parse(Array(CommandLine.arguments.dropFirst())) {
    case .run(let asked): options = asked
    case .help:
        print(StudyOptions.help, terminator: "")
        exit(0)
    }
} catch {
    tool.finish(64, error.description)
}

do throws(LocalTierError) {
    if options.measuresCost {
        let costs = try RuleCost.measure(options.rules)
        print(options.output == .json ? CostReport.json(costs) : CostReport.text(costs), terminator: "")
        exit(0)
    }
    var studies: [Study] = []
    for source in options.sources {
        let trace = load(source, options)
        studies.append(try Study(trace, options) { Tool.show($0) })
    }
    Tool.show("")
    let report = StudyReport(studies)
    print(options.output == .json ? report.json : report.text, terminator: "")
    if let path = options.plotPath { tool.save(report.svg, path) }
} catch {
    tool.finish(69, error.description)
}
