// What the records of a directory say together: what is pending, how far the numbers have come, what was skipped.

internal import Primitives
internal import SegmentLog

struct JournalReading {
    private var entries: [UInt64: LiveEntry] = [:]
    private var notes: [UInt64: LiveNote] = [:]
    private var ended: Set<UInt64> = []
    private var endedNotes: Set<UInt64> = []
    private var accounts: [UInt32: JournalAccount] = [:]
    private var seen = JournalNumbers()
    private(set) var skipped: [SkippedRange] = []
    /// Segments of which something was skipped that nobody refused.
    private(set) var damaged: Set<UInt32> = []

    /// Reads every record of a segment and checks it; the newest copy of each counts.
    mutating func read(_ file: SegmentFile, _ lines: [RecordSummary]) {
        let segment = file.identity.sequence
        var account = JournalAccount()
        for line in lines {
            let range = line.offset..<line.offset + line.recordLength
            do throws(FileError) {
                guard let whole = try Self.record(file, line), let record = JournalRecord(whole) else {
                    skip([SkippedRange(segment: segment, range: range, reason: .notARecord)])
                    continue
                }
                account.add(record)
                take(record, in: segment, bytes: line.recordLength + SegmentLog.footerBytesPerRecord)
            } catch {
                skip([SkippedRange(segment: segment, range: range, reason: .unreadable(error.code))])
            }
        }
        accounts[segment] = account
    }

    /// A record, read twice before the disk is believed that it can't be.
    private static func record(_ file: SegmentFile, _ line: RecordSummary) throws(FileError) -> WholeRecord? {
        do throws(FileError) {
            return try file.record(at: line.offset, length: line.recordLength)
        } catch {
            return try file.record(at: line.offset, length: line.recordLength)
        }
    }

    private mutating func take(_ record: JournalRecord, in segment: UInt32, bytes: Int) {
        switch record {
        case .entry(let entry, let superseding):
            entries[entry.sequence] = LiveEntry(entry: entry, segment: segment, bytes: bytes)
            seen.sequence = max(seen.sequence, entry.sequence + 1)
            end(superseding, notes: [])
        case .end(let entries, let notes): end(entries, notes: notes)
        case .note(let note):
            notes[note.id] = LiveNote(note: note, segment: segment, bytes: bytes)
            seen.note = max(seen.note, note.id + 1)
        case .numbers(let numbers):
            seen.sequence = max(seen.sequence, numbers.sequence)
            seen.note = max(seen.note, numbers.note)
            seen.ceiling = max(seen.ceiling, numbers.ceiling)
        }
    }

    private mutating func end(_ sequences: [UInt64], notes: [UInt64]) {
        ended.formUnion(sequences)
        endedNotes.formUnion(notes)
        for sequence in sequences { seen.sequence = max(seen.sequence, sequence + 1) }
        for id in notes { seen.note = max(seen.note, id + 1) }
    }

    mutating func skip(_ ranges: [SkippedRange]) {
        skipped.append(contentsOf: ranges)
        for range in ranges where range.reason != .refused { damaged.insert(range.segment) }
    }

    /// How far the numbers may have come: beyond all that were seen, and all that skipped bytes may have held.
    ///
    /// Where damage left no record of the numbers at all, they go on from the clock, which no count has come near.
    func numbers(now: Timestamp, hasSegments: Bool) -> JournalNumbers {
        let missed = UInt64(skipped.reduce(0) { $0 + $1.range.count } / JournalRecord.lengthMin + skipped.count)
        var numbers = seen
        numbers.sequence = max(seen.sequence, seen.ceiling) + missed
        numbers.note = seen.note + missed
        if !damaged.isEmpty, !accounts.values.contains(where: \.hasNumbers) {
            let clock = UInt64(max(0, min(now.milliseconds, 1 << 50))) << 10
            numbers.sequence = max(numbers.sequence, clock)
            numbers.note = max(numbers.note, clock)
        }
        return numbers
    }

    func ledger() -> JournalLedger {
        var ledger = JournalLedger()
        ledger.accounts = accounts
        for (sequence, live) in entries where !ended.contains(sequence) {
            ledger.place(live.entry, in: live.segment, bytes: live.bytes)
        }
        for (id, live) in notes where !endedNotes.contains(id) {
            ledger.place(live.note, in: live.segment, bytes: live.bytes)
        }
        ledger.sortOrder()
        return ledger
    }
}
