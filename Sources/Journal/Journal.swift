// A durable, ordered, bounded log of opaque entries over a segment log; the owner's thread alone calls it.
//
// DESIGN. What is pending is in memory, with its payload; the disk is written, and read again only at opening. An entry
// stays pending until a later record ends it: a settlement, or another entry that supersedes it. Numbers are never used
// twice and an end is final, so that recovery needs no order: pending is what some whole record holds and none ends.
// Copies of an entry are told by its number.
//
// Removal order keeps ended entries ended. A record that ends an entry lies behind every copy of it, since only what
// lives is copied. Segments go oldest first, so that an end never goes before what it ended; a segment that goes out of
// turn, because it is damaged or a fdatasync of it failed, is *evacuated* first: what lives in it, and its ends whose
// entries still lie in other files, are committed anew (Journal+Evacuate.swift).
//
// Deliberately not here: threads, clocks, what an entry means, and when it is replayed.

public import Primitives
internal import SegmentLog

public final class Journal {
    public let options: JournalOptions
    let log: SegmentLog
    let fileSystem: any FileSystem
    var ledger = JournalLedger()
    var numbers = JournalNumbers()
    var damaged: DamagedFiles
    var counters = JournalStatistics()

    /// What is staged, as it will lie in the file; notes and ends join it at the commit.
    private let batch: RecordBatch
    let moving: RecordBatch
    private var staged = StagedBatch()
    private var isBegun = false
    /// The most that lives in one segment, as it was when the batch was begun: staging changes nothing of that.
    private var liveMax = 0

    /// Why something that must be committed anew could not be; nil when there is none.
    var trouble: FileError?
    var retryAt = Timestamp.distantPast
    /// Why the last commit was refused, though the disk may take a smaller one; shown until one succeeds, or a while.
    private var refusal: (cause: FileError, until: Timestamp)?
    /// Live bytes when an append last found no room.
    private var fullAt: Int?

    init(options: JournalOptions, log: SegmentLog, fileSystem: any FileSystem) {
        self.options = options
        self.log = log
        self.fileSystem = fileSystem
        damaged = DamagedFiles(directory: options.directory)
        batch = log.makeBatch()
        moving = log.makeBatch()
    }

    /// The random seed of this journal: with it, the number of an entry is unique among all journals.
    public var identity: UInt64 { log.storeSeed }

    /// Whether a crash may bring back what was refused: no durable note says yet that it is void. Nothing is committed
    /// before one does; `maintain` and `recover` try to write it.
    public var mayBringBack: Bool { log.hasPendingMarks }
    /// How often such notes were written: how many segments were opened.
    public var segmentsOpened: Int { log.segmentsOpened }

    /// A pending entry; nil when it was settled or superseded, or is only staged.
    public func entry(_ sequence: UInt64) -> JournalEntry? { ledger.entries[sequence]?.entry }

    /// Pending entries in order of sequence. Complexity: O(n).
    public var entries: [JournalEntry] { ledger.pending }
    public var notes: [JournalNote] { ledger.pendingNotes }

    /// Begins a batch. There is one at a time; `commit` or `rollback` ends it.
    public func begin() {
        precondition(!isBegun, "BUG: begin within a batch")
        isBegun = true
        staged.begin(numbers)
        liveMax = ledger.segmentLiveMax
    }

    /// Stages an entry and returns its number; what it supersedes is settled with it, or neither happens.
    ///
    /// Throws `.full` or `.tooLarge`: the batch is as before, and may go on. Numbers of a refused commit are left out,
    /// and after a restart those that commits without synchronisation, or damage, may have used.
    public func append(
        _ payload: [UInt8], superseding: [UInt64], now: Timestamp
    ) throws(JournalError) -> UInt64 {
        precondition(isBegun, "BUG: append without begin")
        try refuseWhileDegraded(now: now)
        let ended =
            superseding.isEmpty
            ? superseding : superseding.filter { staged.holds($0) || ledger.entries[$0] != nil && !staged.ends($0) }
        let bytes = JournalRecord.footprint(key: 8 * (1 + ended.count), value: payload.count)
        guard payload.count <= RecordHeader.valueLengthMax, bytes <= recordBytesMax else {
            throw .tooLarge(count: bytes, limit: recordBytesMax)
        }
        let free = freeBytes(staged: staged.entryBytes, adding: bytes, liveMax: liveMax)
        guard bytes <= free else {
            fullAt = ledger.entryBytes
            throw .full(needed: bytes, free: max(0, free))
        }
        let entry = JournalEntry(sequence: staged.numbers.sequence, acceptedAt: now, payload: payload)
        staged.numbers.sequence += 1
        batch.append(entry, superseding: ended)
        staged.add(entry, bytes: bytes, superseding: ended)
        return entry.sequence
    }

