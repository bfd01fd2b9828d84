// The warm tier as the tiers of one worker reach it: requests that are answered later, on the worker's own thread.

public import Primitives
public import State

/// A copy of a key that the warm tier holds.
public struct WarmCopy: Sendable, Equatable {
    public var value: HeldValue
    public var verifiedAt: Timestamp
    /// A write since then had an unknown outcome: it may be served in an outage, and must never be given to Redis.
    public var isSuspect: Bool

    public init(_ value: HeldValue, verifiedAt: Timestamp, isSuspect: Bool = false) {
        self.value = value
        self.verifiedAt = verifiedAt
        self.isSuspect = isSuspect
    }
}

/// What the warm tier knows of a key.
public enum WarmAnswer: Sendable, Equatable {
    /// A copy, whose life may be over.
    case copy(WarmCopy)
    case absent
    /// It could not be read (an I/O error, a damaged record, too many requests waiting): nothing is known.
    case failed(String)
}

/// A change that the warm tier takes behind the answer.
public enum WarmChange: Sendable, Equatable {
    /// Keep this copy, and for so many seconds past its expiry.
    case put(WarmCopy, staleFor: UInt32)
    case remove
    /// The key holds nothing any more: what belongs to it (`TurnArchive`) goes as well.
    case end
    /// A write had an unknown outcome: what is held is suspect from now on.
    case suspect
}

/// What became of commands that the warm tier performed as the authority.
public enum WarmOutcome: Sendable {
    /// Committed at the strength of `warm.sync`; one reply per command.
    case done([Reply])
    /// Nothing of it was done.
    case refused(String)
    /// The disk failed in a way that leaves open whether a crash brings it back.
    case unknown(String)
}

/// A key to be erased from the warm tier.
public struct ErasedKey: Sendable, Equatable {
    public var bytes: [UInt8]
    /// The warm tier decides on it: of a record version and fence stay.
    public var leavesTombstone: Bool

    public init(_ bytes: [UInt8], leavesTombstone: Bool) {
        self.bytes = bytes
        self.leavesTombstone = leavesTombstone
    }

    /// What an erasure makes of what the key holds.
    public func change(of held: HeldValue, now: Timestamp) -> Change {
        if held.isTombstone { return leavesTombstone && held.isAlive(at: now) ? .none : .remove }
        guard leavesTombstone, held.isAlive(at: now) else { return .remove }
        return StringWrite.delete.perform(on: held, now: now, rules: WriteRules(maxValue: .max, life: nil)).0
    }
}

/// A step of a walk over the keys.
public struct ScanPage: Sendable, Equatable {
    /// Where the walk goes on; 0 when it is over.
    public var next: UInt64
    public var keys: [[UInt8]]

    public init(next: UInt64, keys: [[UInt8]]) {
        self.next = next
        self.keys = keys
    }
}

/// The warm tier's service to one worker; belongs to the worker's thread, and so do the completions.
///
/// Requests of one worker are carried out in the order they were made. What may wait is bounded by the implementation,
/// which answers `.failed` or `.refused` beyond it.
public protocol WarmAccess: AnyObject {
    /// The completion may be called before this returns, where memory knows the answer.
    func read(_ key: [UInt8], completion: @escaping (WarmAnswer) -> Void)
    /// Takes changes behind the answer; a change that finds no room removes the copy, so that no old value stays.
    func change(_ key: [UInt8], _ change: WarmChange)
    /// Performs commands as one, committed before the completion hears of it, and tells local memory in that order.
    func perform(_ commands: [StringCommand], policies: PolicyTable, completion: @escaping (WarmOutcome) -> Void)
    /// Commits what waits, durably, and hears whether `key` then has a record of this version, or a later one, on disk.
    func confirm(_ key: [UInt8], version: Int64, completion: @escaping (Bool) -> Void)
    /// Keeps turns in the archive of their conversation; the completion hears whether they are on disk, durably.
    func archive(_ leaving: LeavingTurns, completion: @escaping (Bool) -> Void)
    /// What the archive has of a conversation, from the turn `from` on.
    func readArchive(
        of key: [UInt8], _ id: OperationID, from: Int64, completion: @escaping (ArchiveAnswer) -> Void)
    /// Removes copies for certain: what is answered `.done` with how many, no crash brings back. With no keys, commits
    /// what waits behind answers.
    func erase(_ keys: [ErasedKey], completion: @escaping (WarmOutcome) -> Void)
    /// Writes entries of Hearth's own as one, behind all changes that were taken before, and synchronises; whether all
    /// of that is on disk.
    func keep(_ records: [(key: [UInt8], value: [UInt8])], completion: @escaping (Bool) -> Void)
    /// Removes every copy.
    func removeAll(completion: @escaping (WarmOutcome) -> Void)
    /// A step of an iteration over the live keys, from cursor 0 until the cursor returned is 0 again (Redis's SCAN).
    ///
    /// The completion hears nil when as many reads wait as may: the walk can go on from the same cursor.
    func scan(cursor: UInt64, count: Int, completion: @escaping (ScanPage?) -> Void)
    /// The same over all keys that are held, those past their expiry and those of archives among them
    /// (`ArchiveKey.subject` tells whose these are).
    func scanAll(cursor: UInt64, count: Int, completion: @escaping (ScanPage?) -> Void)
}
