// HEARTH EXPLAIN, POLICY, STATUS, METRICS, LATENCY and BREAKER: what Redis has no command for.

internal import EventLoop
internal import RESP
internal import Resilience
internal import Tiers

enum HearthCommands {
    nonisolated(unsafe) static let all: [Command] = [
        Command(
            "hearth", arity: -2, [],
            .immediate { (c, a) throws(CommandError) in
                switch (a.lowercased(1), a.count) {
                case ("explain", 3): explain(c, a.bytes(2))
                case ("policy", 3): policy(c, a.bytes(2))
                case ("status", 2): c.immediate { $0.map(c.worker.process.statusFields(), c.version) }
                case ("status", 3) where a.isWord(2, "json"): c.immediate { $0.bulk(c.worker.process.statusDocument()) }
                case ("status", 3): throw .syntax
                case ("metrics", 2): c.immediate { $0.bulk(c.worker.process.metricsExposition()) }
                case ("latency", 2): c.immediate { $0.map(c.worker.process.latencyFields(), c.version) }
                case ("breaker", 2...3): try breaker(c, a)
                case ("journal", 2...): try JournalCommands.run(c, a)
                case ("slowlog", 2...3): try slowLog(c, a)
                case ("actor", 3): try actor(c, a.bytes(2))
                case ("schemas", 2): try SchemaCommands.list(c)
                case ("version", 2): c.immediate { $0.bulk(Version.hearth) }
                case ("help", 2): help(c)
                case ("explain", _), ("policy", _), ("status", _), ("metrics", _), ("latency", _), ("breaker", _),
                    ("version", _), ("actor", _), ("slowlog", _), ("schemas", _):
                    throw .arity("hearth|\(a.lowercased(1))")
                default: throw .unknownSubcommand(a.text(1), of: "hearth")
                }
            })
    ]

    private static func help(_ c: Connection) {
        let lines =
            [
                "HEARTH <subcommand> [<arg> ...]. Subcommands are:",
                "EXPLAIN <key>", "    Which tier holds the key, how fresh, and what a read would be answered with.",
                "POLICY <key>", "    The policy that rules the key.",
                "STATUS [JSON]", "    The tiers, the breaker and the clients, as a map or as a JSON document.",
                "METRICS", "    Every metric, as Prometheus scrapes it.",
                "LATENCY",
                "    Per tier: sum and maximum in nanoseconds, then each occupied bucket's middle and count.",
                "BREAKER [OPEN|CLOSE|AUTO]",
                "    The breaker's state; forces it, or gives it back to its own judgement.",
                "SLOWLOG [count|RESET]",
                "    The newest requests that took long, and the way of each through the tiers; forgets them.",
                "ACTOR <name>", "    Whom this connection acts for, in the audit; an empty name is nobody.",
                "SCHEMAS", "    The policies that name a schema, with their steps, and which Redis is asked.",
                "VERSION", "    Hearth's version.",
            ] + JournalCommands.help
        c.immediate { output in
            output.arrayHead(lines.count)
            for line in lines { output.simple(bytes: Array(line.utf8)) }
        }
    }

    // MARK: SLOWLOG

    private static func slowLog(_ c: Connection, _ a: Arguments) throws(CommandError) {
        let slowLog = c.worker.process.slowLog
        if a.count == 3, a.isWord(2, "reset") {
            let count = slowLog.reset()
            return c.immediate { $0.integer(Int64(count)) }
        }
        let count = a.count == 3 ? try Parse.integer(a[2]) : 32
        guard count > 0 else { throw CommandError("ERR HEARTH SLOWLOG takes a count above 0, or RESET") }
        let requests = slowLog.newest(Int(clamping: count))
        c.immediate { output in
            output.arrayHead(requests.count)
            for request in requests { output.map(fields(request), c.version) }
        }
    }

