// What `hearth WORD …` does, and how it exits.

internal import Configuration
internal import Server

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Exit codes, from sysexits.h.
enum ExitCode: Int32 {
    case clean = 0
    /// The command line is wrong (EX_USAGE).
    case usage = 64
    /// What is to be read is not there (EX_NOINPUT).
    case noInput = 66
    /// Something that is needed is not to be had (EX_UNAVAILABLE).
    case unavailable = 69
    /// A fault of ours (EX_SOFTWARE).
    case software = 70
    /// The configuration is wrong (EX_CONFIG).
    case configuration = 78
}

/// One run of the command line.
struct CommandLineTool {
    let arguments: [String]

    init(_ arguments: [String]) { self.arguments = arguments }

    func run() -> Never {
        // A client that is gone must not end the process: writes say so themselves.
        signal(SIGPIPE, SIG_IGN)
        guard let word = arguments.first else {
            Self.printError(Self.usage)
            finish(.usage)
        }
        let asked = ["--version": "version", "-v": "version", "--help": "help", "-h": "help"][word] ?? word
        guard let entry = Self.entries.first(where: { $0.name == asked }) else {
            fail(.usage, "hearth: there is no command '\(word)'; see hearth help")
        }
        if arguments.dropFirst().contains(where: { $0 == "--help" || $0 == "-h" }) {
            CommandLineTool(["help", entry.name]).help()
        }
        entry.run(self)
    }

    // MARK: Configuration

    /// Reads the configuration that this run is to use; ends the process with what is wrong where it can't be.
    func load(_ file: String?, _ flags: [(String, String)]) -> LoadedConfiguration {
        do throws(ConfigurationErrors) {
            return try Self.read(file, flags)
        } catch {
            fail(.configuration, "\(error)")
        }
    }

    static func read(_ file: String?, _ flags: [(String, String)]) throws(ConfigurationErrors) -> LoadedConfiguration {
        var text: [UInt8]?
        if let file {
            guard let bytes = Self.content(of: file) else {
                Self.fail(.configuration, "hearth: \(file) can't be read: \(String(cString: strerror(errno)))")
            }
            text = bytes
        }
        return try Configuration.load(file: file, text: text, environment: Self.environment(), flags: flags)
    }

    /// A file's bytes, one more than a configuration may have at most; nil with errno where it can't be read.
    static func content(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count <= 1 << 20 {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return ferror(file) == 0 ? bytes : nil
    }

    static func environment() -> [String: String] {
        var result: [String: String] = [:]
        var entry = environ
        while let line = entry.pointee {
            let text = String(cString: line)
            if let sign = text.firstIndex(of: "=") {
                result[String(text[..<sign])] = String(text[text.index(after: sign)...])
            }
            entry += 1
        }
        return result
    }

    func check() -> Never {
        let words = words()
        guard words.rest.count <= 1, let name = words.rest.first ?? words.file else {
            fail(.usage, "usage: hearth check FILE")
        }
        let loaded = load(name, words.flags)
        for warning in loaded.warnings { printError("warning: \(warning)") }
        print("\(name): good\(loaded.warnings.isEmpty ? "" : ", with \(loaded.warnings.count) warning(s)")")
        finish(.clean)
    }

    func printConfiguration() -> Never {
        let words = words()
        guard words.rest.isEmpty else { fail(.usage, "usage: hearth config [--config FILE] [--KEY VALUE …]") }
        print(load(words.file, words.flags).configuration.printed())
        finish(.clean)
    }

    func printVersion() -> Never {
        print("hearth \(Version.hearth)")
        finish(.clean)
    }

    // MARK: Ending

    func fail(_ code: ExitCode, _ text: String) -> Never { Self.fail(code, text) }

    static func fail(_ code: ExitCode, _ text: String) -> Never {
        printError(text)
        finish(code)
    }

    static func printError(_ text: String) {
        let line = Array((text + "\n").utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
    func printError(_ text: String) { Self.printError(text) }

    static func finish(_ code: ExitCode) -> Never {
        fflush(nil)
        exit(code.rawValue)
    }

    func finish(_ code: ExitCode) -> Never { Self.finish(code) }

    /// Ends the process without waiting for anything; everything was closed and written before.
    func leave(_ code: ExitCode) -> Never {
        fflush(nil)
        _exit(code.rawValue)
    }
}
