// The `policies` list: each policy begins as a copy of the one for the empty prefix, wherever that stands.

internal import Server
internal import Tiers

extension Loader {
    /// One element of the list, as far as it could be understood.
    struct Item {
        var index: Int
        var prefix: String
        var mark: Mark
        var members: [Member]

        var name: String { "policies[\(index)]" }
    }

    /// Policies come from the file alone; without any, the empty prefix has every default.
    mutating func readPolicies() {
        var base = Policy()
        base.maxValue = configuration.server.maxValue
        base.maxLocalValue = min(base.maxLocalValue, configuration.local.shardBytes)
        var items = policies.map { listItems($0) } ?? []
        refuseDuplicates(&items)
        if let item = items.first(where: { $0.prefix.isEmpty }) { base = policy(item, from: base) }
        var all = [base]
        for item in items where !item.prefix.isEmpty { all.append(policy(item, from: base)) }
        configuration.policies = all
    }

    private mutating func listItems(_ node: Node) -> [Item] {
        switch node.content {
        case .refused: return []
        case .scalar(let scalar) where scalar.kind == .null: return []
        case .sequence(let nodes):
            return nodes.enumerated().compactMap { index, node in item(node, index) }
        case .scalar, .mapping:
            refuse(place(node.mark), "policies: found \(node.found), expected a list of policies, each with a prefix")
            return []
        }
    }

    private mutating func item(_ node: Node, _ index: Int) -> Item? {
        if case .scalar(let scalar) = node.content, scalar.kind == .null {
            refuse(place(node.mark), "policies[\(index)]: found nothing, expected a prefix and its keys")
            return nil
        }
        guard let members = members(of: node, "policies[\(index)]", "prefix and other keys") else { return nil }
        guard let prefix = members.first(where: { $0.key == "prefix" }) else {
            refuse(place(node.mark), "policies[\(index)] has no prefix; the one for every key is \"\"")
            return nil
        }
        let rest = members.filter { $0.key != "prefix" }
        if prefix.value.isRefused { return nil }
        do {
            let text = try Codec<String>.text("a string; the one for every key is \"\"").read(prefix.value)
            return Item(index: index, prefix: text, mark: prefix.value.mark, members: rest)
        } catch {
            refuse(place(prefix.value.mark), "policies[\(index)].prefix: \(error.text)")
            return nil
        }
    }

    /// Keeps the first policy of each prefix; bytes are compared, since keys are bytes.
    private mutating func refuseDuplicates(_ items: inout [Item]) {
        var seen: [[UInt8]: Item] = [:]
        items = items.filter { item in
            if let first = seen.updateValue(item, forKey: Array(item.prefix.utf8)) {
                seen[Array(item.prefix.utf8)] = first
                refuse(
                    place(item.mark),
                    "\(item.name): the prefix \(shown(item.prefix)) already has a policy, "
                        + "\(first.name) in line \(first.mark.line)"
                )
                return false
            }
            return true
        }
    }

    private mutating func policy(_ item: Item, from base: Policy) -> Policy {
        var policy = base
        policy.prefix = Array(item.prefix.utf8)
        var places: [String: Place] = [:]
        var isWhole = true
        for member in item.members {
            guard let keys = keys(of: member, item) else {
                isWhole = false
                continue
            }
            for (setting, value) in keys {
                let valuePlace = place(value.mark)
                if read(setting, value, into: &policy, named: "\(item.name).\(setting.key)", valuePlace) {
                    places[setting.key] = valuePlace
                } else {
                    isWhole = false
                }
            }
        }
        for setting in Configuration.policySettings {
            guard let place = places[setting.key], let consequence = setting.notBuilt(policy) else { continue }
            warnNotBuilt("\(item.name).\(setting.key)", consequence, place)
        }
        // What was refused has the inherited value, of which nothing can be said.
        if isWhole { judge(policy, item, places) }
        return policy
    }

    /// The keys that a member stands for, one or those of its section; nil where something of it is unknown.
    private mutating func keys(of member: Member, _ item: Item) -> [(setting: Setting<Policy>, value: Node)]? {
        func setting(_ key: String) -> Setting<Policy>? { Configuration.policySettings.first { $0.key == key } }
        guard let section = Configuration.policySections[member.key] else {
            if !member.key.contains("."), let setting = setting(member.key) { return [(setting, member.value)] }
            refuseUnknownPolicyKey(member, item)
            return nil
        }
        let such = section.count == 1 ? "the key \(section[0])" : "keys such as \(section[0]) and \(section[1])"
        guard let inner = members(of: member.value, "\(item.name).\(member.key)", such) else { return nil }
        let known = inner.compactMap { inner in setting("\(member.key).\(inner.key)").map { ($0, inner.value) } }
        if known.count == inner.count { return known }
        for inner in inner where setting("\(member.key).\(inner.key)") == nil {
            refuseUnknown(inner, among: section, in: "\(item.name).\(member.key)")
        }
        return nil
    }

