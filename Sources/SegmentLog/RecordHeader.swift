// One record as bytes: its header, its two checksums, and where the next one begins. docs/warm-format.md has the table.
//
// DESIGN. The whole checksum covers header, key, value and padding. The header has a short one of its own, so that a
// scan over damaged bytes does not follow a length that nobody wrote (a scan stays linear), and so that a key can be
// compared without reading a large value. Both are seeded with the segment's identity and the offset: a record left
// over from another file, or moved within this one, is not a record.

public import Primitives

/// What a record is; 1 to 254 are the owner's.
public struct RecordKind: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The log's own: the floor, and what has been refused. Never handed to the owner.
    static let marks = RecordKind(rawValue: 255)
}

/// The segments that may hold older records of the same key, both ends included.
///
/// As long as one of them exists, this record must not vanish without a successor: an older one would come back.
public struct ShadowRange: Hashable, Sendable {
    public var low: UInt32
    public var high: UInt32

    public init(low: UInt32, high: UInt32) {
        precondition(low <= high, "BUG: a shadow from segment \(low) to \(high)")
        self.low = low
        self.high = high
    }

    /// Nothing older exists.
    public static let none = ShadowRange(low: 0, high: 0)
    public var isNone: Bool { high == 0 }

    /// This range, and `segment` too.
    public func including(_ segment: UInt32) -> ShadowRange {
        isNone
            ? ShadowRange(low: segment, high: segment) : ShadowRange(low: min(low, segment), high: max(high, segment))
    }
}

/// Everything about a record that is not its key or value.
public struct RecordHeader: Hashable, Sendable {
    public var kind: RecordKind
    /// The owner's.
    public var flags: UInt8
    public var keyLength: Int
    public var valueLength: Int
    public var expiresAt: Timestamp
    public var verifiedAt: Timestamp
    /// How long after `expiresAt` it may still be served in an outage.
    public var staleForSeconds: UInt32
    public var shadow: ShadowRange
    /// The place in an atomic group, from 0, and the group's size; a record on its own is 0 of 1.
    var groupIndex: UInt32 = 0
    var groupCount: UInt32 = 1

    public init(
        kind: RecordKind, flags: UInt8 = 0, keyLength: Int, valueLength: Int, expiresAt: Timestamp = .never,
        verifiedAt: Timestamp = .distantPast, staleForSeconds: UInt32 = 0, shadow: ShadowRange = .none
    ) {
        self.kind = kind
        self.flags = flags
        self.keyLength = keyLength
        self.valueLength = valueLength
        self.expiresAt = expiresAt
        self.verifiedAt = verifiedAt
        self.staleForSeconds = staleForSeconds
        self.shadow = shadow
    }

    /// Bytes before the key.
    public static let size = 64
    /// Records begin at multiples of this many bytes.
    public static let alignment = 8
    /// A key of at most 64 MiB and a value of at most 1 GiB fit what the index can address.
    public static let keyLengthMax = 64 << 20
    public static let valueLengthMax = 1 << 30
    static let magic: UInt32 = 0x4345_5248  // "HREC"

    /// Bytes that the record takes in a file, padding included.
    public var recordLength: Int { Self.recordLength(key: keyLength, value: valueLength) }

    public static func recordLength(key: Int, value: Int) -> Int {
        (size + key + value + alignment - 1) & ~(alignment - 1)
    }

    /// Writes the fields to the first 64 bytes of `record`; the checksums come with `seal`.
    func encode(into record: UnsafeMutableRawBufferPointer) {
        precondition(
            keyLength <= Self.keyLengthMax && valueLength <= Self.valueLengthMax, "BUG: record beyond the format")
        record.store(Self.magic, at: 0)
        record.store(UInt32(0), at: 4)
        record.store(UInt64(0), at: 8)
        record.store(UInt32(keyLength), at: 16)
        record.store(UInt32(valueLength), at: 20)
        record[24] = kind.rawValue
        record[25] = flags
        record.store(UInt16(0), at: 26)
        record.store(staleForSeconds, at: 28)
        record.store(expiresAt.milliseconds, at: 32)
        record.store(verifiedAt.milliseconds, at: 40)
        record.store(groupIndex, at: 48)
        record.store(groupCount, at: 52)
        record.store(shadow.low, at: 56)
        record.store(shadow.high, at: 60)
    }

    /// Computes both checksums of a complete record for its place. Complexity: O(length).
    static func seal(_ record: UnsafeMutableRawBufferPointer, identity: SegmentIdentity, offset: Int) {
        let seed = identity.checkSeed(at: offset)
        let bytes = UnsafeRawBufferPointer(record)
        record.store(xxh3(bytes.part(16..<bytes.count), seed: seed), at: 8)
        record.store(UInt32(truncatingIfNeeded: xxh3(bytes.part(8..<size), seed: seed)), at: 4)
    }

    /// The header at the start of `bytes`, if it is one and was written for this place.
    static func decode(_ bytes: UnsafeRawBufferPointer, identity: SegmentIdentity, offset: Int) -> RecordHeader? {
        guard bytes.count >= size, bytes.integer(at: 0, as: UInt32.self) == magic,
            bytes.integer(at: 4, as: UInt32.self)
                == UInt32(truncatingIfNeeded: xxh3(bytes.part(8..<size), seed: identity.checkSeed(at: offset)))
        else { return nil }
        let low = bytes.integer(at: 56, as: UInt32.self)
        let high = bytes.integer(at: 60, as: UInt32.self)
        let keyLength = Int(bytes.integer(at: 16, as: UInt32.self))
        let valueLength = Int(bytes.integer(at: 20, as: UInt32.self))
        guard low <= high, keyLength <= keyLengthMax, valueLength <= valueLengthMax else { return nil }
        var header = RecordHeader(
            kind: RecordKind(rawValue: bytes[24]), flags: bytes[25], keyLength: keyLength, valueLength: valueLength,
            expiresAt: Timestamp(milliseconds: bytes.integer(at: 32, as: Int64.self)),
            verifiedAt: Timestamp(milliseconds: bytes.integer(at: 40, as: Int64.self)),
            staleForSeconds: bytes.integer(at: 28, as: UInt32.self), shadow: ShadowRange(low: low, high: high))
        header.groupIndex = bytes.integer(at: 48, as: UInt32.self)
        header.groupCount = bytes.integer(at: 52, as: UInt32.self)
        return header
    }

    /// Whether all of `record`, whose header has been decoded, is as it was written. Complexity: O(length).
    static func isWhole(_ record: UnsafeRawBufferPointer, identity: SegmentIdentity, offset: Int) -> Bool {
        record.integer(at: 8, as: UInt64.self)
            == xxh3(record.part(16..<record.count), seed: identity.checkSeed(at: offset))
    }
}
