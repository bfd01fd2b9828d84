// Writers through outages, crashes and power cuts, over virtual time: what was acknowledged is in Redis in the end, in
// order per key, and nothing twice.
//
// Counters are only incremented, texts only appended to with a token that is written once, and each register is set by
// one writer with growing numbers. So the end tells of every write whether it was done, how often, and in which order.

import Primitives
import RedisTier
import Resilience
import State
import TestSupport
import Testing

@testable import Tiers

private final class Lives {
    let disk: SimulatedFileSystem
    var car: Sidecar
    /// Earlier processes: what they had scheduled still comes due, and finds nothing to do.
    private var past: [Sidecar] = []
    var random: SeededGenerator
    let policies: [Policy]
    var violations: [String] = []
    private let seed: UInt64
    /// Redis takes writes of others too, of keys of their own.
    private var begun = 0
    private var ended = 0
    private var nextToken = 0
    var lives = 1
    var powerCuts = 0
    var faults: [String: Int] = [:]
    var accepted: UInt64 = 0
    var replayed: UInt64 = 0

    /// What is known of a counter: increments that were acknowledged, and those that may have been done.
    private var counters: [String: (sure: Int64, maybe: Int64)] = [:]
    /// Tokens of a text that were acknowledged, in that order per writer, and those that may be there.
    private var tokens: [String: (sure: [[String]], maybe: Set<String>)] = [:]
    /// A register: the last value that was acknowledged, and those of unknown outcome since.
    private var registers: [String: (sure: String?, maybe: Set<String>)] = [:]
    /// Keys with a write under way: the next of the same writer waits, as on one connection.
    private var busy: Set<String> = []
    private var trace: KeyTrace?

    init(seed: UInt64) throws {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        disk = SimulatedFileSystem(seed: seed)
        policies = [policy { $0.onUnknownBase = .overwrite }]
        car = try Sidecar(
            policies, workers: 2, breaker: BreakerConfiguration(openMax: .seconds(2)), seed: seed, journalOn: disk)
        car.redis.jitter = .microseconds(300)
        trace = KeyTrace(car.scheduler)
        watch()
    }

    /// Lets the trace see each event of the present life.
    private func watch() {
        guard let trace else { return }
        car.scheduler.onIterationEnd.append { [unowned self] in trace.look(at: car) }
    }

    func complain(_ text: String) {
        if violations.count < 20 { violations.append("at \(car.now / 1_000_000) ms, life \(lives): \(text)") }
    }

    // MARK: What is done

