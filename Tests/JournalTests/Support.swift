// What the tests of the journal share.

import Journal
import Primitives
import SegmentLog
import TestSupport
import Testing

extension Timestamp {
    static func at(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }
}

extension Journal {
    /// One batch with what `body` stages.
    @discardableResult
    func batch<Result>(
        synchronously: Bool = true, now: Timestamp = .at(1), _ body: (Journal) throws(JournalError) -> Result
    ) throws(JournalError) -> Result {
        begin()
        let result: Result
        do throws(JournalError) {
            result = try body(self)
        } catch {
            rollback()
            throw error
        }
        try commit(synchronously: synchronously, now: now)
        return result
    }

    @discardableResult
    func add(
        _ payload: [UInt8], superseding: [UInt64] = [], synchronously: Bool = true, now: Timestamp = .at(1)
    ) throws(JournalError) -> UInt64 {
        try batch(synchronously: synchronously, now: now) { journal throws(JournalError) in
            try journal.append(payload, superseding: superseding, now: now)
        }
    }

    func end(_ sequences: [UInt64], synchronously: Bool = true, now: Timestamp = .at(1)) throws(JournalError) {
        try batch(synchronously: synchronously, now: now) { journal throws(JournalError) in
            try journal.settle(sequences)
        }
    }
}

func simulated(
    _ files: SimulatedFileSystem, maxBytes: Int = 64 << 10, now: Timestamp = .at(1)
) throws(JournalError) -> (journal: Journal, recovery: JournalRecovery) {
    try Journal.open(JournalOptions(directory: "/journal", maxBytes: maxBytes), fileSystem: files, now: now)
}
