// Reading through the tiers: who answers, and how the answer is marked.

import Primitives
import RedisTier
import State
import TestSupport
import Testing
import Tiers

@Suite struct ReadTests {
    @Test func `a miss is answered by Redis, and the next read by local memory`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "v")
        #expect(car.read("k").summary == "v redis fresh")
        #expect(car.read("k").summary == "v local fresh")
        #expect(car.count("GET") == 1)
    }

    @Test func `value and life are read as one`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "v", "PX", "60000")
        let reading = car.read("k")
        #expect(car.redis.executedNames == ["MULTI", "GET", "PTTL", "EXEC"])
        let life = try #require(reading.value?.expiresAt.milliseconds(since: car.scheduler.now))
        #expect((59_990...60_000).contains(life))
    }

    @Test func `a value that ends between its reading and that of its life is not held for ever`() throws {
        let car = try Sidecar([policy { $0.consistency = .eventual }])
        // Redis 7.0 refreshes its clock between the commands of a transaction: GET finds what PTTL no longer does.
        car.redis.expiresBetweenCommands = [bytes("k")]
        car.redis.execute("SET", "k", "v")
        #expect(car.read("k").value == nil)
        #expect(car.held("k")?.metadata.kind != .string)
    }

    @Test func `bounded asks again when max_staleness has passed, eventual until the life ends never`() throws {
        let car = try Sidecar([
            policy { $0.refreshAhead = nil }, policy("e:") { ($0.consistency, $0.refreshAhead) = (.eventual, nil) },
        ])
        for key in ["b", "e:1"] {
            car.redis.execute("SET", key, "1")
            _ = car.read(key)
            car.redis.execute("SET", key, "2")
        }
        car.run(.milliseconds(4_990))
        #expect(car.read("b").summary == "1 local fresh")
        car.run(.milliseconds(20))
        #expect(car.read("b").summary == "2 redis fresh")
        car.run(.seconds(86_400))
        #expect(car.read("e:1").summary == "1 local fresh")
    }

    @Test func `an eventual copy ends with its life`() throws {
        let car = try Sidecar([policy { ($0.consistency, $0.refreshAhead, $0.onAbsent) = (.eventual, nil, .final) }])
        car.redis.execute("SET", "k", "1", "PX", "10000")
        _ = car.read("k")
        car.run(.milliseconds(9_980))
        #expect(car.read("k").summary == "1 local fresh")
        car.run(.milliseconds(30))
        #expect(car.read("k").summary == "(absent) redis absent")
    }

    @Test func `strong asks each time`() throws {
        let car = try Sidecar([policy { $0.consistency = .strong }])
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.redis.execute("SET", "k", "2")
        #expect(car.read("k").summary == "2 redis fresh")
    }

    @Test func `a strong read of a bounded key asks as well`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.redis.execute("SET", "k", "2")
        #expect(car.read("k").summary == "1 local fresh")
        #expect(car.read("k", strong: true).summary == "2 redis fresh")
    }

    @Test func `in an outage a strong read is unavailable, whether Redis fails or the breaker is open`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.redis.isHung = true
        #expect(car.read("k", strong: true).content == .unavailable)
        car.openBreaker()
        #expect(car.read("k", strong: true).content == .unavailable)
    }

    @Test func `a key of another type is Redis's to answer`() throws {
        let car = try Sidecar()
        car.redis.execute("LPUSH", "k", "a")
        #expect(car.read("k").content == .otherType)
        #expect(car.held("k") == nil)
    }

    @Test func `an absent key is remembered for negative_ttl`() throws {
        let car = try Sidecar()
        #expect(car.read("k").summary == "(absent) redis absent")
        car.redis.execute("SET", "k", "v")
        car.run(.milliseconds(990))
        #expect(car.read("k").summary == "(absent) local absent")
        car.run(.milliseconds(20))
        #expect(car.read("k").summary == "v redis fresh")
    }

    @Test func `negative_ttl of zero remembers nothing`() throws {
        let car = try Sidecar([policy { $0.negativeTTL = .zero }])
        _ = car.read("k")
        car.redis.execute("SET", "k", "v")
        #expect(car.read("k").summary == "v redis fresh")
    }

    // MARK: One question for many

    @Test func `readers of one key share one question`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "v")
        let readings = (0..<50).map { _ in car.begin("k") }
        car.run(.milliseconds(10))
        #expect(readings.allSatisfy { $0.values.map(\.summary) == ["v redis fresh"] })
        #expect(car.count("GET") == 1)
    }

    @Test func `keys asked for in one iteration travel in one transaction`() throws {
        let car = try Sidecar()
        let readings = (0..<64).map { car.begin("k\($0)") }
        car.run(.milliseconds(10))
        #expect(readings.allSatisfy { $0.values.count == 1 })
        #expect(car.count("MULTI") == 1)
    }

    @Test func `a strong read joins what has not left, and not what is on the wire`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "1")
        let first = car.begin("k")
        let joined = car.begin("k", strong: true)
        // The first question leaves, and is on the wire when the second strong read comes.
        car.scheduler.endIteration()
        car.run(.microseconds(150))
        car.redis.execute("SET", "k", "2")
        let second = car.begin("k", strong: true)
        car.run(.milliseconds(10))
        #expect(first.value?.summary == "1 redis fresh")
        #expect(joined.value?.summary == "1 redis fresh")
        #expect(second.value?.summary == "2 redis fresh")
        #expect(car.count("GET") == 2)
        // The later question's answer is the one that stays.
        #expect(car.held("k")?.value == "2")
    }

    // MARK: Refresh ahead

    @Test func `the first read after refresh_ahead refreshes once, behind its answer`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.redis.execute("SET", "k", "2")
        car.run(.milliseconds(3_990))
        #expect(car.read("k").summary == "1 local fresh")
        #expect(car.count("GET") == 1)
        car.run(.milliseconds(20))
        for _ in 0..<5 { #expect(car.begin("k").value?.summary == "1 local fresh") }
        car.run(.milliseconds(10))
        #expect(car.count("GET") == 2)
        #expect(car.read("k").summary == "2 local fresh")
    }

    @Test func `refresh_ahead off waits for the end of the contract`() throws {
        let car = try Sidecar([policy { $0.refreshAhead = nil }])
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.run(.milliseconds(4_900))
        _ = car.read("k")
        car.run(.milliseconds(10))
        #expect(car.count("GET") == 1)
    }

    // MARK: Time limits

    @Test func `where a stale copy exists it is served after soft_timeout, and the flight fills`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.redis.execute("SET", "k", "2")
        car.run(.milliseconds(6_000))
        car.redis.latency = .milliseconds(60)
        let before = car.now
        #expect(car.read("k").summary == "1 local stale")
        #expect((20_000_000...21_000_000).contains(car.now - before))
        car.run(.milliseconds(50))
        #expect(car.read("k").summary == "2 local fresh")
        #expect(car.count("GET") == 2)
    }

    @Test func `without a copy the wait is at most timeout`() throws {
        let car = try Sidecar()
        car.redis.isHung = true
        let before = car.now
        #expect(car.read("k").summary == "(unknown) none unknown")
        // And the warm tier's own time.
        #expect((100_000_000...102_000_000).contains(car.now - before))
    }

    @Test func `a copy that may no longer be served stale does not shorten the wait`() throws {
        let car = try Sidecar([policy { $0.staleIfError = .seconds(1) }])
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.run(.milliseconds(6_100))
        car.redis.latency = .milliseconds(60)
        #expect(car.read("k").summary == "1 redis fresh")
    }

    @Test func `a connection that breaks costs a read one more try`() throws {
        let car = try Sidecar()
        car.run(.seconds(2))
        car.redis.execute("SET", "k", "v")
        car.redis.mishaps = [.cutBefore]
        #expect(car.read("k").summary == "v redis fresh")
        #expect(car.redis.connectionsOpened == 2)
    }

    @Test(arguments: [SimulatedRedis.Mishap.loseReply, .cutWithin(1), .cutWithin(9), .cutWithin(30)])
    func `a reply cut in half is asked for again`(_ mishap: SimulatedRedis.Mishap) throws {
        let car = try Sidecar()
        car.run(.seconds(2))
        car.redis.execute("SET", "k", "value")
        car.redis.mishaps = [mishap]
        #expect(car.read("k").summary == "value redis fresh")
    }

    @Test func `a read is tried again once only`() throws {
        let car = try Sidecar()
        car.run(.seconds(2))
        car.redis.execute("SET", "k", "v")
        car.redis.mishaps = [.cutBefore, .cutBefore]
        #expect(car.read("k").summary == "(unknown) none unknown")
    }

    @Test func `tries again are a small share of traffic`() throws {
        let car = try Sidecar(breaker: .init(consecutiveFailures: 1_000_000))
        car.run(.seconds(2))
        var asked = 0
        for index in 0..<200 {
            car.redis.mishaps = [.cutBefore]
            _ = car.read("k\(index)")
            car.scheduler.run { car.connections[0].state == .ready }
            asked += 1
        }
        #expect(car.tiers.counters.retries.value <= UInt64(asked / 10 + 1 + Int(car.now / 1_000_000_000)))
    }

    @Test func `a flight that is tried again does not shorten the time of others`() throws {
        let car = try Sidecar()
        car.run(.seconds(2))
        car.redis.execute("SET", "a", "1")
        car.redis.execute("SET", "b", "2")
        car.redis.mishaps = [.loseReply]
        car.redis.latency = .milliseconds(90)
        let first = car.begin("a")
        // The connection breaks after 90 ms: the read has 10 ms for its second try, which leaves with a new read.
        car.run(.milliseconds(50))
        car.redis.latency = .milliseconds(8)
        car.scheduler.run { car.connections[0].state != .ready }
        let second = car.begin("b")
        car.scheduler.run { first.value != nil && second.value != nil }
        #expect(first.value?.summary == "(unknown) none unknown")
        #expect(second.value?.summary == "2 redis fresh", "\(second.value?.reason ?? "")")
    }

    // MARK: Large values

    @Test func `a value larger than max_local_value is served and not held, and the copy before it goes`() throws {
        let car = try Sidecar([policy { $0.maxLocalValue = 8 }])
        car.redis.execute("SET", "k", "small")
        _ = car.read("k")
        car.redis.execute("SET", "k", "much larger than eight")
        car.run(.seconds(6))
        #expect(car.read("k").summary == "much larger than eight redis fresh")
        car.openBreaker()
        #expect(car.read("k").summary == "much larger than eight warm stale")
    }

    // MARK: The clock

    @Test func `a clock set back makes copies unverified, not fresh for longer`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.redis.execute("SET", "k", "2")
        car.scheduler.jumpWall(byMilliseconds: -3_600_000)
        #expect(car.read("k").summary == "2 redis fresh")
        #expect(car.read("k").summary == "2 local fresh")
    }

    @Test func `a clock set forward makes copies old`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.redis.execute("SET", "k", "2")
        car.scheduler.jumpWall(byMilliseconds: 3_600_000)
        #expect(car.read("k").summary == "2 redis fresh")
    }
}
