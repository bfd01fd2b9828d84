// Steps of runs that were acknowledged from memory, where a policy keeps only each N-th (`checkpoints.every`).
//
// DESIGN §8. The first step of a run that this process is given is kept, and then each N-th; of those between only the
// newest is here, and is gone with the process. What it stands on is known by the newest step that is kept: where a
// record has another one, somebody else has gone on with the run, or deleted it, and what is here is of no use.

internal import Primitives
public import State
internal import Synchronization

/// The newest steps of runs that only this process has; safe from any thread.
final class CheckpointMemory: Sendable {
    fileprivate struct Run {
        /// The newest step that is kept, and the version of the record with it.
        var base: Int64
        var version: Int64
        /// The fence of the write that kept it.
        var fence: Int64?
        /// Steps acknowledged from memory since.
        var given = 0
        var step: Checkpoints.Step?
        var usedAt: Timestamp
    }

    fileprivate struct Table {
        var runs: [[UInt8]: Run] = [:]
        var bytes = 0
    }

    /// What becomes of a step.
    enum Verdict {
        /// It is here now.
        case taken(RecordAnswer)
        /// It has to be kept.
        case keep
        /// A newer one was acknowledged already.
        case notNewer(RecordRefusal)
    }

    /// Runs that are known; beyond them the eighth that was used longest ago is forgotten.
    static let runsMax = 16_384
    /// Bytes of steps; one that finds no room is kept as every N-th is.
    let bytesMax: Int
    private let table = Locked(Table())
    private let count = Atomic<Int>(0)

    /// `localBytes` is the size of local memory, of which a 16th may be steps.
    init(localBytes: Int) { bytesMax = localBytes / 16 }

    /// Whether no run is known: what every write asks first.
    var isEmpty: Bool { count.load(ordering: .acquiring) == 0 }

    /// Takes a step that need not be kept; `maxValue` is its policy's.
    func take(_ write: RecordWrite, of key: [UInt8], every: Int, maxValue: Int, now: Timestamp) -> Verdict {
        guard case .putCheckpoint(let number, let bytes, _) = write.action, !isEmpty else { return .keep }
        return table.withLock { table in
            guard var run = table.runs[key] else { return .keep }
            let newest = run.step?.number ?? run.base
            if number <= newest, run.step != nil {
                return .notNewer(.stepNotNewer(given: number, newest: newest))
            }
            // Who may write, and what else goes with it, is decided where it is kept.
            let isPlain = write.emission == nil && write.fence == run.fence && bytes.count <= maxValue
            let left = table.bytes - (run.step?.bytes.count ?? 0)
            guard number > newest, isPlain, run.given + 1 < every, left + bytes.count <= bytesMax else { return .keep }
            table.bytes = left + bytes.count
            run.step = Checkpoints.Step(number: number, at: now, bytes: bytes)
            run.given += 1
            run.usedAt = now
            table.runs[key] = run
            return .taken(.checkpoint(version: run.version, step: number))
        }
    }

    /// A step was kept: those after it may be here.
    func note(_ number: Int64, version: Int64, fence: Int64?, of key: [UInt8], now: Timestamp) {
        table.withLock { table in
            table.remove(key)
            if table.runs.count >= Self.runsMax {
                let oldest = table.runs.sorted { $0.value.usedAt < $1.value.usedAt }.prefix(Self.runsMax / 8)
                for run in oldest { table.remove(run.key) }
            }
            table.runs[key] = Run(base: number, version: version, fence: fence, usedAt: now)
            count.store(table.runs.count, ordering: .releasing)
        }
    }

    /// The step that follows upon what a record holds; nil where it has none, or is not what it stands on.
    func step(of key: [UInt8], upon record: Record) -> Checkpoints.Step? {
        guard !isEmpty else { return nil }
        return table.withLock { table in
            guard let run = table.runs[key], run.base == record.checkpoints?.steps.last?.number else { return nil }
            return run.step
        }
    }

    /// Why a step can't be kept upon what Redis has shown: a newer one was acknowledged from here.
    func refusal(of write: RecordWrite, key: [UInt8], upon record: Record?) -> RecordRefusal? {
        guard case .putCheckpoint(let number, _, _) = write.action, let record, let step = step(of: key, upon: record),
            number <= step.number
        else { return nil }
        return .stepNotNewer(given: number, newest: step.number)
    }

    /// The keys hold something else now.
    func forget(_ keys: some Sequence<[UInt8]>) {
        guard !isEmpty else { return }
        table.withLock { table in
            for key in keys { table.remove(key) }
            count.store(table.runs.count, ordering: .releasing)
        }
    }

    /// Forgets every key that begins with `prefix`, which may be empty; how many steps were here.
    @discardableResult
    func forget(under prefix: [UInt8]) -> Int {
        guard !isEmpty else { return 0 }
        return table.withLock { table in
            var steps = 0
            for (key, run) in table.runs where key.starts(with: prefix) {
                if run.step != nil { steps += 1 }
                table.remove(key)
            }
            count.store(table.runs.count, ordering: .releasing)
            return steps
        }
    }
}

extension CheckpointMemory.Table {
    fileprivate mutating func remove(_ key: [UInt8]) {
        if let run = runs.removeValue(forKey: key) { bytes -= run.step?.bytes.count ?? 0 }
    }
}

extension Tiers {
    /// Carries out a checkpoint of a policy that keeps each N-th step.
    func performCheckpoint(
        _ native: NativeCommand, _ write: RecordWrite, _ key: [UInt8], _ policy: Policy,
        _ completion: @escaping ([Reply]) -> Void
    ) {
        let now = scheduler.now
        switch share.checkpoints.take(
            write, of: key, every: policy.checkpointsEvery, maxValue: policy.maxValue, now: now)
        {
        case .taken(let answer):
            counters.checkpointsFromMemory.add()
            // A use of the record, as every other.
            if policy.sliding { extend(key, policy, life: policy.ttl?.milliseconds) }
            return completion([answer.reply(to: write, committed: .local)])
        // Redis is asked whether somebody has deleted the run since, who else can't be.
        case .notNewer(let refusal) where authority(policy) != .redis || breaker.refusesWrites:
            return completion([refusal.reply])
        case .notNewer, .keep: break
        }
        give([native], isTransaction: false) { [self] replies in
            if case .map(let fields) = replies[0], case .putCheckpoint(let number, _, _) = write.action,
                fields.count > 1, case .integer(let version) = fields[1]
            {
                share.checkpoints.note(number, version: version, fence: write.fence, of: key, now: scheduler.now)
            }
            completion(replies)
        }
    }

    /// Forgets steps in memory whose records these commands replace or take away.
    func forgetSteps(_ commands: [NativeCommand]) {
        for native in commands {
            switch native.command {
            case .removeAll: share.checkpoints.forget(under: [])
            case .deleteMany(let keys), .setMany(let keys, _, _): share.checkpoints.forget(keys)
            case .rename(let from, let to, _): share.checkpoints.forget([from, to])
            case .write(.record(let write), let key):
                if write.action == .delete { share.checkpoints.forget([key]) }
            case .write(.delete, let key), .write(.set, let key), .write(.getDelete, let key):
                share.checkpoints.forget([key])
            case .write, .read, .count, .getMany, .countAll: break
            }
        }
    }

    /// A record with the step that only this process has, and its number; nil where there is none.
    public func withStepInMemory(_ record: Record, of key: [UInt8]) -> (record: Record, step: Int64)? {
        guard let step = share.checkpoints.step(of: key, upon: record) else { return nil }
        var record = record
        record.checkpoints?.steps.append(step)
        return (record, step.number)
    }
}
