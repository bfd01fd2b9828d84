// The 64 bytes with which every entry begins in the arena.
//
// DESIGN: an entry is a header block, then its payload in blocks of 64 bytes: the hard end (8 bytes, only where the
// flag says so), the key, the value. The hard end comes before the key rather than after the value, so that it lies at
// a known place in the first payload block. All links are block numbers within the shard; 0 is none. The layout is
// read by other processes: changing it changes `ArenaHeader.layoutVersion`.

public import Primitives

/// The number of a 64-byte block within its shard, from 1; 0 is none.
@usableFromInline
struct Block: Equatable {
    @usableFromInline var number: UInt32

    @inlinable @inline(__always)
    init(_ number: UInt32) { self.number = number }

    @inlinable static var none: Block { Block(0) }

    /// Bytes of one block; also the size of a header, and a cache line.
    @inlinable static var bytes: Int { 64 }
    @inlinable static var shift: Int { 6 }
}

/// The facts about an entry that are one bit, and three small numbers.
///
/// | bits | what |
/// |---|---|
/// | 0–1 | kind: 0 string, 1 record, 2 absent |
/// | 2 | all blocks are one run: `next` is not read |
/// | 3 | in the stale list, not in the eviction rule's |
/// | 4 | read since it was written |
/// | 5 | the payload begins with a hard end |
/// | 8–11 | the owner's mark |
/// | 12–15 | the eviction rule's history |
@usableFromInline
struct EntryFlags: OptionSet {
    @usableFromInline var rawValue: UInt16

    @inlinable @inline(__always)
    init(rawValue: UInt16) { self.rawValue = rawValue }

    @inlinable static var contiguous: EntryFlags { EntryFlags(rawValue: 1 << 2) }
    @inlinable static var staleListed: EntryFlags { EntryFlags(rawValue: 1 << 3) }
    @inlinable static var readSinceWritten: EntryFlags { EntryFlags(rawValue: 1 << 4) }
    @inlinable static var hasHardEnd: EntryFlags { EntryFlags(rawValue: 1 << 5) }

    @inlinable @inline(__always)
    var kind: EntryKind {
        get { EntryKind(rawValue: UInt8(rawValue & 3)) ?? .string }
        set { rawValue = rawValue & ~3 | UInt16(newValue.rawValue) }
    }

    @inlinable
    var mark: UInt8 {
        get { UInt8(rawValue >> 8 & 15) }
        set { rawValue = rawValue & ~(15 << 8) | UInt16(newValue & 15) << 8 }
    }

    @inlinable
    var history: UInt8 {
        get { UInt8(rawValue >> 12) }
        set { rawValue = rawValue & ~(15 << 12) | UInt16(newValue & 15) << 12 }
    }
}

/// The first block of an entry: exactly one cache line.
@usableFromInline
struct EntryHeader {
    /// The upper half of the key's hash; its low bits choose the bucket.
    @usableFromInline var tag: UInt32
    /// The next entry of the same bucket.
    @usableFromInline var chain: Block
    /// Links of the eviction rule's list, or of the stale list.
    @usableFromInline var previous: Block
    @usableFromInline var next: Block
    /// Links of the timing wheel; at the ends of a slot they name the slot (see `TimingWheel`).
    @usableFromInline var wheelPrevious: UInt32
    @usableFromInline var wheelNext: UInt32
    /// Milliseconds since the epoch; `Timestamp.never` is no expiry.
    @usableFromInline var expiresAt: Timestamp
    @usableFromInline var verifiedAt: Timestamp
    /// Milliseconds after `verifiedAt` in which a read needs no thought.
    @usableFromInline var quietFor: UInt32
    /// Seconds beyond `expiresAt` for which the entry is kept for an outage.
    @usableFromInline var staleFor: UInt32
    /// Milliseconds by which a hit extends the life; 0 is not at all.
    @usableFromInline var slidingFor: UInt32
    @usableFromInline var keyLength: UInt32
    @usableFromInline var valueLength: UInt32
    @usableFromInline var flags: EntryFlags
    /// The coherence epoch in which it was filled; 0 is none.
    @usableFromInline var epoch: UInt16
}

extension EntryHeader {
    /// Bytes of the payload before the key: 8 with a hard end, else none.
    @inlinable @inline(__always)
    var prefixBytes: Int { flags.contains(.hasHardEnd) ? 8 : 0 }

    @inlinable @inline(__always)
    var payloadBytes: Int { prefixBytes + Int(keyLength) + Int(valueLength) }

    /// Blocks of the whole entry, its header included.
    @inlinable @inline(__always)
    var blockCount: Int { 1 + (payloadBytes + Block.bytes - 1) >> Block.shift }

    /// When its stale copy is dropped: `staleFor` past its expiry.
    @inlinable @inline(__always)
    var goneAt: Timestamp { expiresAt.advanced(byMilliseconds: Int64(staleFor) * 1000) }

    /// When the timing wheel must look at it next: at its expiry, and once stale, when it is to be dropped.
    @inlinable
    var dueAt: Timestamp { flags.contains(.staleListed) ? goneAt : expiresAt }

    /// What a read may make of the entry at `now`; nil once it is gone.
    @inlinable @inline(__always)
    func freshness(now: Timestamp, liveEpoch: UInt16) -> Freshness? {
        guard now < expiresAt else { return now < goneAt ? .expired : nil }
        if verifiedAt <= now, now < verifiedAt.advanced(byMilliseconds: Int64(quietFor)) { return .quiet }
        return epoch != 0 && epoch == liveEpoch ? .live : .due
    }
}
