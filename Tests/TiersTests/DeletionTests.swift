// The stream of deletions: two sidecars over one simulated Redis, virtual time.

import Primitives
import State
import TestSupport
import Testing

@testable import Tiers

/// Two sidecars with a Redis, neither of which hears of changes by tracking.
private struct Pair {
    let a: Sidecar
    var b: Sidecar
    private let deletions: Int

    init(deletions: Int = 1000, _ change: (inout Policy) -> Void = { _ in }) throws {
        let policies = [policy("", change)]
        self.deletions = deletions
        a = try Sidecar(policies, seed: 11, deletions: deletions)
        b = try Sidecar(policies, seed: 12, deletions: deletions, after: a)
        a.redis.mayFailOver = true
        run(.seconds(1))
    }

    func run(_ duration: Duration) { a.run(duration) }

    /// B's process ends at once.
    func crashB() { b.crash() }

    /// B starts again on its disk.
    mutating func riseB(seed: UInt64) throws {
        let old = b
        b = try Sidecar([policy()], seed: seed, deletions: deletions, after: old)
        for (key, copy) in old.warm.copies { b.warm.plant(key, copy) }
    }

    /// A key that A writes and B has read.
    func plant(_ key: String, _ value: String = "v") {
        a.set(key, value)
        #expect(b.read(key).value?.bytes == bytes(value))
        #expect(b.warm.copies[bytes(key)] != nil)
    }

    func read(_ key: String) -> String? {
        b.evict(key)
        return b.read(key).value.map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    func delete(_ keys: String..., through car: Sidecar) {
        #expect(car.perform(.delete(keys))[0].isError == false)
    }
}

extension NativeCommand {
    fileprivate static func delete(_ keys: [String]) -> NativeCommand {
        NativeCommand(.deleteMany(keys.map { bytes($0) }), arguments: (["DEL"] + keys).map { bytes($0) })
    }
}

extension SimulatedRedis {
    /// What the stream names by `keys`, together.
    fileprivate var told: String {
        guard case .stream(let entries)? = entries[DeletionScripts.stream]?.content else { return "" }
        return entries.flatMap { entry in
            stride(from: 0, to: entry.fields.count, by: 2).filter { entry.fields[$0] == bytes("keys") }
                .map { String(decoding: entry.fields[$0 + 1], as: UTF8.self) }
        }.joined(separator: " ")
    }
}

private func name(_ key: String) -> String { String(decoding: DeletedKey(bytes(key)).hexadecimal, as: UTF8.self) }

@Suite struct `The stream of deletions` {
    @Test func `what another sidecar has deleted does not refill a Redis that came back empty`() throws {
        let pair = try Pair()
        pair.plant("gone")
        pair.plant("kept")
        pair.delete("gone", through: pair.a)
        pair.run(.seconds(1))
        pair.a.redis.restartEmpty()
        pair.run(.seconds(6))
        #expect(pair.read("gone") == nil)
        #expect(pair.read("kept") == "v")
        #expect(pair.b.inRedis("gone") == nil)
        #expect(pair.b.inRedis("kept") == "v")
        #expect(pair.b.warm.copies[bytes("gone")] == nil, "a dead copy that is met is removed")
        #expect(pair.b.share.deletions.refusedPromotions.value == 1)
    }

    @Test func `a deletion of the last moment is told to the stream that began anew`() throws {
        let pair = try Pair()
        pair.plant("gone")
        pair.delete("gone", through: pair.a)
        // Before anybody has read of it.
        pair.a.redis.restartEmpty()
        pair.run(.seconds(6))
        #expect(pair.read("gone") == nil)
        #expect(pair.b.inRedis("gone") == nil)
        #expect(pair.a.redis.told.contains(name("gone")))
    }

    @Test func `until others have told what they know a copy is served and not given back`() throws {
        let pair = try Pair()
        pair.plant("kept")
        pair.a.redis.restartEmpty()
        pair.run(.seconds(2))
        pair.b.evict("kept")
        let reading = pair.b.read("kept")
        #expect(reading.value?.bytes == bytes("v"))
        #expect(reading.source == .warm && reading.freshness == .stale)
        #expect(reading.reason.contains("other sidecars may know"))
        #expect(pair.b.inRedis("kept") == nil)
        pair.run(.seconds(4))
        #expect(pair.read("kept") == "v")
        #expect(pair.b.inRedis("kept") == "v")
    }

