// An entry as a reader sees it, for as long as the shard's lock is held.

public import Primitives

/// A view of one entry, valid only within the closure it is handed to; the shard's lock is held meanwhile.
///
/// The closure copies what it needs and returns: no I/O, no call back into the tier.
public struct LocalEntry: ~Copyable {
    @usableFromInline let shard: Shard
    @usableFromInline let block: Block
    /// What may be made of it, judged at the `now` of the read.
    public let freshness: Freshness
    /// The read has extended a sliding life far enough that the authority should be told (once per tenth of it).
    public let isExtensionDue: Bool

    @inlinable @inline(__always)
    init(shard: Shard, block: Block, freshness: Freshness, isExtensionDue: Bool) {
        self.shard = shard
        self.block = block
        self.freshness = freshness
        self.isExtensionDue = isExtensionDue
    }

    @inlinable @inline(__always)
    var header: UnsafeMutablePointer<EntryHeader> { shard.header(block) }

    /// Bytes of the value.
    @inlinable public var valueLength: Int { Int(header.pointee.valueLength) }
    /// Bytes of the key.
    @inlinable public var keyLength: Int { Int(header.pointee.keyLength) }
    @inlinable @inline(__always)
    public var kind: EntryKind { header.pointee.flags.kind }
    @inlinable public var isAbsent: Bool { kind == .absent }
    @inlinable public var expiresAt: Timestamp { header.pointee.expiresAt }
    @inlinable public var verifiedAt: Timestamp { header.pointee.verifiedAt }
    /// The coherence epoch in which it was filled; 0 is none.
    @inlinable public var epoch: UInt16 { header.pointee.epoch }
    @inlinable public var mark: UInt8 { header.pointee.flags.mark }
    /// Every field of the entry.
    @inlinable public var metadata: EntryMetadata { shard.metadata(of: block) }
    /// Bytes it occupies in the arena, header included.
    @inlinable public var bytesUsed: Int { header.pointee.blockCount << Block.shift }
    /// Whether its memory is one run.
    @inlinable public var isContiguous: Bool { header.pointee.flags.contains(.contiguous) }
    /// Whether it has been read since its value was written; a read counts itself.
    @inlinable public var wasReadSinceWritten: Bool { header.pointee.flags.contains(.readSinceWritten) }
    /// Whether the sweep has found it expired, so that it is among the first to go.
    @inlinable public var isStaleListed: Bool { header.pointee.flags.contains(.staleListed) }

    /// Copies the whole value; `target` has room for `valueLength` bytes.
    @inlinable @inline(__always)
    public func copyValue(to target: UnsafeMutableRawPointer) {
        copy(from: header.pointee.prefixBytes + keyLength, count: valueLength, to: target)
    }

    /// Copies a part of the value; `range` lies within `0 ..< valueLength`.
    @inlinable @inline(__always)
    public func copyValue(_ range: Range<Int>, to target: UnsafeMutableRawPointer) {
        precondition(range.lowerBound >= 0 && range.upperBound <= valueLength, "a range within the value")
        copy(from: header.pointee.prefixBytes + keyLength + range.lowerBound, count: range.count, to: target)
    }

    /// Copies the key; `target` has room for `keyLength` bytes.
    @inlinable
    public func copyKey(to target: UnsafeMutableRawPointer) {
        copy(from: header.pointee.prefixBytes, count: keyLength, to: target)
    }

    /// The value's bytes where they lie, or nil when they lie in pieces; not to be kept.
    @inlinable
    public func withValueInPlace<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R? {
        guard isContiguous else { return nil }
        let start = shard.address(block) + Block.bytes + header.pointee.prefixBytes + keyLength
        return body(UnsafeRawBufferPointer(start: start, count: valueLength))
    }

    @inlinable @inline(__always)
    func copy(from offset: Int, count: Int, to target: UnsafeMutableRawPointer) {
        guard isContiguous else {
            shard.copyInPieces(of: block, from: offset, count: count, to: target)
            return
        }
        target.copyMemory(from: shard.address(block) + Block.bytes + offset, byteCount: count)
    }
}
