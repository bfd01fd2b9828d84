// Exact least recently used: the list's first was used last, its last goes first.

/// The exact LRU rule: a hit moves the entry to the front, which touches at most three other headers.
@usableFromInline
struct LRU: EvictionRule {
    @usableFromInline let list: EntryList

    init(table: UnsafeMutableRawPointer, blocks: UnsafeMutableRawPointer) {
        list = EntryList(ends: table.assumingMemoryBound(to: ListEnds.self), blocks: blocks)
    }

    static func tableBytes(blocks: Int) -> Int { MemoryLayout<ListEnds>.size }

    @inlinable @inline(__always)
    func onHit(_ block: Block) {
        guard list.first != block else { return }
        list.unlink(block)
        list.pushFirst(block)
    }

    func onInsert(_ block: Block) { list.pushFirst(block) }
    func onReturn(_ block: Block) { list.pushFirst(block) }
    func onUpdate(_ block: Block) { onHit(block) }
    func onRemove(_ block: Block, cause: RemovalCause) { list.unlink(block) }
    func victim(for needed: Int) -> Block { list.last }
    func reset() { list.ends.pointee = ListEnds(first: .none, last: .none) }
}
