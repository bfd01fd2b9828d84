// What writes that Redis has taken, or may have taken, mean for what is held here.

internal import LocalTier
internal import Primitives
internal import State

/// The keys of writes under way to Redis; `settle` or `suspect` when Redis has answered or has not, and then `end`.
final class Writes {
    /// With each its hash and, where changes are heard of, what tells whether one was while the write was under way: it
    /// may be this very write.
    private var keys = FewKeys<(hash: KeyHash, token: TokenBox?)>()
    private let sentAt: Timestamp
    /// Of the deletions among them.
    private let ticket: UInt64
    /// Where erasures stood as they began.
    private let erasureGeneration: UInt64

    /// `isOrdered`: it is settled when its answer comes, and not later.
    init(
        _ commands: [NativeCommand], _ tiers: Tiers, sentAt: Timestamp, ticket: UInt64 = 0, isOrdered: Bool
    ) {
        self.sentAt = sentAt
        self.ticket = ticket
        erasureGeneration = tiers.share.erasures.generation
        for command in commands where command.command.isWrite {
            if case .removeAll = command.command { tiers.flights = [:] }
            _ = command.command.allKeys { bytes in
                guard keys[bytes] == nil else { return true }
                let key = HashedKey(bytes)
                // A read that comes after this write must not join one that was asked before it.
                if !tiers.flights.isEmpty { tiers.flights[key] = nil }
                // From here on no question asked earlier may fill or promote: Redis may carry this out at any moment.
                bytes.withUnsafeBytes { _ = tiers.local.update($0, hash: key.hash, now: sentAt) { _ in } }
                tiers.ownWrites.begin(key.hash)
                let isTracked = tiers.tracker?.tellsOfChanges ?? false
                keys.set(bytes, (key.hash, isTracked ? TokenBox(tiers.local.beginFill(key.hash)) : nil))
                return true
            }
        }
        let underWay = tiers.share.writesUnderWay
        let connection = isOrdered ? tiers.redis.map { ObjectIdentifier($0) } : nil
        if let hash = onlyHash {
            underWay.begin(CollectionOfOne(hash), over: connection)
        } else {
            underWay.begin(hashes, over: connection)
        }
    }

    /// Of one key, as nearly all writes have: without an array.
    private var onlyHash: KeyHash? { keys.count == 1 ? keys.first?.value.hash : nil }
    private var hashes: [KeyHash] { keys.elements.map { $0.value.hash } }

    /// Whatever came of them, these writes are no longer under way.
    func end(_ tiers: Tiers) {
        let underWay = tiers.share.writesUnderWay
        if let hash = onlyHash { underWay.end(CollectionOfOne(hash)) } else { underWay.end(hashes) }
        tiers.share.deletions.end(ticket)
    }

    /// The outcome is unknown: copies in memory and on disk stay for an outage, are not fresh before Redis has been
    /// asked, and are never given to Redis.
    func suspect(_ tiers: Tiers) {
        let now = tiers.scheduler.now
        for (key, held) in keys.elements {
            key.withUnsafeBytes { key in
                _ = tiers.local.update(key, hash: held.hash, now: now) { metadata in
                    metadata.mark = EntryMark.suspect
                    metadata.quietFor = 0
                    metadata.epoch = 0
                }
            }
            tiers.changeWarm(key, tiers.policies.policy(for: key), .suspect)
        }
    }

    /// Redis answered: what is known of each key now is held, what is no longer known is forgotten.
    func settle(_ commands: [NativeCommand], _ replies: [Reply], _ tiers: Tiers) {
        for (native, reply) in zip(commands, replies) where native.command.isWrite && !reply.isError {
            switch native.command {
            case .write(let write, let key): settle(write, key, reply, tiers)
            case .deleteMany(let keys): for key in keys { settle(key, .remove, tiers) }
            case .setMany(let keys, let values, let onlyIfNone):
                guard !onlyIfNone || reply == .integer(1) else { continue }
                for (key, value) in zip(keys, values) { settle(key, .put(lived(value, key, tiers)), tiers) }
            case .rename(let from, let to, let onlyIfNone):
                guard !onlyIfNone || reply == .integer(1) else { continue }
                if from != to {
                    settle(from, .remove, tiers)
                    forget(to, tiers)
                }
            case .removeAll:
                tiers.local.removeAll()
                tiers.warm?.removeAll { _ in }
            case .read, .count, .getMany, .countAll: break
            }
        }
    }

