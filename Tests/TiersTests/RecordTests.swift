// Records through the tiers: compare and set in Redis, in an outage and its replay, and with the warm tier deciding.

import LocalTier
import Primitives
import RedisTier
import Resilience
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct RecordTests {
    private let disk = SimulatedFileSystem(seed: 1)

    private func sidecar(_ policies: [Policy] = [], workers: Int = 1, after: Sidecar? = nil) throws -> Sidecar {
        try Sidecar(policies, workers: workers, journalOn: disk, after: after)
    }

    private func conflicts(_ car: Sidecar) -> [Conflict] { car.journal?.keeper.conflicts.map(\.conflict) ?? [] }

    // MARK: With Redis

    @Test func `a write of what is held takes one round trip, and of what is not, two`() throws {
        let car = try sidecar()
        #expect(car.state("k", "a") == "version 1 redis")
        let held = car.redis.executedNames.count
        #expect(car.state("k", "b") == "version 2 redis")
        #expect(car.redis.executedNames.count == held + 1)
        car.evict("k")
        let before = car.redis.executedNames.count
        #expect(car.state("k", "c") == "version 3 redis")
        #expect(car.redis.executedNames[before...] == ["MULTI", "HGETALL", "PTTL", "EXEC", "EVALSHA"])
    }

    @Test func `what another has written meanwhile is written upon, not over`() throws {
        let car = try sidecar()
        let other = try Sidecar(after: car)
        #expect(car.turns("k", "one") == "turn 1 redis")
        #expect(other.turns("k", "two") == "turn 2 redis")
        #expect(car.turns("k", "three") == "turn 3 redis")
        #expect(
            car.recordInRedis("k")?.turns?.items.map { String(decoding: $0.bytes, as: UTF8.self) } == [
                "one", "two", "three",
            ])
        #expect(car.tiers.counters.recordsReapplied.value == 1)
    }

    @Test func `an expected version is compared with what Redis has, whatever is held here`() throws {
        let car = try sidecar()
        let other = try Sidecar(after: car)
        car.state("k", "a")
        other.state("k", "b")
        // Here version 1 is held, and fresh.
        #expect(car.state("k", "c", .version(1)).hasPrefix("CONFLICT expected version 1, found version 2"))
        #expect(car.state("k", "c", .version(2)) == "version 3 redis")
        #expect(other.state("k", "d", .absent).hasPrefix("CONFLICT expected no record, found version 3"))
        #expect(car.recordInRedis("k")?.value == bytes("c"))
    }

    @Test func `a deletion by DEL or STATE DEL leaves the version, also where nothing is held of the record`() throws {
        let car = try sidecar()
        car.state("k", "a")
        #expect(car.record("k", .delete) == "1")
        #expect(car.readRecord("k").content == .absent)
        #expect(car.state("k", "b", .absent) == "version 3 redis")
        car.evict("k")
        #expect(car.perform(.del("k")) == [.integer(1)])
        #expect(car.perform(.del("k")) == [.integer(0)])
        #expect(car.state("k", "c") == "version 5 redis")
    }

    @Test func `a Redis that forgot the script is told it again`() throws {
        let car = try sidecar()
        car.state("k", "a")
        car.redis.forgetScripts()
        #expect(car.state("k", "b") == "version 2 redis")
    }

    @Test func `a write whose answer is lost is done once`() throws {
        let car = try sidecar()
        car.turns("k", "one")
        car.redis.mishaps = [.loseReply]
        #expect(car.turns("k", "two") == "turn 2 journal")
        car.recover()
        #expect(car.recordInRedis("k")?.turns?.items.count == 2)
        #expect(car.recordInRedis("k")?.version == 2)
        #expect(conflicts(car).isEmpty)
    }

    @Test func `a key of another type is refused and left alone`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "s", "text")
        car.redis.execute("LPUSH", "l", "x")
        for key in ["s", "l"] {
            #expect(car.state(key, "v").hasPrefix("WRONGTYPE"))
            #expect(car.readRecord(key).content == .otherType)
        }
        #expect(car.inRedis("s") == "text")
        car.state("r", "v")
        #expect(car.read("r").content == .record(HeldValue(car.recordInRedis("r")!, expiresAt: .never)))
        car.evict("r")
        #expect(car.read("r").content == .otherType)
    }

    @Test func `a lease goes by Redis's clock, and only one has it`() throws {
        let car = try sidecar()
        let other = try Sidecar(after: car)
        let epoch = car.record("l", .acquireLease(owner: bytes("a"), milliseconds: 1000))
        #expect(Int64(epoch) ?? 0 >= car.scheduler.now.milliseconds * 1000 - 1_000_000)
        #expect(other.record("l", .acquireLease(owner: bytes("b"), milliseconds: 1000)) == "nil")
        car.run(.milliseconds(1100))
        let next = other.record("l", .acquireLease(owner: bytes("b"), milliseconds: 1000))
        #expect(Int64(next) ?? 0 > Int64(epoch) ?? 0)
        // The old holder's writes are refused.
        other.state("work", "b", fence: Int64(next))
        #expect(car.state("work", "a", fence: Int64(epoch)).hasPrefix("FENCED expected a fence of at least \(next)"))
        car.openBreaker()
        #expect(
            car.record("l", .acquireLease(owner: bytes("c"), milliseconds: 1000)).hasSuffix("wait, or stop working"))
    }

    @Test(arguments: [-90_000, 90_000] as [Int64])
    func `a key that holds a lease alone lives for the lease and a week, whatever the clocks say`(skew: Int64) throws {
        let car = try sidecar()
        car.redis.clockSkewMilliseconds = skew
        car.record("l", .acquireLease(owner: bytes("a"), milliseconds: 1000))
        #expect(abs(car.lifeInRedis("l") - 1000 - RecordRules.epochLife) < 100)
        guard case .record(let held) = car.readRecord("l").content else {
            Issue.record("the lease is not there")
            return
        }
        #expect(abs(held.expiresAt.milliseconds(since: car.scheduler.now) - 1000 - RecordRules.epochLife) < 100)
    }

    @Test func `a sliding record lives on by being read`() throws {
        let car = try sidecar()
        car.record("k", .set(value: bytes("v"), schema: nil, .sliding(1000)))
        for _ in 0..<10 {
            car.run(.milliseconds(400))
            #expect(car.readRecord("k").content != .absent)
        }
        car.run(.milliseconds(1200))
        #expect(car.readRecord("k").content == .absent)
    }

    @Test func `a record that Redis has lost comes back from the warm tier with its version`() throws {
        let car = try sidecar()
        for value in ["a", "b", "c"] { car.state("k", value) }
        car.run(.milliseconds(100))
        car.redis.execute("FLUSHDB")
        car.evict("k")
        #expect(car.state("k", "d") == "version \(4 + Tiers.promotionMargin) redis")
    }

    // MARK: In an outage

    @Test func `in an outage versions go on provisionally, and the replay settles them`() throws {
        let car = try sidecar()
        car.state("k", "a")
        car.openBreaker()
        #expect(car.state("k", "b", .version(1)) == "version 2 journal")
        #expect(car.state("k", "c", .version(1)).hasPrefix("CONFLICT expected version 1, found version 2"))
        #expect(car.state("k", "c", .version(2)) == "version 3 journal")
        #expect(car.readRecord("k").summary == "record 3 journal stale")
        car.recover()
        #expect(car.recordInRedis("k")?.version == 3)
        #expect(car.recordInRedis("k")?.value == bytes("c"))
        #expect(conflicts(car).isEmpty)
    }

    @Test func `an expected version that another has overtaken is a conflict, with all that chained to it`() throws {
        let car = try sidecar()
        let other = try Sidecar(after: car)
        car.state("k", "a")
        car.openBreaker()
        car.state("k", "mine 2", .version(1))
        car.state("k", "mine 3", .version(2))
        other.state("k", "theirs 2")
        car.recover()
        #expect(car.recordInRedis("k")?.value == bytes("theirs 2"))
        // Versions 2 and 3 were acknowledged for what is not there: nobody is given them again.
        #expect(car.recordInRedis("k")?.version == 4)
        let kept = conflicts(car)
        #expect(kept.map(\.verdict) == [.kept, .kept])
        #expect(kept.map { $0.ours.map { String(decoding: $0, as: UTF8.self) } } == ["mine 2", "mine 3"])
        #expect(kept.allSatisfy { $0.theirs == bytes("theirs 2") })
        let reading = car.readRecord("k")
        #expect(reading.freshness == .fresh)
        if case .record(let held) = reading.content { #expect(held.record?.value == bytes("theirs 2")) }
    }

    @Test func `turns of both sides of an outage are kept`() throws {
        let car = try sidecar()
        let other = try Sidecar(after: car)
        car.turns("k", "one")
        car.openBreaker()
        #expect(car.turns("k", "mine") == "turn 2 journal")
        other.turns("k", "theirs")
        car.recover()
        let turns = car.recordInRedis("k")?.turns?.items ?? []
        #expect(turns.map { String(decoding: $0.bytes, as: UTF8.self) } == ["one", "theirs", "mine"])
        #expect(turns.map(\.sequence) == [1, 2, 3])
        #expect(conflicts(car).isEmpty)
    }

    @Test func `a provisional version that Redis came to from another state is not written upon`() throws {
        let car = try sidecar()
        let other = try Sidecar(after: car)
        car.state("k", "a")
        car.turns("k", "one")
        car.openBreaker()
        car.redis.execute("FLUSHDB")
        other.turns("k", "theirs")
        other.turns("k", "theirs too")
        #expect(car.turns("k", "mine") == "turn 2 journal")
        car.replayAll()
        // Here and in Redis it is version 3 by now, and the same write made it.
        #expect(car.recordInRedis("k")?.version == 3)
        #expect(car.turns("k", "last") == "turn 4 redis")
        let turns = car.recordInRedis("k")?.turns?.items ?? []
        #expect(turns.map { String(decoding: $0.bytes, as: UTF8.self) } == ["theirs", "theirs too", "mine", "last"])
    }

    @Test func `who knows nothing of a record can't expect a version, and does not erase it`() throws {
        let car = try sidecar()
        let other = try Sidecar(after: car)
        other.state("k", "theirs")
        car.openBreaker()
        #expect(car.state("k", "mine", .version(1)).hasPrefix("UNAVAILABLE not done: nothing is held here"))
        #expect(car.state("k", "mine", .absent).hasPrefix("UNAVAILABLE not done: nothing is held here"))
        #expect(car.state("k", "mine") == "version 1 journal")
        car.recover()
        #expect(car.recordInRedis("k")?.value == bytes("theirs"))
        #expect(conflicts(car).map(\.verdict) == [.kept])
    }

    @Test func `what waits survives a crash, and is done once`() throws {
        var car = try sidecar()
        car.turns("k", "one")
        car.openBreaker()
        car.turns("k", "two")
        car.turns("k", "three")
        car.crash()
        disk.endProcess()
        car = try sidecar(after: car)
        #expect(car.readRecord("k").summary == "record 3 journal stale" || car.journal?.pending.isEmpty == true)
        car.recover()
        #expect(car.recordInRedis("k")?.turns?.items.count == 3)
        #expect(car.recordInRedis("k")?.version == 3)
    }

    @Test func `DEL in an outage leaves the version, and what comes after goes on from it`() throws {
        let car = try sidecar()
        car.state("k", "a")
        car.openBreaker()
        #expect(car.perform(.del("k")) == [.integer(1)])
        #expect(car.readRecord("k").content == .absent)
        #expect(car.state("k", "b", .absent) == "version 3 journal")
        car.recover()
        #expect(car.recordInRedis("k")?.version == 3)
        #expect(conflicts(car).isEmpty)
    }

    @Test func `a record that somebody made something else of is a conflict`() throws {
        let car = try sidecar()
        car.state("k", "a")
        car.openBreaker()
        car.state("k", "b")
        car.redis.execute("SET", "k", "text")
        car.recover()
        #expect(car.inRedis("k") == "text")
        #expect(conflicts(car).map(\.verdict) == [.failed])
    }

    @Test func `a Redis that began anew gets the record back with what was written upon it`() throws {
        let car = try sidecar()
        for turn in ["one", "two", "three"] { car.turns("k", turn) }
        car.state("s", "a")
        car.openBreaker()
        #expect(car.turns("k", "four") == "turn 4 journal")
        #expect(car.state("s", "b", .version(1)) == "version 2 journal")
        car.redis.restartEmpty()
        car.recover()
        #expect(car.recordInRedis("k")?.turns?.items.count == 4)
        #expect(car.recordInRedis("k")?.version == 4)
        #expect(car.recordInRedis("s")?.value == bytes("b"))
        #expect(conflicts(car).isEmpty)
    }

    @Test func `forty writes whose replay lost its answer are done once`() throws {
        let car = try sidecar()
        car.turns("k", "0")
        car.openBreaker()
        for number in 1...40 { car.turns("k", "\(number)") }
        car.share.breaker.force(.automatic, now: car.now)
        _ = car.scheduler.run(atMost: .seconds(5)) { car.recordInRedis("k")?.version ?? 0 > 1 }
        car.redis.mishaps = [.loseReply]
        car.recover()
        #expect(car.recordInRedis("k")?.version == 41)
        #expect(
            car.recordInRedis("k")?.turns?.items.map { String(decoding: $0.bytes, as: UTF8.self) }
                == (0...40).map { "\($0)" })
    }

    @Test func `a replay neither shortens a life nor ends a version`() throws {
        let car = try sidecar()
        let other = try Sidecar(after: car)
        car.record("s", .set(value: bytes("v"), schema: nil, .sliding(2000)))
        car.state("f", "v", fence: 77)
        car.record("f", .delete)
        car.openBreaker()
        car.state("s", "v2")
        car.record("f", .set(value: bytes("w"), schema: nil, .end(afterMilliseconds: 500)))
        other.record("s", .set(value: bytes("theirs"), schema: nil, .sliding(600_000)))
        car.run(.milliseconds(2500))
        car.recover()
        #expect(car.recordInRedis("s")?.version == 3)
        #expect(car.lifeInRedis("s") > 100_000)
        #expect(car.recordInRedis("f")?.isDeleted == true)
        #expect(car.state("f", "old", fence: 1).hasPrefix("FENCED expected a fence of at least 77"))
    }

    @Test func `a life that another has given stays through a write that names none`() throws {
        let car = try sidecar()
        car.state("k", "a")
        car.redis.execute("PEXPIRE", "k", "50000")
        #expect(car.state("k", "b") == "version 2 redis")
        #expect(car.lifeInRedis("k") > 40_000)
    }

    @Test func `a hash of somebody else's is left alone and deleted as any other`() throws {
        let car = try sidecar()
        for key in ["app", "odd"] {
            car.redis.plantHash(key, ["version": key == "app" ? "3" : "v1.2", "color": "red"])
        }
        for key in ["app", "odd"] {
            #expect(car.state(key, "v").hasPrefix("WRONGTYPE"))
            #expect(car.perform(.del(key)) == [.integer(1)])
            #expect(car.redis.execute("EXISTS", key) == .integer(0))
        }
    }

    @Test func `a hash with numbers that no record has is none`() throws {
        let car = try sidecar()
        let huge = "9223372036854775807"
        for (name, value) in [("version", huge), ("turns_next", huge), ("sliding_ms", huge), ("fence", huge)] {
            var fields = ["version": "1", "operations": "", "turns_keep": "3", "turns_next": "1"]
            fields[name] = value
            car.redis.plantHash(name, fields)
            #expect(car.readRecord(name).content == .otherType, "\(name)")
            #expect(car.turns(name, "x").hasPrefix("WRONGTYPE"), "\(name)")
        }
    }

    @Test func `a deletion of what nobody here knows reaches Redis`() throws {
        let car = try sidecar()
        let other = try Sidecar(after: car)
        other.state("k", "v")
        car.openBreaker()
        #expect(car.record("k", .delete) == "0")
        car.recover()
        #expect(car.recordInRedis("k")?.isDeleted == true)
    }

    @Test func `a lease takes nothing of the state beside it, also when Redis has lost both`() throws {
        let car = try sidecar()
        car.state("k", "v")
        #expect(Int64(car.record("k", .acquireLease(owner: bytes("a"), milliseconds: 1000))) ?? 0 > 0)
        #expect(car.lifeInRedis("k") == -1)
        car.run(.milliseconds(2000))
        car.redis.execute("FLUSHDB")
        car.evict("k")
        #expect(Int64(car.record("k", .acquireLease(owner: bytes("b"), milliseconds: 1000))) ?? 0 > 0)
        #expect(car.recordInRedis("k")?.value == bytes("v"))
    }

    // MARK: One implementation

    @Test func `the same writes make the same records in Redis, through an outage, and embedded`() throws {
        let first = SeededGenerator.seed()
        for round in 0..<UInt64(8) {
            let seed = first &+ round
            var random = SeededGenerator(seed: seed)
            let rules = policy {
                $0.records.turnsKeep = 3
                $0.records.turnsUnfolded = 4
                $0.records.turnsOverflow = seed % 2 == 0 ? .drop : .refuse
                $0.maxValue = 400
            }
            let cars = [
                try Sidecar([rules], seed: seed),
                try Sidecar([rules], seed: seed, journalOn: SimulatedFileSystem(seed: seed)),
                try Sidecar([rules], hasRedis: false, seed: seed),
            ]
            var model: Record?
            for step in 0..<120 {
                let action = Self.action(&random)
                let expectation: RecordWrite.Expectation =
                    step == 0 ? .any : RandomRecords.expectation(&random, model)
                let fence: Int64? = random.oneIn(6) ? Int64.random(in: 1...5, using: &random) : nil
                let write = RecordWrite(id: OperationID(rawValue: random.next()), action, expectation, fence: fence)
                switch step {
                case 30, 80: cars[1].openBreaker()
                case 60, 110: cars[1].recover()
                default: break
                }
                let outcome = write.perform(
                    on: model, expiresAt: .never, now: cars[0].scheduler.now, maxValue: 400,
                    rules: rules.writeRules.records)
                if case .changed(let record, _, _) = outcome { model = record }
                let replies = cars.map { $0.record("k", write) }
                let place = "HEARTH_SEED=\(seed), step \(step): \(action)"
                #expect(Set(replies.map(Self.withoutPlace)).count == 1, "\(place): \(replies)")
            }
            cars[1].recover()
            let records = [
                cars[0].recordInRedis("k"), cars[1].recordInRedis("k"),
                cars[2].held("k").flatMap { _ in
                    if case .record(let held) = cars[2].readRecord("k").content { held.record } else { nil }
                },
            ]
            let alive = model.flatMap { $0.isDeleted ? nil : $0 }
            for record in records {
                let found = record.flatMap { $0.isDeleted ? nil : $0 }
                #expect(found.map(Self.timeless) == alive.map(Self.timeless), "HEARTH_SEED=\(seed)")
            }
        }
    }

    private static func action(_ random: inout SeededGenerator) -> RecordAction {
        while true {
            let action = RandomRecords.action(&random)
            if !action.isLease { return action }
        }
    }

    private static func withoutPlace(_ reply: String) -> String {
        for place in [" redis+disk", " redis", " journal", " warm"] where reply.hasSuffix(place) {
            return String(reply.dropLast(place.count))
        }
        return reply
    }

    /// A record less its times, which differ by how long each way took.
    private static func timeless(_ record: Record) -> Record {
        var record = record
        record.createdAt = .distantPast
        record.updatedAt = .distantPast
        for index in record.turns?.items.indices ?? 0..<0 { record.turns?.items[index].at = .distantPast }
        for index in record.checkpoints?.steps.indices ?? 0..<0 { record.checkpoints?.steps[index].at = .distantPast }
        return record
    }
}

