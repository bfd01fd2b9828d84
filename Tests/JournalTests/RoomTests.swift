// The bound: what fits, what is refused, what a full journal still does.

import Journal
import Primitives
import SegmentLog
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct `The journal's room` {
    /// Appends until it is full; returns the numbers.
    private func fill(_ journal: Journal, size: Int) throws -> [UInt64] {
        var numbers: [UInt64] = []
        while let number = try addIfFree(journal, size: size) { numbers.append(number) }
        return numbers
    }

    private func addIfFree(_ journal: Journal, size: Int) throws -> UInt64? {
        do throws(JournalError) {
            return try journal.add([UInt8](repeating: 5, count: size))
        } catch {
            if case .full(let needed, let free) = error, needed > free { return nil }
            throw error
        }
    }

    @Test(arguments: [0, 1, 100, 1000, 4000, 12_000, 18_000])
    func `a full journal refuses, settles one by one, and takes again`(_ size: Int) throws {
        let files = SimulatedFileSystem()
        let maxBytes = 128 << 10
        do {
            let (journal, _) = try simulated(files, maxBytes: maxBytes)
            var pending = try fill(journal, size: size)
            #expect(journal.statistics.state == .full)
            #expect(journal.statistics.freeBytes <= size + 600, "\(journal.statistics.freeBytes) bytes are left")
            #expect(journal.statistics.entryBytes >= pending.count * size)
            #expect(pending.count * (size + 112) >= maxBytes / 2 - 2 * (size + 112), "\(pending.count) entries")
            for round in 0..<6 {
                let share = round % 2 == 0 ? pending.count / 2 + 1 : pending.count
                for number in (round % 3 == 0 ? pending.shuffled() : pending).prefix(share) {
                    try journal.end([number])
                    pending.removeAll { $0 == number }
                }
                #expect(journal.statistics.state == .healthy)
                pending += try fill(journal, size: size)
                #expect(pending.count * (size + 112) >= maxBytes / 2 - 2 * (size + 112), "round \(round)")
            }
            #expect(journal.entries.map(\.sequence) == pending.sorted())
            try journal.end(pending)
            #expect(journal.statistics.entries == 0)
            #expect(journal.statistics.entryBytes == 0 && journal.statistics.freeBytes >= maxBytes / 2)
            pending = try fill(journal, size: size)
            #expect(journal.entries.map(\.sequence) == pending)
            #expect(files.bytesUsedMax <= maxBytes)
        }
        #expect(try simulated(files, maxBytes: maxBytes).recovery.entries.count > 0)
    }

    @Test func `a full journal takes notes`() throws {
        let files = SimulatedFileSystem()
        let (journal, _) = try simulated(files)
        _ = try fill(journal, size: 500)
        for _ in 0..<50 {
            try journal.batch { journal throws(JournalError) in
                _ = try journal.note([UInt8](repeating: 1, count: 3900), now: .at(1))
            }
        }
        #expect(journal.statistics.notes == 2)
        #expect(files.bytesUsedMax <= 64 << 10)
    }

    @Test func `an entry that no journal of this size could hold has an error of its own`() throws {
        let (journal, _) = try simulated(SimulatedFileSystem())
        var limit = 0
        do throws(JournalError) {
            try journal.add([UInt8](repeating: 1, count: 64 << 10))
        } catch {
            if case .tooLarge(_, let most) = error { limit = most }
        }
        #expect(limit > 16 << 10)
        try journal.add([UInt8](repeating: 1, count: limit - 120))
        #expect(throws: JournalError.self) { try journal.add([UInt8](repeating: 1, count: limit - 120)) }
        try journal.end([1])
        try journal.add([UInt8](repeating: 1, count: limit - 120))
    }

    @Test func `an entry that stays does not keep what passes behind it`() throws {
        let files = SimulatedFileSystem()
        let (journal, _) = try simulated(files)
        let first = try journal.add(Array("stays".utf8))
        var written = 0
        while written < 40 * (64 << 10) {
            let number = try journal.add([UInt8](repeating: 3, count: 700))
            try journal.end([number])
            written += 900
            if written % 7 == 0 { while try journal.maintain(now: .at(1)) {} }
        }
        #expect(journal.entry(first)?.payload == Array("stays".utf8))
        #expect(journal.statistics.compactedBytes < 64 << 10)
        #expect(files.bytesUsedMax <= 64 << 10)
    }

    @Test(arguments: 0..<6)
    func `random life keeps to the model and the bound`(_ round: UInt64) {
        let seed = SeededGenerator.seed() &+ round
        var life = Life(seed: seed, maxBytes: 96 << 10)
        life.isSynchronous = round % 2 == 0
        let place = "replay with HEARTH_SEED=\(seed)"
        life.open(place)
        for step in 0..<1500 {
            let pending = life.visible.keys.sorted()
            func some() -> [UInt64] {
                (0..<Int.random(in: 0...3, using: &life.random)).compactMap { _ in
                    pending.randomElement(using: &life.random)
                }
            }
            switch Int.random(in: 0..<12, using: &life.random) {
            case 0...6:
                let appends = (0..<Int.random(in: 1...3, using: &life.random)).map { _ in
                    (life.payload(Int.random(in: 0...(step % 40 == 0 ? 9000 : 900), using: &life.random)), some())
                }
                life.commit(appends, settling: some())
            case 7, 8: life.commit([], settling: some() + some(), note: step % 3 == 0)
            case 9: life.maintain(Int.random(in: 1...4, using: &life.random))
            case 10: if !life.isSynchronous { life.synchronize() }
            default:
                guard step % 5 == 0 else { break }
                life.check("\(place), step \(step)")
                if step % 2 == 0 {
                    life.close()
                    life.files.cutPower()
                    life.files.restorePower()
                }
                life.open("\(place), step \(step)")
            }
        }
        life.check(place)
    }

    #if canImport(Glibc)
        @Test func `a real disk that is full degrades the journal, which loses nothing and goes on with room`() throws {
            let directory = "/tmp/hearth-journal-\(UInt64.random(in: 0 ... .max))"
            try DiskFileSystem().makeDirectory(directory)
            defer { rmdir(directory) }
            guard mount("tmpfs", directory, "tmpfs", 0, "size=1m") == 0 else {
                print("skipped: mounting a tmpfs is not allowed here (errno \(errno)); the simulated disk covers it")
                return
            }
            defer { umount2(directory, Int32(MNT_DETACH)) }
            let ballast = try DiskFileSystem().open(directory + "/ballast", .createNew)
            try [UInt8](repeating: 1, count: 700 << 10).withTyped { bytes throws(FileError) in
                _ = try DiskFileSystem().write(ballast, from: bytes, at: 0)
            }
            try DiskFileSystem().close(ballast)
            let options = JournalOptions(directory: directory + "/journal", maxBytes: 960 << 10)
            var journal: Journal? = try Journal.open(options, now: .at(1)).journal
            var kept = 0
            do {
                while kept < 1000 {
                    try journal?.add([UInt8](repeating: 7, count: 4000))
                    kept += 1
                }
            } catch {
                #expect("\(error)".contains("ENOSPC"))
            }
            #expect((20..<100).contains(kept))
            #expect(journal?.statistics.entries == kept)
            try DiskFileSystem().remove(directory + "/ballast")
            _ = try journal?.maintain(now: .at(1000))
            try journal?.add([1], now: .at(1001))
            journal = nil
            let again = try Journal.open(options, now: .at(2000))
            #expect(again.recovery.entries.count == kept + 1)
            #expect(again.recovery.skipped.isEmpty)
        }
    #endif
}
