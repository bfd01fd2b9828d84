// Files cut at every byte, every byte flipped: whole records stay, nothing else is told of, the file is kept.

import Journal
import Primitives
import SegmentLog
import TestSupport
import Testing

@Suite struct `Damage to the journal` {
    /// A small journal: entries, one settled, one superseded, a note; over a sealed segment and one that is written.
    struct Small {
        let files = SimulatedFileSystem(seed: 4)
        var originals: [String: [UInt8]] = [:]
        var payloads: [UInt64: [UInt8]] = [:]
        var pending: Set<UInt64> = []
        /// Where the records of each file lie.
        var places: [String: [Range<Int>]] = [:]

        init() throws {
            let (journal, _) = try simulated(files)
            for size in [0, 3, 500, 1700, 40, 2000, 9, 64] {
                let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size)
                payloads[try journal.add(payload)] = payload
            }
            try journal.end([2])
            payloads[try journal.add([7], superseding: [5])] = [7]
            try journal.batch { journal throws(JournalError) in
                _ = try journal.note([9, 9], now: .at(1))
                try journal.settle([6])
            }
            pending = Set(journal.entries.map(\.sequence))
            for path in files.paths where path.hasSuffix(".segment") { originals[path] = files.contents(path) }
            let report = try SegmentInspection.run("/journal", purpose: .journal, deeply: true, fileSystem: files)
            for segment in report.segments {
                places[segment.path] = segment.summaries.map { $0.offset..<$0.offset + $0.recordLength }
            }
        }

        /// Puts the directory into its first state, but for one file.
        func lay(_ path: String, _ bytes: [UInt8]) throws {
            for other in files.paths where other.hasPrefix("/journal/") { try files.remove(other) }
            try files.synchronizeDirectory("/journal")
            for (other, original) in originals { files.setContents(other, other == path ? bytes : original) }
        }

        /// Whether a record lies within the range.
        func touched(_ path: String, _ range: Range<Int>) -> Bool {
            places[path]?.contains { $0.overlaps(range) } ?? true
        }

        func check(_ path: String, _ bytes: [UInt8], damaged: Range<Int>, _ place: String) throws {
            try lay(path, bytes)
            let before = files.paths.map { files.contents($0) }
            let report = try JournalInspection.run("/journal", fileSystem: files)
            #expect(files.paths.map { files.contents($0) } == before, "\(place): inspection changed something")
            let (journal, recovery) = try simulated(files)
            #expect(report.entries == recovery.entries, "\(place): inspection and opening differ")
            for entry in recovery.entries where payloads[entry.sequence] != entry.payload {
                Issue.record("\(place): entry \(entry.sequence) was never written")
            }
            let found = Set(recovery.entries.map(\.sequence))
            if !touched(path, damaged) { #expect(found == pending, "\(place)") }
            #expect(found.count >= pending.count - lost(path, damaged), "\(place): more is lost than was damaged")
            if !recovery.skipped.isEmpty, !bytes.isEmpty {
                #expect(recovery.keptDamagedFiles == [path + ".damaged"], "\(place)")
                #expect(files.contents(path + ".damaged") == bytes, "\(place): the damaged file was changed")
                #expect(files.contents(path) == nil, "\(place)")
            }
            #expect(journal.statistics.state == .healthy, "\(place)")
            #expect(try journal.add([1, 1]) > 9, "\(place): a number is used twice")
            try reopen(recovery, place)
        }

        /// What was recovered is there again after a power cut, and nothing is damaged any more.
        private func reopen(_ recovery: JournalRecovery, _ place: String) throws {
            files.restorePower()
            let (_, again) = try simulated(files)
            #expect(again.entries.dropLast() == recovery.entries[...], "\(place): reopened")
            #expect(again.skipped.isEmpty, "\(place): reopened")
            #expect(again.notes == recovery.notes, "\(place): reopened")
        }

        private func lost(_ path: String, _ range: Range<Int>) -> Int {
            range.upperBound == originals[path]?.count ? pending.count : 1
        }
    }

