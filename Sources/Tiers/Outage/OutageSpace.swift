// What is held here of some keys, as the place where commands are performed while Redis can't be asked.

internal import LocalTier
internal import Primitives
internal import State

/// Keys as they are known without Redis: what waits for it first, then memory, then the copy that the disk gave.
///
/// A key of which nothing is known counts as absent, as a read of it is answered with nil.
struct OutageSpace: KeySpace {
    let pending: PendingWrites
    let local: LocalTier
    let warm: [[UInt8]: WarmCopy]
    let now: Timestamp
    /// What entries of the same batch, not committed yet, have made of keys.
    let staged: StagedValues
    /// What this unit of work has made of keys.
    private(set) var results = FewKeys<PendingWrites.Value>()
    /// What the command under way did to each key.
    private var changes = FewKeys<Change>()

    init(
        pending: PendingWrites, local: LocalTier, warm: [[UInt8]: WarmCopy], now: Timestamp,
        staged: StagedValues
    ) {
        self.pending = pending
        self.local = local
        self.warm = warm
        self.now = now
        self.staged = staged
    }

    /// What the key holds before this unit of work; `.unknown` where nobody here knows.
    func known(_ key: [UInt8]) -> PendingWrites.Value { waiting(key) ?? held(key) }

    /// The same of a key of which nothing is staged or pending.
    func held(_ key: [UInt8]) -> PendingWrites.Value {
        let copy = key.withUnsafeBytes { bytes in
            local.peek(bytes, hash: KeyHash(bytes), now: now) { Tiers.copy($0) }
        }
        if let copy {
            if copy.isAbsent { return .absent }
            return .held(copy.held)
        }
        return warm[key].map { .held($0.value) } ?? .unknown
    }

    /// What the key will hold when all that is staged or pending is done; nil where nothing of it is.
    func waiting(_ key: [UInt8]) -> PendingWrites.Value? {
        guard !staged.values.isEmpty || !pending.isEmpty else { return nil }
        let key = HashedKey(key)
        return staged.values[key] ?? pending.value(of: key)
    }

    /// Whether a write of this sidecar was left without an answer since a key, of which nothing is staged or pending,
    /// was last compared with Redis.
    func isInDoubt(_ key: [UInt8]) -> Bool {
        let mark = key.withUnsafeBytes { bytes in
            local.peek(bytes, hash: KeyHash(bytes), now: now) { $0.metadata.mark }
        }
        if let mark { return mark & (EntryMark.suspect | EntryMark.journaled) == EntryMark.suspect }
        return warm[key]?.isSuspect ?? false
    }

    func read(_ key: [UInt8]) -> HeldValue? {
        guard case .held(let held) = results[key] ?? known(key), held.isAlive(at: now) else { return nil }
        return held
    }

    /// What a read is answered with, by the same rules as a read outside of a transaction: copies within
    /// `stale_if_error`, and the policy's default where nothing is known and the read is about a value.
    func servable(_ key: [UInt8], _ policy: Policy, isAboutValue: Bool) -> HeldValue? {
        if let value = results[key] ?? waiting(key) {
            guard case .held(let held) = value, !held.isTombstone else { return nil }
            return now < policy.staleEnd(of: held) ? held : nil
        }
        let copy = key.withUnsafeBytes { bytes in
            local.peek(bytes, hash: KeyHash(bytes), now: now) { Tiers.copy($0) }
        }
        if let copy, copy.isAbsent { return nil }
        let found =
            copy.map { ($0.held, $0.metadata.verifiedAt) }
            ?? warm[key].map { ($0.value, $0.verifiedAt) }
        if let (held, verifiedAt) = found,
            policy.mayServeStale(verifiedAt: verifiedAt, expiresAt: held.expiresAt, now: now, authority: .redis),
            now < policy.staleEnd(of: held)
        {
            return held.isTombstone ? nil : held
        }
        guard isAboutValue, let context = policy.defaultContext else { return nil }
        return HeldValue(context.value(forKey: key, prefixLength: policy.prefix.count))
    }

    /// The reply to a command that only reads; nil for one that does not.
    func reply(to command: StringCommand, _ policies: PolicyTable) -> Reply? {
        func held(_ key: [UInt8], _ isAboutValue: Bool) -> HeldValue? {
            servable(key, policies.policy(for: key), isAboutValue: isAboutValue)
        }
        switch command {
        case .read(let read, let key): return read.reply(for: held(key, read.isAboutValue), now: now)
        case .getMany(let keys): return .array(keys.map { StringRead.element(for: held($0, true)) })
        case .count(let keys): return .integer(keys.reduce(0) { $0 + (held($1, false) == nil ? 0 : 1) })
        case .write(.record(let write), let key):
            var needsRecord = write.expectation != .any
            if case .foldTurns = write.action { needsRecord = true }
            guard needsRecord, results[key] == nil, known(key) == .unknown else { return nil }
            return .error(
                "UNAVAILABLE not done: nothing is held here of the record, so that what is expected of it can't be "
                    + "compared; try again when Redis answers")
        default: return nil
        }
    }

    mutating func apply(_ change: Change, to key: [UInt8]) {
        switch change {
        case .none: return
        case .put(let value): results.set(key, .held(value))
        case .remove: results.set(key, .absent)
        }
        changes.set(key, change)
    }

    /// What the command just performed did to each key; a new one begins.
    mutating func takeChanges() -> FewKeys<Change> {
        defer { changes = FewKeys() }
        return changes
    }

    func countKeys() -> Int { preconditionFailure("BUG: DBSIZE without the authority") }
    mutating func removeAll() { preconditionFailure("BUG: FLUSHDB without the authority") }
}

extension StringRead {
    /// Whether it is about what the key holds, and not about the key: a default context has a value, it does not exist.
    fileprivate var isAboutValue: Bool {
        switch self {
        case .get, .length, .range: true
        case .timeToLive, .type, .exists, .refusal: false
        }
    }
}

/// What entries of a batch that is not committed yet have made of keys; belongs to the keeper's thread.
final class StagedValues {
    var values: [HashedKey: PendingWrites.Value] = [:]

    /// Takes what an entry makes of its keys, of which `first` is the first.
    func note(_ results: FewKeys<PendingWrites.Value>, _ first: HashedKey) {
        values[first] = results.first?.value
        guard results.count > 1 else { return }
        for (key, value) in results.elements.dropFirst() { values[HashedKey(key)] = value }
    }
}
