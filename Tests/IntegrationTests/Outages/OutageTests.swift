// Redis fails in every way that it can, under load; what clients see of it.

import TestSupport
import Testing

/// A way for Redis to fail, and to be well again.
struct Outage: CustomTestStringConvertible, Sendable {
    let name: String
    /// Whether reads fail, or only writes.
    var failsReads = true
    /// Whether Redis loses its data.
    var losesData = false
    /// What the breaker judges by, apart from how long it stays open. Slowness is judged where it is the outage.
    var breaker = "slow_call: 60s"
    let begin: @Sendable (Scene) throws -> Void
    let end: @Sendable (Scene) throws -> Void

    var testDescription: String { name }

    /// A fault of the server between Hearth and Redis.
    static func scripted(_ name: String, _ fault: ScriptedRedis.Fault) -> Outage {
        Outage(name: name, begin: { $0.script.set(fault) }, end: { $0.script.set(.none) })
    }

    static let all: [Outage] = [
        Outage(
            name: "stopped (SIGSTOP)", begin: { $0.redis.process.signal(.stop) },
            end: { $0.redis.process.signal(.continue) }),
        Outage(
            name: "killed", losesData: true, begin: { $0.redis.kill() }, end: { try $0.redis.restart() }),
        .scripted("hanging, requests go on late", .hang),
        .scripted("reset in mid-reply", .resetInReply),
        .scripted("refusing connections", .refuse),
        .scripted("-LOADING", .error("LOADING Redis is loading the dataset in memory")),
        Outage(
            name: "-READONLY", failsReads: false,
            begin: { _ = try $0.redis.client().call("REPLICAOF", "127.0.0.1", "1") },
            end: { _ = try $0.redis.client().call("REPLICAOF", "NO", "ONE") }),
        Outage(
            name: "-OOM", failsReads: false,
            begin: { _ = try $0.redis.client().call("CONFIG", "SET", "maxmemory", "1") },
            end: { _ = try $0.redis.client().call("CONFIG", "SET", "maxmemory", "0") }),
        .scripted("garbage bytes", .garbage),
        .scripted("half a reply, then silence", .halfReply),
        .scripted("a reply cut in half, then the end", .cutReply),
        Outage(
            name: "replies 200 ms late", breaker: "slow_call: 100ms, window: 2s",
            begin: { $0.script.set(.delay(200)) }, end: { $0.script.set(.none) }),
    ]
}

/// Hearth, a Redis, and what stands between them.
final class Scene: Sendable {
    static let clients = 6
    /// Far more than an answer takes on a machine that is busy with something else, and than `softTimeout`: which of
    /// the two ended a wait is seen however late it is noticed.
    static let timeout = 1000.0
    static let softTimeout = 20.0
    /// No request takes so long unless somebody waits for what never comes. How long each takes is measured where a
    /// machine is idle (docs/performance.md), and exact in virtual time (TiersTests, RedisTierTests).
    static let hang = 8000.0

    let redis: RedisServer
    let script: ScriptedRedis
    let hearth: HearthProcess

    init(breaker: String = "slow_call: 60s", extra: String = "") throws {
        redis = try RedisServer(["--replica-serve-stale-data", "yes", "--repl-diskless-sync-delay", "0"])
        script = try ScriptedRedis(redis.address)
        hearth = try HearthProcess(
            redis: script.url, redisOptions: "timeout: 1s, soft_timeout: 20ms",
            extra: """
                breaker: {open: 1s, open_max: 1s, \(breaker)}
                policies:
                  - {prefix: "", on_outage: reject}
                  - {prefix: "hot:", max_staleness: 60s}
                  - {prefix: "aged:", max_staleness: 10ms}
                  - {prefix: "cold:", max_staleness: 10ms, tiers: [redis]}
                  - {prefix: "ctx:", negative_ttl: 0s, tiers: [redis], default: "default for {key}"}
                  - {prefix: "strict:", max_staleness: 10ms, strict: true}
                  - {prefix: "strong:", consistency: strong}
                \(extra)
                """)
        try hearth.waitUntilClosed()
    }

    func end() {
        redis.process.signal(.continue)
        script.stop()
    }
}

