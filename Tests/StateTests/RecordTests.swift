// Writes of records: what becomes of a record, what is answered, and what is refused.

import Primitives
import State
import TestSupport
import Testing

/// A key that holds a record, and a clock that goes on by a millisecond with each write.
private struct Cell {
    var record: Record?
    var expiresAt = Timestamp.never
    var time = now
    var maxValue = 1 << 20
    var rules = RecordRules()
    private var nextID: UInt64 = 1

    /// Makes a write of an action with an id of its own.
    mutating func write(
        _ action: RecordAction, _ expectation: RecordWrite.Expectation = .any, fence: Int64? = nil
    ) -> RecordWrite {
        nextID += 1
        return RecordWrite(id: OperationID(rawValue: nextID), action, expectation, fence: fence)
    }

    @discardableResult
    mutating func perform(_ write: RecordWrite) -> RecordOutcome {
        time = time.advanced(byMilliseconds: 1)
        let alive = expiresAt > time ? record : nil
        let outcome = write.perform(on: alive, expiresAt: expiresAt, now: time, maxValue: maxValue, rules: rules)
        if case .changed(let record, let expiresAt, _) = outcome {
            self.record = record
            self.expiresAt = expiresAt
        }
        return outcome
    }

    @discardableResult
    mutating func perform(
        _ action: RecordAction, _ expectation: RecordWrite.Expectation = .any, fence: Int64? = nil
    ) -> RecordOutcome {
        perform(write(action, expectation, fence: fence))
    }

    @discardableResult
    mutating func set(_ value: String, _ expectation: RecordWrite.Expectation = .any, fence: Int64? = nil)
        -> RecordOutcome
    {
        perform(.set(value: bytes(value), schema: nil, .keep), expectation, fence: fence)
    }

    @discardableResult
    mutating func add(_ turns: String..., keep: Int? = nil) -> RecordOutcome {
        perform(.addTurns(turns.map { bytes($0) }, keep: keep))
    }

    var window: [String] { record?.turns?.window.map { String(decoding: $0.bytes, as: UTF8.self) } ?? [] }
    var unfolded: [String] { record?.turns?.unfolded.map { String(decoding: $0.bytes, as: UTF8.self) } ?? [] }
}

extension RecordOutcome {
    fileprivate var refusal: RecordRefusal? { if case .refused(let refusal) = self { refusal } else { nil } }
    fileprivate var answer: RecordAnswer? {
        switch self {
        case .changed(_, _, let answer), .unchanged(let answer): answer
        case .refused: nil
        }
    }
}

@Suite struct RecordTests {
    // MARK: Versions

    @Test func `versions count from one, and an expected one has to be there`() {
        var cell = Cell()
        #expect(cell.set("a").answer == .version(1))
        #expect(cell.set("b", .version(1)).answer == .version(2))
        #expect(cell.set("c", .version(1)).refusal == .conflict(expected: .version(1), found: 2))
        #expect(cell.set("c", .absent).refusal == .conflict(expected: .absent, found: 2))
        #expect(cell.record?.value == bytes("b"))
        #expect(cell.record?.version == 2)
    }

    @Test func `where nothing is, only no expectation and ABSENT are met`() {
        var cell = Cell()
        #expect(cell.set("a", .version(1)).refusal == .conflict(expected: .version(1), found: nil))
        #expect(cell.set("a", .absent).answer == .version(1))
    }

    @Test func `a deleted record is absent, and its version and fence go on`() {
        var cell = Cell()
        cell.set("a", fence: 7)
        #expect(cell.perform(.delete).answer == .flag(true))
        #expect(cell.record?.isDeleted == true)
        #expect(cell.record?.value == nil)
        #expect(cell.expiresAt == cell.time.advanced(byMilliseconds: RecordRules.tombstoneLife))
        #expect(cell.perform(.delete).answer == .flag(false))
        #expect(cell.set("b", .version(2)).refusal == .conflict(expected: .version(2), found: nil))
        #expect(cell.set("b", .absent, fence: 6).refusal == .fenced(given: 6, newest: 7))
        #expect(cell.set("b", .absent).answer == .version(3))
        #expect(cell.record?.isDeleted == false)
        #expect(cell.expiresAt == .never)
    }

