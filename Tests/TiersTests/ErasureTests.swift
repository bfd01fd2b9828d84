// Erasures through the tiers: what is gone stays gone, what is not is told, and what others own is left alone.

import LocalTier
import Primitives
import RedisTier
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct ErasureTests {
    private let disk = SimulatedFileSystem(seed: 1)

    private func sidecar(_ policies: [Policy] = [], hasRedis: Bool = true, after: Sidecar? = nil) throws -> Sidecar {
        try Sidecar(policies, workers: 2, hasRedis: hasRedis, journalOn: hasRedis ? disk : nil, after: after)
    }

    /// Values and records of two subjects, in every tier.
    private func fill(_ car: Sidecar) {
        for subject in ["user:1:", "user:10:"] {
            car.set(subject + "plain", "name of \(subject)")
            car.state(subject + "state", "address of \(subject)", fence: 7)
            car.turns(subject + "chat", "hello")
        }
        car.redis.execute("LPUSH", "user:1:list", "x")
    }

    private func prefix(_ prefix: String, in keys: some Sequence<[UInt8]>) -> [String] {
        keys.map { String(decoding: $0, as: UTF8.self) }.filter { $0.hasPrefix(prefix) }.sorted()
    }

    @Test func `a subject is gone from every tier, another one is not, and versions and fences go on`() throws {
        let car = try sidecar()
        fill(car)
        car.warm.plant(
            bytes("user:1:old"), WarmCopy(HeldValue(bytes("x"), expiresAt: .distantPast), verifiedAt: .distantPast))
        let outcome = car.erase("user:1:")
        guard case .done(let count) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect((count.local, count.redis, count.warm) == (3, 4, 4))
        #expect((count.journal, count.conflicts, count.messages) == (0, 0, 0))
        #expect(prefix("user:1:", in: car.warm.copies.keys) == [])
        for key in ["plain", "state", "chat"] { #expect(car.held("user:1:" + key) == nil) }
        #expect(car.inRedis("user:1:plain") == nil)
        // What is left of a record tells nothing of its subject.
        let left = try #require(car.recordInRedis("user:1:state"))
        #expect(left.isDeleted && left.value == nil && left.turns == nil)
        #expect(car.readRecord("user:1:state").content == .absent)
        #expect(car.read("user:1:plain").content == .absent)
        #expect(car.state("user:1:state", "anew", fence: 6).hasPrefix("FENCED"))
        #expect(car.state("user:1:state", "anew", .absent) == "version 3 redis")

        #expect(car.read("user:10:plain").summary == "name of user:10: local fresh")
        #expect(car.readRecord("user:10:state").summary == "record 1 local fresh")
        #expect(prefix("user:10:", in: car.warm.copies.keys).count == 3)
        guard case .done(let again) = car.erase("user:1:") else { return }
        #expect((again.redis, again.local) == (1, 1))
    }

    @Test func `bytes that mean something in a pattern mean themselves`() throws {
        let car = try sidecar()
        for key in ["a*[?\\:1", "ab[?\\:1", "a*[?\\"] { car.set(key, "v") }
        guard case .done(let count) = car.erase("a*[?\\:") else { return }
        #expect(count.redis == 1)
        #expect(car.inRedis("ab[?\\:1") == "v")
        #expect(car.inRedis("a*[?\\") == "v")
        #expect(String(decoding: ErasureScript.pattern(bytes("a*b?c[d\\e")), as: UTF8.self) == "a\\*b\\?c\\[d\\\\e*")
    }

    @Test func `an answer that was on its way, and a copy that was being promoted, do not bring it back`() throws {
        let car = try sidecar()
        fill(car)
        car.evict("user:1:plain")
        car.evict("user:1:state")
        car.redis.latency = .milliseconds(20)
        let slow = car.begin("user:1:plain")
        car.run(.milliseconds(2))
        let erased = car.beginErase("user:1:")
        // Asked while it goes on, of both workers.
        let during = (0..<40).map { round in
            car.run(.milliseconds(3))
            return car.begin(round % 3 == 0 ? "user:1:state" : "user:1:plain", worker: round % 2)
        }
        car.scheduler.run { erased.value != nil && slow.value != nil && during.allSatisfy { $0.value != nil } }
        guard case .done? = erased.value else {
            Issue.record("\(erased.values)")
            return
        }
        car.run(.seconds(3))
        #expect(car.inRedis("user:1:plain") == nil)
        #expect(car.held("user:1:plain") == nil)
        #expect(car.recordInRedis("user:1:state")?.isDeleted ?? false)
        #expect(prefix("user:1:", in: car.warm.copies.filter { !$0.value.value.isTombstone }.keys) == [])
        #expect(car.read("user:1:plain", worker: 1).content == .absent)
    }

    @Test func `a Redis that lost it all is not given the copies of what is being erased`() throws {
        let car = try sidecar()
        fill(car)
        car.redis.execute("FLUSHDB")
        for key in ["plain", "state", "chat"] { car.evict("user:1:" + key) }
        car.warm.latency = .milliseconds(30)
        let erased = car.beginErase("user:1:")
        let reads = (0..<20).map { round in
            car.run(.milliseconds(2))
            return car.begin("user:1:plain", worker: round % 2)
        }
        car.scheduler.run { erased.value != nil && reads.allSatisfy { $0.value != nil } }
        car.run(.seconds(3))
        #expect(car.inRedis("user:1:plain") == nil)
        #expect(car.read("user:1:plain").content == .absent)
        #expect(car.read("user:10:plain").summary == "name of user:10: local fresh")
    }

    @Test func `what is written while it goes on is gone from memory once it is gone from Redis`() throws {
        let car = try sidecar()
        fill(car)
        car.warm.latency = .milliseconds(30)
        let erased = car.beginErase("user:1:")
        var keys: [String] = []
        while erased.value == nil {
            try #require(keys.count < 200)
            car.run(.milliseconds(5))
            keys.append("user:1:late\(keys.count)")
            car.set(keys[keys.count - 1], "v")
        }
        guard case .done? = erased.value else {
            Issue.record("\(erased.values)")
            return
        }
        let gone = keys.filter { car.inRedis($0) == nil }
        #expect(!gone.isEmpty)
        for key in gone { #expect(car.held(key) == nil, "\(key) is in memory alone") }
    }

    // MARK: Outages

    @Test func `in an outage nothing is erased, and that is said`() throws {
        let car = try sidecar()
        fill(car)
        car.openBreaker()
        guard case .refused(let reason) = car.erase("user:1:") else {
            Issue.record("it was not refused")
            return
        }
        #expect(reason == "the breaker is forced-open for writes")
        #expect(car.held("user:1:plain") != nil)
        #expect(prefix("user:1:", in: car.warm.copies.keys).count == 3)
        #expect(car.share.erasures.refused.value == 1)
    }

    @Test(arguments: 0..<8) func `a Redis that fails on the way leaves what it says, and the next one does the rest`(
        step: Int
    ) throws {
        let car = try sidecar()
        fill(car)
        let before = car.redis.executedNames.count
        let box = car.beginErase("user:1:")
        let asked = { car.redis.executedNames.count - before }
        car.scheduler.run { asked() >= step || box.value != nil }
        if box.value == nil { car.redis.mishaps = [.loseReply] }
        car.scheduler.run { box.value != nil }
        car.redis.mishaps = []
        switch box.value {
        case .incomplete(let count, let reason)?:
            #expect(reason.hasPrefix("Redis did not answer"), "\(reason)")
            #expect(count.warm == 3)
        case .done?: break
        default: Issue.record("\(box.values)")
        }
        car.run(.seconds(1))
        let again = car.erase("user:1:")
        guard case .done = again else {
            Issue.record("step \(step): \(again)")
            return
        }
        #expect(car.inRedis("user:1:plain") == nil)
        #expect(car.recordInRedis("user:1:chat")?.isDeleted ?? true)
        #expect(prefix("user:1:", in: car.warm.copies.keys) == [])
    }

    @Test func `a disk that refuses ends it before Redis is touched`() throws {
        let car = try sidecar()
        fill(car)
        car.warm.refusesWrites = true
        guard case .incomplete(let count, let reason) = car.erase("user:1:") else {
            Issue.record("the disk refused")
            return
        }
        #expect(reason.hasPrefix("the warm tier's disk did not take it"))
        #expect(count.redis == nil)
        #expect(car.inRedis("user:1:plain") != nil)
    }

    @Test func `one erasure at a time`() throws {
        let car = try sidecar()
        fill(car)
        let first = car.beginErase("user:1:")
        guard case .refused(let reason) = car.erase("user:10:", worker: 1) else {
            Issue.record("two at a time")
            return
        }
        #expect(reason == "another erasure is under way in this process")
        car.scheduler.run { first.value != nil }
        guard case .done = car.erase("user:10:", worker: 1) else {
            Issue.record("the place was not given back")
            return
        }
    }

    // MARK: Journal and outbox

    @Test func `writes that wait for Redis and conflicts go, and one entry with another subject's is done first`()
        throws
    {
        let car = try sidecar([policy { $0.onConflict = .keep }])
        fill(car)
        car.openBreaker()
        car.set("user:1:plain", "in the journal")
        car.set("user:1:new", "in the journal")
        car.turns("user:1:chat", "in the journal")
        _ = car.perform(.mset(("user:1:both", "mine"), ("user:10:both", "theirs")))
        car.set("user:10:plain", "kept")
        car.redis.execute("SET", "user:1:plain", "by somebody else")
        car.redis.latency = .milliseconds(20)
        car.share.breaker.force(.automatic, now: car.now)
        car.scheduler.run { !car.share.breaker.refusesWrites && !car.share.breaker.refusesReads }
        let outcome = car.erase("user:1:")
        guard case .done(let count) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect((count.journal ?? 0) + (count.conflicts ?? 0) >= 1)
        car.scheduler.run { car.journal?.pending.isEmpty ?? true }
        car.run(.seconds(1))
        #expect(car.inRedis("user:1:plain") == nil)
        #expect(car.inRedis("user:1:new") == nil)
        #expect(car.inRedis("user:1:both") == nil)
        #expect(car.inRedis("user:10:both") == "theirs")
        #expect(car.inRedis("user:10:plain") == "kept")
        #expect(car.recordInRedis("user:1:chat")?.isDeleted ?? false)
        let conflicts = car.journal?.keeper.conflicts.map(\.conflict.key) ?? []
        #expect(prefix("user:1:", in: conflicts) == [])
        // Nor does the journal's disk bring anything back.
        car.crash()
        disk.endProcess()
        let next = try sidecar(after: car)
        next.run(.seconds(1))
        #expect(next.inRedis("user:1:plain") == nil)
        #expect(next.read("user:1:new").content == .absent)
    }

    @Test func `messages that wait for their stream go, those of others stay in order`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "s", "no stream")
        for number in 1...3 {
            for key in ["user:1:a", "user:10:a"] {
                car.record(
                    key, RecordWrite(.addTurns([bytes("t")], keep: nil), emitting: "\(key) \(number)", to: "s", car))
            }
        }
        guard case .done(let count) = car.erase("user:1:") else {
            Issue.record("it was not done")
            return
        }
        #expect(count.messages == 3)
        #expect(car.redis.messages(in: "hearth:outbox:s").count == 3)
        car.redis.execute("DEL", "s")
        car.deliverMessages()
        car.scheduler.run { car.redis.messages(in: "s").count == 3 }
        #expect(car.redis.messages(in: "s").allSatisfy { $0.contains(" user:10:a ") })
    }

    // MARK: Without Redis

    @Test func `embedded, records leave their version and plain keys nothing`() throws {
        let car = try sidecar(hasRedis: false)
        car.set("user:1:plain", "x")
        car.state("user:1:state", "x", fence: 9)
        car.set("user:2:plain", "y")
        guard case .done(let count) = car.erase("user:1:") else {
            Issue.record("it was not done")
            return
        }
        #expect((count.warm, count.redis, count.journal) == (2, nil, nil))
        #expect(car.read("user:1:plain").content == .absent)
        #expect(car.state("user:1:state", "anew", fence: 8).hasPrefix("FENCED"))
        #expect(car.state("user:1:state", "anew", .absent) == "version 3 warm")
        #expect(car.read("user:2:plain").summary == "y local fresh")
    }

    @Test func `what only memory may hold is erased there`() throws {
        let car = try sidecar([policy("user:") { $0.tiers = [.local] }])
        car.set("user:1:plain", "x")
        car.state("user:1:state", "x")
        guard case .done(let count) = car.erase("user:1:") else {
            Issue.record("it was not done")
            return
        }
        #expect(count.local == 2)
        #expect(car.read("user:1:plain").content == .absent)
        #expect(car.state("user:1:state", "anew", .absent) == "version 3 local")
    }
}

extension Sidecar {
    func beginErase(_ prefix: String, worker: Int = 0) -> Box<ErasureOutcome> {
        let box = Box<ErasureOutcome>()
        workers[worker].erase(bytes(prefix)) { box.values.append($0) }
        return box
    }

    func erase(_ prefix: String, worker: Int = 0) -> ErasureOutcome {
        let box = beginErase(prefix, worker: worker)
        scheduler.run { box.value != nil }
        guard let outcome = box.value else { fatalError("an erasure of \(prefix) was not answered within a minute") }
        return outcome
    }
}
