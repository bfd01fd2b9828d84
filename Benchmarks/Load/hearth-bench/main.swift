// hearth-bench: the load generator as a command.

internal import BenchmarkTool
internal import LoadGenerator

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

private let tool = Tool("hearth-bench")

func showProgress(_ progress: LoadProgress) {
    let errors = progress.errors > 0 ? ", \(progress.errors) errors" : ""
    let answers = progress.completed > 0 ? ", \(progress.completed) answers" : ""
    Tool.show("\(progress.stage.rawValue): \(Int(progress.fraction * 100)) %\(answers)\(errors)")
}

// A server that is gone must not end the process: writes say so themselves.
signal(SIGPIPE, SIG_IGN)

let options: LoadOptions
do throws(UsageError) {
    switch try LoadOptions.parse(Array(CommandLine.arguments.dropFirst())) {
    case .run(let asked): options = asked
    case .help:
        print(LoadOptions.help, terminator: "")
        exit(0)
    }
} catch {
    tool.finish(64, error.description)
}

let run = LoadRun(options)
if Tool.isWatched { run.onProgress = showProgress }
do throws(LoadFailure) {
    let report = try run.run()
    Tool.show("")
    if options.onlyLoads {
        print("\(report.completed) keys written in \(report.elapsed / 1_000_000) ms")
        exit(0)
    }
    print(options.output == .json ? report.json : report.text, terminator: "")
    fflush(nil)
    if let path = options.plotPath { tool.save(report.svg, path) }
    exit(report.wrong > 0 ? 65 : 0)
} catch {
    Tool.show("")
    tool.finish(69, error.description)
}