    @Test func `what was deleted while a sidecar was not running is known before it gives anything back`() throws {
        var pair = try Pair()
        pair.plant("gone")
        pair.plant("kept")
        pair.crashB()
        pair.delete("gone", through: pair.a)
        try pair.riseB(seed: 13)
        pair.run(.seconds(1))
        pair.a.redis.restartEmpty()
        pair.run(.seconds(6))
        #expect(pair.read("gone") == nil)
        #expect(pair.read("kept") == "v")
    }

    @Test func `what was deleted, and lost by Redis, while a sidecar was not running is told by the others`() throws {
        var pair = try Pair()
        pair.plant("gone")
        pair.plant("kept")
        pair.crashB()
        pair.delete("gone", through: pair.a)
        pair.run(.seconds(2))
        pair.a.redis.restartEmpty()
        pair.run(.seconds(2))
        try pair.riseB(seed: 13)
        pair.run(.seconds(6))
        #expect(pair.read("gone") == nil)
        #expect(pair.read("kept") == "v")
        #expect(pair.b.deletionEvents.values.contains { if case .beganAnew = $0 { true } else { false } })
    }

    @Test func `what a sidecar has read is known to its next process`() throws {
        var pair = try Pair()
        pair.plant("gone")
        pair.delete("gone", through: pair.a)
        pair.run(.seconds(1))
        pair.crashB()
        try pair.riseB(seed: 13)
        #expect(pair.b.warm.copies[bytes("gone")] != nil)
        pair.run(.seconds(1))
        // Nothing of it is read again: the tombstone comes from the disk.
        #expect(pair.b.share.deletions.keysRead.value == 0)
        pair.a.redis.restartEmpty()
        pair.run(.seconds(6))
        #expect(pair.read("gone") == nil)
    }

    @Test func `where the stream does not reach back nothing older is given back before it was verified`() throws {
        var pair = try Pair(deletions: 5)
        pair.plant("kept")
        pair.plant("other")
        pair.crashB()
        for number in 0..<20 { pair.delete("x\(number)", through: pair.a) }
        try pair.riseB(seed: 13)
        pair.run(.seconds(1))
        #expect(pair.b.deletionEvents.values.contains { if case .missed = $0 { true } else { false } })
        #expect(pair.read("other") == "v")
        pair.run(.seconds(1))
        pair.a.redis.restartEmpty()
        pair.run(.seconds(6))
        #expect(pair.read("kept") == nil)
        #expect(pair.read("other") == "v", "it was compared with Redis since")
    }

    @Test func `a stream that was deleted in a Redis that kept its data tells nothing of what was in it`() throws {
        let pair = try Pair()
        pair.plant("kept")
        pair.a.redis.execute("DEL", "hearth:deletions")
        pair.run(.seconds(1))
        #expect(pair.b.deletionEvents.values.contains { if case .missed = $0 { true } else { false } })
        pair.a.redis.restartEmpty()
        pair.run(.seconds(6))
        #expect(pair.read("kept") == nil)
    }

    @Test func `a sidecar that heard nothing for longer than deletions are remembered gives nothing back`() throws {
        var pair = try Pair()
        pair.plant("kept")
        pair.crashB()
        pair.run(.seconds(3700))
        pair.a.redis.restartEmpty()
        pair.run(.seconds(2))
        try pair.riseB(seed: 13)
        pair.run(.seconds(6))
        #expect(pair.b.deletionEvents.values.contains { if case .missed = $0 { true } else { false } })
        #expect(pair.read("kept") == nil)
    }

    @Test func `a promotion is compared with what the stream has beyond`() throws {
        let pair = try Pair()
        pair.plant("gone")
        pair.plant("kept")
        // Another process with the same data: the copies are older than it.
        _ = pair.a.redis.failOver(losing: .zero)
        pair.run(.seconds(6))
        pair.a.redis.execute("DEL", "kept")
        pair.delete("gone", through: pair.a)
        // At once: B's reader has not read of it.
        #expect(pair.b.share.deletions.keysRead.value == 0)
        #expect(pair.read("gone") == nil)
        #expect(pair.b.inRedis("gone") == nil)
        #expect(pair.read("kept") == "v")
    }

    @Test func `a key that was deleted and written again refills Redis with what was written`() throws {
        let pair = try Pair()
        pair.plant("k", "old")
        pair.delete("k", through: pair.a)
        pair.run(.seconds(1))
        pair.a.set("k", "new")
        #expect(pair.read("k") == "new")
        pair.run(.seconds(1))
        pair.a.redis.restartEmpty()
        pair.run(.seconds(6))
        #expect(pair.read("k") == "new")
    }

