// What one sidecar's clients know of the keys that they alone write: which writes were acknowledged, and which may have
// been done.
//
// DESIGN: counters are only incremented, texts only appended to with tokens that are written once, and each register is
// set by one writer after the other with values that are written once. So what a key holds in the end tells of every
// write whether it was done, how often, and in which order. What an acknowledgement does not promise is taken back
// here: a failover loses what Redis alone had, a process that dies leaves writes in Redis's sockets.

internal import Primitives
internal import RedisTier
internal import State
internal import TestSupport
internal import Tiers

final class OwnedKeys {
    private let sidecar: Sidecar
    private unowned let world: World
    private var process: Process? { sidecar.process }

    /// Registers that Redis lost while a write of them was under way, so that it may have done and lost that too.
    private var lostUnderWay: Set<String> = []
    /// What is known of a counter: increments that were acknowledged, that may have been done, and that Redis has lost.
    private var counters: [String: (sure: Int64, maybe: Int64, lost: Int64)] = [:]

    private struct Text {
        /// Tokens that were acknowledged, in that order per writer.
        var sure: [[String]] = [[], []]
        var maybe: Set<String> = []
        /// Redis has lost them.
        var lost: Set<String> = []
        /// They may be appended once more, behind what came later.
        var again: Set<String> = []
    }
    private var texts: [String: Text] = [:]

    private struct Register {
        /// The last value that was acknowledged; empty for none.
        var sure = ""
        var acknowledgedAt: Int64 = 0
        /// A process has ended before its disk had taken what was acknowledged last.
        var mayBeOlderOnDisk = false
        /// Values that it may hold instead.
        var maybe: Set<String> = []
        /// All that it was ever given.
        var ever: Set<String> = [""]
        /// All that it was given since it was deleted last, for certain.
        var sinceDeleted: Set<String> = [""]
    }
    private var registers: [String: Register] = [:]

    /// A write of unknown outcome, and the connection in whose buffers it may still lie.
    private struct Doubt {
        let value: String
        let worker: Int
        let client: RedisClient
    }
    /// Of each register's newest write: its worker, its connection, and the writes in doubt that it may overtake.
    private var sent: [String: (worker: Int, client: RedisClient?, overtaken: [Doubt])] = [:]
    private var doubts: [String: [Doubt]] = [:]
    /// Writes that a process had sent when it ended: Redis may read them out of its buffers at any time.
    private var fromTheDead: [String: Set<String>] = [:]

    /// Keys with a write under way: the next of the same writer waits, as on one connection.
    private var busy: Set<String> = []
    /// What is to be assumed of writes that the process does not live to answer, in the order in which they were made.
    private var underWay: [(key: String, completion: ([Reply]?) -> Void)] = []
    private(set) var unanswered = 0
    private var isDying = false
    /// Tokens are written once.
    private var nextToken = 0

    init(_ sidecar: Sidecar, _ world: World) {
        self.sidecar = sidecar
        self.world = world
    }

    private func name(_ kind: String, _ number: Int) -> String { "\(kind):\(sidecar.index):\(number)" }
    private func complain(_ text: String) { world.complain("sidecar \(sidecar.index), life \(sidecar.lives): \(text)") }

    // MARK: Writing

    private func perform(
        _ commands: [NativeCommand], key: String, _ step: Step, _ completion: @escaping ([Reply]?) -> Void
    ) {
        guard let process, busy.insert(key).inserted else { return }
        unanswered += 1
        world.coverage.requests += commands.count
        if !process.connections.isEmpty {
            sent[key] = (
                step.worker, process.connections[step.worker].client,
                doubts[key, default: []].filter { mayOvertake($0, step.worker) }
            )
        }
        world.trace(key) { "\(commands.map { text($0.arguments.map { $0.prefix(24) }.joined(separator: [32])) })" }
        underWay.append((key, completion))
        process.workers[step.worker].perform(commands, isTransaction: commands.count > 1) { [self] replies in
            guard !process.hasEnded else { return }
            guard let place = underWay.firstIndex(where: { $0.key == key }) else {
                complain("a write of \(key) was answered twice")
                return
            }
            underWay.remove(at: place)
            unanswered -= 1
            busy.remove(key)
            world.trace(key) { "answered \(replies)" }
            if replies.count != commands.count { complain("\(replies.count) replies for \(commands.count) commands") }
            if case .strange(let words) = Outcome(replies) { complain("a write of \(key) was answered \(words)") }
            completion(replies)
        }
    }

