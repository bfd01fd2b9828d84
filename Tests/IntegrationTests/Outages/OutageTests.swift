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
    /// Over what time the breaker judges rates; slowness shows only there.
    var window = "10s"
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
            name: "replies 80 ms late", window: "1s", begin: { $0.script.set(.delay(80)) },
            end: { $0.script.set(.none) }),
    ]
}

/// Hearth, a Redis, and what stands between them.
final class Scene: Sendable {
    static let clients = 6
    static let timeout = 100.0
    static let softTimeout = 20.0
    /// What a loaded machine may add: these tests share two cores with whatever else runs there.
    static let margin = 60.0

    let redis: RedisServer
    let script: ScriptedRedis
    let hearth: HearthProcess

    init(breaker: String = "", extra: String = "") throws {
        redis = try RedisServer(["--replica-serve-stale-data", "yes", "--repl-diskless-sync-delay", "0"])
        script = try ScriptedRedis(redis.address)
        hearth = try HearthProcess(
            redis: script.url, redisOptions: "timeout: 100ms, soft_timeout: 20ms",
            extra: """
                breaker: {open: 1s, open_max: 1s\(breaker)}
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
            let scene = try Scene(breaker: ", window: \(outage.window)")
            defer { scene.end() }
            try Load.prepare(scene.redis, clients: Scene.clients)
            let load = Load(scene.hearth.address, clients: Scene.clients, losesData: outage.losesData)
            let control = try scene.hearth.client()
            load.start()
            defer { load.stop() }
            pause(500)
            let quietFrom = milliseconds() - 300

            let begun = milliseconds()
            try outage.begin(scene)
            func state() throws -> String {
                let (reads, writes) = try scene.hearth.breaker(control)
                return outage.failsReads ? reads : writes
            }
            let opening = try eventually("the breaker opens", within: 4000, every: 1) { try state() == "open" }
            pause(100)
            let openFrom = milliseconds()
            pause(700)
            let openTo = milliseconds()

            try outage.end(scene)
            let ended = milliseconds()
            if outage.losesData { try Load.prepare(scene.redis, clients: Scene.clients) }
            try eventually("the breaker closes; \(scene.hearth.log.suffix(800))", within: 6000, every: 2) {
                try scene.hearth.breaker(control) == ("closed", "closed")
            }
            let closed = milliseconds()
            let closing = closed - ended
            pause(400)
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
            expectBounds(outage, load, begun, openFrom, openTo, closed, over)
            #expect(closing <= 2000 + Scene.margin, "closed \(Int(closing)) ms after the end of the outage")
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

        private func expectBounds(
            _ outage: Outage, _ load: Load, _ begun: Double, _ openFrom: Double, _ openTo: Double, _ closed: Double,
            _ over: Double
        ) {
            let all = load.samples(from: begun - 200, to: over)
            #expect(all.slowest <= Scene.timeout + Scene.margin, "the slowest request took \(short(all.slowest)) ms")
            // Judged without the slowest hundredth: that is this machine's scheduler.
            let aged = all.of(.aged)
            #expect(
                aged.percentile(0.99) <= Scene.softTimeout + Scene.margin / 2,
                "with a copy: p99 \(short(aged.percentile(0.99))) ms")
            #expect(
                aged.count(.value) == aged.count,
                "a read with a copy at hand got none: \(aged.filter { $0.answer != .value }.prefix(3))")
            let hot = all.of(.hot)
            #expect(hot.count(.value) == hot.count)
            guard outage.failsReads else {
                // Where only writes fail, reads go on as if nothing were.
                #expect(all.of(.cold, .strict, .strong).allSatisfy { $0.answer == .value })
                return
            }
            let open = load.samples(from: openFrom, to: openTo)
            #expect(open.percentile(0.95) <= 15, "while open: p95 \(short(open.percentile(0.95))) ms")
            #expect(open.of(.strong).count(.unavailable) == open.of(.strong).count)
            #expect(open.of(.strict).count(.unavailable) == open.of(.strict).count)
            #expect(open.of(.context).count(.context) == open.of(.context).count)
            #expect(open.of(.cold).count(.null) == open.of(.cold).count)
            let after = load.samples(from: closed + 100, to: over)
            #expect(
                after.of(.cold).count(.value) == after.of(.cold).count,
                "\(after.of(.cold).filter { $0.answer != .value }.prefix(3))")
        }

        @Test func `a Redis that flaps every second harms nobody and is taken back`() throws {
            let scene = try Scene(breaker: ", window: 2s", extra: "workers: 2")
            defer { scene.end() }
            try Load.prepare(scene.redis, clients: Scene.clients)
            let load = Load(scene.hearth.address, clients: Scene.clients)
            let begun = milliseconds()
            load.start()
            defer { load.stop() }
            pause(500)
            for fault in [ScriptedRedis.Fault.hang, .refuse, .halfReply, .resetInReply] {
                for state in [fault, .none] {
                    scene.script.set(state)
                    pause(1000)
                }
            }
            let ended = milliseconds()
            try scene.hearth.waitUntilClosed()
            let closing = milliseconds() - ended
            pause(200)
            load.stop()
            let all = load.samples(from: begun, to: milliseconds())
            print(
                "flapping: \(all.count) requests, slowest \(short(all.slowest)) ms, closed \(short(closing + 1000)) ms after the last fault"
            )
            #expect(load.violations.isEmpty, "\(load.violations.prefix(5))")
            #expect(all.slowest <= Scene.timeout + Scene.margin, "the slowest request took \(short(all.slowest)) ms")
            let missed = all.of(.hot, .aged).filter { $0.answer != .value }
            #expect(
                missed.isEmpty,
                "\(missed.count): \(missed.prefix(3).map { ($0.kind, $0.at - begun, $0.took, $0.answer) })")
            #expect(closing <= 1000 + Scene.margin)
            try expectTruth(Outage(name: "flapping", begin: { _ in }, end: { _ in }), load, scene)
        }

        @Test
        func `while Redis hangs and the breaker is closed a copy is served after soft_timeout, nothing after timeout`()
            throws
        {
            let scene = try Scene(breaker: ", consecutive_failures: 1000000, min_calls: 1000000")
            defer { scene.end() }
            try Load.prepare(scene.redis, clients: 1)
            let client = try scene.hearth.client()
            for key in 0..<Load.hotKeys { _ = try client.call("GET", "aged:0:\(key)") }
            pause(30)
            scene.redis.process.signal(.stop)
            var held: [Double] = []
            var missing: [Double] = []
            for key in 0..<3 {
                let start = milliseconds()
                #expect(try client.call("GET", "aged:0:\(key)").text == Load.value("aged:0:\(key)", 0))
                held.append(milliseconds() - start)
                let later = milliseconds()
                #expect(try client.call("GET", "cold:\(key)") == .null)
                #expect(try client.call("SET", "own:\(key)", "v").text.hasPrefix("UNAVAILABLE outcome unknown"))
                missing.append((milliseconds() - later) / 2)
            }
            print("hung, breaker closed: with a copy \(held.map(short)) ms, without \(missing.map(short)) ms")
            #expect(held.allSatisfy { $0 <= Scene.softTimeout + 15 })
            #expect(held.max() ?? 0 >= Scene.softTimeout - 2, "the soft timeout was never waited for")
            #expect(missing.allSatisfy { $0 <= Scene.timeout + 25 && $0 >= Scene.timeout - 5 })
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
