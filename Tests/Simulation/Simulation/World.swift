// A world under a seed: sidecars with their disks, one Redis, clients and faults, in one thread over virtual time.
//
// DESIGN: nothing here decides what Hearth does. What runs is what ships: Tiers with replay, records and prober, the
// keepers of journal and warm tier, RedisConnection with hiredis' reader, the segment files. Simulated are time, the
// threads' queues, the disk, the network and Redis, whose scripts are functions that tests compare with the real ones.

internal import Primitives
internal import Resilience
internal import State
internal import TestSupport
internal import Tiers

/// What came of a run.
public struct RunResult: Sendable {
    /// What did not hold; empty where all did.
    public var violations: [String]
    public var coverage: Coverage
    /// The last things that happened to what was traced.
    public var trace: [String]
}

/// A world, for one run.
public final class World {
    let shape: Shape
    let time = SimulatedScheduler()
    let redis: SimulatedRedis?
    let policies = World.policies
    private let plan: Plan
    private var sidecars: [Sidecar] = []
    private var owned: [OwnedKeys] = []
    private var shared: SharedKeys?
    private var records: RecordKeys?
    var coverage = Coverage()
    private var violations: [String] = []
    private let traced: String?
    private var traces: [String] = []

    var now: Int64 { time.monotonicNanoseconds }
    /// When Redis lost something last.
    private(set) var lostAt = Int64.min / 2

    /// Runs a plan; only the steps `kept` where they are given. What happens to the key `traced` is told.
    public static func run(_ plan: Plan, keeping kept: Set<Int>? = nil, traced: String? = nil) -> RunResult {
        World(plan, traced: traced).run(keeping: kept)
    }

    init(_ plan: Plan, traced: String?, deletionsMax: Int? = nil) {
        self.plan = plan
        self.traced = traced
        var shape = plan.shape
        if let deletionsMax { shape.deletionsMax = deletionsMax }
        self.shape = shape
        redis = plan.shape.isEmbedded ? nil : SimulatedRedis(time, seed: plan.seed)
        redis?.jitter = Self.jitter
        redis?.mayFailOver = true
        if let redis {
            shared = SharedKeys(self, redis)
            records = RecordKeys(self)
        }
        for index in 0..<shape.sidecars {
            let seed = plan.seed &+ UInt64(index + 1) &* 7919
            let sidecar = Sidecar(index: index, seed: seed) { [unowned self] life, disk in
                try Process(
                    self.shape, policies: policies, time: time, redis: redis, disk: disk, life: life, seed: seed &+ life
                )
            }
            sidecars.append(sidecar)
            owned.append(OwnedKeys(sidecar, self))
        }
        time.onIterationEnd = [{ [unowned self] in for sidecar in sidecars { sidecar.process?.endIteration() } }]
    }

    private static let jitter = Duration.microseconds(300)

    /// The policies of every world, by prefix.
    private static let policies: PolicyTable = {
        func policy(_ prefix: String, _ change: (inout Policy) -> Void) -> Policy {
            var policy = Policy()
            policy.prefix = bytes(prefix)
            // Who writes what he was given as a default is told of elsewhere: here every write is meant.
            policy.onUnknownBase = .overwrite
            policy.staleIfError = .seconds(60)
            change(&policy)
            return policy
        }
        return PolicyTable([
            policy("") { _ in },
            policy("r:") { $0.onAbsent = .final },
            policy("m:") { ($0.onAbsent, $0.maxStaleness) = (.final, .seconds(2)) },
            policy("s:") { ($0.onAbsent, $0.consistency) = (.final, .strong) },
            policy("c:") { ($0.records.turnsKeep, $0.records.turnsUnfolded) = (100_000, 100_000) },
        ])
    }()

    func complain(_ text: String) {
        if violations.count < 20 { violations.append("at \(now / 1_000_000) ms: \(text)") }
        traces.append("*** \(text)")
    }

