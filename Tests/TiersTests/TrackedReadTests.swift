// What Redis is asked to remember: how reads are put, which of them are tracked, and from when on.

import Primitives
import RedisTier
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct TrackedReadTests {
    private func car(_ policies: [Policy] = [policy()]) throws -> Sidecar { try Sidecar(policies, tracks: true) }

    // MARK: One question for many keys

    @Test func `value and life travel as two commands where changes are told of, else as a transaction`() throws {
        let car = try car([policy(), policy("strong:") { $0.consistency = .strong }])
        car.redis.execute("SET", "k", "1")
        let before = car.redis.executedNames.count
        _ = car.read("k")
        #expect(car.redis.executedNames[before...] == ["GET", "PTTL"])
        let other = car.redis.executedNames.count
        _ = car.read("strong:k")
        #expect(car.redis.executedNames[other...].contains("EXEC"))
        car.redis.cutSubscribers()
        car.run(.milliseconds(1))
        let gap = car.redis.executedNames.count
        _ = car.read("k", strong: true)
        #expect(car.redis.executedNames[gap...].contains("EXEC"))
    }

    @Test func `a change between value and life leaves no copy that counts`() throws {
        let car = try car()
        car.redis.execute("SET", "k", "1")
        var isChanged = false
        car.redis.onPerformed = { words, _ in
            guard words == [bytes("GET"), bytes("k")], !isChanged else { return }
            isChanged = true
            car.redis.execute("SET", "k", "2", "PX", "100000")
        }
        #expect(car.read("k").value.map { $0.bytes } == bytes("1"))
        car.run(.milliseconds(5))
        #expect(isChanged)
        #expect(car.read("k").summary == "2 redis fresh")
        #expect(car.warm.copies[bytes("k")]?.value.expiresAt != .never)
    }

    @Test func `values are asked for by one command, which alone is tracked`() throws {
        let car = try car()
        for key in ["a", "b", "c"] { car.redis.execute("SET", key, key) }
        let before = car.redis.executedNames.count
        let boxes = ["a", "b", "none", "c"].map { car.begin($0) }
        car.scheduler.run { boxes.allSatisfy { $0.value != nil } }
        #expect(
            boxes.compactMap { $0.value?.summary }
                == ["a redis fresh", "b redis fresh", "(absent) redis absent", "c redis fresh"])
        #expect(car.redis.executedNames[before...] == ["MGET", "PTTL", "PTTL", "PTTL", "PTTL"])
        for key in ["a", "b", "none", "c"] { #expect(car.redis.isTracked(key)) }
        car.redis.execute("SET", "b", "2")
        car.run(.seconds(60))
        let summaries = ["a", "b", "c"].map { car.read($0).summary }
        #expect(summaries == ["a local fresh", "2 redis fresh", "c local fresh"])
    }

    @Test func `records stand behind the values, each tracked`() throws {
        let car = try car()
        car.redis.execute("SET", "a", "a")
        car.redis.execute("SET", "b", "b")
        for key in ["r", "s"] {
            #expect(car.state(key, key) == "version 1 redis")
            car.evict(key)
        }
        let before = car.redis.executedNames.count
        let boxes = [("r", HeldValue.Kind.record), ("a", .string), ("s", .record), ("b", .string), ("no", .record)].map
        {
            car.begin($0.0, form: $0.1)
        }
        car.scheduler.run { boxes.allSatisfy { $0.value != nil } }
        #expect(
            boxes.compactMap { $0.value?.summary }
                == [
                    "record 1 redis fresh", "a redis fresh", "record 1 redis fresh", "b redis fresh",
                    "(absent) redis absent",
                ])
        for (key, box) in zip(["r", "a", "s"], boxes) where key != "a" {
            guard case .record(let held)? = box.value?.content else { continue }
            #expect(held.record?.value == bytes(key))
        }
        let names = ["MGET", "HGETALL", "HGETALL", "HGETALL"] + Array(repeating: "PTTL", count: 5)
        #expect(car.redis.executedNames[before...] == names[...])
        for key in ["a", "b", "r", "s", "no"] { #expect(car.redis.isTracked(key)) }
    }

    @Test func `in a gap what is read is remembered, for when changes are told of again`() throws {
        let car = try car([policy { ($0.consistency, $0.refreshAhead) = (.eventual, nil) }])
        for key in ["a", "b"] { car.redis.execute("SET", key, key) }
        car.redis.losesInvalidations = true
        car.scheduler.run { car.tiers.tracker?.tellsOfChanges == false }
        let before = car.redis.executedNames.count
        let boxes = ["a", "b"].map { car.begin($0) }
        car.scheduler.run { boxes.allSatisfy { $0.value != nil } }
        let names = car.redis.executedNames[before...].filter {
            !["STRLEN", "SET", "DEL", "MULTI", "EXEC"].contains($0)
        }
        #expect(names == ["MGET", "PTTL", "PTTL"])
        #expect(car.redis.isTracked("a") && car.redis.isTracked("b"))
        car.redis.losesInvalidations = false
        car.run(.seconds(5))
        #expect(car.read("a").summary == "a local fresh")
        car.redis.execute("SET", "a", "2")
        car.run(.milliseconds(5))
        #expect(car.read("a").summary == "2 redis fresh")
    }

    @Test func `a Redis that lets nobody ask for tracking is told of once, and answers every read`() throws {
        let car = try car()
        for key in ["a", "b"] { car.redis.execute("SET", key, key) }
        car.redis.refusesCaching = true
        let boxes = ["a", "b"].map { car.begin($0) }
        car.scheduler.run { boxes.allSatisfy { $0.value != nil } }
        #expect(boxes.compactMap { $0.value?.summary } == ["a redis fresh", "b redis fresh"])
        #expect(!car.redis.isTracked("a"))
        car.run(.seconds(25))
        #expect(
            car.coherenceEvents.values.suffix(2) == [
                .gap("Redis refuses tracking"), .refused("NOPERM this user has no permissions to run 'client|caching'"),
            ])
        car.redis.execute("SET", "a", "2")
        car.run(.seconds(6))
        #expect(car.read("a").value.map { $0.bytes } == bytes("2"))
        car.redis.refusesCaching = false
        car.run(.seconds(15))
        #expect(car.coherenceEvents.values.last == .live)
    }

    @Test func `one key that ended in between is one key's answer`() throws {
        let car = try car()
        for key in ["a", "b"] { car.redis.execute("SET", key, key, "PX", "60000") }
        car.redis.expiresBetweenCommands = [bytes("b")]
        let before = car.count("EXEC")
        let boxes = ["a", "b"].map { car.begin($0) }
        car.scheduler.run { boxes.allSatisfy { $0.value != nil } }
        #expect(boxes.compactMap { $0.value?.summary } == ["a redis fresh", "(absent) redis absent"])
        #expect(car.count("EXEC") == before)
    }

    @Test func `one key of another type is one key's answer`() throws {
        let car = try car()
        car.redis.execute("SET", "a", "a")
        car.redis.execute("LPUSH", "l", "1")
        let boxes = ["a", "l"].map { car.begin($0) }
        car.scheduler.run { boxes.allSatisfy { $0.value != nil } }
        #expect(boxes.compactMap { $0.value?.summary } == ["a redis fresh", "(other type) redis fresh"])
    }

    @Test func `what came between a question about many and its life is asked for by itself`() throws {
        let car = try car()
        car.redis.execute("SET", "a", "a")
        car.redis.onPerformed = { words, _ in
            if words.first == bytes("MGET") { car.redis.execute("SET", "b", "b") }
        }
        let boxes = ["a", "b"].map { car.begin($0) }
        car.scheduler.run { boxes.allSatisfy { $0.value != nil } }
        #expect(boxes.compactMap { $0.value?.summary } == ["a redis fresh", "b redis fresh"])
    }

    @Test(arguments: [false, true])
    func `a Redis that can't answer fails reads of either kind`(_ isTracked: Bool) throws {
        let car = try car([policy { $0.tracking.mode = isTracked ? .keys : .off }])
        car.redis.execute("SET", "k", "1")
        _ = car.read("k", strong: true)
        car.redis.condition = .loading
        #expect(car.read("k", strong: true).content == .unavailable)
        #expect(car.read("other").content == .unknown)
        car.redis.condition = .healthy
        car.scheduler.run { !car.share.breaker.refusesReads }
        #expect(car.read("k", strong: true).summary == "1 redis fresh")
    }

    // MARK: From when on

    @Test func `Redis remembers what is held here, and nothing that is only passed on`() throws {
        let car = try car()
        let before = car.redis.trackedKeys
        _ = car.perform(.get("k"), .set("other", "1"), isTransaction: true)
        car.state("r", "1")
        car.state("r", "2")
        #expect(car.redis.trackedKeys == before)
        _ = car.read("other", strong: true)
        #expect(car.redis.trackedKeys == before + 1)
    }

    @Test func `what begins tracking is for no write that leaves behind it`() throws {
        let car = try car()
        car.set("k", "1")
        // One that has worked is made anew at once.
        car.run(.seconds(2))
        car.connections[0].giveUp("a test")
        let box = car.beginPerform([.set("k", "2"), .get("k")], isTransaction: true)
        car.scheduler.run { box.value != nil }
        #expect(box.value == [.ok, .string(bytes("2"))])
        #expect(!car.redis.isTracked("k"))
    }

    @Test func `what is asked as a connection begins is tracked`() throws {
        let car = try car([policy { ($0.consistency, $0.refreshAhead) = (.eventual, nil) }])
        for key in ["a", "b"] { car.redis.execute("SET", key, key) }
        car.run(.seconds(2))
        car.connections[0].giveUp("a test")
        let boxes = ["a", "b"].map { key in
            defer { car.tiers.flush() }
            return car.begin(key)
        }
        car.scheduler.run { boxes.allSatisfy { $0.value != nil } }
        #expect(boxes.compactMap { $0.value?.summary } == ["a redis fresh", "b redis fresh"])
        #expect(car.redis.isTracked("a") && car.redis.isTracked("b"))
    }

    @Test func `what waited to be tracked is asked without, where tracking has not begun`() throws {
        let car = try car()
        car.redis.execute("SET", "k", "1")
        car.run(.seconds(2))
        car.connections[0].giveUp("a test")
        let box = car.begin("k")
        car.tiers.flush()
        car.redis.cutSubscribers()
        car.scheduler.run { box.value != nil }
        #expect(box.value?.summary == "1 redis fresh")
        car.run(.seconds(2))
        #expect(!car.coherenceEvents.values.contains { if case .refused = $0 { true } else { false } })
        #expect(car.share.coherence.isLive)
    }

    @Test func `a copy that was written here hears of changes though uses move its end`() throws {
        let car = try car([
            policy { ($0.consistency, $0.ttl, $0.sliding, $0.refreshAhead) = (.eventual, .seconds(100), true, nil) }
        ])
        car.set("k", "1")
        for _ in 0..<15 {
            car.run(.seconds(1))
            #expect(car.read("k").value.map { $0.bytes } == bytes("1"))
        }
        #expect(car.redis.isTracked("k"))
        car.redis.execute("SET", "k", "2", "PX", "100000")
        car.run(.milliseconds(5))
        #expect(car.read("k").summary == "2 redis fresh")
    }

    @Test func `a refusal of tracking ahead of a transaction is seen`() throws {
        let car = try car()
        car.redis.execute("SET", "k", "1")
        car.redis.losesInvalidations = true
        car.scheduler.run { car.tiers.tracker?.tellsOfChanges == false }
        car.redis.refusesCaching = true
        #expect(car.read("k").summary == "1 redis fresh")
        #expect(car.tiers.tracker?.isTracking == false)
        #expect(!car.redis.isTracked("k"))
    }

    @Test func `a refused proof does not end the tracking of reads`() throws {
        let car = try car([policy { ($0.consistency, $0.refreshAhead) = (.eventual, nil) }])
        car.redis.refusedCommands = ["STRLEN"]
        car.run(.seconds(25))
        #expect(car.coherenceEvents.values.contains { if case .refused = $0 { true } else { false } })
        car.redis.execute("SET", "k", "1")
        #expect(car.read("k").summary == "1 redis fresh")
        car.redis.execute("SET", "k", "2")
        car.run(.milliseconds(5))
        #expect(car.read("k").summary == "2 redis fresh")
    }

    @Test func `a policy may broadcast what the proofs change as well`() throws {
        let car = try car([policy(), policy("hearth:") { $0.tracking.mode = .prefix }])
        #expect(car.share.coherence.isLive)
        car.redis.execute("SET", "hearth:k", "1")
        car.run(.milliseconds(5))
        _ = car.read("hearth:k")
        car.redis.execute("SET", "hearth:k", "2")
        car.run(.milliseconds(5))
        #expect(car.read("hearth:k").summary == "2 redis fresh")
    }
}
