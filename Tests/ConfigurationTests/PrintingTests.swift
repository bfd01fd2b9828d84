// What is printed loads again to the same: the printer and the loader judge each other.

import Configuration
import RedisTier
import TestSupport
import Testing
import Tiers

@Suite struct PrintingTests {
    @Test(arguments: [
        "", "redis: {url: off}", "redis: {url: 'unix:///a%3Fb%20c?db=3'}", "redis: {url: 'redis://us%40er@[::1]:1/2'}",
        "socket: {mode: '0007', allow_uids: [1, 2], tcp: '[::1]:6380', password_file: /a}\nworkers: 7\ndrain: 1m1ms",
        "warm: {path: \"/a \\u2028\\t\\\"b\\\\\", max_bytes: 1048577, sync: 1m1ms, when_full: refuse}\nlimits: {max_value: 1MiB}",
        "journal: {path: /j, sync: never}\naudit: {path: /x, on_failure: drop, sync: never, max_bytes: 64KiB, keep: all, keys: hashed}\ncommands: {allow: [\"config set\", \"*\"]}\nadmin: {listen: off}",
        "audit: {path: /x, sync: 250ms, keep: 3}\npolicies: [{prefix: '', audit: writes}, {prefix: a, audit: all}, {prefix: b, audit: off}]",
        "policies: [{prefix: '', throttle: {on_outage: deny}}, {prefix: a, throttle: {share: 0.125}}, {prefix: b, throttle: {}}]",
        "breaker: {failure_rate: 0.000000000001, slow_rate: 1e-3}\nlocal: {shards: 1}",
        "policies: [{prefix: '', ttl: 1h, sliding: true, default: \"a\\0\\x85\\uFEFFé\\n\"}, {prefix: \"k\\x01:\", ttl: none, sliding: false, default: null, refresh_ahead: off}]",
        "limits: {max_value: 64KiB}\npolicies: [{prefix: a, on_outage: reject, on_conflict: newest-known, tiers: [redis, local], max_value: 1}]",
        "policies: [{prefix: '', turns: {keep: 1, unfolded: 0}}, {prefix: a, turns: {overflow: drop-oldest}, checkpoints: {keep: 9}}]",
        "policies: [{prefix: '', schema: {current: 3, steps: [{to: 2, rename: {user.name: full_name, a: '[\"x.y\"]'}, move: {'t[*].x': 't[*].y.z', '[\"*\"]': b}, remove: [q, 'm.*.r']}, {to: 3}, {to: 3, default: {l: [], n: null, o: {k: \"v\\n\", m: [1.50, -2e+9, true, 'true', '5']}}, set: {s: \"\"}}]}}, {prefix: a, schema: {write_back: hold}}, {prefix: b, schema: {current: none, steps: []}}]",
        "regions: [eu, us_1]\nlocal: {region: eu}\nredis: {region: eu}\nwarm: {region: us_1}\njournal: {region: eu}\naudit: {region: us_1}\npolicies: [{prefix: a, checkpoints: {every: 7}, residency: {regions: [eu], on_violation: refuse}}, {prefix: b, residency: {regions: [us_1, eu]}}]",
        "local: {max_bytes: 1MiB}\npolicies: [{prefix: '', on_outage: journal}, {prefix: a, max_local_value: 0}]",
    ])
    func `the printed configuration loads to an equal one`(text: String) throws {
        let configuration = try load(text)
        let printed = configuration.printed()
        #expect(try load(printed) == configuration, "\(printed)")
        #expect(try load(printed).printed() == printed)
    }

    @Test func `the defaults print without what would be warned of`() throws {
        #expect(try warnings(Configuration().printed()).isEmpty)
    }

    @Test func `secrets are redacted, whichever way they came`() throws {
        for text in [
            "redis: {url: 'redis://app:hunter2@h'}", "redis: {password: hunter2}", "socket: {password: hunter2}",
        ] {
            let printed = try load(text).printed()
            #expect(!printed.contains("hunter2"))
            #expect(printed.contains("  password: \"***\"\n"))
            _ = try load(printed)
        }
    }

