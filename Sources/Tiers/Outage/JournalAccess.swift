// The journal as the tiers of one worker reach it: requests that are answered later, on the worker's own thread.

public import Primitives
public import State

/// Commands to be accepted without Redis, as one.
public struct JournalRequest: Sendable {
    public let commands: [StringCommand]
    /// They went to Redis and no answer came.
    public let wasSent: Bool
    public let policies: PolicyTable
    /// What the warm tier holds of the keys, where it was asked.
    public let warm: [[UInt8]: WarmCopy]
    /// xxh3 of the run id of the Redis that was last talked to; 0 where none is known.
    public let redisProcess: UInt64
    /// xxh3 of the address and database of the Redis that the commands are for.
    public let redisAddress: UInt64
}

/// What became of entries that were replayed.
public struct Settlement: Sendable {
    public var sequences: [UInt64]
    public var conflicts: [Conflict]

    public init(sequences: [UInt64], conflicts: [Conflict] = []) {
        self.sequences = sequences
        self.conflicts = conflicts
    }
}

/// What an erasure has removed from the journal.
public struct JournalErasure: Sendable, Equatable {
    public var entries: Int
    public var conflicts: Int
}

/// What became of a request to the journal.
public enum JournalOutcome: Sendable {
    /// Durable at the strength of `journal.sync`, and readable; one reply per command. The sequence is the entry's, nil
    /// where nothing had to be kept.
    case done([Reply], sequence: UInt64?)
    /// Nothing of it was kept.
    case refused(String)
    /// The disk failed in a way that leaves open whether a crash brings it back.
    case unknown(String)
}

/// The journal's service to one worker; belongs to the worker's thread, and so do the completions.
///
/// Requests are carried out in the order they were made. What may wait is bounded by the implementation, which answers
/// `.refused` beyond it.
public protocol JournalAccess: AnyObject {
    var pending: PendingWrites { get }
    /// Performs commands on what is held here, and keeps them for Redis.
    func append(_ request: JournalRequest, completion: @escaping (JournalOutcome) -> Void)
    /// Notes durably that entries need no replay any more; false where the disk refuses.
    func settle(_ settlement: Settlement, completion: @escaping (Bool) -> Void)
    /// Tries to note what became of writes (`PendingWrites.unnoted`); false where the disk refuses.
    func note(completion: @escaping (Bool) -> Void)
    /// Forgets, durably, what is kept of keys under `prefix`, but for entries that are on their way to Redis or concern
    /// other keys as well; nil where the disk refuses.
    func erase(_ prefix: [UInt8], completion: @escaping (JournalErasure?) -> Void)
}
