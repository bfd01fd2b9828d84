// Writes that Redis carries out and nobody here understands: what is held of their keys is forgotten.

internal import LocalTier
internal import Primitives
public import RedisTier

/// The keys of a passed-through write, from before it is sent until Redis has answered, or has not.
///
/// `settle` or `suspect`, and then `end`, each once; belongs to its worker's thread.
public final class PassedWrites {
    private let hashes: [[UInt8]: KeyHash]
    /// It may have changed every key.
    private let areAll: Bool
    private let tiers: Tiers

    fileprivate init(_ keys: [[UInt8]], areAll: Bool, _ tiers: Tiers) {
        self.areAll = areAll
        self.tiers = tiers
        var hashes: [[UInt8]: KeyHash] = [:]
        for key in keys { hashes[key] = KeyHash(key) }
        self.hashes = hashes
        let now = tiers.scheduler.now
        for (key, hash) in hashes {
            // From here on no question asked earlier may fill or promote: Redis may carry this out at any moment.
            key.withUnsafeBytes { key in _ = tiers.local.update(key, hash: hash, now: now) { _ in } }
        }
        leaveFlights()
        tiers.share.writesUnderWay.begin(hashes.values, over: nil)
    }

    /// A read that comes from now on must not join one that was asked before: the connections differ, so that one may
    /// have been answered before this write was carried out.
    private func leaveFlights() {
        if areAll { tiers.flights = [:] }
        for (key, hash) in hashes { tiers.flights[HashedKey(key, hash)] = nil }
    }

    /// Redis answered, be it with an error of the command's own: what is held of the keys may no longer be true.
    public func settle() {
        leaveFlights()
        for (key, hash) in hashes { tiers.forget(key, hash, tiers.policies.policy(for: key)) }
        if areAll {
            tiers.local.removeAll()
            tiers.warm?.removeAll { _ in }
        }
    }

    /// The outcome is unknown: copies stay for an outage, are not fresh before Redis has been asked, and are never
    /// given to Redis.
    public func suspect() {
        leaveFlights()
        let now = tiers.scheduler.now
        for (key, hash) in hashes {
            key.withUnsafeBytes { key in
                _ = tiers.local.update(key, hash: hash, now: now) { metadata in
                    metadata.mark = EntryMark.suspect
                    metadata.quietFor = 0
                    metadata.epoch = 0
                }
            }
            tiers.changeWarm(key, tiers.policies.policy(for: key), .suspect)
        }
        // Of all keys nobody keeps such a mark: whatever Redis may have thrown away must not come back from here.
        if areAll { settle() }
    }

    /// Whatever came of it, this write is no longer under way.
    public func end() { tiers.share.writesUnderWay.end(hashes.values) }
}

extension Tiers {
    /// Begins a write of these keys, or of all keys, that is about to be sent to Redis.
    public func beginPassedWrites(_ keys: [[UInt8]], areAll: Bool) -> PassedWrites {
        PassedWrites(keys, areAll: areAll, self)
    }

    /// Notes the connection of a write that was left without an answer.
    public func noteDoubtful(_ failure: RedisFailure) {
        share.doubtful.note(failure, now: scheduler.monotonicNanoseconds)
    }

    /// The longest wait for Redis, in nanoseconds.
    public var redisTimeout: Int64 { limits.timeout }
}
