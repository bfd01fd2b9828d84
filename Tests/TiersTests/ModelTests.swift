// Two workers, a foreign writer and every fault, over hours of virtual time: what must hold whatever happens.
//
// Every value is written once, so that a value tells when it was true: from the moment Redis took it until the moment
// Redis took another, or its life ended.

import LocalTier
import Primitives
import RedisTier
import Resilience
import State
import TestSupport
import Testing

@testable import Tiers

/// One life of a sidecar under a seed.
private final class Life {
    let car: Sidecar
    var random: SeededGenerator
    let policies: [Policy]
    var violations: [String] = []

    /// Values given to any write of a key, whether it was acknowledged or not.
    private var written: [String: Set<String>] = [:]
    private var nextValue = 0
    private var begun = 0
    private var ended = 0
    /// Per worker and key: the value that was acknowledged last, where nothing of that worker has come after it.
    private var acknowledged: [[String: (value: String, at: Int64)]] = [[:], [:]]
    private var writesUnderWay: [String: Int] = [:]
    private var reads: [String: Int] = [:]
    private var faults = Set<String>()

    /// Whether it tracks what it reads.
    let tracks: Bool

    init(seed: UInt64, tracks: Bool = false) throws {
        self.tracks = tracks
        random = SeededGenerator(seed: seed)
        policies = [
            policy {
                ($0.staleIfError, $0.defaultContext) = (.seconds(60), DefaultContext(template: "default {suffix}"))
            },
            policy("e:") { ($0.consistency, $0.ttl, $0.staleIfError) = (.eventual, .seconds(30), .seconds(20)) },
            policy("s:") { $0.consistency = .strong },
            policy("l:") { ($0.ttl, $0.sliding) = (.seconds(40), true) },
            policy("f:") { ($0.onAbsent, $0.maxStaleness, $0.staleIfError) = (.final, .seconds(2), .seconds(600)) },
            policy("b:") { ($0.maxLocalValue, $0.refreshAhead) = (8, nil) },
        ]
        car = try Sidecar(
            policies, workers: 2, breaker: BreakerConfiguration(openMax: .seconds(2)),
            localBytes: LocalTierConfiguration.shardBytesMin * 2, seed: seed, tracks: tracks)
        car.redis.jitter = .microseconds(300)
    }

    var keys: [String] { ["1", "2", "e:1", "s:1", "l:1", "f:1", "b:1", "b:2"] }

    func complain(_ text: String) {
        if violations.count < 20 {
            violations.append("at \(car.now / 1_000_000) ms: \(text); faults so far: \(faults.sorted())")
        }
    }

    func freshValue(_ key: String) -> String {
        nextValue += 1
        let value = "\(key)=\(nextValue)" + (random.oneIn(4) ? " and more" : "")
        written[key, default: []].insert(value)
        return value
    }

    // MARK: What is done

    func step() {
        let key = keys.randomElement(using: &random)!
        let worker = Int.random(in: 0..<2, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<60: read(key, worker)
        case 60..<72: write(key, worker)
        case 72..<75: delete(key, worker)
        case 75..<79: touch(key, worker)
        case 79..<82: transaction(key, worker)
        case 82..<90: foreign(key)
        case 90..<93: car.evict(key)
        case 93..<95: fault()
        default: break
        }
        let isLong = random.oneIn(8)
        let pause = Int64.random(in: 0...(isLong ? 12_000_000_000 : 30_000_000), using: &random)
        car.scheduler.run(for: .nanoseconds(random.oneIn(4) ? 0 : pause))
    }

