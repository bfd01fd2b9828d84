// hearth-bench: the load generator as a command.

internal import LoadGenerator

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

func printError(_ text: String) {
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

func finish(_ code: Int32, _ text: String) -> Never {
    printError("hearth-bench: \(text)\n")
    exit(code)
}

/// A line that is written again and again, where somebody sees it.
func showProgress(_ progress: LoadProgress) {
    let errors = progress.errors > 0 ? ", \(progress.errors) errors" : ""
    let answers = progress.completed > 0 ? ", \(progress.completed) answers" : ""
    printError("\r\u{1b}[K\(progress.stage.rawValue): \(Int(progress.fraction * 100)) %\(answers)\(errors)")
}

func save(_ text: String, _ path: String) {
    guard let file = fopen(path, "we") else {
        finish(73, "\(path) can't be written: \(String(cString: strerror(errno)))")
    }
    let bytes = Array(text.utf8)
    let written = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, written == bytes.count else {
        finish(73, "\(path) can't be written: \(String(cString: strerror(errno)))")
    }
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
    finish(64, error.description)
}

let run = LoadRun(options)
let isWatched = isatty(STDERR_FILENO) != 0
if isWatched { run.onProgress = showProgress }
do throws(LoadFailure) {
    let report = try run.run()
    if isWatched { printError("\r\u{1b}[K") }
    if options.onlyLoads {
        print("\(report.completed) keys written in \(report.elapsed / 1_000_000) ms")
        exit(0)
    }
    print(options.output == .json ? report.json : report.text, terminator: "")
    fflush(nil)
    if let path = options.plotPath { save(report.svg, path) }
    exit(report.wrong > 0 ? 65 : 0)
} catch {
    if isWatched { printError("\r\u{1b}[K") }
    finish(69, error.description)
}