    func increment(_ step: Step) {
        let key = name("n", step.key % 4)
        perform([.increment(key)], key: key, step) { [self] in count(key, $0) }
    }

    private func count(_ key: String, _ replies: [Reply]?) {
        switch Outcome(replies) {
        case .done: counters[key, default: (0, 0, 0)].sure += 1
        case .unknown: counters[key, default: (0, 0, 0)].maybe += 1
        case .not, .strange: break
        }
    }

    func append(_ step: Step) {
        let key = name("t", step.key % 4)
        // Two writers share a text; each waits for its own answer before the next.
        let writer = step.amount % 2
        nextToken += 1
        let token = "<\(writer):\(nextToken)>"
        perform([.append(key, token)], key: "\(key)/\(writer)", step) { [self] in
            switch Outcome($0) {
            case .done: texts[key, default: Text()].sure[writer].append(token)
            case .unknown: texts[key, default: Text()].maybe.insert(token)
            case .not, .strange: break
            }
        }
    }

    /// A register's name: half of them may be given back to Redis by the warm tier, half may not.
    private func register(_ step: Step) -> String {
        let number = step.key % world.shape.registers
        return name(number % 2 == 0 ? "r" : "p", number)
    }

    func set(_ step: Step) {
        let key = register(step)
        nextToken += 1
        let size = step.amount % world.shape.valueBytes
        let value = "\(key)=\(nextToken)" + String(repeating: "x", count: size)
        write(key, value, [.set(key, value)], step)
    }

    func delete(_ step: Step) {
        let key = register(step)
        write(key, "", [.delete(key)], step)
    }

    /// A register and a counter as one.
    func pair(_ step: Step) {
        let (key, counter) = (name("r", 0), name("n", 9))
        nextToken += 1
        let value = "\(key)=\(nextToken)"
        write(key, value, [.set(key, value), .increment(counter)], step) { [self] in count(counter, $0) }
    }

    private func write(
        _ key: String, _ value: String, _ commands: [NativeCommand], _ step: Step,
        _ more: @escaping ([Reply]?) -> Void = { _ in }
    ) {
        // Others may read it before its writer hears that it was done.
        registers[key, default: Register()].ever.insert(value)
        registers[key]?.sinceDeleted.insert(value)
        perform(commands, key: key, step) { [self] replies in
            settle(key, value, Outcome(replies))
            more(replies)
        }
    }

    private func settle(_ key: String, _ value: String, _ outcome: Outcome) {
        let (worker, client, overtaken) = sent[key] ?? (0, nil, [])
        let wasLost = lostUnderWay.remove(key) != nil
        switch outcome {
        case .done:
            // What waits in the journal goes to Redis when every connection in doubt has been ended.
            doubts[key] = isPending(key) ? [] : overtaken
            registers[key]?.sure = value
            registers[key]?.acknowledgedAt = world.now
            registers[key]?.mayBeOlderOnDisk = false
            registers[key]?.maybe = Set(doubts[key, default: []].map(\.value))
            if value.isEmpty { registers[key]?.sinceDeleted = [""] }
            if wasLost, let ever = registers[key]?.ever {
                registers[key]?.maybe.formUnion(ever.union([""]))
            }
        case .unknown:
            registers[key]?.maybe.insert(value)
            if let client { doubts[key, default: []].append(Doubt(value: value, worker: worker, client: client)) }
            if isDying { fromTheDead[key, default: []].insert(value) }
        case .not, .strange: break
        }
    }

    private func isPending(_ key: String) -> Bool { process?.journal?.pending.value(of: bytes(key)) != nil }

    /// Whether a write in doubt may be carried out after one that `worker` sends now.
    ///
    /// Its own connection keeps the order, and one that was given up is ended first; but a write that another worker's
    /// living connection has sent is still under way, and as for any two clients of Redis, nobody says which of the two
    /// comes first (DESIGN §6: an acknowledgement means that Redis has it, an unknown outcome is as it would be from
    /// Redis itself). Nor does §6 promise of what a dead process had sent more than that it never runs after a replay.
    private func mayOvertake(_ doubt: Doubt, _ worker: Int) -> Bool {
        guard let process else { return false }
        return doubt.worker != worker && process.connections[doubt.worker].client == doubt.client
            && process.share.doubtful.all[doubt.client] != nil
    }

