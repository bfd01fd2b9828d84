// Asking for memory before it is needed: several look-ups wait together for what each would wait for by itself.
//
// DESIGN: a look-up is three loads of which each needs the one before: the bucket's head, the entry's header, its
// payload. Where none of them is in the cache it waits three times. Look-ups of different keys do not depend on each
// other, so whoever knows several asks for all heads, then for all entries, then reads one after another (group
// prefetching: Chen, Ailamaki, Gibbons, Mowry, Improving Hash Join Performance through Prefetching, ICDE 2004).
//
// No lock is held here. The second step looks at a bucket's head while a writer may change it, by way of a C function
// that reads one word and hands it to the processor as a hint; no decision rests on it.

internal import CPrefetch
public import Primitives

extension LocalTier {
    /// Asks for the bucket of a hash. A hint: changes nothing, and costs little where the memory is at hand.
    public func prefetchBucket(_ hash: KeyHash) {
        let shard = shard(of: hash)
        hearth_prefetch(shard.buckets + Int(shard.tag(hash) & shard.bucketMask))
    }

    /// Asks for the first entry of a hash's bucket: its header, and the first 64 bytes of key and value; worth it when
    /// ``prefetchBucket(_:)`` was called a while before.
    public func prefetchEntry(_ hash: KeyHash) {
        let shard = shard(of: hash)
        hearth_prefetch_entry(firstEntry(of: shard, hash), shard.blocks)
    }

    /// Asks for what else a hit on that entry will touch: 192 bytes more of its value, where it is as long, and its
    /// neighbours in the eviction rule's list. Waits for the header, which ``prefetchEntry(_:)`` has asked for.
    public func prefetchRest(_ hash: KeyHash) {
        let shard = shard(of: hash)
        hearth_prefetch_rest(firstEntry(of: shard, hash), shard.blocks)
    }

    @inline(__always)
    private func firstEntry(of shard: Shard, _ hash: KeyHash) -> UnsafePointer<UInt32> {
        UnsafeRawPointer(shard.buckets + Int(shard.tag(hash) & shard.bucketMask)).assumingMemoryBound(to: UInt32.self)
    }
}
