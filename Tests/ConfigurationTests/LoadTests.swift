// What a configuration that is right comes to.

import Configuration
import RedisTier
import Server
import State
import Testing
import Tiers

@Suite struct LoadTests {
    @Test(arguments: ["", "# nothing\n", "---\n", "{}", "socket:\nredis: {}\npolicies:\n", "\u{feff}workers: 1\n"])
    func `an empty file is every default`(text: String) throws {
        #expect(try load(text) == Configuration())
    }

    @Test func `the design's example is understood, but for what comes later`() throws {
        let text = """
            socket:   {path: /run/hearth/hearth.sock, mode: "0660", allow_uids: [1000, 0]}
            workers:  2
            local:    {max_bytes: 32MiB, eviction: lru}
            redis:    {url: "redis://127.0.0.1:6380/3", timeout: 200ms, soft_timeout: 30ms, password_file: null}
            breaker:  {window: 20s, min_calls: 10, failure_rate: 0.25, consecutive_failures: 3,
                       slow_call: 40ms, slow_rate: 1, open: 2s, open_max: 1m, probes: 1}
            warm:     {path: /var/lib/hearth/warm, max_bytes: 2GiB, sync: auto, when_full: auto}
            journal:  {path: /var/lib/hearth/journal, max_bytes: 512MiB, sync: 100ms}
            limits:   {max_clients: 10, max_value: 1MiB, max_request: 2MiB, max_output: 4MiB, idle: 5m}
            admin:    {listen: "[::1]:7381"}
            audit:    {path: null}
            commands: {allow: []}
            drain: 10s
            log: {level: debug}
            policies:
              - prefix: "session:"
                ttl: 30m
                sliding: true
                max_value: 64KiB
                stale_if_error: 24h
                default: '{"turns": [], "degraded": true}'
                tiers: [local, redis]
                refresh_ahead: off
                turns: {keep: 10, unfolded: 40, overflow: drop-oldest}
                checkpoints: {keep: 3}
              - prefix: ""
                consistency: eventual
                max_staleness: 7s
              - prefix: "quota:"
                consistency: strong
            """
        let configuration = try load(text)
        #expect(configuration.server.socketMode == 0o660)
        #expect(configuration.server.allowUids == [1000, 0])
        #expect(configuration.server.workers == 2)
        #expect(configuration.server.idle == .seconds(300))
        #expect(configuration.server.drain == .seconds(10))
        #expect(configuration.local.maxBytes == 32 << 20)
        #expect(configuration.local.eviction == .lru)
        #expect(configuration.redis?.endpoint == .tcp(host: "127.0.0.1", port: 6380))
        #expect(configuration.redis?.database == 3)
        #expect(configuration.redis?.timeout == .milliseconds(200))
        #expect(configuration.breaker.openMax == .seconds(60) && configuration.breaker.slowRate == 1)
        #expect(configuration.journal.sync == .interval(.milliseconds(100)))
        #expect(configuration.admin.listen == "[::1]:7381")
        #expect(configuration.log.level == .debug)
        #expect(
            configuration.policies.map { String(decoding: $0.prefix, as: UTF8.self) } == ["", "session:", "quota:"])
        let session = configuration.policies[1]
        #expect(session.ttl == .seconds(1800) && session.sliding && session.maxValue == 64 << 10)
        #expect(session.tiers == [.local, .redis] && session.refreshAhead == nil)
        #expect(session.defaultContext?.template == #"{"turns": [], "degraded": true}"#)
        #expect(session.records.turnsOverflow == .drop && configuration.policies[0].records.turnsOverflow == .refuse)
    }

    @Test func `a policy inherits from the empty prefix, wherever that stands`() throws {
        let policies = try load(
            """
            policies:
              - {prefix: a, negative_ttl: 2s}
              - {prefix: "", max_staleness: 9s, ttl: 1h, sliding: true, default: x}
              - {prefix: b, sliding: false, ttl: none, default: null}
            """
        ).policies
        #expect(policies[1].maxStaleness == .seconds(9) && policies[1].sliding && policies[1].ttl == .seconds(3600))
        #expect(policies[1].negativeTTL == .seconds(2) && policies[1].defaultContext?.template == "x")
        #expect(policies[2].ttl == nil && !policies[2].sliding && policies[2].defaultContext == nil)
        #expect(policies[2].maxStaleness == .seconds(9))
    }

    @Test func `each key of turns and checkpoints is inherited by itself`() throws {
        let policies = try load(
            """
            policies:
              - {prefix: a, turns: {keep: 5}, checkpoints: {}}
              - {prefix: "", turns: {keep: 20, unfolded: 0, overflow: drop-oldest}, checkpoints: {keep: 7}}
              - {prefix: b, checkpoints: {keep: 100000}, turns: }
            """
        ).policies
        var rules = RecordRules()
        (rules.turnsKeep, rules.turnsUnfolded, rules.turnsOverflow, rules.checkpointsKeep) = (20, 0, .drop, 7)
        #expect(policies[0].records == rules)
        rules.turnsKeep = 5
        #expect(policies[1].records == rules)
        (rules.turnsKeep, rules.checkpointsKeep) = (20, 100_000)
        #expect(policies[2].records == rules)
    }

    @Test func `without a policy for the empty prefix there still is one`() throws {
        let policies = try load("policies: [{prefix: a, ttl: 1s}]").policies
        #expect(policies.count == 2 && policies[0] == Policy())
    }

    @Test func `a policy's limits follow the limits above it`() throws {
        let configuration = try load("limits: {max_value: 2MiB}\nlocal: {max_bytes: 4MiB, shards: 16}\n")
        #expect(configuration.policies[0].maxValue == 2 << 20)
        #expect(configuration.policies[0].maxLocalValue == 256 << 10)
    }

    @Test func `without Redis the warm tier commits and refuses`() throws {
        let without = try load("redis: {url: off}")
        #expect(without.redis == nil && without.warmSync == .always && without.warmWhenFull == .refuse)
        let with = try load()
        #expect(with.redis != nil && with.warmSync == .interval(.seconds(1)) && with.warmWhenFull == .evict)
    }

    @Test func `durations and sizes are read in every unit`() throws {
        for (text, milliseconds) in [
            ("1ms", 1), ("1s500ms", 1500), ("1h30m", 5_400_000), ("30d", 2_592_000_000), ("0s", 0),
            ("36500d", 3_153_600_000_000),
        ] {
            #expect(try load("limits: {idle: \(text)}").server.idle == .milliseconds(milliseconds), "\(text)")
        }
        for (text, bytes) in [
            ("1MiB", 1 << 20), ("500MB", 500_000_000), ("2097152", 2 << 20), ("1GiB", 1 << 30),
            ("\"1100KiB\"", 1100 << 10),
        ] {
            #expect(
                try load("warm: {max_bytes: \(text)}\nlimits: {max_value: 64KiB}").warm.maxBytes == bytes, "\(text)")
        }
    }

    @Test func `what has no effect, or weakens a promise, is warned of when it is asked for`() throws {
        #expect(try warnings("journal: {sync: always}\npolicies: [{prefix: '', on_outage: journal}]").isEmpty)
        #expect(
            try warnings("audit: {path: /a}") == [
                "hearth.yaml:1:15: audit.path: no policy says audit: writes or audit: all, so no access is told of"
            ])
        #expect(try warnings("audit: {path: /a}\npolicies: [{prefix: 'a:', audit: writes}]").isEmpty)
        #expect(try warnings("audit: {path: /a}\ncommands: {allow: [config set]}").count == 1)
        #expect(
            try warnings("audit: {path: null}\ncommands: {allow: []}\npolicies: [{prefix: '', on_outage: reject}]")
                .isEmpty)
        #expect(
            try warnings("redis: {url: off}\nwarm: {sync: 2s}") == [
                "hearth.yaml:2:14: warm.sync: with redis.url off, up to 2s of acknowledged writes can be lost"
            ])
    }
}

