// Options of a benchmark's command line: a table, which is read by and from which help is printed.

/// A wrong command line, in words for whoever typed it.
public struct UsageError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String
    package init(_ description: String) { self.description = description }
}

/// One option: its name, what it takes (nil for a switch), what it is for, and what it does to the options.
package struct CommandOption<Options>: Sendable {
    package typealias Action = @Sendable (inout Options, String) throws(UsageError) -> Void

    let name: String
    let takes: String?
    let summary: String
    let set: Action

    package init(_ name: String, _ takes: String?, _ summary: String, _ set: @escaping Action) {
        self.name = name
        self.takes = takes
        self.summary = summary
        self.set = set
    }

    /// Reads a command line, without the program's name; returns the options that were given, nil for help.
    ///
    /// What does not begin with `--` is an operand; `-` is one as well.
    package static func read(
        _ arguments: [String], _ table: [CommandOption], into options: inout Options,
        operand: (inout Options, String) throws(UsageError) -> Void
    ) throws(UsageError) -> Set<String>? {
        var left = arguments[...]
        var given: Set<String> = []
        while let word = left.popFirst() {
            if word == "--help" || word == "-h" { return nil }
            guard word.hasPrefix("--") else {
                try operand(&options, word)
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let option = table.first(where: { $0.name == parts[0] }) else {
                throw UsageError("there is no option \(parts[0]); see --help")
            }
            given.insert(option.name)
            if option.takes == nil {
                guard parts.count == 1 else { throw UsageError("\(option.name) takes no value") }
                try option.set(&options, "")
            } else {
                guard let value = parts.count == 2 ? parts[1] : left.popFirst(), !value.isEmpty else {
                    throw UsageError("\(option.name) needs a value: \(option.takes ?? "")")
                }
                try option.set(&options, value)
            }
        }
        return given
    }

    /// The table as `--help` prints it.
    package static func help(_ table: [CommandOption]) -> String {
        var text = ""
        for option in table {
            let head = "  \(option.name)\(option.takes.map { " " + $0 } ?? "")"
            let padding = String(repeating: " ", count: max(2, 31 - head.count))
            let indent = "\n" + String(repeating: " ", count: 31)
            text += head + padding + option.summary.split(separator: "\n").joined(separator: indent) + "\n"
        }
        return text
    }
}