extension Sidecar {
    /// A write of a record, with its answer in a few words.
    @discardableResult
    func record(_ key: String, _ write: RecordWrite) -> String {
        let reply = perform(.words(.write(.record(write), key: bytes(key)), write.action.command, key))[0]
        switch reply {
        case .error(let text): return String(decoding: text, as: UTF8.self)
        case .integer(let value): return "\(value)"
        case .null: return "nil"
        case .map(let fields):
            var named: [String: Reply] = [:]
            for index in stride(from: 0, to: fields.count, by: 2) {
                if case .string(let name) = fields[index] {
                    named[String(decoding: name, as: UTF8.self)] = fields[index + 1]
                }
            }
            func text(_ name: String) -> String {
                switch named[name] {
                case .integer(let value)?: "\(value)"
                case .string(let bytes)?: String(decoding: bytes, as: UTF8.self)
                default: "?"
                }
            }
            let what = named["seq"] != nil ? "turn \(text("seq"))" : "version \(text("version"))"
            return "\(what) \(text("committed"))"
        default: return "\(reply)"
        }
    }

    @discardableResult
    func record(
        _ key: String, _ action: RecordAction, _ expectation: RecordWrite.Expectation = .any, fence: Int64? = nil
    ) -> String {
        record(key, RecordWrite(id: tiers.makeOperationID(), action, expectation, fence: fence))
    }

    @discardableResult
    func state(
        _ key: String, _ value: String, _ expectation: RecordWrite.Expectation = .any, fence: Int64? = nil
    ) -> String {
        record(key, .set(value: bytes(value), schema: nil, .keep), expectation, fence: fence)
    }

    @discardableResult
    func turns(_ key: String, _ turn: String) -> String { record(key, .addTurns([bytes(turn)], keep: nil)) }

    func readRecord(_ key: String, strong: Bool = false) -> Reading {
        let box = begin(key, form: .record, strong: strong)
        scheduler.run { box.value != nil }
        guard let reading = box.value else { fatalError("a read of \(key) was not answered within a minute") }
        return reading
    }

    /// The record that Redis has, a tombstone included.
    func recordInRedis(_ key: String) -> Record? {
        guard case .array(let fields) = redis.execute("HGETALL", key) else { return nil }
        return Record(hash: fields)
    }
}