    /// Tells what happens to a key, where that is asked for.
    func trace(_ key: String, _ text: () -> String) {
        guard traced == key else { return }
        traces.append("\(now / 1_000) us: \(text())")
    }

    private func trace(_ text: @autoclosure () -> String) {
        if traced != nil { traces.append("\(now / 1_000) us: \(text())") }
    }

    // MARK: A run

    func run(keeping kept: Set<Int>?) -> RunResult {
        for sidecar in sidecars { sidecar.rise() }
        time.run(for: .milliseconds(5))
        for (index, step) in plan.steps.enumerated() where violations.isEmpty {
            // What is left out takes its time all the same, so that the rest stays where it was.
            time.run(for: .nanoseconds(step.pauseNanoseconds))
            guard kept?.contains(index) ?? true else { continue }
            switch step.action {
            case .request(let request): perform(request, step)
            case .fault(let fault): inject(fault, step)
            }
            time.endIteration()
            look()
        }
        if violations.isEmpty { settle() }
        if violations.isEmpty { checkEnd() }
        for sidecar in sidecars {
            if violations.isEmpty, let left = sidecar.process?.memoryLeft() { complain(left) }
            coverage += sidecar.finish()
        }
        time.removeAll()
        redis?.end()
        coverage.virtualSeconds = Double(now) / 1e9
        coverage.events = time.eventsRun
        return RunResult(violations: violations, coverage: coverage, trace: Array(traces.suffix(400)))
    }

    private func perform(_ request: Request, _ step: Step) {
        let sidecar = sidecars[step.sidecar]
        let owned = owned[step.sidecar]
        guard let process = sidecar.process else { return coverage.note("no process to ask") }
        switch request {
        case .increment: owned.increment(step)
        case .append: owned.append(step)
        case .set: owned.set(step)
        case .delete: owned.delete(step)
        case .pair: owned.pair(step)
        case .readOwn: owned.read(step)
        case .readAny: readAny(step, sidecar)
        case .setShared: shared?.set(step, sidecar, strong: false)
        case .setStrong: shared?.set(step, sidecar, strong: true)
        case .readStrong: shared?.read("s:\(step.key % 4)", step, sidecar) { _ in false }
        case .addTurn: records?.addTurn(step, sidecar)
        case .setRecord: records?.set(step, sidecar)
        case .readRecord: records?.read(step, sidecar)
        case .sweep: _ = process.local.sweep(now: time.now, budget: 512)
        }
    }

    /// A key that every sidecar writes, or that another one does.
    private func readAny(_ step: Step, _ sidecar: Sidecar) {
        let other = self.owned[(step.sidecar + 1) % self.owned.count]
        let keys = other.registerKeys
        guard step.amount % 2 == 0, !keys.isEmpty, sidecars.count > 1 else {
            shared?.read("m:\(step.key % 4)", step, sidecar) { _ in false }
            return
        }
        let key = keys[step.key % keys.count]
        shared?.read(key, step, sidecar) { other.wasEverGiven(key, $0) }
    }

    // MARK: Faults

    private func inject(_ fault: Fault, _ step: Step) {
        trace("fault: \(fault.rawValue), sidecar \(step.sidecar)")
        if fault != .heal { coverage.note(fault) }
        let sidecar = sidecars[step.sidecar]
        switch fault {
        case .heal:
            heal()
            if step.amount % 4 == 0 { settle() }
        case .kill: fall(sidecar, losesPower: false)
        case .powerCut: fall(sidecar, losesPower: true)
        case .forceOpen: sidecar.process?.share.breaker.force(.forcedOpen, now: now)
        case .evict:
            let keys = owned[step.sidecar].registerKeys
            guard !keys.isEmpty, let local = sidecar.process?.local else { return }
            bytes(keys[step.key % keys.count]).withUnsafeBytes { _ = local.remove($0, hash: KeyHash($0)) }
        default:
            if let redis, injectInRedis(fault, redis, step) { return }
            injectInDisk(fault, sidecar, step)
        }
    }

