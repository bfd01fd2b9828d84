// Connections on which a write was left without an answer: what lies in their buffers runs at its time, or never.

import Primitives
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct DoubtfulConnectionTests {
    private let disk = SimulatedFileSystem(seed: 1)

    private func sidecar(_ policies: [Policy] = [], workers: Int = 1, after: Sidecar? = nil) throws -> Sidecar {
        try Sidecar(policies, workers: workers, journalOn: disk, after: after)
    }

    private func conflicts(_ car: Sidecar) -> [Conflict] { car.journal?.keeper.conflicts.map(\.conflict) ?? [] }

    // MARK: Before a replay

    @Test func `what a hung Redis finds in its buffers does not overwrite what was replayed`() throws {
        let car = try sidecar()
        car.redis.execute("SET", "k", "0")
        car.redis.isHung = true
        #expect(car.set("k", "1") == .ok)
        car.openBreaker()
        #expect(car.set("k", "2") == .ok)
        car.redis.isHung = false
        car.recover()
        car.run(.seconds(5))
        #expect(car.inRedis("k") == "2")
        #expect(conflicts(car).isEmpty, "\(conflicts(car))")
    }

    @Test func `what lies in the buffer of a connection that was given up never runs after the replay`() throws {
        let car = try sidecar()
        car.set("k", "0")
        car.redis.holdsOldConnections = true
        #expect(car.set("k", "1") == .ok)
        #expect(car.set("k", "2") == .ok)
        car.recover()
        #expect(car.inRedis("k") == "2")
        car.redis.holdsOldConnections = false
        car.run(.seconds(5))
        #expect(car.inRedis("k") == "2")
        #expect(conflicts(car).isEmpty, "\(conflicts(car))")
    }

    /// Between its giving up and the end of its connection the replay looks for connections in doubt: it must not take
    /// its own for settled, though what it sends over it now would go behind.
    @Test(arguments: stride(from: 700, to: 1100, by: 20).map { $0 })
    func `what the replay itself gave up is not done twice when its connection is replaced`(_ wait: Int) throws {
        let car = try sidecar()
        // The replay has its connection from an outage before.
        car.openBreaker()
        car.set("other", "1")
        car.recover()
        car.openBreaker()
        #expect(car.perform(.incr("n")) == [.integer(1)])
        car.share.breaker.force(.automatic, now: car.now)
        car.scheduler.run { !car.share.breaker.refusesWrites }
        car.redis.holdsOldConnections = true
        car.run(.milliseconds(wait))
        // A write of a worker is given up shortly before.
        let write = car.beginPerform([.append("t", "x")])
        #expect(car.scheduler.run(atMost: .seconds(30)) { car.journal?.pending.isEmpty ?? true })
        #expect(write.value != nil)
        #expect(car.inRedis("n") == "1")
        // Until its marker is gone.
        car.run(.milliseconds(50))
        car.redis.holdsOldConnections = false
        car.run(.seconds(5))
        #expect(car.inRedis("n") == "1")
    }

    @Test func `what a process that died had sent never runs after the replay of the next`() throws {
        let car = try sidecar()
        car.set("k", "0")
        _ = car.perform(.append("t", "a"))
        car.redis.isHung = true
        #expect(car.set("k", "1") == .ok)
        car.redis.holdsOldConnections = true
        car.crash()
        disk.endProcess()
        car.redis.isHung = false
        let next = try sidecar(after: car)
        next.openBreaker()
        #expect(next.set("k", "2") == .ok)
        next.recover()
        car.redis.holdsOldConnections = false
        next.run(.seconds(5))
        #expect(next.inRedis("k") == "2")
    }

    @Test(arguments: ["ID", "LIST", "KILL"])
    func `a Redis that does not let connections be ended is told of, and what waits is replayed`(
        _ refused: String
    ) throws {
        let car = try sidecar()
        car.set("k", "0")
        car.redis.isHung = true
        #expect(car.set("k", "1") == .ok)
        car.redis.holdsOldConnections = true
        car.crash()
        disk.endProcess()
        car.redis.isHung = false
        car.redis.refusedClientCommands = [refused]
        let next = try sidecar(after: car)
        next.recover()
        #expect(next.inRedis("k") == "1")
        let told = next.replayEvents.values.compactMap { if case .refused(let text) = $0 { text } else { nil } }
        #expect(told.count == 1, "\(told)")
        #expect(told.first?.hasPrefix("CLIENT \(refused)") ?? false, "\(told)")
    }

    @Test func `connections of earlier lives are told from those of others`() {
        let list = """
            id=3 addr=/s:0 name=hearth-ff-1 age=1
            id=4 addr=/s:0 name=hearth-ff-2 age=1
            id=5 addr=/s:0 name=hearth-fe-1 age=1
            id=6 addr=/s:0 name= age=1
            id=7 addr=/s:0 name=hearth age=1

            """
        #expect(Replay.earlierLives(list, identity: 255, own: "hearth-ff-2") == [3])
    }

    // MARK: Before a later write

    /// The journal keeps nothing here: an unknown outcome is answered as one.
    @Test func `what was given up and not kept never runs after a later write`() throws {
        let car = try sidecar([policy { $0.onOutage = .reject }], workers: 2)
        car.set("k", "0")
        car.redis.holdsOldConnections = true
        let reply = car.set("k", "1")
        guard case .error(let text) = reply else { throw TestError("\(reply)") }
        #expect(text.starts(with: bytes("UNAVAILABLE outcome unknown: ")), "\(String(decoding: text, as: UTF8.self))")
        // Taken for hung, the connection is made anew; those of both workers are, each for its own write.
        _ = car.set("other", "1", worker: 1)
        car.run(.seconds(2))
        for worker in 0..<2 {
            #expect(car.set("k", "2", worker: worker) == .ok)
        }
        #expect(car.share.doubtful.isEmpty)
        car.redis.holdsOldConnections = false
        car.run(.seconds(5))
        #expect(car.inRedis("k") == "2")
        #expect(car.inRedis("other") == nil)
    }

    @Test func `nor after a write that waited for a new connection`() throws {
        let car = try sidecar([policy { $0.onOutage = .reject }])
        car.set("k", "0")
        car.redis.holdsOldConnections = true
        _ = car.set("k", "1")
        car.scheduler.run { car.connections[0].state == .connecting }
        #expect(car.set("k", "2") == .ok)
        car.redis.holdsOldConnections = false
        car.run(.seconds(5))
        #expect(car.inRedis("k") == "2")
    }
}
