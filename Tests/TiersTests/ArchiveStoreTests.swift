// Archives on a real warm tier over a simulated disk: chunks, crashes, ends, and what makes room.

import LocalTier
import Primitives
import SegmentLog
import State
import TestSupport
import Testing
import WarmTier

@testable import Tiers

@Suite struct ArchiveStoreTests {
    /// A warm tier and its keeper.
    private final class Store {
        let keeper: WarmKeeper
        let changes: WarmChanges
        var now = Timestamp(milliseconds: 1_000_000)
        var tier: WarmTier { keeper.tier }

        init(
            _ files: SimulatedFileSystem, maxBytes: Int = 4 << 20, sync: WarmTierConfiguration.Sync = .never,
            whenFull: WarmTierConfiguration.WhenFull = .evict, now: Timestamp = Timestamp(milliseconds: 1_000_000)
        ) throws {
            let local = try LocalTier(LocalTierConfiguration(maxBytes: 1 << 20, shards: 1))
            changes = WarmChanges(localBytes: local.arenaBytes)
            let writer = try WarmTier.open(
                WarmTierConfiguration(directory: "/warm", maxBytes: maxBytes, sync: sync, whenFull: whenFull),
                fileSystem: files, now: now)
            keeper = WarmKeeper(writer, changes: changes, local: local) { _ in }
            self.now = now
        }

        final class Heard: @unchecked Sendable { var isKept: Bool? }

        @discardableResult
        func archive(
            _ turns: some Sequence<Int>, of key: String = "k", id: UInt64 = 7, bytes count: Int = 10,
            expiresAt: Timestamp = .never
        ) -> Bool {
            let heard = Heard()
            let leaving = LeavingTurns(
                key: bytes(key), id: OperationID(rawValue: id), turns: turns.map { Store.turn($0, count) },
                expiresAt: expiresAt)
            turn([.archive(leaving) { heard.isKept = $0 }])
            return heard.isKept ?? false
        }

        func turn(_ jobs: [WarmJob]) { _ = keeper.turn(jobs, now: now) }

        func change(_ key: String, _ change: WarmChange) {
            _ = changes.take(bytes(key), change, now: now)
            turn([.changes])
        }

        func read(_ key: String = "k", id: UInt64 = 7, from: Int64 = 1) -> ArchiveAnswer {
            ArchiveAnswer.read(tier, bytes(key), OperationID(rawValue: id), from: from, now: now)
        }

        func sequences(_ key: String = "k", id: UInt64 = 7) -> [Int64]? {
            if case .turns(let turns, nil) = read(key, id: id) { turns.map(\.sequence) } else { nil }
        }

        static func turn(_ number: Int, _ count: Int) -> Turns.Turn {
            Turns.Turn(
                sequence: Int64(number), at: Timestamp(milliseconds: Int64(number)),
                bytes: Array("\(number): ".utf8) + [UInt8](repeating: UInt8(number % 251), count: count))
        }
    }

    private static func copy(archive: UInt64?, expiresAt: Timestamp = .never) -> WarmCopy {
        var record = Record(version: 1, createdAt: .distantPast, updatedAt: .distantPast)
        record.turns = Turns(keep: 1)
        record.turns?.archive = archive.map { Turns.Archive(id: OperationID(rawValue: $0), count: 1, upTo: 1) }
        return WarmCopy(HeldValue(record, expiresAt: expiresAt), verifiedAt: .distantPast)
    }

