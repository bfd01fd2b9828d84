// Writing: what an acknowledgement means, and what is held afterwards.

import LocalTier
import Primitives
import RedisTier
import Resilience
import State
import TestSupport
import Testing
import Tiers

@Suite struct WriteTests {
    private func forward(_ car: Sidecar, isWrite: Bool) -> String {
        let box = Sidecar.Box<Reply>()
        car.tiers.forward(["SWAPDB", "0", "1"].map(bytes), isWrite: isWrite) { box.values.append($0) }
        car.scheduler.run { box.value != nil }
        if case .error(let text)? = box.value { return String(decoding: text, as: UTF8.self) }
        return "\(String(describing: box.value))"
    }

    @Test(arguments: [true, false])
    func `a command whose reply is Redis's own says why there is none`(_ isWrite: Bool) throws {
        #expect(forward(try Sidecar(hasRedis: false), isWrite: isWrite).hasPrefix("UNAVAILABLE no Redis is configured"))
        let car = try Sidecar()
        car.redis.isHung = true
        #expect(forward(car, isWrite: isWrite).hasPrefix("UNAVAILABLE outcome unknown: "))
        #expect(car.share.doubtful.isEmpty == !isWrite)
        car.openBreaker()
        #expect(forward(car, isWrite: isWrite).hasPrefix("UNAVAILABLE not sent: "))
    }

    private func text(_ reply: Reply?) -> String {
        if case .error(let text)? = reply {
            String(decoding: text, as: UTF8.self)
        } else {
            "\(String(describing: reply))"
        }
    }

    @Test(arguments: [0, 1])
    func `of two writes at the same time the later one's copy is kept, where it is known which that is`(
        _ second: Int
    ) throws {
        let car = try Sidecar(workers: 2)
        let first = car.beginPerform([.set("k", "1")], worker: 0)
        let other = car.beginPerform([.set("k", "2")], worker: second)
        car.scheduler.run { first.value != nil && other.value != nil }
        #expect(first.value == [.ok] && other.value == [.ok])
        // Over two connections either may have come first.
        #expect(car.held("k")?.value == (second == 0 ? "2" : nil))
        #expect(car.warm.copies[bytes("k")]?.value.bytes == (second == 0 ? bytes("2") : nil))
        car.set("k", "3")
        #expect(car.held("k")?.value == "3")
    }

    @Test func `where replicas are waited for, writes at the same time leave no copy`() throws {
        let car = try Sidecar([policy { $0.waitReplicas = 1 }])
        car.redis.waitAnswer = .integer(1)
        let boxes = ["1", "2"].map { car.beginPerform([.set("k", $0)]) }
        car.scheduler.run { boxes.allSatisfy { $0.value != nil } }
        #expect(boxes.allSatisfy { $0.value == [.ok] })
        #expect(car.held("k") == nil)
        #expect(car.warm.copies[bytes("k")] == nil)
    }

    @Test func `what Redis acknowledged is held here, and on disk behind it`() throws {
        let car = try Sidecar()
        #expect(car.set("k", "v") == .ok)
        #expect(car.inRedis("k") == "v")
        #expect(car.read("k").summary == "v local fresh")
        #expect(car.warm.copies[bytes("k")]?.value.bytes == bytes("v"))
        #expect(car.count("GET") == 0)
    }

    @Test func `a deletion is known here at once`() throws {
        let car = try Sidecar()
        car.set("k", "v")
        #expect(car.perform(.del("k")) == [.integer(1)])
        #expect(car.read("k").summary == "(absent) local absent")
        #expect(car.warm.copies[bytes("k")] == nil)
    }