    @Test func `what auto comes to is told beside it`() throws {
        let printed = try load("redis: {url: off}").printed()
        #expect(printed.contains("  sync: auto  # always here\n  when_full: auto  # refuse here\n"))
    }

    @Test func `random configurations survive printing and loading`() throws {
        var seed = SeededGenerator.seed()
        let first = seed
        func pick<T>(_ values: [T]) -> T {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return values[Int(seed >> 33) % values.count]
        }
        for _ in 0..<200 {
            var configuration = Configuration()
            configuration.server.workers = pick([1, 2, 256])
            configuration.server.idle = .milliseconds(pick([0, 1, 999, 60_001, 86_400_000]))
            configuration.redisIsOff = pick([false, true])
            configuration.redisSettings.connectTimeout = .milliseconds(pick([1, 1000, 60_000]))
            configuration.breaker.failureRate = pick([0.5, 1, 1.0 / 3, 1e-300])
            configuration.warm.sync = pick([.auto, .always, .never, .interval(.milliseconds(1500))])
            configuration.local.eviction = pick([.lru, .s3FIFO, .wTinyLFU])
            configuration.admin.listen = pick([nil, "0.0.0.0:1", "[::]:0"])
            configuration.policies[0].staleIfError = .milliseconds(pick([0, 1, 3_600_000, 3_600_001]))
            configuration.policies[0].refreshAhead = pick([nil, 0.1, 0.8])
            for prefix in ["a", "é:", "\u{1}\"\\", "null", "- x", "#"] where pick([true, false]) {
                var policy = configuration.policies[0]
                policy.prefix = Array(prefix.utf8)
                policy.consistency = pick([.strong, .bounded, .eventual])
                policy.maxLocalValue = pick([0, 1, 1 << 20])
                policy.records.turnsKeep = pick([1, 10, 100_000])
                policy.records.turnsOverflow = pick([.refuse, .drop])
                policy.defaultContext = pick([nil, DefaultContext(template: "{key}\r\n"), DefaultContext(template: "")])
                configuration.policies.append(policy)
            }
            #expect(try load(configuration.printed()) == configuration, "seed \(first)")
        }
    }
}

@Suite struct DifferenceTests {
    @Test func `a reload says what it applies and what waits for a restart`() throws {
        let running = try load()
        let changed = try load(
            """
            workers: 2
            local: {eviction: s3-fifo}
            socket: {path: /x}
            redis: {url: off, timeout: 200ms}
            breaker: {open: 2s}
            limits: {idle: 1s}
            policies: [{prefix: a, ttl: 1s}]
            """)
        let difference = changed.difference(from: running)
        #expect(difference.applied == ["redis.timeout", "breaker.open", "limits.idle", "policies"])
        #expect(difference.needRestart == ["socket.path", "workers", "local.eviction", "redis.url"])
        #expect(changed.difference(from: changed).isEmpty)
    }

    @Test func `what can be applied keeps the running values of the rest`() throws {
        let running = try load("workers: 3\nredis: {url: 'redis://u:p@h/1'}")
        let changed = try load("workers: 1\nredis: {url: off, timeout: 1s}\ndrain: 9s")
        let applied = changed.reloadable(over: running)
        #expect(applied.server.workers == 3 && applied.redis?.password == "p" && applied.redis?.database == 1)
        #expect(applied.redis?.timeout == .seconds(1) && applied.server.drain == .seconds(9))
        #expect(applied.difference(from: running).needRestart.isEmpty)
    }

    @Test func `policies of a reload are bounded by what keeps running`() throws {
        let running = try load("redis: {url: off}\nlocal: {max_bytes: 4MiB}")
        let changed = try load(
            """
            audit: {path: /a}
            policies: [{prefix: a, max_local_value: 8MiB, tiers: [redis], wait_replicas: 2, audit: all}]
            """)
        let policy = changed.reloadable(over: running).policies[1]
        #expect(policy.maxLocalValue == 512 << 10 && policy.tiers == [.redis, .warm])
        #expect(policy.waitReplicas == 0 && policy.audit == .off)
    }
}
