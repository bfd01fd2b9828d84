// The table of all keys: what every layer accepts, what is printed, what a reload compares.
//
// A key is added here, in hearth.sample.yaml and in docs/configuration.md; nothing else lists them. Values are applied
// in this order whatever the order of the file, so redis.password stands after redis.url, whose password it replaces.

internal import Admin
internal import RedisTier
internal import Server
internal import State
internal import Tiers

extension Configuration {
    private static let second = Duration.seconds(1)
    private static let millisecond = Duration.milliseconds(1)
    /// The longest path of a Unix socket (`sun_path`, less its zero byte).
    private static let socketPathMax = 107

    static let settings: [Setting<Configuration>] =
        socketSettings + tierSettings + breakerSettings + storeSettings + limitSettings + planeSettings

    private static let socketSettings: [Setting<Configuration>] = [
        Setting(
            "socket.path", .path("a path of at most 107 bytes", max: socketPathMax), \.server.socketPath, .atRestart),
        Setting("socket.mode", .mode, \.server.socketMode, .atRestart),
        Setting(
            "socket.allow_uids", .list("a list of user ids, such as [1000, 1001]", of: .uid), \.server.allowUids,
            .atRestart),
        Setting("socket.tcp", .optional(.address(loopbackOnly: true), "off"), \.server.tcpListen, .atRestart),
        Setting("socket.password", .secret(.bytes("a password")), \.server.password, .atRestart, isSecret: true),
        Setting("socket.password_file", .optional(.path(), "null"), \.socketPasswordFile, .atRestart),
        Setting("workers", .integer(1...256), \.server.workers, .atRestart),
        Setting("drain", .duration(to: .seconds(3600)), \.server.drain),
        Setting(
            "regions", .list("a list of regions' names, such as [eu-west, us-east]", of: .region), \.regions.known),
    ]

    private static let tierSettings: [Setting<Configuration>] = [
        Setting("local.max_bytes", .bytes(from: 1 << 20, to: 1 << 40), \.local.maxBytes, .atRestart),
        Setting("local.eviction", .choice, \.local.eviction, .atRestart),
        Setting("local.shards", .powerOfTwo(1...1024), \.local.shards, .atRestart),
        Setting("local.region", .optional(.region, "none"), \.regions.local, .atRestart),
        Setting("redis.url", .optional(.redisURL, "off"), \.redisURL, .atRestart),
        Setting("redis.password", .secret(.text("a password")), \.redisSettings.password, .atRestart, isSecret: true),
        Setting("redis.password_file", .optional(.path(), "null"), \.redisSettings.passwordFile, .atRestart),
        Setting("redis.timeout", .duration(from: millisecond, to: .seconds(60)), \.redisSettings.timeout),
        Setting("redis.soft_timeout", .duration(from: millisecond, to: .seconds(60)), \.redisSettings.softTimeout),
        Setting(
            "redis.connect_timeout", .duration(from: millisecond, to: .seconds(60)), \.redisSettings.connectTimeout),
        Setting("redis.reconnect_min", .duration(from: millisecond, to: .seconds(3600)), \.redisSettings.reconnectMin),
        Setting("redis.reconnect_max", .duration(from: millisecond, to: .seconds(3600)), \.redisSettings.reconnectMax),
        Setting("redis.deletions", .integer(0...100_000_000), \.redisSettings.deletions),
        Setting("redis.region", .optional(.region, "none"), \.regions.redis, .atRestart),
    ]

    private static let breakerSettings: [Setting<Configuration>] = [
        Setting("breaker.window", .duration(from: second, to: .seconds(3600)), \.breaker.window),
        Setting("breaker.min_calls", .integer(1...1_000_000), \.breaker.minCalls),
        Setting("breaker.failure_rate", .share(), \.breaker.failureRate),
        Setting("breaker.consecutive_failures", .integer(1...1_000_000), \.breaker.consecutiveFailures),
        Setting("breaker.slow_call", .duration(from: millisecond, to: .seconds(60)), \.breaker.slowCall),
        Setting("breaker.slow_rate", .share(), \.breaker.slowRate),
        Setting("breaker.open", .duration(from: millisecond, to: .seconds(3600)), \.breaker.open),
        Setting("breaker.open_max", .duration(from: millisecond, to: .seconds(3600)), \.breaker.openMax),
        Setting("breaker.probes", .integer(1...1000), \.breaker.probes),
    ]

    private static let storeSettings: [Setting<Configuration>] = [
        Setting("warm.path", .path(), \.warm.path, .atRestart),
        Setting("warm.max_bytes", .bytes(from: 1 << 20), \.warm.maxBytes, .atRestart),
        Setting("warm.sync", .warmSync, \.warm.sync, .atRestart),
        Setting("warm.when_full", .choice, \.warm.whenFull, .atRestart),
        Setting(
            "warm.compress_min", .optional(.bytes(from: 64, to: 512 << 20), "off"), \.warm.compressMin, .atRestart),
        Setting("warm.region", .optional(.region, "none"), \.regions.warm, .atRestart),
        Setting("journal.path", .path(), \.journal.path, .atRestart),
        Setting("journal.max_bytes", .bytes(from: 1 << 20, to: 1 << 40), \.journal.maxBytes, .atRestart),
        Setting("journal.sync", .journalSync, \.journal.sync, .atRestart),
        Setting("journal.replay_rate", .integer(1...10_000_000), \.journal.replayRate, .atRestart),
        Setting("journal.region", .optional(.region, "none"), \.regions.journal, .atRestart),
    ]