extension RealProcesses {
    @Suite(.serialized) struct Outages {
        @Test(arguments: Outage.all)
        func `an outage under load is bounded, told truthfully, and over soon after it is over`(outage: Outage) throws {
            let scene = try Scene(breaker: outage.breaker)
            defer { scene.end() }
            try Load.prepare(scene.redis, clients: Scene.clients)
            try Load.warm(scene.hearth.address, clients: Scene.clients)
            let load = Load(scene.hearth.address, clients: Scene.clients, losesData: outage.losesData)
            let control = try scene.hearth.client()
            let quietFrom = milliseconds()
            load.start()
            defer { load.stop() }
            try load.waitForRounds(3, from: quietFrom)

            let begun = milliseconds()
            try outage.begin(scene)
            func state() throws -> String {
                let (reads, writes) = try scene.hearth.breaker(control)
                return outage.failsReads ? reads : writes
            }
            let opening = try eventually("the breaker opens; \(scene.hearth.log.suffix(800))", every: 1) {
                try state() == "open"
            }
            // What was asked before it opened may wait for its time to be over.
            let openFrom = milliseconds()
            try load.waitForRounds(5, from: openFrom)
            let openTo = milliseconds()

            try outage.end(scene)
            let ended = milliseconds()
            if outage.losesData { try Load.prepare(scene.redis, clients: Scene.clients) }
            // Half a minute is more than `open_max` and an attempt to connect, and less than what never ends.
            try eventually("the breaker closes; \(scene.hearth.log.suffix(800))", every: 2) {
                try scene.hearth.breaker(control) == ("closed", "closed")
            }
            let closed = milliseconds()
            let closing = closed - ended
            try load.waitForRounds(3, from: closed)
            load.stop()
            let over = milliseconds()

            report(
                outage, load,
                [
                    ("quiet", quietFrom, begun), ("opening", begun, openFrom), ("open", openFrom, openTo),
                    ("closing", ended, closed), ("after", closed, over),
                ], opening, closing)
            #expect(
                load.violations.isEmpty, "\(load.violations.count) replies that can't be: \(load.violations.prefix(5))")
            expectAnswers(outage, load.samples(from: quietFrom, to: over), openFrom, openTo, closed)
            try expectTruth(outage, load, scene)
        }

        private func report(
            _ outage: Outage, _ load: Load, _ phases: [(String, Double, Double)], _ opening: Double, _ closing: Double
        ) {
            print("\(outage.name): opened after \(short(opening)) ms, closed \(short(closing)) ms after its end")
            for (phase, from, to) in phases {
                let samples = load.samples(from: from, to: to)
                let kinds = Kind.allCases.map { kind in
                    let of = samples.of(kind)
                    return
                        "\(kind.rawValue) \(short(of.percentile(0.5)))/\(short(of.percentile(0.99)))/\(short(of.slowest))"
                        + (of.count(.unavailable) > 0 ? " (\(of.count(.unavailable)) of \(of.count) unavailable)" : "")
                }
                print("    \(phase), \(samples.count) requests, ms p50/p99/max: \(kinds.joined(separator: "; "))")
            }
        }

