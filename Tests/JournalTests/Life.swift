// A history of a journal on a disk that fails, and what must and what may be found after it.

import Journal
import Primitives
import SegmentLog
import TestSupport
import Testing

struct Life {
    let files: SimulatedFileSystem
    private(set) var journal: Journal?
    var random: SimulatedRandom
    let maxBytes: Int
    var now: Int64 = 1000
    var failures = 0
    /// Whether commits are synchronous; otherwise some `synchronize` follows.
    var isSynchronous = true

    /// What the process sees.
    private(set) var visible: [UInt64: [UInt8]] = [:]
    /// Must be found whatever happens.
    private var durable: [UInt64: [UInt8]] = [:]
    /// May be found.
    private var possible: [UInt64: [UInt8]] = [:]
    /// Written, not yet synchronised: entries, and what was ended.
    private var recent: [UInt64] = []
    private var recentlyEnded: [UInt64] = []
    /// The highest number committed, and the highest given out since opening. What was refused before a restart, and
    /// of which nothing reached the disk, may be given again.
    private var highest: UInt64 = 0
    private var highestGiven: UInt64 = 0

    init(seed: UInt64, maxBytes: Int = 64 << 10) {
        files = SimulatedFileSystem(seed: seed)
        random = SimulatedRandom(seed: seed &+ 99)
        self.maxBytes = maxBytes
    }

    mutating func close() { journal = nil }

    /// Opens, and compares what is found with what must and may be.
    mutating func open(_ place: String) {
        journal = nil
        let opened: (journal: Journal, recovery: JournalRecovery)
        do {
            opened = try simulated(files, maxBytes: maxBytes, now: .at(now))
        } catch {
            failures += 1
            return
        }
        journal = opened.journal
        let found = opened.recovery.entries
        #expect(found.map(\.sequence) == found.map(\.sequence).sorted(), "\(place): out of order")
        let payloads = Dictionary(uniqueKeysWithValues: found.map { ($0.sequence, $0.payload) })
        for (sequence, payload) in durable where payloads[sequence] != payload {
            Issue.record("\(place): entry \(sequence) is \(payloads[sequence] == nil ? "lost" : "another")")
        }
        for (sequence, payload) in payloads where possible[sequence] != payload {
            Issue.record("\(place): entry \(sequence) \(possible[sequence] == nil ? "came back" : "is another")")
        }
        visible = payloads
        highestGiven = 0
        highest = max(highest, payloads.keys.max() ?? 0)
        if case .healthy = opened.journal.statistics.state {
            durable = payloads
            possible = payloads
        }
        recent = []
        recentlyEnded = []
    }

    func check(_ place: String) {
        guard let journal else { return }
        let held = Dictionary(uniqueKeysWithValues: journal.entries.map { ($0.sequence, $0.payload) })
        #expect(held == visible, "\(place): \(held.count) held, \(visible.count) expected")
        #expect(journal.statistics.entries == visible.count)
        #expect(journal.statistics.oldest != nil || visible.isEmpty)
        #expect(files.bytesUsedMax <= maxBytes, "\(place): \(files.bytesUsedMax) bytes")
    }

    /// One batch: appends with what each supersedes, settlements, perhaps a note.
    mutating func commit(_ appends: [(payload: [UInt8], superseding: [UInt64])], settling: [UInt64], note: Bool = false)
    {
        guard let journal else { return }
        now += 10
        journal.begin()
        var added: [(UInt64, [UInt8])] = []
        var ended = Set(settling.filter { visible[$0] != nil })
        do throws(JournalError) {
            for append in appends {
                let sequence = try journal.append(append.payload, superseding: append.superseding, now: .at(now))
                #expect(sequence > max(highest, highestGiven), "number \(sequence) was used before")
                added.append((sequence, append.payload))
                ended.formUnion(append.superseding.filter { visible[$0] != nil })
            }
            if note { _ = try journal.note([1, 2, 3], now: .at(now)) }
            try journal.settle(settling)
        } catch {
            failures += 1
            journal.rollback()
            return
        }
        do throws(JournalError) {
            try journal.commit(synchronously: isSynchronous, now: .at(now))
        } catch {
            failures += 1
            highestGiven = max(highestGiven, added.last?.0 ?? 0)
            if case .full = error { Issue.record("a staged batch found no room: \(error)") }
            guard case .refused(_, isVoid: false) = error else { return }
            for (sequence, payload) in added { possible[sequence] = payload }
            for sequence in ended { durable[sequence] = nil }
            return
        }
        highest = max(highest, added.last?.0 ?? 0)
        for sequence in ended {
            visible[sequence] = nil
            durable[sequence] = nil
            if isSynchronous { possible[sequence] = nil }
        }
        for (sequence, payload) in added {
            visible[sequence] = payload
            possible[sequence] = payload
            if isSynchronous { durable[sequence] = payload }
        }
        if !isSynchronous {
            recent += added.map(\.0)
            recentlyEnded += ended
        }
    }

    mutating func synchronize() {
        guard let journal else { return }
        do throws(JournalError) {
            try journal.synchronize(now: .at(now))
        } catch {
            failures += 1
            return
        }
        for sequence in recent { if let payload = visible[sequence] { durable[sequence] = payload } }
        for sequence in recentlyEnded { possible[sequence] = nil }
        recent = []
        recentlyEnded = []
    }

    mutating func maintain(_ steps: Int) {
        for _ in 0..<steps {
            do throws(JournalError) {
                guard let journal, try journal.maintain(now: .at(now)) else { return }
            } catch {
                failures += 1
                if case .full = error { Issue.record("maintenance found no room: \(error)") }
                return
            }
        }
    }

    func payload(_ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: Int(now) &* 31 &+ $0) } }

    /// Rounds of appends, superseding, settlements and maintenance; a few entries live long.
    mutating func run(rounds: Range<Int>) {
        for round in rounds {
            for number in 0..<5 {
                let size = Int.random(in: 0...1200, using: &random)
                let last = visible.keys.max().map { [$0] } ?? []
                commit([(payload(size), number == 3 ? last : [])], settling: [])
            }
            commit([(payload(40), []), (payload(2000), [])], settling: [])
            maintain(1)
            // The oldest few stay.
            let pending = visible.keys.sorted().dropFirst(round < 4 ? round : 4)
            let old = pending.prefix(max(0, pending.count - 4))
            commit([], settling: Array(old.prefix(2)), note: true)
            commit([(payload(10), [])], settling: Array(old.dropFirst(2)))
            if !isSynchronous, round % 2 == 1 { synchronize() }
            now += 300
            maintain(3)
        }
    }
}
