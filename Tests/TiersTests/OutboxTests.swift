// Messages that are committed with writes of records: none without its write, and none lost, wherever something ends.

import LocalTier
import Primitives
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct OutboxTests {
    private let disk = SimulatedFileSystem(seed: 1)

    private func sidecar(_ policies: [Policy] = [], after: Sidecar? = nil) throws -> Sidecar {
        try Sidecar(policies, journalOn: disk, after: after)
    }

    // MARK: With its write

    @Test func `a message goes to its stream with its write, in one round trip, and has the write's id`() throws {
        let car = try sidecar()
        car.state("k", "a")
        let before = car.redis.executedNames.count
        let write = RecordWrite(.set(value: bytes("b"), schema: nil, .keep), emitting: "hello", to: "s", car)
        #expect(car.record("k", write) == "version 2 redis")
        #expect(car.redis.executedNames[before...] == ["EVALSHA"])
        #expect(car.redis.messages(in: "s") == ["\(write.id.text) k 2 hello"])
        #expect(car.share.outbox.delivered.value == 1)
    }

    @Test func `every write that changes a record may bring a message, and none that changes nothing`() throws {
        let car = try sidecar()
        let actions: [RecordAction] = [
            .set(value: bytes("v"), schema: nil, .keep), .addTurns([bytes("t")], keep: nil),
            .foldTurns(upTo: 1, summary: bytes("s")), .putCheckpoint(step: 1, bytes("c"), keep: nil), .delete,
            // Refused, or nothing to do.
            .foldTurns(upTo: 9, summary: []), .delete,
        ]
        for action in actions { car.record("k", RecordWrite(action, emitting: action.command, to: "s", car)) }
        car.emit("k", "refused", .version(77))
        car.emit("k", "fenced", fence: 5)
        car.emit("k", "refused", fence: 4)
        #expect(
            car.redis.messages(in: "s").map { $0.split(separator: " ").dropFirst(2).joined(separator: " ") } == [
                "1 STATE.SET", "2 TURNS.ADD", "3 TURNS.FOLD", "4 CHECKPOINT.PUT", "5 STATE.DEL", "6 fenced",
            ])
    }

    @Test func `a write that is applied anew sends its message once`() throws {
        let car = try sidecar()
        let other = try Sidecar(after: car)
        car.emit("k", "one")
        other.emit("k", "two")
        #expect(car.emit("k", "three") == "version 3 redis")
        #expect(car.payloads(in: "s") == ["one", "two", "three"])
    }

    @Test func `a stream is trimmed where its policy says so`() throws {
        let car = try sidecar([policy { $0.outbox.maxLength = 2 }])
        for payload in ["one", "two", "three"] { car.emit("k", payload) }
        #expect(car.payloads(in: "s") == ["two", "three"])
    }

    @Test func `without Redis there is no stream, and nothing is written`() throws {
        let car = try Sidecar(hasRedis: false)
        #expect(
            car.emit("k", "hello")
                == "UNAVAILABLE not done: EMIT gives a message to a stream in Redis, and no Redis is configured "
                + "(redis.url: off): write without EMIT, or give the key a Redis")
        #expect(car.readRecord("k").content == .absent)
        let other = try Sidecar([policy { $0.tiers = [.local, .warm] }])
        #expect(other.emit("k", "hello").contains("the policy of the key has no redis among its tiers: write without"))
    }

    // MARK: A stream that takes nothing

    @Test func `what its stream refuses waits in Redis, and another sidecar delivers it when this one never returns`()
        throws
    {
        let car = try sidecar()
        car.redis.execute("SET", "s", "no stream")
        for payload in ["one", "two"] { #expect(car.emit("k", payload).hasSuffix("redis")) }
        #expect(car.share.outbox.delayed.value == 2)
        car.crash()
        let other = try Sidecar(after: car)
        other.deliverMessages()
        other.scheduler.run { !other.outboxEvents.values.isEmpty }
        guard case .stuck(let stream, let reason, let count)? = other.outboxEvents.values.first else {
            Issue.record("the outbox says \(other.outboxEvents.values)")
            return
        }
        #expect((stream, count) == (bytes("s"), 2))
        #expect(reason.hasPrefix("WRONGTYPE"))
        #expect(other.share.outbox.waiting.messages == 2)
        #expect(other.share.outbox.waiting.streams == 1)
        other.redis.execute("DEL", "s")
        // Behind those that wait, so that their order stays.
        other.emit("k", "three")
        #expect(other.payloads(in: "s") == [])
        other.scheduler.run { other.payloads(in: "s").count == 3 }
        #expect(other.payloads(in: "s") == ["one", "two", "three"])
        other.scheduler.run { other.share.outbox.waiting.streams == 0 }
        other.emit("k", "four")
        #expect(other.payloads(in: "s") == ["one", "two", "three", "four"])
        #expect(other.redis.execute("EXISTS", "hearth:outbox", "hearth:outbox:s") == .integer(0))
    }

    @Test func `a message that waits outlives its record`() throws {
        let car = try sidecar()
        car.redis.forbiddenStreams = [bytes("s")]
        car.emit("deleted", "of a deleted one")
        car.emit("replaced", "of a replaced one")
        car.record(
            "expired",
            RecordWrite(
                .set(value: [], schema: nil, .end(afterMilliseconds: 100)), emitting: "of an expired one", to: "s", car)
        )
        car.record("deleted", .delete)
        car.set("replaced", "by a plain value")
        car.run(.seconds(1))
        car.redis.forbiddenStreams = []
        car.deliverMessages()
        car.scheduler.run { car.payloads(in: "s").count == 3 }
        #expect(car.payloads(in: "s") == ["of a deleted one", "of a replaced one", "of an expired one"])
    }

    @Test func `one stream that takes nothing holds up no other`() throws {
        let car = try sidecar()
        car.redis.forbiddenStreams = [bytes("s"), bytes("t")]
        for number in 1...40 { car.emit("k", "\(number)") }
        for number in 1...40 { car.emit("k", "\(number)", to: "t") }
        car.redis.forbiddenStreams = [bytes("s")]
        car.emit("k", "at once", to: "u")
        #expect(car.payloads(in: "u") == ["at once"])
        car.deliverMessages()
        car.scheduler.run { car.payloads(in: "t").count == 40 }
        #expect(car.payloads(in: "t") == (1...40).map(String.init))
        #expect(car.payloads(in: "s") == [])
        // Not tried again and again.
        let tries = car.share.outbox.refused.value
        car.run(.seconds(20))
        #expect((1...20).contains(car.share.outbox.refused.value - tries))
    }

    @Test func `no more wait than may, and what would be one more is not written`() throws {
        let car = try sidecar()
        car.redis.forbiddenStreams = [bytes("s")]
        car.redis.plantWaiting(OutboxScript.messagesMax - 1, for: "s")
        #expect(car.emit("k", "one") == "version 1 redis")
        let version = car.recordInRedis("k")?.version
        #expect(car.emit("k", "more").hasPrefix("TOOBIG \(OutboxScript.messagesMax) messages wait for the stream"))
        #expect(car.recordInRedis("k")?.version == version)
        // What was accepted in an outage is not refused when it is over.
        car.openBreaker()
        #expect(car.emit("k", "journaled").hasSuffix("journal"))
        car.recover()
        guard case .integer(let waiting) = car.redis.execute("XLEN", "hearth:outbox:s") else { return }
        #expect(waiting == OutboxScript.messagesMax + 1)
        for number in 0..<OutboxScript.streamsMax { car.redis.plantWaiting(1, for: "t\(number)") }
        #expect(car.emit("k", "more", to: "u").hasPrefix("TOOBIG messages wait for streams"))
    }

    // MARK: In an outage

    @Test func `in an outage a message waits with its write, and none of a conflict is sent`() throws {
        let car = try sidecar()
        let other = try Sidecar(after: car)
        for key in ["k", "l"] { car.state(key, "a") }
        car.openBreaker()
        #expect(car.emit("k", "settled", .version(1)) == "version 2 journal")
        #expect(car.emit("l", "of a conflict", .version(1)) == "version 2 journal")
        #expect(car.emit("k", "refused", .version(1)).hasPrefix("CONFLICT"))
        other.state("l", "theirs")
        #expect(car.payloads(in: "s") == [])
        #expect(car.journal?.pending.messageCount == 2)
        car.recover()
        #expect(car.payloads(in: "s") == ["settled"])
        #expect(car.journal?.pending.messageCount == 0)
        #expect(car.journal?.keeper.conflicts.map(\.conflict.operation) == ["STATE.SET EMIT"])
    }

    @Test func `a write whose answer is lost sends its message once`() throws {
        let car = try sidecar()
        car.emit("k", "one")
        for mishap in [SimulatedRedis.Mishap.loseReply, .cutBefore] {
            car.redis.mishaps = [mishap]
            let reply = car.emit("k", "\(mishap)")
            #expect(reply.hasSuffix("journal"), "\(reply)")
            car.recover()
        }
        #expect(car.payloads(in: "s") == ["one", "loseReply", "cutBefore"])
    }

    /// A write that was done and is no longer known as such is done again: its reader knows the message by its id.
    @Test func `a message that is sent twice has the same id`() throws {
        let car = try sidecar()
        let other = try Sidecar(after: car)
        car.turns("k", "one")
        car.redis.mishaps = [.loseReply]
        let write = RecordWrite(.addTurns([bytes("two")], keep: nil), emitting: "two", to: "s", car)
        car.share.breaker.force(.forcedClosed, now: car.now)
        let box = car.beginPerform([.words(.write(.record(write), key: bytes("k")), "TURNS.ADD")])
        car.scheduler.run { !car.redis.messages(in: "s").isEmpty }
        car.openBreaker()
        for number in 0..<20 { other.turns("k", "\(number)") }
        car.scheduler.run { box.value != nil }
        car.recover()
        #expect(car.payloads(in: "s") == ["two", "two"])
        #expect(Set(car.redis.messages(in: "s").map { $0.prefix(16) }) == [write.id.text.prefix(16)])
    }

    // MARK: Crashes

    /// The steps of a simulation are its events: a sidecar is crashed after each of them in turn.
    @Test(arguments: ["with Redis", "in an outage", "while its stream takes nothing"])
    func `a crash at every step leaves a message for each write, and none without`(situation: String) throws {
        var steps = 0
        var isComplete = false
        while !isComplete {
            let disk = SimulatedFileSystem(seed: UInt64(steps) &+ SeededGenerator.seed())
            var car = try Sidecar(journalOn: disk)
            car.state("k", "begun")
            if situation == "while its stream takes nothing" { car.redis.forbiddenStreams = [bytes("s")] }
            car.deliverMessages()
            if situation == "in an outage" { car.openBreaker() }
            let write = RecordWrite(.addTurns([bytes("turn")], keep: nil), emitting: "hello", to: "s", car)
            let box = car.beginPerform([.words(.write(.record(write), key: bytes("k")), "TURNS.ADD", "k")])
            let start = car.scheduler.eventsRun
            car.scheduler.run(atMost: .seconds(20)) {
                if box.value != nil, situation == "in an outage", car.share.breaker.mode == .forcedOpen {
                    car.share.breaker.force(.automatic, now: car.now)
                }
                if box.value != nil { car.redis.forbiddenStreams = [] }
                return car.scheduler.eventsRun - start == steps
            }
            isComplete = car.payloads(in: "s").count == 1 && box.value != nil && car.journal?.pending.isEmpty ?? false
            let wasAcknowledged = box.value.map { !$0[0].isError } ?? false
            car.crash()
            disk.endProcess()
            car.redis.forbiddenStreams = []
            car = try Sidecar(journalOn: disk, after: car)
            car.deliverMessages()
            car.recover()
            car.run(.seconds(10))
            let turns = car.recordInRedis("k")?.turns?.items.count ?? 0
            #expect(car.payloads(in: "s").count == turns, "step \(steps)")
            #expect(turns <= 1, "step \(steps)")
            if wasAcknowledged { #expect(turns == 1, "step \(steps)") }
            steps += 1
            if steps > 2000 {
                Issue.record("the write is not over after 2,000 steps")
                break
            }
        }
        #expect(steps > 2)
    }

    @Test func `random writes, outages, lost answers and crashes leave a message for each version`() throws {
        let first = SeededGenerator.seed()
        for seed in first..<first + 8 {
            var random = SeededGenerator(seed: seed)
            let disk = SimulatedFileSystem(seed: seed)
            var car = try Sidecar(seed: seed, journalOn: disk)
            car.deliverMessages()
            var refused: Set<String> = []
            var accepted: [String: String] = [:]
            for step in 0..<80 {
                switch Int.random(in: 0..<14, using: &random) {
                case 0: car.openBreaker()
                case 1: car.recover()
                case 2: car.redis.mishaps = [.loseReply]
                case 3: car.redis.mishaps = [.cutBefore]
                case 4: car.redis.forbiddenStreams = [bytes("s")]
                case 5: car.redis.forbiddenStreams = []
                case 6:
                    car.crash()
                    disk.endProcess()
                    car = try Sidecar(seed: seed &+ UInt64(step), journalOn: disk, after: car)
                    car.deliverMessages()
                default: break
                }
                let expectation: RecordWrite.Expectation =
                    random.oneIn(4) ? .version(Int64.random(in: 1...Int64(step + 1), using: &random)) : .any
                let write = RecordWrite(
                    .addTurns([bytes("\(step)")], keep: 1000), emitting: "\(step)", to: "s", car, expectation)
                let reply = car.record("k", write)
                if reply.hasPrefix("turn") { accepted["\(step)"] = reply } else { refused.insert("\(step)") }
            }
            car.redis.forbiddenStreams = []
            car.redis.mishaps = []
            car.recover()
            car.scheduler.run(atMost: .seconds(200)) { car.redis.execute("EXISTS", "hearth:outbox") == .integer(0) }
            let turns = car.recordInRedis("k")?.turns?.items.map { String(decoding: $0.bytes, as: UTF8.self) } ?? []
            let sent = car.payloads(in: "s")
            #expect(sent == turns, "HEARTH_SEED=\(seed)")
            let conflicts = car.journal?.keeper.conflicts.count ?? 0
            let missing = Set(accepted.keys).subtracting(turns)
            #expect(missing.count <= conflicts, "HEARTH_SEED=\(seed): \(missing) of \(conflicts) conflicts")
        }
    }
}

extension RecordWrite {
    /// A write with a message.
    init(
        _ action: RecordAction, emitting payload: String, to stream: String, _ car: Sidecar,
        _ expectation: Expectation = .any
    ) {
        self.init(id: car.tiers.makeOperationID(), action, expectation)
        emission = Emission(stream: bytes(stream), payload: bytes(payload))
    }
}

extension Sidecar {
    /// A STATE.SET with a message, whose payload is the value as well.
    @discardableResult
    fileprivate func emit(
        _ key: String, _ payload: String, _ expectation: RecordWrite.Expectation = .any, to stream: String = "s",
        fence: Int64? = nil
    ) -> String {
        var write = RecordWrite(
            .set(value: bytes(payload), schema: nil, .keep), emitting: payload, to: stream, self, expectation)
        write.fence = fence
        return record(key, write)
    }

    fileprivate func payloads(in stream: String) -> [String] {
        redis.messages(in: stream).map { $0.split(separator: " ", maxSplits: 3).last.map(String.init) ?? "" }
    }
}
