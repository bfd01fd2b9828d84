// What `hearth WORD …` does, its help, and how it exits.

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
        switch arguments.first {
        case "serve": serve()
        case "check": check()
        case "config": printConfiguration()
        case "version", "--version", "-v":
            print("hearth \(Version.hearth)")
            finish(.clean)
        case "help", "--help", "-h", nil:
            print(Self.usage)
            finish(arguments.isEmpty ? .usage : .clean)
        case let word?: fail(.usage, "hearth: there is no command '\(word)'; see hearth help")
        }
    }

    static let usage = """
        Hearth keeps an application's state warm: a cache beside it that speaks the Redis protocol.

        usage: hearth COMMAND [--config FILE] [--KEY VALUE …]

          serve            serve clients on the socket until SIGTERM
          check FILE       check a configuration and say what is wrong with it
          config           print the effective configuration, secrets redacted
          version          print the version

        Every key of the configuration is a flag (--redis-url, --local-max-bytes …) and an environment variable
        (HEARTH_REDIS_URL …): flags go over the environment, that over the file, that over the defaults.
        docs/configuration.md describes them all.
        """

    // MARK: Configuration

    /// The `--config FILE` and `--key value` (or `--key=value`) words after the command.
    func flags() -> (file: String?, flags: [(String, String)], rest: [String]) {
        var file = getenv("HEARTH_CONFIG").map { String(cString: $0) }
        var flags: [(String, String)] = []
        var rest: [String] = []
        var words = arguments.dropFirst()
        while let word = words.popFirst() {
            guard word.hasPrefix("--") else {
                rest.append(word)
                continue
            }
            var name = word
            var value: String?
            if let sign = word.firstIndex(of: "=") {
                name = String(word[..<sign])
                value = String(word[word.index(after: sign)...])
            } else {
                value = words.popFirst()
            }
            guard let value else { fail(.usage, "hearth: \(name) needs a value") }
            if name == "--config" { file = value } else { flags.append((name, value)) }
        }
        return (file, flags, rest)
    }

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
            if let sign = text.firstIndex(of: "=") { result[String(text[..<sign])] = String(text[text.index(after: sign)...]) }
            entry += 1
        }
        return result
    }

    private func check() -> Never {
        let (file, flags, rest) = flags()
        guard rest.count <= 1, let name = rest.first ?? file else {
            fail(.usage, "usage: hearth check FILE")
        }
        let loaded = load(name, flags)
        for warning in loaded.warnings { printError("warning: \(warning)") }
        print("\(name): good\(loaded.warnings.isEmpty ? "" : ", with \(loaded.warnings.count) warning(s)")")
        finish(.clean)
    }

    private func printConfiguration() -> Never {
        let (file, flags, rest) = flags()
        guard rest.isEmpty else { fail(.usage, "usage: hearth config [--config FILE] [--KEY VALUE …]") }
        print(load(file, flags).configuration.printed())
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
}
