// Which entries of a unit a record shows as done.

import Primitives
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct RecordReplayTests {
    private let now = Timestamp(milliseconds: 1_000_000)

    private func entry(_ id: UInt64, wasSent: Bool) -> JournaledWrite {
        let write = RecordWrite(id: OperationID(rawValue: id), .addTurns([bytes("turn \(id)")], keep: nil))
        return JournaledWrite(
            operations: [.init(bytes("k"), .record(write))],
            bases: [(bytes("k"), Base(states: [.absent], isUnknown: false))], wasSent: wasSent, redisProcess: 1,
            redisAddress: 1)
    }

    /// A record to which turns of these ids were added, in this order.
    private func record(_ ids: [UInt64]) throws -> HeldValue? {
        var found: HeldValue?
        for id in ids {
            let before = replay([entry(id, wasSent: false)], found: found)
            let record = try #require(before.record)
            found = HeldValue(record, expiresAt: .never)
        }
        return found
    }

    private func replay(_ writes: [JournaledWrite], found: HeldValue?) -> RecordReplay {
        let unit = PendingWrites.Unit(
            sequences: writes.indices.map { UInt64($0 + 1) }, writes: writes, acceptedAt: writes.map { _ in now },
            keys: [bytes("k")])
        return RecordReplay(unit, found: found, policy: Policy(), now: now) { _ in false }
    }

    private func turns(_ replay: RecordReplay) -> [String] {
        (replay.record?.turns?.window ?? []).map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    @Test func `a write that Redis did late, when it was sent, does not stand for one before it that was never sent`()
        throws
    {
        let unit = [entry(1, wasSent: false), entry(2, wasSent: true)]
        let done = replay(unit, found: try record([9, 2]))
        #expect(turns(done) == ["turn 9", "turn 2", "turn 1"])
        #expect(done.swap != nil && done.conflicts.allSatisfy(\.isEmpty))
    }

    @Test func `what only a replay can have done says that all before it is done`() throws {
        // So many others wrote meanwhile that the record has forgotten the first.
        let others = (100..<114).map { UInt64($0) }
        let found = try record([1, 2, 3] + others)
        let unit = [entry(1, wasSent: true), entry(2, wasSent: false), entry(3, wasSent: false)]
        #expect(found?.record?.operations.contains(OperationID(rawValue: 1)) == false)
        #expect(replay(unit, found: found).swap == nil)
        #expect(replay(unit + [entry(4, wasSent: false)], found: found).record?.version == 18)
    }

    @Test func `nothing known is done, all known is not`() throws {
        let unit = (1...3).map { entry($0, wasSent: $0 == 2) }
        #expect(turns(replay(unit, found: nil)) == ["turn 1", "turn 2", "turn 3"])
        #expect(replay(unit, found: try record([1, 2, 3])).swap == nil)
    }
}
