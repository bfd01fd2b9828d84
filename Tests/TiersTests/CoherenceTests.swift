// Coherence with Redis: what others change is heard of, and when that can't be trusted.

import LocalTier
import Primitives
import RedisTier
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct CoherenceTests {
    private func car(
        _ policies: [Policy] = [policy { $0.refreshAhead = 0.8 }], workers: Int = 1, seed: UInt64 = 1,
        after: Sidecar? = nil
    ) throws -> Sidecar {
        try Sidecar(policies, workers: workers, seed: seed, tracks: true, after: after)
    }

    /// Questions that reached Redis, proofs apart.
    private func questions(_ car: Sidecar) -> Int { car.count("GET") }

    // MARK: Live

    @Test func `what was read needs no question while invalidations are live, and is new once it has changed`() throws {
        let car = try car()
        car.redis.execute("SET", "k", "1")
        #expect(car.read("k").summary == "1 redis fresh")
        let asked = questions(car)
        car.run(.seconds(60))
        #expect(car.read("k").summary == "1 local fresh")
        #expect(questions(car) == asked)
        car.redis.execute("SET", "k", "2")
        car.run(.milliseconds(5))
        #expect(car.read("k").summary == "2 redis fresh")
        #expect(car.share.coherence.applied == 1)
    }

    @Test func `an eventual copy is asked for again once Redis has told of a change, and only then`() throws {
        let car = try car([policy { ($0.consistency, $0.refreshAhead) = (.eventual, nil) }])
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.run(.seconds(86_400))
        #expect(car.read("k").summary == "1 local fresh")
        car.redis.execute("SET", "k", "2")
        car.run(.milliseconds(5))
        #expect(car.read("k").summary == "2 redis fresh")
        car.redis.execute("DEL", "k")
        car.run(.milliseconds(5))
        #expect(car.read("k").summary == "(absent) redis absent")
    }

    @Test(arguments: [false, true])
    func `own writes are told of too, before they are answered or behind that`(_ isBehind: Bool) throws {
        let car = try car()
        car.redis.invalidationDelay = { isBehind ? 1_000_000 : 0 }
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.set("k", "2")
        car.run(.milliseconds(5))
        #expect(car.share.coherence.received == 1)
        // Before the answer it comes to a copy that the answer then replaces: that one is read once more all the same.
        #expect(car.read("k").summary == "2 redis fresh")
        car.run(.seconds(60))
        #expect(car.read("k").summary == "2 local fresh")
        car.redis.execute("SET", "k", "3")
        car.run(.milliseconds(5))
        #expect(car.read("k").summary == "3 redis fresh")
    }

    @Test func `a key that was written and not read before is bounded by time`() throws {
        let car = try car()
        car.set("k", "1")
        // Nobody tells of this one.
        car.redis.execute("SET", "k", "2")
        car.run(.seconds(2))
        #expect(car.read("k").summary == "1 local fresh")
        car.run(.seconds(4))
        #expect(car.read("k").summary == "2 redis fresh")
    }

    @Test func `a worker's write is told of to another worker that has read the key`() throws {
        let car = try car(workers: 2)
        car.redis.execute("SET", "k", "1")
        _ = car.read("k", worker: 0)
        car.set("k", "2", worker: 1)
        car.run(.milliseconds(5))
        #expect(car.share.coherence.received == 1)
        #expect(car.read("k", worker: 0).value.map { $0.bytes } == bytes("2"))
    }

    @Test func `a life that a read extends stays tracked`() throws {
        let car = try car([policy { ($0.ttl, $0.sliding) = (.seconds(600), true) }])
        car.redis.execute("SET", "k", "1", "PX", "600000")
        _ = car.read("k")
        for _ in 0..<5 {
            car.run(.seconds(100))
            #expect(car.read("k").value.map { $0.bytes } == bytes("1"))
        }
        #expect(car.lifeInRedis("k") > 500_000)
        #expect(car.redis.isTracked("k"))
        car.redis.execute("SET", "k", "2", "PX", "600000")
        car.run(.milliseconds(5))
        #expect(car.read("k").summary == "2 redis fresh")
    }

    @Test func `a key that comes into being is no longer remembered as absent`() throws {
        let car = try car()
        #expect(car.read("k").content == .absent)
        car.redis.execute("SET", "k", "1")
        car.run(.milliseconds(5))
        #expect(car.read("k").summary == "1 redis fresh")
    }

    @Test func `FLUSHALL is heard of for every key, and the warm tier gives nothing back`() throws {
        let car = try car()
        for key in ["a", "b"] {
            car.redis.execute("SET", key, "1")
            _ = car.read(key)
        }
        car.redis.execute("FLUSHALL")
        car.run(.milliseconds(5))
        for key in ["a", "b"] { #expect(car.read(key).content == .absent) }
        #expect(car.inRedis("a") == nil)
        #expect(car.share.coherence.flushes == 1)
    }

    @Test func `what is deleted directly in Redis does not come back from the warm tier`() throws {
        let car = try car()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.redis.execute("DEL", "k")
        car.run(.milliseconds(5))
        #expect(car.read("k").content == .absent)
        #expect(car.inRedis("k") == nil)
    }

    @Test func `what was written and never read, and deleted elsewhere, does not come back`() throws {
        let car = try car()
        car.set("k", "1")
        // Nobody tells of it: it was never read, and so is not tracked.
        car.redis.execute("DEL", "k")
        car.run(.seconds(6))
        #expect(car.read("k").content == .absent)
        #expect(car.inRedis("k") == nil)
    }

    @Test func `what was deleted in a gap does not come back, and what Redis has lost does`() throws {
        let car = try car()
        for key in ["deleted", "lost"] {
            car.redis.execute("SET", key, "1")
            _ = car.read(key)
        }
        car.run(.seconds(10))
        car.redis.cutSubscribers()
        car.redis.execute("DEL", "deleted")
        car.run(.milliseconds(1))
        #expect(!car.share.coherence.isLive)
        #expect(car.read("deleted", strong: true).content == .absent, "in the gap")
        car.scheduler.run { car.share.coherence.isLive }
        #expect(car.read("deleted", strong: true).content == .absent, "after it")
        #expect(car.inRedis("deleted") == nil)
        _ = car.read("lost", strong: true)
        car.redis.restartEmpty()
        car.run(.milliseconds(300))
        #expect(car.read("lost", strong: true).value.map { $0.bytes } == bytes("1"))
        #expect(car.inRedis("lost") == "1")
    }

    /// Redis has lost everything, and takes copies back.
    private func lose(_ car: Sidecar) {
        car.redis.restartEmpty()
        car.scheduler.run { car.share.coherence.isLive }
        car.run(.seconds(4))
    }

    @Test(arguments: [false, true])
    func `what was written here comes back though Redis has told of the write`(_ isBehind: Bool) throws {
        let car = try car()
        car.redis.invalidationDelay = { isBehind ? 1_000_000 : 0 }
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        _ = car.readRecord("r")
        car.set("k", "2")
        car.state("r", "1")
        car.state("r", "2")
        car.run(.milliseconds(5))
        #expect(car.share.coherence.received >= 2)
        lose(car)
        #expect(car.read("k", strong: true).value.map { $0.bytes } == bytes("2"))
        #expect(car.readRecord("r", strong: true).summary == "record \(2 + Tiers.promotionMargin) warm fresh")
        guard isBehind else { return }
        // So it does once more: the promotion was a write as well. (Told of before its answer, it is in doubt.)
        car.run(.milliseconds(5))
        lose(car)
        #expect(car.read("k", strong: true).value.map { $0.bytes } == bytes("2"))
    }

    /// What a worker may ask about a key behind its write.
    enum Question: CaseIterable {
        case read, extended
    }

    @Test(arguments: Question.allCases)
    func `after a question behind a write the next change is somebody else's`(_ question: Question) throws {
        let car = try car([policy(), policy("sliding:") { ($0.ttl, $0.sliding) = (.seconds(600), true) }])
        let key = question == .extended ? "sliding:k" : "k"
        car.set(key, "1")
        car.run(.milliseconds(5))
        switch question {
        case .read: _ = car.read(key, strong: true)
        case .extended:
            car.run(.seconds(100))
            _ = car.read(key)
        }
        car.run(.milliseconds(5))
        car.redis.execute("DEL", key)
        car.run(.milliseconds(5))
        lose(car)
        #expect(car.read(key, strong: true).content == .absent)
        #expect(car.inRedis(key) == nil)
    }

    @Test func `a GETEX that has changed nothing does not explain a change`() throws {
        let car = try car()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        let persist = StringWrite.getExpire(.clear)
        #expect(car.perform(.words(.write(persist, key: bytes("k")), "GETEX", "k", "PERSIST")) == [.string(bytes("1"))])
        car.run(.milliseconds(5))
        car.redis.execute("DEL", "k")
        car.run(.milliseconds(5))
        lose(car)
        #expect(car.read("k", strong: true).content == .absent)
        #expect(car.inRedis("k") == nil)
    }

    @Test func `a write that was not done does not explain a change`() throws {
        let car = try car()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.redis.invalidationDelay = { 1_000_000 }
        car.redis.execute("DEL", "k")
        let write = StringWrite.set(bytes("2"), expiry: .clear, condition: .ifPresent, reply: .ok)
        #expect(car.perform(.words(.write(write, key: bytes("k")), "SET", "k", "2", "XX")) == [.null])
        car.run(.milliseconds(5))
        lose(car)
        #expect(car.read("k", strong: true).content == .absent)
    }

    @Test func `where changes are broadcast a write of ours does not explain the next one`() throws {
        let car = try car([policy("p:") { $0.tracking.mode = .prefix }])
        car.set("p:k", "1")
        car.run(.milliseconds(5))
        car.redis.execute("DEL", "p:k")
        car.run(.milliseconds(5))
        lose(car)
        #expect(car.read("p:k", strong: true).content == .absent)
    }

    @Test func `a reload lets everything be thought about again, and nothing is lost by it`() throws {
        let car = try car()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.run(.seconds(30))
        car.tiers.reload(policies: PolicyTable([policy { $0.consistency = .strong }]), redis: nil)
        car.share.local.requireThought()
        car.share.coherence.renew()
        #expect(car.read("k").summary == "1 redis fresh")
        #expect(car.redis.connectionCount == 1, "nothing is tracked: its connections are gone")
        car.tiers.reload(policies: PolicyTable(), redis: nil)
        car.scheduler.run { car.share.coherence.isLive }
        car.run(.seconds(6))
        _ = car.read("k")
        car.run(.seconds(30))
        #expect(car.read("k").summary == "1 local fresh")
    }

    @Test func `everything is compared with Redis in each tenth of stale_if_error`() throws {
        let car = try car([policy { $0.staleIfError = .seconds(100) }])
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        for _ in 0..<100 {
            car.run(.seconds(1))
            #expect(car.read("k").freshness == .fresh)
        }
        let copy = try #require(car.warm.copies[bytes("k")])
        #expect(car.scheduler.now.milliseconds(since: copy.verifiedAt) <= 30_000)
    }

    // MARK: Modes

    @Test func `keys of policies that do not rest on it are not tracked`() throws {
        let car = try car([
            policy(), policy("off:") { $0.tracking.mode = .off }, policy("strong:") { $0.consistency = .strong },
        ])
        for key in ["k", "off:k", "strong:k"] {
            car.redis.execute("SET", key, "1")
            _ = car.read(key)
        }
        #expect(car.redis.isTracked("k"))
        #expect(!car.redis.isTracked("off:k") && !car.redis.isTracked("strong:k"))
        car.redis.execute("SET", "off:k", "2")
        car.run(.seconds(1))
        #expect(car.read("off:k").summary == "1 local fresh", "time bounds it")
        car.run(.seconds(5))
        #expect(car.read("off:k").summary == "2 redis fresh")
    }

    @Test func `under a prefix changes are broadcast, and Redis remembers no key`() throws {
        let car = try car([policy(), policy("p:") { $0.tracking.mode = .prefix }, policy("p:q:")])
        for key in ["p:k", "p:q:k"] { car.redis.execute("SET", key, "1") }
        // They are told of too.
        car.run(.milliseconds(5))
        for key in ["p:k", "p:q:k"] { _ = car.read(key) }
        #expect(!car.redis.isTracked("p:k"))
        car.run(.seconds(60))
        #expect(car.read("p:k").summary == "1 local fresh")
        car.redis.execute("SET", "p:k", "2")
        car.redis.execute("SET", "p:q:k", "2")
        car.run(.milliseconds(5))
        #expect(car.read("p:k").summary == "2 redis fresh")
        #expect(car.read("p:q:k").summary == "2 redis fresh")
    }

    @Test func `a bound that is too short to be proved is kept by time`() throws {
        let car = try car([policy { $0.maxStaleness = .milliseconds(50) }])
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.run(.milliseconds(60))
        #expect(car.read("k").summary == "1 redis fresh")
    }

    @Test func `a Redis that refuses tracking is told of once, and time bounds every read`() throws {
        let car = try Sidecar(connects: false, tracks: true)
        car.redis.refusesTracking = true
        car.run(.seconds(25))
        #expect(
            car.coherenceEvents.values == [
                .refused("NOPERM this user has no permissions to run 'client|tracking'")
            ])
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.redis.execute("SET", "k", "2")
        car.run(.seconds(6))
        #expect(car.read("k").value.map { $0.bytes } == bytes("2"))
        car.redis.refusesTracking = false
        car.run(.seconds(15))
        #expect(car.coherenceEvents.values.last == .live)
    }

    // MARK: Gaps

    private func gap(_ name: String, _ cause: (Sidecar) -> Void) throws {
        let car = try car()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.run(.seconds(30))
        #expect(car.read("k").summary == "1 local fresh")
        cause(car)
        car.redis.execute("SET", "k", "2")
        // Within the bound of the last proof it may be old, and never beyond.
        car.run(.milliseconds(5010))
        #expect(car.read("k").value.map { $0.bytes } == bytes("2"), "\(name)")
        #expect(car.share.coherence.gaps == 1, "\(name)")
        car.scheduler.run { car.share.coherence.isLive }
        _ = car.read("k", strong: true)
        car.run(.seconds(30))
        car.redis.execute("SET", "k", "3")
        car.run(.milliseconds(10))
        #expect(car.read("k").value.map { $0.bytes } == bytes("3"), "\(name): live again")
        #expect(car.share.coherence.gapDurations.count == 1)
    }

    @Test func `whichever connection ends, what was filled before is unverified`() throws {
        try gap("the ear") { $0.redis.cutSubscribers() }
        try gap("all of them") { $0.redis.cutAll() }
        try gap("the data connection") { $0.connections[0].giveUp("by the test") }
    }

    @Test func `invalidations that never come are noticed within the bound`() throws {
        try gap("lost") { car in
            car.redis.losesInvalidations = true
            car.scheduler.after(nanoseconds: 6_000_000_000) { car.redis.losesInvalidations = false }
        }
    }

    @Test func `a Redis that becomes read-only ends the proofs`() throws {
        let car = try car()
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.redis.condition = .readonly
        car.run(.seconds(8))
        #expect(!car.share.coherence.isLive)
        #expect(car.read("k").source == .redis)
    }

    @Test func `one worker's gap is everybody's`() throws {
        let car = try car(workers: 2)
        car.connections[1].giveUp("by the test")
        #expect(!car.share.coherence.isLive)
        car.scheduler.run { car.share.coherence.isLive }
        #expect(car.share.coherence.gaps == 1)
    }

    @Test func `a process that was held up does not answer from what it no longer knows`() throws {
        let car = try car()
        let coherence = car.share.coherence
        #expect(!coherence.isOverdue(now: car.now))
        // As a worker finds that wakes after a minute, before any timer has run.
        let later = car.now + 60_000_000_000
        #expect(coherence.isOverdue(now: later))
        coherence.lapse(now: later)
        #expect(!coherence.isLive)
        car.scheduler.run { coherence.isLive }
    }

    @Test func `what is proved is what was so when it was asked, not when that was heard`() throws {
        let car = try car()
        _ = car.read("k")
        car.redis.latency = .milliseconds(80)
        car.run(.seconds(5))
        for _ in 0..<300 {
            car.run(.milliseconds(10))
            let proved = try #require(car.tiers.provedUntil)
            #expect(car.scheduler.now.milliseconds(since: proved) >= 80)
        }
    }

    @Test func `in an outage a copy is as old as the last proof`() throws {
        let car = try car([policy { ($0.staleIfError, $0.refreshAhead) = (.seconds(60), nil) }])
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        car.run(.seconds(120))
        car.evictWarm("k")
        car.redis.refusesConnections = true
        car.run(.seconds(30))
        #expect(car.read("k").summary == "1 local stale")
        car.run(.seconds(60))
        #expect(car.read("k").content == .unknown)
    }

    @Test func `EXPLAIN says what bounds the age of a read`() throws {
        let car = try car([policy(), policy("off:") { $0.tracking.mode = .off }])
        func bound(_ key: String) -> String {
            let box = Sidecar.Box<Explanation>()
            car.tiers.explain(bytes(key)) { box.values.append($0) }
            car.scheduler.run { box.value != nil }
            return box.value?.bound ?? ""
        }
        car.redis.execute("SET", "k", "1")
        _ = car.read("k")
        #expect(bound("k") == "invalidations, which have been live since it was filled")
        car.set("w", "1")
        #expect(bound("w").hasPrefix("max_staleness (5.0 seconds) after it was verified: it was filled by a write"))
        #expect(bound("off:k").hasSuffix("the policy's tracking is off"))
        car.redis.refusesConnections = true
        car.run(.milliseconds(10))
        #expect(bound("k").hasSuffix("invalidations are not live"))
    }

    // MARK: Races

    @Test func `an answer and the invalidation of its key may come in any order`() throws {
        let seed = SeededGenerator.seed()
        var random = SeededGenerator(seed: seed)
        let car = try car([policy { $0.refreshAhead = nil }], seed: seed)
        car.redis.jitter = .microseconds(200)
        var cancelled = 0
        for round in 0..<4000 {
            let key = "k\(round % 7)"
            car.evict(key)
            let delay = Int64.random(in: 0...400_000, using: &random)
            car.redis.invalidationDelay = { delay }
            let before = car.tiers.counters.lateFills.value
            let box = car.begin(key)
            let at = Int64.random(in: 0...500_000, using: &random)
            car.scheduler.after(nanoseconds: at) { car.redis.execute("SET", key, "\(round)") }
            car.scheduler.run { box.value != nil }
            car.run(.milliseconds(2))
            if car.tiers.counters.lateFills.value > before { cancelled += 1 }
            let found = car.read(key).value.map { String(decoding: $0.bytes, as: UTF8.self) }
            guard found == "\(round)" else {
                Issue.record("round \(round): \(key) was read as \(found ?? "nil"); replay with HEARTH_SEED=\(seed)")
                return
            }
        }
        #expect(cancelled > 20, "the race was met \(cancelled) times")
    }
}
