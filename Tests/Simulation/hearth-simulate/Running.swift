// Seeds one after the other, each in its own world; what is under way when the process crashes is said.

internal import BenchmarkTool
internal import Simulation
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// The seeds under way, one place for each job: what a crash has to tell.
nonisolated(unsafe) private let underWay = UnsafeMutablePointer<UInt64>.allocate(capacity: 64)

/// A precondition that fails ends the process: the seeds that were under way are printed then.
func reportCrashes() {
    underWay.initialize(repeating: 0, count: 64)
    for number in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE] {
        _ = signal(number) { number in
            for job in 0..<64 where underWay[job] != 0 {
                print("HEARTH_REPLAY=\(underWay[job] - 1)\n  the process crashed (signal \(number))")
            }
            fflush(nil)
            _exit(1)
        }
    }
}

/// Hands seeds out; safe from any thread.
final class SeedCounter: Sendable {
    private let taken = Atomic<UInt64>(0)
    private let options: Options

    init(_ options: Options) { self.options = options }

    /// The next seed, and how many came before it; nil when all were taken.
    func take() -> (seed: UInt64, index: UInt64)? {
        let index = taken.wrappingAdd(1, ordering: .relaxed).oldValue
        return index < options.seeds ? (options.first + index, index) : nil
    }
}

/// What came of some seeds.
struct SeedResults: Sendable {
    var failed = 0
    var coverage = Coverage()

    static func += (sum: inout SeedResults, part: SeedResults) {
        sum.failed += part.failed
        sum.coverage += part.coverage
    }
}

/// Runs seeds until there are no more.
func work(_ options: Options, _ job: Int, _ next: SeedCounter) -> SeedResults {
    var results = SeedResults()
    while let (seed, index) = next.take() {
        underWay[job] = seed + 1
        let (isGood, coverage) = run(seed, options)
        underWay[job] = 0
        results += SeedResults(failed: isGood ? 0 : 1, coverage: coverage)
        if index % 20 == 0 { Tool.show("\(index) of \(options.seeds)") }
    }
    return results
}

/// Runs one seed, and makes it small where it fails; whether all held.
private func run(_ seed: UInt64, _ options: Options) -> (isGood: Bool, Coverage) {
    let plan = Plan(seed: seed, requests: options.requests)
    let result = World.run(plan)
    guard !result.violations.isEmpty else { return (true, result.coverage) }
    report(Replayed(seed: seed), result, options)
    let kept = shrink(Array(0..<plan.stepCount)) { !World.run(plan, keeping: $0).violations.isEmpty }
    report(Replayed(seed: seed, kept: kept), World.run(plan, keeping: Set(kept)), options)
    return (false, result.coverage)
}

/// Runs what HEARTH_REPLAY names, and tells what happened.
func replay(_ replayed: Replayed, _ options: Options) -> Never {
    let plan = Plan(seed: replayed.seed, requests: options.requests)
    let result = World.run(plan, keeping: replayed.kept.map { Set($0) }, traced: options.traced)
    for line in result.trace { print(line) }
    if let kept = replayed.kept { print(plan.text(of: kept)) }
    report(replayed, result, options)
    exit(result.violations.isEmpty ? 0 : 1)
}

private func report(_ replayed: Replayed, _ result: RunResult, _ options: Options) {
    print("HEARTH_REPLAY=\(replayed)\(options.requests == 1000 ? "" : " with --requests \(options.requests)")")
    for violation in result.violations { print("  \(violation)") }
    fflush(nil)
}
