// The end of a write that its authority has taken: held where it was the only one, forgotten where it was not.

public import Primitives

extension LocalTier {
    /// Stores what a write left behind, unless the key was written or invalidated since `token` was taken.
    ///
    /// Two writes of one key that were under way at the same time may have reached the authority in either order, so
    /// what the key holds is then not known: the entry is removed. Either way fills under way are cancelled, since
    /// their questions may have been answered before this write.
    @discardableResult
    public func settle(
        _ key: UnsafeRawBufferPointer, hash: KeyHash, value: UnsafeRawBufferPointer, metadata: EntryMetadata,
        now: Timestamp, token: consuming FillToken
    ) -> PutResult {
        let (slot, generation, shardGeneration) = (Int(token.slot), token.generation, token.shardGeneration)
        return locked(shard(of: hash)) { shard in
            precondition(slot == shard.fillSlot(hash), "BUG: a write with another key's token")
            let isAlone = shard.fills[slot] == generation && shard.state.pointee.fillGeneration == shardGeneration
            shard.cancelFills(hash)
            guard isAlone else {
                let block = shard.find(key, tag: shard.tag(hash))
                if block != .none { shard.lock.change { shard.remove(block, cause: .removed) } }
                return .cancelled
            }
            let new = NewEntry(key: key, value: value, tag: shard.tag(hash), metadata: metadata)
            return shard.lock.change { shard.put(new, now: now) }
        }
    }

    /// Makes every entry be thought about at its next read, and cancels fills under way: policies have changed, and with
    /// them what is fresh.
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
