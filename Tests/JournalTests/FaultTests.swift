// Every call of the file system made to fail, every call made the last before the power goes.

import Journal
import Primitives
import SegmentLog
import TestSupport
import Testing

@Suite struct `Journal faults` {
    static let rounds = 14
    static let seed = SeededGenerator.seed()

    /// The calls that a faultless life makes.
    static func callCount(synchronous: Bool) -> Int {
        var life = Life(seed: 1)
        life.isSynchronous = synchronous
        life.open("faultless")
        life.run(rounds: 0..<rounds)
        life.check("faultless")
        #expect(life.failures == 0)
        #expect(life.journal?.statistics.compactedBytes ?? 0 > 0, "nothing was compacted: nothing is tested")
        return life.files.calls
    }

    @Test(arguments: [(true, FileErrorCode.inputOutput), (true, .noSpace), (false, .inputOutput)])
    func `any one call may fail`(_ synchronous: Bool, _ code: FileErrorCode) {
        let total = Self.callCount(synchronous: synchronous)
        for call in sample(1..<total + 1, about: 30) {
            let place = "call \(call) of \(total) fails with \(code)\(synchronous ? "" : ", synchronised behind")"
            var life = Life(seed: UInt64(call))
            life.isSynchronous = synchronous
            life.files.faults.failingCall = call
            life.files.faults.code = code
            life.open(place)
            if life.journal == nil { life.open(place) }
            life.run(rounds: 0..<Self.rounds)
            life.now += 6000
            life.maintain(2)
            life.check(place)
            if life.journal?.statistics.state != .healthy {
                Issue.record("\(place): \(String(describing: life.journal?.statistics.state))")
            }
            #expect(life.failures <= 12, "\(place): \(life.failures) failures")
            life.open(place + ", reopened")
            if life.journal == nil { life.open(place + ", reopened") }
            #expect(life.journal != nil, "\(place): does not open again")
        }
    }

    @Test(arguments: [true, false])
    func `what was acknowledged is there after the power goes at any call`(_ synchronous: Bool) {
        let total = Self.callCount(synchronous: synchronous)
        for call in sample(1..<total + 1, about: 40) {
            let place =
                "replay with HEARTH_SEED=\(Self.seed): power lost at call \(call), \(synchronous ? "always" : "interval")"
            var life = Life(seed: Self.seed &+ UInt64(call))
            life.isSynchronous = synchronous
            life.files.faults.failingCall = call
            life.files.faults.isPersistent = true
            life.open(place)
            life.run(rounds: 0..<Self.rounds)
            for again in 1...2 {
                life.close()
                life.files.restorePower()
                life.open(place + ", reopened \(again)")
                if life.journal == nil { Issue.record("\(place): does not open again") }
                life.run(rounds: Self.rounds..<Self.rounds + 2)
                life.check(place)
            }
        }
    }

    @Test(
        arguments: [FileError.Operation.synchronize, .write, .rename, .remove, .truncate, .synchronizeDirectory],
        [1, 2, 3, 5, 8, 13])
    func `a call fails and soon after the power goes`(_ operation: FileError.Operation, _ rounds: Int) {
        for failing in sample(1..<25, about: 4) {
            let place = "replay with HEARTH_SEED=\(Self.seed): \(operation) \(failing) failed, then power"
            var life = Life(seed: Self.seed &+ UInt64(failing * 100 + rounds))
            life.isSynchronous = failing % 2 == 0
            life.open(place)
            life.files.faults.failingOperation = operation
            life.files.faults.failingCall = failing
            for round in 0..<rounds { life.run(rounds: round..<round + 1) }
            life.files.faults = SimulatedFaults()
            life.files.faults.failingCall = Int.random(in: 1...60, using: &life.random)
            life.files.faults.isPersistent = true
            life.run(rounds: rounds..<rounds + 3)
            life.close()
            life.files.restorePower()
            life.open(place)
            #expect(life.journal != nil, "\(place): does not open again")
        }
    }

