// Every call of the file system made to fail, every call made the last before the power goes.

import Primitives
import SegmentLog
import TestSupport
import Testing
import WarmTier

/// What may be read of each key, given what was acknowledged, refused, and left open.
struct Expectation {
    /// Nil stands for absent.
    private(set) var possible: [String: Set<String?>] = [:]

    mutating func settle(_ changes: [(key: String, value: String?)]) {
        for change in changes { possible[change.key] = [change.value] }
    }

    /// The outcome is unknown: the last change of each key, or what was possible before.
    mutating func leaveOpen(_ changes: [(key: String, value: String?)]) {
        for change in changes { possible[change.key, default: [nil]].insert(change.value) }
    }

    func check(_ tier: WarmTier, mayMiss: Bool, _ place: String, now: Timestamp = .at(1)) {
        for (key, values) in possible {
            let lookup = tier.lookup(key, now: now)
            if case .failed = lookup { continue }
            let found = lookup.text
            if !values.contains(found), !(mayMiss && found == nil) {
                Issue.record(
                    "\(place): \(key) is \(found?.prefix(20) ?? "absent"), not of \(values.map { $0?.prefix(20) ?? "absent" })"
                )
            }
        }
        // The members of a group are of one write.
        let first = tier.lookup("group0", now: now).text
        let second = tier.lookup("group1", now: now).text
        if first != second, !mayMiss, case .absent? = Optional(tier.lookup("group0", now: now)) {
            Issue.record("\(place): a group in two halves, \(String(describing: first)), \(String(describing: second))")
        }
    }
}

/// A history that any disk should survive: puts, deletions, groups, compaction, eviction, emptying.
struct ScriptedLife {
    let files: SimulatedFileSystem
    var writer: WarmWriter?
    var expectation = Expectation()
    var failures = 0
    let whenFull: WarmTierConfiguration.WhenFull
    let sync: WarmTierConfiguration.Sync
    var now: Int64 = 1000
    /// Once a call has failed, the power goes at this many calls after the step in which it did.
    var powerLostAfterFault: Int?

    init(
        seed: UInt64, whenFull: WarmTierConfiguration.WhenFull, sync: WarmTierConfiguration.Sync = .always
    ) {
        files = SimulatedFileSystem(seed: seed)
        self.whenFull = whenFull
        self.sync = sync
    }

    mutating func open() {
        writer = nil
        do {
            writer = try simulated(files, maxBytes: 64 << 10, sync: sync, whenFull: whenFull, now: .at(now))
        } catch {
            failures += 1
        }
    }

    private mutating func losePowerAfterFault() {
        guard let calls = powerLostAfterFault, files.failedCalls > 0 else { return }
        powerLostAfterFault = nil
        files.faults = SimulatedFaults()
        files.faults.failingCall = calls
        files.faults.isPersistent = true
    }

    /// Commits `changes`, in a group if `isGroup`, and notes what that means.
    mutating func commit(_ changes: [(key: String, value: String?)], isGroup: Bool = false) {
        guard let writer else { return }
        defer { losePowerAfterFault() }
        now += 10
        writer.begin(now: .at(now))
        do throws(WarmError) {
            func stage(_ writer: WarmWriter) throws(WarmError) {
                for change in changes {
                    if let value = change.value {
                        try writer.put(change.key, value)
                    } else {
                        try writer.delete(change.key, now: .at(now))
                    }
                }
            }
            if isGroup { try writer.atomically(stage) } else { try stage(writer) }
        } catch {
            failures += 1
            writer.rollback()
            return
        }
        do throws(WarmError) {
            try writer.commit(now: .at(now))
            expectation.settle(changes)
        } catch {
            failures += 1
            if case .log(.refused(_, isVoid: false)) = error { expectation.leaveOpen(changes) }
        }
    }

    /// `rounds` rounds of changes and maintenance; each writes a good part of the budget.
    mutating func run(rounds: Range<Int>) {
        for round in rounds {
            let filler = String(repeating: "x", count: 700)
            for number in 0..<6 {
                commit([("k\((round * 5 + number) % 24)", "\(round).\(number)\(filler)")])
                // A relocation that is under way while commits go on, and fail.
                writer?.maintain(now: .at(now), budget: 700)
                losePowerAfterFault()
            }
            commit([("k\(round % 24)", nil), ("gone\(round % 5)", round % 2 == 0 ? "here\(filler)" : nil)])
            commit([("group0", "both\(round)"), ("group1", "both\(round)")], isGroup: true)
            for _ in 0..<4 {
                now += 300
                writer?.maintain(now: .at(now), budget: 4000)
                losePowerAfterFault()
            }
        }
    }
}

