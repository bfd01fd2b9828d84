// The same random commands to Hearth and to a Redis: the same replies, and the same state behind them.
//
// HEARTH_DIFFERENTIAL=100000 sets how many commands are sent; HEARTH_SEED replays a run.

import TestSupport
import Testing

#if canImport(Glibc)
    private import Glibc
#else
    private import Darwin
#endif

extension RealProcesses {
    @Suite struct Differential {
        private static let total = getenv("HEARTH_DIFFERENTIAL").flatMap { Int(String(cString: $0)) } ?? 20_000
        /// So many commands use every entry of the table, whatever the seed.
        private static let many = 100_000

        @Test func `random commands of all families leave the same replies and the same state as a real Redis`() throws
        {
            let random = SeededGenerator()
            let ways: [(consistency: String, workers: Int, share: Int)] = [
                ("max_staleness: 1h", 1, 2), ("max_staleness: 1h", 2, 1), ("consistency: strong", 1, 1),
            ]
            var uses = [Int](repeating: 0, count: ReplyDifferences.all.count)
            var shares: [Family: DifferentialRun.Share] = [:]
            var compared = 0
            for (index, way) in ways.enumerated() {
                let run = try DifferentialRun(
                    consistency: way.consistency, workers: way.workers, seed: random.seed &+ UInt64(index))
                do {
                    try run.run(Self.total * way.share / 4)
                } catch {
                    throw TestError(
                        "\(random.replay): \(error); after\n\(run.tail)\n\(run.found.joined(separator: "\n"))")
                }
                #expect(
                    run.found.isEmpty,
                    "\(random.replay), \(way.consistency), \(way.workers) worker(s), after \(run.compared) commands:\n\(run.found.joined(separator: "\n"))"
                )
                let hits = try run.hearth.client().call("HEARTH", "STATUS").fields["lookups_local_fresh"]?.integer ?? 0
                print("\(way.consistency), \(way.workers) worker(s): \(run.compared) commands, \(hits) local hits")
                if way.consistency == "consistency: strong" {
                    #expect(hits == 0)
                } else {
                    #expect(hits * 50 > run.compared, "local copies answered \(hits) of \(run.compared) commands")
                }
                compared += run.compared
                for (index, count) in run.uses.enumerated() { uses[index] += count }
                for (family, share) in run.shares {
                    shares[family, default: .init()].asked += share.asked
                    shares[family, default: .init()].succeeded += share.succeeded
                }
                guard run.found.isEmpty else { return }
            }
            report(shares, uses, compared, random)
        }

        private func report(
            _ shares: [Family: DifferentialRun.Share], _ uses: [Int], _ compared: Int, _ random: SeededGenerator
        ) {
            let (asked, succeeded) = shares.values.reduce((0, 0)) { ($0.0 + $1.asked, $0.1 + $1.succeeded) }
            let families = Family.allCases.map { "\($0) \(shares[$0]?.succeeded ?? 0)/\(shares[$0]?.asked ?? 0)" }
            print(
                "\(compared) commands compared, \(random.replay); succeeded \(succeeded) of \(asked): \(families.joined(separator: ", "))"
            )
            #expect(succeeded * 100 >= asked * 60, "only \(succeeded) of \(asked) commands succeeded")
            for family in Family.allCases { #expect((shares[family]?.asked ?? 0) > 0, "no command of \(family)") }
            for (entry, count) in zip(ReplyDifferences.all, uses) where count > 0 {
                print("  \(entry.command): \(entry.part), \(count) times")
            }
            guard compared >= Self.many else { return }
            for (entry, count) in zip(ReplyDifferences.all, uses) where !entry.isRare {
                #expect(count > 0, "\(entry.command): nothing differs in \(entry.part)")
            }
        }

        @Test func `the table of allowed differences is the one in docs protocol`() {
            let root = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false).dropLast(4)
            let document = readFile("\(root.joined(separator: "/"))/docs/protocol.md")
            let isThere = document.contains("\n\(ReplyDifferences.document)\n")
            #expect(isThere, "docs/protocol.md should have:\n\(ReplyDifferences.document)")
        }
    }
}
