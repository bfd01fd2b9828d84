// One thing that is done over and over between two marks, so that what it costs can be counted.

/// A micro-benchmark: named, prepared apart from what is measured, and sized for a counting emulator.
public struct MicroBenchmark {
    /// Module and operation, as `local: hit, lru`; the key of its line in the baseline.
    public let name: String
    /// How many operations are counted. Under valgrind each costs fifty times its time: all together take seconds.
    public let operations: Int
    /// Makes what is needed, and returns what does so many operations. Called once for each measurement.
    let prepare: () throws -> (Int) throws -> Void

    init(_ name: String, operations: Int, prepare: @escaping () throws -> (Int) throws -> Void) {
        self.name = name
        self.operations = operations
        self.prepare = prepare
    }

    /// All, in the order of the report. Each works in the current directory where it needs files.
    public static var all: [MicroBenchmark] { parser + localTier + segmentLog + warmTier + journal }
}

/// What a benchmark found that can't be: its figure would be of something else.
struct WrongResult: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

func expect(_ condition: Bool, _ text: @autoclosure () -> String) throws(WrongResult) {
    guard condition else { throw WrongResult(text()) }
}