    private static func fields(_ request: SlowRequest) -> [(String, Field)] {
        [
            ("id", .integer(Int64(request.id))), ("at_ms", .integer(request.at.milliseconds)),
            ("us", .integer(request.nanoseconds / 1000)), ("command", .text(request.command)),
            ("key", request.key.map { .bytes($0) } ?? .null), ("keys", .integer(Int64(request.keyCount))),
            ("client", .integer(request.client)),
            (
                "steps",
                .list(
                    request.steps.map {
                        [
                            ("tier", .text($0.tier.rawValue)), ("us", .integer($0.nanoseconds / 1000)),
                            ("answered", .text($0.isAnswered ? "yes" : "no")),
                        ]
                    })
            ),
            ("waited_us", .integer(request.waitedNanoseconds / 1000)),
        ]
    }

    // MARK: ACTOR

    /// The longest name of an actor, in bytes.
    private static let actorBytesMax = 256

    private static func actor(_ c: Connection, _ name: [UInt8]) throws(CommandError) {
        guard name.count <= actorBytesMax else {
            throw CommandError("ERR an actor's name has at most \(actorBytesMax) bytes; this one has \(name.count)")
        }
        guard let text = String(validating: name, as: UTF8.self),
            !text.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) })
        else { throw CommandError("ERR an actor's name is UTF-8 without control characters") }
        c.actor = name
        c.immediate { $0.simple("OK") }
    }

    // MARK: EXPLAIN and POLICY

    private static func explain(_ c: Connection, _ key: [UInt8]) {
        let slot = c.reserve(keys: [], isWrite: false)
        c.worker.tiers.explain(key) { explanation in
            c.complete(slot) { $0.map(fields(explanation, key), slot.version) }
        }
    }

    private static func fields(_ e: Explanation, _ key: [UInt8]) -> [(String, Field)] {
        [
            ("key", .bytes(key)), ("source", .text(e.source.rawValue)), ("freshness", .text(e.freshness.rawValue)),
            ("reason", .text(e.reason)), ("policy", .bytes(e.policy.prefix)),
            ("consistency", .text(e.policy.consistency.rawValue)), ("authority", .text(e.authority.rawValue)),
            ("bound", .text(e.bound)),
            ("local", e.local.map { .map(fields($0)) } ?? .text("not held")),
            ("warm", e.warm.map { .map(fields($0)) } ?? .text(e.warmNote)),
            ("journal", .text(e.journalNote)), ("archive", .text(e.archiveNote)),
            ("residency", .text(residency(e.policy))),
            ("breaker_reads", .text(e.readBreaker?.rawValue ?? "none: no Redis is configured")),
            ("breaker_writes", .text(e.writeBreaker?.rawValue ?? "none: no Redis is configured")),
        ]
    }

    /// Where the keys may lie, and what lies elsewhere.
    private static func residency(_ policy: Policy) -> String {
        guard !policy.residency.regions.isEmpty else { return "anywhere" }
        let regions = "in \(policy.residency.regions.joined(separator: ", "))"
        guard let violation = policy.residency.violation else { return regions }
        return "\(regions); \(violation.text): \(policy.denial == nil ? "left out" : "denied")"
    }

    private static func fields(_ copy: Explanation.Copy) -> [(String, Field)] {
        [
            ("bytes", .integer(Int64(copy.bytes))), ("age_ms", copy.ageMilliseconds.map { .integer($0) } ?? .null),
            ("ttl_ms", copy.lifeMilliseconds.map { .integer($0) } ?? .null), ("state", .text(copy.note)),
        ]
    }

    private static func policy(_ c: Connection, _ key: [UInt8]) {
        let policy = c.worker.tiers.policies.policy(for: key)
        func time(_ duration: Duration?) -> Field { duration.map { .integer($0.milliseconds) } ?? .null }
        let tiers = [(Policy.TierSet.local, "local"), (.redis, "redis"), (.warm, "warm")]
        c.immediate { output in
            output.map(
                [
                    ("prefix", .bytes(policy.prefix)), ("consistency", .text(policy.consistency.rawValue)),
                    ("max_staleness_ms", time(policy.maxStaleness)), ("strict", .text("\(policy.strict)")),
                    ("ttl_ms", time(policy.ttl)), ("sliding", .text("\(policy.sliding)")),
                    ("retention_ms", time(policy.retention)),
                    ("stale_if_error_ms", time(policy.staleIfError)),
                    ("refresh_ahead", .text(policy.refreshAhead.map { "\($0)" } ?? "off")),
                    ("negative_ttl_ms", time(policy.negativeTTL)),
                    ("default", policy.defaultContext.map { .text($0.template) } ?? .null),
                    ("tracking", .text(policy.tracking.mode.rawValue)),
                    ("on_absent", .text(policy.onAbsent.rawValue)), ("on_outage", .text(policy.onOutage.rawValue)),
                    ("throttle", .text("\(policy.throttle.onOutage.rawValue) \(policy.throttle.share)")),
                    ("wait_replicas", .integer(Int64(policy.waitReplicas))),
                    ("audit", .text(policy.audit.rawValue)),
                    ("tiers", .text(tiers.filter { policy.tiers.contains($0.0) }.map(\.1).joined(separator: " "))),
                    ("max_value", .integer(Int64(policy.maxValue))),
                    ("max_local_value", .integer(Int64(policy.maxLocalValue))),
                    ("turns_keep", .integer(Int64(policy.records.turnsKeep))),
                    ("turns_unfolded", .integer(Int64(policy.records.turnsUnfolded))),
                    ("turns_overflow", .text(policy.records.turnsOverflow.rawValue)),
                    ("checkpoints_keep", .integer(Int64(policy.records.checkpointsKeep))),
                    ("checkpoints_every", .integer(Int64(policy.checkpointsEvery))),
                    ("residency", .text(policy.residency.regions.joined(separator: " "))),
                    ("residency_on_violation", .text(policy.residency.onViolation.rawValue)),
                    ("residency_violation", .text(policy.residency.violation?.text ?? "")),
                    ("schema_current", policy.records.schema.current.map { .integer($0) } ?? .null),
                    ("schema_write_back", .text(policy.records.schema.writeBack.rawValue)),
                    ("schema_steps", .integer(Int64(policy.records.schema.steps.count))),
                ], c.version)
        }
    }

    // MARK: BREAKER

    private static func breaker(_ c: Connection, _ a: Arguments) throws(CommandError) {
        guard c.worker.tiers.hasRedis else {
            throw CommandError("ERR there is no breaker: no Redis is configured (redis.url: off)")
        }
        let gate = c.worker.process.share.breaker
        if a.count == 3 {
            let modes: [String: BreakerMode] = ["open": .forcedOpen, "close": .forcedClosed, "auto": .automatic]
            guard let mode = modes[a.lowercased(2)] else {
                throw CommandError("ERR HEARTH BREAKER takes OPEN, CLOSE or AUTO")
            }
            gate.force(mode, now: Loop.monotonicNanoseconds)
            c.worker.process.replayNow()
        }
        c.immediate { output in
            output.map(
                [
                    ("mode", .text(gate.mode.rawValue)), ("reads", .text(gate.state(of: .read).rawValue)),
                    ("writes", .text(gate.state(of: .write).rawValue)),
                ], c.version)
        }
    }
}

/// A value in a map that Hearth answers with.
enum Field {
    case text(String)
    case bytes([UInt8])
    case integer(Int64)
    case null
    case integers([Int64])
    case map([(String, Field)])
    case list([[(String, Field)]])
}

extension OutputBuffer {
    func map(_ fields: [(String, Field)], _ version: ProtocolVersion) {
        mapHead(fields.count, version)
        for (name, field) in fields {
            bulk(name)
            switch field {
            case .text(let text): bulk(text)
            case .bytes(let bytes): bulk(bytes)
            case .integer(let value): integer(value)
            case .null: null(version)
            case .integers(let values):
                arrayHead(values.count)
                for value in values { integer(value) }
            case .map(let fields): map(fields, version)
            case .list(let maps):
                arrayHead(maps.count)
                for fields in maps { map(fields, version) }
            }
        }
    }
}
