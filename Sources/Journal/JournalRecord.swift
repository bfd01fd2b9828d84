// The records of a journal as keys and values of the segment log. docs/journal-format.md has the table.

internal import Primitives
internal import SegmentLog

extension RecordKind {
    static let entry = RecordKind(rawValue: 1)
    static let end = RecordKind(rawValue: 2)
    static let note = RecordKind(rawValue: 3)
    static let numbers = RecordKind(rawValue: 4)
}

/// How far the numbers have come; the newest segment that took a record has it.
struct JournalNumbers: Equatable {
    /// The next entry's.
    var sequence: UInt64 = 1
    /// The next note's.
    var note: UInt64 = 1
    /// Entries below this may have been used without being durable: after a restart numbers begin here.
    var ceiling: UInt64 = 0

    /// Numbers above this are not ours.
    static let max: UInt64 = 1 << 62
}

/// A whole record, understood.
enum JournalRecord {
    case entry(JournalEntry, superseding: [UInt64])
    /// Entries and notes that are over.
    case end(entries: [UInt64], notes: [UInt64])
    case note(JournalNote)
    case numbers(JournalNumbers)

    /// Bytes that a record with its line in the footer takes.
    static func footprint(key: Int, value: Int) -> Int {
        RecordHeader.recordLength(key: key, value: value) + SegmentLog.footerBytesPerRecord
    }
    static let numbersFootprint = footprint(key: 0, value: 24)
    /// The shortest record that carries a number.
    static let lengthMin = RecordHeader.recordLength(key: 8, value: 0)

    /// Nil for a record that this version does not write.
    init?(_ record: WholeRecord) {
        let header = record.header
        switch header.kind {
        case .entry:
            guard let numbers = Self.list(record.key), let sequence = numbers.first else { return nil }
            self = .entry(
                JournalEntry(sequence: sequence, acceptedAt: header.verifiedAt, payload: Array(record.value)),
                superseding: Array(numbers.dropFirst()))
        case .end:
            guard let entries = Self.list(record.key), let notes = Self.list(record.value) else { return nil }
            self = .end(entries: entries, notes: notes)
        case .note:
            guard let numbers = Self.list(record.key), numbers.count == 1 else { return nil }
            self = .note(JournalNote(id: numbers[0], notedAt: header.verifiedAt, payload: Array(record.value)))
        case .numbers:
            guard header.keyLength == 0, let numbers = Self.list(record.value, allowsZero: true), numbers.count == 3
            else { return nil }
            self = .numbers(JournalNumbers(sequence: numbers[0], note: numbers[1], ceiling: numbers[2]))
        default: return nil
        }
    }

    /// The key or value that holds `numbers`: 8 bytes each, little endian.
    static func bytes(_ numbers: [UInt64]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(numbers.count * 8)
        for number in numbers { withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) } }
        return bytes
    }

    private static func list(_ bytes: ArraySlice<UInt8>, allowsZero: Bool = false) -> [UInt64]? {
        guard bytes.count % 8 == 0 else { return nil }
        var numbers: [UInt64] = []
        numbers.reserveCapacity(bytes.count / 8)
        for start in stride(from: bytes.startIndex, to: bytes.endIndex, by: 8) {
            var number: UInt64 = 0
            for index in (start..<start + 8).reversed() { number = number << 8 | UInt64(bytes[index]) }
            guard number <= JournalNumbers.max, number > 0 || allowsZero else { return nil }
            numbers.append(number)
        }
        return numbers
    }
}

extension RecordBatch {
    func append(_ kind: RecordKind, at time: Timestamp, numbers: [UInt64], value: [UInt8]) {
        JournalRecord.bytes(numbers).withUnsafeBytes { append(kind, at: time, key: $0, value: value) }
    }

    private func append(_ kind: RecordKind, at time: Timestamp, key: UnsafeRawBufferPointer, value: [UInt8]) {
        value.withUnsafeBytes { value in
            _ = append(
                RecordHeader(kind: kind, keyLength: 0, valueLength: 0, verifiedAt: time), key: key, value: value)
        }
    }

    func append(_ entry: JournalEntry, superseding: [UInt64] = []) {
        let count = 1 + superseding.count
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: count) { numbers in
            numbers.initializeElement(at: 0, to: entry.sequence.littleEndian)
            for (index, sequence) in superseding.enumerated() {
                numbers.initializeElement(at: index + 1, to: sequence.littleEndian)
            }
            append(.entry, at: entry.acceptedAt, key: UnsafeRawBufferPointer(numbers), value: entry.payload)
        }
    }

    func append(_ note: JournalNote) { append(.note, at: note.notedAt, numbers: [note.id], value: note.payload) }

    func append(endOf entries: [UInt64], notes: [UInt64]) {
        append(.end, at: .distantPast, numbers: entries, value: JournalRecord.bytes(notes))
    }

    func append(_ numbers: JournalNumbers) {
        append(
            .numbers, at: .distantPast, numbers: [],
            value: JournalRecord.bytes([numbers.sequence, numbers.note, numbers.ceiling]))
    }

    /// Bytes in a file, the lines of the footer included.
    var footprint: Int { byteCount + records.count * SegmentLog.footerBytesPerRecord }
}
