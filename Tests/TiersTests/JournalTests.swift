// Writes without Redis: what is accepted, what reads are answered with meanwhile, and what Redis has afterwards.

import LocalTier
import Primitives
import RedisTier
import Resilience
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct JournalTests {
    private let disk = SimulatedFileSystem(seed: 1)

    private func sidecar(_ policies: [Policy] = [], workers: Int = 1, after: Sidecar? = nil) throws -> Sidecar {
        try Sidecar(policies, workers: workers, journalOn: disk, after: after)
    }

    private func text(_ reply: Reply) -> String {
        switch reply {
        case .error(let text): String(decoding: text, as: UTF8.self)
        default: "\(reply)"
        }
    }

    private func conflicts(_ car: Sidecar) -> [Conflict] { car.journal?.keeper.conflicts.map(\.conflict) ?? [] }

    @Test func `a replay that finds no room in its pipeline comes again later, and does not go round`() throws {
        var redis = RedisConfiguration()
        redis.pipelineMax = 4
        let car = try Sidecar(redis: redis, journalOn: disk)
        car.openBreaker()
        for number in 0..<200 { car.set("k\(number)", "v\(number)") }
        #expect(car.journal?.pending.entryCount == 200)
        car.recover()
        for number in 0..<200 { #expect(car.inRedis("k\(number)") == "v\(number)") }
    }

    // MARK: What is accepted

    @Test func `a SET in an outage is accepted, read back, and reaches Redis`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "k", "old")
        _ = car.read("k")
        car.openBreaker()
        #expect(car.set("k", "new") == .ok)
        #expect(car.read("k").summary == "new journal stale")
        #expect(car.inRedis("k") == "old")
        car.recover()
        #expect(car.inRedis("k") == "new")
        #expect(conflicts(car).isEmpty)
        #expect(car.read("k").value.map { $0.bytes } == bytes("new"))
    }

    @Test func `a key keeps its value when memory and disk have let it go`() throws {
        let car = try sidecar()
        car.openBreaker()
        car.set("k", "v")
        car.evict("k")
        car.warm.change(bytes("k"), .remove)
        #expect(car.read("k").summary == "v journal stale")
    }

    @Test func `a deletion stays one though the disk could not be asked what the key held`() throws {
        let car = try sidecar()
        car.set("k", "v")
        car.openBreaker()
        car.evict("k")
        car.warm.failsReads = true
        _ = car.perform(.del("k"))
        car.warm.failsReads = false
        #expect(car.read("k").summary == "(absent) journal absent")
        #expect(car.warm.copies[bytes("k")] == nil)
        car.recover()
        #expect(car.inRedis("k") == nil)
    }

    @Test func `INCR and APPEND that were never sent are done once, on what Redis has by then`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "n", "10")
        car.redis.execute("SET", "s", "a")
        _ = (car.read("n"), car.read("s"))
        car.openBreaker()
        #expect(car.perform(.incr("n")) == [.integer(11)])
        #expect(car.perform(.incr("n")) == [.integer(12)])
        #expect(car.perform(.append("s", "b")) == [.integer(2)])
        car.redis.execute("INCRBY", "n", "100")
        car.recover()
        #expect(car.inRedis("n") == "112")
        #expect(car.inRedis("s") == "ab")
        #expect(conflicts(car).isEmpty)
        // What was reckoned here is not what Redis has.
        #expect(car.read("n").value.map { $0.bytes } == bytes("112"))
    }

    @Test func `an INCR that was sent and not answered is refused, a SET is kept`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "n", "1")
        car.redis.isHung = true
        let reply = car.perform(.incr("n"))[0]
        #expect(text(reply).hasPrefix("UNAVAILABLE outcome unknown: "), "\(text(reply))")
        #expect(car.set("k", "v") == .ok)
        car.redis.isHung = false
        car.recover()
        #expect(car.inRedis("k") == "v")
        #expect(["1", "2"].contains(car.inRedis("n")))
    }

    /// Redis has answered -OOM and is asked once more; what it has then is older than what came to wait meanwhile.
    @Test func `a question that is asked again does not bring back what a waiting write has replaced`() throws {
        let car = try sidecar(workers: 2)
        car.set("k", "1")
        car.run(.seconds(6))
        car.journal?.latency = .microseconds(20)
        car.redis.condition = .outOfMemory
        let write = car.beginPerform([.set("k", "2")])
        car.run(.microseconds(50))
        let reading = car.begin("k", worker: 1)
        car.run(.milliseconds(20))
        #expect(write.value == [.ok])
        #expect(reading.value?.summary == "2 journal stale")
        #expect(car.held("k")?.value == "2")
        car.redis.condition = .healthy
        car.recover()
        for worker in 0..<2 { #expect(car.read("k", worker: worker).value?.bytes == bytes("2")) }
    }

    @Test func `conditional writes are refused, and say which option would judge by what is held`() throws {
        let car = try sidecar()
        car.openBreaker()
        for command in [NativeCommand.setnx("k", "v"), .getset("k", "v"), .mset(("a", "1"), onlyIfNone: true)] {
            let reply = text(car.perform(command)[0])
            #expect(
                reply.hasPrefix("UNAVAILABLE not sent") && reply.contains("conditional_on_outage: held"), "\(reply)")
        }
    }

    @Test func `conditional_on_outage held judges by what is held`() throws {
        let car = try sidecar([policy { $0.conditionalOnOutage = .held }])
        car.redis.execute("SET", "k", "old")
        _ = car.read("k")
        car.openBreaker()
        #expect(car.perform(.setnx("k", "new")) == [.integer(0)])
        #expect(car.perform(.setnx("free", "mine")) == [.integer(1)])
        #expect(car.perform(.setnx("free", "other")) == [.integer(0)])
        #expect(car.perform(.getset("k", "next")) == [.string(bytes("old"))])
        car.recover()
        #expect(car.inRedis("k") == "next")
        #expect(car.inRedis("free") == "mine")
    }

    @Test func `on_outage reject and strong policies take nothing`() throws {
        let car = try sidecar([
            policy(), policy("r:") { $0.onOutage = .reject }, policy("s:") { $0.consistency = .strong },
        ])
        car.openBreaker()
        #expect(text(car.set("r:k", "v")).contains("on_outage: reject"))
        #expect(text(car.set("s:k", "v")).contains("the policy is strong"))
        #expect(car.set("k", "v") == .ok)
        #expect(text(car.perform(.mset(("k", "1"), ("r:k", "2")))[0]).contains("on_outage: reject"))
        #expect(car.read("k").summary == "v journal stale")
    }

    @Test func `a transaction is one entry`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "n", "5")
        _ = car.read("n")
        car.openBreaker()
        let replies = car.perform(.set("a", "1"), .incr("n"), .get("a"), .del("b"), isTransaction: true)
        #expect(replies == [.ok, .integer(6), .string(bytes("1")), .integer(0)])
        #expect(car.journal?.pending.entryCount == 1)
        car.recover()
        #expect(car.inRedis("a") == "1")
        #expect(car.inRedis("n") == "6")
    }

    @Test func `a command of a transaction that fails by itself does not take the others with it`() throws {
        let car = try sidecar()
        car.openBreaker()
        car.set("t", "text")
        let replies = car.perform(.set("a", "1"), .incr("t"), isTransaction: true)
        #expect(replies == [.ok, .error("ERR value is not an integer or out of range")])
        car.recover()
        #expect(car.inRedis("a") == "1")
        #expect(car.inRedis("t") == "text")
    }

    @Test func `a life given in an outage counts from then`() throws {
        let car = try sidecar([policy(), policy("t:") { $0.ttl = .seconds(60) }])
        car.openBreaker()
        _ = car.perform(.set("k", "v", milliseconds: 10_000, now: car.scheduler.now))
        car.set("t:k", "v")
        car.run(.seconds(4))
        car.recover()
        #expect((1...6_000).contains(car.lifeInRedis("k")))
        #expect((1...56_000).contains(car.lifeInRedis("t:k")))
    }

    @Test func `a SET whose life ended in the outage takes away what it would have replaced, and nothing else`() throws
    {
        let car = try sidecar()
        car.redis.execute("SET", "k", "old")
        car.redis.execute("SET", "other", "old")
        _ = (car.read("k"), car.read("other"))
        car.openBreaker()
        _ = car.perform(.set("k", "v", milliseconds: 500, now: car.scheduler.now))
        _ = car.perform(.set("other", "v", milliseconds: 500, now: car.scheduler.now))
        car.redis.execute("SET", "other", "theirs")
        car.run(.seconds(1))
        #expect(car.read("k").value != nil, "served past its expiry while Redis can't be asked")
        car.recover()
        #expect(car.inRedis("k") == nil)
        #expect(conflicts(car).map(\.theirs) == [bytes("theirs")])
    }

    // MARK: Order

    @Test func `while writes of a key wait, new ones go behind them though Redis is there`() throws {
        let car = try sidecar()
        car.openBreaker()
        car.set("k", "1")
        _ = car.perform(.append("k", "2"))
        car.share.breaker.force(.forcedClosed, now: car.now)
        #expect(car.perform(.append("k", "3")) == [.integer(3)])
        car.recover()
        #expect(car.inRedis("k") == "123")
    }

    @Test func `a later SET makes the earlier writes of its key needless`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "k", "0")
        _ = car.read("k")
        car.openBreaker()
        for index in 0..<100 { car.set("k", "\(index)") }
        _ = car.perform(.append("k", "!"))
        #expect(car.journal?.pending.entryCount == 2)
        car.recover()
        #expect(car.inRedis("k") == "99!")
        #expect(conflicts(car).isEmpty)
    }

    @Test func `an entry over several keys waits for all of them, and they for it`() throws {
        let car = try sidecar()
        car.openBreaker()
        _ = car.perform(.append("a", "1"))
        _ = car.perform(.append("b", "1"))
        _ = car.perform(.append("a", "2"), .append("b", "2"), isTransaction: true)
        _ = car.perform(.append("a", "3"))
        car.recover()
        #expect(car.inRedis("a") == "123")
        #expect(car.inRedis("b") == "12")
    }

    @Test func `a command that needs Redis's own answer waits for what is before it`() throws {
        let car = try sidecar()
        car.openBreaker()
        car.set("k", "1")
        car.share.breaker.force(.forcedClosed, now: car.now)
        let setnx = car.beginPerform([.setnx("k", "2")])
        car.recover()
        #expect(setnx.value == [.integer(0)])
        #expect(car.inRedis("k") == "1")
    }

    // MARK: Conflicts

    private func conflicted(_ change: @escaping (inout Policy) -> Void, known: Bool = true) throws -> Sidecar {
        let car = try sidecar([policy("", change)])
        car.redis.execute("SET", "k", "base")
        if known { _ = car.read("k") }
        car.openBreaker()
        #expect(car.set("k", "ours") == .ok)
        car.redis.execute("SET", "k", "theirs")
        car.recover()
        return car
    }

    @Test func `a conflict is overwritten where the policy says so, and both sides are kept`() throws {
        let car = try conflicted { $0.onConflict = .overwrite }
        #expect(car.inRedis("k") == "ours")
        let found = try #require(conflicts(car).first)
        #expect(found.verdict == .overwrote && found.ours == bytes("ours") && found.theirs == bytes("theirs"))
        #expect(car.share.journalCounters.overwrote.value == 1)
    }

    @Test func `a conflict is kept where the policy says so, and reads find theirs`() throws {
        let car = try conflicted { $0.onConflict = .keep }
        #expect(car.inRedis("k") == "theirs")
        #expect(conflicts(car).first?.verdict == .kept)
        #expect(car.read("k").value.map { $0.bytes } == bytes("theirs"))
    }

    @Test func `of a conflict for which there is no room its beginnings are kept`() throws {
        let car = try Sidecar([policy { $0.onConflict = .overwrite }], journalOn: disk, journalBytes: 1 << 20)
        car.redis.execute("SET", "k", "old")
        _ = car.read("k")
        car.openBreaker()
        car.set("k", "ours")
        car.redis.execute("SET", "k", String(repeating: "t", count: 1 << 20))
        car.recover()
        #expect(car.inRedis("k") == "ours")
        let found = try #require(conflicts(car).first)
        #expect(found.verdict == .overwrote && found.ours == bytes("ours"))
        #expect(found.theirs == [UInt8](repeating: UInt8(ascii: "t"), count: 256))
    }

    @Test func `a write whose base is unknown does not erase a value`() throws {
        let car = try conflicted({ $0.onConflict = .overwrite }, known: false)
        #expect(car.inRedis("k") == "theirs")
        #expect(conflicts(car).first?.verdict == .kept)
    }

    @Test func `a write whose base is unknown is done where nothing is`() throws {
        let car = try sidecar()
        car.openBreaker()
        car.set("k", "ours")
        car.recover()
        #expect(car.inRedis("k") == "ours")
        #expect(conflicts(car).isEmpty)
    }

    @Test func `a deletion of a key that nobody here knows is done`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "k", "v")
        car.openBreaker()
        #expect(car.perform(.del("k")) == [.integer(0)])
        car.recover()
        #expect(car.inRedis("k") == nil)
    }

    @Test func `a Redis that comes back empty has lost the key, nobody deleted it`() throws {
        let car = try sidecar([policy { $0.onConflict = .keep }])
        car.redis.execute("SET", "k", "base")
        car.set("other", "x")
        _ = car.read("k")
        car.openBreaker()
        car.set("k", "ours")
        car.redis.restartEmpty()
        car.recover()
        #expect(car.inRedis("k") == "ours")
        #expect(conflicts(car).isEmpty)
    }

    @Test func `a key that somebody deleted meanwhile is a conflict`() throws {
        let car = try sidecar([policy { $0.onConflict = .keep }])
        car.set("k", "base")
        car.openBreaker()
        car.set("k", "ours")
        car.redis.execute("DEL", "k")
        car.recover()
        #expect(car.inRedis("k") == nil)
        #expect(conflicts(car).map(\.theirType) == ["none"])
    }

    @Test func `an operation that Redis refuses is kept as a conflict`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "n", "1")
        _ = car.read("n")
        car.openBreaker()
        _ = car.perform(.incr("n"))
        car.redis.execute("SET", "n", "text")
        car.recover()
        #expect(car.inRedis("n") == "text")
        #expect(conflicts(car).map(\.verdict) == [.failed])
        #expect(conflicts(car).first?.theirType == "ERR value is not an integer or out of range")
    }

    @Test func `a deletion before a SET is done, known or not`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "k", "old")
        car.redis.execute("SET", "t", "old")
        car.openBreaker()
        _ = car.perform(.del("k"))
        car.set("k", "new")
        _ = car.perform(.del("t"), .set("t", "new"), isTransaction: true)
        car.recover()
        #expect(car.inRedis("k") == "new")
        #expect(car.inRedis("t") == "new")
        #expect(conflicts(car).isEmpty, "\(conflicts(car))")
    }

    @Test func `of an entry that was kept every key is told`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "a", "theirs")
        car.openBreaker()
        _ = car.perform(.mset(("a", "1"), ("b", "2")))
        car.recover()
        #expect(car.inRedis("a") == "theirs")
        #expect(car.inRedis("b") == nil)
        #expect(conflicts(car).map { String(decoding: $0.key, as: UTF8.self) }.sorted() == ["a", "b"])
        #expect(conflicts(car).compactMap(\.ours).count == 2)
        #expect(car.share.journalCounters.replayed.value == 0)
    }

    @Test func `a conflict whose answer was lost is found all the same`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "k", "theirs")
        car.openBreaker()
        car.set("k", "ours")
        car.redis.mishaps = [.loseReply]
        car.recover()
        #expect(car.redis.mishaps.isEmpty)
        #expect(conflicts(car).map(\.verdict) == [.kept])
        #expect(conflicts(car).first?.theirs == bytes("theirs"))
    }

    @Test func `a conflict that the disk refused to note is noted when it takes writes again`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "k", "theirs")
        car.openBreaker()
        car.set("k", "ours")
        disk.faults.failingOperation = .write
        disk.faults.failingCall = 1
        disk.faults.isPersistent = true
        car.share.breaker.force(.automatic, now: car.now)
        car.run(.seconds(3))
        #expect(conflicts(car).isEmpty)
        disk.faults = SimulatedFaults()
        car.run(.seconds(1))
        car.openBreaker()
        car.set("other", "v")
        car.run(.seconds(1))
        car.set("other", "w")
        car.recover()
        #expect(conflicts(car).map(\.theirs) == [bytes("theirs")])
    }

    @Test func `a late answer settles its entry, and nothing after it is undone`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "k", "0")
        car.redis.isHung = true
        let set = car.beginPerform([.set("k", "100")])
        car.run(.milliseconds(60))
        let incr = car.beginPerform([.incr("k")])
        car.run(.milliseconds(60))
        #expect(set.value == [.ok])
        car.redis.isHung = false
        car.scheduler.run { incr.value != nil }
        #expect(incr.value == [.integer(101)])
        car.recover()
        #expect(car.inRedis("k") == "101")
        #expect(conflicts(car).isEmpty)
    }

    @Test func `a write of ours of unknown outcome is nobody else's`() throws {
        let car = try sidecar([policy { $0.onConflict = .keep }])
        car.redis.execute("SET", "n", "5")
        _ = car.read("n")
        car.redis.isHung = true
        _ = car.perform(.incr("n"))
        car.openBreaker()
        car.redis.isHung = false
        car.run(.seconds(1))
        #expect(car.inRedis("n") == "6")
        car.set("n", "0")
        car.recover()
        #expect(car.inRedis("n") == "0")
    }

    @Test func `reads in a transaction follow their policies`() throws {
        let car = try sidecar([
            policy { $0.staleIfError = .seconds(60) },
            policy("d:") { $0.defaultContext = DefaultContext(template: "hello") },
            policy("s:") { $0.strict = true },
        ])
        _ = car.perform(.set("k", "v", milliseconds: 500, now: car.scheduler.now))
        car.openBreaker()
        car.run(.seconds(1))
        #expect(
            car.perform(.get("k"), .get("d:x"), isTransaction: true) == [.string(bytes("v")), .string(bytes("hello"))])
        #expect(
            text(car.perform(.get("s:k"), .set("s:k", "v"), isTransaction: true)[0]).contains("the policy is strict"))
    }

    // MARK: Redis's moods at replay

    @Test func `a replay whose answer is lost does nothing twice`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "n", "0")
        _ = car.read("n")
        car.openBreaker()
        for _ in 0..<10 { _ = car.perform(.incr("n")) }
        car.redis.mishaps = [.loseReply]
        car.recover()
        #expect(car.inRedis("n") == "10")
        #expect(car.redis.mishaps.isEmpty)
    }

    @Test func `a Redis that takes no writes keeps the entries waiting`() throws {
        let car = try sidecar()
        car.openBreaker()
        car.set("k", "v")
        car.redis.condition = .readonly
        car.share.breaker.force(.automatic, now: car.now)
        car.run(.seconds(3))
        #expect(car.journal?.pending.entryCount == 1)
        car.redis.condition = .healthy
        car.recover()
        #expect(car.inRedis("k") == "v")
    }

    @Test func `markers do not stay in Redis`() throws {
        let car = try sidecar()
        car.openBreaker()
        for index in 0..<20 { car.set("k\(index)", "v") }
        car.recover()
        car.run(.seconds(1))
        #expect(car.redis.entries.keys.filter { $0.starts(with: "hearth:op:".utf8) }.isEmpty)
    }

    // MARK: The journal's own troubles

    @Test func `a full journal refuses clearly, and takes again after the replay`() throws {
        let car = try Sidecar([], journalOn: disk, journalBytes: 1 << 20)
        car.openBreaker()
        let value = String(repeating: "x", count: 50_000)
        var refused: String?
        for index in 0..<40 where refused == nil {
            let reply = car.set("k\(index)", value)
            if reply != .ok { refused = text(reply) }
        }
        let reason = try #require(refused)
        #expect(reason.hasPrefix("UNAVAILABLE not sent") && reason.contains("journal.max_bytes"), "\(reason)")
        car.recover()
        car.openBreaker()
        #expect(car.set("k", value) == .ok)
    }

    @Test func `a failed fdatasync acknowledges nothing, and the next write is taken by a new file`() throws {
        let car = try sidecar()
        car.openBreaker()
        car.set("a", "1")
        disk.faults.failingOperation = .synchronize
        disk.faults.failingCall = 1
        let reply = car.set("b", "1")
        #expect(text(reply).hasPrefix("UNAVAILABLE"), "\(reply)")
        #expect(car.read("b").value == nil)
        disk.faults = SimulatedFaults()
        #expect(car.set("c", "1") == .ok)
        car.recover()
        #expect(car.inRedis("a") == "1")
        #expect(car.inRedis("b") == nil)
        #expect(car.inRedis("c") == "1")
    }

    @Test func `what was accepted outlives the process`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "n", "5")
        _ = car.read("n")
        car.openBreaker()
        car.set("k", "v")
        _ = car.perform(.incr("n"))
        car.crash()
        disk.endProcess()
        let next = try sidecar(after: car)
        next.openBreaker()
        #expect(next.read("k").summary == "v journal stale")
        #expect(next.read("n").summary == "6 journal stale")
        #expect(next.perform(.incr("n")) == [.integer(7)])
        next.recover()
        #expect(next.inRedis("k") == "v")
        #expect(next.inRedis("n") == "7")
    }

    @Test func `once what was for another Redis is discarded, later writes are replayed by themselves`() throws {
        let car = try sidecar()
        car.openBreaker()
        car.set("old", "v")
        car.crash()
        disk.endProcess()
        var other = RedisConfiguration()
        other.database = 1
        let next = try Sidecar(redis: other, journalOn: disk, after: car)
        #expect(next.share.journalCounters.isHeld)
        next.run(.milliseconds(500))
        #expect(next.journal?.pending.entryCount == 1 && next.inRedis("old") == nil)
        next.journal?.discard(nil) { #expect($0 == 1) }
        #expect(next.scheduler.run(atMost: .seconds(5)) { !next.share.journalCounters.isHeld })
        next.openBreaker()
        next.set("new", "v")
        next.recover()
        #expect(next.inRedis("new") == "v" && next.inRedis("old") == nil)
    }
}
