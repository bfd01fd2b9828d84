// What an answer leaves behind: in local memory, in the warm tier, and in Redis.

import LocalTier
import Primitives
import RedisTier
import State
import TestSupport
import Testing
import Tiers

@Suite struct FillTests {
    // MARK: Promotion

    private func plant(_ car: Sidecar, _ key: String, _ value: String, expiresAt: Timestamp = .never) {
        car.warm.plant(
            bytes(key), WarmCopy(HeldValue(bytes(value), expiresAt: expiresAt), verifiedAt: car.scheduler.now))
    }

    @Test func `what only the warm tier has goes back to Redis with the life that is left`() throws {
        let car = try Sidecar()
        plant(car, "k", "w", expiresAt: car.scheduler.now.advanced(byMilliseconds: 60_000))
        car.run(.seconds(10))
        #expect(car.read("k").summary == "w warm fresh")
        #expect(car.inRedis("k") == "w")
        #expect((49_900...50_000).contains(car.lifeInRedis("k")))
        #expect(car.read("k").summary == "w local fresh")
    }

    @Test func `who wrote meanwhile wins over a promotion`() throws {
        let car = try Sidecar()
        plant(car, "k", "old")
        car.warm.latency = .milliseconds(10)
        let reading = car.begin("k")
        car.run(.milliseconds(5))
        car.redis.execute("SET", "k", "theirs")
        car.run(.milliseconds(20))
        #expect(reading.value?.summary == "theirs redis fresh")
        #expect(car.inRedis("k") == "theirs")
        #expect(car.read("k").summary == "theirs local fresh")
    }

    @Test func `an own deletion while the warm tier is asked is not undone by a promotion`() throws {
        let car = try Sidecar()
        plant(car, "k", "old")
        car.warm.latency = .milliseconds(10)
        let reading = car.begin("k")
        // The disk has been read, and the answer is on its way.
        car.run(.milliseconds(7))
        #expect(car.perform(.del("k"))[0] == .integer(0))
        car.run(.milliseconds(50))
        #expect(reading.values.count == 1)
        #expect(car.inRedis("k") == nil)
        #expect(car.warm.copies[bytes("k")] == nil)
        #expect(car.read("k").value == nil)
    }

    @Test func `on_absent final takes Redis's word, in an outage too`() throws {
        let car = try Sidecar([policy { $0.onAbsent = .final }])
        plant(car, "k", "w")
        #expect(car.read("k").summary == "(absent) redis absent")
        #expect(car.inRedis("k") == nil)
        car.openBreaker()
        car.run(.seconds(2))
        #expect(car.read("k").summary == "(unknown) none unknown")
    }

    @Test func `a copy whose life is over is not promoted`() throws {
        let car = try Sidecar()
        plant(car, "k", "w", expiresAt: car.scheduler.now.advanced(byMilliseconds: 1_000))
        car.run(.seconds(2))
        #expect(car.read("k").summary == "(absent) redis absent")
        #expect(car.inRedis("k") == nil)
    }

    @Test func `a copy of doubt is not given back`() throws {
        let car = try Sidecar()
        car.warm.plant(bytes("k"), WarmCopy(HeldValue(bytes("w")), verifiedAt: car.scheduler.now, isSuspect: true))
        #expect(car.read("k").summary == "(absent) redis absent")
        #expect(car.inRedis("k") == nil)
    }

    @Test func `where Redis takes no writes the copy is served stale`() throws {
        let car = try Sidecar()
        plant(car, "k", "w")
        car.redis.condition = .readonly
        #expect(car.read("k").summary == "w warm stale")
    }

    // MARK: Tokens

    @Test func `an answer that was overtaken by an own write fills neither memory nor disk`() throws {
        let car = try Sidecar(workers: 2)
        car.redis.execute("SET", "k", "old")
        // Worker 0 asks; its answer is slow on its way back, while worker 1 writes.
        car.redis.latency = .milliseconds(30)
        let reading = car.begin("k")
        car.run(.milliseconds(16))
        car.redis.latency = .milliseconds(2)
        #expect(car.set("k", "new", worker: 1) == .ok)
        #expect(reading.value == nil)
        car.run(.milliseconds(40))
        #expect(reading.value?.summary == "old redis fresh")
        #expect(car.held("k")?.value != "old")
        #expect(car.warm.copies[bytes("k")]?.value.bytes != bytes("old"))
        car.openBreaker()
        #expect(car.read("k", worker: 1).value.map { $0.bytes } != bytes("old"))
    }

