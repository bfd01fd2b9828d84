// Where the keys of a policy may lie: tiers in other regions are left out, or the keys are refused.
//
// DESIGN. Regions of tiers don't change while the process runs, so which tiers a policy may use is settled when it is
// taken over: `Policy.tiers` is then what is left, and nothing that is held, fetched, written or promoted has to think
// of regions. What was left out is remembered, so that each value that would have gone there is counted.

public import Metrics
public import Primitives

/// The regions in which a policy's keys may be held.
public struct Residency: Sendable, Equatable {
    /// What becomes of the keys where a tier that their policy names lies elsewhere.
    public enum OnViolation: String, Sendable, CaseIterable {
        /// The tier is left out.
        case skip
        /// Reads and writes of the keys are refused.
        case refuse
    }

    /// Names of regions; none is everywhere.
    public var regions: [String] = []
    public var onViolation = OnViolation.skip
    /// What lies elsewhere; nil where nothing does.
    public internal(set) var violation: ResidencyViolation?

    public init() {}
}

/// What of a policy's tiers lies where its keys may not be.
public struct ResidencyViolation: Sendable, Equatable {
    public var tiers: Policy.TierSet
    public var journal: Bool
    /// `local memory is in us-east, the journal in us-east`.
    public var text: String
}

/// The region of each place that may hold keys; nil where it is not known.
public struct TierRegions: Sendable, Equatable {
    public var local: String?
    public var redis: String?
    public var warm: String?
    public var journal: String?

    public init(local: String? = nil, redis: String? = nil, warm: String? = nil, journal: String? = nil) {
        self.local = local
        self.redis = redis
        self.warm = warm
        self.journal = journal
    }
}

extension Policy {
    /// The policy as it applies to tiers in these regions. `usesRedis`: there is a Redis, and with it a journal.
    public func residing(in tierRegions: TierRegions, usesRedis: Bool) -> Policy {
        guard !residency.regions.isEmpty else { return self }
        var places: [(tier: TierSet?, name: String, region: String?)] = [(.local, "local memory", tierRegions.local)]
        if usesRedis { places.append((.redis, "Redis", tierRegions.redis)) }
        places.append((.warm, "the warm tier", tierRegions.warm))
        if usesRedis { places.append((nil, "the journal", tierRegions.journal)) }
        var violation = ResidencyViolation(tiers: [], journal: false, text: "")
        var words: [String] = []
        for (tier, name, region) in places where tier.map({ tiers.contains($0) }) ?? tiers.contains(.redis) {
            if let region, residency.regions.contains(region) { continue }
            if let tier { violation.tiers.insert(tier) } else { violation.journal = true }
            words.append("\(name) is in \(region ?? "a region that is not known")")
        }
        var policy = self
        guard !words.isEmpty else { return policy }
        violation.text = words.joined(separator: ", ")
        policy.residency.violation = violation
        if residency.onViolation == .skip { policy.tiers.subtract(violation.tiers) }
        return policy
    }

    /// The refusal of its keys; nil where they are served.
    public var denial: Reply? {
        residency.onViolation == .refuse && residency.violation != nil ? residencyRefusal : nil
    }

    /// The refusal of a command that only Redis can carry out; nil where Redis may hold the keys.
    public var denialInRedis: Reply? {
        denial ?? (residency.violation?.tiers.contains(.redis) ?? false ? residencyRefusal : nil)
    }

    private var residencyRefusal: Reply {
        .error(
            "DENIED keys that begin with '\(String(decoding: prefix, as: UTF8.self))' may be held in "
                + "\(residency.regions.joined(separator: ", ")) alone (residency of their policy), and "
                + "\(residency.violation?.text ?? ""): use a Hearth whose tiers are there, or change the policy")
    }
}

/// Values that would have been held where they may not be; safe from any thread.
public final class ResidencyFigures: Sendable {
    public enum Place: Int, Sendable, CaseIterable {
        case local, redis, warm, journal
        /// The metric's label.
        public var label: String {
            switch self {
            case .local: "local"
            case .redis: "redis"
            case .warm: "warm"
            case .journal: "journal"
            }
        }
    }

    private let skipped = Place.allCases.map { _ in SharedCell() }
    /// Requests that were refused.
    public let refused = SharedCounter()

    init() {}

    /// How many values were not held in a place.
    public func skipped(_ place: Place) -> UInt64 { skipped[place.rawValue].counter.value }

    func skip(_ place: Place) { skipped[place.rawValue].counter.add() }
}

extension Tiers {
    /// Whether the policy lets `tier` hold a value that is there to be held; an attempt elsewhere is counted.
    func mayHold(_ tier: Policy.TierSet, _ policy: Policy) -> Bool {
        if policy.tiers.contains(tier) { return true }
        if let violation = policy.residency.violation, violation.tiers.contains(tier) {
            share.residency.skip(tier == .local ? .local : tier == .redis ? .redis : .warm)
        }
        return false
    }

    /// Why commands are refused for where their keys may lie; nil where they are not, counted where they are.
    func denial(of commands: [NativeCommand]) -> Reply? {
        guard policies.hasViolations else { return nil }
        for key in commands.flatMap(\.command.keys) {
            let policy = policies.policies[policies.index(for: key)]
            if let denial = policy.denial {
                share.residency.refused.add()
                return denial
            }
            if redis != nil, policy.residency.violation?.tiers.contains(.redis) ?? false,
                commands.contains(where: \.command.isWrite)
            {
                share.residency.skip(.redis)
            }
        }
        return nil
    }

    /// Why a command that only Redis can carry out is refused for where its keys may lie; counted.
    public func denialInRedis(of keys: [[UInt8]]) -> Reply? {
        guard policies.hasViolations else { return nil }
        guard let denial = keys.lazy.compactMap({ self.policies.policy(for: $0).denialInRedis }).first else {
            return nil
        }
        share.residency.refused.add()
        return denial
    }
}
