// Records that every sidecar writes: versions are never used twice, and each acknowledged turn is there once.

internal import Primitives
internal import State
internal import TestSupport
internal import Tiers

final class RecordKeys {
    private unowned let world: World
    private struct Known {
        /// Turns that were acknowledged, that may have been done, and that Redis has lost.
        var sure: Set<String> = []
        var maybe: Set<String> = []
        var lost: Set<String> = []
        /// Who was given a version, in which of Redis's lives.
        var versions: [String: String] = [:]
    }
    private var records: [String: Known] = [:]
    private var waiting: [Int: Int] = [:]
    var unanswered: Int { waiting.values.reduce(0, +) }
    private var nextWrite = 0
    /// How often Redis has lost something: versions that it does not know any more may come again.
    private var losses = 0

    init(_ world: World) { self.world = world }

    private func key(_ step: Step) -> String { "c:\(step.key % 3)" }

    // MARK: Writing

    func addTurn(_ step: Step, _ sidecar: Sidecar) {
        nextWrite += 1
        let turn = "turn \(nextWrite)"
        write(.addTurns([bytes(turn)], keep: 100_000), turn, step, sidecar)
    }

    func set(_ step: Step, _ sidecar: Sidecar) {
        nextWrite += 1
        write(.set(value: bytes("value \(nextWrite)"), schema: nil, .keep), nil, step, sidecar)
    }

    private func write(_ action: RecordAction, _ turn: String?, _ step: Step, _ sidecar: Sidecar) {
        guard let process = sidecar.process else { return }
        let key = key(step)
        let operation = UInt64(nextWrite)
        let write = RecordWrite(id: OperationID(rawValue: operation), action)
        let lossesBefore = losses
        waiting[sidecar.index, default: 0] += 1
        world.coverage.requests += 1
        if let turn { records[key, default: Known()].maybe.insert(turn) }
        world.trace(key) { "\(action.command) \(turn ?? "") by sidecar \(sidecar.index), worker \(step.worker)" }
        process.workers[step.worker].perform([.record(write, key)], isTransaction: false) { [self] replies in
            guard !process.hasEnded else { return }
            waiting[sidecar.index, default: 0] -= 1
            world.trace(key) { "\(turn ?? "set") was answered \(replies)" }
            switch Outcome(replies) {
            case .done:
                acknowledge(key, turn, replies[0], operation, isLost: losses != lossesBefore)
            case .not:
                if let turn { records[key]?.maybe.remove(turn) }
            case .unknown: break
            case .strange(let words):
                // It changed at every attempt: nothing was written.
                guard words.hasPrefix("CONFLICT the record changed") else {
                    return world.complain("a write of \(key) was answered \(words)")
                }
                if let turn { records[key]?.maybe.remove(turn) }
            }
        }
    }

    private func acknowledge(_ key: String, _ turn: String?, _ reply: Reply, _ operation: UInt64, isLost: Bool) {
        if let turn {
            records[key]?.maybe.remove(turn)
            records[key]?.sure.insert(turn)
            if isLost { records[key]?.lost.insert(turn) }
        }
        guard case .map(let fields) = reply, fields.count >= 4, case .integer(let version)? = fields.value("version"),
            case .string(let committed)? = fields.value("committed")
        else { return world.complain("a write of \(key) was answered \(reply)") }
        world.coverage.note("records: acknowledged by \(text(committed))")
        // A version from the journal is provisional (DESIGN §8).
        guard text(committed) == "redis", !isLost else { return }
        let name = "\(losses)/\(version)"
        if let other = records[key, default: Known()].versions.updateValue("\(operation)", forKey: name) {
            world.complain("version \(version) of \(key) was given to write \(other) and to write \(operation)")
        }
    }

    func forgetUnanswered(of sidecar: Int) { waiting[sidecar] = nil }

    /// Redis has lost what it had of these keys.
    func didLose(_ lost: [[UInt8]: SimulatedRedis.Entry?]) {
        losses += 1
        for key in lost.keys.map({ text($0) }) {
            guard let sure = records[key]?.sure else { continue }
            records[key]?.lost.formUnion(sure)
        }
    }

    // MARK: What must hold

    func read(_ step: Step, _ sidecar: Sidecar) {
        guard let process = sidecar.process else { return }
        let key = key(step)
        waiting[sidecar.index, default: 0] += 1
        world.coverage.requests += 1
        process.workers[step.worker].read(bytes(key), hash: hash(key), form: .record) { [self] reading in
            guard !process.hasEnded else { return }
            waiting[sidecar.index, default: 0] -= 1
            if case .record(let held) = reading.content { check(key, held, isComplete: false) }
        }
    }

    /// The keys that were written.
    var keys: [String] { records.keys.sorted() }

    /// What a record holds, against what is known of it; `isComplete`: it is the newest.
    func check(_ key: String, _ held: HeldValue?, isComplete: Bool) {
        guard let known = records[key] else { return }
        let turns = held?.record?.turns?.items.map { text($0.bytes) } ?? []
        if Set(turns).count != turns.count { world.complain("\(key) holds a turn twice: \(turns)") }
        for turn in turns where !known.sure.contains(turn) && !known.maybe.contains(turn) {
            world.complain("\(key) holds '\(turn)', which was refused")
        }
        guard isComplete else { return }
        let missing = known.sure.subtracting(turns).subtracting(known.lost)
        if !missing.isEmpty { world.complain("\(key) lacks \(missing.sorted()), which were acknowledged: \(turns)") }
    }
}

extension [Reply] {
    /// The value of a map's field.
    fileprivate func value(_ name: String) -> Reply? {
        for index in stride(from: 0, to: count - 1, by: 2) where self[index] == .string(bytes(name)) {
            return self[index + 1]
        }
        return nil
    }
}
