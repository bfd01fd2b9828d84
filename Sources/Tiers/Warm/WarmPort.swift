// The warm tier's threads as one worker reaches them: jobs go by queues, answers come back by the worker's courier.

public import Primitives
public import State
public import WarmTier

/// A read or a walk; `deliver` is called once, on a thread that may read the disk.
public enum WarmRead: Sendable {
    case read([UInt8], deliver: @Sendable (WarmAnswer) -> Void)
    case archive([UInt8], OperationID, from: Int64, deliver: @Sendable (ArchiveAnswer) -> Void)
    /// With `all`, those of archives and those past their expiry too.
    case scan(cursor: UInt64, count: Int, all: Bool, deliver: @Sendable (ScanPage) -> Void)

    /// Answers it from what waits to be written and from the disk.
    public func answer(_ changes: WarmChanges, _ tier: WarmTier, now: Timestamp) {
        switch self {
        case .read(let key, let deliver): deliver(changes.answer(key, from: tier, now: now))
        case .archive(let key, let id, let from, let deliver):
            let answer = ArchiveAnswer.read(tier, key, id, from: from, now: now)
            changes.archives.note(answer)
            deliver(answer)
        case .scan(let cursor, let count, let all, let deliver):
            let page = tier.scan(
                from: WarmCursor(rawValue: cursor), limit: count, now: now, includingExpired: all,
                all ? .both : .applications)
            deliver(ScanPage(next: page.next?.rawValue ?? 0, keys: page.keys))
        }
    }
}

/// The ways into the warm tier's threads; safe from any thread.
public struct WarmQueues: Sendable {
    public let tier: WarmTier
    public let changes: WarmChanges
    public let reads: any JobQueue<WarmRead>
    public let writes: any JobQueue<WarmJob>

    public init(
        tier: WarmTier, changes: WarmChanges, reads: any JobQueue<WarmRead>, writes: any JobQueue<WarmJob>
    ) {
        self.tier = tier
        self.changes = changes
        self.reads = reads
        self.writes = writes
    }

    /// Takes a change behind an answer.
    public func change(_ key: [UInt8], _ change: WarmChange, now: Timestamp) {
        self.change(HashedKey(key), change, now: now)
    }

    /// The same where the key's hash is known.
    public func change(_ key: HashedKey, _ change: WarmChange, now: Timestamp) {
        guard changes.take(key, change, now: now), !writes.send(.changes) else { return }
        // So many commands wait that the announcement found no room: the keeper looks at the table in each turn.
    }
}

/// The warm tier's service to one worker.
public final class WarmPort: WarmAccess {
    private let queues: WarmQueues
    private let courier: any Courier
    private let scheduler: any Scheduler

    public init(_ queues: WarmQueues, courier: any Courier, scheduler: any Scheduler) {
        self.queues = queues
        self.courier = courier
        self.scheduler = scheduler
    }

    /// Answers at once what memory knows: a copy that waits to be written, or that the tier holds none.
    public func read(_ key: [UInt8], completion: @escaping (WarmAnswer) -> Void) {
        if let known = queues.changes.answerWithoutDisk(key, from: queues.tier, now: scheduler.now) {
            return completion(known)
        }
        let box = Delivery(completion)
        let isQueued = queues.reads.send(
            .read(key) { [courier] answer in courier.run { box.completion(answer) } })
        if !isQueued { completion(.failed("as many reads wait for the warm tier as may")) }
    }

    public func change(_ key: [UInt8], _ change: WarmChange) { queues.change(key, change, now: scheduler.now) }

    public func perform(
        _ commands: [StringCommand], policies: PolicyTable, completion: @escaping (WarmOutcome) -> Void
    ) {
        let box = Delivery(completion)
        let isQueued = queues.writes.send(
            .perform(commands, policies) { [courier] outcome in courier.run { box.completion(outcome) } })
        if !isQueued { completion(.refused("as many writes wait for the warm tier as may")) }
    }

    public func removeAll(completion: @escaping (WarmOutcome) -> Void) {
        queues.changes.distrustAll(now: scheduler.now)
        let box = Delivery(completion)
        let isQueued = queues.writes.send(
            .removeAll { [courier] outcome in courier.run { box.completion(outcome) } })
        if !isQueued { completion(.refused("as many writes wait for the warm tier as may")) }
    }

    public func scan(cursor: UInt64, count: Int, completion: @escaping (ScanPage?) -> Void) {
        scan(cursor, count, all: false, completion)
    }

    public func scanAll(cursor: UInt64, count: Int, completion: @escaping (ScanPage?) -> Void) {
        scan(cursor, count, all: true, completion)
    }

    private func scan(_ cursor: UInt64, _ count: Int, all: Bool, _ completion: @escaping (ScanPage?) -> Void) {
        let box = Delivery<ScanPage?>(completion)
        let isQueued = queues.reads.send(
            .scan(cursor: cursor, count: count, all: all) { [courier] page in courier.run { box.completion(page) } })
        if !isQueued { completion(nil) }
    }

    public func confirm(_ key: [UInt8], version: Int64, completion: @escaping (Bool) -> Void) {
        let box = Delivery(completion)
        let isQueued = queues.writes.send(
            .confirm(key, version: version) { [courier] isThere in courier.run { box.completion(isThere) } })
        if !isQueued { completion(false) }
    }

    public func archive(_ leaving: LeavingTurns, completion: @escaping (Bool) -> Void) {
        let box = Delivery(completion)
        let isQueued = queues.writes.send(
            .archive(leaving) { [courier] isKept in courier.run { box.completion(isKept) } })
        if !isQueued { completion(false) }
    }

    public func readArchive(
        of key: [UInt8], _ id: OperationID, from: Int64, completion: @escaping (ArchiveAnswer) -> Void
    ) {
        let box = Delivery(completion)
        let isQueued = queues.reads.send(
            .archive(key, id, from: from) { [courier] answer in courier.run { box.completion(answer) } })
        if !isQueued { completion(.failed("as many reads wait for the warm tier as may")) }
    }

    public func keep(_ records: [(key: [UInt8], value: [UInt8])], completion: @escaping (Bool) -> Void) {
        let box = Delivery(completion)
        let isQueued = queues.writes.send(
            .keep(records) { [courier] isKept in courier.run { box.completion(isKept) } })
        if !isQueued { completion(false) }
    }

    public func erase(_ keys: [ErasedKey], completion: @escaping (WarmOutcome) -> Void) {
        let box = Delivery(completion)
        let isQueued = queues.writes.send(
            .erase(keys) { [courier] outcome in courier.run { box.completion(outcome) } })
        if !isQueued { completion(.refused("as many writes wait for the warm tier as may")) }
    }
}
