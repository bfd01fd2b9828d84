// Every native command beside a real Redis.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Commands {
        @Test(arguments: SideBySide.Mode.allCases)
        func `native commands answer as a real Redis does, byte for byte`(mode: SideBySide.Mode) throws {
            let pair = try SideBySide(mode)
            let scenarios = Scenarios.stringsOnly + (mode == .embedded ? [] : Scenarios.otherTypes)
            var differences: [Difference] = []
            var lines = 0
            for (number, scenario) in scenarios.enumerated() {
                for (resp3, asPipeline) in [(false, false), (false, true), (true, false), (true, true)] {
                    differences += try pair.run(scenario, number: number, resp3: resp3, asPipeline: asPipeline)
                    lines += scenario.split(separator: ";").count
                }
            }
            print("\(mode.rawValue): \(lines) commands compared, \(differences.count) differences")
            let unexpected = differences.filter { !AllowedDifferences.allow($0) }
            #expect(unexpected.isEmpty, "\(unexpected.count) differ:\n\(unexpected.map(\.description).joined(separator: "\n"))")
        }
    }
}

/// Where Hearth answers differently on purpose: the beginning of the command, and why.
enum AllowedDifferences {
    static let all: [(command: String, reason: String)] = []

    static func allow(_ difference: Difference) -> Bool { all.contains { difference.command.hasPrefix($0.command) } }
}