    private static let limitSettings: [Setting<Configuration>] = [
        Setting("limits.max_clients", .integer(1...1_000_000), \.server.maxClients),
        Setting("limits.max_value", .bytes(from: 1 << 10, to: 512 << 20), \.server.maxValue),
        Setting("limits.max_request", .bytes(from: 1 << 10, to: 1 << 32), \.server.maxRequest),
        Setting("limits.max_output", .bytes(from: 1 << 10, to: 1 << 32), \.server.maxOutput),
        Setting("limits.max_pinned", .integer(0...65_536), \.server.maxPinned),
        Setting("limits.idle", .duration(), \.server.idle),
    ]

    private static let planeSettings: [Setting<Configuration>] = [
        Setting("admin.listen", .optional(.address(loopbackOnly: false), "off"), \.admin.listen, .atRestart),
        Setting("audit.path", .optional(.path(), "null"), \.audit.path, .atRestart),
        Setting("audit.on_failure", .choice, \.audit.onFailure, .atRestart),
        Setting("audit.sync", .journalSync, \.audit.sync, .atRestart),
        Setting("audit.max_bytes", .bytes(from: 64 << 10, to: 1 << 40), \.audit.maxBytes, .atRestart),
        Setting("audit.keep", .optional(.integer(1...1_000_000), "all"), \.audit.keep, .atRestart),
        Setting("audit.keys", .choice, \.audit.keys, .atRestart),
        Setting("audit.region", .optional(.region, "none"), \.regions.audit, .atRestart),
        Setting(
            "commands.allow", .list("a list of commands' names, such as [\"CONFIG SET\"]", of: .command),
            \.commands.allow),
        Setting("log.level", .choice, \.log.level),
        Setting(
            "slowlog.threshold", .optional(.duration(from: millisecond, to: .seconds(3600)), "off"),
            \.server.slowLog.threshold),
        Setting("slowlog.entries", .integer(1...10_000), \.server.slowLog.entries),
        Setting("slowlog.keys", .choice, \.server.slowLog.keys),
    ]

    static let policySettings: [Setting<Policy>] = [
        Setting("consistency", .choice, \.consistency),
        Setting("max_staleness", .duration(), \.maxStaleness),
        Setting("strict", .bool, \.strict),
        Setting("ttl", .optional(.duration(from: millisecond), "none", "off"), \.ttl),
        Setting("sliding", .bool, \.sliding),
        Setting("retention", .optional(.duration(from: second), "none", "off"), \.retention),
        Setting("stale_if_error", .duration(), \.staleIfError),
        Setting("refresh_ahead", .optional(.share(excludingOne: true), "off"), \.refreshAhead),
        Setting("negative_ttl", .duration(), \.negativeTTL),
        Setting("default", .optional(.template, "null"), \.defaultContext),
        Setting("on_absent", .choice, \.onAbsent),
        Setting("on_outage", .choice, \.onOutage),
        Setting("on_conflict", .choice, \.onConflict),
        Setting("on_unknown_base", .choice, \.onUnknownBase),
        Setting("conditional_on_outage", .choice, \.conditionalOnOutage),
        Setting("tiers", .tiers, \.tiers),
        Setting("max_value", .bytes(from: 1, to: 512 << 20), \.maxValue),
        Setting("max_local_value", .bytes(from: 0, to: 512 << 20), \.maxLocalValue),
        Setting("wait_replicas", .integer(0...1000), \.waitReplicas),
        Setting("throttle", .throttle, \.throttle),
        Setting("audit", .choice, \.audit),
        Setting("tracking.mode", .choice, \.tracking.mode),
        Setting("turns.keep", .integer(1...100_000), \.records.turnsKeep),
        Setting("turns.unfolded", .integer(0...100_000), \.records.turnsUnfolded),
        Setting("turns.overflow", .choice, \.records.turnsOverflow),
        Setting("outbox.max_payload", .bytes(from: 0, to: 8 << 20), \.outbox.maxPayload),
        Setting("outbox.max_length", .optional(.integer(1...1_000_000_000), "none"), \.outbox.maxLength),
        Setting("checkpoints.keep", .integer(1...100_000), \.records.checkpointsKeep),
        Setting("checkpoints.every", .integer(1...100_000), \.checkpointsEvery),
        Setting("schema.current", .optional(.schema, "none"), \.records.schema.current),
        Setting("schema.write_back", .choice, \.records.schema.writeBack),
        Setting("schema.steps", .schemaSteps, \.records.schema.steps),
        Setting(
            "residency.regions", .list("a list of regions' names, such as [eu-west]", of: .region), \.residency.regions),
        Setting("residency.on_violation", .choice, \.residency.onViolation),
    ]

    /// `turns`, … with their keys.
    static let policySections = Dictionary(
        grouping: policySettings.map { $0.key.split(separator: ".").map(String.init) }.filter { $0.count == 2 },
        by: { $0[0] }
    ).mapValues { $0.map { $0[1] } }
}
