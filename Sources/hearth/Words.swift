// The words after a command, told apart: its own switches and options, flags of the configuration, and the rest.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

struct Words {
    /// `--config FILE`, or `HEARTH_CONFIG`.
    var file: String?
    /// `--key value` and `--key=value`, for the configuration.
    var flags: [(String, String)] = []
    var switches: Set<String> = []
    var options: [String: String] = [:]
    var rest: [String] = []
}

extension CommandLineTool {
    /// Reads the words after the command; `switches` take no value, `options` do. After `--` nothing is a flag.
    func words(switches: Set<String> = [], options: Set<String> = []) -> Words {
        var words = Words(file: getenv("HEARTH_CONFIG").map { String(cString: $0) })
        var left = arguments.dropFirst()
        while let word = left.popFirst() {
            guard word != "--" else {
                words.rest += left
                break
            }
            guard word.hasPrefix("--") else {
                words.rest.append(word)
                continue
            }
            guard !switches.contains(word) else {
                words.switches.insert(word)
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let value = parts.count == 2 ? parts[1] : left.popFirst() else {
                fail(.usage, "hearth: \(word) needs a value")
            }
            switch parts[0] {
            case "--config": words.file = value
            case let name where options.contains(name): words.options[name] = value
            case let name: words.flags.append((name, value))
            }
        }
        return words
    }
}