    /// Stages that entries need no replay any more; numbers that are not pending are passed over.
    ///
    /// Room for it is reserved: a full journal settles. One that was committed without synchronisation may come back
    /// after a power cut. With notes of the same batch it is one group: both are recovered, or neither.
    public func settle(_ sequences: [UInt64]) throws(JournalError) {
        precondition(isBegun, "BUG: settle without begin")
        for sequence in sequences where staged.holds(sequence) || ledger.entries[sequence] != nil {
            staged.settle(sequence)
        }
    }

    /// Stages a note and returns its id. Of more than 1000, or than an eighth of `maxBytes`, the oldest go.
    ///
    /// Room for notes is reserved. Throws `.tooLarge` for more than a 16th of `maxBytes` in one batch.
    public func note(_ payload: [UInt8], now: Timestamp) throws(JournalError) -> UInt64 {
        precondition(isBegun, "BUG: note without begin")
        try refuseWhileDegraded(now: now)
        let bytes = JournalRecord.footprint(key: 8, value: payload.count)
        let limit = options.noteBatchBytesMax
        guard staged.noteBytes + bytes <= limit else { throw .tooLarge(count: staged.noteBytes + bytes, limit: limit) }
        let note = JournalNote(id: staged.numbers.note, notedAt: now, payload: payload)
        staged.numbers.note += 1
        staged.notes.append((note, bytes))
        staged.noteBytes += bytes
        return note.id
    }

    /// Whether the batch has notes.
    public var hasStagedNotes: Bool { staged.noteBytes > 0 }

    /// Whether the batch takes notes of these sizes, in bytes, beside those that it has.
    public func hasRoom(forNotes sizes: [Int]) -> Bool {
        let bytes = sizes.reduce(0) { $0 + JournalRecord.footprint(key: 8, value: $1) }
        return staged.noteBytes + bytes <= options.noteBatchBytesMax
    }

    /// Counts a note that was not kept for want of room.
    public func leaveNoteOut() { counters.notesDropped += 1 }

    /// Stages that notes are not needed any more; unknown ids are passed over.
    public func dropNotes(_ ids: [UInt64]) throws(JournalError) {
        precondition(isBegun, "BUG: dropNotes without begin")
        for id in ids { staged.drop(id, isHeld: ledger.notes[id] != nil) }
    }

    /// Forgets the batch; its numbers are given again.
    public func rollback() {
        precondition(isBegun, "BUG: rollback without begin")
        endBatch()
    }

    /// Writes the batch with one write, and makes it durable with one fdatasync if `synchronously`.
    ///
    /// When it throws, nothing of the batch happened; `.refused` without `isVoid` leaves open whether a crash brings
    /// it back. The batch is over either way. A process or a power supply that ends during the call leaves any of the
    /// entries, each with what it supersedes; and settlements and notes together, or none of them.
    public func commit(synchronously: Bool, now: Timestamp) throws(JournalError) {
        precondition(isBegun, "BUG: commit without begin")
        defer { endBatch() }
        guard !staged.isEmpty else { return }
        // Whatever becomes of it, its numbers are spent: a part of it may be on the disk.
        numbers.sequence = staged.numbers.sequence
        numbers.note = staged.numbers.note
        do throws(JournalError) {
            try refuseWhileDegraded(now: now)
            try beforeWriting { () throws(JournalError) in try repair(now: now) }
            try write(synchronously: synchronously, now: now)
        } catch {
            counters.failedCommits += 1
            if case .refused(let cause, _) = error {
                refusal = (cause, now.advanced(byMilliseconds: Self.refusalMilliseconds))
            }
            // Who is told to wait does not put the next attempt off: under steady writes it would never come.
            var wasTried = true
            if case .degraded = error { wasTried = false }
            if wasTried, log.failure != nil { retryAt = now.advanced(byMilliseconds: Self.retryMilliseconds) }
            noteTrouble()
            throw error
        }
        publish()
        // A segment that was sealed on the way may have become uncertain. What was committed here is in a sound one; if
        // the repair fails, what comes next is refused.
        noteTrouble()
        if trouble != nil { tryRepair(now: now) }
    }

