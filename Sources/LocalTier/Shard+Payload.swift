// An entry's payload: hard end, key and value, written and read piece by piece where its blocks are not one run.

public import Primitives

extension Shard {
    /// Calls `body` with each stretch of memory that holds bytes `offset ..< offset + count` of an entry's payload.
    ///
    /// Stops, and returns false, when `body` does. Adjoining blocks are one piece.
    @discardableResult @inline(__always)
    func eachPiece(
        of entry: Block, from offset: Int, count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Bool
    ) -> Bool {
        if header(entry).pointee.flags.contains(.contiguous) {
            let start = address(entry) + Block.bytes + offset
            return count == 0 || body(UnsafeMutableRawBufferPointer(start: start, count: count))
        }
        var block = entry
        for _ in 0...offset >> Block.shift { block = nextBlock[Int(block.number)] }
        var within = offset & (Block.bytes - 1)
        var left = count
        while left > 0 {
            let start = address(block) + within
            var length = Block.bytes - within
            while length < left, nextBlock[Int(block.number)].number == block.number + 1 {
                block.number += 1
                length += Block.bytes
            }
            length = min(length, left)
            guard body(UnsafeMutableRawBufferPointer(start: start, count: length)) else { return false }
            left -= length
            within = 0
            if left > 0 { block = nextBlock[Int(block.number)] }
        }
        return true
    }

    /// Copies `count` bytes of the payload from `offset` on into `target`.
    @usableFromInline @inline(never)
    func copyInPieces(of entry: Block, from offset: Int, count: Int, to target: UnsafeMutableRawPointer) {
        var copied = 0
        eachPiece(of: entry, from: offset, count: count) { piece in
            (target + copied).copyMemory(from: piece.baseAddress!, byteCount: piece.count)
            copied += piece.count
            return true
        }
    }

    func writePayload(of entry: Block, at offset: Int, _ bytes: UnsafeRawBufferPointer) {
        var written = 0
        eachPiece(of: entry, from: offset, count: bytes.count) { piece in
            piece.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[written..<written + piece.count]))
            written += piece.count
            return true
        }
    }

    /// The hard end of an entry; `never` where it has none. It lies within the first payload block.
    @inlinable
    func hardEnd(of entry: Block) -> Timestamp {
        let flags = header(entry).pointee.flags
        guard flags.contains(.hasHardEnd) else { return .never }
        let first = flags.contains(.contiguous) ? Block(entry.number + 1) : nextBlock[Int(entry.number)]
        return address(first).load(as: Timestamp.self)
    }

    /// What is known of an entry, from its header and payload.
    @usableFromInline
    func metadata(of entry: Block) -> EntryMetadata {
        let header = header(entry).pointee
        return EntryMetadata(
            expiresAt: header.expiresAt, verifiedAt: header.verifiedAt, quietFor: header.quietFor,
            staleFor: header.staleFor, slidingFor: header.slidingFor, hardEnd: hardEnd(of: entry),
            kind: header.flags.kind, epoch: header.epoch, mark: header.flags.mark)
    }
}