    @Test func `a file cut at any byte keeps every whole record before the cut`() throws {
        let small = try Small()
        #expect(small.originals.count == 2)
        for (path, original) in small.originals.sorted(by: { $0.key < $1.key }) {
            // A cut between two records of the file that is being written looks like a file that was never longer.
            for cut in sample(0..<original.count, about: 300) {
                try small.lay(path, Array(original[..<cut]))
                let (journal, recovery) = try simulated(small.files)
                for entry in recovery.entries { #expect(small.payloads[entry.sequence] == entry.payload) }
                let isTouched = small.touched(path, cut..<original.count)
                if !isTouched { #expect(Set(recovery.entries.map(\.sequence)) == small.pending) }
                #expect(journal.statistics.state == .healthy)
                if !recovery.skipped.isEmpty, cut > 0 {
                    #expect(recovery.keptDamagedFiles == [path + ".damaged"], "cut at \(cut)")
                    #expect(small.files.contents(path + ".damaged") == Array(original[..<cut]))
                }
            }
        }
    }

    @Test func `a byte flipped anywhere costs at most its record`() throws {
        let small = try Small()
        for (path, original) in small.originals.sorted(by: { $0.key < $1.key }) {
            for index in sample(original.indices, about: 300) {
                var bytes = original
                bytes[index] ^= 1 << UInt8(index % 8)
                try small.check(path, bytes, damaged: index..<index + 1, "\(path) flipped at \(index)")
            }
        }
    }

    @Test(arguments: [false, true])
    func `opening a damaged journal survives any failing call, and the power going at any call`(_ isPower: Bool) throws
    {
        let small = try Small()
        let path = try #require(small.originals.keys.sorted().last)
        let torn = Array(try #require(small.originals[path]).dropLast(3))
        var renamesFailed = 0
        for call in 1...80 {
            let place = "call \(call)\(isPower ? ", power" : "")"
            try small.lay(path, torn)
            let expected = try JournalInspection.run("/journal", fileSystem: small.files)
            small.files.faults.failingCall = call
            small.files.faults.isPersistent = isPower
            do {
                if let (journal, recovery) = try? simulated(small.files, now: .at(1)) {
                    if !isPower, recovery.entries != expected.entries { Issue.record("\(place): \(recovery.skipped)") }
                    if recovery.keptDamagedFiles == [path] { renamesFailed += 1 }
                    if !isPower { while try journal.maintain(now: .at(5000)) {} }
                    if !isPower { #expect(journal.statistics.state == .healthy, "\(place)") }
                }
            }
            if isPower { small.files.cutPower() }
            small.files.restorePower()
            let (journal, recovery) = try simulated(small.files, now: .at(9000))
            #expect(recovery.entries == expected.entries, "\(place): reopened")
            #expect(recovery.notes == expected.notes, "\(place): reopened")
            #expect(journal.statistics.state == .healthy, "\(place): reopened")
            #expect(small.files.bytesUsedMax <= 64 << 10)
        }
        #expect(isPower || renamesFailed > 0, "no rename failed: nothing is tested")
    }

    @Test(arguments: [100, 1000, 4000, 7000, 9000])
    func `beside a damaged file a full journal settles all the same, and keeps to its bytes`(_ size: Int) throws {
        let maxBytes = 64 << 10
        for isMiddle in [false, true] {
            var number = 0
            while true {
                let files = SimulatedFileSystem()
                do {
                    let (journal, _) = try simulated(files, maxBytes: maxBytes)
                    while journal.statistics.state != .full {
                        do throws(JournalError) {
                            try journal.add([UInt8](repeating: 5, count: size))
                        } catch {
                            guard case .full = error else { throw error }
                        }
                    }
                }
                let segments = files.paths.filter { $0.hasSuffix(".segment") }
                guard number < segments.count else { break }
                var bytes = try #require(files.contents(segments[number]))
                bytes[isMiddle ? bytes.count / 2 : bytes.count - 1] ^= 1
                files.setContents(segments[number], bytes)
                let (journal, recovery) = try simulated(files, maxBytes: maxBytes)
                for entry in recovery.entries { try journal.end([entry.sequence]) }
                #expect(journal.statistics.entries == 0)
                for _ in 0..<20 { try journal.end([journal.add([UInt8](repeating: 6, count: 100))]) }
                #expect(files.bytesUsedMax <= maxBytes)
                let bytesUsed = files.paths.reduce(0) { $0 + (files.contents($1)?.count ?? 0) }
                #expect(bytesUsed <= journal.statistics.diskBytes, "damaged files are counted")
                number += 1
            }
        }
    }

    @Test func `at most eight damaged files are kept, the oldest go first`() throws {
        let files = SimulatedFileSystem()
        for round in 0..<12 {
            let last: String
            do {
                let (journal, _) = try simulated(files, maxBytes: 256 << 10)
                try journal.add([UInt8(round)])
                last = try #require(files.paths.last { $0.hasSuffix(".segment") })
            }
            let bytes = try #require(files.contents(last))
            files.setContents(last, bytes + [1, 2, 3])
            let (_, recovery) = try simulated(files, maxBytes: 256 << 10)
            #expect(recovery.keptDamagedFiles == [last + ".damaged"])
            #expect(recovery.entries.count == round + 1)
            #expect(files.paths.filter { $0.hasSuffix(".damaged") }.count == min(round + 1, 8))
        }
        #expect(try JournalInspection.run("/journal", fileSystem: files).damagedFiles.count == 8)
    }
}