    @Test func `a key that was read between its deletion and the news of that is written to the disk again`() throws {
        let pair = try Pair()
        pair.plant("k", "old")
        pair.delete("k", through: pair.a)
        pair.a.set("k", "new")
        #expect(pair.read("k") == "new")
        pair.run(.seconds(1))
        // The copy is older than the news: it might be of what was deleted.
        #expect(pair.b.share.deletions.isDead(bytes("k"), verifiedAt: pair.b.warm.copies[bytes("k")]!.verifiedAt))
        pair.run(.seconds(6))
        #expect(pair.b.read("k").value?.bytes == bytes("new"))
        #expect(!pair.b.share.deletions.isDead(bytes("k"), verifiedAt: pair.b.warm.copies[bytes("k")]!.verifiedAt))
    }

    @Test func `an own deletion says nothing of what is written here after it`() throws {
        let pair = try Pair()
        pair.a.set("k", "old")
        pair.delete("k", through: pair.a)
        pair.a.set("k", "new")
        pair.run(.seconds(1))
        #expect(!pair.a.share.deletions.isDead(bytes("k"), verifiedAt: pair.a.warm.copies[bytes("k")]!.verifiedAt))
        pair.a.redis.restartEmpty()
        pair.run(.seconds(6))
        pair.a.evict("k")
        #expect(pair.a.read("k").value?.bytes == bytes("new"))
        #expect(pair.a.inRedis("k") == "new")
    }

    @Test func `in an outage a copy of a deleted key is not served from the disk`() throws {
        let pair = try Pair()
        pair.plant("gone")
        pair.delete("gone", through: pair.a)
        pair.run(.seconds(1))
        pair.b.openBreaker()
        #expect(pair.read("gone") == nil)
        #expect(pair.b.warm.copies[bytes("gone")] == nil)
    }

    @Test func `a FLUSHDB through a sidecar is the deletion of everything`() throws {
        let pair = try Pair()
        pair.plant("gone")
        #expect(pair.a.perform(.words(.removeAll, "FLUSHDB")) == [.ok])
        pair.a.redis.restartEmpty()
        pair.run(.seconds(6))
        #expect(pair.read("gone") == nil)
    }

    @Test func `a Redis that refuses the stream does what it is asked, and is given nothing back`() throws {
        let pair = try Pair()
        pair.plant("kept")
        pair.a.redis.forbiddenStreams = [DeletionScripts.stream]
        pair.a.set("gone", "v")
        pair.delete("gone", through: pair.a)
        #expect(pair.a.inRedis("gone") == nil)
        pair.run(.seconds(2))
        #expect(pair.b.deletionEvents.values.contains { if case .refused = $0 { true } else { false } })
        pair.a.redis.restartEmpty()
        pair.run(.seconds(12))
        #expect(pair.read("kept") == nil)
        pair.a.redis.forbiddenStreams = []
        pair.run(.seconds(30))
        #expect(pair.b.deletionEvents.values.last.map { if case .joined = $0 { true } else { false } } == true)
    }

    @Test func `a disk that does not take what was read has it read again after a restart`() throws {
        var pair = try Pair()
        pair.plant("gone")
        pair.b.warm.refusesWrites = true
        pair.delete("gone", through: pair.a)
        pair.run(.seconds(2))
        #expect(pair.b.deletionEvents.values.last == .notKept)
        pair.crashB()
        try pair.riseB(seed: 13)
        pair.run(.seconds(1))
        #expect(pair.b.share.deletions.keysRead.value == 1)
        pair.a.redis.restartEmpty()
        pair.run(.seconds(6))
        #expect(pair.read("gone") == nil)
    }

    @Test func `without a stream nothing is appended, and copies go back as they did`() throws {
        let pair = try Pair(deletions: 0)
        pair.plant("kept")
        pair.delete("x", through: pair.a)
        #expect(pair.a.redis.entries[DeletionScripts.stream] == nil)
        pair.a.redis.restartEmpty()
        pair.run(.seconds(2))
        #expect(pair.read("kept") == "v")
        #expect(pair.b.inRedis("kept") == "v")
    }

