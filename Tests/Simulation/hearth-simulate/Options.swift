// What hearth-simulate may be told.

internal import BenchmarkTool
internal import Simulation

struct Options: Sendable {
    var first: UInt64 = 1
    var seeds: UInt64 = 1000
    var requests = 1000
    var jobs = 1
    var traced: String?
    var replayed: Replayed?

    private static func number(
        _ name: String, _ text: String, _ range: ClosedRange<UInt64>
    ) throws(UsageError) -> UInt64 {
        guard let number = UInt64(text), range.contains(number) else {
            throw UsageError("\(name) \(text): a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    static func strange(_ word: String) -> UsageError { UsageError("there are no operands: \(word)") }

    static let table: [CommandOption<Options>] = [
        CommandOption("--seeds", "N", "how many seeds (1000)") { options, text throws(UsageError) in
            options.seeds = try number("--seeds", text, 1...1_000_000_000)
        },
        CommandOption("--first", "SEED", "the first of them (1)") { options, text throws(UsageError) in
            options.first = try number("--first", text, 0...(.max / 2))
        },
        CommandOption("--requests", "N", "what clients ask under each seed (1000)") {
            options, text throws(UsageError) in
            options.requests = Int(try number("--requests", text, 10...10_000_000))
        },
        CommandOption("--jobs", "N", "seeds at the same time (1)") { options, text throws(UsageError) in
            options.jobs = Int(try number("--jobs", text, 1...64))
        },
        CommandOption("--trace", "KEY", "of the replayed run: what happens to this key") {
            options, text throws(UsageError) in
            options.traced = text
        },
    ]

    static let help = """
        usage: hearth-simulate [options]

        Runs Hearth in simulated worlds: one thread, virtual time, a simulated Redis, network and disk, faults by the
        seed. A seed that fails is made small; HEARTH_REPLAY=… has what is left of it again, with the same --requests.

        \(CommandOption<Options>.help(table))
        Exit codes: 0; 1 where something did not hold; 64 wrong options.

        """
}