    private func injectInRedis(_ fault: Fault, _ redis: SimulatedRedis, _ step: Step) -> Bool {
        switch fault {
        case .hang: redis.isHung = true
        case .refuse: redis.refusesConnections = true
        case .slow: redis.jitter = .milliseconds(Int64(1 + step.amount % 90))
        case .loading: redis.condition = .loading
        case .readOnly: redis.condition = .readonly
        case .outOfMemory: redis.condition = .outOfMemory
        case .misconfigured: redis.condition = .misconfigured
        case .cutAll: redis.cutAll()
        case .cutBefore: redis.mishaps = [.cutBefore]
        case .loseReply: redis.mishaps = [.loseReply]
        case .cutWithin: redis.mishaps = [.cutWithin(step.amount % 60)]
        case .garbage: redis.mishaps = [.garbage]
        case .hold: redis.holdsOldConnections = true
        case .takesNoBytes: redis.takesNoBytes = true
        case .forgetScripts: redis.forgetScripts()
        case .expireBetween: redis.execute("PEXPIRE", "m:\(step.key % 4)", "\(1 + step.amount % 300)")
        case .failOver: lose(redis.failOver(losing: .milliseconds(Int64(step.amount % 1000))))
        case .loseAll:
            let before = redis.entries
            redis.restartEmpty()
            lose(before.mapValues { .some($0) })
        default: return false
        }
        return true
    }

    private func lose(_ lost: [[UInt8]: SimulatedRedis.Entry?]) {
        trace("lost: \(lost.keys.map { text($0) }.sorted())")
        lostAt = now
        for owned in owned { owned.didLose(lost) }
        records?.didLose(lost)
    }

    private func injectInDisk(_ fault: Fault, _ sidecar: Sidecar, _ step: Step) {
        sidecar.isDiskIll = true
        sidecar.diskTroubleAt = now
        if fault == .diskSlow {
            sidecar.process?.slowDisk(.milliseconds(Int64(1 + step.amount % 200)))
            return
        }
        var faults = SimulatedFaults()
        switch fault {
        case .diskWrite: faults.failingOperation = .write
        case .diskSync: faults.failingOperation = .synchronize
        case .diskSyncDirectory: faults.failingOperation = .synchronizeDirectory
        case .diskRead: faults.failingOperation = .read
        case .diskOpen: faults.failingOperation = .open
        case .diskRemove: faults.failingOperation = .remove
        case .diskTruncate: faults.failingOperation = .truncate
        case .diskFull: faults.capacity = sidecar.disk.bytesUsed + step.amount % 4000
        case .diskReadOnly: faults.isReadOnly = true
        default: faults.transferMax = 1 + step.amount % 100
        }
        if faults.failingOperation != nil {
            faults.failingCall = 1 + step.amount % 4
            faults.isPersistent = step.amount % 3 == 0
        }
        sidecar.disk.faults = faults
    }

    private func fall(_ sidecar: Sidecar, losesPower: Bool) {
        noteDiskTrouble()
        owned[sidecar.index].willDie()
        sidecar.fall(losesPower: losesPower)
        shared?.forgetUnanswered(of: sidecar.index)
        records?.forgetUnanswered(of: sidecar.index)
        sidecar.disk.faults = SimulatedFaults()
        sidecar.isDiskIll = false
        rise(sidecar)
    }

    private func rise(_ sidecar: Sidecar) {
        guard sidecar.process == nil else { return }
        guard sidecar.rise() else { return coverage.note("no start") }
        if let unreadable = sidecar.process?.journal?.keeper.unreadable, !unreadable.isEmpty {
            complain("entries of the journal can't be read: \(unreadable)")
        }
        owned[sidecar.index].didRise()
    }

    private func noteDiskTrouble() {
        for sidecar in sidecars where sidecar.isDiskIll { sidecar.diskTroubleAt = now }
    }