    // MARK: Reading

    /// A register that is not being written is read as what was acknowledged last.
    func read(_ step: Step) {
        let key = register(step)
        guard let process, !busy.contains(key), let known = registers[key], known.maybe.isEmpty else { return }
        unanswered += 1
        world.coverage.requests += 1
        process.workers[step.worker].read(bytes(key), hash: hash(key)) { [self] reading in
            guard !process.hasEnded else { return }
            unanswered -= 1
            guard !busy.contains(key), let present = registers[key], present.sure == known.sure, present.maybe.isEmpty
            else { return }
            // What an earlier life gave to Redis, this one need not hold in an outage.
            guard reading.content != .unavailable, reading.content != .unknown else { return }
            let value = reading.value.map { text($0.bytes) } ?? ""
            if fromTheDead[key]?.contains(value) ?? false { return }
            // What Redis had, and a failing disk could not note before the process ended, is read once more until
            // Redis tells that it was done; and what the disk could not forget is served in an outage.
            // Where Redis is slow, a copy of that disk is fresh for as long as the contract says of any copy.
            let isWithinContract =
                reading.freshness != .fresh
                || present.acknowledgedAt + Policy().maxStaleness.nanoseconds > world.now
            if isWithinContract, present.mayBeOlderOnDisk, present.ever.contains(value) { return }
            if value != known.sure {
                complain(
                    "\(key) was acknowledged as \(short(known.sure)) and read as \(short(value)), \(reading.summary)")
            }
        }
    }

    /// In which a disk that works has what was acknowledged (written behind, synchronised each second).
    private static let settlingTime: Int64 = 4_000_000_000

    // MARK: What is taken back

    /// The process is about to end: nobody hears what becomes of its requests.
    func willDie() {
        isDying = true
        let left = underWay
        underWay = []
        for (_, completion) in left { completion(nil) }
        isDying = false
        for (key, doubts) in doubts.sorted(by: { $0.key < $1.key }) {
            for doubt in doubts where process?.share.doubtful.all[doubt.client] != nil {
                fromTheDead[key, default: []].insert(doubt.value)
            }
        }
        doubts = [:]
        busy = []
        unanswered = 0
        for (key, register) in registers
        where max(register.acknowledgedAt, sidecar.diskTroubleAt) + Self.settlingTime > world.now {
            registers[key]?.mayBeOlderOnDisk = true
            // Redis has just lost its data, and nobody may have told the new stream of it.
            if world.lostAt + Self.settlingTime > world.now { forgetDeletion(key) }
        }
    }

    /// Whoever knew of the last deletion of a key may be gone, and Redis with it: copies from before may come back.
    private func forgetDeletion(_ key: String) {
        guard key.hasPrefix("p"), let register = registers[key] else { return }
        registers[key]?.sinceDeleted = register.ever
        registers[key]?.maybe.formUnion(register.ever)
    }

    /// The next process runs: its disk holds nothing older than what was acknowledged.
    func didRise() {
        guard let process, !world.shape.isEmbedded else { return }
        for (key, register) in registers.sorted(by: { $0.key < $1.key }) {
            guard !register.mayBeOlderOnDisk,
                case .copy(let copy) = process.changes.answer(bytes(key), from: process.warm, now: world.time.now)
            else { continue }
            let value = text(copy.value.bytes)
            if value == register.sure || register.maybe.contains(value) { continue }
            if fromTheDead[key]?.contains(value) ?? false { continue }
            complain("\(key) was acknowledged as \(short(register.sure)), and its disk holds \(short(value))")
        }
    }

    /// Redis has lost the marker of an entry that it has done, and the disk refuses to note so: should this process end
    /// now, the next one does the entry again, after whatever comes meanwhile.
    private func didLoseMarkers(_ lost: [[UInt8]: SimulatedRedis.Entry?]) {
        guard process?.journal?.keeper.hasUnsettled ?? false else { return }
        let markers = lost.keys.map { text($0) }.filter { $0.hasPrefix("hearth:op:") }
        func isWithoutMarker(_ key: String) -> Bool { markers.contains { $0.contains("{\(key)}") } }
        for (key, register) in registers where isWithoutMarker(key) {
            fromTheDead[key, default: []].formUnion(register.maybe.union([register.sure]))
        }
        for (key, known) in texts where isWithoutMarker(key) { texts[key]?.again.formUnion(known.sure.joined()) }
    }