@Suite struct RedisURLTests {
    @Test(
        arguments: [
            ("redis://h", RedisConfiguration.Endpoint.tcp(host: "h", port: 6379), 0, nil, nil),
            ("redis://h:1/", .tcp(host: "h", port: 1), 0, nil, nil),
            ("redis://user:p%40ss@h.example:65535/15", .tcp(host: "h.example", port: 65535), 15, "user", "p@ss"),
            ("redis://:secret@h", .tcp(host: "h", port: 6379), 0, nil, "secret"),
            ("redis://app@h", .tcp(host: "h", port: 6379), 0, "app", nil),
            ("redis://[::1]:7000/2", .tcp(host: "::1", port: 7000), 2, nil, nil),
            ("redis://[fe80::1]", .tcp(host: "fe80::1", port: 6379), 0, nil, nil),
            ("unix:///run/redis.sock", .unix(path: "/run/redis.sock"), 0, nil, nil),
            ("unix:///run/a%20b?db=4", .unix(path: "/run/a b"), 4, nil, nil),
            ("redis+unix://u:p@/s", .unix(path: "/s"), 0, "u", "p"),
        ] as [(String, RedisConfiguration.Endpoint, Int, String?, String?)])
    func `a URL says where Redis is`(
        url: String, endpoint: RedisConfiguration.Endpoint, database: Int, user: String?, password: String?
    ) throws {
        let redis = try #require(try load("redis: {url: \"\(url)\"}").redis)
        #expect(redis.endpoint == endpoint && redis.database == database)
        #expect(redis.username == user && redis.password == password)
    }