    private mutating func refuseUnknownPolicyKey(_ member: Member, _ item: Item) {
        let names = Configuration.policyKeys.filter { !$0.contains(".") } + Configuration.policySections.keys.sorted()
        refuseUnknown(member, among: names + ["prefix"], in: item.name)
    }

    /// Refuses what contradicts itself within a policy, or passes a limit above it.
    private mutating func judge(_ policy: Policy, _ item: Item, _ places: [String: Place]) {
        func place(_ keys: String...) -> Place { keys.lazy.compactMap { places[$0] }.first ?? self.place(item.mark) }
        if !configuration.redisIsOff, policy.tiers.isDisjoint(with: .redis), policy.tiers.contains(.warm),
            configuration.warmWhenFull == .evict
        {
            refuse(
                place("tiers"),
                "\(item.name): without redis among its tiers the warm tier is the authority of these keys, and what it "
                    + "evicts is lost; set warm.when_full: refuse (and warm.sync: always)")
        }
        if policy.sliding, policy.ttl == nil {
            refuse(place("sliding", "ttl"), "\(item.name): sliding without ttl: there is no life to extend")
        }
        if let ttl = policy.ttl, let retention = policy.retention, ttl > retention {
            refuse(
                place("retention", "ttl"),
                "\(item.name): ttl (\(Units.text(ttl))) is more than retention (\(Units.text(retention))): nothing "
                    + "lives longer than that")
        }
        if places["strict"] != nil, policy.strict, policy.consistency != .bounded {
            refuse(place("strict"), "\(item.name): strict applies to bounded, not to \(policy.consistency.rawValue)")
        }
        if policy.checkpointsEvery > 1, policy.consistency == .strong {
            refuse(
                place("checkpoints.every", "consistency"),
                "\(item.name): checkpoints.every: \(policy.checkpointsEvery) acknowledges steps from memory, and "
                    + "consistency: strong says that Redis has what is acknowledged; keep every: 1")
        }
        if policy.records.turnsOverflow == .archive, !policy.tiers.contains(.warm) {
            refuse(
                place("turns.overflow", "tiers"),
                "\(item.name): turns.overflow: archive without warm among its tiers: there is no disk to keep turns on; "
                    + "add warm to tiers, or say refuse or drop-oldest")
        }
        let limit = configuration.server.maxValue
        if policy.maxValue > limit, !refused.contains("limits.max_value") {
            refuse(
                place("max_value"),
                "\(item.name): max_value (\(Units.text(policy.maxValue))) is more than "
                    + "limits.max_value (\(Units.text(limit)))"
            )
        }
        let shard = configuration.local.shardBytes
        if policy.maxLocalValue > shard, refused.isDisjoint(with: ["local.max_bytes", "local.shards"]) {
            refuse(
                place("max_local_value"),
                "\(item.name): max_local_value (\(Units.text(policy.maxLocalValue))) is more than a shard holds "
                    + "(local.max_bytes / local.shards = \(Units.text(shard)))")
        }
        if policy.waitReplicas > 0, configuration.redisIsOff || !policy.tiers.contains(.redis) {
            refuse(
                place("wait_replicas", "tiers"),
                "\(item.name): wait_replicas: \(policy.waitReplicas) "
                    + (configuration.redisIsOff ? "while redis.url is off" : "without redis among its tiers")
                    + ": there are no replicas to wait for")
        }
        judgeResidency(policy, item, place("residency.regions", "tiers"))
        judgeSchema(policy.records.schema, item, place("schema.steps"), place("schema.current", "schema.steps"))
        if policy.audit != .off, configuration.audit.path == nil, !refused.contains("audit.path") {
            refuse(
                place("audit"),
                "\(item.name): audit: \(policy.audit.rawValue) without audit.path: there is no file to "
                    + "tell of it")
        }
        if configuration.redisIsOff, !policy.tiers.contains(.warm), !refused.contains("redis.url") {
            refuse(
                place("tiers"), "\(item.name): tiers without warm while redis.url is off: nobody would keep these keys")
        }
    }
}
