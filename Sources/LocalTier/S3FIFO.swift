// S3-FIFO: a small queue that most of what is asked for once passes through, a main queue, and a memory of evictions.
//
// DESIGN: an entry begins in the small queue, a tenth of the memory. At its end what was read more than once moves to
// the main queue; the rest is evicted and remembered as a ghost, and goes to the main queue at once when it comes back.
// At the end of the main queue what was read since goes round again, one read less to its credit. A hit only raises a
// counter in the header, which the read has in its cache anyway: no list is touched.
//
// The rule is that of algorithm 1 in [1], with sizes: a queue's share is counted in blocks of 64 bytes, as the arena
// spends them, so entries of all sizes are treated by their place and their use alone. It deviates from the paper
// - in its ghosts, a table of lines (`GhostTable`) that remembers as many evictions as nine tenths of the entries held;
//   where a line overflows, one is forgotten early;
// - in its work, which is bounded: at most 256 entries are spared to find a victim, since a lock is held meanwhile.
//   Then the next goes whatever its credit. It needs as many reads to get there as entries were spared;
// - in what a write is: a use, as under LRU. An entry that is written in another size keeps its queue and its credit.
//
// [1] J. Yang, Y. Zhang, Z. Qiu, Y. Yue, K. V. Rashmi: FIFO queues are all you need for cache eviction, SOSP 2023.

/// What changes in the rule besides its queues and ghosts; lies in the arena.
struct S3FIFOState {
    /// Blocks of the shard.
    var capacity: Int
    /// The number of the last eviction from the small queue.
    var evictions: UInt32
}

/// The S3-FIFO rule over the entries of a shard. Its table is two queues, the state, and the ghosts.
@usableFromInline
struct S3FIFO: EvictionRule {
    private let table: UnsafeMutableRawPointer
    @usableFromInline let blocks: UnsafeMutableRawPointer

    /// The small queue's share of the blocks is one in so many.
    static let smallShare = 10
    /// Reads that carry an entry from the small queue into the main one.
    static let promotingReads: UInt8 = 2
    /// Reads that are counted at most: the two lower bits of the history.
    @usableFromInline static var readsMax: UInt8 { 3 }
    /// The history's bit of what is in the main queue.
    private static let inMain: UInt8 = 4
    /// Entries that are spared at most to find one victim.
    static let sparedMax = 256
    private static let stateOffset = 2 * MemoryLayout<QueueState>.stride
    private static let ghostsOffset = 64

    init(table: UnsafeMutableRawPointer, blocks: UnsafeMutableRawPointer, blockCount: Int) {
        precondition(Self.stateOffset + MemoryLayout<S3FIFOState>.size <= Self.ghostsOffset, "BUG: S3FIFOState grew")
        self.table = table
        self.blocks = blocks
        state.pointee.capacity = blockCount
    }

    static func tableBytes(blocks: Int) -> Int { ghostsOffset + GhostTable.tableBytes(blocks: blocks) }

    var small: EntryQueue { EntryQueue(0, in: table, blocks: blocks) }
    var main: EntryQueue { EntryQueue(1, in: table, blocks: blocks) }
    private var state: UnsafeMutablePointer<S3FIFOState> {
        (table + Self.stateOffset).assumingMemoryBound(to: S3FIFOState.self)
    }
    private var ghosts: GhostTable { GhostTable(at: table + Self.ghostsOffset, blocks: state.pointee.capacity) }
    /// Evictions that are remembered: about as many as the main queue could hold entries.
    private var ghostsMax: Int { (small.entryCount + main.entryCount) * 9 / 10 }

    @inlinable @inline(__always)
    func header(_ block: Block) -> UnsafeMutablePointer<EntryHeader> {
        (blocks + Int(block.number) << Block.shift).assumingMemoryBound(to: EntryHeader.self)
    }

    @inlinable @inline(__always)
    func onHit(_ block: Block) {
        let history = header(block).pointee.flags.history
        if history & Self.readsMax < Self.readsMax { header(block).pointee.flags.history = history + 1 }
    }

    func onUpdate(_ block: Block) { onHit(block) }

    func onInsert(_ block: Block) {
        let isGhost = ghosts.take(header(block).pointee.tag, newest: state.pointee.evictions, limit: ghostsMax)
        header(block).pointee.flags.history = isGhost ? Self.inMain : 0
        queue(of: block).pushFirst(block)
    }

    func onReturn(_ block: Block) {
        onHit(block)
        queue(of: block).pushFirst(block)
    }

    func onRemove(_ block: Block, cause: RemovalCause) {
        queue(of: block).unlink(block)
        guard cause == .capacity, !isInMain(block) else { return }
        state.pointee.evictions = max(1, state.pointee.evictions &+ 1)
        ghosts.add(header(block).pointee.tag, number: state.pointee.evictions)
    }

    func victim(for needed: Int) -> Block {
        for _ in 0..<Self.sparedMax {
            let block = nextToGo
            guard block != .none, spare(block) else { return block }
        }
        return nextToGo
    }

    func reset() {
        small.reset()
        main.reset()
        ghosts.reset()
        state.pointee.evictions = 0
    }

    private func isInMain(_ block: Block) -> Bool { header(block).pointee.flags.history & Self.inMain != 0 }

    private func queue(of block: Block) -> EntryQueue { isInMain(block) ? main : small }

    /// The end of the queue that has more than its share.
    private var nextToGo: Block {
        let takesSmall = small.blockCount * Self.smallShare >= state.pointee.capacity || main.last == .none
        return takesSmall && small.last != .none ? small.last : main.last
    }

    /// Gives the last of a queue another turn if its reads have earned it one.
    private func spare(_ block: Block) -> Bool {
        let reads = header(block).pointee.flags.history & Self.readsMax
        guard isInMain(block) else {
            guard reads >= Self.promotingReads else { return false }
            small.unlink(block)
            header(block).pointee.flags.history = Self.inMain
            main.pushFirst(block)
            return true
        }
        guard reads > 0 else { return false }
        header(block).pointee.flags.history -= 1
        main.moveFirst(block)
        return true
    }
}