    @Test func `every way in which a key is deleted is told, and names are not`() throws {
        let car = try Sidecar(deletions: 1000)
        let past = car.scheduler.now.advanced(byMilliseconds: -1)
        let ways: [(String, NativeCommand)] = [
            ("del", .delete(["del"])),
            ("unlink", .words(.write(.delete, key: bytes("unlink")), "UNLINK", "unlink")),
            ("getdel", .words(.write(.getDelete, key: bytes("getdel")), "GETDEL", "getdel")),
            ("expire", .words(.write(.expire(at: past, []), key: bytes("expire")), "PEXPIREAT", "expire", "1")),
            (
                "renamed",
                .words(.rename(bytes("renamed"), to: bytes("to"), onlyIfNone: false), "RENAME", "renamed", "to")
            ),
        ]
        for (key, command) in ways {
            car.set(key, "v")
            #expect(!car.perform(command)[0].isError, "\(key)")
            #expect(car.redis.told.contains(name(key)), "\(key)")
        }
        car.set("many1", "v")
        let replies = car.perform(
            .set("many2", "v"), .delete(["many1", "many2"]), .delete(["single"]), isTransaction: true)
        #expect(replies == [.ok, .integer(2), .integer(0)])
        for key in ["many1", "many2", "single"] { #expect(car.redis.told.contains(name(key)), "\(key)") }
        guard case .stream(let entries)? = car.redis.entries[DeletionScripts.stream]?.content else {
            Issue.record("no stream")
            return
        }
        let texts = entries.flatMap(\.fields).map { String(decoding: $0, as: UTF8.self) }
        for (key, _) in ways { #expect(!texts.contains { $0.contains(key) }) }
    }

    @Test func `a deletion that waited in the journal is told when it is replayed`() throws {
        let car = try Sidecar(journalOn: SimulatedFileSystem(seed: 1), deletions: 1000)
        car.set("k", "v")
        car.openBreaker()
        #expect(car.perform(.delete(["k"])) == [.integer(1)])
        #expect(!car.redis.told.contains(name("k")))
        car.share.breaker.force(.automatic, now: car.now)
        car.scheduler.run(atMost: .seconds(20)) { car.journal?.pending.isEmpty == true }
        #expect(car.inRedis("k") == nil)
        #expect(car.redis.told.contains(name("k")))
    }
}

@Suite struct `Tombstones` {
    @Test func `the newest are remembered, and from when the others were`() {
        var table = TombstoneTable()
        for number in 0..<(TombstoneTable.capacity + 10) {
            table.add(.init(key: DeletedKey(rawValue: UInt64(number)), time: Int64(1000 + number), isOwn: false))
        }
        #expect(table.count == TombstoneTable.capacity)
        #expect(table.time(of: DeletedKey(rawValue: 9)) == nil)
        #expect(table.time(of: DeletedKey(rawValue: 10)) == 1010)
        #expect(table.forgottenUntil == 1009)
    }

    @Test func `pieces bring back what was remembered`() throws {
        for count in [0, 1, 2047, 2048, 2049, 5000, TombstoneTable.capacity, TombstoneTable.capacity + 3000] {
            var table = TombstoneTable()
            for number in 0..<count {
                table.add(
                    .init(key: DeletedKey(rawValue: UInt64(number)), time: Int64(number), isOwn: number % 3 == 0))
            }
            var found: [TombstoneTable.Tombstone] = []
            for number in table.allPieces {
                let (first, tombstones) = table.piece(number)
                let bytes = DeletionRecord.piece(first, tombstones)
                found += try #require(
                    DeletionRecord.tombstones(bytes, from: first, to: first + UInt64(tombstones.count)))
                #expect(DeletionRecord.tombstones(bytes, from: first, to: first + UInt64(tombstones.count) + 1) == nil)
            }
            #expect(found.count == min(count, TombstoneTable.capacity))
            var restored = TombstoneTable()
            restored.restore(found, total: table.total)
            #expect(restored.total == table.total)
            #expect(restored.tombstones(since: 0) == table.tombstones(since: 0))
            restored.add(.init(key: DeletedKey(rawValue: 7), time: 1 << 40, isOwn: false))
            #expect(restored.time(of: DeletedKey(rawValue: 7)) == 1 << 40)
        }
    }

    @Test func `a state is read as it was written, and nothing else is taken for one`() {
        let state = DeletionState(
            position: StreamPosition(milliseconds: 1_526_919_030_474, sequence: 55), process: .max,
            unverifiedBefore: 12, heardAt: -1, total: 99)
        #expect(DeletionState(state.bytes) == state)
        #expect(DeletionState(Array(state.bytes.dropLast())) == nil)
        #expect(DeletionState([UInt8](repeating: 0, count: 56)) == nil)
        #expect(DeletionState([]) == nil)
        #expect(StreamPosition(Array("1526919030474-55".utf8)) == state.position)
        for wrong in ["", "5", "-", "1-", "-1", "a-1", "1-2-3", "18446744073709551616-0"] {
            #expect(StreamPosition(Array(wrong.utf8)) == nil, "\(wrong)")
        }
    }
}
