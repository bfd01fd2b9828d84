// Checkpoints through the tiers: where an acknowledged one is, and which are kept where a policy keeps each N-th.

import LocalTier
import Primitives
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct CheckpointTests {
    private let disk = SimulatedFileSystem(seed: 1)

    private func sidecar(every: Int = 1, hasRedis: Bool = true, after: Sidecar? = nil) throws -> Sidecar {
        try Sidecar(
            [policy { $0.checkpointsEvery = every }], hasRedis: hasRedis, journalOn: hasRedis ? disk : nil, after: after
        )
    }

    private func put(_ car: Sidecar, _ step: Int64, fence: Int64? = nil) -> String {
        car.record("r", .putCheckpoint(step: step, bytes("data \(step)"), keep: nil), fence: fence)
    }

    private func stepsInRedis(_ car: Sidecar) -> [Int64] {
        car.recordInRedis("r")?.checkpoints?.steps.map(\.number) ?? []
    }

    /// The newest step that a reader of this sidecar is given.
    private func newest(_ car: Sidecar) -> Int64? {
        guard case .record(let held) = car.readRecord("r").content, let record = held.record else { return nil }
        return car.tiers.withStepInMemory(record, of: bytes("r"))?.step ?? record.checkpoints?.steps.last?.number
    }

    @Test func `a checkpoint is acknowledged when Redis and the disk have it, and says so`() throws {
        let car = try sidecar()
        car.warm.latency = .milliseconds(5)
        #expect(put(car, 1) == "version 1 redis+disk")
        #expect(car.warm.copies[bytes("r")]?.value.record?.checkpoints?.steps.map(\.number) == [1])
        car.warm.refusesWrites = true
        #expect(put(car, 2) == "version 2 redis")
        #expect(car.state("other", "v") == "version 1 redis")
        let memoryOnly = try Sidecar([policy { $0.tiers = [.local, .redis] }])
        #expect(put(memoryOnly, 1) == "version 1 redis")
    }

    @Test func `each fifth step is kept, and the others are acknowledged from memory`() throws {
        let car = try sidecar(every: 5)
        let before = car.redis.executedNames.count
        var places: [String] = []
        for step in Int64(1)...12 {
            places.append(String(put(car, step * 10).split(separator: " ")[2]))
            #expect(newest(car) == step * 10)
        }
        let rest = Array(repeating: "local", count: 4)
        #expect(places == ["redis+disk"] + rest + ["redis+disk"] + rest + ["redis+disk", "local"])
        #expect(stepsInRedis(car) == [10, 60, 110])
        #expect(car.redis.executedNames[before...].count { $0 == "EVALSHA" || $0 == "EVAL" } <= 5)
        #expect(car.tiers.counters.checkpointsFromMemory.value == 9)
        // Another process knows what was kept, and goes on from there.
        car.crash()
        disk.endProcess()
        let next = try sidecar(every: 5, after: car)
        #expect(newest(next) == 110)
        #expect(put(next, 115) == "version 4 redis+disk")
    }

    @Test func `a step in memory is not gone back behind, nor shown once somebody else has gone on`() throws {
        let car = try sidecar(every: 5)
        let other = try Sidecar(after: car)
        _ = put(car, 1)
        #expect(put(car, 7).hasSuffix("local"))
        #expect(put(car, 6).hasPrefix("CONFLICT expected a step after 7, given 6"))
        #expect(put(car, 7).hasPrefix("CONFLICT expected a step after 7, given 7"))
        #expect(put(other, 5) == "version 2 redis+disk")
        car.evict("r")
        #expect(newest(car) == 5)
        // What was in memory stood on another step: it bars nobody.
        #expect(put(car, 6) == "version 3 redis+disk")
    }

    @Test(arguments: ["del", "delete", "set", "erase"]) func `a run that is taken away takes its step along`(
        way: String
    ) throws {
        let car = try sidecar(every: 5)
        _ = put(car, 1)
        _ = put(car, 2)
        switch way {
        case "del": _ = car.perform(.del("r"))
        case "delete": car.record("r", .delete)
        case "set":
            car.set("r", "plain")
            _ = car.perform(.del("r"))
        default: _ = car.erase("r")
        }
        #expect(newest(car) == nil)
        #expect(put(car, 1).hasSuffix("redis+disk"))
        #expect(newest(car) == 1)
    }

    @Test func `what another fence or a message goes with is kept, and an old fence is refused`() throws {
        let car = try sidecar(every: 100)
        #expect(put(car, 1, fence: 5).hasSuffix("redis+disk"))
        #expect(put(car, 2, fence: 5).hasSuffix("local"))
        #expect(put(car, 3, fence: 4).hasPrefix("FENCED"))
        #expect(put(car, 4, fence: 6).hasSuffix("redis+disk"))
        let write = RecordWrite(.putCheckpoint(step: 5, bytes("x"), keep: nil), emitting: "hello", to: "s", car)
        #expect(car.record("r", write).hasSuffix("redis+disk"))
        #expect(car.redis.messages(in: "s").count == 1)
    }

    @Test func `without Redis and in an outage the disk has those that are kept`() throws {
        let embedded = try sidecar(every: 3, hasRedis: false)
        #expect(
            (1...5).map { String(put(embedded, $0).split(separator: " ")[2]) } == [
                "warm", "local", "local", "warm", "local",
            ])
        #expect(put(embedded, 2).hasPrefix("CONFLICT expected a step after 5, given 2"))
        let car = try sidecar(every: 3)
        car.openBreaker()
        #expect(
            (1...4).map { String(put(car, $0).split(separator: " ")[2]) } == ["journal", "local", "local", "journal"])
    }

    @Test func `memory that is full keeps what it has no room for, and forgets who was silent longest`() throws {
        let memory = CheckpointMemory(localBytes: 1600)
        let car = try sidecar()
        func write(_ step: Int64, _ count: Int) -> RecordWrite {
            RecordWrite(
                id: car.tiers.makeOperationID(),
                .putCheckpoint(step: step, [UInt8](repeating: 0, count: count), keep: nil))
        }
        func isTaken(_ key: String, _ step: Int64, _ count: Int) -> Bool {
            if case .taken = memory.take(
                write(step, count), of: bytes(key), every: 9, maxValue: .max, now: car.scheduler.now)
            {
                true
            } else {
                false
            }
        }
        for key in ["a", "b"] { memory.note(1, version: 1, fence: nil, of: bytes(key), now: car.scheduler.now) }
        #expect(isTaken("a", 2, 60))
        #expect(isTaken("a", 3, 60))
        #expect(!isTaken("b", 2, 60))
        #expect(isTaken("b", 2, 40))
        memory.forget([bytes("a")])
        #expect(isTaken("b", 3, 100))
        #expect(!isTaken("a", 4, 1))
        for number in 0...CheckpointMemory.runsMax {
            let time = car.scheduler.now.advanced(byMilliseconds: Int64(1 + number))
            memory.note(1, version: 1, fence: nil, of: bytes("run \(number)"), now: time)
        }
        #expect(!isTaken("b", 4, 1))
        #expect(!isTaken("run 1", 2, 0))
        #expect(isTaken("run \(CheckpointMemory.runsMax)", 2, 0))
    }
}