    @Test func `an INCR whose result Redis told is held with the life that the key had`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "41", "PX", "60000")
        _ = car.read("k")
        #expect(car.perform(.incr("k")) == [.integer(42)])
        #expect(car.read("k").summary == "42 local fresh")
        let life = try #require(car.held("k")?.metadata.expiresAt.milliseconds(since: car.scheduler.now))
        #expect((59_000...60_000).contains(life))
    }

    @Test func `an INCR of a key that is not held is read again`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "41", "PX", "60000")
        #expect(car.perform(.incr("k")) == [.integer(42)])
        #expect(car.read("k").summary == "42 redis fresh")
    }

    @Test func `an APPEND is read again`() throws {
        let car = try Sidecar()
        car.set("k", "a")
        #expect(car.perform(.append("k", "b")) == [.integer(2)])
        #expect(car.read("k").summary == "ab redis fresh")
    }

    @Test func `an EXPIRE is held with its time`() throws {
        let car = try Sidecar()
        car.set("k", "a")
        #expect(car.perform(.pexpire("k", 1_000, now: car.scheduler.now)) == [.integer(1)])
        #expect(car.read("k").summary == "a local fresh")
        car.run(.milliseconds(1_001))
        #expect(car.read("k").value == nil)
    }

    @Test func `an EXPIRE or PERSIST does not make a value younger than it is`() throws {
        let car = try Sidecar([policy { $0.refreshAhead = nil }])
        car.redis.execute("SET", "k", "1", "PX", "600000")
        _ = car.read("k")
        car.run(.seconds(1))
        car.redis.execute("SET", "k", "2", "PX", "600000")
        // An application that touches its session with each request, while another pod writes it.
        for _ in 0..<3 {
            car.run(.seconds(2))
            _ = car.perform(.pexpire("k", 600_000, now: car.scheduler.now))
            _ = car.read("k")
        }
        #expect(car.read("k").summary.hasPrefix("2 "))
        car.redis.execute("SET", "k", "3")
        car.run(.seconds(3))
        _ = car.perform(.pexpire("k", 600_000, now: car.scheduler.now))
        car.run(.seconds(3))
        _ = car.perform(.persist("k"))
        #expect(car.read("k").summary.hasPrefix("3 "))
    }

    // MARK: Failures

    @Test func `with the breaker open a write is not sent`() throws {
        let car = try Sidecar()
        car.openBreaker()
        #expect(
            text(car.set("k", "v"))
                == "UNAVAILABLE not sent: the breaker is forced-open for writes: nothing was done, try again when Redis answers"
        )
        #expect(car.inRedis("k") == nil)
        #expect(car.held("k") == nil)
    }

    @Test func `without a connection a write is not sent`() throws {
        let car = try Sidecar()
        car.redis.refusesConnections = true
        car.run(.milliseconds(1))
        #expect(text(car.set("k", "v")).hasPrefix("UNAVAILABLE not sent: Redis did not answer (not connected"))
    }

    @Test func `a write that Redis did not answer has an unknown outcome, and was perhaps done`() throws {
        let car = try Sidecar()
        car.set("k", "1")
        car.redis.isHung = true
        #expect(text(car.set("k", "2")).hasPrefix("UNAVAILABLE outcome unknown: Redis did not answer (timed out"))
        car.redis.isHung = false
        car.run(.milliseconds(10))
        // It was done after all: a fresh answer must not be the old value.
        #expect(car.inRedis("k") == "2")
        #expect(car.read("k").summary == "2 redis fresh")
    }

    @Test func `after an unknown outcome the copy is stale until Redis has been asked`() throws {
        let car = try Sidecar()
        car.set("k", "1")
        car.redis.mishaps = [.loseReply]
        #expect(text(car.set("k", "2")).hasPrefix("UNAVAILABLE outcome unknown"))
        car.openBreaker()
        #expect(car.read("k").summary == "1 local stale")
        car.share.breaker.force(.forcedClosed, now: car.now)
        car.scheduler.run { car.connections[0].state == .ready }
        #expect(car.read("k").summary == "2 redis fresh")
    }

    @Test func `a write that never left is not sent, and never leaves later`() throws {
        let car = try Sidecar()
        car.redis.takesNoBytes = true
        #expect(text(car.set("k", "v")).hasPrefix("UNAVAILABLE not sent"))
        car.redis.takesNoBytes = false
        car.run(.seconds(5))
        #expect(car.inRedis("k") == nil)
    }

    @Test func `a write that the key's type forbids is the application's error, not Redis's`() throws {
        let car = try Sidecar(breaker: .init(consecutiveFailures: 2))
        car.redis.execute("LPUSH", "l", "x")
        for _ in 0..<5 { #expect(text(car.perform(.incr("l"))[0]).hasPrefix("WRONGTYPE")) }
        #expect(car.share.breaker.state(of: .write) == .closed)
    }

    @Test func `a write is never tried again`() throws {
        let car = try Sidecar()
        car.run(.seconds(2))
        car.redis.execute("SET", "k", "1")
        car.redis.mishaps = [.loseReply]
        #expect(text(car.perform(.incr("k"))[0]).hasPrefix("UNAVAILABLE outcome unknown"))
        car.run(.seconds(5))
        #expect(car.inRedis("k") == "2")
    }

    // MARK: A policy's life

    private func living() throws -> Sidecar { try Sidecar([policy { $0.ttl = .seconds(100) }]) }

    @Test func `SET, SETNX, GETSET and MSET get the policy's life where the writer gives none`() throws {
        let car = try living()
        car.set("a", "1")
        #expect(car.perform(.setnx("b", "1")) == [.integer(1)])
        #expect(car.perform(.getset("c", "1")) == [.null])
        #expect(car.perform(.getset("c", "2")) == [.string(bytes("1"))])
        #expect(car.perform(.mset(("d", "1"), ("e", "2"))) == [.ok])
        #expect(car.perform(.mset(("f", "1"), ("g", "2"), onlyIfNone: true)) == [.integer(1)])
        for key in ["a", "b", "c", "d", "e", "f", "g"] {
            #expect((99_000...100_000).contains(car.lifeInRedis(key)), "\(key)")
            let life = try #require(car.held(key)?.metadata.expiresAt.milliseconds(since: car.scheduler.now))
            #expect((99_000...100_000).contains(life), "\(key)")
        }
    }

    @Test func `a life that the writer gives stays`() throws {
        let car = try living()
        _ = car.perform(.set("k", "v", milliseconds: 5_000, now: car.scheduler.now))
        #expect((4_900...5_000).contains(car.lifeInRedis("k")))
    }

    @Test func `INCR and APPEND give no life`() throws {
        let car = try living()
        _ = car.perform(.incr("i"))
        _ = car.perform(.append("a", "x"))
        #expect(car.lifeInRedis("i") == -1)
        #expect(car.lifeInRedis("a") == -1)
    }

    @Test func `a SETNX or MSETNX that was not done changes no life`() throws {
        let car = try living()
        car.redis.execute("SET", "k", "forever")
        #expect(car.perform(.setnx("k", "x")) == [.integer(0)])
        #expect(car.lifeInRedis("k") == -1)
        #expect(car.perform(.mset(("k", "x"), ("l", "y"), onlyIfNone: true)) == [.integer(0)])
        #expect(car.lifeInRedis("k") == -1)
        #expect(car.inRedis("l") == nil)
    }

    // MARK: Transactions

    @Test func `a transaction is one, and its replies are those of its commands`() throws {
        let car = try Sidecar()
        let replies = car.perform(.set("a", "1"), .incr("a"), .get("a"), .del("b"), isTransaction: true)
        #expect(replies == [.ok, .integer(2), .string(bytes("2")), .integer(0)])
        #expect(car.redis.executedNames == ["MULTI", "SET", "INCR", "GET", "EVAL", "EXEC"])
        #expect(car.read("a").value.map { $0.bytes } == bytes("2"))
    }

    @Test func `a transaction under a policy with a life has one reply for each command`() throws {
        let car = try living()
        let replies = car.perform(
            .mset(("a", "1"), ("b", "2")), .get("a"), .setnx("c", "3"), isTransaction: true)
        #expect(replies == [.ok, .string(bytes("1")), .integer(1)])
        #expect(car.lifeInRedis("b") > 0)
    }

    @Test func `a transaction that Redis refuses is not done, and says why`() throws {
        let car = try Sidecar()
        car.redis.condition = .readonly
        let replies = car.perform(.set("a", "1"), .get("b"), isTransaction: true)
        #expect(replies.count == 2)
        #expect(replies.allSatisfy { text($0).hasPrefix("UNAVAILABLE not done: Redis answered READONLY") })
    }

    @Test func `an error within a transaction leaves the other commands done`() throws {
        let car = try Sidecar()
        car.redis.execute("LPUSH", "l", "x")
        let replies = car.perform(.set("a", "1"), .incr("l"), .set("b", "2"), isTransaction: true)
        #expect(replies[0] == .ok)
        #expect(text(replies[1]).hasPrefix("WRONGTYPE"))
        #expect(replies[2] == .ok)
        #expect(car.read("b").summary == "2 local fresh")
    }

    @Test func `keys of different authorities can't be changed as one`() throws {
        let car = try Sidecar([policy("l:") { $0.tiers = [.local] }])
        let replies = car.perform(.set("l:1", "1"), .set("r", "2"), isTransaction: true)
        #expect(replies.allSatisfy { text($0).hasPrefix("ERR these keys belong to policies with different tiers") })
        #expect(car.inRedis("r") == nil)
    }

    // MARK: Other sets of tiers

    @Test func `keys of local memory alone never reach Redis or disk`() throws {
        let car = try Sidecar([policy("l:") { ($0.tiers, $0.ttl) = ([.local], .seconds(10)) }])
        #expect(car.set("l:1", "v") == .ok)
        #expect(car.perform(.incr("l:n"), .incr("l:n"), isTransaction: true) == [.integer(1), .integer(2)])
        #expect(car.read("l:1").summary == "v local fresh")
        #expect(car.redis.executed.isEmpty)
        #expect(car.warm.copies.isEmpty)
        car.run(.seconds(10))
        #expect(car.read("l:1").summary == "(absent) local absent")
    }

    @Test func `keys of memory and disk are committed before they are acknowledged`() throws {
        let car = try Sidecar([policy("w:") { $0.tiers = [.local, .warm] }])
        let box = car.beginPerform([.set("w:1", "v")])
        #expect(box.value == nil)
        car.scheduler.run { box.value != nil }
        #expect(box.values == [[.ok]])
        #expect(car.redis.executed.isEmpty)
        #expect(car.read("w:1").summary == "v local fresh")
        car.evict("w:1")
        #expect(car.read("w:1").summary == "v warm fresh")
        #expect(car.read("w:2").summary == "(absent) warm absent")
    }

    @Test func `a disk that refuses is not done, and one that can't be read is no absence`() throws {
        let car = try Sidecar(hasRedis: false)
        car.warm.refusesWrites = true
        #expect(
            text(car.set("k", "v"))
                == "UNAVAILABLE not done: no space left on device: nothing was done, try again when the disk takes writes"
        )
        #expect(car.held("k") == nil)
        car.warm.failsReads = true
        #expect(car.read("k").content == .unavailable)
    }

    @Test func `without Redis a sliding life is extended on disk as well`() throws {
        let car = try Sidecar([policy { ($0.ttl, $0.sliding) = (.seconds(100), true) }], hasRedis: false)
        car.set("k", "v")
        for _ in 0..<300 {
            car.run(.seconds(1))
            #expect(car.read("k").value != nil)
        }
        car.evict("k")
        #expect(car.read("k").summary == "v warm fresh")
        #expect(car.warm.performed.count <= 40)
    }

    @Test func `keys of memory and Redis are not on disk`() throws {
        let car = try Sidecar([policy("r:") { $0.tiers = [.local, .redis] }])
        car.set("r:1", "v")
        car.redis.execute("SET", "r:2", "w")
        _ = car.read("r:2")
        #expect(car.warm.copies.isEmpty)
        car.evict("r:1")
        car.openBreaker()
        #expect(car.read("r:1").summary == "(unknown) none unknown")
        #expect(car.warm.reads == 0)
    }

    @Test func `keys of Redis and disk are not in memory`() throws {
        let car = try Sidecar([policy("r:") { $0.tiers = [.redis, .warm] }])
        car.set("r:1", "v")
        #expect(car.held("r:1") == nil)
        #expect(car.read("r:1").summary == "v redis fresh")
        #expect(car.held("r:1") == nil)
        car.openBreaker()
        #expect(car.read("r:1").summary == "v warm stale")
    }
}
