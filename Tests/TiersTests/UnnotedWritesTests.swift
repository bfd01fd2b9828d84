// Writes of which the journal's disk took no note of what became of them: refused ones that a crash may bring back, and
// done ones that the next process would do again. What comes after them must not be undone by that.

import Primitives
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct UnnotedWritesTests {
    private static let refusal = "UNAVAILABLE not sent: the journal's disk took no note of what became of an earlier"

    private static func text(_ reply: Reply?) -> String {
        if case .error(let text)? = reply { String(decoding: text, as: UTF8.self) } else { "\(reply ?? .null)" }
    }

    private func breakDisk(_ disk: SimulatedFileSystem) {
        disk.faults.failingOperation = .synchronize
        disk.faults.failingCall = 1
        disk.faults.isPersistent = true
    }

    private func mend(_ disk: SimulatedFileSystem, _ car: Sidecar) {
        disk.faults = SimulatedFaults()
        // The journal leaves it alone for a quarter of a second after a failure.
        car.run(.milliseconds(300))
    }

    /// A sidecar whose Redis has `k` and `other`, and whose journal refused `DEL k absent` on a disk that takes no
    /// synchronisation of any file.
    private func refusing(_ disk: SimulatedFileSystem) throws -> Sidecar {
        let car = try Sidecar(journalOn: disk)
        car.set("k", "v1")
        car.set("other", "v1")
        // The journal has a segment, and nothing waits.
        car.openBreaker()
        #expect(car.set("first", "v") == .ok)
        car.recover()
        car.openBreaker()
        breakDisk(disk)
        let deletion = NativeCommand(
            .deleteMany([bytes("k"), bytes("absent")]), arguments: ["DEL", "k", "absent"].map(bytes))
        let reply = Self.text(car.perform(deletion)[0])
        #expect(reply.hasPrefix("UNAVAILABLE outcome unknown: "), "\(reply)")
        car.share.breaker.force(.automatic, now: car.now)
        #expect(car.scheduler.run(atMost: .seconds(30)) { !car.share.breaker.refusesWrites })
        return car
    }

    private func lifeAfterPowerCut(_ car: Sidecar, _ disk: SimulatedFileSystem) throws -> Sidecar {
        disk.cutPower()
        car.crash()
        disk.restorePower()
        let next = try Sidecar(journalOn: disk, after: car)
        next.replayAll()
        return next
    }

    // MARK: Refused

    @Test(arguments: [false, true])
    func `a later SET is acknowledged only when no crash can undo it`(isMended: Bool) throws {
        var cameBack = 0
        for seed in 1...16 {
            let disk = SimulatedFileSystem(seed: UInt64(seed))
            let car = try refusing(disk)
            let refused = Self.text(car.set("k", "v2"))
            #expect(refused.hasPrefix(Self.refusal), "\(refused)")
            #expect(Self.text(car.set("other", "v2")) == Self.text(.ok))
            #expect(car.inRedis("k") == "v1" && car.inRedis("other") == "v2")
            if isMended {
                mend(disk, car)
                #expect(Self.text(car.set("k", "v3")) == Self.text(.ok))
                #expect(car.inRedis("k") == "v3", "Redis itself has answered")
            }
            let next = try lifeAfterPowerCut(car, disk)
            #expect(next.inRedis("other") == "v2", "seed \(seed)")
            if isMended { #expect(next.inRedis("k") == "v3", "seed \(seed)") }
            if next.inRedis("k") == nil { cameBack += 1 }
        }
        // The danger is real: on some of the disks the DEL was there after the power cut.
        #expect(isMended ? cameBack == 0 : cameBack > 0, "\(cameBack)")
    }

    @Test func `every kind of write waits for the note, and is answered by Redis then`() throws {
        let disk = SimulatedFileSystem(seed: 1)
        let car = try refusing(disk)
        let turns = RecordWrite(id: car.tiers.makeOperationID(), .addTurns([bytes("t")], keep: nil))
        let add = NativeCommand(
            .write(.record(turns), key: bytes("absent")), arguments: ["TURNS.ADD", "absent", "t"].map(bytes))
        let flush = NativeCommand.words(.removeAll, "FLUSHDB")
        for commands in [
            [.setnx("k", "v2")], [.incr("absent")], [.del("k")], [add], [flush], [.get("other"), flush],
            [.set("other", "v2"), .set("k", "v2")],
        ] as [[NativeCommand]] {
            let box = car.beginPerform(commands, isTransaction: commands.count > 1)
            car.scheduler.run { box.value != nil }
            let refused = Self.text(box.value?.first)
            #expect(refused.hasPrefix(Self.refusal), "\(commands.map(\.arguments)): \(refused)")
        }
        #expect(car.inRedis("k") == "v1" && car.inRedis("other") == "v1")
        mend(disk, car)
        #expect(car.perform(.setnx("k", "v2")) == [.integer(0)])
        #expect(!Self.text(car.perform(add)[0]).hasPrefix("UNAVAILABLE"))
        #expect(car.recordInRedis("absent")?.version == 1)
        #expect(car.perform(flush) == [.ok])
        #expect(car.journal?.pending.entryCount == 0)
    }

    @Test func `without Redis such a write goes into the journal, once its disk takes the note`() throws {
        let disk = SimulatedFileSystem(seed: 1)
        let car = try refusing(disk)
        car.openBreaker()
        let refused = Self.text(car.set("k", "v2"))
        #expect(refused.contains("and the journal refused it: the journal is degraded"), "\(refused)")
        mend(disk, car)
        #expect(car.set("k", "v3") == .ok)
        #expect(try lifeAfterPowerCut(car, disk).inRedis("k") == "v3")
    }

    @Test func `reads are answered as before, and EXPLAIN says why writes are not`() throws {
        let disk = SimulatedFileSystem(seed: 1)
        let car = try refusing(disk)
        #expect(car.read("k", strong: true).summary == "v1 redis fresh")
        #expect(car.perform(.get("k"), .get("other"), isTransaction: true).count == 2)
        #expect(car.perform(.get("k"), isTransaction: true) == [.string(bytes("v1"))])
        func journalNote(_ key: String) -> String {
            let box = Sidecar.Box<Explanation>()
            car.tiers.explain(bytes(key)) { box.values.append($0) }
            car.scheduler.run { box.value != nil }
            return box.value?.journalNote ?? ""
        }
        #expect(journalNote("k").contains("writes wait until the disk has a note"))
        #expect(journalNote("other") == "nothing waits")
        // By itself, four times a second.
        mend(disk, car)
        #expect(journalNote("k") == "nothing waits")
    }

    @Test func `an erasure is not done while a restart would bring a write of the subject back`() throws {
        let disk = SimulatedFileSystem(seed: 1)
        let car = try refusing(disk)
        guard case .incomplete(_, let reason) = car.erase("k") else {
            Issue.record("it was done, or refused")
            return
        }
        #expect(reason.hasPrefix("the journal's disk took no note"), "\(reason)")
        #expect(car.inRedis("k") == "v1")
        mend(disk, car)
        guard case .done = car.erase("k") else {
            Issue.record("it was not done")
            return
        }
        #expect(try lifeAfterPowerCut(car, disk).inRedis("k") == nil)
    }

    @Test func `a disk that works in between keeps no keys from before`() throws {
        let disk = SimulatedFileSystem(seed: 1)
        let car = try refusing(disk)
        car.openBreaker()
        // The next commit opens a segment, whose directory and file are synchronised, and its own is not.
        disk.faults = SimulatedFaults()
        car.run(.milliseconds(300))
        #expect(car.journal?.pending.unnoted.isEmpty == true)
        breakDisk(disk)
        #expect(Self.text(car.set("late", "v")).hasPrefix("UNAVAILABLE outcome unknown"))
        let unnoted = try #require(car.journal?.pending.unnoted)
        #expect(unnoted.contains(anyOf: [bytes("late")]) && !unnoted.contains(anyOf: [bytes("k")]))
        #expect(unnoted.count(under: []) == 1 && unnoted.count(under: bytes("k")) == 0)
    }

    @Test func `what a segment was opened with is noted`() {
        let unnoted = UnnotedWrites()
        unnoted.refuse(["a", "b"].map(bytes), opening: 1)
        unnoted.refuse([bytes("c")], opening: 1)
        #expect(unnoted.count(under: []) == 3)
        unnoted.finish(records: [bytes("a"), bytes("r")])
        unnoted.refuse([bytes("d")], opening: 2)
        #expect(["a", "r", "d"].allSatisfy { unnoted.contains(anyOf: [bytes($0)]) })
        #expect(!unnoted.contains(anyOf: [bytes("b"), bytes("c")]))
        unnoted.noteRefused()
        #expect(unnoted.contains(anyOf: []) && unnoted.count(under: []) == 2)
        unnoted.noteDone()
        #expect(unnoted.isEmpty && !unnoted.contains(anyOf: []))
        // Of others Redis has markers, which go with all keys.
        unnoted.finish(records: [])
        #expect(unnoted.contains(anyOf: []) && unnoted.keyCount == 0 && !unnoted.contains(anyOf: [bytes("a")]))
        unnoted.noteDone()
        #expect(unnoted.isEmpty)
    }

    // MARK: Done

    /// Redis has no marker of what is done on a record: it remembers its last sixteen writes.
    @Test(arguments: [false, true])
    func `a record that was replayed takes no writes before the disk has noted that`(isMended: Bool) throws {
        let disk = SimulatedFileSystem(seed: 3)
        let car = try Sidecar(journalOn: disk)
        car.state("r", "before")
        car.set("plain", "before")
        car.openBreaker()
        #expect(car.state("r", "journaled").hasPrefix("version"))
        #expect(car.set("plain", "journaled") == .ok)
        breakDisk(disk)
        car.share.breaker.force(.automatic, now: car.now)
        #expect(car.scheduler.run(atMost: .seconds(30)) { car.journal?.pending.isEmpty ?? false })
        #expect(car.recordInRedis("r")?.value == bytes("journaled"))
        // Of a plain key Redis keeps the marker for as long.
        #expect(Self.text(car.set("plain", "after")) == Self.text(.ok))
        #expect(car.state("r", "after").hasPrefix(Self.refusal))
        if isMended {
            mend(disk, car)
            for number in 1...17 { #expect(car.state("r", "after \(number)").hasPrefix("version")) }
        }
        car.crash()
        disk.faults = SimulatedFaults()
        disk.endProcess()
        let next = try Sidecar(journalOn: disk, after: car)
        next.replayAll()
        #expect(next.recordInRedis("r")?.value == bytes(isMended ? "after 17" : "journaled"))
        #expect(next.inRedis("plain") == "after")
    }

    @Test func `a FLUSHDB waits until the disk has noted what was replayed, whose markers it removes`() throws {
        let disk = SimulatedFileSystem(seed: 3)
        let car = try Sidecar(journalOn: disk)
        car.openBreaker()
        #expect(car.set("k", "journaled") == .ok)
        breakDisk(disk)
        car.share.breaker.force(.automatic, now: car.now)
        #expect(car.scheduler.run(atMost: .seconds(30)) { car.journal?.pending.isEmpty ?? false })
        let flush = NativeCommand.words(.removeAll, "FLUSHDB")
        let refused = Self.text(car.perform(flush)[0])
        #expect(refused.hasPrefix(Self.refusal), "\(refused)")
        mend(disk, car)
        #expect(car.perform(flush) == [.ok])
        car.crash()
        disk.endProcess()
        let next = try Sidecar(journalOn: disk, after: car)
        next.replayAll()
        #expect(next.inRedis("k") == nil)
    }

    @Test func `conflicts that are more than a batch of notes takes settle all the same, and a record is free again`()
        throws
    {
        let disk = SimulatedFileSystem(seed: 1)
        let car = try Sidecar([policy { $0.onConflict = .keep }], journalOn: disk, journalBytes: 1 << 20)
        let keys = (0..<400).map { "k\($0)" }
        for key in keys { car.set(key, "before") }
        car.openBreaker()
        let ours = String(repeating: "o", count: 400)
        let all = NativeCommand(
            .setMany(keys.map(bytes), values: keys.map { _ in bytes(ours) }, onlyIfNone: false),
            arguments: [bytes("MSET")] + keys.flatMap { [bytes($0), bytes(ours)] })
        #expect(car.perform(all) == [.ok])
        for key in keys { car.redis.execute("SET", key, String(repeating: "t", count: 400)) }
        car.replayAll()
        car.run(.seconds(3))
        let keeper = try #require(car.journal?.keeper)
        #expect(!keeper.hasUnsettled && keeper.pending.unnoted.isEmpty)
        #expect(!keeper.conflicts.isEmpty && keeper.conflicts.count < keys.count)
        #expect(keeper.journal.statistics.notesDropped == keys.count - keeper.conflicts.count)
        #expect(Set(keeper.conflicts.map(\.conflict.key)).count == keeper.conflicts.count, "each is noted once")
    }

    @Test(arguments: [false, true])
    func `a conflict that could not be noted is not noted once its key is erased`(failsOnceMore: Bool) throws {
        let disk = SimulatedFileSystem(seed: 1)
        let car = try Sidecar([policy { $0.onConflict = .keep }], journalOn: disk)
        car.set("user:1:k", "before")
        car.openBreaker()
        car.set("user:1:k", "ours")
        car.redis.execute("SET", "user:1:k", "theirs")
        breakDisk(disk)
        car.share.breaker.force(.automatic, now: car.now)
        #expect(car.scheduler.run(atMost: .seconds(30)) { car.journal?.pending.isEmpty ?? false })
        #expect(car.journal?.keeper.hasUnsettled == true)
        if failsOnceMore {
            car.run(.milliseconds(300))
            guard case .incomplete(_, let reason) = car.erase("user:1:") else {
                Issue.record("it was done, or refused")
                return
            }
            #expect(reason == "the journal's disk did not take it")
        }
        mend(disk, car)
        guard case .done(let count) = car.erase("user:1:") else {
            Issue.record("it was not done")
            return
        }
        #expect(count.conflicts == 1)
        car.run(.seconds(2))
        #expect(car.journal?.keeper.conflicts.isEmpty == true)
    }

    @Test func `a FLUSHDB among others waits for every write that does`() throws {
        let car = try Sidecar(journalOn: SimulatedFileSystem(seed: 1))
        car.openBreaker()
        #expect(car.set("k", "journaled") == .ok)
        // The breaker is closed for writes and the replay has not begun.
        car.share.breaker.force(.forcedClosed, now: car.now)
        let flush = NativeCommand.words(.removeAll, "FLUSHDB")
        let box = car.beginPerform([.set("other", "v"), flush], isTransaction: true)
        car.scheduler.run { box.value != nil }
        car.replayAll()
        #expect(box.value == [.ok, .ok])
        #expect(car.inRedis("k") == nil && car.inRedis("other") == nil)
    }
}
