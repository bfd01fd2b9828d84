// A program that a test runs: started, signalled, waited for, and never left behind.

internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A child process whose output goes to a file; killed when the object goes, and when the tests end.
public final class ChildProcess: Sendable {
    public enum Signal: Int32, Sendable {
        case hangUp = 1
        case interrupt = 2
        case kill = 9
        case terminate = 15
        case `continue` = 18
        case stop = 19
    }

    public let pid: Int32
    /// What the program wrote to standard output and standard error.
    public let outputPath: String
    private let ended = Mutex<Int32?>(nil)

    private static let running = Mutex<Set<Int32>>([])
    private static let registration: Void = {
        atexit { ChildProcess.running.withLock { for pid in $0 { kill(pid, SIGKILL) } } }
    }()

    public init(
        _ path: String, _ arguments: [String], environment: [String: String] = [:], output: String
    ) throws {
        _ = Self.registration
        outputPath = output
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Whatever the tests ignore or block, the program must not inherit.
        var all = sigset_t()
        var none = sigset_t()
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        let variables = environment.merging(Self.inheritedVariables) { given, _ in given }
        let words = ([path] + arguments).map { strdup($0) } + [nil]
        let settings = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in words + settings { free(text) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, path, &actions, &attributes, words, settings)
        guard code == 0 else { throw TestError("start \(path): \(String(cString: strerror(code)))") }
        self.pid = pid
        Self.running.withLock { _ = $0.insert(pid) }
    }

    /// What a child has of this process's environment: where things are, and what sanitizers, coverage and
    /// Tests/Proof/mutants tell those who run under them.
    private static let inherited = [
        "PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "ASAN_OPTIONS", "TSAN_OPTIONS", "LLVM_PROFILE_FILE",
        "MUTANTS_BROKEN",
    ]

    /// The variables that every child has, whoever starts it.
    public static var inheritedVariables: [String: String] {
        var variables: [String: String] = [:]
        for name in inherited {
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }
        return variables
    }

    deinit { end() }

    public var output: String { readFile(outputPath) }

    /// Whether it has not ended yet.
    public var isRunning: Bool { exitStatus == nil }

    /// The exit code, or 128 and the signal that ended it; nil while it runs.
    public var exitStatus: Int32? {
        ended.withLock { ended in
            if let ended { return ended }
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
            let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
            ended = code
            Self.running.withLock { _ = $0.remove(pid) }
            return code
        }
    }

    public func signal(_ signal: Signal) {
        ended.withLock { ended in
            if ended == nil { kill(pid, signal.rawValue) }
        }
    }

    /// Waits for the end; the exit code.
    @discardableResult
    public func wait(within limit: Double = 30_000) throws -> Int32 {
        var status: Int32?
        try eventually("process \(pid) ends; its output: \(output.suffix(500))", within: limit) {
            status = exitStatus
            return status != nil
        }
        return status ?? -1
    }

    /// Kills it where it still runs, and waits.
    public func end() {
        guard isRunning else { return }
        signal(.continue)
        signal(.kill)
        _ = try? wait(within: 5000)
    }

    /// Runs a program to its end; its exit code and output.
    public static func run(
        _ name: String, _ arguments: [String], environment: [String: String] = [:], in directory: TemporaryDirectory,
        within limit: Double = 60_000
    ) throws -> (code: Int32, output: String) {
        guard let path = name.contains("/") ? name : program(name) else { throw TestError("\(name) is not installed") }
        let file = directory.file("run-\(UInt32.random(in: 0 ... .max)).out")
        let child = try ChildProcess(path, arguments, environment: environment, output: file)
        let code = try child.wait(within: limit)
        return (code, child.output)
    }
}
