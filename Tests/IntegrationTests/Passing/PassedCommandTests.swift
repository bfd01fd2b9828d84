// Commands that Redis has to answer, through Hearth and directly: the same bytes.

import TestSupport
import Testing

/// A pair in which whatever is compared may also be denied by default.
extension RealProcesses {
    @Suite struct PassedCommands {
        @Test(arguments: [SideBySide.Mode.redis, .redisAlone])
        func `passed-through commands of all families answer as a real Redis does, byte for byte`(
            mode: SideBySide.Mode
        ) throws {
            let pair = try SideBySide(mode, allowing: ["DEBUG"])
            var differences: [Difference] = []
            var lines = 0
            for (number, scenario) in PassedScenarios.all.enumerated() {
                for (resp3, asPipeline) in [(false, false), (false, true), (true, false), (true, true)] {
                    differences += try pair.run(scenario, number: number, resp3: resp3, asPipeline: asPipeline)
                    lines += scenario.split(separator: ";").count
                }
            }
            print("passed through, \(mode.rawValue): \(lines) commands compared, \(differences.count) differences")
            #expect(
                differences.isEmpty,
                "\(differences.count) differ:\n\(differences.map(\.description).joined(separator: "\n"))")
            // Nothing of it stays behind: pins are given back, and their connections closed.
            let client = try pair.hearth.client()
            try eventually("pins are given back") {
                try client.call("HEARTH", "STATUS").fields["pinned_connections"]?.integer == 0
            }
        }
    }
}
