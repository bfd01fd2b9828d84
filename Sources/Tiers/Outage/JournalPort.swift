// The journal's thread as one worker reaches it: jobs go by a queue, answers come back by the worker's courier.

public import Primitives

/// The journal's service to one worker.
public final class JournalPort: JournalAccess {
    public let pending: PendingWrites
    private let jobs: any JobQueue<JournalJob>
    private let returns: JournalReturns
    /// Whether writes wait for `flush`, so that those of an iteration of the loop go as one; without it each goes at
    /// once.
    public var gathersUntilFlush = false
    /// Writes that go with the next flush, in their order; as many as one iteration may bring.
    private var gathered: [JournalJob] = []

    public var hasGathered: Bool { !gathered.isEmpty }

    public init(_ pending: PendingWrites, jobs: any JobQueue<JournalJob>, courier: any Courier) {
        self.pending = pending
        self.jobs = jobs
        returns = JournalReturns(courier)
    }

    public func append(_ request: JournalRequest, completion: @escaping (JournalOutcome) -> Void) {
        gathered.append(.write(request, JournalReturn(returns, completion)))
        if !gathersUntilFlush { flush() }
    }

    /// Hands over what has gathered.
    public func flush() {
        guard !gathered.isEmpty else { return }
        let writes = gathered
        gathered = []
        gathered.reserveCapacity(min(writes.count, 256))
        let taken = jobs.send(contentsOf: writes)
        for case .write(_, let answer) in writes.dropFirst(taken) {
            answer.refuse("as many writes wait for the journal as may")
        }
    }

    public func settle(_ settlement: Settlement, completion: @escaping (Bool) -> Void) {
        flush()
        let box = Delivery(completion)
        // Beyond the queue's capacity, as many as a replay has under way: what Redis has must be noted.
        let isQueued = jobs.send(
            .settle(settlement) { [returns] isDone in returns.run { box.completion(isDone) } }, beyondCapacity: true)
        if !isQueued { completion(false) }
    }

    public func note(completion: @escaping (Bool) -> Void) {
        flush()
        let box = Delivery(completion)
        let isQueued = jobs.send(.note { [returns] isNoted in returns.run { box.completion(isNoted) } })
        if !isQueued { completion(false) }
    }

    public func erase(_ prefix: [UInt8], completion: @escaping (JournalErasure?) -> Void) {
        flush()
        let box = Delivery(completion)
        let isQueued = jobs.send(.erase(prefix) { [returns] removed in returns.run { box.completion(removed) } })
        if !isQueued { completion(nil) }
    }

    /// Forgets entries without doing them; nil means all. Hears how many, or nil where that was refused.
    public func discard(_ sequences: [UInt64]?, completion: @escaping (Int?) -> Void) {
        flush()
        let box = Delivery(completion)
        let isQueued = jobs.send(.discard(sequences) { [returns] count in returns.run { box.completion(count) } })
        if !isQueued { completion(nil) }
    }

    /// Forgets conflicts; nil means all. Hears how many, or nil where that was refused.
    public func dropConflicts(_ ids: [UInt64]?, completion: @escaping (Int?) -> Void) {
        flush()
        let box = Delivery(completion)
        let isQueued = jobs.send(.dropConflicts(ids) { [returns] count in returns.run { box.completion(count) } })
        if !isQueued { completion(nil) }
    }

    /// The conflicts that are kept, oldest first; nil where as many requests wait as may.
    public func conflicts(completion: @escaping ([(id: UInt64, conflict: Conflict)]?) -> Void) {
        flush()
        let box = Delivery<[(id: UInt64, conflict: Conflict)]?>(completion)
        let isQueued = jobs.send(.conflicts { [returns] conflicts in returns.run { box.completion(conflicts) } })
        if !isQueued { completion(nil) }
    }
}

/// What the journal's thread has for one worker, gathered until that worker looks: one message for a batch of answers.
final class JournalReturns: Sendable {
    private enum Answer: Sendable {
        case write(Delivery<JournalOutcome>, JournalOutcome)
        case other(@Sendable () -> Void)
    }

    private let courier: any Courier
    private let answers = Locked<[Answer]>([])

    init(_ courier: any Courier) { self.courier = courier }

    /// Runs `body` on the worker's thread, behind what was given before.
    func run(_ body: @escaping @Sendable () -> Void) { give(.other(body)) }

    fileprivate func give(_ box: Delivery<JournalOutcome>, _ outcome: JournalOutcome) { give(.write(box, outcome)) }

    private func give(_ answer: Answer) {
        let isFirst = answers.withLock { answers in
            answers.append(answer)
            return answers.count == 1
        }
        // What comes until the worker looks goes with it.
        if isFirst { courier.run { [self] in hand() } }
    }

    private func hand() {
        let given = answers.withLock { answers in
            let given = answers
            answers = []
            answers.reserveCapacity(min(given.count, 256))
            return given
        }
        for answer in given {
            switch answer {
            case .write(let box, let outcome): box.completion(outcome)
            case .other(let body): body()
            }
        }
    }
}

/// The way back to who asked for a write; to be taken once.
public struct JournalReturn: Sendable {
    private let returns: JournalReturns
    private let box: Delivery<JournalOutcome>

    init(_ returns: JournalReturns, _ completion: @escaping (JournalOutcome) -> Void) {
        self.returns = returns
        box = Delivery(completion)
    }

    func deliver(_ outcome: JournalOutcome) { returns.give(box, outcome) }

    /// On the asking thread: the write was not handed over.
    fileprivate func refuse(_ reason: String) { box.completion(.refused(reason)) }
}
