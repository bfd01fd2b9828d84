// Writes that only Redis understands: no answer from before brings the old value back.

import LocalTier
import Primitives
import TestSupport
import Testing
import Tiers

@Suite struct PassedWriteTests {
    @Test func `a copy is forgotten when Redis has answered, in memory and on disk`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "old")
        #expect(car.read("k").summary == "old redis fresh")
        car.run(.milliseconds(50))
        #expect(car.warm.copies[bytes("k")] != nil)
        let writes = car.tiers.beginPassedWrites([bytes("k")], areAll: false)
        #expect(car.read("k").summary == "old local fresh")
        car.redis.execute("SET", "k", "new")
        writes.settle()
        writes.end()
        car.run(.milliseconds(50))
        #expect(car.warm.copies[bytes("k")] == nil)
        #expect(car.read("k").summary == "new redis fresh")
    }

    @Test(arguments: ["before", "meanwhile"])
    func `an answer to a question asked earlier does not fill`(when: String) throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "old")
        let early = when == "before" ? car.begin("k") : nil
        let writes = car.tiers.beginPassedWrites([bytes("k")], areAll: false)
        let reading = early ?? car.begin("k")
        // The question has been answered in Redis, and the answer is on its way.
        car.tiers.flush()
        car.run(.microseconds(150))
        car.redis.execute("SET", "k", "new")
        writes.settle()
        writes.end()
        // Who asks from now on does not join the question from before.
        let later = car.begin("k")
        car.run(.milliseconds(20))
        #expect(reading.values.count == 1)
        #expect(later.value?.summary == "new redis fresh")
        #expect(car.read("k").summary == "new local fresh")
    }

    @Test func `an unknown outcome leaves the copy for an outage, and asks Redis before it is fresh`() throws {
        let car = try Sidecar()
        car.redis.execute("SET", "k", "old")
        #expect(car.read("k").summary == "old redis fresh")
        let writes = car.tiers.beginPassedWrites([bytes("k")], areAll: false)
        car.redis.execute("SET", "k", "new")
        writes.suspect()
        writes.end()
        #expect(car.read("k").summary == "new redis fresh")
    }

    @Test func `a write of all keys leaves nothing`() throws {
        let car = try Sidecar()
        for key in ["a", "b"] {
            car.redis.execute("SET", key, "old")
            #expect(car.read(key).summary == "old redis fresh")
        }
        let writes = car.tiers.beginPassedWrites([], areAll: true)
        for key in ["a", "b"] { car.redis.execute("SET", key, "new") }
        writes.settle()
        writes.end()
        car.run(.milliseconds(50))
        for key in ["a", "b"] { #expect(car.read(key).summary == "new redis fresh") }
    }
}
