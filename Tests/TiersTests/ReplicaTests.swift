// Writes that count only when replicas have them, over virtual time.

import Primitives
import RedisTier
import State
import TestSupport
import Testing
import Tiers

@Suite struct ReplicaTests {
    private static let policies: [Policy] = {
        var plain = Policy()
        plain.onOutage = .reject
        var one = plain
        one.prefix = bytes("one:")
        one.waitReplicas = 1
        var two = plain
        two.prefix = bytes("two:")
        two.waitReplicas = 2
        return [plain, one, two]
    }()

    private func sidecar(answer: Int64) throws -> Sidecar {
        let car = try Sidecar(Self.policies)
        car.redis.waitAnswer = .integer(answer)
        return car
    }

    private func text(_ replies: [Reply]) -> String {
        if case .error(let text)? = replies.first { String(decoding: text, as: UTF8.self) } else { "\(replies)" }
    }

    @Test func `a write counts when as many replicas have it as its policy wants`() throws {
        let car = try sidecar(answer: 1)
        #expect(car.set("one:k", "v") == .ok)
        #expect(car.count("WAIT") == 1)
        #expect(car.read("one:k").summary == "v local fresh")
        #expect(car.set("k", "v") == .ok)
        #expect(car.count("WAIT") == 1, "who wants no replica waits for none")
        let refused = text(car.perform(.set("two:k", "v")))
        #expect(refused.hasPrefix("UNAVAILABLE done, not replicated: Redis has it, and 1 of 2 replicas"), "\(refused)")
        #expect(car.inRedis("two:k") == "v")
    }

    @Test func `a copy of an under-replicated write is not fresh, and stays for an outage`() throws {
        let car = try sidecar(answer: 2)
        car.set("two:k", "old")
        #expect(car.read("two:k").summary == "old local fresh")
        car.redis.waitAnswer = .integer(0)
        _ = car.perform(.set("two:k", "new"))
        car.redis.execute("SET", "two:k", "theirs")
        #expect(car.read("two:k").summary == "theirs redis fresh")
    }

    @Test func `a transaction wants as many as the strictest of its writes, and reads want none`() throws {
        let car = try sidecar(answer: 1)
        let replies = car.perform(.set("one:a", "1"), .set("two:b", "2"), isTransaction: true)
        #expect(replies.count == 2 && replies.allSatisfy { text([$0]).contains("1 of 2 replicas") })
        #expect(car.perform(.get("two:b"), .set("one:a", "3"), isTransaction: true).last == .ok)
        #expect(car.perform(.mset(("one:a", "4"), ("k", "5")))[0] == .ok)
    }

    @Test func `what Redis refused waits for nobody`() throws {
        let car = try sidecar(answer: 0)
        car.redis.execute("LPUSH", "two:l", "x")
        #expect(text(car.perform(.incr("two:l"))).hasPrefix("WRONGTYPE"))
        #expect(car.count("WAIT") == 0)
    }

    @Test func `one question answers for all writes that were answered together`() throws {
        let car = try sidecar(answer: 2)
        let boxes = (0..<50).map { car.beginPerform([.set("two:\($0)", "v")]) }
        car.scheduler.run { boxes.allSatisfy { $0.value != nil } }
        #expect(boxes.allSatisfy { $0.value == [.ok] })
        #expect(car.count("WAIT") < 10, "\(car.count("WAIT"))")
    }

    @Test func `an error of WAIT, or its silence, is told as not knowing`() throws {
        let car = try sidecar(answer: 2)
        car.set("two:k", "v")
        car.redis.waitAnswer = .error("ERR WAIT cannot be used with replica instances.")
        let refused = text(car.perform(.set("two:k", "w")))
        #expect(refused.contains("it is unknown how many of 2 replicas have it"), "\(refused)")
        #expect(refused.contains("WAIT cannot be used with replica instances"), "\(refused)")
        car.redis.waitAnswer = .integer(2)
        #expect(car.set("two:k", "x") == .ok)
    }

    @Test func `a process that Redis became after the write answers for nothing`() throws {
        let car = try sidecar(answer: 2)
        // The connection that waits is made, and Redis is then another process for it alone.
        car.set("two:k", "v")
        let box = Sidecar.Box<[Reply]>()
        car.tiers.perform([.set("two:k", "w")], isTransaction: false) { box.values.append($0) }
        car.scheduler.run { car.inRedis("two:k") == "w" }
        car.redis.restartEmpty()
        car.scheduler.run { box.value != nil }
        #expect(text(box.value ?? []).hasPrefix("UNAVAILABLE"), "\(box.values)")
    }

    @Test func `a journaled write is settled only when replicas have it, and is done once`() throws {
        var policy = Policy()
        policy.waitReplicas = 1
        let car = try Sidecar([policy], journalOn: SimulatedFileSystem())
        car.redis.waitAnswer = .integer(0)
        car.openBreaker()
        #expect(car.perform(.incr("n"))[0] == .integer(1))
        #expect(car.set("k", "v") == .ok)
        car.share.breaker.force(.automatic, now: car.now)
        car.scheduler.run { car.inRedis("n") == "1" && car.inRedis("k") == "v" }
        car.run(.seconds(5))
        #expect(car.journal?.pending.entryCount == 2, "they were settled without a replica")
        #expect(car.read("n").source == .journal)
        car.redis.waitAnswer = .integer(1)
        car.scheduler.run { car.journal?.pending.entryCount == 0 }
        #expect(car.inRedis("n") == "1", "it was done again")
    }
}
