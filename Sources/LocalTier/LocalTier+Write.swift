// Writing: what changes an entry, and cancels the fills under way for its key.

public import Primitives

/// What became of an entry that was to be stored.
public enum PutResult: Sendable, Hashable {
    case stored
    /// Larger than a quarter of a shard; what the key had before is gone, since it is no longer true.
    case tooLarge
    /// A fill that came too late: the key was written or invalidated since it began, or what is held is newer.
    case cancelled
}

extension LocalTier {
    /// Stores a value that was just written, in place of whatever the key had, and cancels fills under way for it.
    ///
    /// `value` is copied; for `kind: .absent` it is empty. Evicts as needed.
    public func put(
        _ key: UnsafeRawBufferPointer, hash: KeyHash, value: UnsafeRawBufferPointer, metadata: EntryMetadata,
        now: Timestamp
    ) -> PutResult {
        locked(shard(of: hash)) { shard in
            shard.cancelFills(hash)
            let new = NewEntry(key: key, value: value, tag: shard.tag(hash), metadata: metadata)
            return shard.lock.change { shard.put(new, now: now) }
        }
    }

    /// Takes the token with which the answer to a question about a key may be stored; before the question is sent.
    public func beginFill(_ hash: KeyHash) -> FillToken {
        let index = shardIndex(of: hash)
        let epoch = liveEpoch
        return locked(shard(index)) { shard in
            let slot = shard.fillSlot(hash)
            return FillToken(
                shard: UInt32(index), slot: UInt32(slot), generation: shard.fills[slot],
                shardGeneration: shard.state.pointee.fillGeneration, epoch: epoch)
        }
    }

    /// Whether nobody has written, updated, removed or invalidated the token's key since it was taken.
    public func isCurrent(_ token: borrowing FillToken) -> Bool {
        let (slot, generation, shardGeneration) = (Int(token.slot), token.generation, token.shardGeneration)
        return locked(shard(Int(token.shard))) { shard in
            shard.fills[slot] == generation && shard.state.pointee.fillGeneration == shardGeneration
        }
    }

    /// The same, and when what is held of the token's key was verified: nil where nothing is held.
    public func outlook(
        of key: UnsafeRawBufferPointer, hash: KeyHash, now: Timestamp, token: borrowing FillToken
    ) -> (isCurrent: Bool, heldSince: Timestamp?) {
        let (slot, generation, shardGeneration) = (Int(token.slot), token.generation, token.shardGeneration)
        precondition(Int(token.shard) == shardIndex(of: hash), "BUG: a look at another key than the token's")
        return locked(shard(of: hash)) { shard in
            let isCurrent = shard.fills[slot] == generation && shard.state.pointee.fillGeneration == shardGeneration
            let block = shard.find(key, tag: shard.tag(hash))
            guard block != .none, now < shard.header(block).pointee.goneAt else { return (isCurrent, nil) }
            return (isCurrent, shard.header(block).pointee.verifiedAt)
        }
    }

    /// Stores what the authority answered, unless the key was written, updated, removed or invalidated since `token`.
    ///
    /// Also cancelled when what is held was verified after this answer: of two fills the later question wins.
    public func fill(
        _ key: UnsafeRawBufferPointer, hash: KeyHash, value: UnsafeRawBufferPointer, metadata: EntryMetadata,
        now: Timestamp, token: consuming FillToken
    ) -> PutResult {
        let (slot, generation) = (Int(token.slot), token.generation)
        let shardGeneration = token.shardGeneration
        precondition(Int(token.shard) == shardIndex(of: hash), "BUG: a fill with another key's token")
        return locked(shard(of: hash)) { shard in
            precondition(slot == shard.fillSlot(hash), "BUG: a fill with another key's token")
            let isUnchanged =
                shard.fills[slot] == generation && shard.state.pointee.fillGeneration == shardGeneration
            guard isUnchanged, !shard.holdsNewer(key, hash, than: metadata.verifiedAt, now: now) else {
                shard.state.pointee.fillsCancelled += 1
                return .cancelled
            }
            let new = NewEntry(key: key, value: value, tag: shard.tag(hash), metadata: metadata)
            return shard.lock.change { shard.put(new, now: now) }
        }
    }

    /// Changes what is known of an entry, not its value; returns what `change` returns, or nil when none is held.
    ///
    /// For EXPIRE and PERSIST (which cancel fills, since those carry the old expiry) and re-verification (which need
    /// not). Kind and hard end stay as written; the expiry stays within the hard end. Not a use.
    public func update<R>(
        _ key: UnsafeRawBufferPointer, hash: KeyHash, now: Timestamp, cancelsFills: Bool = true,
        _ change: (inout EntryMetadata) -> R
    ) -> R? {
        locked(shard(of: hash)) { shard in
            if cancelsFills { shard.cancelFills(hash) }
            let block = shard.find(key, tag: shard.tag(hash))
            guard block != .none, now < shard.header(block).pointee.goneAt else { return nil }
            var metadata = shard.metadata(of: block)
            let result = change(&metadata)
            shard.lock.change { shard.update(block, to: metadata, now: now) }
            return result
        }
    }

    /// Removes an entry and cancels fills; returns whether one was held, be it stale or an absent marker.
    @discardableResult
    public func remove(_ key: UnsafeRawBufferPointer, hash: KeyHash) -> Bool {
        locked(shard(of: hash)) { shard in
            shard.cancelFills(hash)
            let block = shard.find(key, tag: shard.tag(hash))
            guard block != .none else { return false }
            shard.lock.change { shard.remove(block, cause: .removed) }
            return true
        }
    }

    /// Makes an entry unverified (it stays as a stale copy) and cancels fills; returns whether one was held.
    @discardableResult
    public func invalidate(_ key: UnsafeRawBufferPointer, hash: KeyHash) -> Bool {
        locked(shard(of: hash)) { shard in
            shard.cancelFills(hash)
            let block = shard.find(key, tag: shard.tag(hash))
            guard block != .none else { return false }
            shard.lock.change { shard.invalidate(block) }
            return true
        }
    }

    /// Cancels every fill under way: what was asked before is answered, and not held.
    public func cancelFills() {
        for index in 0..<configuration.shards { locked(shard(index)) { $0.state.pointee.fillGeneration &+= 1 } }
    }

    /// Removes everything and cancels every fill, shard by shard.
    public func removeAll() {
        for index in 0..<configuration.shards {
            locked(shard(index)) { shard in shard.lock.change { shard.removeAll() } }
        }
    }
}

extension Shard {
    /// Whether the held entry was verified after `moment`, and not in the future.
    fileprivate func holdsNewer(
        _ key: UnsafeRawBufferPointer, _ hash: KeyHash, than moment: Timestamp, now: Timestamp
    ) -> Bool {
        let block = find(key, tag: tag(hash))
        guard block != .none else { return false }
        let verifiedAt = header(block).pointee.verifiedAt
        return verifiedAt > moment && verifiedAt <= now
    }
}