    /// Redis has lost what it had of these keys.
    func didLose(_ lost: [[UInt8]: SimulatedRedis.Entry?]) {
        func string(_ entry: SimulatedRedis.Entry?) -> String? {
            if case .string(let value)? = entry?.content { text(value) } else { nil }
        }
        didLoseMarkers(lost)
        for (key, before) in lost {
            let key = text(key)
            let after = string(world.redis?.entries[bytes(key)] ?? nil)
            // The first writes of a key may be done and not answered yet.
            if key.hasPrefix("n:\(sidecar.index):") {
                let difference = (Int64(string(before) ?? "0") ?? 0) - (Int64(after ?? "0") ?? 0)
                // With those that are done and not answered yet.
                counters[key, default: (0, 0, 0)].lost += max(0, difference)
            }
            if key.hasPrefix("t:\(sidecar.index):") {
                let tokens = Set(Self.tokens(string(before) ?? "")).subtracting(Self.tokens(after ?? ""))
                texts[key, default: Text()].lost.formUnion(tokens)
            }
            // Whatever a tier still holds of it may come back: an older value too, where there is none in Redis now;
            // but none from before it was deleted, unless the deletion itself was lost.
            if let register = registers[key] {
                // That went with the deletion where what is there now is from before it.
                let wasDeletionLost = after.map { !register.sinceDeleted.contains($0) } ?? false
                registers[key]?.maybe.formUnion(wasDeletionLost ? register.ever : register.sinceDeleted)
            }
            if busy.contains(key) { lostUnderWay.insert(key) }
        }
        // A deletion of an earlier life, of which this one has not read yet, is in no memory but the one that is lost.
        if !(process?.knowsDeletions ?? false) { for key in registers.keys { forgetDeletion(key) } }
    }

    // MARK: What must hold in the end

    /// Compares every key with what is known of it; `value` is nil where there is none.
    func check(_ value: (String) -> String?) {
        for (key, known) in counters.sorted(by: { $0.key < $1.key }) {
            let found = Int64(value(key) ?? "0") ?? -1
            if found < known.sure - known.lost || found > known.sure + known.maybe {
                complain("\(key) is \(found); \(known) were acknowledged, may have been done, were lost")
            }
        }
        for (key, known) in texts.sorted(by: { $0.key < $1.key }) { check(key, known, value(key) ?? "") }
        for (key, known) in registers.sorted(by: { $0.key < $1.key }) {
            let found = value(key) ?? ""
            let isLate = fromTheDead[key]?.contains(found) ?? false
            if found != known.sure, !known.maybe.contains(found), !isLate {
                complain("\(key) is \(short(found)); \(short(known.sure)) was acknowledged last")
            }
        }
    }

    private func check(_ key: String, _ known: Text, _ value: String) {
        let found = Self.tokens(value)
        if Set(found).count != found.count { complain("\(key) holds a token twice: \(value)") }
        for token in found where !known.maybe.contains(token) && !known.sure.contains(where: { $0.contains(token) }) {
            complain("\(key) holds \(token), which was refused")
        }
        for tokens in known.sure {
            let there = found.filter { tokens.contains($0) }
            let due = tokens.filter { !known.lost.contains($0) || there.contains($0) }
            let isInOrder = there.filter { !known.again.contains($0) } == due.filter { !known.again.contains($0) }
            if !isInOrder || Set(there) != Set(due) {
                complain("\(key): \(due.count) were acknowledged, \(there.count) are there: \(value)")
            }
        }
    }

    private static func tokens(_ text: String) -> [String] { text.split(separator: ">").map { "\($0)>" } }

    private func short(_ value: String) -> String { value.isEmpty ? "absent" : String(value.prefix(16)) }

    /// The keys of all registers, for those who read what they did not write.
    var registerKeys: [String] { registers.keys.sorted() }
    func wasEverGiven(_ key: String, _ value: String) -> Bool { registers[key]?.ever.contains(value) ?? false }
}