    func step() throws {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<35: count()
        case 35..<60: append()
        case 60..<80: set()
        case 80..<84: pair()
        case 84..<88: read()
        case 88..<96: fault()
        case 96 where random.oneIn(3): try die()
        default: break
        }
        let isLong = random.oneIn(10)
        let pause = Int64.random(in: 0...(isLong ? 3_000_000_000 : 3_000_000), using: &random)
        car.scheduler.run(for: .nanoseconds(random.oneIn(3) ? 0 : pause))
    }

    private func perform(_ commands: [NativeCommand], key: String, _ completion: @escaping ([Reply]?) -> Void) {
        guard busy.insert(key).inserted else { return }
        begun += 1
        let life = lives
        let worker = Int.random(in: 0..<2, using: &random)
        sent[key] = (
            worker, car.connections[worker].client, doubts[key, default: []].filter { mayOvertake($0, worker) }
        )
        let name = commands.flatMap(\.arguments).map { String(decoding: $0.prefix(24), as: UTF8.self) }
        trace?.tell(key, "\(name.joined(separator: " ")) at worker \(worker)")
        car.workers[worker].perform(commands, isTransaction: commands.count > 1) { [self] replies in
            guard life == lives else { return }
            ended += 1
            trace?.tell(key, "\(name.joined(separator: " ")) was answered \(replies)")
            busy.remove(key)
            underWay[key] = nil
            completion(replies)
        }
        if busy.contains(key) { underWay[key] = completion }
    }

    /// What is to be assumed of writes that the process did not live to answer.
    private var underWay: [String: ([Reply]?) -> Void] = [:]

    private enum Outcome { case done, not, unknown }

    private func outcome(_ replies: [Reply]?) -> Outcome {
        guard let reply = replies?.last else { return .unknown }
        guard case .error(let text) = reply else { return .done }
        let words = String(decoding: text, as: UTF8.self)
        if words.hasPrefix("UNAVAILABLE not") { return .not }
        if !words.hasPrefix("UNAVAILABLE outcome unknown") { complain("a write was answered \(words)") }
        return .unknown
    }

    private func count() {
        let key = "n\(Int.random(in: 0..<4, using: &random))"
        perform([.incr(key)], key: key) { [self] in
            switch outcome($0) {
            case .done: counters[key, default: (0, 0)].sure += 1
            case .unknown: counters[key, default: (0, 0)].maybe += 1
            case .not: break
            }
        }
    }

    private func append() {
        let key = "t\(Int.random(in: 0..<4, using: &random))"
        // Two writers share a text; each waits for its own answer before the next.
        let writer = Int.random(in: 0..<2, using: &random)
        nextToken += 1
        let token = "<\(writer):\(nextToken)>"
        perform([.append(key, token)], key: "\(key)/\(writer)") { [self] in
            var known = tokens[key] ?? ([[], []], [])
            switch outcome($0) {
            case .done: known.sure[writer].append(token)
            case .unknown: known.maybe.insert(token)
            case .not: break
            }
            tokens[key] = known
        }
    }

    private func set() {
        let key = "r\(Int.random(in: 0..<6, using: &random))"
        nextToken += 1
        let value = "\(key)=\(nextToken)" + (random.oneIn(6) ? String(repeating: "x", count: 3000) : "")
        let command = random.oneIn(8) ? NativeCommand.del(key) : .set(key, value)
        let result = command.command == .write(.delete, key: bytes(key)) ? "" : value
        perform([command], key: key) { [self] in settle(key, result, outcome($0)) }
    }

    private func settle(_ key: String, _ value: String, _ outcome: Outcome) {
        guard let (worker, client, overtaken) = sent[key] else { return }
        switch outcome {
        case .done:
            // What waits in the journal goes to Redis when every connection in doubt has been ended.
            doubts[key] = car.journal?.pending.hasAny(of: [bytes(key)]) ?? false ? [] : overtaken
            registers[key] = (value, Set(doubts[key, default: []].map(\.value)))
        case .unknown:
            registers[key, default: ("", [])].maybe.insert(value)
            everUnknown[key, default: []].insert(value)
            if let client { doubts[key, default: []].append(Doubt(value: value, worker: worker, client: client)) }
            if isDying { fromTheDead[key, default: []].insert(value) }
        case .not: break
        }
    }

    /// A write of unknown outcome, and the connection in whose buffers it may still lie.
    private struct Doubt {
        let value: String
        let worker: Int
        let client: RedisClient
    }

    /// Of each register's newest write: its worker, its connection, and the writes in doubt that it may overtake.
    private var sent: [String: (worker: Int, client: RedisClient?, overtaken: [Doubt])] = [:]
    private var doubts: [String: [Doubt]] = [:]
    /// Values of registers whose outcome was unknown once, whatever came after.
    private var everUnknown: [String: Set<String>] = [:]

    /// Whether a write in doubt may be carried out after one that `worker` sends now.
    ///
    /// Its own connection keeps the order, and one that was given up is ended first; but a write that another worker's
    /// living connection has sent is still under way, and as for any two clients of Redis, nobody says which of the two
    /// comes first (DESIGN §6: an acknowledgement means that Redis has it, an unknown outcome is as it would be from
    /// Redis itself). Nor does §6 promise of what a dead process had sent more than that it never runs after a replay.
    private func mayOvertake(_ doubt: Doubt, _ worker: Int) -> Bool {
        doubt.worker != worker && car.connections[doubt.worker].client == doubt.client
            && car.share.doubtful.all[doubt.client] != nil
    }

    /// Writes that a process had sent when it ended: Redis may read them out of its buffers at any time.
    private var fromTheDead: [String: Set<String>] = [:]
    private var isDying = false

    /// A register and a counter as one.
    private func pair() {
        nextToken += 1
        let value = "p=\(nextToken)"
        perform([.set("p", value), .incr("np")], key: "p") { [self] in
            let result = outcome($0)
            settle("p", value, result)
            switch result {
            case .done: counters["np", default: (0, 0)].sure += 1
            case .unknown: counters["np", default: (0, 0)].maybe += 1
            case .not: break
            }
        }
    }

    /// A register that is not being written is read as what was acknowledged last.
    private func read() {
        let key = "r\(Int.random(in: 0..<6, using: &random))"
        guard !busy.contains(key), let known = registers[key], known.maybe.isEmpty, let sure = known.sure else {
            return
        }
        let life = lives
        car.workers[Int.random(in: 0..<2, using: &random)].read(bytes(key), hash: hash(key)) { [self] reading in
            guard life == lives, !busy.contains(key), registers[key]?.sure == sure else { return }
            // What an earlier life gave to Redis, this one need not hold in an outage.
            guard registers[key]?.maybe.isEmpty == true, reading.content != .unavailable, reading.content != .unknown
            else { return }
            let value = reading.value.map { String(decoding: $0.bytes, as: UTF8.self) } ?? ""
            // What Redis had, and a failing disk could not note before the process ended, is read once more until Redis
            // tells that it was done.
            let wasNoted = lives == 1 || faults.keys.allSatisfy { !$0.contains("disk") }
            let isLate = fromTheDead[key]?.contains(value) ?? false
            if value != sure, !isLate, reading.source != .journal || wasNoted {
                complain("\(key) was acknowledged as \(sure.prefix(20)) and read as \(reading.summary.prefix(60))")
            }
        }
    }

    // MARK: What goes wrong

    private func fault() {
        let names = [
            "heal", "heal", "heal", "heal", "hang", "refuse", "delay", "readonly", "oom", "loading", "lose reply",
            "cut",
            "hold", "hold", "disk write", "disk sync", "full disk",
        ]
        let name = names.randomElement(using: &random)!
        faults[name, default: 0] += 1
        trace?.tell("fault: \(name)")
        let redis = car.redis
        switch name {
        case "heal": heal()
        case "hang": redis.isHung = true
        case "refuse": redis.refusesConnections = true
        case "delay": redis.jitter = .milliseconds(Int64.random(in: 1...90, using: &random))
        case "readonly": redis.condition = .readonly
        case "oom": redis.condition = .outOfMemory
        case "loading": redis.condition = .loading
        case "lose reply": redis.mishaps = [[.loseReply, .cutBefore, .garbage].randomElement(using: &random)!]
        case "cut": redis.cutAll()
        case "hold": redis.holdsOldConnections = true
        case "disk write", "disk sync":
            disk.faults.failingOperation = name == "disk sync" ? .synchronize : .write
            disk.faults.failingCall = Int.random(in: 1...4, using: &random)
            disk.faults.isPersistent = random.oneIn(3)
        default: disk.faults.capacity = disk.bytesUsed + Int.random(in: 0...4000, using: &random)
        }
    }

    func heal() {
        let redis = car.redis
        redis.isHung = false
        redis.holdsOldConnections = false
        redis.refusesConnections = false
        redis.jitter = .microseconds(300)
        redis.condition = .healthy
        redis.mishaps = []
        disk.faults = SimulatedFaults()
    }

    /// The process is killed, or the power fails; the next one begins with what the disk has.
    func die() throws {
        noteCounts()
        isDying = true
        for completion in underWay.values { completion(nil) }
        isDying = false
        for (key, doubts) in doubts {
            for doubt in doubts where car.share.doubtful.all[doubt.client] != nil {
                fromTheDead[key, default: []].insert(doubt.value)
            }
        }
        doubts = [:]
        underWay = [:]
        busy = []
        ended = begun
        lives += 1
        car.crash()
        past.append(car)
        let isPowerCut = random.oneIn(2)
        if isPowerCut {
            disk.cutPower()
            disk.restorePower()
            powerCuts += 1
        } else {
            disk.endProcess()
        }
        disk.faults = SimulatedFaults()
        car = try Sidecar(
            policies, workers: 2, breaker: BreakerConfiguration(openMax: .seconds(2)), seed: seed &+ UInt64(lives),
            connects: false, journalOn: disk, after: car)
        trace?.tell("life \(lives), \(isPowerCut ? "after a power cut" : "killed")")
        trace?.forgetProcess()
        watch()
        if let unreadable = car.journal?.keeper.unreadable, !unreadable.isEmpty {
            complain("unreadable: \(unreadable)")
        }
    }

    private func noteCounts() {
        accepted += car.share.journalCounters.accepted.value
        replayed += car.share.journalCounters.replayed.value
    }

    // MARK: What must hold

    func finish() {
        heal()
        let isWell = car.scheduler.run(atMost: .seconds(60)) {
            ended == begun && car.journal?.pending.isEmpty == true && !car.share.breaker.refusesWrites
        }
        if !isWell {
            complain(
                "not well again: \(begun - ended) unanswered, \(car.journal?.pending.entryCount ?? 0) entries wait, "
                    + "writes \(car.share.breaker.state(of: .write)), \(car.replayEvents.values.suffix(2))")
        }
        car.run(.seconds(3))
        noteCounts()
        for (key, known) in counters {
            let value = Int64(car.inRedis(key) ?? "0") ?? -1
            if value < known.sure || value > known.sure + known.maybe {
                complain("\(key) is \(value); \(known.sure) were acknowledged, \(known.maybe) may have been done")
            }
        }
        for (key, known) in tokens { check(key, known.sure, known.maybe) }
        for (key, known) in registers {
            let value = car.inRedis(key) ?? ""
            let isLate = fromTheDead[key]?.contains(value) ?? false
            if value != (known.sure ?? ""), !known.maybe.contains(value), !isLate {
                complain("\(key) is \(value.prefix(20)); \((known.sure ?? "nothing").prefix(20)) was acknowledged last")
            }
        }
        let conflicts = car.journal?.keeper.conflicts ?? []
        // A write of unknown outcome is somebody else's as far as anybody can tell, and so is all that a process left
        // behind; every other conflict is a fault.
        for (_, conflict) in conflicts {
            let key = String(decoding: conflict.key, as: UTF8.self)
            let theirs = conflict.theirs.map { String(decoding: $0, as: UTF8.self) } ?? ""
            if lives == 1, everUnknown[key]?.contains(theirs) != true {
                complain("a conflict of \(key) with \(theirs.prefix(20)) that nobody else wrote")
            }
        }
        let markers = car.redis.entries.keys.filter { $0.starts(with: "hearth:op:".utf8) }.count
        if markers > 0, lives == 1, faults.isEmpty { complain("\(markers) markers are left in Redis") }
    }

    private func check(_ key: String, _ sure: [[String]], _ maybe: Set<String>) {
        let text = car.inRedis(key) ?? ""
        let found = text.split(separator: ">").map { "\($0)>" }
        if Set(found).count != found.count { complain("\(key) holds a token twice: \(text)") }
        for token in found where !maybe.contains(token) && !sure.contains(where: { $0.contains(token) }) {
            complain("\(key) holds \(token), which was refused")
        }
        for tokens in sure {
            let order = found.filter { tokens.contains($0) }
            if order != tokens {
                complain("\(key): acknowledged \(tokens.count), found \(order.count): \(text.suffix(200))")
            }
        }
    }

    func run(steps: Int) throws -> [String] {
        for _ in 0..<steps where violations.isEmpty { try step() }
        finish()
        return violations
    }

    var summary: String {
        "\(car.now / 60_000_000_000) min of virtual time, \(lives) lives, \(powerCuts) power cuts, \(accepted) accepted, "
            + "\(replayed) replayed, faults \(faults.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })"
    }
}

@Suite struct JournalModelTests {
    @Test func `what was acknowledged is done once and in order, whatever ends in between`() throws {
        let first = SeededGenerator.seed()
        for index in 0..<UInt64(isThorough ? 120 : 12) {
            let seed = first &+ index
            let lives = try Lives(seed: seed)
            let violations = try lives.run(steps: 1_500)
            #expect(violations.isEmpty, "replay with HEARTH_SEED=\(seed)\n\(violations.joined(separator: "\n"))")
            if !violations.isEmpty { return }
            if index == 0 { print(lives.summary) }
        }
    }
}