    /// Redis has this of the key now.
    func settle(_ key: [UInt8], to held: HeldValue, _ tiers: Tiers) { settle(key, .put(held), tiers) }

    private func settle(_ write: StringWrite, _ key: [UInt8], _ reply: Reply, _ tiers: Tiers) {
        // Where the end is now, or whether one was given, is Redis's to say.
        if write.mayMoveEnd, tiers.policies.policy(for: key).retention != nil { return forget(key, tiers) }
        switch (write, reply) {
        case (.set(let bytes, let expiry, let condition, let kind), _):
            guard Self.isDone(condition, kind, reply) else { return }
            switch expiry {
            case .clear: settle(key, .put(lived(bytes, key, tiers)), tiers)
            case .at(let time): settle(key, .put(HeldValue(bytes, expiresAt: retained(time, key, tiers))), tiers)
            case .keep: change(key, tiers) { HeldValue(bytes, expiresAt: $0.expiresAt) }
            }
        case (.delete, _), (.getDelete, _): settle(key, .remove, tiers)
        case (.getExpire, .null): settle(key, .remove, tiers, isCertain: false)
        case (.getExpire(.at(let time)), .string(let bytes)):
            settle(key, .put(HeldValue(bytes, expiresAt: time)), tiers)
        // Redis changes nothing where there was no end, tells of nothing, and goes on tracking.
        case (.getExpire(.clear), .string(let bytes)): settle(key, .put(HeldValue(bytes)), tiers, isCertain: false)
        // These say nothing of the value: it stays as old as it was.
        case (.expire(let time, _), .integer(1)):
            change(key, tiers, verifies: false) { HeldValue($0.bytes, kind: $0.kind, expiresAt: time) }
        case (.persist, .integer(1)): change(key, tiers, verifies: false) { HeldValue($0.bytes, kind: $0.kind) }
        case (.increment, .integer(let sum)):
            change(key, tiers) { HeldValue(Array(String(sum).utf8), expiresAt: $0.expiresAt) }
        case (.incrementFloat, .string(let sum)): change(key, tiers) { HeldValue(sum, expiresAt: $0.expiresAt) }
        case (.append, _), (.setRange, _), (.throttle, _): forget(key, tiers)
        // What became of it is known to whoever compared and set.
        case (.record, _): forget(key, tiers)
        case (.getExpire, _), (.expire, _), (.persist, _), (.increment, _), (.incrementFloat, _): break
        }
    }

    private static func isDone(_ condition: SetCondition, _ kind: StringWrite.SetReply, _ reply: Reply) -> Bool {
        switch (kind, condition) {
        case (.ok, _): reply.isStatus("OK")
        case (.flag, _): reply == .integer(1)
        case (.old, .always): true
        case (.old, .ifAbsent): reply == .null
        case (.old, .ifPresent): reply != .null
        }
    }

    /// A value without an expiry of its own, with the life that its policy gives.
    private func lived(_ bytes: [UInt8], _ key: [UInt8], _ tiers: Tiers) -> HeldValue {
        let life = tiers.policies.policy(for: key).lifeOfValues
        return HeldValue(bytes, expiresAt: life.map { min(sentAt.advanced(byMilliseconds: $0), .latest) } ?? .never)
    }

    /// A moment that a writer gives, or the end that the retention puts to it.
    private func retained(_ time: Timestamp, _ key: [UInt8], _ tiers: Tiers) -> Timestamp {
        guard let retention = tiers.policies.policy(for: key).times.retention else { return time }
        return min(time, sentAt.advanced(byMilliseconds: retention))
    }

    /// Changes what is held, where it was fresh, so that what Redis has now is known; else forgets it.
    private func change(
        _ key: [UInt8], _ tiers: Tiers, verifies: Bool = true, _ body: (HeldValue) -> HeldValue
    ) {
        let now = tiers.scheduler.now
        let policy = tiers.policies.policy(for: key)
        let hash = hash(of: key)
        guard let copy = tiers.localCopy(key, hash, now), !copy.isAbsent,
            tiers.isFresh(copy, policy, .redis, now)
        else { return forget(key, tiers) }
        settle(
            key, .put(body(copy.held)), tiers,
            verifiedAt: verifies ? nil : tiers.verifiedAt(copy.metadata))
    }

