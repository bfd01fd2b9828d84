// What an index needs to know of a record, without its key and value: a line of a footer.

public import Primitives

/// A record's place, size, expiry and the hash of its key: 40 bytes in a footer.
public struct RecordSummary: Hashable, Sendable {
    /// xxh3 of the key, seeded with the store's seed.
    public var keyHash: UInt64
    public var expiresAt: Timestamp
    private var place: UInt32
    private var keyBytes: UInt32
    private var valueBytes: UInt32
    public var shadow: ShadowRange
    public var kind: RecordKind
    public var flags: UInt8
    public var staleFor: CoarseSeconds

    /// Where the record begins in its file, in bytes.
    public var offset: Int { Int(place) * RecordHeader.alignment }
    public var keyLength: Int { Int(keyBytes) }
    public var valueLength: Int { Int(valueBytes) }
    public var recordLength: Int { RecordHeader.recordLength(key: keyLength, value: valueLength) }

    public init(header: RecordHeader, keyHash: UInt64, offset: Int) {
        precondition(offset % RecordHeader.alignment == 0 && offset >> 35 == 0, "BUG: a record at offset \(offset)")
        self.keyHash = keyHash
        expiresAt = header.expiresAt
        place = UInt32(offset / RecordHeader.alignment)
        keyBytes = UInt32(header.keyLength)
        valueBytes = UInt32(header.valueLength)
        shadow = header.shadow
        kind = header.kind
        flags = header.flags
        staleFor = CoarseSeconds(roundingUp: header.staleForSeconds)
    }

    /// Bytes in a footer.
    public static let size = 40

    func encode(into bytes: UnsafeMutableRawBufferPointer) {
        bytes.store(keyHash, at: 0)
        bytes.store(expiresAt.milliseconds, at: 8)
        bytes.store(place, at: 16)
        bytes.store(keyBytes, at: 20)
        bytes.store(valueBytes, at: 24)
        bytes.store(shadow.low, at: 28)
        bytes.store(shadow.high, at: 32)
        bytes[36] = kind.rawValue
        bytes[37] = flags
        bytes.store(staleFor.rawValue, at: 38)
    }

    /// Nil when the line can't be one: lengths or a range that no writer produces.
    init?(_ bytes: UnsafeRawBufferPointer) {
        keyHash = bytes.integer(at: 0, as: UInt64.self)
        expiresAt = Timestamp(milliseconds: bytes.integer(at: 8, as: Int64.self))
        place = bytes.integer(at: 16, as: UInt32.self)
        keyBytes = bytes.integer(at: 20, as: UInt32.self)
        valueBytes = bytes.integer(at: 24, as: UInt32.self)
        let low = bytes.integer(at: 28, as: UInt32.self)
        let high = bytes.integer(at: 32, as: UInt32.self)
        guard low <= high, keyBytes <= RecordHeader.keyLengthMax, valueBytes <= RecordHeader.valueLengthMax else {
            return nil
        }
        shadow = ShadowRange(low: low, high: high)
        kind = RecordKind(rawValue: bytes[36])
        flags = bytes[37]
        staleFor = CoarseSeconds(rawValue: bytes.integer(at: 38, as: UInt16.self))
    }
}
