// Archives of turns through the tiers: what leaves a record is on a disk first, and every turn is in one place.

import LocalTier
import Primitives
import RedisTier
import Resilience
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct ArchiveTests {
    private let disk = SimulatedFileSystem(seed: 1)

    private static func rules(keep: Int = 2, unfolded: Int = 4, maxValue: Int = 1 << 20) -> Policy {
        policy {
            $0.records.turnsKeep = keep
            $0.records.turnsUnfolded = unfolded
            $0.records.turnsOverflow = .archive
            $0.maxValue = maxValue
        }
    }

    private func sidecar(
        _ rules: Policy = Self.rules(), hasRedis: Bool = true, after: Sidecar? = nil,
        on disk: SimulatedFileSystem? = nil
    ) throws -> Sidecar {
        try Sidecar([rules], hasRedis: hasRedis, journalOn: hasRedis ? disk ?? self.disk : nil, after: after)
    }

    private func add(_ turns: ClosedRange<Int>, to key: String = "k", _ car: Sidecar) {
        for turn in turns { #expect(car.turns(key, "turn \(turn)").hasPrefix("turn ")) }
    }

    // MARK: With Redis

    @Test func `turns beyond the bound are on the disk before Redis lets them go, a quarter of the bound at a time`()
        throws
    {
        let car = try sidecar()
        add(1...6, car)
        #expect(car.archived("k").isEmpty && car.recordInRedis("k")?.turns?.items.count == 6)
        add(7...7, car)
        #expect(car.archived("k") == [1, 2])
        let turns = try #require(car.recordInRedis("k")?.turns)
        #expect(turns.items.map(\.sequence) == [3, 4, 5, 6, 7])
        #expect(turns.archive?.count == 2 && turns.archive?.upTo == 2 && turns.dropped == 0)
        add(8...30, car)
        #expect(car.everyTurn("k") == [Int64](1...30))
        #expect(car.recordInRedis("k")?.turns?.unfolded.count ?? 0 <= 4)
        #expect(
            car.list("k", from: 1).turns.map { String(decoding: $0.bytes, as: UTF8.self) }
                == (1...30).map { "turn \($0)" })
        #expect(car.list("k", from: 1).note == "" && car.list("k", from: 1).completeFrom == 1)
    }

    @Test func `what is asked for, and not more, is read of an archive`() throws {
        let car = try sidecar()
        add(1...20, car)
        let first = try #require(car.recordInRedis("k")?.turns?.items.first?.sequence)
        #expect(car.list("k", from: 5).turns.map(\.sequence) == [Int64](5...20))
        #expect(car.list("k", from: 5).fromArchive == Int(first) - 5)
        #expect(car.list("k", from: 1, last: 18).turns.map(\.sequence) == [Int64](3...20))
        #expect(car.list("k", from: 1, last: 18).completeFrom == 3)
        #expect(car.list("k", from: 19).fromArchive == 0 && car.list("k", from: 40).turns.isEmpty)
        #expect(car.archiveOf("k", from: first) == nil, "a read that the record can answer asks no disk")
    }

    @Test func `a conversation of any length stays within max_value`() throws {
        let car = try sidecar(Self.rules(unfolded: 1000, maxValue: 2000))
        add(1...300, car)
        #expect(car.recordInRedis("k").map { $0.contentBytes <= 2000 } ?? false)
        #expect(car.everyTurn("k") == [Int64](1...300))
    }

    @Test func `a disk that does not take turns leaves them in the record, and takes them later`() throws {
        let car = try sidecar()
        add(1...6, car)
        car.warm.refusesWrites = true
        add(7...12, car)
        #expect(car.archived("k").isEmpty && car.recordInRedis("k")?.turns?.items.count == 12)
        car.warm.refusesWrites = false
        add(13...13, car)
        #expect(car.recordInRedis("k")?.turns?.unfolded.count == 3)
        #expect(car.everyTurn("k") == [Int64](1...13))
    }

    @Test func `where nothing can leave, max_value is the bound, and that is said`() throws {
        let car = try sidecar(Self.rules(maxValue: 400))
        car.warm.refusesWrites = true
        add(1...6, car)
        var reply = ""
        for turn in 7...40 where !reply.hasPrefix("TOOBIG") { reply = car.turns("k", "turn \(turn)") }
        #expect(reply.hasPrefix("TOOBIG"))
        car.warm.refusesWrites = false
        #expect(car.turns("k", "again").hasPrefix("turn "))
    }

    @Test func `a process that ends between disk and Redis loses nothing and doubles nothing`() throws {
        let car = try sidecar()
        add(1...6, car)
        let reply = car.beginPerform([
            .words(
                .write(
                    .record(RecordWrite(id: car.tiers.makeOperationID(), .addTurns([bytes("turn 7")], keep: nil))),
                    key: bytes("k")), "TURNS.ADD", "k")
        ])
        #expect(car.scheduler.run(atMost: .seconds(5)) { !car.archived("k").isEmpty })
        #expect(reply.value == nil && car.recordInRedis("k")?.turns?.items.count == 6)
        let archives = car.warm.archives
        car.crash()
        disk.endProcess()
        let next = try sidecar(after: car)
        next.warm.plant(archives)
        #expect(next.everyTurn("k") == [Int64](1...6))
        #expect(next.list("k", from: 1).turns.map(\.sequence) == [Int64](1...6))
        add(7...9, next)
        #expect(next.everyTurn("k") == [Int64](1...9))
        #expect(
            next.list("k", from: 1).turns.map { String(decoding: $0.bytes, as: UTF8.self) }
                == (1...9).map { "turn \($0)" })
    }

    @Test func `of two sidecars each has what it made room for, and says what it has not`() throws {
        let car = try sidecar()
        let other = try sidecar(after: car, on: SimulatedFileSystem(seed: 2))
        add(1...10, car)
        add(11...20, other)
        add(21...30, car)
        let kept = try #require(car.recordInRedis("k")?.turns?.items.map(\.sequence))
        let (mine, theirs) = (car.archived("k"), other.archived("k"))
        #expect(Set(mine).isDisjoint(with: theirs) && !theirs.isEmpty)
        #expect((mine + theirs + kept).sorted() == [Int64](1...30))
        let listing = car.list("k", from: 1)
        #expect(listing.turns.map(\.sequence) == (mine + kept).sorted())
        #expect(listing.completeFrom == (theirs.max() ?? 0) + 1)
        #expect(listing.note.hasPrefix("not all turns before \(listing.completeFrom) are in this host's archive"))
        let third = try sidecar(after: car, on: SimulatedFileSystem(seed: 3))
        #expect(third.list("k", from: 1).turns.map(\.sequence) == kept)
        #expect(third.list("k", from: 1).note.contains("in no archive of this host"))
        #expect(third.list("k", from: 1).completeFrom == kept.first)
    }

    @Test func `a write that others get in front of archives what is certain, and nothing of its own`() throws {
        let car = try sidecar()
        let other = try sidecar(after: car, on: SimulatedFileSystem(seed: 2))
        add(1...6, car)
        // Both overflow at once.
        var boxes: [Sidecar.Box<[Reply]>] = []
        for (index, writer) in [car, other, car, other].enumerated() {
            let write = RecordWrite(
                id: writer.tiers.makeOperationID(),
                .addTurns((0..<4).map { bytes("\(index).\($0)") }, keep: nil))
            boxes.append(
                writer.beginPerform([.words(.write(.record(write), key: bytes("k")), "TURNS.ADD", "k")]))
        }
        car.scheduler.run { boxes.allSatisfy { $0.value != nil } }
        let kept = try #require(car.recordInRedis("k")?.turns?.items)
        var all: [Int64: [UInt8]] = [:]
        for turn in car.warm.turns("k") + other.warm.turns("k") + kept {
            #expect(all[turn.sequence] ?? turn.bytes == turn.bytes, "two turns of one number")
            all[turn.sequence] = turn.bytes
        }
        #expect(all.keys.sorted() == [Int64](1...22))
        #expect(Set(all.values).count == 22)
    }

    // MARK: In an outage

    @Test func `in an outage nothing leaves, and after it every turn is there once`() throws {
        let car = try sidecar()
        let other = try sidecar(after: car, on: SimulatedFileSystem(seed: 2))
        add(1...7, car)
        let before = car.archived("k")
        car.openBreaker()
        for turn in 8...30 { #expect(car.turns("k", "turn \(turn)").hasSuffix("journal")) }
        #expect(car.archived("k") == before)
        #expect(car.list("k", from: 1).turns.map(\.sequence) == [Int64](1...30))
        for turn in 1...3 { #expect(other.turns("k", "other \(turn)").hasSuffix("redis")) }
        car.recover()
        add(34...40, car)
        let mine = car.archived("k")
        let theirs = other.archived("k")
        let kept = try #require(car.recordInRedis("k")?.turns?.items.map(\.sequence))
        #expect(kept.count <= 6)
        #expect((mine + theirs + kept).sorted() == [Int64](1...40))
    }

    @Test func `a replay archives what Redis has shown, before it lets it go`() throws {
        let car = try sidecar()
        add(1...6, car)
        car.openBreaker()
        for turn in 7...12 { #expect(car.turns("k", "turn \(turn)").hasSuffix("journal")) }
        car.recover()
        #expect(!car.archived("k").isEmpty && car.archived("k").max() ?? 0 <= 6)
        #expect(car.everyTurn("k") == [Int64](1...12))
    }

    // MARK: Embedded

    @Test func `embedded, a record and its archive are one commit`() throws {
        let car = try sidecar(hasRedis: false)
        add(1...30, car)
        guard case .record(let held) = car.readRecord("k").content, let turns = held.record?.turns else {
            Issue.record("no record")
            return
        }
        #expect((car.archived("k") + turns.items.map(\.sequence)).sorted() == [Int64](1...30))
        #expect(car.list("k", from: 1).turns.map(\.sequence) == [Int64](1...30))
    }

    // MARK: The end of a record

    @Test(arguments: ["STATE.DEL", "DEL", "SET", "STATE.ERASE", "EXPIRE"], [true, false])
    func `an archive goes with its record, and is never another's`(how: String, hasRedis: Bool) throws {
        let car = try sidecar(hasRedis: hasRedis)
        add(1...20, car)
        #expect(!car.archived("k").isEmpty)
        switch how {
        case "STATE.DEL": car.record("k", .delete)
        case "DEL": _ = car.perform(.del("k"))
        case "SET": car.set("k", "plain")
        case "STATE.ERASE": #expect(car.erase("k").isDone)
        default: _ = car.perform(.pexpire("k", -1, now: car.scheduler.now))
        }
        car.run(.milliseconds(50))
        #expect(car.archived("k").isEmpty, "\(how)")
        if how == "SET" { _ = car.perform(.del("k")) }
        car.run(.milliseconds(50))
        add(1...3, car)
        #expect(car.list("k", from: 1).turns.count == 3)
    }

    @Test func `a deletion in an outage takes the archive when Redis has it, and not before`() throws {
        let car = try sidecar()
        add(1...20, car)
        car.openBreaker()
        car.record("k", .delete)
        car.run(.milliseconds(50))
        #expect(!car.archived("k").isEmpty)
        car.recover()
        #expect(car.archived("k").isEmpty)
    }

    // MARK: A model

    @Test func `whatever is written, every turn of a conversation is in its record or in an archive, once`() throws {
        let first = SeededGenerator.seed()
        for round in 0..<UInt64(6) {
            let seed = first &+ round
            var random = SeededGenerator(seed: seed)
            let rules = Self.rules(keep: 3, unfolded: Int(seed % 3) * 4)
            let cars = [
                try Sidecar([rules], seed: seed),
                try Sidecar([rules], seed: seed, journalOn: SimulatedFileSystem(seed: seed)),
                try Sidecar([rules], hasRedis: false, seed: seed),
            ]
            var said: [Int64: [UInt8]] = [:]
            for step in 0..<120 {
                switch step {
                case 30, 80: cars[1].openBreaker()
                case 60, 110: cars[1].recover()
                default: break
                }
                let action = RandomRecords.action(&random)
                switch action {
                case .addTurns(let turns, _):
                    for turn in turns { said[Int64(said.count) + 1] = turn }
                case .set: break
                case .delete where random.oneIn(3): said = [:]
                default: continue
                }
                let write = RecordWrite(id: OperationID(rawValue: random.next()), action)
                for car in cars { car.record("k", write) }
            }
            cars[1].recover()
            for (index, car) in cars.enumerated() {
                let place = "HEARTH_SEED=\(seed), mode \(index)"
                let listed = said.isEmpty ? [] : car.list("k", from: 1).turns
                #expect(listed.map(\.sequence) == said.keys.sorted(), "\(place)")
                for turn in listed { #expect(said[turn.sequence] == turn.bytes, "\(place), turn \(turn.sequence)") }
            }
        }
    }
}

extension ErasureOutcome {
    fileprivate var isDone: Bool { if case .done = self { true } else { false } }
}

extension SimulatedWarm {
    fileprivate func turns(_ key: String) -> [Turns.Turn] { archives[bytes(key)].map { Array($0.turns.values) } ?? [] }
}

extension Sidecar {
    /// The numbers of the turns that this host has archived.
    fileprivate func archived(_ key: String) -> [Int64] { warm.turns(key).map(\.sequence).sorted() }

    /// The numbers of all turns that are in Redis's record or archived here; one that is in both counts once.
    fileprivate func everyTurn(_ key: String) -> [Int64] {
        Set(archived(key) + (recordInRedis(key)?.turns?.items.map(\.sequence) ?? [])).sorted()
    }

    /// What the tiers answer of an archive, as TURNS.GET asks for it.
    fileprivate func archiveOf(_ key: String, from: Int64, last: Int? = nil) -> ArchiveAnswer? {
        guard case .record(let held) = readRecord(key).content else { return nil }
        let box = Box<ArchiveAnswer?>()
        tiers.readArchive(of: bytes(key), held, from: from, last: last) { box.values.append($0) }
        scheduler.run { box.value != nil }
        return box.values[0]
    }

    fileprivate func list(_ key: String, from: Int64, last: Int? = nil) -> TurnListing {
        guard case .record(let held) = readRecord(key, strong: false).content, let turns = held.record?.turns else {
            fatalError("no conversation at \(key)")
        }
        return TurnListing(turns, archiveOf(key, from: from, last: last), last: last, from: from)
    }
}