    @Test func `a write that is repeated is done once`() {
        var cell = Cell()
        let add = cell.write(.addTurns([bytes("hello")], keep: nil))
        cell.perform(add)
        cell.set("x")
        let before = cell.record
        #expect(
            cell.perform(add).answer
                == .turns(version: 2, sequence: 1, window: 1, unfolded: 0, dropped: 0, archived: nil))
        #expect(cell.record == before)
    }

    @Test func `so many others may follow before a repetition is not known any more`() {
        var cell = Cell()
        let first = cell.write(.addTurns([bytes("hello")], keep: nil))
        cell.perform(first)
        for _ in 1..<Record.operationsMax { cell.set("x") }
        if case .changed = cell.perform(first) { Issue.record("forgotten too early") }
        cell.set("x")
        guard case .changed = cell.perform(first) else {
            Issue.record("remembered beyond what a record holds")
            return
        }
        #expect(cell.record?.operations.count == Record.operationsMax)
    }

    // MARK: Fences

    @Test func `no checkpoints are none, in whatever form a record comes`() throws {
        var record = Record(version: 1, createdAt: Timestamp(milliseconds: 0), updatedAt: Timestamp(milliseconds: 0))
        record.checkpoints = Checkpoints()
        let read = try #require(Record(record.encoded))
        #expect(read.checkpoints == nil)
        #expect(Record(fields: read.fields) == read)
    }

    @Test func `an older fence is refused, an equal one and none are not`() {
        var cell = Cell()
        cell.set("a", fence: 10)
        #expect(cell.set("b", fence: 9).refusal == .fenced(given: 9, newest: 10))
        #expect(cell.set("b", fence: 10).refusal == nil)
        #expect(cell.set("c").refusal == nil)
        #expect(cell.set("d", fence: 12).refusal == nil)
        #expect(cell.record?.fence == 12)
    }

    // MARK: Life

    @Test func `TTL ends, SLIDING is renewed by writes, and neither is lost by a write that names none`() {
        var cell = Cell()
        cell.perform(.set(value: [], schema: nil, .end(afterMilliseconds: 1000)))
        let end = cell.expiresAt
        #expect(end == cell.time.advanced(byMilliseconds: 1000))
        cell.set("b")
        #expect(cell.expiresAt == end)
        cell.perform(.set(value: [], schema: nil, .sliding(5000)))
        cell.add("turn")
        #expect(cell.expiresAt == cell.time.advanced(byMilliseconds: 5000))
        cell.perform(.set(value: [], schema: nil, .end(afterMilliseconds: 100)))
        cell.set("c")
        #expect(cell.record?.slidingFor == 0)
        #expect(cell.expiresAt == cell.time.advanced(byMilliseconds: 99))
    }

    @Test(arguments: [true, false]) func `a new record gets the life that its policy gives`(slides: Bool) {
        var cell = Cell()
        cell.rules.life = 60_000
        cell.rules.isSliding = slides
        cell.set("a")
        let end = cell.expiresAt
        #expect(end == cell.time.advanced(byMilliseconds: 60_000))
        cell.set("b")
        #expect(cell.expiresAt == (slides ? end.advanced(byMilliseconds: 1) : end))
    }

    // MARK: Size

    @Test func `a record may have so many bytes, and one that only shrinks is never refused`() {
        var cell = Cell()
        cell.maxValue = 10
        #expect(cell.set("0123456789").refusal == nil)
        #expect(cell.add("x").refusal == .tooBig(bytes: 35, allowed: 10))
        #expect(cell.set("01234567890").refusal == .tooBig(bytes: 11, allowed: 10))
        cell.maxValue = 5
        #expect(cell.set("0123456").refusal == nil)
        #expect(cell.set("01234567").refusal == .tooBig(bytes: 8, allowed: 5))
    }

    // MARK: Turns

    @Test func `turns leave the window into what waits to be folded, and go when they are`() {
        var cell = Cell()
        #expect(
            cell.add("1", "2", "3", keep: 2).answer
                == .turns(version: 1, sequence: 3, window: 2, unfolded: 1, dropped: 0, archived: nil))
        cell.add("4")
        #expect(cell.window == ["3", "4"])
        #expect(cell.unfolded == ["1", "2"])
        #expect(cell.perform(.foldTurns(upTo: 1, summary: bytes("s1"))).refusal == nil)
        #expect(cell.unfolded == ["2"])
        #expect(cell.record?.turns?.summary == bytes("s1"))
        // The window stays, though it is folded.
        #expect(cell.perform(.foldTurns(upTo: 4, summary: bytes("s4"))).refusal == nil)
        #expect(cell.window == ["3", "4"])
        #expect(cell.unfolded.isEmpty)
        cell.add("5")
        #expect(cell.window == ["4", "5"])
        #expect(cell.record?.turns?.items.map(\.sequence) == [4, 5])
    }

    @Test func `folding goes forward, and not beyond what there is`() {
        var cell = Cell()
        #expect(cell.perform(.foldTurns(upTo: 1, summary: [])).refusal == .foldBeyond(given: 1, newest: 0))
        cell.add("1", "2", "3", keep: 1)
        cell.perform(.foldTurns(upTo: 2, summary: bytes("s")))
        #expect(cell.perform(.foldTurns(upTo: 2, summary: [])).refusal == .foldedAlready(given: 2, foldedTo: 2))
        #expect(cell.perform(.foldTurns(upTo: 4, summary: [])).refusal == .foldBeyond(given: 4, newest: 3))
        #expect(cell.record?.turns?.summary == bytes("s"))
    }

    @Test func `more unfolded turns than are allowed are refused, or the oldest go and are counted`() {
        var cell = Cell()
        cell.rules.turnsKeep = 2
        cell.rules.turnsUnfolded = 1
        cell.add("1", "2", "3")
        #expect(cell.add("4").refusal == .tooManyUnfolded(count: 2, allowed: 1))
        #expect(cell.window == ["2", "3"])
        cell.rules.turnsOverflow = .drop
        #expect(
            cell.add("4", "5").answer
                == .turns(version: 2, sequence: 5, window: 2, unfolded: 1, dropped: 2, archived: nil))
        #expect(cell.unfolded == ["3"])
        #expect(cell.record?.turns?.dropped == 2)
    }

    @Test func `what is dropped is only what waits, never the window`() {
        var cell = Cell()
        cell.rules.turnsKeep = 3
        cell.rules.turnsUnfolded = 0
        cell.rules.turnsOverflow = .drop
        for number in 1...20 { cell.add("\(number)") }
        #expect(cell.window == ["18", "19", "20"])
        #expect(cell.record?.turns?.items.count == 3)
        #expect(cell.record?.turns?.dropped == 17)
    }

    @Test func `a conversation of any length stays within max_value where its oldest turns may go`() {
        var cell = Cell()
        cell.maxValue = 400
        cell.rules.turnsKeep = 3
        cell.rules.turnsUnfolded = 100
        cell.rules.turnsOverflow = .drop
        cell.set("state")
        for number in 1...200 { #expect(cell.add("turn \(number)").refusal == nil) }
        #expect((350...400).contains(cell.record?.contentBytes ?? 0))
        #expect(cell.window == ["turn 198", "turn 199", "turn 200"])
        #expect((cell.record?.turns?.dropped ?? 0) + Int64(cell.record?.turns?.items.count ?? 0) == 200)
        // The window itself is never cut.
        let large = String(repeating: "x", count: 200)
        #expect(cell.add(large).refusal == nil)
        guard case .tooBig? = cell.add(large).refusal else {
            Issue.record("a window beyond max_value was accepted")
            return
        }
        cell.rules.turnsOverflow = .refuse
        guard case .tooBig? = cell.add(large).refusal else {
            Issue.record("refuse dropped a turn")
            return
        }
    }

    @Test
    func `turns that are archived are the oldest that wait, none of the write's own, and a quarter more than must`() {
        var cell = Cell()
        cell.rules.turnsKeep = 2
        cell.rules.turnsUnfolded = 4
        cell.rules.turnsOverflow = .archive
        // The first write gives the archive its name, and nothing goes before that is known.
        #expect(cell.add("1", "2", "3", "4", "5", "6", "7", "8").answer?.archived == 0)
        let name = cell.record?.turns?.archive?.id
        #expect(name != nil && cell.record?.turns?.unfolded.count == 6)
        var base = cell.record
        #expect(cell.add("9").answer?.archived == 4)
        #expect(cell.record?.turnsArchived(since: base).map(\.sequence) == [1, 2, 3, 4])
        #expect(cell.unfolded == ["5", "6", "7"] && cell.window == ["8", "9"])
        #expect(cell.record?.turns?.archive == Turns.Archive(id: name ?? OperationID(rawValue: 0), count: 4, upTo: 4))
        #expect(cell.add("10").answer?.archived == 0 && cell.record?.turnsArchived(since: base).count == 4)
        base = cell.record
        #expect(cell.add("11", "12", "13", "14").answer?.archived == 5)
        #expect(cell.record?.turnsArchived(since: base).map(\.sequence) == [5, 6, 7, 8, 9])
        base = cell.record
        // Of the write's own none goes, whatever that makes of the bound.
        cell.rules.turnsUnfolded = 0
        #expect(cell.add("15", "16", "17", "18").answer?.archived == 5)
        #expect(cell.record?.turnsArchived(since: base).last?.sequence == 14 && cell.unfolded == ["15", "16"])
        #expect(cell.record?.turns?.archive?.count == 14 && cell.record?.turns?.dropped == 0)
    }

    @Test func `where nothing may be archived the record keeps all, up to max_value`() {
        var cell = Cell()
        cell.maxValue = 400
        cell.rules.turnsKeep = 2
        cell.rules.turnsUnfolded = 3
        cell.rules.turnsOverflow = .archive
        cell.rules.archivesBefore = 0
        var count = 0
        while cell.add("turn").refusal == nil { count += 1 }
        #expect(count == 400 / (24 + 4) && cell.record?.turns?.items.count == count)
        cell.rules.archivesBefore = 4
        #expect(cell.add("turn").answer?.archived == 3)
        cell.rules.archivesBefore = .max
        #expect(cell.add("turn").answer?.archived ?? 0 > 5)
        #expect(cell.record?.turns?.unfolded.count == 3)
        // A fold reaches over what is archived.
        let next = cell.record?.turns?.next ?? 0
        #expect(cell.perform(.foldTurns(upTo: next - 1, summary: bytes("s"))).refusal == nil)
        #expect(cell.record?.turns?.items.count == 2)
        #expect(cell.perform(.delete).refusal == nil && cell.record?.turns == nil)
    }

    @Test func `an archive is asked for by bytes that are not taken apart`() {
        var cell = Cell()
        cell.rules.turnsOverflow = .archive
        cell.set("value")
        #expect(cell.record.flatMap { HeldValue($0, expiresAt: .never).archiveID } == nil)
        cell.add("1")
        cell.perform(.putCheckpoint(step: 1, bytes("data"), keep: nil))
        cell.perform(.acquireLease(owner: bytes("me"), milliseconds: 1000))
        #expect(cell.record.flatMap { HeldValue($0, expiresAt: .never).archiveID } == cell.record?.turns?.archive?.id)
        #expect(cell.record?.turns?.archive != nil)
    }

    // MARK: Checkpoints

    @Test func `steps only grow, and the last of them are kept`() {
        var cell = Cell()
        for step in [1, 2, 5, 9] as [Int64] {
            #expect(cell.perform(.putCheckpoint(step: step, bytes("s\(step)"), keep: nil)).refusal == nil)
        }
        #expect(cell.record?.checkpoints?.steps.map(\.number) == [2, 5, 9])
        #expect(cell.perform(.putCheckpoint(step: 9, [], keep: nil)).refusal == .stepNotNewer(given: 9, newest: 9))
        cell.perform(.putCheckpoint(step: 10, [], keep: 1))
        #expect(cell.record?.checkpoints?.steps.map(\.number) == [10])
    }

    // MARK: Leases

    @Test func `a lease is one owner's until it ends, and its epoch only grows`() throws {
        var cell = Cell()
        let first = cell.perform(.acquireLease(owner: bytes("a"), milliseconds: 1000)).answer
        guard case .epoch(let epoch?) = first else {
            Issue.record("\(String(describing: first))")
            return
        }
        #expect(epoch == cell.time.milliseconds * 1000)
        #expect(cell.perform(.acquireLease(owner: bytes("b"), milliseconds: 1000)).answer == .epoch(nil))
        #expect(
            cell.perform(.renewLease(owner: bytes("b"), epoch: epoch, milliseconds: 1)).refusal
                == .notHeld(given: epoch, owner: bytes("b"), found: cell.record?.lease))
        #expect(
            cell.perform(.renewLease(owner: bytes("a"), epoch: epoch, milliseconds: 2000)).answer == .epoch(epoch))
        cell.time = cell.time.advanced(byMilliseconds: 2000)
        #expect(
            cell.perform(.renewLease(owner: bytes("a"), epoch: epoch, milliseconds: 1)).refusal
                == .notHeld(given: epoch, owner: bytes("a"), found: nil))
        guard case .epoch(let second?)? = cell.perform(.acquireLease(owner: bytes("b"), milliseconds: 10)).answer else {
            Issue.record("an ended lease is free")
            return
        }
        #expect(second > epoch)
        #expect(cell.perform(.releaseLease(owner: bytes("a"), epoch: epoch)).answer == .flag(false))
        #expect(cell.perform(.releaseLease(owner: bytes("b"), epoch: second)).answer == .flag(true))
        // A clock that went back gives no older epoch.
        cell.time = Timestamp(milliseconds: 5)
        cell.expiresAt = .never
        guard case .epoch(let third?)? = cell.perform(.acquireLease(owner: bytes("c"), milliseconds: 10)).answer else {
            // By this clock the lease of b has not ended, and it was released: its end lies before the release.
            return
        }
        #expect(third > second)
    }

    // MARK: Forms

    @Test func `a record survives its bytes and its fields, whatever was done to it`() throws {
        var random = SeededGenerator()
        for _ in 0..<40 {
            var cell = Cell()
            cell.rules.turnsOverflow = random.oneIn(2) ? .drop : .archive
            cell.rules.turnsUnfolded = 5
            var fields: [[UInt8]: [UInt8]] = [:]
            for _ in 0..<60 {
                let before = cell.record
                cell.perform(RandomRecords.action(&random), RandomRecords.expectation(&random, cell.record))
                guard let record = cell.record else { continue }
                #expect(Record(record.encoded) == record, "replay with HEARTH_SEED=\(random.seed)")
                let (set, remove) = record.changes(from: before)
                for name in remove { fields[name] = nil }
                for (name, value) in set { fields[name] = value }
                #expect(fields.count == record.fields.count)
                let read = Record(fields: fields.map { ($0.key, $0.value) })
                #expect(read == record, "replay with HEARTH_SEED=\(random.seed)")
                record.encoded.withUnsafeBytes { bytes in
                    let head = RecordHead(bytes)
                    #expect(head?.version == record.version)
                    #expect(head?.slidingFor == record.slidingFor)
                    #expect(head?.hasValue == (record.value != nil))
                }
            }
        }
    }

    @Test func `bytes that are no record are refused, wherever they are cut or changed`() {
        var cell = Cell()
        cell.set("value")
        cell.add("one", "two", keep: 1)
        cell.perform(.putCheckpoint(step: 1, bytes("data"), keep: nil))
        guard let whole = cell.record?.encoded else { return }
        for count in 0..<whole.count { #expect(Record(Array(whole[..<count])) == nil, "cut at \(count)") }
        #expect(Record(whole + [0]) == nil)
        var random = SeededGenerator()
        // Whatever a changed byte makes of it, reading it ends.
        for index in whole.indices {
            var changed = whole
            changed[index] ^= UInt8(1 + random.next() % 255)
            _ = Record(changed)?.encoded
        }
    }

    @Test func `a hash without a version, or with damaged turns, is no record`() {
        func fields(_ pairs: (String, String)...) -> [Record.Field] { pairs.map { (bytes($0.0), bytes($0.1)) } }
        #expect(Record(fields: fields(("a", "b"))) == nil)
        #expect(Record(fields: fields(("version", "x"))) == nil)
        #expect(Record(fields: fields(("version", "0"))) == nil)
        #expect(Record(fields: fields(("version", "1"))) == nil)
        #expect(Record(fields: fields(("version", "1"), ("operations", "")))?.version == 1)
        #expect(Record(fields: fields(("version", "1"), ("operations", ""), ("turn:1", "no time"))) == nil)
        #expect(
            Record(fields: fields(("version", "1"), ("operations", ""), ("turns_next", "1"), ("turns_keep", "0")))
                == nil)
        #expect(Record(fields: fields(("version", "1"), ("operations", ""), ("mine", "left alone")))?.version == 1)
    }
}