    private func heal() {
        if let redis {
            redis.isHung = false
            redis.holdsOldConnections = false
            redis.refusesConnections = false
            redis.takesNoBytes = false
            redis.jitter = Self.jitter
            redis.condition = .healthy
            redis.mishaps = []
        }
        noteDiskTrouble()
        for sidecar in sidecars {
            sidecar.disk.faults = SimulatedFaults()
            sidecar.isDiskIll = false
            sidecar.process?.slowDisk(.microseconds(200))
            if let breaker = sidecar.process?.share.breaker, breaker.mode != .automatic {
                breaker.force(.automatic, now: now)
            }
            rise(sidecar)
        }
    }

    // MARK: What must hold

    /// At every step: nothing is over its maximum.
    private func look() {
        noteDiskTrouble()
        for sidecar in sidecars {
            for excess in sidecar.process?.excesses(shape) ?? [] { complain("sidecar \(sidecar.index): \(excess)") }
        }
    }

    private var unanswered: Int {
        owned.reduce(0) { $0 + $1.unanswered } + (shared?.unanswered ?? 0) + (records?.unanswered ?? 0)
    }

    /// Everything works again: the breakers close, everybody is answered, and what waited has reached Redis.
    private func settle() {
        heal()
        let isWell = time.run(atMost: .seconds(60)) {
            unanswered == 0
                && sidecars.allSatisfy { sidecar in
                    guard let process = sidecar.process, process.warm.statistics.state == .healthy else { return false }
                    guard redis != nil else { return true }
                    return process.journal?.pending.isEmpty == true && !process.share.breaker.refusesReads
                        && !process.share.breaker.refusesWrites
                        && process.connections.allSatisfy { $0.state == .ready }
                }
        }
        coverage.note("settled")
        if !isWell { complain("not well again: \(unanswered) unanswered\(sidecars.map { complaint($0) }.joined())") }
        // Slow calls of before count until they have left the breaker's window.
        time.run(for: .seconds(12))
        let isClosed = time.run(atMost: .seconds(20)) {
            sidecars.allSatisfy {
                !($0.process?.share.breaker.refusesReads ?? true) && !($0.process?.share.breaker.refusesWrites ?? true)
            }
        }
        if !isClosed { complain("a breaker does not stay closed") }
        for connection in sidecars.compactMap(\.process).flatMap(\.connections) where connection.pipelineDepth > 0 {
            complain("\(connection.pipelineDepth) places are left in an idle pipeline")
        }
    }

    private func complaint(_ sidecar: Sidecar) -> String {
        guard let process = sidecar.process else { return "; sidecar \(sidecar.index) does not start" }
        return "; sidecar \(sidecar.index): \(process.journal?.pending.entryCount ?? 0) entries wait, "
            + "reads \(process.share.breaker.state(of: .read)), writes \(process.share.breaker.state(of: .write)), "
            + "warm \(process.warm.statistics.state), \(process.tally.transitions.suffix(3)), "
            + "\(process.tally.events.suffix(3))"
    }

    private func checkEnd() {
        for (sidecar, owned) in zip(sidecars, owned) {
            owned.check { [self] key in
                guard let redis else { return read(key, sidecar).value.map { text($0.bytes) } }
                if case .string(let value) = redis.execute("GET", key) { return text(value) }
                return nil
            }
        }
        for key in records?.keys ?? [] {
            let reading = read(key, sidecars[0], form: .record)
            if case .record(let held) = reading.content {
                records?.check(key, held, isComplete: true)
            } else {
                records?.check(key, nil, isComplete: true)
            }
        }
    }

    /// Reads a key and waits for the answer.
    private func read(_ key: String, _ sidecar: Sidecar, form: HeldValue.Kind = .string) -> Reading {
        var found: Reading?
        sidecar.process?.workers[0].read(bytes(key), hash: hash(key), form: form, strong: true) { found = $0 }
        time.run { found != nil }
        guard let found else { preconditionFailure("BUG: a read of \(key) was not answered within a minute") }
        return found
    }
}
