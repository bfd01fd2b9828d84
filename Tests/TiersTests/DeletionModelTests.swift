// Interleavings of deletions, writes, reads, outages, restarts, gaps and promotions, over two sidecars, from a seed:
// nothing that was deleted through one of them comes back.
//
// DESIGN: each value is written once. When a deletion of its key is acknowledged, every value that the key was given
// before is dead, and Redis must hold none of them from then on, whoever wrote it there. What is left out is what
// nobody can know: a sidecar that ends within half a second of its own deletion has it in Redis alone, so Redis does
// not lose its data before the sidecar's next process has read the stream; and after Redis has lost its data each
// sidecar lives until it has told what it knows.

import Primitives
import State
import TestSupport
import Testing

@testable import Tiers

private final class DeletionWorld {
    private var cars: [Sidecar]
    private let redis: SimulatedRedis
    private var random: SeededGenerator
    private var lives: UInt64 = 20
    private var dead: [String: Set<String>] = [:]
    private var given: [String: Set<String>] = [:]
    private var next = 0
    private let deletions: Int
    private(set) var violations: [String] = []
    private(set) var log: [String] = []
    private(set) var promotions: UInt64 = 0
    private(set) var refusals: UInt64 = 0
    private(set) var begunAnew: UInt64 = 0
    private(set) var unreached: UInt64 = 0

    private static let keys = (0..<5).map { "k\($0)" }

    init(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        // Some streams are too short for whoever is away.
        deletions = random.oneIn(4) ? 6 : 1000
        let first = try Sidecar(seed: 11, deletions: deletions)
        cars = [first, try Sidecar(seed: 12, deletions: deletions, after: first)]
        redis = first.redis
        self.random = random
        redis.mayFailOver = true
        redis.jitter = .microseconds(400)
        run(.seconds(1))
    }

    private func run(_ duration: Duration) { cars[0].run(duration) }
    private var scheduler: SimulatedScheduler { cars[0].scheduler }

    private func note(_ text: String) { log.append("\(scheduler.monotonicNanoseconds / 1_000_000) ms: \(text)") }

    func play(steps: Int) throws {
        for _ in 0..<steps where violations.isEmpty {
            try step()
            look()
        }
        heal()
        run(.seconds(8))
        for key in Self.keys {
            for car in cars {
                car.evict(key)
                _ = car.read(key)
                look()
            }
        }
        for car in cars { count(car) }
    }

    /// Redis holds nothing that was deleted.
    private func look() {
        for key in Self.keys {
            guard case .string(let value)? = redis.entries[bytes(key)]?.content else { continue }
            let text = String(decoding: value, as: UTF8.self)
            if dead[key]?.contains(text) ?? false { violations.append("\(key) holds \(text), which was deleted") }
        }
    }

    private func count(_ car: Sidecar) {
        promotions += car.tiers.counters.promoted.value
        refusals += car.share.deletions.refusedPromotions.value
        begunAnew += car.share.deletions.begunAnew.value
        unreached += car.share.deletions.unreached.value
    }