    @Test func `turns fill chunks in order, whatever their sizes, and are read back as they were`() throws {
        let store = try Store(SimulatedFileSystem(), maxBytes: 32 << 20)
        var next = 1
        for step in 0..<60 {
            let count = step % 7 + 1
            #expect(store.archive(next..<next + count, bytes: step % 5 == 4 ? 70_000 : step * 100))
            next += count
        }
        #expect(store.sequences() == (1..<Int64(next)).map { $0 })
        guard case .turns(let turns, nil) = store.read() else { return }
        #expect(
            turns.allSatisfy {
                $0.bytes.starts(with: Array("\($0.sequence): ".utf8)) && $0.at.milliseconds == $0.sequence
            })
        let figures = store.tier.statistics
        #expect(figures.archives > 10 && figures.entries == 0 && store.tier.countKeys(now: store.now) == 0)
        #expect(store.tier.scan(limit: 1000, now: store.now).keys.isEmpty)
        #expect(figures.archiveBytes < figures.compressedRawBytes / 4)
    }

    @Test func `what is archived again is there once, and what comes late finds its place`() throws {
        let store = try Store(SimulatedFileSystem())
        for _ in 0..<3 { store.archive(5...9) }
        store.archive(1...3)
        store.archive(8...12)
        store.archive([4])
        #expect(store.sequences() == [Int64](1...12))
        let commits = store.tier.statistics.liveBytes
        store.archive(1...12)
        #expect(store.tier.statistics.liveBytes == commits)
        guard case .turns(let some, nil) = store.read(from: 7) else { return }
        #expect(some.map(\.sequence) == [Int64](7...12))
        #expect(store.read(id: 8) == .absent && store.read("other") == .absent)
    }

    @Test func `an answer ends where it is large enough, and says where to go on`() throws {
        let store = try Store(SimulatedFileSystem(), maxBytes: 64 << 20)
        for first in stride(from: 1, to: 200, by: 10) { store.archive(first..<first + 10, bytes: 30_000) }
        var found: [Int64] = []
        var from: Int64? = 1
        var answers = 0
        while let start = from, case .turns(let turns, let next) = store.read(from: start) {
            #expect(turns.reduce(0) { $0 + $1.bytes.count } < ArchiveAnswer.bytesMax + ArchiveChunk.bytesMax)
            found += turns.map(\.sequence)
            from = next
            answers += 1
        }
        #expect(found == [Int64](1...200) && answers == 2)
    }

    @Test(arguments: 0..<30) func `after a power cut all that was acknowledged is there, whatever warm.sync says`(
        _ round: Int
    ) throws {
        let seed = SeededGenerator.seed() &+ UInt64(round)
        let files = SimulatedFileSystem(seed: seed)
        var acknowledged: [Int64] = []
        do {
            let store = try Store(files, sync: round % 2 == 0 ? .never : .interval(milliseconds: 1000))
            files.faults.failingCall = Int(seed % 90) + 8
            files.faults.isPersistent = true
            var next = 1
            for _ in 0..<30 {
                if store.archive(next..<next + 3) { acknowledged += (next..<next + 3).map { Int64($0) } }
                next += 3
            }
        }
        files.cutPower()
        files.faults = SimulatedFaults()
        files.restorePower()
        let store = try Store(files)
        let found = store.sequences() ?? []
        #expect(Set(acknowledged).isSubset(of: found), "HEARTH_SEED=\(seed)")
        #expect(found == Set(found).sorted(), "HEARTH_SEED=\(seed)")
        #expect(store.archive(1000...1003))
        #expect(Set(acknowledged).isSubset(of: store.sequences() ?? []), "HEARTH_SEED=\(seed)")
    }

    // MARK: Ends

    @Test func `an archive follows its record: another conversation, none, or a plain value ends it`() throws {
        let other: [(String, WarmChange)] = [
            ("end", .end), ("another", .put(Self.copy(archive: 8), staleFor: 0)),
            ("none", .put(Self.copy(archive: nil), staleFor: 0)),
            ("plain", .put(WarmCopy(HeldValue(bytes("v")), verifiedAt: .distantPast), staleFor: 0)),
        ]
        for (name, change) in other {
            let store = try Store(SimulatedFileSystem())
            store.archive(1...50)
            store.archive(1...50, of: "beside")
            store.change("k", .put(Self.copy(archive: 7), staleFor: 0))
            store.change("k", .remove)
            store.change("k", .suspect)
            #expect(store.sequences()?.count == 50, "a copy that goes says nothing of the archive")
            var doubtful = Self.copy(archive: nil)
            doubtful.isSuspect = true
            store.change("k", .put(doubtful, staleFor: 0))
            #expect(store.sequences()?.count == 50, "nor does one that may not be")
            store.change("k", change)
            #expect(store.read() == .absent, "\(name)")
            #expect(store.tier.statistics.archives == 2 && store.sequences("beside")?.count == 50)
        }
    }

    @Test func `turns of another conversation begin an archive of their own`() throws {
        let store = try Store(SimulatedFileSystem())
        store.archive(1...4, id: 7)
        store.archive(1...2, id: 8)
        #expect(store.sequences(id: 8) == [1, 2])
        #expect(store.sequences(id: 7) == nil)
    }

    @Test func `an archive lives as long as its record, and its chunks are swept when it ends`() throws {
        let store = try Store(SimulatedFileSystem())
        let soon = store.now.advanced(byMilliseconds: 10_000)
        store.archive(1...50, expiresAt: soon)
        store.archive(1...50, of: "kept", expiresAt: .never)
        let later = store.now.advanced(byMilliseconds: 60_000)
        store.change("k", .put(Self.copy(archive: 7, expiresAt: later), staleFor: 5))
        store.now = store.now.advanced(byMilliseconds: 64_000)
        #expect(store.sequences()?.count == 50)
        store.now = store.now.advanced(byMilliseconds: 2000)
        #expect(store.read() == .absent)
        store.now = store.now.advanced(byMilliseconds: WarmKeeper.archiveSweepMilliseconds)
        for _ in 0..<20 {
            store.now = store.now.advanced(byMilliseconds: 1000)
            store.turn([])
        }
        #expect(store.tier.statistics.archives == 2 && store.sequences("kept")?.count == 50)
    }

    @Test func `an erasure of keys of archives is for certain, and counts no keys`() throws {
        let files = SimulatedFileSystem()
        do {
            let store = try Store(files)
            store.archive(1...2000, bytes: 100)
            let page = store.tier.scan(limit: 100, now: store.now, includingExpired: true, .both)
            #expect(page.keys.count > 3 && page.keys.allSatisfy { ArchiveKey.subject(of: $0) == bytes("k") })
            let heard = Store.Heard()
            store.turn([
                .erase(page.keys.map { ErasedKey($0, leavesTombstone: false) }) {
                    if case .done(let replies) = $0 { heard.isKept = replies == [.integer(0)] }
                }
            ])
            #expect(heard.isKept == true && store.read() == .absent)
        }
        files.cutPower()
        files.restorePower()
        let store = try Store(files)
        #expect(store.read() == .absent && store.tier.statistics.archives == 0)
    }

    @Test func `a full tier lets the oldest go and the answer shows the gap; or refuses, and nothing is lost`() throws {
        for whenFull in [WarmTierConfiguration.WhenFull.evict, .refuse] {
            let store = try Store(SimulatedFileSystem(), maxBytes: 1 << 20, whenFull: whenFull)
            var random = SimulatedRandom(seed: 3)
            var kept: [Int64] = []
            for number in 1...500 {
                let noise = (0..<3000).map { _ in UInt8.random(in: 0...255, using: &random) }
                let turn = Turns.Turn(sequence: Int64(number), at: .distantPast, bytes: noise)
                let heard = Store.Heard()
                store.turn([
                    .archive(LeavingTurns(key: bytes("k"), id: OperationID(rawValue: 7), turns: [turn])) {
                        heard.isKept = $0
                    }
                ])
                if heard.isKept == true { kept.append(Int64(number)) }
            }
            let found = store.sequences() ?? []
            if whenFull == .refuse {
                #expect(found == kept && kept.count < 500 && store.changes.archives.refused.value > 0)
            } else {
                #expect(kept.count == 500 && found.count < 500 && found.last == 500)
                #expect(found == Set(found).sorted() && store.tier.statistics.archivesEvicted > 0)
            }
        }
    }

    @Test func `keys of archives are nobody's to write or read`() throws {
        let store = try Store(SimulatedFileSystem())
        store.archive(1...5)
        let key = ArchiveKey.directory(of: bytes("k")).bytes
        #expect(store.changes.answer(key, from: store.tier, now: store.now) == .absent)
        _ = store.changes.take(key, .remove, now: store.now)
        store.turn([.changes])
        let heard = Store.Heard()
        let set = StringCommand.write(
            .set(bytes("x"), expiry: .clear, condition: .always, reply: .ok), key: key)
        store.turn([
            .perform([set], PolicyTable([Policy()])) {
                if case .refused(let text) = $0 { heard.isKept = text.contains("archive's own") }
            }
        ])
        #expect(heard.isKept == true && store.sequences() == [Int64](1...5))
    }
}
