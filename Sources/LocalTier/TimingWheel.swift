// Finds the entries of a shard whose time has come, in the order of their times, without looking at the others.
//
// DESIGN: a hierarchical timing wheel [1] of eight levels of 64 slots in milliseconds. An entry lies on the level of
// the highest group of six bits in which its time differs from `elapsed`, in the slot that this group names; a slot of
// a higher level is spread over the lower ones when its time begins. One word per level says which slots are occupied,
// so that empty time costs nothing, as in tokio's timer [2].
//
// Two things are ours. Spreading a slot can be interrupted after any entry (`spreading`), so that no step is long,
// however many entries expire in the same hours. And a read that slides an entry's expiry does not touch the wheel:
// the entry lies too early, and is put where it belongs when it is reached. So an entry's place is found from its
// header, never stored.
//
// `elapsed` never goes back while anything is scheduled: when the wall clock jumps back, what is scheduled meanwhile
// for a time before `elapsed` waits for the clock to reach `elapsed` again. Reads judge expiry for themselves.
//
// | level | slot width | reaches |
// |---|---|---|
// | 0 | 1 ms | 64 ms |
// | 1 | 64 ms | 4.1 s |
// | 2 | 4.1 s | 4.4 min |
// | 3 | 4.4 min | 4.7 h |
// | 4 | 4.7 h | 12.4 d |
// | 5 | 12.4 d | 2.2 y |
// | 6 | 2.2 y | 139 y |
// | 7 | 139 y | 8919 y |
//
// What expires later than that does not, as far as the sweep is concerned.
//
// [1] G. Varghese, T. Lauck: Hashed and Hierarchical Timing Wheels, SOSP 1987 (scheme 6 and 7).
// [2] tokio, runtime/time/wheel.

import Primitives

/// The wheel's position, in the arena.
struct WheelState {
    /// Milliseconds since the epoch: nothing that is scheduled lies before it.
    var elapsed: Int64
    /// Entries in the wheel.
    var count: UInt32
    /// The slot that is being spread, or 0 (no slot of level 0 ever is).
    var spreading: UInt32
    /// Occupied slots, a word per level.
    var occupied: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
}

/// A timing wheel over the entry headers of one shard.
struct TimingWheel {
    private let state: UnsafeMutablePointer<WheelState>
    private let occupied: UnsafeMutablePointer<UInt64>
    private let slots: UnsafeMutablePointer<ListEnds>
    private let blocks: UnsafeMutableRawPointer

    static let levels = 8
    /// Milliseconds since the epoch that the levels can tell apart; the wheel never goes beyond.
    private static let timeMax: Int64 = 1 << Int64(6 * levels) - 1
    static let tableBytes = levels * 64 * MemoryLayout<ListEnds>.stride
    /// Marks a link that names a slot rather than a block: the entry is the first or the last of that slot.
    private static let slotMark: UInt32 = 1 << 31

    init(state: UnsafeMutablePointer<WheelState>, slots: UnsafeMutableRawPointer, blocks: UnsafeMutableRawPointer) {
        self.state = state
        self.slots = slots.assumingMemoryBound(to: ListEnds.self)
        self.blocks = blocks
        let offset = MemoryLayout<WheelState>.offset(of: \.occupied)!
        occupied = (UnsafeMutableRawPointer(state) + offset).assumingMemoryBound(to: UInt64.self)
    }

    var count: Int { Int(state.pointee.count) }
    var elapsed: Int64 { state.pointee.elapsed }

    func reset() {
        state.pointee = WheelState(elapsed: 0, count: 0, spreading: 0, occupied: (0, 0, 0, 0, 0, 0, 0, 0))
        slots.update(repeating: ListEnds(first: .none, last: .none), count: Self.levels * 64)
    }

    /// Schedules an entry that is in no slot for its `dueAt`; one that never comes is left out.
    func schedule(_ block: Block, now: Timestamp) {
        assert(header(block).pointee.wheelPrevious == 0, "BUG: block \(block.number) is scheduled twice")
        let due = header(block).pointee.dueAt
        guard due.milliseconds <= Self.timeMax else { return }
        if state.pointee.count == 0 {
            state.pointee.elapsed = min(max(0, now.milliseconds), Self.timeMax)
            state.pointee.spreading = 0
        }
        let time = max(due.milliseconds, state.pointee.elapsed)
        var slot = slotIndex(for: time)
        let spreading = state.pointee.spreading
        // What belongs below the slot being spread waits at its end, so that equal times keep their order.
        if spreading != 0, slot >> 6 < spreading >> 6 { slot = spreading }
        append(block, to: slot)
    }

