// What a reload changes, and what of it has to wait for a restart.

internal import Tiers

/// The keys in which two configurations differ, by what a reload does about them.
public struct ConfigurationDifference: Sendable, Equatable {
    /// Keys whose new values a reload applies, as `redis.timeout`; `policies` stands for all of them.
    public let applied: [String]
    /// Keys that keep their old values until a restart.
    public let needRestart: [String]

    public var isEmpty: Bool { applied.isEmpty && needRestart.isEmpty }
}

extension Configuration {
    /// What changes when this configuration takes the place of `running`, as it was loaded.
    public func difference(from running: Configuration) -> ConfigurationDifference {
        let changed = Self.settings.filter { !$0.isEqual(self, running) }
        var applied = changed.filter { $0.whenChanged == .atOnce }.map(\.key)
        if policies != running.policies { applied.append("policies") }
        return ConfigurationDifference(
            applied: applied, needRestart: changed.filter { $0.whenChanged == .atRestart }.map(\.key))
    }

    /// This configuration as a reload can apply it over `running`: keys that need a restart keep their running values.
    ///
    /// Policies were judged against the new values of those keys; where the running ones allow less, they are bounded
    /// by them until the restart.
    public func reloadable(over running: Configuration) -> Configuration {
        var result = self
        for setting in Self.settings where setting.whenChanged == .atRestart { setting.copy(running, &result) }
        for index in result.policies.indices {
            result.policies[index].maxLocalValue = min(policies[index].maxLocalValue, result.local.shardBytes)
            if result.redisIsOff {
                result.policies[index].tiers.insert(.warm)
                result.policies[index].waitReplicas = 0
            }
            if result.audit.path == nil { result.policies[index].audit = .off }
        }
        return result
    }
}