    /// `isCertain`: Redis has changed the key.
    private func settle(
        _ key: [UInt8], _ change: Change, _ tiers: Tiers, verifiedAt: Timestamp? = nil, isCertain: Bool = true
    ) {
        let verifiedAt = verifiedAt ?? sentAt
        let hash = hash(of: key)
        let policy = tiers.policies.policy(for: key)
        var change = change
        if case .put(let value) = change, value.expiresAt <= tiers.scheduler.now { change = .remove }
        switch change {
        case .none: break
        case .put(let value):
            tiers.counters.valueBytes.record(UInt64(value.bytes.count))
            let isWarm = policy.tiers.contains(.warm) && tiers.warm != nil
            let metadata = policy.metadata(
                of: value, verifiedAt: verifiedAt, authority: .redis, mark: isWarm ? EntryMark.inWarm : 0)
            // Memory first: who fills the disk from an older answer looks there last. Of two writes under way at the
            // same time whose order nobody knows neither is kept.
            let isKnown = hold(key, hash, policy, value.bytes, metadata, tiers, isCertain: isCertain)
            let copy = WarmCopy(value, verifiedAt: verifiedAt)
            tiers.changeWarm(key, policy, isKnown ? .put(copy, staleFor: policy.staleSeconds(of: value)) : .remove)
            // An erasure that begins after this looks for it. One that began before may have removed it from Redis, and
            // have looked here before it was held.
            if tiers.share.erasures.mayHaveErased(key, since: erasureGeneration) { forget(key, tiers) }
        case .remove:
            let absent = policy.absentMetadata(verifiedAt: sentAt)
            let isKnown = hold(key, hash, policy, [], absent, tiers, isCertain: isCertain)
            tiers.changeWarm(key, policy, isKnown ? .end : .remove)
        }
    }

    /// Holds what Redis has now in memory, unless another write of the key was under way in an order that is not known;
    /// whether it is known.
    private func hold(
        _ key: [UInt8], _ hash: KeyHash, _ policy: Policy, _ bytes: [UInt8], _ metadata: EntryMetadata, _ tiers: Tiers,
        isCertain: Bool
    ) -> Bool {
        let now = tiers.scheduler.now
        let (isContested, isFollowed) = tiers.share.writesUnderWay.outlook(hash)
        let isHeld = !isContested && tiers.mayHold(.local, policy) && bytes.count <= policy.maxLocalValue
        // Redis tells of it before or after its answer: either way the next read asks Redis, and is tracked by that.
        let wasTold = !(keys[key]?.token?.isCurrent(in: tiers.local) ?? true)
        key.withUnsafeBytes { key in
            bytes.withUnsafeBytes { bytes in
                if isHeld {
                    _ = tiers.local.put(key, hash: hash, value: bytes, metadata: metadata, now: now)
                    if wasTold { tiers.local.invalidate(key, hash: hash) }
                } else {
                    tiers.local.remove(key, hash: hash)
                }
            }
        }
        if isCertain, !isContested, !isFollowed { tiers.ownWrites.settle(hash) }
        return !isContested
    }

    private func hash(of key: [UInt8]) -> KeyHash {
        let held = keys[key]
        assert(held != nil, "BUG: a write of a key that it did not begin with")
        return held?.hash ?? HashedKey(key).hash
    }

    /// Redis has something that is not known here: nothing older may stay.
    func forget(_ key: [UInt8], _ tiers: Tiers) {
        tiers.forget(key, hash(of: key), tiers.policies.policy(for: key))
    }
}

extension StringWrite {
    /// Whether, under a retention, it leaves an end that nobody here knows.
    fileprivate var mayMoveEnd: Bool {
        switch self {
        case .expire, .persist, .getExpire, .increment, .incrementFloat, .set(_, .keep, _, _): true
        case .set, .delete, .getDelete, .append, .setRange, .record, .throttle: false
        }
    }
}
