// What means something for every entry: a reload of the policies that they were judged by, a Redis that was emptied.

extension LocalTier {
    /// Makes every entry be thought about at its next read, and cancels fills under way: policies have changed, and
    /// with them what is fresh.
    public func requireThought() {
        for index in 0..<configuration.shards {
            locked(shard(index)) { shard in shard.lock.change { shard.requireThought() } }
        }
    }
}

extension LocalTier {
    /// Makes every entry unverified and cancels fills under way: the authority may have changed all of them.
    ///
    /// What is remembered as absent counts as unverified too. Each shard's lock is held while its entries are visited.
    public func invalidateAll() {
        for index in 0..<configuration.shards {
            locked(shard(index)) { shard in shard.lock.change { shard.invalidateAll() } }
        }
    }
}

extension Shard {
    fileprivate func invalidateAll() {
        state.pointee.fillGeneration &+= 1
        for bucket in 0..<bucketCount {
            var block = buckets[bucket]
            while block != .none {
                invalidate(block)
                block = header(block).pointee.chain
            }
        }
    }

    fileprivate func requireThought() {
        state.pointee.fillGeneration &+= 1
        for bucket in 0..<bucketCount {
            var block = buckets[bucket]
            while block != .none {
                header(block).pointee.quietFor = 0
                block = header(block).pointee.chain
            }
        }
    }
}
