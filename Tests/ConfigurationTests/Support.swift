// What the tests of the configuration share: a load that must succeed, and one that must not.

import Configuration
import Testing

func load(
    _ text: String = "", environment: [String: String] = [:], flags: [(String, String)] = [],
    _ location: SourceLocation = #_sourceLocation
) throws -> Configuration {
    do {
        return try Configuration.load(file: "hearth.yaml", text: text, environment: environment, flags: flags)
            .configuration
    } catch {
        Issue.record("refused:\n\(error)", sourceLocation: location)
        throw error
    }
}

/// The lines of the refusal; empty, and a failure, where there is none.
func refusals(
    _ text: String = "", environment: [String: String] = [:], flags: [(String, String)] = [],
    _ location: SourceLocation = #_sourceLocation
) -> [String] {
    do throws(ConfigurationErrors) {
        _ = try Configuration.load(file: "hearth.yaml", text: text, environment: environment, flags: flags)
        Issue.record("was not refused: \(text)", sourceLocation: location)
        return []
    } catch {
        return error.problems.map(\.description)
    }
}

func warnings(_ text: String) throws -> [String] {
    try Configuration.load(file: "hearth.yaml", text: text).warnings.map(\.description)
}