@Suite struct `Faults` {
    /// Rounds of a life: enough to write the budget of 64 KiB full and to compact and evict.
    static let rounds = 12

    /// The calls that a faultless life makes.
    static func callCount(_ whenFull: WarmTierConfiguration.WhenFull, _ sync: WarmTierConfiguration.Sync = .always)
        -> Int
    {
        var life = ScriptedLife(seed: 1, whenFull: whenFull, sync: sync)
        life.open()
        life.run(rounds: 0..<Faults.rounds)
        #expect(life.failures == 0)
        return life.files.calls
    }

    @Test(
        arguments: zip(
            [WarmTierConfiguration.WhenFull.evict, .refuse, .refuse],
            [FileErrorCode.inputOutput, .inputOutput, .noSpace]))
    func `any one call may fail`(_ whenFull: WarmTierConfiguration.WhenFull, _ code: FileErrorCode) {
        let total = Self.callCount(whenFull)
        #expect(total > 200)
        for call in 1...total {
            var life = ScriptedLife(seed: UInt64(call), whenFull: whenFull)
            life.files.faults.failingCall = call
            life.files.faults.code = code
            life.open()
            if life.writer == nil { life.open() }
            life.run(rounds: 0..<Faults.rounds)
            let place = "call \(call) fails with \(code), \(whenFull)"
            if let writer = life.writer {
                life.expectation.check(writer.tier, mayMiss: whenFull == .evict, place, now: .at(life.now))
                #expect(writer.tier.statistics.state == .healthy, "\(place)")
                #expect(life.failures <= 12, "\(place): \(life.failures) failures")
            }
            #expect(life.files.bytesUsedMax <= 64 << 10, "\(place)")
            life.open()
            guard let writer = life.writer else {
                Issue.record("\(place): does not open again")
                continue
            }
            life.expectation.check(writer.tier, mayMiss: whenFull == .evict, place + ", reopened", now: .at(life.now))
        }
    }

    @Test(arguments: [
        FileError.Operation.open, .read, .write, .synchronize, .synchronizeDirectory, .truncate, .size, .remove, .list,
        .lock, .makeDirectory,
    ])
    func `any kind of call may fail from some moment on and work again`(_ operation: FileError.Operation) {
        for first in stride(from: 1, to: 40, by: 5) {
            var life = ScriptedLife(seed: UInt64(first), whenFull: .refuse)
            life.open()
            life.run(rounds: 0..<4)
            life.files.faults.failingOperation = operation
            life.files.faults.failingCall = first
            life.files.faults.isPersistent = true
            life.run(rounds: 4..<10)
            life.files.faults = SimulatedFaults()
            let place = "\(operation) fails from call \(first)"
            if let writer = life.writer {
                life.expectation.check(writer.tier, mayMiss: false, place, now: .at(life.now))
            }
            life.now += 20_000
            let before = life.failures
            for _ in 0..<3 { _ = life.writer?.maintain(now: .at(life.now)) }
            life.run(rounds: 10..<14)
            #expect(life.failures == before, "\(place): did not recover")
            #expect(life.writer?.tier.statistics.state == .healthy, "\(place)")
            life.open()
            if let writer = life.writer {
                life.expectation.check(writer.tier, mayMiss: false, place + ", reopened", now: .at(life.now))
            }
        }
    }

    @Test(arguments: [1, 7, 64])
    func `short reads and writes change nothing`(_ transfer: Int) {
        var life = ScriptedLife(seed: 3, whenFull: .refuse)
        life.files.faults.transferMax = transfer
        life.open()
        life.run(rounds: 0..<3)
        life.open()
        #expect(life.failures == 0)
        if let writer = life.writer { life.expectation.check(writer.tier, mayMiss: false, "short", now: .at(life.now)) }
    }