        private func expectAnswers(
            _ outage: Outage, _ all: [Sample], _ openFrom: Double, _ openTo: Double, _ closed: Double
        ) {
            #expect(all.slowest < Scene.hang, "the slowest request took \(short(all.slowest)) ms")
            // Held before the load began: nothing that happens to Redis takes them away.
            for kind in [Kind.hot, .aged] {
                let lost = all.of(kind).filter { $0.answer != .value }
                #expect(lost.isEmpty, "\(kind) had a copy at hand: \(lost.prefix(3))")
            }
            guard outage.failsReads else {
                // Where only writes fail, reads go on as if nothing were.
                let failed = all.of(.cold, .strict, .strong).filter { $0.answer != .value }
                #expect(failed.isEmpty, "\(failed.prefix(3))")
                return
            }
            // Asked and answered while it was open: nobody waits for Redis, which would take `timeout` or the fault's
            // end. The middle one of many tells that, however late some of them are noticed.
            let open = all.filter { $0.at >= openFrom && $0.end <= openTo }
            let hit = open.of(.hot).percentile(0.5)
            for (kind, answer) in [
                (Kind.strong, Sample.Answer.unavailable), (.strict, .unavailable), (.context, .context), (.cold, .null),
            ] {
                let samples = open.of(kind)
                #expect(!samples.isEmpty && samples.allSatisfy { $0.answer == answer }, "\(kind): \(samples.prefix(3))")
                let typical = samples.percentile(0.5)
                #expect(
                    typical < hit + Scene.timeout / 4,
                    "while open: \(kind) takes \(short(typical)) ms, a hit \(short(hit)) ms")
            }
            // Asked when it had closed.
            let missed = all.of(.cold).filter { $0.at > closed && $0.answer != .value }
            #expect(missed.isEmpty, "\(missed.prefix(3))")
        }

        @Test func `a Redis that flaps every second harms nobody and is taken back`() throws {
            let scene = try Scene(breaker: "slow_call: 60s, window: 2s", extra: "workers: 2")
            defer { scene.end() }
            try Load.prepare(scene.redis, clients: Scene.clients)
            try Load.warm(scene.hearth.address, clients: Scene.clients)
            let load = Load(scene.hearth.address, clients: Scene.clients)
            let begun = milliseconds()
            load.start()
            defer { load.stop() }
            try load.waitForRounds(3, from: begun)
            for fault in [ScriptedRedis.Fault.hang, .refuse, .halfReply, .resetInReply] {
                for state in [fault, .none] {
                    scene.script.set(state)
                    // sleep: Redis is there for a second and not there for a second, whatever Hearth makes of it.
                    pause(1000)
                    try load.waitForRounds(1, from: milliseconds())
                }
            }
            let ended = milliseconds()
            try scene.hearth.waitUntilClosed()
            let closing = milliseconds() - ended
            try load.waitForRounds(2, from: milliseconds())
            load.stop()
            let all = load.samples(from: begun, to: milliseconds())
            print(
                "flapping: \(all.count) requests, slowest \(short(all.slowest)) ms, closed \(short(closing + 1000)) ms after the last fault"
            )
            #expect(load.violations.isEmpty, "\(load.violations.prefix(5))")
            #expect(all.slowest < Scene.hang, "the slowest request took \(short(all.slowest)) ms")
            let missed = all.of(.hot, .aged).filter { $0.answer != .value }
            #expect(
                missed.isEmpty,
                "\(missed.count): \(missed.prefix(3).map { ($0.kind, $0.at - begun, $0.took, $0.answer) })")
            try expectTruth(Outage(name: "flapping", begin: { _ in }, end: { _ in }), load, scene)
        }

        @Test
        func `while Redis hangs and the breaker is closed a copy is served after soft_timeout, nothing after timeout`()
            throws
        {
            let scene = try Scene(breaker: "consecutive_failures: 1000000, min_calls: 1000000")
            defer { scene.end() }
            try Load.prepare(scene.redis, clients: 1)
            try Load.warm(scene.hearth.address, clients: 1)
            let client = try scene.hearth.client()
            pause(30)
            scene.redis.process.signal(.stop)
            func asked(_ words: String...) throws -> (reply: RESPValue, took: Double) {
                let start = milliseconds()
                let reply = try client.call(words)
                return (reply, milliseconds() - start)
            }
            var held: [Double] = []
            for key in 0..<3 {
                let copy = try asked("GET", "aged:0:\(key)")
                #expect(copy.reply.text == Load.value("aged:0:\(key)", 0))
                held.append(copy.took)
            }
            let read = try asked("GET", "cold:0")
            #expect(read.reply == .null)
            let write = try asked("SET", "own:0", "v")
            #expect(write.reply.text.hasPrefix("UNAVAILABLE outcome unknown"), "\(write.reply)")
            let missing = [read.took, write.took]
            print("hung, breaker closed: with a copy \(held.map(short)) ms, without \(missing.map(short)) ms")
            // A machine that is busy notices late, but nothing is answered early; and what has a copy does not wait for
            // the time that ends the others.
            #expect(held.allSatisfy { $0 >= Scene.softTimeout - 2 }, "the soft timeout was not waited for: \(held)")
            #expect(held.allSatisfy { $0 < Scene.timeout - 5 }, "\(held)")
            #expect(missing.allSatisfy { $0 >= Scene.timeout - 5 && $0 < Scene.hang }, "\(missing)")
            scene.redis.process.signal(.continue)
            // The late replies belong to nobody now: what is asked next gets its own.
            try eventually("reads are answered again") { try client.call("GET", "cold:100") != .null }
            for key in 0..<200 { #expect(try client.call("GET", "cold:\(key)").text == Load.value("cold:\(key)", 0)) }
        }

        /// What Redis holds in the end is what the answers said.
        private func expectTruth(_ outage: Outage, _ load: Load, _ scene: Scene) throws {
            let redis = try scene.redis.client()
            for (index, history) in load.histories().enumerated() {
                let text = try redis.call("GET", "own:\(index)").text
                let sequence = text.split(separator: "|").dropFirst().first.flatMap { Int($0) } ?? 0
                #expect(
                    !history.notSent.contains(sequence), "own:\(index) is \(sequence), which was said not to be sent")
                if !outage.losesData {
                    #expect(
                        sequence == history.acknowledged
                            || history.unknown.contains(sequence) && sequence > history.acknowledged,
                        "own:\(index) is \(sequence), acknowledged \(history.acknowledged), unknown \(history.unknown)")
                    let count = Int(try redis.call("GET", "count:\(index)").text) ?? 0
                    let most = history.incremented + history.incrementsUnknown
                    #expect(
                        (history.incremented...most).contains(count),
                        "count:\(index) is \(count), not in \(history.incremented)...\(most)")
                }
                #expect(!history.notSent.isEmpty || !history.unknown.isEmpty, "client \(index) saw no failed write")
            }
        }
    }
}
