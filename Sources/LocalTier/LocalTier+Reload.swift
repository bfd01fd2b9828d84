// What a reload of policies means for entries that were judged by the old ones.

extension LocalTier {
    /// Makes every entry be thought about at its next read, and cancels fills under way: policies have changed, and
    /// with them what is fresh.
    public func requireThought() {
        for index in 0..<configuration.shards {
            locked(shard(index)) { shard in shard.lock.change { shard.requireThought() } }
        }
    }
}

extension Shard {
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
