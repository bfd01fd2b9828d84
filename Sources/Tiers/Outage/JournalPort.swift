// The journal's thread as one worker reaches it: jobs go by a queue, answers come back by the worker's courier.

public import Primitives

/// The journal's service to one worker.
public final class JournalPort: JournalAccess {
    public let pending: PendingWrites
    private let jobs: any JobQueue<JournalJob>
    private let courier: any Courier

    public init(_ pending: PendingWrites, jobs: any JobQueue<JournalJob>, courier: any Courier) {
        self.pending = pending
        self.jobs = jobs
        self.courier = courier
    }

    public func append(_ request: JournalRequest, completion: @escaping (JournalOutcome) -> Void) {
        let box = Delivery(completion)
        let isQueued = jobs.send(.write(request) { [courier] outcome in courier.run { box.completion(outcome) } })
        if !isQueued { completion(.refused("as many writes wait for the journal as may")) }
    }

    public func settle(_ settlement: Settlement, completion: @escaping (Bool) -> Void) {
        let box = Delivery(completion)
        // Beyond the queue's capacity, as many as a replay has under way: what Redis has must be noted.
        let isQueued = jobs.send(
            .settle(settlement) { [courier] isDone in courier.run { box.completion(isDone) } }, beyondCapacity: true)
        if !isQueued { completion(false) }
    }

    public func erase(_ prefix: [UInt8], completion: @escaping (JournalErasure?) -> Void) {
        let box = Delivery(completion)
        let isQueued = jobs.send(.erase(prefix) { [courier] removed in courier.run { box.completion(removed) } })
        if !isQueued { completion(nil) }
    }

    /// Forgets entries without doing them; nil means all. Hears how many, or nil where that was refused.
    public func discard(_ sequences: [UInt64]?, completion: @escaping (Int?) -> Void) {
        let box = Delivery(completion)
        let isQueued = jobs.send(.discard(sequences) { [courier] count in courier.run { box.completion(count) } })
        if !isQueued { completion(nil) }
    }

    /// Forgets conflicts; nil means all. Hears how many, or nil where that was refused.
    public func dropConflicts(_ ids: [UInt64]?, completion: @escaping (Int?) -> Void) {
        let box = Delivery(completion)
        let isQueued = jobs.send(.dropConflicts(ids) { [courier] count in courier.run { box.completion(count) } })
        if !isQueued { completion(nil) }
    }

    /// The conflicts that are kept, oldest first; nil where as many requests wait as may.
    public func conflicts(completion: @escaping ([(id: UInt64, conflict: Conflict)]?) -> Void) {
        let box = Delivery<[(id: UInt64, conflict: Conflict)]?>(completion)
        let isQueued = jobs.send(.conflicts { [courier] conflicts in courier.run { box.completion(conflicts) } })
        if !isQueued { completion(nil) }
    }
}