    /// Takes an entry out of the wheel, if it is in it.
    func cancel(_ block: Block) {
        let previous = header(block).pointee.wheelPrevious
        let next = header(block).pointee.wheelNext
        guard previous != 0 else { return }
        let isFirst = previous & Self.slotMark != 0
        let isLast = next & Self.slotMark != 0
        if isFirst {
            slots[Int(previous & ~Self.slotMark)].first = isLast ? .none : Block(next)
        } else {
            header(Block(previous)).pointee.wheelNext = next
        }
        if isLast {
            slots[Int(next & ~Self.slotMark)].last = isFirst ? .none : Block(previous)
        } else {
            header(Block(next)).pointee.wheelPrevious = previous
        }
        if isFirst, isLast {
            let slot = previous & ~Self.slotMark
            occupied[Int(slot >> 6)] &= ~(1 << UInt64(slot & 63))
        }
        header(block).pointee.wheelPrevious = 0
        header(block).pointee.wheelNext = 0
        state.pointee.count -= 1
    }

    /// Takes out the next entry whose scheduled time is not after `now`; nil when there is none or no step is left.
    ///
    /// A step is one entry looked at. The entry's own time may be later than the scheduled one (its expiry has slid):
    /// the caller compares its `dueAt` with `elapsed` and schedules it again.
    func popDue(now: Timestamp, steps: inout Int) -> Block? {
        while steps > 0 {
            if state.pointee.spreading != 0 {
                spreadOne(now: now, steps: &steps)
                continue
            }
            guard let slot = earliestSlot(), startTime(of: slot) <= now.milliseconds else {
                state.pointee.elapsed = max(state.pointee.elapsed, min(now.milliseconds, Self.timeMax))
                return nil
            }
            state.pointee.elapsed = startTime(of: slot)
            guard slot < 64 else {
                state.pointee.spreading = UInt32(slot)
                continue
            }
            steps -= 1
            let block = slots[slot].first
            cancel(block)
            return block
        }
        return nil
    }

    private func spreadOne(now: Timestamp, steps: inout Int) {
        let block = slots[Int(state.pointee.spreading)].first
        guard block != .none else {
            state.pointee.spreading = 0
            return
        }
        steps -= 1
        cancel(block)
        let due = min(header(block).pointee.dueAt.milliseconds, Self.timeMax)
        append(block, to: slotIndex(for: max(due, state.pointee.elapsed)))
    }

    private func earliestSlot() -> Int? {
        for level in 0..<Self.levels where occupied[level] != 0 {
            return level << 6 + occupied[level].trailingZeroBitCount
        }
        return nil
    }

    /// The first millisecond that belongs to a slot, given where `elapsed` is.
    private func startTime(of slot: Int) -> Int64 {
        let level = Int64(slot >> 6)
        let above = state.pointee.elapsed & -(1 << (6 * (level + 1)))
        return above | Int64(slot & 63) << (6 * level)
    }

    private func slotIndex(for time: Int64) -> UInt32 {
        assert(time >= state.pointee.elapsed, "BUG: a time before \(state.pointee.elapsed) is scheduled: \(time)")
        assert(time <= Self.timeMax, "BUG: a time beyond the wheel is scheduled: \(time)")
        let difference = UInt64(bitPattern: time ^ state.pointee.elapsed)
        let level = difference == 0 ? 0 : (63 - difference.leadingZeroBitCount) / 6
        return UInt32(level << 6) | UInt32(time >> Int64(6 * level) & 63)
    }

    private func append(_ block: Block, to slot: UInt32) {
        let last = slots[Int(slot)].last
        header(block).pointee.wheelNext = Self.slotMark | slot
        if last == .none {
            header(block).pointee.wheelPrevious = Self.slotMark | slot
            slots[Int(slot)].first = block
            occupied[Int(slot >> 6)] |= 1 << UInt64(slot & 63)
        } else {
            header(block).pointee.wheelPrevious = last.number
            header(last).pointee.wheelNext = block.number
        }
        slots[Int(slot)].last = block
        state.pointee.count += 1
    }

    private func header(_ block: Block) -> UnsafeMutablePointer<EntryHeader> {
        (blocks + Int(block.number) << Block.shift).assumingMemoryBound(to: EntryHeader.self)
    }
}
