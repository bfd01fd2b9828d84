// When Redis can't be asked: what is served instead, for how long, and how the breaker stands in.

import Primitives
import RedisTier
import Resilience
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct OutageTests {
    private func held(_ policies: [Policy] = []) throws -> Sidecar {
        let car = try Sidecar(policies)
        car.redis.execute("SET", "k", "v")
        _ = car.read("k")
        return car
    }

    // MARK: Stale copies

    @Test func `a copy is served up to stale_if_error beyond its contract, and not longer`() throws {
        let car = try held([policy { $0.staleIfError = .seconds(60) }])
        let verifiedAt = try #require(car.held("k")?.metadata.verifiedAt)
        car.openBreaker()
        car.run(.milliseconds(6_000))
        #expect(car.read("k").summary == "v local stale")
        let end = verifiedAt.advanced(byMilliseconds: 65_000)
        car.run(.milliseconds(end.milliseconds(since: car.scheduler.now) - 1))
        #expect(car.read("k").summary == "v local stale")
        car.run(.milliseconds(1))
        #expect(car.read("k").summary == "(unknown) none unknown")
    }

    @Test(arguments: [false, true])
    func `a copy of doubt on disk is never fresh, wherever it goes`(_ isSuspect: Bool) throws {
        let car = try Sidecar([policy { $0.maxStaleness = .seconds(60) }])
        car.openBreaker()
        car.warm.plant(
            bytes("k"), WarmCopy(HeldValue(bytes("v")), verifiedAt: car.scheduler.now, isSuspect: isSuspect))
        #expect(car.read("k").summary == "v warm stale")
        #expect(car.read("k").summary == (isSuspect ? "v local stale" : "v local fresh"))
        let mark = try #require(car.held("k")).metadata.mark
        #expect((mark & EntryMark.suspect != 0) == isSuspect)
    }

    @Test func `stale_if_error begins where the life ended, if that was earlier`() throws {
        let car = try Sidecar([policy { $0.staleIfError = .seconds(60) }])
        car.redis.execute("SET", "k", "v", "PX", "2000")
        _ = car.read("k")
        car.openBreaker()
        car.run(.milliseconds(61_990))
        #expect(car.read("k").summary == "v local stale")
        car.run(.milliseconds(20))
        #expect(car.read("k").value == nil)
    }

    @Test func `within the contract a copy is fresh, outage or not`() throws {
        let car = try held()
        car.openBreaker()
        #expect(car.read("k").summary == "v local fresh")
    }

    @Test func `the reason says why the authority did not answer`() throws {
        let car = try held()
        car.run(.seconds(6))
        car.redis.isHung = true
        car.evict("k")
        #expect(car.read("k").reason.contains("timed out"))
        car.openBreaker()
        car.evict("k")
        #expect(car.read("k").reason == "the breaker is forced-open for reads")
    }

    @Test func `where memory has let go the warm tier serves, and memory holds it again as what it is`() throws {
        let car = try held()
        car.run(.seconds(10))
        car.evict("k")
        car.openBreaker()
        let reading = car.read("k")
        #expect(reading.summary == "v warm stale")
        #expect(car.read("k").summary == "v local stale")
        #expect(car.held("k")?.metadata.verifiedAt == reading.verifiedAt)
        #expect(car.warm.reads == 1)
    }

    @Test func `a copy in the warm tier is served no longer than one in memory`() throws {
        let car = try held([policy { $0.staleIfError = .seconds(60) }])
        car.openBreaker()
        car.run(.milliseconds(64_900))
        car.evict("k")
        #expect(car.read("k").summary == "v warm stale")
        car.run(.milliseconds(200))
        car.evict("k")
        #expect(car.read("k").summary == "(unknown) none unknown")
    }

    @Test func `a broken warm tier is no answer`() throws {
        let car = try held()
        car.evict("k")
        car.openBreaker()
        car.warm.failsReads = true
        #expect(car.read("k").summary == "(unknown) none unknown")
    }

    @Test func `strict and strong answer nothing without Redis`() throws {
        let car = try held([policy { $0.strict = true }, policy("s:") { $0.consistency = .strong }])
        car.openBreaker()
        #expect(car.read("k").summary == "v local fresh")
        car.run(.seconds(6))
        #expect(car.read("k").content == .unavailable)
        #expect(car.read("s:1").content == .unavailable)
    }

    @Test func `an eventual copy is fresh for its life and stale beyond it`() throws {
        let car = try Sidecar([policy { $0.consistency = .eventual }])
        car.redis.execute("SET", "k", "v", "PX", "60000")
        _ = car.read("k")
        car.openBreaker()
        car.run(.seconds(30))
        #expect(car.read("k").summary == "v local fresh")
        car.run(.seconds(31))
        #expect(car.read("k").summary == "v local stale")
    }

    // MARK: Defaults, absent and unknown

    @Test func `nobody holds it: the default with key and suffix, never written anywhere`() throws {
        let car = try Sidecar([
            policy("session:") {
                $0.defaultContext = DefaultContext(template: #"{"of": "{suffix}", "key": "{key}", "turns": {}}"#)
            }
        ])
        car.openBreaker()
        let reading = car.read("session:42")
        #expect(reading.summary == #"{"of": "42", "key": "session:42", "turns": {}} default default"#)
        #expect(car.held("session:42") == nil)
        #expect(car.warm.changes.isEmpty)
        #expect(car.read("other").summary == "(unknown) none unknown")
    }

    @Test func `a remembered absence is not a default, and one that is over is`() throws {
        let car = try Sidecar([policy { $0.defaultContext = DefaultContext(template: "d") }])
        _ = car.read("k")
        car.openBreaker()
        #expect(car.read("k").summary == "(absent) local absent")
        car.run(.seconds(2))
        #expect(car.read("k").summary == "d default default")
    }

    @Test func `a default ends when Redis is back`() throws {
        let car = try Sidecar([policy { $0.defaultContext = DefaultContext(template: "d") }])
        car.redis.execute("SET", "k", "v")
        car.openBreaker()
        #expect(car.read("k").summary == "d default default")
        car.share.breaker.force(.forcedClosed, now: car.now)
        #expect(car.read("k").summary == "v redis fresh")
    }

    @Test(arguments: ["", "{", "}{key", "{{key}}", "{suffix}{suffix}", "{keys}", "{ key }", "a{key}b{suffix}c"])
    func `only the two names between braces are replaced`(_ template: String) {
        // By the simplest means: no key and no suffix of this test holds a brace.
        let expected = template.split(separator: "{key}", omittingEmptySubsequences: false).joined(separator: "p:x")
            .split(separator: "{suffix}", omittingEmptySubsequences: false).joined(separator: "x")
        let value = DefaultContext(template: template).value(forKey: bytes("p:x"), prefixLength: 2)
        #expect(String(decoding: value, as: UTF8.self) == expected)
    }

    // MARK: The breaker

    @Test func `a hung Redis opens the breaker, and then nobody waits`() throws {
        let car = try held()
        car.run(.seconds(6))
        car.redis.isHung = true
        let start = car.now
        var worst: Int64 = 0
        while car.share.breaker.state(of: .read) == .closed, car.now - start < 5_000_000_000 {
            let before = car.now
            #expect(car.read("k").summary == "v local stale")
            worst = max(worst, car.now - before)
        }
        #expect(worst <= 21_000_000)
        #expect(car.now - start <= 500_000_000)
        let before = car.now
        for _ in 0..<100 { #expect(car.read("k").summary == "v local stale") }
        #expect(car.now == before)
    }

    @Test func `when Redis is back the breaker's own probes close it`() throws {
        let breaker = try BreakerConfiguration(openMax: .seconds(1))
        let car = try Sidecar(breaker: breaker)
        car.redis.execute("SET", "k", "v")
        _ = car.read("k")
        car.redis.isHung = true
        for index in 0..<6 { _ = car.read("x\(index)") }
        #expect(car.share.breaker.state(of: .read) != .closed)
        car.run(.seconds(20))
        car.redis.isHung = false
        let recovered = car.now
        #expect(
            car.scheduler.run {
                car.share.breaker.state(of: .read) == .closed && car.share.breaker.state(of: .write) == .closed
            })
        #expect(car.now - recovered <= 2_000_000_000, "\(car.now - recovered) ns")
        #expect(car.read("k").summary == "v redis fresh")
        // No user's request paid for the test.
        #expect(car.transitions.list.contains("read open>half-open"))
    }

    @Test(arguments: [
        SimulatedRedis.Condition.readonly, .outOfMemory, .misconfigured,
    ])
    func `a Redis that takes no writes still answers reads`(_ condition: SimulatedRedis.Condition) throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "v")
        car.redis.condition = condition
        for index in 0..<10 {
            guard case .error(let text) = car.set("w\(index)", "x") else {
                Issue.record("acknowledged")
                return
            }
            #expect(text.starts(with: "UNAVAILABLE".utf8))
        }
        #expect(car.share.breaker.state(of: .write) != .closed)
        #expect(car.share.breaker.state(of: .read) == .closed)
        #expect(car.read("k").summary == "v redis fresh")
        car.redis.condition = .healthy
        #expect(car.scheduler.run { car.share.breaker.state(of: .write) == .closed })
        #expect(car.set("k", "w") == .ok)
    }

    @Test func `a Redis that is loading is an outage`() throws {
        let car = try held()
        car.run(.seconds(6))
        car.redis.condition = .loading
        let reading = car.read("k")
        #expect(reading.summary == "v local stale")
        #expect(reading.reason.contains("LOADING"))
    }

    @Test func `a refused connection is an outage at once`() throws {
        let car = try held()
        car.run(.seconds(6))
        car.redis.refusesConnections = true
        car.run(.milliseconds(1))
        let before = car.now
        #expect(car.read("k").summary == "v local stale")
        #expect(car.now - before <= 1_000_000)
    }

    @Test func `garbage from Redis ends the connection and reaches nobody`() throws {
        let car = try held()
        car.run(.seconds(6))
        car.redis.mishaps = [.garbage]
        #expect(car.read("k").summary == "v local stale")
        car.scheduler.run { car.connections[0].state == .ready }
        #expect(car.read("k").summary == "v redis fresh")
    }

    @Test func `a slow disk is not held against Redis`() throws {
        let car = try Sidecar(breaker: .init(consecutiveFailures: 3))
        car.warm.latency = .milliseconds(150)
        car.redis.latency = .milliseconds(5)
        for index in 0..<10 {
            let life = HeldValue(bytes("w"), expiresAt: .never)
            car.warm.plant(bytes("k\(index)"), WarmCopy(life, verifiedAt: car.scheduler.now))
            #expect(car.read("k\(index)").value.map { $0.bytes } == bytes("w"))
        }
        #expect(car.share.breaker.state(of: .write) == .closed)
        #expect(car.share.breaker.state(of: .read) == .closed)
    }
}
