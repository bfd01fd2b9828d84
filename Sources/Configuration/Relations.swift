// Which keys must agree with each other, beyond each one's own limits.

internal import RedisTier
internal import Tiers

/// A relation between two keys that is broken where `isBroken` says so.
struct Relation: Sendable {
    let first: String
    /// What stands between the two in the refusal.
    let verb: String
    let second: String
    /// Why it matters, or what to do.
    let advice: String
    let isBroken: @Sendable (Configuration) -> Bool

    init(
        _ first: String, _ verb: String, _ second: String, _ advice: String,
        _ isBroken: @escaping @Sendable (Configuration) -> Bool
    ) {
        self.first = first
        self.verb = verb
        self.second = second
        self.advice = advice
        self.isBroken = isBroken
    }

    static let all: [Relation] = [
        Relation("redis.soft_timeout", "is longer than", "redis.timeout", "it would never pass") {
            $0.redisSettings.softTimeout > $0.redisSettings.timeout
        },
        Relation("redis.reconnect_min", "is longer than", "redis.reconnect_max", "swap them") {
            $0.redisSettings.reconnectMin > $0.redisSettings.reconnectMax
        },
        Relation("redis.password", "is given as well as", "redis.password_file", "keep one of them") {
            $0.redisSettings.password != nil && $0.redisSettings.passwordFile != nil
        },
        Relation("socket.password", "is given as well as", "socket.password_file", "keep one of them") {
            $0.server.password != nil && $0.socketPasswordFile != nil
        },
        Relation("socket.path", "is the socket of", "redis.url", "Hearth would ask itself") {
            $0.redis?.endpoint == .unix(path: $0.server.socketPath)
        },
        Relation("socket.tcp", "is also", "admin.listen", "give them different ports") {
            guard let address = $0.server.tcpListen, !address.hasSuffix(":0") else { return false }
            return address == $0.admin.listen
        },
        Relation("breaker.open", "is longer than", "breaker.open_max", "the time open grows from the one to the other")
        {
            $0.breaker.open > $0.breaker.openMax
        },
        Relation("limits.max_value", "is more than", "limits.max_request", "no request could bring such a value") {
            $0.server.maxValue > $0.server.maxRequest
        },
        Relation("limits.max_value", "is more than", "limits.max_output", "its reader would be dropped") {
            $0.server.maxValue > $0.server.maxOutput
        },
        Relation("limits.max_value", "is more than", "warm.max_bytes", "the warm tier could not hold such a value") {
            $0.server.maxValue > $0.warm.maxBytes
        },
        Relation("limits.max_value", "is more than", "journal.max_bytes", "the journal could not hold such a value") {
            $0.server.maxValue > $0.journal.maxBytes
        },
        Relation("local.shards", "is too many for", "local.max_bytes", "a shard needs at least 64KiB") {
            $0.local.shardBytes < 64 << 10
        },
        Relation("warm.path", "is also", "journal.path", "each needs a directory of its own") {
            $0.warm.path == $0.journal.path
        },
        Relation(
            "warm.when_full", "can't go with", "redis.url",
            "the warm tier is then the authority, and what it evicts is lost; use auto or refuse"
        ) { $0.redisIsOff && $0.warm.whenFull == .evict },
    ]
}

extension Loader {
    mutating func judgeRelations() {
        for relation in Relation.all where relation.isBroken(configuration) {
            // A key that was refused has its default here, which says nothing about what was meant.
            if refused.contains(relation.first) || refused.contains(relation.second) { continue }
            let place = given[relation.first]?.place ?? given[relation.second]?.place ?? place(Mark())
            refuse(
                place, "\(named(relation.first)) \(relation.verb) \(named(relation.second)): \(relation.advice)")
        }
    }

    /// `redis.timeout (100ms, the default)`
    private func named(_ key: String) -> String {
        guard let setting = Configuration.settings.first(where: { $0.key == key }), !setting.isSecret else {
            return key
        }
        let value = setting.print(configuration) ?? "null"
        return "\(key) (\(value)\(given[key] == nil ? ", the default" : ""))"
    }
}
