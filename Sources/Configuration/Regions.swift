// Regions: the names that there are, where each tier lies, and what a policy's residency leaves of its tiers.

public import Tiers

/// The `regions` key, and `region` of the sections that hold keys.
public struct RegionsSection: Sendable, Equatable {
    /// The names that may be used.
    public var known: [String] = []
    public var local: String?
    public var redis: String?
    public var warm: String?
    public var journal: String?
    public var audit: String?

    public init() {}

    /// Where keys may be held.
    public var ofTiers: TierRegions { TierRegions(local: local, redis: redis, warm: warm, journal: journal) }
}

extension Codec where Value == String {
    /// The name of a region.
    static var region: Codec {
        let expected = "a region's name, such as eu-west, of letters, digits, - and _"
        return Codec<String>.text(expected).map(
            { text throws(Refusal) in
                let isName = text.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                        true
                    default: false
                    }
                }
                guard isName, !text.isEmpty, text.utf8.count <= 64 else {
                    throw Refusal(found: "the string \(shown(text))", expected: expected)
                }
                return text
            }, back: { $0 })
    }
}

extension Loader {
    /// Refuses regions of tiers that are not among those that there are.
    mutating func judgeRegions() {
        let regions = configuration.regions
        for (key, region) in [
            ("local.region", regions.local), ("redis.region", regions.redis), ("warm.region", regions.warm),
            ("journal.region", regions.journal), ("audit.region", regions.audit),
        ] {
            guard let region, let fault = unknown(region), !refused.contains("regions") else { continue }
            refuse(given[key]?.place ?? place(Mark()), "\(key): \(fault)")
        }
    }

    private func unknown(_ region: String) -> String? {
        let known = configuration.regions.known
        guard !known.contains(region) else { return nil }
        guard !known.isEmpty else {
            return "unknown region \(shown(region)): no region is named; say regions: [\(region)]"
        }
        let hint = nearest(to: region, in: known).map { "; did you mean \($0)?" } ?? ""
        return "unknown region \(shown(region)), expected one of regions: \(known.joined(separator: ", "))\(hint)"
    }

    /// A place that holds keys of a policy.
    private struct Holder {
        let name: String
        let region: String?
        /// Nil for the journal, which is no tier.
        let tier: Policy.TierSet?
    }

    /// The places that would hold keys of a policy.
    private func holders(_ policy: Policy) -> [Holder] {
        let regions = configuration.regions
        var holders: [Holder] = []
        if policy.tiers.contains(.local) { holders.append(Holder(name: "local", region: regions.local, tier: .local)) }
        let usesRedis = !configuration.redisIsOff && policy.tiers.contains(.redis)
        if usesRedis { holders.append(Holder(name: "redis", region: regions.redis, tier: .redis)) }
        if policy.tiers.contains(.warm) { holders.append(Holder(name: "warm", region: regions.warm, tier: .warm)) }
        if usesRedis, policy.onOutage == .journal, policy.consistency != .strong {
            holders.append(Holder(name: "journal", region: regions.journal, tier: nil))
        }
        return holders
    }

    /// Refuses a residency that can't be kept, or leaves nobody who may keep the keys.
    mutating func judgeResidency(_ policy: Policy, _ item: Item, _ place: Place) {
        let allowed = policy.residency.regions
        guard !allowed.isEmpty, !refused.contains("regions") else { return }
        let shownRegions = "residency.regions is [\(allowed.joined(separator: ", "))]"
        for region in allowed {
            if let fault = unknown(region) { return refuse(place, "\(item.name).residency.regions: \(fault)") }
        }
        let holders = holders(policy)
        for holder in holders where holder.region == nil && !refused.contains("\(holder.name).region") {
            return refuse(
                place,
                "\(item.name): \(shownRegions), and \(holder.name).region is not given: say where it lies")
        }
        if policy.audit != .off, configuration.audit.path != nil, configuration.audit.keys == .plain,
            !(configuration.regions.audit.map { allowed.contains($0) } ?? false)
        {
            let region = configuration.regions.audit.map { "is \($0)" } ?? "is not given"
            return refuse(
                place,
                "\(item.name): \(shownRegions), audit.region \(region), and lines of the audit hold keys; say "
                    + "audit.keys: hashed, or audit: off for these keys")
        }
        guard policy.residency.onViolation == .skip else { return }
        let left = holders.filter { holder in holder.region.map { allowed.contains($0) } ?? true }
        func keeps(_ holder: Holder) -> Bool { holder.tier == .redis || holder.tier == .warm }
        if left.allSatisfy({ $0.tier == nil }) || holders.contains(where: keeps) && !left.contains(where: keeps) {
            let found = holders.map { "\($0.name) is in \($0.region ?? "?")" }.joined(separator: ", ")
            return refuse(
                place,
                "\(item.name): no tier may keep these keys: \(shownRegions), and \(found); move a tier, or say "
                    + "residency.on_violation: refuse, and they are denied here")
        }
        if policy.records.turnsOverflow == .archive, !left.contains(where: { $0.tier == .warm }) {
            refuse(
                place,
                "\(item.name): \(shownRegions) leaves the warm tier out, and turns.overflow: archive keeps turns there; "
                    + "move the warm tier, or say turns.overflow: refuse or drop-oldest")
            return
        }
        if !left.contains(where: { $0.tier == .redis }), !configuration.redisIsOff, policy.tiers.contains(.redis),
            configuration.warmWhenFull == .evict
        {
            refuse(
                place,
                "\(item.name): \(shownRegions) leaves redis out, so the warm tier is the authority of these keys, and "
                    + "what it evicts is lost; set warm.when_full: refuse (and warm.sync: always)")
        }
    }
}