    @Test func `a disk that fills up degrades the tier and reads go on`() {
        for capacity in stride(from: 500, to: 35_000, by: 1777) {
            var life = ScriptedLife(seed: UInt64(capacity), whenFull: .refuse)
            life.files.faults.capacity = capacity
            life.open()
            life.run(rounds: 0..<8)
            guard let writer = life.writer else {
                Issue.record("capacity \(capacity): does not open")
                continue
            }
            life.expectation.check(writer.tier, mayMiss: false, "capacity \(capacity)", now: .at(life.now))
            if case .degraded(let error) = writer.tier.statistics.state { #expect(error.code == .noSpace) }
            if capacity < 30_000 { #expect(life.failures > 0) }
            life.files.faults = SimulatedFaults()
            life.now += 1000
            let before = life.failures
            life.run(rounds: 8..<10)
            #expect(life.failures == before, "capacity \(capacity): did not recover")
            life.open()
            if let writer = life.writer {
                life.expectation.check(
                    writer.tier, mayMiss: false, "capacity \(capacity), reopened", now: .at(life.now))
            }
        }
    }

    @Test func `a disk that works again is found though writes never stop`() throws {
        let files = SimulatedFileSystem(seed: 1)
        let writer = try simulated(files)
        files.faults.failingOperation = .synchronize
        files.faults.failingCall = 1
        files.faults.isPersistent = true
        var now: Int64 = 1000
        func write() -> Bool {
            // More often than the disk is tried again.
            now += 20
            return (try? writer.batch(now: .at(now)) { writer throws(WarmError) in try writer.put("k", "v") }) != nil
        }
        for _ in 0..<10 { #expect(!write()) }
        files.faults = SimulatedFaults()
        let worksAgain = now
        while !write(), now < worksAgain + 10_000 {}
        #expect(now <= worksAgain + 300)
        #expect(writer.tier.statistics.state == .healthy)
    }

    @Test func `while files can't be removed, no attempt leaves one more, and the store keeps its bounds`() throws {
        var life = ScriptedLife(seed: 6, whenFull: .evict)
        life.open()
        life.run(rounds: 0..<6)
        life.files.faults.failingOperation = .remove
        life.files.faults.failingCall = 1
        life.files.faults.isPersistent = true
        life.run(rounds: 6..<9)
        let writer = try #require(life.writer)
        guard case .degraded = writer.tier.statistics.state else {
            Issue.record("not degraded: no file was to be removed")
            return
        }
        let segments = writer.tier.statistics.segments
        for round in 0..<2000 {
            life.now += 300
            writer.maintain(now: .at(life.now))
            if round % 10 == 0 { try? writer.deleteAll(now: .at(life.now)) }
        }
        #expect(life.files.bytesUsedMax <= 64 << 10)
        // Emptying writes a segment each time that there is room; the attempts in between leave none.
        #expect(writer.tier.statistics.segments <= segments + 201)
        life.files.faults = SimulatedFaults()
        for _ in 0..<2000 {
            life.now += 300
            writer.maintain(now: .at(life.now))
        }
        #expect(writer.tier.statistics.state == .healthy)
        #expect(writer.tier.statistics.segments <= 2)
        try writer.deleteAll(now: .at(life.now))
        #expect(writer.tier.keyCount == 0)
    }

    @Test func `a store on a read-only medium is read`() throws {
        var life = ScriptedLife(seed: 5, whenFull: .refuse)
        life.open()
        life.run(rounds: 0..<6)
        life.writer = nil
        life.files.faults.isReadOnly = true
        life.open()
        let writer = try #require(life.writer)
        life.expectation.check(writer.tier, mayMiss: false, "read-only", now: .at(life.now))
        life.commit([("new", "value")])
        #expect(life.failures == 1)
        #expect(writer.tier.lookup("new").isAbsent)
        writer.maintain(now: .at(life.now + 1000))
        life.expectation.check(writer.tier, mayMiss: false, "read-only", now: .at(life.now))
        if case .healthy = writer.tier.statistics.state { Issue.record("healthy on a read-only medium") }
    }
}

@Suite struct `Power loss` {
    static let seed = SeededGenerator.seed()

    @Test(arguments: [WarmTierConfiguration.WhenFull.evict, .refuse])
    func `what was acknowledged is there after the power goes at any call`(_ whenFull: WarmTierConfiguration.WhenFull) {
        let total = Faults.callCount(whenFull)
        for call in 1...total {
            let seed = Self.seed &+ UInt64(call)
            var life = ScriptedLife(seed: seed, whenFull: whenFull)
            life.files.faults.failingCall = call
            life.files.faults.isPersistent = true
            life.open()
            life.run(rounds: 0..<Faults.rounds)
            life.writer = nil
            life.files.restorePower()
            life.open()
            let place = "HEARTH_SEED=\(Self.seed), \(whenFull), power lost at call \(call)"
            guard let writer = life.writer else {
                Issue.record("\(place): does not open again")
                continue
            }
            life.expectation.check(writer.tier, mayMiss: whenFull == .evict, place, now: .at(life.now))
            // And once more, with what has been repaired since.
            life.run(rounds: Faults.rounds..<Faults.rounds + 2)
            life.writer = nil
            life.files.restorePower()
            life.open()
            if let writer = life.writer {
                life.expectation.check(writer.tier, mayMiss: whenFull == .evict, place + ", again", now: .at(life.now))
            }
        }
    }

    @Test(arguments: [FileError.Operation.synchronize, .write, .truncate, .synchronizeDirectory])
    func `what was refused stays away, whatever the power takes later`(_ operation: FileError.Operation) {
        for round in 0..<60 {
            let seed = Self.seed &+ UInt64(round)
            var random = SimulatedRandom(seed: seed)
            var life = ScriptedLife(seed: seed, whenFull: .refuse)
            life.open()
            life.run(rounds: 0..<2)
            life.files.faults.failingOperation = operation
            life.files.faults.failingCall = round + 1
            life.run(rounds: 2..<12)
            life.files.faults = SimulatedFaults()
            life.files.faults.failingCall = Int.random(in: 1...300, using: &random)
            life.files.faults.isPersistent = true
            life.run(rounds: 12..<18)
            life.writer = nil
            life.files.restorePower()
            life.open()
            let place = "HEARTH_SEED=\(Self.seed), \(operation) \(round + 1) failed"
            guard let writer = life.writer else {
                Issue.record("\(place): does not open again")
                continue
            }
            life.expectation.check(writer.tier, mayMiss: false, place, now: .at(life.now))
        }
    }

    @Test(arguments: [FileError.Operation.synchronize, .write], [1, 2, 3, 5, 8, 13, 21, 34])
    func `a call fails and soon after the power goes`(_ operation: FileError.Operation, _ calls: Int) {
        for failing in 1...70 {
            let seed = Self.seed &+ UInt64(failing)
            var life = ScriptedLife(seed: seed, whenFull: .refuse)
            life.open()
            life.files.faults.failingOperation = operation
            life.files.faults.failingCall = failing
            life.powerLostAfterFault = calls
            life.run(rounds: 0..<Faults.rounds)
            life.writer = nil
            life.files.restorePower()
            life.open()
            let place = "HEARTH_SEED=\(Self.seed), \(operation) \(failing) failed, power lost \(calls) calls later"
            guard let writer = life.writer else {
                Issue.record("\(place): does not open again")
                continue
            }
            life.expectation.check(writer.tier, mayMiss: false, place, now: .at(life.now))
        }
    }

    @Test func `a deletion outlives the removal of all files that knew of it`() throws {
        for round in 0..<40 {
            let seed = Self.seed &+ UInt64(round)
            let files = SimulatedFileSystem(seed: seed)
            var writer: WarmWriter? = try simulated(files, maxBytes: 64 << 10, whenFull: .refuse, segmentBytes: 2048)
            let large = String(repeating: "x", count: 1500)
            let batches: [[(String, String?)]] =
                [[("dead", large)], [("dead", nil), ("junk", large)], [("junk", large)]]
                + (0..<26).map { [("live\($0)", large)] }
            for batch in batches {
                try writer?.batch { writer throws(WarmError) in
                    for (key, value) in batch {
                        if let value { try writer.put(key, value) } else { try writer.delete(key) }
                    }
                }
            }
            for second in 1..<20 { writer?.maintain(now: .at(Int64(second) * 1000)) }
            #expect(writer?.tier.statistics.tombstones == 0, "the tombstone was not let go: nothing is tested")
            writer = nil
            files.restorePower()
            let again = try simulated(files, maxBytes: 64 << 10, whenFull: .refuse, segmentBytes: 2048)
            #expect(again.tier.lookup("dead").isAbsent, "HEARTH_SEED=\(Self.seed), round \(round)")
        }
    }

    @Test func `copies whose synchronisation failed do not stand in for what they replaced`() throws {
        for round in 0..<20 {
            let seed = Self.seed &+ UInt64(round)
            let files = SimulatedFileSystem(seed: seed)
            var writer: WarmWriter? = try simulated(files, maxBytes: 64 << 10, whenFull: .refuse)
            func put(_ key: String, _ value: String) throws {
                try writer?.batch { writer throws(WarmError) in try writer.put(key, value) }
            }
            let large = String(repeating: "x", count: 1500)
            for number in 0..<24 { try put("small\(number)", "first") }
            for number in 0..<24 { try put("large\(number)", large) }
            for number in 6..<24 { try put("small\(number)", "second") }
            // One record at a time, until two of the six that live in the first segment have been copied.
            for second in 1..<20 where writer?.tier.statistics.compacted ?? 0 < 2 {
                writer?.maintain(now: .at(Int64(second) * 1000), budget: 1)
            }
            #expect(writer?.tier.statistics.compacted == 2, "no relocation is under way: nothing is tested")
            files.faults.failingOperation = .synchronize
            files.faults.failingCall = 1
            #expect(throws: WarmError.self) { try put("refused", "value") }
            let before = writer?.tier.statistics.compacted ?? 0
            for second in 20..<40 where writer?.tier.statistics.compacted ?? 0 < before + 4 + round % 3 {
                writer?.maintain(now: .at(Int64(second) * 1000), budget: 1)
            }
            writer = nil
            files.restorePower()
            let again = try simulated(files, maxBytes: 64 << 10, whenFull: .refuse)
            for number in 0..<24 {
                let expected = number < 6 ? "first" : "second"
                #expect(again.tier.value("small\(number)") == expected, "HEARTH_SEED=\(Self.seed), round \(round)")
            }
        }
    }

    @Test func `a failed synchronisation refuses its batch and nothing else`() throws {
        let files = SimulatedFileSystem(seed: 9)
        var writer: WarmWriter? = try simulated(files)
        try writer?.batch { writer throws(WarmError) in try writer.put("a", "kept") }
        files.faults.failingOperation = .synchronize
        files.faults.failingCall = 1
        #expect(throws: WarmError.self) {
            try writer?.batch { writer throws(WarmError) in
                try writer.put("a", "refused")
                try writer.put("b", "refused")
            }
        }
        #expect(writer?.tier.value("a") == "kept")
        #expect(writer?.tier.value("b") == nil)
        try writer?.batch { writer throws(WarmError) in try writer.put("c", "after") }
        writer = nil
        files.restorePower()
        let again = try simulated(files)
        #expect(again.tier.value("a") == "kept")
        #expect(again.tier.value("b") == nil)
        #expect(again.tier.value("c") == "after")
    }

    @Test func `written behind, nothing older than the last synchronisation comes back`() throws {
        for round in 0..<40 {
            let seed = Self.seed &+ UInt64(round)
            let files = SimulatedFileSystem(seed: seed)
            var random = SimulatedRandom(seed: seed)
            var writer: WarmWriter? = try simulated(files, sync: .interval(milliseconds: 100))
            var history: [[String?]] = Array(repeating: [nil], count: 10)
            for step in 0..<200 {
                let key = Int.random(in: 0..<10, using: &random)
                let value = step % 7 == 0 ? nil : "\(step)" + String(repeating: "y", count: 200)
                try writer?.batch(now: .at(Int64(step))) { writer throws(WarmError) in
                    if let value { try writer.put("k\(key)", value) } else { try writer.delete("k\(key)") }
                }
                history[key].append(value)
                if step % 50 == 49 {
                    try writer?.synchronize(now: .at(Int64(step)))
                    for key in 0..<10 { history[key] = [history[key].last ?? nil] }
                }
                if step == 120 + round { break }
            }
            writer = nil
            files.restorePower()
            let again = try simulated(files, now: .at(300))
            for key in 0..<10 {
                let found = again.tier.value("k\(key)", now: .at(300))
                #expect(history[key].contains(found), "HEARTH_SEED=\(Self.seed), round \(round), k\(key)")
            }
        }
    }
}
