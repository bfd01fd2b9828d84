// Records of older schemas through the tiers: read in the new form, stored so behind the answer, and never undone.

import LocalTier
import Primitives
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct SchemaTests {
    private let disk = SimulatedFileSystem(seed: 1)

    /// `name` becomes `title` in schema 2, and `kind` is set in schema 3.
    private static func policy(_ current: Int64, _ writeBack: Schema.WriteBack = .lazy) throws -> Policy {
        var policy = Policy()
        policy.records.schema.current = current
        policy.records.schema.writeBack = writeBack
        policy.records.schema.steps = [
            SchemaStep(to: 2, [.rename(try JSONPath("name"), to: "title")]),
            SchemaStep(to: 3, [.set(try JSONPath("kind"), .string("chat"))]),
        ].filter { $0.to <= current }
        return policy
    }

    private func sidecar(_ policy: Policy, hasRedis: Bool = true, after: Sidecar? = nil) throws -> Sidecar {
        try Sidecar([policy], hasRedis: hasRedis, journalOn: hasRedis && after == nil ? disk : nil, after: after)
    }

    /// `schema: value` as STATE.GET gives it, or its refusal.
    private func value(_ car: Sidecar, _ key: String = "k") -> String {
        let reading = car.readRecord(key)
        guard case .record(let held) = reading.content, let record = held.record else { return reading.summary }
        switch car.tiers.present(record, of: bytes(key), reading) {
        case .refused(let refusal): return String(refusal.text.prefix { $0 != ":" })
        case .record(let record, let note):
            let value = String(decoding: record.value ?? [], as: UTF8.self)
            return "\(record.schema): \(value)" + (note.isEmpty ? "" : " (\(note))")
        }
    }

    private func inRedis(_ car: Sidecar) -> String {
        guard let record = car.recordInRedis("k") else { return "none" }
        return "\(record.version) \(record.schema): \(String(decoding: record.value ?? [], as: UTF8.self))"
    }

    private func settle(_ car: Sidecar) { car.scheduler.run { car.tiers.writeBacks.isEmpty } }

    private func write(_ car: Sidecar, _ value: String, schema: Int64? = nil) -> String {
        car.record("k", .set(value: bytes(value), schema: schema, .keep))
    }

    @Test func `a value is read in its policy's form, and stored so behind the answer, as the same version`() throws {
        let car = try sidecar(try Self.policy(3))
        #expect(write(car, "{\"name\":\"a\"}", schema: 1) == "version 1 redis")
        #expect(value(car) == "3: {\"title\":\"a\",\"kind\":\"chat\"}")
        settle(car)
        #expect(inRedis(car) == "1 3: {\"title\":\"a\",\"kind\":\"chat\"}")
        #expect(car.tiers.counters.schema.writtenBack.value == 1)
        #expect(value(car) == "3: {\"title\":\"a\",\"kind\":\"chat\"}")
        #expect(car.tiers.counters.schema.migrated.value == 1)
        // Who read version 1 before it was stored in its new form may write upon it.
        #expect(car.state("k", "{}", .version(1)) == "version 2 redis")
        #expect(inRedis(car) == "2 3: {}")
    }

    @Test func `a policy that holds write-back leaves the stored form until a reload says otherwise`() throws {
        let car = try sidecar(try Self.policy(3, .hold))
        _ = write(car, "{\"name\":\"a\"}", schema: 1)
        #expect(value(car) == "3: {\"title\":\"a\",\"kind\":\"chat\"}")
        car.run(.milliseconds(50))
        #expect(inRedis(car) == "1 1: {\"name\":\"a\"}")
        car.tiers.reload(policies: PolicyTable([try Self.policy(3)]), redis: nil)
        _ = value(car)
        settle(car)
        #expect(inRedis(car) == "1 3: {\"title\":\"a\",\"kind\":\"chat\"}")
    }

    @Test func `an old release beside a new one reads what the new one only read, and not what it wrote`() throws {
        let old = try sidecar(try Self.policy(2))
        let new = try sidecar(try Self.policy(3, .hold), after: old)
        #expect(write(old, "{\"title\":\"a\"}") == "version 1 redis")
        #expect(value(new) == "3: {\"title\":\"a\",\"kind\":\"chat\"}")
        new.run(.seconds(6))
        #expect(value(old) == "2: {\"title\":\"a\"}")
        #expect(write(new, "{\"title\":\"b\"}") == "version 2 redis")
        old.run(.seconds(6))
        #expect(value(old) == "NOSCHEMA the value has schema 3, and the policy of its key knows up to 2")
        #expect(write(old, "{}").hasPrefix("NOSCHEMA the value has schema 3"))
        #expect(write(old, "{}", schema: 2).hasPrefix("NOSCHEMA the value has schema 3"))
        // What does not touch the value goes on.
        #expect(old.turns("k", "hello") == "turn 1 redis")
        #expect(inRedis(new) == "3 3: {\"title\":\"b\"}")
        #expect(old.record("k", .delete) == "1")
    }

    @Test func `a copy in the old form can't undo what another has stored in the new one`() throws {
        let old = try sidecar(try Self.policy(2))
        let new = try sidecar(try Self.policy(3), after: old)
        _ = write(old, "{\"title\":\"a\"}")
        _ = value(new)
        settle(new)
        #expect(inRedis(new).hasPrefix("1 3:"))
        // The old one still holds version 1 in schema 2, and fresh.
        #expect(value(old) == "2: {\"title\":\"a\"}")
        #expect(write(old, "{}").hasPrefix("NOSCHEMA the value has schema 3"))
        #expect(inRedis(new) == "1 3: {\"title\":\"a\",\"kind\":\"chat\"}")
    }

    @Test func `a write between read and write-back is migrated, not undone`() throws {
        let car = try sidecar(try Self.policy(3))
        let other = try sidecar(try Self.policy(3), after: car)
        _ = write(car, "{\"name\":\"a\"}", schema: 1)
        #expect(write(other, "{\"name\":\"b\"}", schema: 1) == "version 2 redis")
        #expect(value(car) == "3: {\"title\":\"a\",\"kind\":\"chat\"}")
        settle(car)
        #expect(inRedis(car) == "2 3: {\"title\":\"b\",\"kind\":\"chat\"}")
    }

    @Test func `what can't be migrated is given as it is, with the reason, and never stored`() throws {
        let car = try sidecar(try Self.policy(3))
        _ = write(car, "hello", schema: 1)
        let note = "the value is not migrated: the value is not JSON: expected a value at byte 0"
        #expect(value(car) == "1: hello (\(note))")
        car.run(.milliseconds(50))
        #expect(inRedis(car) == "1 1: hello")
        #expect(car.tiers.counters.schema.notJSON.value == 1)
    }

    @Test func `a write says nothing and has the policy's schema, or says one that there is`() throws {
        let car = try sidecar(try Self.policy(3))
        _ = write(car, "{}")
        #expect(inRedis(car) == "1 3: {}")
        #expect(
            write(car, "{}", schema: 4).hasPrefix("NOSCHEMA given SCHEMA 4, and the policy of the key knows 1 to 3"))
        #expect(write(car, "{}", schema: 2) == "version 2 redis")
        #expect(inRedis(car) == "2 2: {}")
    }

    @Test func `in an outage values are read in the new form, nothing is stored, and writes have the schema of then`()
        throws
    {
        let car = try sidecar(try Self.policy(2))
        _ = write(car, "{\"name\":\"a\"}", schema: 1)
        car.openBreaker()
        #expect(value(car) == "2: {\"title\":\"a\"}")
        car.run(.milliseconds(50))
        #expect(car.journal?.pending.isEmpty == true)
        #expect(write(car, "{\"title\":\"b\"}") == "version 2 journal")
        #expect(value(car) == "2: {\"title\":\"b\"}")
        // The next release has schema 3 when the write is replayed: it was made in schema 2.
        car.tiers.reload(policies: PolicyTable([try Self.policy(3)]), redis: nil)
        car.share.breaker.force(.automatic, now: car.now)
        #expect(car.scheduler.run(atMost: .seconds(30)) { car.journal?.pending.isEmpty ?? true })
        #expect(inRedis(car) == "2 2: {\"title\":\"b\"}")
        #expect(value(car) == "3: {\"title\":\"b\",\"kind\":\"chat\"}")
    }

    @Test func `a replay of an old release's write over a newer value is a conflict`() throws {
        let car = try sidecar(try Self.policy(2))
        let new = try sidecar(try Self.policy(3), after: car)
        _ = write(car, "{\"title\":\"a\"}")
        car.openBreaker()
        #expect(write(car, "{\"title\":\"mine\"}") == "version 2 journal")
        #expect(write(new, "{\"title\":\"theirs\"}") == "version 2 redis")
        car.share.breaker.force(.automatic, now: car.now)
        #expect(car.scheduler.run(atMost: .seconds(30)) { car.journal?.pending.isEmpty ?? true })
        #expect(inRedis(car) == "2 3: {\"title\":\"theirs\"}")
        let conflicts = car.journal?.keeper.conflicts.map(\.conflict) ?? []
        #expect(conflicts.map(\.ours) == [bytes("{\"title\":\"mine\"}")])
        #expect(conflicts.first?.theirType.hasPrefix("record: NOSCHEMA") == true)
    }

    @Test func `without Redis the disk's copy is migrated, and the same in memory alone`() throws {
        for tiers in [Policy.TierSet.all, [.local]] {
            var policy = try Self.policy(3)
            policy.tiers = tiers
            let car = try sidecar(policy, hasRedis: false)
            let place = tiers == .all ? "warm" : "local"
            #expect(write(car, "{\"name\":\"a\"}", schema: 1) == "version 1 \(place)")
            #expect(value(car) == "3: {\"title\":\"a\",\"kind\":\"chat\"}")
            settle(car)
            #expect(car.tiers.counters.schema.writtenBack.value == 1)
            guard case .record(let held) = car.readRecord("k").content else {
                Issue.record("no record under \(tiers)")
                continue
            }
            #expect(held.record?.schema == 3)
            #expect(held.record?.version == 1)
        }
    }

    @Test func `so many migrations are stored at a time, and the rest by later reads`() throws {
        let car = try sidecar(try Self.policy(3))
        let keys = (0..<Tiers.writeBacksMax + 10).map { "k\($0)" }
        for key in keys { car.record(key, .set(value: bytes("{}"), schema: 1, .keep)) }
        for key in keys { _ = value(car, key) }
        settle(car)
        #expect(car.tiers.counters.schema.writtenBack.value == UInt64(Tiers.writeBacksMax))
        for key in keys { _ = value(car, key) }
        settle(car)
        #expect(car.tiers.counters.schema.writtenBack.value == UInt64(keys.count))
    }

    /// The outcome that STATE.MIGRATE answers; `none` where there is no record.
    private func migrate(_ car: Sidecar, includesHeld: Bool = false) -> String {
        var answer: Reply?
        let write = RecordWrite(id: car.tiers.makeOperationID(), .migrate(includesHeld: includesHeld))
        let command = NativeCommand(.write(.record(write), key: bytes("k")), arguments: [])
        car.tiers.perform([command], isTransaction: false) { answer = $0[0] }
        car.scheduler.run { answer != nil }
        guard case .map(let fields) = answer, case .string(let word) = fields[1] else { return "none" }
        return String(decoding: word, as: UTF8.self)
    }

    @Test(arguments: [true, false]) func `a migration that is asked for stores the new form`(hasRedis: Bool) throws {
        let car = try sidecar(try Self.policy(3, .hold), hasRedis: hasRedis)
        _ = write(car, "{\"name\":\"a\"}", schema: 1)
        #expect(migrate(car) == "held")
        #expect(migrate(car, includesHeld: true) == "migrated")
        #expect(migrate(car, includesHeld: true) == "current")
        #expect(value(car) == "3: {\"title\":\"a\",\"kind\":\"chat\"}")
        #expect(car.tiers.counters.schema.migrated.value == 0)
        _ = write(car, "text", schema: 1)
        #expect(migrate(car, includesHeld: true) == "failed")
    }

    @Test func `a migration that is asked for goes by what Redis has, whatever is held here`() throws {
        let car = try sidecar(try Self.policy(3))
        let other = try sidecar(try Self.policy(3), after: car)
        _ = write(car, "{\"name\":\"a\"}", schema: 1)
        #expect(write(other, "{\"name\":\"b\"}", schema: 1) == "version 2 redis")
        #expect(migrate(car) == "migrated")
        #expect(inRedis(car) == "2 3: {\"title\":\"b\",\"kind\":\"chat\"}")
        #expect(other.record("k", .delete) == "1")
        #expect(migrate(car) == "none")
    }
}