    @Test(arguments: [
        "rediss://h", "http://h", "h:6379", "redis://", "redis://h:0", "redis://h:65536", "redis://h:x", "redis://h/x",
        "redis://h/-1", "redis://h?db=1", "redis://::1", "redis://[::1", "redis://[]", "redis://h%zz", "redis://%00",
        "unix://host/path", "unix:///", "unix:///p?x=1", "redis://h#f", "redis://a b", "redis://é", "redis://h:1:2",
        "redis://[]x:1",
    ])
    func `a URL that says something else is refused`(url: String) {
        let lines = refusals("redis: {url: \"\(url)\"}")
        #expect(lines.count == 1 && lines.first?.hasPrefix("hearth.yaml:1:14: redis.url: ") == true)
    }

    @Test func `a refusal never repeats a password`() {
        for url in [
            "redis://u:hunter2@ho st", "redis://u:hunter2/@h", "redis://hunter2:x:y", "rediss://:hunter2@h",
            "redis://u:hunter2%@h",
        ] {
            for line in refusals("redis: {url: \"\(url)\"}") { #expect(!line.contains("hunter2")) }
        }
        for line in refusals("redis: {password: {hunter2: 1}, password_file: [hunter2]}\nsocket: {password: 123454321}")
        {
            #expect(!line.contains("hunter2") && !line.contains("123454321"))
        }
    }

    @Test func `TLS is refused with its reason`() {
        #expect(
            refusals("redis: {url: 'rediss://h'}") == [
                "hearth.yaml:1:14: redis.url: rediss:// asks for TLS, which is not supported yet; reach Redis by redis:// or a socket"
            ])
    }

    @Test func `a password of its own replaces the URL's`() throws {
        let redis = try load("redis: {password: b, url: 'redis://u:a@h'}").redis
        #expect(redis?.password == "b" && redis?.username == "u")
        #expect(
            try load("redis: {url: 'redis://u:a@h'}", environment: ["HEARTH_REDIS_URL": "redis://x"]).redis?.password
                == nil)
    }
}
