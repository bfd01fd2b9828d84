// Taking blocks for an entry, and giving them back.
//
// DESIGN: blocks are taken in address order from a cursor that moves through the shard. One run is preferred, since
// then a hit need not read `next`; a few free stretches are tried for it, then the entry is put together from what
// comes. So an entry of n blocks fits exactly if n blocks are free: there is no external fragmentation, memory never
// has to be moved, and a model that only counts blocks predicts every eviction.

extension Shard {
    /// Free stretches that are tried for one run before the entry is put together from pieces.
    private static let runsTriedMax = 8

    /// Takes `count` blocks, which the caller knows to be free; returns the first, and whether they are one run.
    func allocate(_ count: Int) -> (first: Block, isContiguous: Bool) {
        assert(count > 0, "BUG: an entry of no blocks")
        assert(count <= state.pointee.freeBlocks, "BUG: \(count) blocks of \(state.pointee.freeBlocks) free")
        state.pointee.freeBlocks -= count
        if let start = findRun(of: count) {
            map.take(start, count: count)
            state.pointee.cursor = start + count
            return (Block(UInt32(start)), true)
        }
        return (gather(count), false)
    }

    private func findRun(of count: Int) -> Int? {
        var at = state.pointee.cursor
        for _ in 0..<Self.runsTriedMax {
            guard let start = map.nextFree(from: at) ?? map.nextFree(from: 1) else { return nil }
            let length = map.freeRun(at: start, limit: count)
            if length == count { return start }
            at = start + length
        }
        return nil
    }

    private func gather(_ count: Int) -> Block {
        var first = Block.none
        var last = Block.none
        var left = count
        var at = state.pointee.cursor
        while left > 0 {
            guard let start = map.nextFree(from: at) ?? map.nextFree(from: 1) else {
                preconditionFailure("BUG: \(left) of \(count) blocks are not there; the count of free blocks is wrong")
            }
            let length = map.freeRun(at: start, limit: left)
            map.take(start, count: length)
            if first == .none {
                first = Block(UInt32(start))
            } else {
                nextBlock[Int(last.number)] = Block(UInt32(start))
            }
            for block in start..<start + length - 1 { nextBlock[block] = Block(UInt32(block + 1)) }
            last = Block(UInt32(start + length - 1))
            left -= length
            at = start + length
        }
        nextBlock[Int(last.number)] = .none
        state.pointee.cursor = at
        return first
    }

    /// Gives all blocks of an entry back.
    func free(_ entry: Block) {
        let count = header(entry).pointee.blockCount
        state.pointee.freeBlocks += count
        if header(entry).pointee.flags.contains(.contiguous) {
            map.release(Int(entry.number), count: count)
            return
        }
        var block = entry
        var left = count
        while left > 0 {
            let start = block
            var length = 1
            while length < left, nextBlock[Int(block.number)].number == block.number + 1 {
                block.number += 1
                length += 1
            }
            left -= length
            let following = nextBlock[Int(block.number)]
            map.release(Int(start.number), count: length)
            block = following
        }
    }
}
