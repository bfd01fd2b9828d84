// A doubly linked list of entries through their headers; its two ends lie in the arena.

/// First and last entry of a list; both none when it is empty.
@usableFromInline
struct ListEnds {
    @usableFromInline var first: Block
    @usableFromInline var last: Block
}

/// A list through `previous` and `next` of the entry headers: the eviction rule's, or the stale.
@usableFromInline
struct EntryList {
    @usableFromInline let ends: UnsafeMutablePointer<ListEnds>
    /// Where block 0 would be.
    @usableFromInline let blocks: UnsafeMutableRawPointer

    init(ends: UnsafeMutablePointer<ListEnds>, blocks: UnsafeMutableRawPointer) {
        self.ends = ends
        self.blocks = blocks
    }

    @inlinable @inline(__always)
    func header(_ block: Block) -> UnsafeMutablePointer<EntryHeader> {
        (blocks + Int(block.number) << Block.shift).assumingMemoryBound(to: EntryHeader.self)
    }

    @inlinable var first: Block { ends.pointee.first }
    @inlinable var last: Block { ends.pointee.last }

    @inlinable @inline(__always)
    func pushFirst(_ block: Block) {
        let first = ends.pointee.first
        header(block).pointee.previous = .none
        header(block).pointee.next = first
        if first == .none { ends.pointee.last = block } else { header(first).pointee.previous = block }
        ends.pointee.first = block
    }

    func pushLast(_ block: Block) {
        let last = ends.pointee.last
        header(block).pointee.previous = last
        header(block).pointee.next = .none
        if last == .none { ends.pointee.first = block } else { header(last).pointee.next = block }
        ends.pointee.last = block
    }

    @inlinable @inline(__always)
    func unlink(_ block: Block) {
        let previous = header(block).pointee.previous
        let next = header(block).pointee.next
        if previous == .none { ends.pointee.first = next } else { header(previous).pointee.next = next }
        if next == .none { ends.pointee.last = previous } else { header(next).pointee.previous = previous }
    }
}
