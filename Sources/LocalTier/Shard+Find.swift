// Finding an entry by its key: the bucket's chain, the tag, the key's bytes.

import Primitives

extension Shard {
    /// The entry of a key, or none. Says nothing about whether its life is over.
    @inlinable @inline(__always)
    func find(_ key: UnsafeRawBufferPointer, tag: UInt32) -> Block {
        var block = buckets[Int(tag & bucketMask)]
        while block != .none {
            let header = header(block)
            if header.pointee.tag == tag, Int(header.pointee.keyLength) == key.count, holds(key, block) { return block }
            block = header.pointee.chain
        }
        return .none
    }

    /// Whether the key of an entry, whose length has been compared, has these bytes.
    @inlinable @inline(__always)
    func holds(_ key: UnsafeRawBufferPointer, _ block: Block) -> Bool {
        let flags = header(block).pointee.flags
        guard flags.contains(.contiguous) else { return holdsInPieces(key, block) }
        let start = address(block) + Block.bytes + header(block).pointee.prefixBytes
        return Self.equal(start, key)
    }

    /// Compares eight bytes at a time: keys are short, and a call of memcmp costs more than the comparison.
    @inlinable @inline(__always)
    static func equal(_ bytes: UnsafeRawPointer, _ key: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while offset &+ 8 <= key.count {
            let ours = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            guard ours == key.loadUnaligned(fromByteOffset: offset, as: UInt64.self) else { return false }
            offset &+= 8
        }
        while offset < key.count {
            guard bytes.load(fromByteOffset: offset, as: UInt8.self) == key[offset] else { return false }
            offset &+= 1
        }
        return true
    }

    @usableFromInline @inline(never)
    func holdsInPieces(_ key: UnsafeRawBufferPointer, _ block: Block) -> Bool {
        var compared = 0
        return eachPiece(of: block, from: header(block).pointee.prefixBytes, count: key.count) { piece in
            let part = UnsafeRawBufferPointer(rebasing: key[compared..<compared + piece.count])
            compared += piece.count
            return Self.equal(piece.baseAddress!, part)
        }
    }
}
