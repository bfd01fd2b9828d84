// Erasing while others are at work: what they wrote before, and hear of late, must not stay behind.

import LocalTier
import Primitives
import RedisTier
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct ErasureRaceTests {
    private let disk = SimulatedFileSystem(seed: 1)

    private func isDone(_ erased: Sidecar.Box<ErasureOutcome>) -> Bool {
        if case .done? = erased.value { true } else { false }
    }

    /// The answer to the next command of that name travels for half of this.
    private func delayAnswer(to name: String, milliseconds: Int, _ car: Sidecar) {
        let (redis, scheduler) = (car.redis, car.scheduler)
        let latency = redis.latency
        redis.onPerformed = { [unowned redis] words, _ in
            guard words[0] == bytes(name) else { return }
            redis.onPerformed = nil
            redis.latency = .milliseconds(milliseconds)
            scheduler.after(nanoseconds: 1) { redis.latency = latency }
        }
    }

    @Test(arguments: 1...8)
    func `what another worker wrote meanwhile, and hears late, is held nowhere`(seed: UInt64) throws {
        let car = try Sidecar(workers: 2, seed: seed, journalOn: disk)
        car.set("user:1:plain", "v")
        car.redis.latency = .milliseconds(2)
        car.redis.jitter = .milliseconds(15)
        var writes: [(key: String, reply: Sidecar.Box<[Reply]>)] = []
        func write() {
            let key = "user:1:late\(writes.count)"
            writes.append((key, car.beginPerform([.set(key, "v")], worker: 1)))
            car.run(.milliseconds(1))
        }
        for _ in 0..<10 { write() }
        let erased = car.beginErase("user:1:")
        while erased.value == nil {
            try #require(writes.count < 2000)
            write()
        }
        car.scheduler.run { writes.allSatisfy { $0.reply.value != nil } }
        #expect(isDone(erased))
        car.run(.milliseconds(100))
        var gone = 0
        for (key, reply) in writes where car.inRedis(key) == nil {
            gone += 1
            #expect(reply.value == [.ok])
            #expect(car.held(key) == nil, "\(key) is in memory alone")
            #expect(car.warm.copies[bytes(key)] == nil, "\(key) is on the disk alone")
        }
        #expect(gone > 0)
        // It is over: what is written now is held.
        car.set("user:1:new", "v", worker: 1)
        #expect(car.read("user:1:new", worker: 1).summary == "v local fresh")
    }

    @Test func `what Redis was asked meanwhile, and answers afterwards, is held nowhere`() throws {
        let car = try Sidecar(workers: 2, journalOn: disk)
        car.set("user:1:read", "v")
        car.evict("user:1:read")
        car.redis.latency = .milliseconds(2)
        let erased = car.beginErase("user:1:")
        // At no moment at which the erasure sends.
        car.run(.microseconds(300))
        delayAnswer(to: "GET", milliseconds: 180, car)
        let read = car.begin("user:1:read", worker: 1)
        #expect(car.scheduler.run(atMost: .milliseconds(80)) { erased.value != nil })
        #expect(isDone(erased) && read.value == nil)
        car.scheduler.run { read.value != nil }
        #expect(read.value?.summary == "v redis fresh", "it was there when it was asked for")
        car.run(.seconds(1))
        let held = car.held("user:1:read").map { $0.value }
        #expect(held == nil && car.warm.copies[bytes("user:1:read")] == nil)
    }

    /// In time, and after it was given up and journaled.
    @Test(arguments: [180, 400])
    func `a write that Redis did before, and whose answer comes afterwards, is held nowhere`(milliseconds: Int) throws {
        let car = try Sidecar(workers: 2, journalOn: disk)
        delayAnswer(to: "SET", milliseconds: milliseconds, car)
        let reply = car.beginPerform([.set("user:1:late", "v")], worker: 1)
        #expect(car.scheduler.run(atMost: .milliseconds(20)) { car.redis.entries[bytes("user:1:late")] != nil })
        let erased = car.beginErase("user:1:")
        #expect(car.scheduler.run(atMost: .milliseconds(50)) { erased.value != nil })
        #expect(isDone(erased) && reply.value == nil)
        car.scheduler.run { reply.value != nil }
        #expect(reply.value == [.ok], "Redis had done it, or the journal has it")
        car.run(.seconds(2))
        #expect(car.journal?.pending.entryCount == 0)
        let value = car.inRedis("user:1:late")
        let held = car.held("user:1:late").map { $0.value }
        #expect(held == value)
        #expect(car.warm.copies[bytes("user:1:late")].map { String(decoding: $0.value.bytes, as: UTF8.self) } == value)
    }

    /// A read through the second worker of a key that the disk alone has: the script that gives it to Redis travels for
    /// half of that time.
    private func beginPromotion(of key: String, milliseconds: Int, _ car: Sidecar) -> Sidecar.Box<Reading> {
        let (redis, latency) = (car.redis, car.redis.latency)
        let before = redis.executedNames.count
        let read = car.begin(key, worker: 1)
        #expect(car.scheduler.run(atMost: .seconds(1)) { redis.executedNames[before...].contains("PTTL") })
        redis.latency = .milliseconds(milliseconds)
        car.run(.milliseconds(2))
        redis.latency = latency
        return read
    }

    @Test func `a copy that is on its way to Redis arrives before Redis is walked`() throws {
        let car = try Sidecar(workers: 2, journalOn: disk)
        car.warm.plant(bytes("user:1:old"), WarmCopy(HeldValue(bytes("v")), verifiedAt: car.scheduler.now))
        car.run(.seconds(5))
        let read = beginPromotion(of: "user:1:old", milliseconds: 60, car)
        let erased = car.beginErase("user:1:")
        car.scheduler.run { erased.value != nil && read.value != nil }
        #expect(isDone(erased))
        #expect(car.count("EVAL") > 0, "the copy was given to Redis")
        car.run(.seconds(1))
        #expect(car.inRedis("user:1:old") == nil)
    }

    @Test func `a copy whose giving was not answered does not arrive behind the walk`() throws {
        let car = try Sidecar(workers: 2)
        car.warm.plant(bytes("user:1:old"), WarmCopy(HeldValue(bytes("v")), verifiedAt: car.scheduler.now))
        car.run(.seconds(5))
        // Longer than anybody waits, over a connection that stands.
        let read = beginPromotion(of: "user:1:old", milliseconds: 600, car)
        car.scheduler.run { read.value != nil }
        let erased = car.beginErase("user:1:")
        car.scheduler.run { erased.value != nil }
        #expect(isDone(erased))
        car.run(.seconds(1))
        #expect(car.inRedis("user:1:old") == nil)
    }

    @Test func `a copy that set out while another subject was erased is waited for as well`() throws {
        let car = try Sidecar(workers: 2)
        car.warm.plant(bytes("user:2:old"), WarmCopy(HeldValue(bytes("v")), verifiedAt: car.scheduler.now))
        car.run(.seconds(5))
        car.redis.latency = .milliseconds(2)
        let first = car.beginErase("user:1:")
        let before = car.redis.executedNames.count
        _ = car.begin("user:2:old", worker: 1)
        #expect(car.scheduler.run(atMost: .seconds(1)) { car.redis.executedNames[before...].contains("PTTL") })
        car.run(.microseconds(1100))
        #expect(first.value == nil)
        car.redis.latency = .milliseconds(160)
        car.run(.microseconds(500))
        car.redis.latency = .microseconds(200)
        car.scheduler.run { first.value != nil }
        let erased = car.beginErase("user:2:")
        car.scheduler.run { erased.value != nil }
        #expect(isDone(erased))
        #expect(car.count("EVAL") > 0, "the copy was given to Redis")
        car.run(.seconds(1))
        #expect(car.inRedis("user:2:old") == nil)
    }

    @Test func `turns that leave a record while Redis is walked stay in no archive`() throws {
        let rules = policy {
            $0.records.turnsKeep = 2
            $0.records.turnsUnfolded = 4
            $0.records.turnsOverflow = .archive
        }
        let car = try Sidecar([rules], journalOn: disk)
        for number in 1...6 { car.turns("user:1:chat", "turn \(number)") }
        for number in 0..<4000 { car.redis.execute("SET", "user:1:\(number)", "v") }
        car.run(.seconds(1))
        let scans = car.count("SCAN")
        let erased = car.beginErase("user:1:")
        #expect(car.scheduler.run(atMost: .seconds(5)) { car.count("SCAN") > scans })
        for number in 7...9 { car.turns("user:1:chat", "turn \(number)") }
        #expect(erased.value == nil, "they came before the walk was over")
        car.scheduler.run { erased.value != nil }
        #expect(isDone(erased))
        car.run(.seconds(1))
        #expect(car.recordInRedis("user:1:chat")?.turns == nil)
        #expect(car.warm.archives[bytes("user:1:chat")] == nil)
    }

    @Test(arguments: [true, false])
    func `what the journal takes and gives to Redis while it is walked is held nowhere`(hasWarm: Bool) throws {
        let car = try Sidecar(workers: 2, hasWarm: hasWarm, journalOn: disk)
        for number in 0..<4000 { car.redis.execute("SET", "user:1:\(number)", "v") }
        let scans = car.count("SCAN")
        let erased = car.beginErase("user:1:")
        #expect(car.scheduler.run(atMost: .seconds(5)) { car.count("SCAN") > scans })
        car.redis.latency = .milliseconds(5)
        // Sent and not done: its connection is lost on the way.
        car.connections[1].close()
        let reply = car.beginPerform([.set("user:1:late", "v")], worker: 1)
        car.scheduler.run { reply.value != nil }
        #expect(reply.value == [.ok], "the journal has it")
        #expect(car.scheduler.run(atMost: .seconds(1)) { car.redis.entries[bytes("user:1:late")] != nil })
        #expect(erased.value == nil)
        car.scheduler.run { erased.value != nil }
        #expect(isDone(erased))
        car.run(.seconds(1))
        #expect(car.inRedis("user:1:late") == nil)
        #expect(car.held("user:1:late") == nil)
        if hasWarm { #expect(car.warm.copies[bytes("user:1:late")] == nil) }
    }
}