    @Test func `an answer that was overtaken by an invalidation does not fill memory`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "old")
        let reading = car.begin("k")
        car.run(.microseconds(150))
        bytes("k").withUnsafeBytes { _ = car.local.invalidate($0, hash: KeyHash($0)) }
        car.run(.milliseconds(10))
        #expect(reading.value?.summary == "old redis fresh")
        #expect(car.held("k") == nil)
    }

    @Test func `who reads after a write is not answered by a question from before it`() throws {
        let car = try Sidecar(workers: 2)
        car.redis.execute("SET", "k", "1")
        let before = car.begin("k", worker: 1)
        car.scheduler.endIteration()
        // Redis has answered, and the answer takes its time.
        car.redis.latency = .milliseconds(80)
        car.run(.microseconds(150))
        car.redis.latency = .microseconds(200)
        car.set("k", "2")
        car.evict("k")
        #expect(car.read("k", worker: 1).summary == "2 redis fresh")
        #expect(before.value?.summary == "1 redis fresh")
    }

    @Test func `who reads behind a write of the same turn is not answered by a question from before it`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "1")
        let before = car.begin("k")
        let write = car.beginPerform([.set("k", "2")])
        let after = car.begin("k")
        car.scheduler.run { before.value != nil && write.value != nil && after.value != nil }
        #expect(after.value?.summary.hasPrefix("2 ") == true)
    }

    @Test func `who reads behind a FLUSHDB is not answered by a question from before it`() throws {
        let car = try Sidecar(hasWarm: false)
        car.redis.execute("SET", "k", "1")
        car.redis.latency = .milliseconds(20)
        let before = car.begin("k")
        car.run(.milliseconds(1))
        let flush = car.beginPerform([.words(.removeAll, "FLUSHDB")])
        let after = car.begin("k")
        car.scheduler.run { before.value != nil && flush.value != nil && after.value != nil }
        #expect(before.value?.summary == "1 redis fresh")
        #expect(after.value?.content == .absent)
    }

    @Test func `of two writes under way at once neither is held as the last`() throws {
        let car = try Sidecar(workers: 2)
        car.redis.latency = .milliseconds(30)
        let a = car.beginPerform([.set("k", "a")], worker: 0)
        car.run(.milliseconds(16))
        car.redis.latency = .milliseconds(2)
        #expect(car.set("k", "b", worker: 1) == .ok)
        car.run(.milliseconds(40))
        #expect(a.value == [.ok])
        #expect(car.inRedis("k") == "b")
        #expect(car.held("k") == nil)
        car.openBreaker()
        #expect(car.read("k").value.map { $0.bytes } != bytes("a"))
    }

    // MARK: The warm tier behind

    @Test func `reading the same value again and again does not rewrite the disk each time`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "v", "PX", "86400000")
        for _ in 0..<60 {
            _ = car.read("k")
            car.run(.seconds(6))
        }
        // Six minutes: a tenth of stale_if_error.
        #expect(car.warm.changes.count <= 3)
        #expect(car.count("GET") >= 60)
    }

    @Test func `what is verified for hours can be served from disk in an outage`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "v")
        for _ in 0..<(3 * 600) {
            _ = car.read("k")
            car.run(.seconds(6))
        }
        #expect(car.warm.changes.count <= 40)
        car.evict("k")
        car.openBreaker()
        #expect(car.read("k").summary == "v warm stale")
    }

    @Test func `what slides for hours is on disk with the life that reads have given it`() throws {
        let car = try Sidecar([policy { ($0.ttl, $0.sliding) = (.seconds(1800), true) }])
        #expect(car.set("k", "v") == .ok)
        for _ in 0..<1200 {
            _ = car.read("k")
            car.run(.seconds(6))
        }
        let copy = try #require(car.warm.copies[bytes("k")])
        #expect(copy.value.expiresAt.milliseconds(since: car.scheduler.now) >= 1_400_000)
        #expect(car.warm.changes.count <= 60)
    }

    @Test func `a new value goes to disk at once`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.redis.execute("SET", "k", "2")
        car.run(.seconds(6))
        _ = car.read("k")
        #expect(car.warm.copies[bytes("k")]?.value.bytes == bytes("2"))
    }

    // MARK: Sliding lives

    private func sliding() throws -> Sidecar {
        try Sidecar([policy { ($0.ttl, $0.sliding, $0.maxStaleness) = (.seconds(100), true, .seconds(3600)) }])
    }

    @Test func `Redis keeps a sliding key a tenth longer`() throws {
        let car = try sliding()
        car.set("k", "v")
        #expect((109_000...110_000).contains(car.lifeInRedis("k")))
        let life = try #require(car.held("k")?.metadata.expiresAt.milliseconds(since: car.scheduler.now))
        #expect((99_000...100_000).contains(life))
    }

    @Test func `each read extends the life here, and Redis hears of it once per tenth`() throws {
        let car = try sliding()
        car.set("k", "v")
        for _ in 0..<600 {
            car.run(.seconds(1))
            #expect(car.read("k").summary == "v local fresh")
            #expect(car.lifeInRedis("k") > 0)
        }
        #expect((55...65).contains(car.count("EVAL")), "\(car.count("EVAL"))")
        let here = try #require(car.held("k")?.metadata.expiresAt)
        #expect(car.lifeInRedis("k") >= here.milliseconds(since: car.scheduler.now))
    }

    @Test func `what nobody reads ends`() throws {
        let car = try sliding()
        car.set("k", "v")
        car.run(.seconds(111))
        #expect(car.read("k").summary == "(absent) redis absent")
    }

    @Test func `a longer life is not shortened by reading`() throws {
        let car = try sliding()
        car.redis.execute("SET", "k", "v", "PX", "7200000")
        let reading = car.read("k")
        car.run(.seconds(1))
        #expect(car.lifeInRedis("k") > 7_190_000)
        let life = try #require(reading.value?.expiresAt.milliseconds(since: car.scheduler.now))
        #expect(life > 7_190_000, "\(life)")
        #expect(car.count("EVAL") == 0)
    }

    @Test func `a key without life is given none by reading`() throws {
        let car = try sliding()
        car.redis.execute("SET", "k", "v")
        for _ in 0..<20 {
            _ = car.read("k")
            car.run(.seconds(30))
        }
        #expect(car.lifeInRedis("k") == -1)
        #expect(car.count("EVAL") == 0)
    }
}
