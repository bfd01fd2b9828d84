// The journal when nothing goes wrong: order, settlement, superseding, notes, numbers, bounds.

import Journal
import Primitives
import SegmentLog
import TestSupport
import Testing

@Suite struct `Ordinary life` {
    @Test func `entries come back in order until they are settled`() throws {
        let files = SimulatedFileSystem()
        do {
            let (journal, _) = try simulated(files)
            for number in 1...20 { #expect(try journal.add([UInt8(number)]) == UInt64(number)) }
            try journal.end([1, 3, 20])
            #expect(journal.entry(3) == nil)
            #expect(journal.entry(2)?.payload == [2])
            #expect(journal.statistics.entries == 17)
        }
        let (journal, recovery) = try simulated(files)
        #expect(recovery.entries.map(\.sequence) == [2] + Array(4...19))
        #expect(recovery.entries.allSatisfy { $0.payload == [UInt8($0.sequence)] && $0.acceptedAt == .at(1) })
        #expect(recovery.skipped.isEmpty)
        #expect(recovery.keptDamagedFiles.isEmpty)
        #expect(try journal.add([1]) == 21)
    }

    @Test func `an entry takes the place of those that it supersedes`() throws {
        let files = SimulatedFileSystem()
        do {
            let (journal, _) = try simulated(files)
            let first = try journal.add([1])
            let second = try journal.add([2])
            try journal.add([3], superseding: [first, second, 99])
            #expect(journal.statistics.superseded == 2)
            #expect(journal.statistics.entries == 1)
        }
        let (_, recovery) = try simulated(files)
        #expect(recovery.entries.map(\.payload) == [[3]])
    }

    @Test func `what is staged is neither visible nor kept before the commit`() throws {
        let files = SimulatedFileSystem()
        let (journal, _) = try simulated(files)
        try journal.add([1])
        journal.begin()
        _ = try journal.append([2], superseding: [1], now: .at(1))
        #expect(journal.entry(1) != nil)
        #expect(journal.entry(2) == nil)
        journal.rollback()
        #expect(journal.statistics.entries == 1)
        #expect(try journal.add([3]) == 2)
    }

    @Test func `within a batch entries may be superseded and settled`() throws {
        let files = SimulatedFileSystem()
        do {
            let (journal, _) = try simulated(files)
            try journal.batch { journal throws(JournalError) in
                let first = try journal.append([1], superseding: [], now: .at(1))
                let second = try journal.append([2], superseding: [first], now: .at(1))
                _ = try journal.append([3], superseding: [], now: .at(1))
                try journal.settle([second, second])
            }
            #expect(journal.entries.map(\.payload) == [[3]])
        }
        #expect(try simulated(files).recovery.entries.map(\.payload) == [[3]])
    }

    @Test func `a second journal on the directory is refused`() throws {
        let files = SimulatedFileSystem()
        let (journal, _) = try simulated(files)
        #expect(throws: JournalError.log(.locked(directory: "/journal"))) { _ = try simulated(files) }
        #expect(journal.statistics.entries == 0)
    }

    @Test func `numbers go on after everything was settled and its files are gone`() throws {
        let files = SimulatedFileSystem()
        var last: UInt64 = 0
        for _ in 0..<10 {
            let (journal, recovery) = try simulated(files)
            #expect(recovery.entries.isEmpty)
            for _ in 0..<40 {
                let number = try journal.add([UInt8](repeating: 7, count: 300))
                #expect(number == last + 1)
                last = number
            }
            try journal.end(journal.entries.map(\.sequence))
            while try journal.maintain(now: .at(1)) {}
            #expect(journal.statistics.segments == 1)
        }
    }

    @Test func `notes are kept until they are dropped, the oldest go when there are too many`() throws {
        let files = SimulatedFileSystem()
        do {
            let (journal, _) = try simulated(files, maxBytes: 4 << 20)
            for number in 0..<1010 {
                try journal.batch { journal throws(JournalError) in
                    _ = try journal.note([UInt8(number % 250)], now: .at(Int64(number)))
                }
            }
            #expect(journal.statistics.notes == 1000)
            #expect(journal.statistics.notesDropped == 10)
            try journal.batch { journal throws(JournalError) in try journal.dropNotes([11, 12, 5000]) }
        }
        do {
            let (_, recovery) = try simulated(files, maxBytes: 4 << 20)
            #expect(recovery.notes.map(\.id) == Array(13...1010))
            #expect(recovery.notes.first?.notedAt == .at(12))
        }
    }

    @Test func `notes take at most an eighth of the journal`() throws {
        let files = SimulatedFileSystem()
        let (journal, _) = try simulated(files)
        for _ in 0..<20 {
            try journal.batch { journal throws(JournalError) in
                _ = try journal.note([UInt8](repeating: 1, count: 1000), now: .at(1))
            }
        }
        #expect((5...7).contains(journal.statistics.notes))
        journal.begin()
        #expect(throws: JournalError.self) { _ = try journal.note([UInt8](repeating: 1, count: 9000), now: .at(1)) }
        journal.rollback()
    }
}