    private func foreign(_ key: String) {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: car.redis.execute("DEL", key)
        case 1:
            car.redis.execute("SET", key, freshValue(key), "PX", String(Int64.random(in: 100...20_000, using: &random)))
        default: car.redis.execute("SET", key, freshValue(key))
        }
    }

    private func write(_ key: String, _ worker: Int) {
        let value = freshValue(key)
        perform(key, worker, [.set(key, value)], value)
    }

    private func delete(_ key: String, _ worker: Int) { perform(key, worker, [.del(key)], nil) }

    private func touch(_ key: String, _ worker: Int) {
        begun += 1
        let command: NativeCommand =
            random.oneIn(4)
            ? .persist(key) : .pexpire(key, Int64.random(in: 1000...60_000, using: &random), now: car.scheduler.now)
        car.workers[worker].perform([command], isTransaction: false) { [self] _ in ended += 1 }
    }

    private func transaction(_ key: String, _ worker: Int) {
        let value = freshValue(key)
        perform(key, worker, [.get(key), .del(key), .set(key, value)], value)
    }

    private func perform(_ key: String, _ worker: Int, _ commands: [NativeCommand], _ value: String?) {
        begun += 1
        var isDone = false
        acknowledged[worker][key] = nil
        let isAlone = writesUnderWay[key, default: 0] == 0
        writesUnderWay[key, default: 0] += 1
        car.workers[worker].perform(commands, isTransaction: commands.count > 1) { [self] replies in
            ended += 1
            writesUnderWay[key, default: 0] -= 1
            if isDone { complain("a write of \(key) was answered twice") }
            isDone = true
            if replies.count != commands.count { complain("\(replies.count) replies for \(commands.count) commands") }
            let last = replies[replies.count - 1]
            if case .error(let text) = last {
                // «not sent» is a promise.
                if text.starts(with: "UNAVAILABLE not sent".utf8), let value, moment(of: value, key) != nil {
                    complain("\(value) was not sent, and Redis has it")
                }
                return
            }
            guard let value else { return }
            guard let at = moment(of: value, key) else {
                return complain("\(value) was acknowledged and Redis never had it")
            }
            if isAlone, writesUnderWay[key] == 0 { acknowledged[worker][key] = (value, at) }
        }
    }

    private func read(_ key: String, _ worker: Int) {
        begun += 1
        var isDone = false
        let startedAt = car.now
        let own = acknowledged[worker][key]
        car.workers[worker].read(bytes(key), hash: hash(key)) { [self] reading in
            ended += 1
            if isDone { complain("a read of \(key) was answered twice") }
            isDone = true
            check(reading, key, startedAt: startedAt, own: own)
        }
    }

    private func fault() {
        let redis = car.redis
        let names =
            [
                "heal", "heal", "heal", "heal", "heal", "heal", "heal", "heal", "hang", "refuse", "delay", "loading",
                "readonly", "oom", "mishap", "cut", "full",
                "disk", "slow disk", "force",
            ] + (tracks ? ["lose", "deafen", "late", "late"] : [])
        let name = names.randomElement(using: &random)!
        faults.insert(name)
        switch name {
        case "heal": heal()
        case "hang": redis.isHung = true
        case "refuse": redis.refusesConnections = true
        case "delay": redis.jitter = .milliseconds(Int64.random(in: 1...90, using: &random))
        case "loading": redis.condition = .loading
        case "readonly": redis.condition = .readonly
        case "oom": redis.condition = .outOfMemory
        case "mishap":
            redis.mishaps = [
                [.cutBefore, .loseReply, .cutWithin(Int.random(in: 0..<60, using: &random)), .garbage]
                    .randomElement(using: &random)!
            ]
        case "cut": redis.cutAll()
        case "lose": redis.losesInvalidations = true
        case "deafen": redis.cutSubscribers()
        case "late":
            let delay = Int64.random(in: 0...40_000_000, using: &random)
            redis.invalidationDelay = { delay }
        case "full": redis.takesNoBytes = true
        case "disk": car.warm.failsReads.toggle()
        case "slow disk": car.warm.latency = .milliseconds(Int64.random(in: 0...150, using: &random))
        default: car.share.breaker.force(car.share.breaker.mode == .automatic ? .forcedOpen : .automatic, now: car.now)
        }
    }

    func heal() {
        let redis = car.redis
        redis.isHung = false
        redis.refusesConnections = false
        redis.takesNoBytes = false
        redis.jitter = .microseconds(300)
        redis.condition = .healthy
        redis.mishaps = []
        redis.losesInvalidations = false
        redis.invalidationDelay = { 0 }
        car.warm.failsReads = false
        car.warm.latency = .microseconds(200)
        if car.share.breaker.mode != .automatic { car.share.breaker.force(.automatic, now: car.now) }
    }

    // MARK: What must hold

    private func moment(of value: String, _ key: String) -> Int64? {
        car.redis.history[bytes(key)]?.first { $0.value == bytes(value) }?.at
    }

    /// When a value ceased to be true: another was stored, or its life ended; nil while it is true.
    private func end(of value: String, _ key: String) -> Int64? {
        guard let history = car.redis.history[bytes(key)],
            let last = history.lastIndex(where: { $0.value == bytes(value) })
        else { return 0 }
        let wallNow = car.scheduler.now
        var end: Int64?
        if history[last].expiresAt <= wallNow {
            end = car.now - wallNow.milliseconds(since: history[last].expiresAt) * 1_000_000
        }
        if last + 1 < history.count { end = min(end ?? .max, history[last + 1].at) }
        return end
    }

    private func check(_ reading: Reading, _ key: String, startedAt: Int64, own: (value: String, at: Int64)?) {
        let policy = PolicyTable(policies).policy(for: bytes(key))
        reads[reading.freshness.rawValue, default: 0] += 1
        let slack: Int64 = 5_000_000
        if policy.consistency == .strong, reading.source != .redis,
            reading.source != .warm || reading.freshness != .fresh,
            reading.content != .unavailable
        {
            complain("a strong read of \(key) was answered: \(reading.summary)")
        }
        guard let (value, _) = reading.value.map({ (String(decoding: $0.bytes, as: UTF8.self), $0.expiresAt) }) else {
            return
        }
        guard written[key]?.contains(value) ?? false else {
            return complain("\(key) was read as \(value), never written")
        }
        let ended = end(of: value, key)
        if reading.source == .redis, let ended, ended < startedAt - slack, policy.consistency == .strong {
            complain(
                "a strong read of \(key) began after \(value) had ended \((startedAt - ended) / 1_000_000) ms before")
        }
        if reading.freshness == .fresh, policy.consistency == .bounded, let ended {
            let age = startedAt - ended
            if age > policy.maxStaleness.nanoseconds + slack {
                complain("\(key): \(value) was fresh \(age / 1_000_000) ms after it had ended, from \(reading.source)")
            }
        }
        if reading.freshness == .stale {
            // An eventual copy may be as old as its life is long, which may be for ever.
            let limit = policy.staleIfError.nanoseconds + policy.maxStaleness.nanoseconds
            if policy.consistency == .bounded, let ended, startedAt - ended > limit + slack {
                complain("\(key): \(value) was served stale \((startedAt - ended) / 1_000_000) ms after it had ended")
            }
            if policy.strict || policy.consistency == .strong { complain("\(key) was served stale") }
        }
        // Own acknowledged writes are read back, or what came after them.
        if let own, let ended, ended <= own.at, value != own.value {
            complain(
                "\(key): \(own.value) was acknowledged, and \(value) read, which it had replaced (\(reading.summary))")
        }
    }

    func run(steps: Int) -> [String] {
        for _ in 0..<steps where violations.isEmpty {
            step()
            if random.oneIn(200) {
                _ = car.local.sweep(now: car.scheduler.now, budget: 512)
                settle()
            }
        }
        settle()
        return violations
    }

    /// Everything works again: the breaker closes, everybody has been answered, and reads tell the truth.
    private func settle() {
        heal()
        let since = car.now
        let isWell = car.scheduler.run(atMost: .seconds(20)) {
            car.share.breaker.state(of: .read) == .closed && car.share.breaker.state(of: .write) == .closed
                && car.connections.allSatisfy { $0.state == .ready } && ended == begun
        }
        if !isWell {
            complain(
                "not well again after \((car.now - since) / 1_000_000) ms: read \(car.share.breaker.state(of: .read)), "
                    + "write \(car.share.breaker.state(of: .write)), \(car.connections.map(\.state)), \(begun - ended) unanswered"
            )
        }
        // Slow calls of before count until they have left the breaker's window.
        car.scheduler.run(for: .seconds(12))
        car.scheduler.run(atMost: .seconds(20)) { !car.share.breaker.refusesReads && !car.share.breaker.refusesWrites }
        // A proof of coherence may be under way at any moment.
        for connection in car.connections where connection.pipelineDepth > 0 && !tracks {
            complain("\(connection.pipelineDepth) places are left in an idle pipeline")
        }
        if !car.tiers.flights.isEmpty { complain("flights are left over") }
        for key in keys {
            let reading = car.read(key, strong: true)
            let truth = car.inRedis(key)
            if let truth, reading.value.map({ String(decoding: $0.bytes, as: UTF8.self) }) != truth {
                complain(
                    "\(key) is \(truth) in Redis and was read as \(reading.summary) \(reading.reason) \(car.transitions.causes.suffix(6))"
                )
            }
        }
    }

    var summary: String {
        "\(car.now / 60_000_000_000) min of virtual time, \(car.scheduler.eventsRun) events, "
            + "reads \(reads.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }), "
            + "transitions \(car.transitions.list.count), connections \(car.redis.connectionsOpened), faults \(faults.sorted())"
    }
}

@Suite struct ModelTests {
    @Test func `whatever fails, answers are what they are marked as`() throws {
        let first = SeededGenerator.seed()
        for index in 0..<UInt64(8) {
            let seed = first &+ index
            let life = try Life(seed: seed, tracks: index % 2 == 1)
            let violations = life.run(steps: 6_000)
            #expect(violations.isEmpty, "replay with HEARTH_SEED=\(seed)\n\(violations.joined(separator: "\n"))")
            if !violations.isEmpty { return }
            if index == 0 { print(life.summary) }
        }
    }

    @Test func `the same seed is the same life`() throws {
        let (a, b) = (try Life(seed: 7), try Life(seed: 7))
        _ = a.run(steps: 800)
        _ = b.run(steps: 800)
        #expect(a.summary == b.summary)
    }
}
