// A record: a state value with a version, a fence and times, as every tier and every operation knows it.
//
// DESIGN: a record is one value. Operations are pure functions from record to record (`RecordWrite`), so that the
// embedded mode, a compare-and-set in Redis, and the replay of a journal do the same by the same code. Its two forms
// are bytes (`Record+Bytes`, for memory, disk and journal) and the fields of a Redis hash (`Record+Fields`).

public import Primitives

/// What tells one write from every other: random, 64 bits; a record remembers the last of them.
public struct OperationID: Hashable, Sendable {
    public var rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// A versioned state value (DESIGN §8).
public struct Record: Sendable, Equatable {
    /// Counts the writes since the record began, from 1; a deletion counts, and nothing starts it again.
    public var version: Int64
    /// The schema of `value`; 0 where its writer named none.
    public var schema: Int64 = 0
    /// The highest fence of a write so far; 0 where none had one.
    public var fence: Int64 = 0
    public var createdAt: Timestamp
    public var updatedAt: Timestamp
    /// Milliseconds by which a use extends its life; 0 where it has none of that kind.
    public var slidingFor: Int64 = 0
    /// What STATE.SET gave; nil where nothing did, and in a tombstone.
    public var value: [UInt8]?
    /// Deleted, and kept for a while so that version and fence go on from here.
    public var isDeleted = false
    public var turns: Turns?
    public var checkpoints: Checkpoints?
    public var lease: Lease?
    /// The writes that made it what it is, newest first: one that is repeated is recognised by them.
    public var operations: [OperationID] = []

    /// What numbers of a record stay below (2^53, which Lua and JSON hold exactly): none of them overflows by counting.
    public static let numberLimit: Int64 = 1 << 53

    /// Whether every number of it is one that Hearth could have written.
    var isSound: Bool {
        func isCount(_ number: Int64) -> Bool { number >= 0 && number < Self.numberLimit }
        guard version > 0, [version, schema, fence].allSatisfy(isCount), slidingFor >= 0, slidingFor < 1 << 47 else {
            return false
        }
        if let turns {
            guard turns.next > 0, [turns.next, turns.foldedTo, turns.dropped].allSatisfy(isCount),
                turns.items.allSatisfy({ $0.sequence > 0 && $0.sequence < turns.next })
            else { return false }
            if let archive = turns.archive, ![archive.count, archive.upTo].allSatisfy(isCount) { return false }
        }
        guard checkpoints?.steps.allSatisfy({ isCount($0.number) }) ?? true else { return false }
        return lease.map { isCount($0.epoch) } ?? true
    }

    /// How many operations are remembered: a repeated one is known while so many others have not followed it.
    public static let operationsMax = 16

    public init(version: Int64, createdAt: Timestamp, updatedAt: Timestamp) {
        self.version = version
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    /// What tells it from every other state of the same key: the version, and who wrote it.
    public var stamp: RecordStamp { RecordStamp(version: version, operation: operations.first?.rawValue ?? 0) }

    /// Bytes that its application gave: value, turns with summary, checkpoints, the lease's owner, and 24 for each turn
    /// and step; what `max_value` bounds.
    public var contentBytes: Int {
        (value?.count ?? 0) + (turns?.contentBytes ?? 0) + (checkpoints?.contentBytes ?? 0)
            + (lease?.owner.count ?? 0)
    }

    /// What a turn or a step costs beside its bytes.
    static let itemBytes = 24
}

/// A record's state in two numbers: two records of one key with the same stamp are the same.
public struct RecordStamp: Sendable, Hashable {
    public var version: Int64
    public var operation: UInt64

    public init(version: Int64, operation: UInt64) {
        self.version = version
        self.operation = operation
    }
}

/// A conversation: a summary, the turns of the window, and those that left it and are not folded yet.
public struct Turns: Sendable, Equatable {
    public struct Turn: Sendable, Equatable {
        /// Its place in the conversation, from 1, never used again.
        public var sequence: Int64
        public var at: Timestamp
        public var bytes: [UInt8]

        public init(sequence: Int64, at: Timestamp, bytes: [UInt8]) {
            self.sequence = sequence
            self.at = at
            self.bytes = bytes
        }
    }

    /// The sequence number of the next turn.
    public var next: Int64 = 1
    /// The turns up to this one are in the summary.
    public var foldedTo: Int64 = 0
    /// How many turns the window holds.
    public var keep: Int
    public var summary: [UInt8]?
    /// Oldest first: what is not folded, and the window.
    public var items: [Turn] = []
    /// Turns that were dropped unfolded, for want of room (`overflow: drop-oldest`).
    public var dropped: Int64 = 0
    /// What went into archives (`overflow: archive`); nil before the first write under that policy.
    public var archive: Archive?

    /// What a conversation knows of its turns in archives, each on the disk of the host that made room.
    public struct Archive: Sendable, Equatable {
        /// The conversation, which an archive is asked for: the write with which it came under that policy. The turns
        /// of another that had the same key are none of its.
        public var id: OperationID
        /// Turns that went there, in all.
        public var count: Int64 = 0
        /// The last of them.
        public var upTo: Int64 = 0

        public init(id: OperationID, count: Int64 = 0, upTo: Int64 = 0) {
            self.id = id
            self.count = count
            self.upTo = upTo
        }
    }

    public init(keep: Int) { self.keep = keep }

    public var contentBytes: Int { items.reduce(summary?.count ?? 0) { $0 + $1.bytes.count + Record.itemBytes } }
    /// The turns of the window, oldest first.
    public var window: ArraySlice<Turn> { items.suffix(keep) }
    /// Turns that left the window and are in no summary yet, oldest first.
    public var unfolded: ArraySlice<Turn> { items.dropLast(min(keep, items.count)).drop { $0.sequence <= foldedTo } }
}

extension Record {
    /// The turns that are in `base` and have gone into an archive since: to be kept there before this record is.
    public func turnsArchived(since base: Record?) -> [Turns.Turn] {
        guard let archive = turns?.archive, let before = base?.turns, let old = before.archive, old.id == archive.id,
            archive.upTo > old.upTo
        else { return [] }
        return Array(before.items.prefix { $0.sequence <= archive.upTo })
    }
}

/// The steps of a run that can be resumed from, oldest first.
public struct Checkpoints: Sendable, Equatable {
    public struct Step: Sendable, Equatable {
        public var number: Int64
        public var at: Timestamp
        public var bytes: [UInt8]

        public init(number: Int64, at: Timestamp, bytes: [UInt8]) {
            self.number = number
            self.at = at
            self.bytes = bytes
        }
    }

    public var steps: [Step] = []
    public init() {}

    public var contentBytes: Int { steps.reduce(0) { $0 + $1.bytes.count + Record.itemBytes } }
}

/// Who may work on something, and since which epoch.
public struct Lease: Sendable, Equatable {
    public var owner: [UInt8]
    /// Grows with every acquisition: the fence of the writes that the lease allows.
    public var epoch: Int64
    /// When it ends unless it is renewed, by the clock of the authority.
    public var until: Timestamp

    public init(owner: [UInt8], epoch: Int64, until: Timestamp) {
        self.owner = owner
        self.epoch = epoch
        self.until = until
    }
}
