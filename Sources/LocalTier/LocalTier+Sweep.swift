// What time does to the tier: expiry behind the reads, and the epochs of coherence.

public import Primitives

/// What a sweep did.
public struct SweepResult: Sendable, Hashable {
    /// Entries looked at.
    public var steps: Int
    /// Nothing more was due in any shard.
    public var isDone: Bool
}

extension LocalTier {
    /// Entries looked at under one hold of a lock.
    private static let stepsPerHold = 32

    /// Finds what has expired, and frees what was kept past its expiry long enough; looks at `budget` entries at most.
    ///
    /// To be called by a timer, every 100 ms say, with a few hundred steps, and again at once while `isDone` is false
    /// and there is nothing better to do. Goes round the shards, so that a small budget starves none.
    @discardableResult
    public func sweep(now: Timestamp, budget: Int) -> SweepResult {
        var left = max(0, budget)
        var doneInARow = 0
        while left > 0, doneInARow < configuration.shards {
            let turn = sweepTurn.wrappingAdd(1, ordering: .relaxed).oldValue
            let index = Int(bitPattern: UInt(bitPattern: turn) & UInt(shardMask))
            let isDone = sweep(index, now: now, budget: &left)
            doneInARow = isDone ? doneInARow + 1 : 0
        }
        return SweepResult(steps: max(0, budget) - left, isDone: doneInARow == configuration.shards)
    }

    private func sweep(_ index: Int, now: Timestamp, budget: inout Int) -> Bool {
        var isDone = false
        while budget > 0, !isDone {
            var steps = min(budget, Self.stepsPerHold)
            budget -= steps
            isDone = locked(shard(index)) { shard in
                shard.lock.change { shard.expire(now: now, steps: &steps) }
            }
            budget += steps
        }
        return isDone
    }

    /// Begins an epoch: what is filled from now on may be answered until it expires, as long as the epoch is live.
    ///
    /// Called when invalidations have been proved to arrive. After 65,535 epochs numbers come round again; before that
    /// happens every entry's epoch is cleared, shard by shard.
    @discardableResult
    public func beginLiveEpoch() -> UInt16 {
        epochs.withLock { epoch in
            liveEpochWord.pointee.store(0, ordering: .relaxed)
            if epoch == .max {
                for index in 0..<configuration.shards {
                    locked(shard(index)) { shard in shard.lock.change { shard.clearEpochs() } }
                }
                epoch = 0
            }
            epoch += 1
            liveEpochWord.pointee.store(UInt32(epoch), ordering: .releasing)
            return epoch
        }
    }

    /// A gap: everything filled before it is unverified from now on (kept, and quiet within its own time).
    public func endLiveEpoch() {
        epochs.withLock { _ in liveEpochWord.pointee.store(0, ordering: .releasing) }
    }
}

extension Shard {
    fileprivate func clearEpochs() {
        for bucket in 0..<bucketCount {
            var block = buckets[bucket]
            while block != .none {
                header(block).pointee.epoch = 0
                block = header(block).pointee.chain
            }
        }
    }
}
