// A few seeds of the simulated world with every test run; `make simulate` runs thousands.

import Simulation
import TestSupport
import Testing

@Suite struct SimulationTests {
    @Test(arguments: 0..<(isThorough ? 200 : 8))
    func `whatever fails, what was acknowledged holds`(_ index: Int) {
        let seed = SeededGenerator.seed() &+ UInt64(index)
        let result = World.run(Plan(seed: seed, requests: 500))
        #expect(result.coverage.faultCount > 0)
        #expect(result.coverage.requests >= 200, "few clients found a process to ask")
        #expect(
            result.violations.isEmpty,
            "HEARTH_REPLAY=\(seed) make simulate ARGS='--requests 500'\n\(result.violations.joined(separator: "\n"))")
    }

    @Test func `a run that can be had again is written as it is read`() {
        for replayed in [Replayed(seed: 12), Replayed(seed: 7, kept: [0, 1, 2, 5, 9, 10])] {
            #expect(Replayed("\(replayed)") == replayed)
        }
        #expect("\(Replayed(seed: 7, kept: [0, 1, 2, 5, 9, 10]))" == "7:0-2,5,9-10")
        for wrong in ["", "x", "7:a", "7:3-1", "7:1-2-3"] { #expect(Replayed(wrong) == nil) }
    }

    @Test func `what a failure does not need is left out`() {
        let needed: Set<Int> = [3, 57, 58]
        var runs = 0
        let kept = shrink(Array(0..<100)) { kept in
            runs += 1
            return kept.isSuperset(of: needed)
        }
        #expect(Set(kept) == needed)
        #expect(runs < 200)
    }
}
