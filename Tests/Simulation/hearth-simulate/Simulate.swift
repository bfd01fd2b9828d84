// hearth-simulate: many seeds of the simulated world, as a command; one that fails is made small and can be replayed.
//
// The order of tables, and with it the order of writes, follows from how Swift hashes: a run repeats only where that is
// fixed, so this program starts itself again with SWIFT_DETERMINISTIC_HASHING.

internal import BenchmarkTool
internal import Primitives
internal import Simulation

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

private let tool = Tool("hearth-simulate")

@main
struct Simulate {
    static func main() async {
        fixHashing()
        ProcessSeed.fix(1)
        let options = readOptions()
        reportCrashes()
        if let replayed = options.replayed { replay(replayed, options) }
        let started = monotonicSeconds()
        let next = SeedCounter(options)
        let sum = await withTaskGroup(of: SeedResults.self) { group in
            for job in 0..<options.jobs { group.addTask { work(options, job, next) } }
            var sum = SeedResults()
            for await part in group { sum += part }
            return sum
        }
        Tool.show("")
        print(sum.coverage.text, terminator: "")
        let seconds = Int(monotonicSeconds() - started)
        let verdict = sum.failed == 0 ? "all held" : "\(sum.failed) FAILED"
        print("\(options.seeds) seeds from \(options.first) in \(seconds) s: \(verdict)")
        exit(sum.failed == 0 ? 0 : 1)
    }

    /// Starts this program again where the order of tables is not fixed yet.
    private static func fixHashing() {
        guard getenv("SWIFT_DETERMINISTIC_HASHING") == nil else { return }
        setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
        execv("/proc/self/exe", CommandLine.unsafeArgv)
        tool.finish(70, "can't start itself again: \(Tool.lastError)")
    }

    private static func readOptions() -> Options {
        var options = Options()
        do throws(UsageError) {
            let given = try CommandOption.read(
                Array(CommandLine.arguments.dropFirst()), Options.table, into: &options
            ) { (_: inout Options, word: String) throws(UsageError) in
                throw Options.strange(word)
            }
            guard given != nil else {
                print(Options.help, terminator: "")
                exit(0)
            }
        } catch {
            tool.finish(64, error.description)
        }
        if let text = getenv("HEARTH_REPLAY").map({ String(cString: $0) }), !text.isEmpty {
            guard let replayed = Replayed(text) else {
                tool.finish(64, "HEARTH_REPLAY=\(text) is not a seed, or SEED:STEPS as a failure prints it")
            }
            options.replayed = replayed
        }
        return options
    }

    private static func monotonicSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