    private func step() throws {
        let key = Self.keys.randomElement(using: &random) ?? "k0"
        let place = Int.random(in: 0..<2, using: &random)
        let car = cars[place]
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<22:
            next += 1
            let value = "\(key)=\(next)"
            let reply = car.set(key, value)
            note("set \(value) through \(place): \(reply)")
            // One of unknown outcome may be carried out after a deletion that comes later.
            if reply == .ok { given[key, default: []].insert(value) }
        case 22..<38: delete(key, through: car, place)
        case 38..<70:
            car.evict(key)
            let reading = car.read(key)
            note("read \(key) through \(place): \(reading.source.rawValue) \(reading.freshness.rawValue)")
        case 70..<82: run(.milliseconds(Int64.random(in: 1...900, using: &random)))
        case 82..<85: run(.seconds(Int64.random(in: 1...8, using: &random)))
        case 85..<88:
            note("outage")
            redis.refusesConnections = true
            run(.milliseconds(Int64.random(in: 1...3000, using: &random)))
        case 88..<91:
            note("Redis hangs")
            redis.isHung = true
            run(.milliseconds(Int64.random(in: 1...1500, using: &random)))
        case 91..<94: heal()
        case 94..<96:
            note("Redis restarts with its data")
            heal()
            _ = redis.failOver(losing: .zero)
        case 96..<98: try lose()
        default: try restart(place)
        }
    }

    private func delete(_ key: String, through car: Sidecar, _ place: Int) {
        let before = given[key] ?? []
        let command = NativeCommand(.deleteMany([bytes(key)]), arguments: [bytes("DEL"), bytes(key)])
        let reply = car.perform(command)[0]
        note("delete \(key) through \(place): \(reply)")
        if case .integer = reply { dead[key, default: []].formUnion(before) }
    }

    private func heal() {
        redis.refusesConnections = false
        redis.isHung = false
        run(.milliseconds(5))
    }

    /// Whether every sidecar has read, in this life, what was deleted before.
    private func waitUntilAllKnow() {
        let since = scheduler.now
        heal()
        scheduler.run(atMost: .seconds(30)) {
            self.cars.allSatisfy { $0.share.deletions.figures.heardAt.map { $0 > since } ?? false }
        }
    }

    private func lose() throws {
        waitUntilAllKnow()
        // Deletions of the last moment are among those that are lost.
        for _ in 0..<Int.random(in: 0...2, using: &random) {
            let place = Int.random(in: 0..<2, using: &random)
            delete(Self.keys.randomElement(using: &random) ?? "k0", through: cars[place], place)
        }
        note("Redis comes back empty")
        redis.restartEmpty()
        if random.oneIn(2) {
            redis.refusesConnections = true
            run(.milliseconds(Int64.random(in: 1...5000, using: &random)))
        }
        waitUntilAllKnow()
        run(.seconds(1))
    }

    /// A sidecar is killed, is away for a while, and comes back on its disk.
    private func restart(_ place: Int) throws {
        let old = cars[place]
        note("\(place) is killed")
        count(old)
        old.crash()
        // What its disk had taken by then: all but the last moment is there.
        if random.oneIn(2) { run(.milliseconds(Int64.random(in: 1...4000, using: &random))) }
        if random.oneIn(3) {
            for key in Self.keys where random.oneIn(2) { delete(key, through: cars[1 - place], 1 - place) }
        }
        lives += 1
        let new = try Sidecar(seed: lives, connects: false, deletions: deletions, after: old)
        for (key, copy) in old.warm.copies { new.warm.plant(key, copy) }
        cars[place] = new
        run(.milliseconds(5))
    }
}

@Suite struct `What was deleted` {
    @Test(arguments: 0..<(isThorough ? 400 : 30))
    func `does not come back, whatever happens between`(_ index: Int) throws {
        let seed = SeededGenerator.seed() &+ UInt64(index)
        let world = try DeletionWorld(seed: seed)
        try world.play(steps: 150)
        #expect(
            world.violations.isEmpty,
            "HEARTH_SEED=\(seed): \(world.violations)\n\(world.log.suffix(60).joined(separator: "\n"))")
    }

    @Test func `is looked for where copies do go back`() throws {
        var promotions: UInt64 = 0
        var refusals: UInt64 = 0
        var begunAnew: UInt64 = 0
        var unreached: UInt64 = 0
        for seed in 0..<12 {
            let world = try DeletionWorld(seed: UInt64(seed))
            try world.play(steps: 150)
            promotions += world.promotions
            refusals += world.refusals
            begunAnew += world.begunAnew
            unreached += world.unreached
        }
        #expect(promotions > 0 && refusals > 0 && begunAnew > 0 && unreached > 0)
    }
}
