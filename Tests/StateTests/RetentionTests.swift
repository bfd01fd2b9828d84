// Retention as it is decided: the end of a record counts from its creation, that of a plain value from its setting.

import Primitives
import State
import TestSupport
import Testing

@Suite struct RetentionTests {
    private func rules(_ change: (inout RecordRules) -> Void = { _ in }) -> RecordRules {
        var rules = RecordRules()
        rules.retention = 1000
        change(&rules)
        return rules
    }

    /// The end that a write makes, in milliseconds after `now`; nil where it is none.
    private func end(_ record: inout Record?, _ action: RecordAction, at milliseconds: Int64, _ rules: RecordRules)
        -> Int64?
    {
        let write = RecordWrite(id: OperationID(rawValue: UInt64(milliseconds) + 1), action)
        let time = now.advanced(byMilliseconds: milliseconds)
        guard
            case .changed(let changed, let expiresAt, _) = write.perform(
                on: record, expiresAt: .never, now: time, maxValue: 1 << 20, rules: rules)
        else { return nil }
        record = changed
        return expiresAt == .never ? nil : expiresAt.milliseconds(since: now)
    }

    @Test func `a record ends so long after its creation, whatever life a write gives it`() {
        var record: Record?
        #expect(end(&record, .set(value: [1], schema: nil, .keep), at: 0, rules()) == 1000)
        #expect(end(&record, .set(value: [2], schema: nil, .end(afterMilliseconds: 5000)), at: 100, rules()) == 1000)
        #expect(end(&record, .set(value: [2], schema: nil, .end(afterMilliseconds: 50)), at: 200, rules()) == 250)
        #expect(end(&record, .set(value: [3], schema: nil, .sliding(300)), at: 300, rules()) == 600)
        #expect(end(&record, .addTurns([[4]], keep: nil), at: 900, rules()) == 1000)
        // What is deleted is remembered for a day, and what comes after it is new.
        #expect(end(&record, .delete, at: 950, rules()) == 950 + RecordRules.tombstoneLife)
        #expect(end(&record, .set(value: [5], schema: nil, .keep), at: 960, rules()) == 1960)
    }

    @Test func `what was accepted earlier goes by the retention of the moment`() {
        var write = RecordWrite(id: OperationID(rawValue: 1), .set(value: [1], schema: nil, .keep))
        write.rules = RecordRules()
        let outcome = write.perform(on: nil, expiresAt: .never, now: now, maxValue: 100, rules: rules())
        guard case .changed(_, let expiresAt, _) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(expiresAt == now.advanced(byMilliseconds: 1000))
    }

    @Test func `a copy lives no longer than that either`() {
        var record = Record(version: 1, createdAt: now, updatedAt: now)
        record.value = [1]
        let held = HeldValue(record, expiresAt: .never)
        #expect(held.retained(1000).expiresAt == now.advanced(byMilliseconds: 1000))
        #expect(held.retained(nil).expiresAt == .never)
        #expect(HeldValue(record.tombstone, expiresAt: .never).retained(1000).expiresAt == .never)
        let plain = HeldValue([1], expiresAt: now.advanced(byMilliseconds: 300))
        #expect(plain.hardEnd(retention: 1000) == plain.expiresAt)
    }
}
