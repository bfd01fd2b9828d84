// One line of the index: where a record lies, when it may go, and whether anybody read it. 24 bytes.

internal import Primitives
internal import SegmentLog

struct IndexEntry {
    private var expiry: Int64
    /// The part of the key's hash that orders the table.
    var hash: UInt32
    private var place: UInt32
    /// Length in units of eight bytes, up to 1 GiB, in 27 bits; five flags above. 0 is an empty place.
    private var lengthAndFlags: UInt32
    /// Which of the open segments, in 15 bits; above them, whether it is an archive's.
    private var slotAndSpace: UInt16
    private var stale: UInt16

    struct Flags: OptionSet {
        var rawValue: UInt32
        /// Read since it was written or given its second chance.
        static let referenced = Flags(rawValue: 1 << 27)
        /// Read at least once since its key was put.
        static let everRead = Flags(rawValue: 1 << 28)
        /// The key was deleted, or is known to be absent.
        static let tombstone = Flags(rawValue: 1 << 29)
        /// Older records of the key may exist in files: it must not vanish without a successor.
        static let shadowing = Flags(rawValue: 1 << 30)
        /// Past its time, no longer counted as a key; still here because it is shadowing.
        static let lapsed = Flags(rawValue: 1 << 31)
    }

    static let empty = IndexEntry()

    private init() {
        expiry = 0
        hash = 0
        place = 0
        lengthAndFlags = 0
        slotAndSpace = 0
        stale = 0
    }

    init(_ summary: RecordSummary, slot: UInt16, flags: Flags = []) {
        expiry = summary.expiresAt.milliseconds
        hash = KeyPlace(summary.keyHash).hash
        place = UInt32(summary.offset / RecordHeader.alignment)
        lengthAndFlags = UInt32(summary.recordLength / RecordHeader.alignment) | flags.rawValue
        precondition(
            lengthAndFlags & 0x07FF_FFFF == summary.recordLength / RecordHeader.alignment, "BUG: record too long")
        slotAndSpace = slot | (summary.kind == .archive ? Self.archiveBit : 0)
        stale = summary.staleFor.rawValue
        if summary.kind == .tombstone { lengthAndFlags |= Flags.tombstone.rawValue }
        if !summary.shadow.isNone { lengthAndFlags |= Flags.shadowing.rawValue }
    }

    private static let archiveBit: UInt16 = 1 << 15
    static let slotMax = archiveBit - 1

    var slot: UInt16 { slotAndSpace & Self.slotMax }
    /// Whether it is part of an archive, which is nobody's key.
    var isArchive: Bool { slotAndSpace & Self.archiveBit != 0 }
    @inline(__always) var isEmpty: Bool { lengthAndFlags == 0 }
    var offset: Int { Int(place) * RecordHeader.alignment }
    /// Orders entries by file and place.
    var order: UInt64 { UInt64(slot) << 32 | UInt64(place) }
    var length: Int { Int(lengthAndFlags & 0x07FF_FFFF) * RecordHeader.alignment }
    var expiresAt: Timestamp { Timestamp(milliseconds: expiry) }
    /// When it may go; at most 0.05 % of the stale span later than the record says.
    var keptUntil: Timestamp {
        expiresAt.advanced(byMilliseconds: CoarseSeconds(rawValue: stale).seconds * 1000)
    }

    var flags: Flags {
        get { Flags(rawValue: lengthAndFlags & 0xF800_0000) }
        set { lengthAndFlags = lengthAndFlags & 0x07FF_FFFF | newValue.rawValue }
    }

    /// Whether it holds a value that is alive as far as the index knows.
    var isKey: Bool { flags.isDisjoint(with: [.tombstone, .lapsed]) }
    /// Whether it counts as a key of an application.
    var isApplicationKey: Bool { isKey && !isArchive }

    /// Whether this is the entry of the record at that place.
    func isAt(slot: UInt16, offset: Int) -> Bool { self.slot == slot && self.offset == offset }
}

/// Where the hash of a key leads: six bits choose the shard, the next 32 the place in it.
struct KeyPlace {
    var shard: Int
    var hash: UInt32

    static let shardCount = 64

    @inline(__always)
    init(_ keyHash: UInt64) {
        shard = Int(keyHash >> 58)
        hash = UInt32(truncatingIfNeeded: keyHash >> 26)
    }
}
