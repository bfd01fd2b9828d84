// The command line of hearth-micro.

public import BenchmarkTool

/// What is to be run, and how.
public struct MicroOptions: Sendable {
    /// A part of the names of those that are wanted; all where it is empty.
    public var names: [String] = []
    /// Between marks, once each, for a counting emulator; else in rounds, timed.
    public var counts = false
    public var lists = false
    public var rounds = 7
    /// A share of the operations, so that it is only tried.
    public var tiny = false

    public init() {}

    /// What a command line asks for.
    public enum Asked: Sendable {
        case run(MicroOptions)
        case help
    }

    private static let table: [CommandOption<MicroOptions>] = [
        CommandOption("--count", nil, "between marks, for Benchmarks/micro and its valgrind") { options, _ in
            options.counts = true
        },
        CommandOption("--list", nil, "the names alone") { options, _ in options.lists = true },
        CommandOption("--rounds", "N", "the least of so many is printed (7)") { options, text throws(UsageError) in
            guard let rounds = Int(text), rounds > 0 else { throw UsageError("--rounds \(text): a number from 1") }
            options.rounds = rounds
        },
        CommandOption("--tiny", nil, "a hundredth of the operations, to try it") { options, _ in options.tiny = true },
    ]

    public static let help = """
        usage: hearth-micro [OPTION…] [NAME…]

        Times parser, local tier, segment log, warm tier and journal by themselves: nanoseconds of CPU for an operation.
        NAME is a part of a benchmark's name. `make micro` counts instructions and allocations instead.


        """ + CommandOption.help(table)

    /// Reads a command line, without the program's name.
    public static func parse(_ arguments: [String]) throws(UsageError) -> Asked {
        var options = MicroOptions()
        let given = try CommandOption.read(arguments, table, into: &options) { options, word in
            options.names.append(word)
        }
        guard given != nil else { return .help }
        guard !options.selected.isEmpty else {
            throw UsageError("no benchmark is called \(options.names.joined(separator: " or ")); see --list")
        }
        return .run(options)
    }

    /// The benchmarks that are wanted, in the order of the report.
    public var selected: [MicroBenchmark] {
        let all = MicroBenchmark.all.map { tiny ? $0.tried : $0 }
        return names.isEmpty ? all : all.filter { benchmark in names.contains { benchmark.name.contains($0) } }
    }
}

extension MicroBenchmark {
    /// The same with few operations: whether it works, not what it costs.
    var tried: MicroBenchmark { MicroBenchmark(name, operations: max(64, operations / 100), prepare: prepare) }
}