    /// How long a refused commit counts as the journal's state where no other follows.
    private static let refusalMilliseconds: Int64 = 5000

    func forgetRefusal(now: Timestamp) {
        if let refusal, now >= refusal.until { self.refusal = nil }
    }

    /// What fails before a byte of the batch is written leaves nothing of the batch, whatever it leaves of copies.
    private func beforeWriting(_ body: () throws(JournalError) -> Void) throws(JournalError) {
        do throws(JournalError) {
            try body()
        } catch {
            if case .refused(let cause, _) = error { throw .refused(cause, isVoid: true) }
            throw error
        }
    }

    private func write(synchronously: Bool, now: Timestamp) throws(JournalError) {
        let entryBytes = batch.footprint
        staged.makeRoomForNotes(ledger, options)
        let isGroup = !staged.notes.isEmpty && staged.hasEnds
        if isGroup { batch.beginGroup() }
        for note in staged.notes { batch.append(note.note) }
        let keptBytes = batch.footprint
        if staged.hasEnds { batch.append(endOf: staged.settled, notes: staged.droppedNotes) }
        if isGroup { batch.endGroup() }
        try beforeWriting { () throws(JournalError) in try makeRoom(kept: keptBytes, all: batch.footprint, now: now) }
        // Numbers that no durable record tells of must not be given again after a power cut.
        let raisesCeiling = !synchronously && entryBytes > 0 && numbers.sequence > numbers.ceiling
        let ceiling = numbers.ceiling
        if raisesCeiling { numbers.ceiling = numbers.sequence + Self.ceilingStep }
        do throws(JournalError) {
            staged.segment = try commit(
                batch, synchronously: synchronously || raisesCeiling, withNumbers: raisesCeiling, now: now)
        } catch {
            numbers.ceiling = ceiling
            throw error
        }
    }

    /// How many numbers one synchronisation covers, where commits go without.
    private static let ceilingStep: UInt64 = 65_536

    /// Commits `records` with the numbers, where the segment does not have them yet; returns the segment.
    func commit(
        _ records: RecordBatch, synchronously: Bool, withNumbers: Bool = false, now: Timestamp
    ) throws(JournalError) -> UInt32 {
        do throws(SegmentLogError) {
            if withNumbers { records.append(numbers) }
            var place = try log.prepare(records, now: now)
            if !withNumbers, !ledger[place.segment].hasNumbers {
                records.append(numbers)
                place = try log.prepare(records, now: now)
            }
            try log.commit(records, at: place, synchronously: synchronously, now: now)
            if records.records.contains(where: { $0.header.kind == .numbers }) {
                ledger[place.segment].hasNumbers = true
            }
            return place.segment
        } catch {
            throw JournalError(commit: error)
        }
    }

    /// What was committed becomes visible.
    private func publish() {
        let segment = staged.segment
        ledger.place(staged.entries, ending: staged.ended, in: segment)
        for (note, bytes) in staged.notes {
            ledger[segment].notes.append(note.id)
            ledger.place(note, in: segment, bytes: bytes)
        }
        for id in staged.droppedNotes {
            ledger.endNote(id)
            ledger[segment].endedNotes.append(id)
        }
        refusal = nil
        counters.appended += staged.entries.count
        counters.settled += staged.settled.count
        counters.superseded += staged.ended.count - staged.settled.count
        counters.notesDropped += staged.crowdedOut
        if let at = fullAt, ledger.entryBytes < at { fullAt = nil }
    }

    private func endBatch() {
        isBegun = false
        batch.removeAll()
        staged.begin(numbers)
    }

    public var statistics: JournalStatistics {
        var figures = counters
        figures.entries = ledger.entries.count
        figures.liveBytes = ledger.liveBytes
        figures.entryBytes = ledger.entryBytes
        figures.freeBytes = max(0, room)
        figures.diskBytes = chargedBytes
        figures.maxBytes = options.maxBytes
        figures.segments = log.segments.count
        figures.notes = ledger.notes.count
        figures.synchronizations = log.synchronizations
        figures.oldest = ledger.oldest?.acceptedAt
        if let failure = trouble ?? log.failure ?? refusal?.cause {
            figures.state = .degraded(failure)
        } else if fullAt != nil {
            figures.state = .full
        }
        return figures
    }
}