@Suite struct RecordAmongStringsTests {
    private func record(_ text: String = "v") -> HeldValue {
        var record = Record(version: 3, createdAt: now, updatedAt: now)
        record.value = bytes(text)
        return HeldValue(record, expiresAt: .never)
    }

    @Test func `commands on plain strings meet a record as they meet a hash in Redis`() {
        for write in [
            StringWrite.increment(1), .append([1]), .getDelete, .getExpire(.clear), .setRange(0, [1]),
            .incrementFloat(bytes("1")),
        ] { #expect(write.on(record()).1 == StringWrite.wrongType, "\(write)") }
        #expect(StringRead.get.reply(for: record(), now: now) == StringWrite.wrongType)
        #expect(StringRead.type.reply(for: record(), now: now) == .status("hash"))
        #expect(StringRead.exists.reply(for: record(), now: now) == .integer(1))
        let set = StringWrite.set(bytes("s"), expiry: .clear, condition: .always, reply: .ok).on(record())
        #expect(set.0 == .put(held("s")))
    }

    @Test func `EXPIRE keeps a record a record, and DEL leaves its version`() {
        let (change, reply) = StringWrite.expire(at: at(50), []).on(record())
        #expect(reply == .integer(1))
        guard case .put(let held) = change else {
            Issue.record("\(change)")
            return
        }
        #expect(held.record?.version == 3)
        #expect(held.expiresAt == at(50))
        for write in [StringWrite.delete, .expire(at: at(-1), [])] {
            guard case (.put(let tombstone), .integer(1)) = write.on(record()) else {
                Issue.record("\(write)")
                continue
            }
            #expect(tombstone.isTombstone)
            #expect(tombstone.record?.version == 4)
            #expect(StringWrite.delete.on(tombstone).1 == .integer(0))
        }
    }
}

extension RecordAnswer {
    /// How many turns went into an archive.
    fileprivate var archived: Int? { if case .turns(_, _, _, _, _, let archived) = self { archived } else { nil } }
}
