// What the command lines of all benchmarks begin and end with: their words on standard error, files, exit codes.

#if canImport(Glibc)
    private import Glibc
#else
    private import Darwin
#endif

/// A benchmark as a command: its name stands before whatever it says of itself.
public struct Tool: Sendable {
    public let name: String
    public init(_ name: String) { self.name = name }

    /// Whether somebody looks at standard error, so that progress is worth showing.
    public static var isWatched: Bool { isatty(STDERR_FILENO) != 0 }

    /// Writes to standard error as it is.
    public static func say(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// A line that is written again and again; an empty one takes it away.
    public static func show(_ progress: String) { if isWatched { say("\r\u{1b}[K\(progress)") } }

    /// Ends the process, saying why. Codes are those of sysexits.h: 64 usage, 65 data, 66 input, 69 unavailable,
    /// 73 output.
    public func finish(_ code: Int32, _ text: String) -> Never {
        Self.say("\(name): \(text)\n")
        exit(code)
    }

    /// Writes a result to a file, or ends the process with exit code 73.
    public func save(_ text: String, _ path: String) {
        guard let file = fopen(path, "we") else { finish(73, "\(path) can't be written: \(Self.lastError)") }
        let bytes = Array(text.utf8)
        let written = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0, written == bytes.count else {
            finish(73, "\(path) can't be written: \(Self.lastError)")
        }
    }

    /// What the system says of the call that failed last.
    public static var lastError: String { String(cString: strerror(errno)) }
}
