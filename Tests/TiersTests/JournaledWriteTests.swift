// Journaled writes as the journal keeps them: each is read back as it was, and nothing else is read at all.

import Primitives
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct JournaledWriteTests {
    private static let later = Timestamp(milliseconds: 1_800_000_000_000)

    private static func record(_ action: RecordAction, _ expectation: RecordWrite.Expectation = .any) -> StringWrite {
        var write = RecordWrite(id: OperationID(rawValue: 77), action, expectation, fence: 3)
        write.rules = RecordRules()
        return .record(write)
    }

    /// Every kind of write that is ever journaled.
    private static let writes: [StringWrite] = [
        .set(bytes("v"), expiry: .clear, condition: .always, reply: .ok),
        .set([], expiry: .at(later), condition: .always, reply: .ok),
        .set(bytes("v"), expiry: .keep, condition: .always, reply: .ok),
        .delete, .expire(at: later, []), .persist, .increment(-7), .incrementFloat(bytes("1.5e-3")),
        .append(bytes("tail")), .setRange(1 << 40, bytes("within")),
        record(.delete, .version(9)), record(.addTurns([bytes("a"), bytes("b")], keep: 4), .absent),
        record(.foldTurns(upTo: 5, summary: bytes("short"))), record(.putCheckpoint(step: 6, bytes("data"), keep: nil)),
        record(.putCheckpoint(step: 6, [], keep: 2)),
    ]

    private func entry(_ writes: [StringWrite]) -> JournaledWrite {
        let held = HeldValue(bytes("5"), expiresAt: Self.later)
        let bases = writes.indices.map { index in
            (
                key: bytes("k\(index)"),
                base: Base(
                    states: [.absent, .value(SHA1Digest(bytes("5")))], isUnknown: index % 2 == 0,
                    mayBeOurs: index % 3 == 0, held: index % 2 == 0 ? held : nil)
            )
        }
        return JournaledWrite(
            operations: zip(bases, writes).map { .init($0.key, $1) }, bases: bases, wasSent: true, redisProcess: 11,
            redisAddress: 12)
    }

    @Test func `every kind is read back as it was, alone and with others`() throws {
        for write in Self.writes {
            #expect(try JournaledWrite(payload: entry([write]).encoded()) == entry([write]), "\(write.name)")
        }
        #expect(try JournaledWrite(payload: entry(Self.writes).encoded()) == entry(Self.writes))
    }

    @Test func `what is cut short, longer, or of another version is refused`() {
        for write in Self.writes {
            let payload = entry([write]).encoded()
            for end in payload.indices {
                #expect(throws: UnreadablePayload.self, "\(write.name) cut at \(end)") {
                    try JournaledWrite(payload: Array(payload[..<end]))
                }
            }
            #expect(throws: UnreadablePayload.self) { try JournaledWrite(payload: payload + [0]) }
            #expect {
                try JournaledWrite(payload: [2] + payload.dropFirst())
            } throws: {
                "\($0)".contains("version 2")
            }
        }
    }
}
