// What a segment says of older ones: below which sequence all are void, and from which offset one is.
//
// DESIGN. Marks are the first record of a segment. Every new segment repeats those that still concern an existing file,
// so that the newest segment alone tells all, and an older one can be removed without a thought.

struct SegmentMarks: Equatable {
    /// Segments with a smaller sequence are void: the store was emptied.
    var floor: UInt32 = 0
    /// Segment → offset from which its bytes were refused, and are void.
    var refused: [UInt32: Int] = [:]

    var isEmpty: Bool { floor == 0 && refused.isEmpty }

    /// The union: the higher floor, and the earliest refusal of each segment.
    mutating func merge(_ other: SegmentMarks) {
        floor = max(floor, other.floor)
        refused.merge(other.refused) { min($0, $1) }
    }

    /// The marks as a record's value: floor, count, and pairs of sequence and offset, each 8 bytes.
    func encode() -> [UInt8] {
        var words: [UInt64] = [UInt64(floor), UInt64(refused.count)]
        for (sequence, offset) in refused.sorted(by: { $0.key < $1.key }) {
            words.append(UInt64(sequence))
            words.append(UInt64(offset))
        }
        return words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) } }
    }

    init() {}

    /// Nil when the value is not what `encode` produces.
    init?(_ value: UnsafeRawBufferPointer) {
        guard value.count >= 16, value.count % 16 == 0,
            let floor = UInt32(exactly: value.integer(at: 0, as: UInt64.self)),
            value.integer(at: 8, as: UInt64.self) == UInt64(value.count / 16 - 1)
        else { return nil }
        self.floor = floor
        for pair in stride(from: 16, to: value.count, by: 16) {
            guard let sequence = UInt32(exactly: value.integer(at: pair, as: UInt64.self)),
                let offset = Int(exactly: value.integer(at: pair + 8, as: UInt64.self))
            else { return nil }
            refused[sequence] = offset
        }
    }
}
