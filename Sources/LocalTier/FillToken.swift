// The token that a fill takes before it asks the authority, and with which it stores the answer.
//
// DESIGN: between the question and the answer somebody may write or invalidate the key; storing the answer then would
// bring back what is no longer true. The token holds a counter that every write, update, removal and invalidation of
// the key advances, so the late fill is recognised under the lock (CacheLib's tokens: B. Berg et al., The CacheLib
// Caching Engine, OSDI 2020; leases: R. Nishtala et al., Scaling Memcache at Facebook, NSDI 2013). Keys share counters,
// at most 4096 per shard: a stranger's write cancels a fill now and then, which costs a second question and no more.

/// The right to store the answer to one question, unless somebody writes the key meanwhile.
///
/// Not copyable: a question is stored once. Dropping it does no harm.
public struct FillToken: ~Copyable, Sendable {
    let shard: UInt32
    let slot: UInt32
    let generation: UInt32
    let shardGeneration: UInt32
    /// The coherence epoch when the question was asked, 0 when invalidations were not live: goes into the metadata.
    public let epoch: UInt16
}
