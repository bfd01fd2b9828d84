// Making room, and taking entries away: what has expired first, then the stale, then whom the eviction rule names.

import Primitives

extension Shard {
    /// Steps of the timing wheel that a write takes at most when it needs room.
    private static let expiryStepsPerWrite = 32

    /// Evicts until `count` blocks are free; `count` is at most a quarter of the shard, hence always possible.
    func makeRoom(for count: Int, now: Timestamp) {
        guard state.pointee.freeBlocks < count else { return }
        var steps = Self.expiryStepsPerWrite
        expire(now: now, steps: &steps)
        while state.pointee.freeBlocks < count {
            let oldest = stale.first
            if oldest != .none {
                remove(oldest, cause: .stale)
                continue
            }
            let victim = rule.victim(for: count)
            precondition(
                victim != .none, "BUG: \(state.pointee.freeBlocks) blocks free of \(blockCount), none to evict")
            remove(victim, cause: .capacity)
        }
    }

    /// Moves what has expired to the stale list, and frees what was kept there long enough; at most `steps` entries.
    ///
    /// Returns true when nothing more is due.
    @discardableResult
    func expire(now: Timestamp, steps: inout Int) -> Bool {
        while let block = wheel.popDue(now: now, steps: &steps) {
            let header = header(block)
            if header.pointee.dueAt.milliseconds > wheel.elapsed {
                wheel.schedule(block, now: now)  // a read has extended its life since it was scheduled
            } else if header.pointee.flags.contains(.staleListed) || header.pointee.staleFor == 0 {
                remove(block, cause: .expired)
            } else {
                rule.onRemove(block, cause: .stale)
                stale.pushLast(block)
                header.pointee.flags.insert(.staleListed)
                wheel.schedule(block, now: now)
            }
        }
        return steps > 0
    }

    /// Takes an entry out of everything and frees its blocks.
    func remove(_ block: Block, cause: RemovalCause) {
        unlinkFromBucket(block)
        let flags = header(block).pointee.flags
        if flags.contains(.staleListed) { stale.unlink(block) } else { rule.onRemove(block, cause: cause) }
        wheel.cancel(block)
        count(cause, flags: flags)
        state.pointee.entryCount -= 1
        free(block)
    }

    private func unlinkFromBucket(_ block: Block) {
        let bucket = Int(header(block).pointee.tag & bucketMask)
        let following = header(block).pointee.chain
        guard buckets[bucket] != block else {
            buckets[bucket] = following
            return
        }
        var before = buckets[bucket]
        while header(before).pointee.chain != block {
            before = header(before).pointee.chain
            precondition(before != .none, "BUG: block \(block.number) is not in its bucket \(bucket)")
        }
        header(before).pointee.chain = following
    }

    private func count(_ cause: RemovalCause, flags: EntryFlags) {
        switch cause {
        case .capacity: state.pointee.removedByCapacity += 1
        case .stale: state.pointee.removedAsStale += 1
        case .expired: state.pointee.removedAsExpired += 1
        case .replaced: state.pointee.removedAsReplaced += 1
        case .removed: state.pointee.removedByName += 1
        }
        let wentByItself = cause == .capacity || cause == .stale || cause == .expired
        if wentByItself, !flags.contains(.readSinceWritten), flags.kind != .absent { state.pointee.neverRead += 1 }
    }

    /// Removes everything and cancels every fill; takes time in proportion to the tables, not to the entries.
    func removeAll() {
        state.pointee.removedByName += UInt64(state.pointee.entryCount)
        state.pointee.entryCount = 0
        state.pointee.fillGeneration &+= 1
        state.pointee.freeBlocks = blockCount
        state.pointee.cursor = 1
        state.pointee.stale = ListEnds(first: .none, last: .none)
        buckets.update(repeating: .none, count: bucketCount)
        map.reset(blocks: blockCount)
        wheel.reset()
        rule.reset()
    }
}