    @Test(arguments: [
        FileError.Operation.open, .write, .synchronize, .synchronizeDirectory, .truncate, .size, .remove, .rename,
        .read,
    ])
    func `any kind of call may fail from some moment on and work again`(_ operation: FileError.Operation) {
        for first in sample(1..<40, about: 4) {
            let place = "\(operation) fails from call \(first)"
            var life = Life(seed: UInt64(first))
            life.isSynchronous = first % 8 == 1
            life.open(place)
            life.run(rounds: 0..<3)
            life.files.faults.failingOperation = operation
            life.files.faults.failingCall = first
            life.files.faults.isPersistent = true
            life.run(rounds: 3..<8)
            life.check(place)
            life.files.faults = SimulatedFaults()
            life.now += 1000
            life.maintain(20)
            let before = life.failures
            life.run(rounds: 8..<12)
            #expect(life.failures == before, "\(place): did not recover")
            #expect(life.journal?.statistics.state == .healthy, "\(place)")
            life.check(place)
            life.open(place + ", reopened")
        }
    }

    @Test func `a disk that fills up degrades the journal, which loses nothing and goes on when there is room`() {
        for capacity in stride(from: 500, to: 40_000, by: 1777) {
            let place = "capacity \(capacity)"
            var life = Life(seed: UInt64(capacity))
            life.files.faults.capacity = capacity
            life.open(place)
            life.run(rounds: 0..<6)
            life.check(place)
            if case .degraded(let error) = life.journal?.statistics.state { #expect(error.code == .noSpace) }
            life.files.faults = SimulatedFaults()
            life.now += 1000
            life.maintain(20)
            let before = life.failures
            life.run(rounds: 6..<8)
            #expect(life.failures == before, "\(place): did not recover")
            life.open(place + ", reopened")
        }
    }

    @Test func `after a failed synchronisation what lived in its segment is committed anew before anything else`()
        throws
    {
        let files = SimulatedFileSystem(seed: 3)
        var journal: Journal? = try simulated(files).journal
        try journal?.add([1], synchronously: false)
        try journal?.add([2], synchronously: false)
        files.faults.failingOperation = .synchronize
        files.faults.failingCall = 1
        try journal?.synchronize(now: .at(2))
        #expect(journal?.statistics.state == .healthy)
        files.faults = SimulatedFaults()
        journal = nil
        files.restorePower()
        #expect(try simulated(files).recovery.entries.map(\.payload) == [[1], [2]])
    }

    @Test func `while what is uncertain can't be committed anew appends are refused`() throws {
        let files = SimulatedFileSystem(seed: 3)
        let (journal, _) = try simulated(files)
        try journal.add([0], synchronously: false)
        try journal.add([1], synchronously: false)
        files.faults.failingOperation = .synchronize
        files.faults.failingCall = 1
        files.faults.isPersistent = true
        #expect(throws: JournalError.self) { try journal.synchronize(now: .at(2)) }
        guard case .degraded = journal.statistics.state else {
            Issue.record("not degraded")
            return
        }
        #expect(throws: JournalError.self) { try journal.add([2], now: .at(3)) }
        #expect(throws: JournalError.self) { try journal.add([2], now: .at(1000)) }
        #expect(journal.entries.map(\.payload) == [[0], [1]])
        files.faults = SimulatedFaults()
        #expect(try journal.maintain(now: .at(3000)))
        try journal.add([2], now: .at(3001))
        #expect(journal.statistics.state == .healthy)
    }

    @Test func `a disk that works again is found out under steady writes`() throws {
        let files = SimulatedFileSystem(seed: 3)
        let (journal, _) = try simulated(files)
        files.faults.failingOperation = .synchronize
        files.faults.failingCall = 1
        files.faults.isPersistent = true
        #expect(throws: JournalError.self) { try journal.add([1], now: .at(1)) }
        files.faults = SimulatedFaults()
        // One write each 100 ms: more often than the journal tries a failed disk again.
        let taken = (1...10).first { (try? journal.add([2], now: .at(Int64($0) * 100))) != nil }
        #expect((taken ?? .max) <= 4, "taken at attempt \(String(describing: taken))")
    }

    @Test func `a number that was used without being durable is not given again after a power cut`() throws {
        for round in 0..<30 {
            let files = SimulatedFileSystem(seed: Self.seed &+ UInt64(round))
            var used: UInt64 = 0
            for _ in 0..<4 {
                let (journal, _) = try simulated(files)
                for _ in 0..<5 {
                    let number = try journal.add([1], synchronously: false)
                    #expect(number > used, "replay with HEARTH_SEED=\(Self.seed)")
                    used = number
                }
                files.cutPower()
                files.restorePower()
            }
        }
    }
}
