// A list of entries that knows how much it holds, for rules that divide the memory among several.

/// A queue's ends and sizes; lies in the arena.
struct QueueState {
    var ends: ListEnds
    /// Blocks of all its entries.
    var blockCount: Int
    var entryCount: Int
}

/// An `EntryList` that counts its entries and their blocks.
struct EntryQueue {
    private let state: UnsafeMutablePointer<QueueState>
    private let list: EntryList

    /// The queue with this index among those with which a rule's table begins.
    init(_ index: Int, in table: UnsafeMutableRawPointer, blocks: UnsafeMutableRawPointer) {
        state = table.assumingMemoryBound(to: QueueState.self) + index
        let ends = UnsafeMutableRawPointer(state) + MemoryLayout<QueueState>.offset(of: \.ends)!
        list = EntryList(ends: ends.assumingMemoryBound(to: ListEnds.self), blocks: blocks)
    }

    var first: Block { list.first }
    var last: Block { list.last }
    var blockCount: Int { state.pointee.blockCount }
    var entryCount: Int { state.pointee.entryCount }

    func pushFirst(_ block: Block) {
        list.pushFirst(block)
        count(block, 1)
    }

    func pushLast(_ block: Block) {
        list.pushLast(block)
        count(block, 1)
    }

    func unlink(_ block: Block) {
        list.unlink(block)
        count(block, -1)
    }

    func reset() {
        state.pointee = QueueState(ends: ListEnds(first: .none, last: .none), blockCount: 0, entryCount: 0)
    }

    private func count(_ block: Block, _ sign: Int) {
        state.pointee.blockCount += sign * list.header(block).pointee.blockCount
        state.pointee.entryCount += sign
    }

    /// Makes an entry of this queue its first.
    func moveFirst(_ block: Block) {
        guard list.first != block else { return }
        list.unlink(block)
        list.pushFirst(block)
    }
}
