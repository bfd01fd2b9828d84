// Changes behind an answer, on their way to the warm tier: a table by key between the workers and the writer.
//
// DESIGN: only the latest change of a key is written, and a read sees what is not committed yet. Where there is no
// room, or where a commit failed, the key is distrusted: reads of it find nothing, and the next commit that succeeds
// removes its copy. So an older value is never taken for the newest one.

internal import LocalTier
public import Primitives
internal import Synchronization
public import WarmTier

/// What waits to be written to the warm tier, and what must not be read from it; safe from any thread.
public final class WarmChanges: Sendable {
    private struct Table {
        var waiting: [HashedKey: WarmChange] = [:]
        var bytes = 0
        /// What the writer is committing at this moment.
        var committing: [HashedKey: WarmChange] = [:]
        /// Keys whose copy is older than what was acknowledged.
        var distrusted: Set<HashedKey> = []
        /// Copies verified before are not to be trusted: too many keys to remember had to be distrusted.
        var trustedSince = Timestamp.distantPast
        var announced = Announcement.none

        /// Remembers that the copy of `key` is older than what was acknowledged.
        mutating func distrust(_ key: HashedKey, now: Timestamp) {
            guard distrusted.count < WarmChanges.keysMax else {
                distrusted = []
                trustedSince = now
                return
            }
            distrusted.insert(key)
        }
    }

    /// What the writer has been told of the table.
    private enum Announcement {
        case none
        /// That there are changes: it lets more gather.
        case some
        /// That there are many: it commits them now.
        case many
    }

    private let table = Locked(Table())
    private let droppedCount = Atomic<Int>(0)

    /// What was archived and read of archives, by whatever thread.
    public let archives = ArchiveFigures()
    /// Bytes of values that may wait.
    public let bytesMax: Int
    /// Keys that may wait, and that may be distrusted.
    public static let keysMax = 65_536
    /// For how many keys there is room from the beginning, at most.
    private static let capacityKept = 4096

    /// `localBytes` is the size of local memory, of which a 16th may wait here; at least 1 MiB, at most 64.
    public init(localBytes: Int) {
        // As many again are being committed, and a batch holds a copy of them.
        bytesMax = min(64 << 20, max(1 << 20, localBytes / 16))
    }

    /// Changes for which there was no room, and those whose commit failed.
    public var dropped: Int { droppedCount.load(ordering: .relaxed) }

    /// Keys and bytes that wait, and keys that are distrusted.
    public var sizes: (keys: Int, bytes: Int, distrusted: Int) {
        table.withLock { ($0.waiting.count, $0.bytes, $0.distrusted.count) }
    }

    /// Takes a change; whether the writer has to be told that there is something for it.
    public func take(_ key: [UInt8], _ change: WarmChange, now: Timestamp) -> Bool {
        take(HashedKey(key), change, now: now)
    }

    /// The same where the key's hash is known.
    func take(_ key: HashedKey, _ change: WarmChange, now: Timestamp) -> Bool {
        table.withLock { table in
            var change = change
            let waiting = table.waiting[key]
            // A mark goes with the value that it is about, also while that is being committed: should the commit fail,
            // an older copy is what is left on disk.
            if case .suspect = change, let newest = waiting ?? table.committing[key] { change = newest.suspected }
            // What is known to be over does not become less so by a copy that goes.
            if case .remove = change, case .end? = waiting { change = .end }
            let bytes = change.byteCount
            // A mark alone is no newer copy: what is distrusted stays so.
            if !table.distrusted.isEmpty, change != .suspect { table.distrusted.remove(key) }
            table.bytes -= waiting?.byteCount ?? 0
            if table.bytes + bytes > bytesMax || table.waiting.count >= Self.keysMax, change != .end {
                change = .remove
                droppedCount.add(1, ordering: .relaxed)
            }
            if table.waiting.count >= Self.keysMax, waiting == nil {
                table.distrust(key, now: now)
                return false
            }
            table.waiting[key] = change
            table.bytes += change.byteCount
            let isMuch = table.bytes > bytesMax / 2 || table.waiting.count > Self.keysMax / 2
            let announcement = isMuch ? Announcement.many : .some
            guard table.announced != .many, table.announced != announcement else { return false }
            table.announced = announcement
            return true
        }
    }

    /// What is held from before this moment is no longer read, whether or not it has been removed yet.
    public func distrustAll(now: Timestamp) {
        table.withLock { table in
            table.waiting = [:]
            table.bytes = 0
            table.committing = [:]
            table.trustedSince = now.advanced(byMilliseconds: 1)
        }
    }

    /// What is known of a key without the disk: here, or by the tier's index; nil where the disk has to be read.
    public func answerWithoutDisk(_ key: [UInt8], from tier: WarmTier, now: Timestamp) -> WarmAnswer? {
        let (answer, _, _) = look(HashedKey(key))
        return answer ?? (key.withUnsafeBytes { tier.isAbsent($0, now: now) } ? .absent : nil)
    }

    /// What waits here of a key; and what that says of a copy on disk.
    private func look(_ key: HashedKey) -> (answer: WarmAnswer?, isSuspect: Bool, trustedSince: Timestamp) {
        let (waiting, isDistrusted, trustedSince) = table.withLock { table in
            (table.waiting[key] ?? table.committing[key], table.distrusted.contains(key), table.trustedSince)
        }
        switch waiting {
        case .put(let copy, _): return (.copy(copy), copy.isSuspect, trustedSince)
        case .remove, .end: return (.absent, false, trustedSince)
        case .suspect, nil: return (isDistrusted ? .absent : nil, waiting == .suspect, trustedSince)
        }
    }

    /// What is known of a key: here first, then on disk. Reads the disk; on a thread that may.
    public func answer(_ key: [UInt8], from tier: WarmTier, now: Timestamp) -> WarmAnswer {
        let (answer, isMarked, trustedSince) = look(HashedKey(key))
        if let answer { return answer }
        switch tier.read(key, now: now) {
        case .entry(let entry) where entry.metadata.kind == .archive: return .absent
        case .entry(let entry) where entry.metadata.verifiedAt >= trustedSince:
            let isSuspect = isMarked || entry.metadata.flags.contains(.unverified)
            return .copy(WarmCopy(entry.held, verifiedAt: entry.metadata.verifiedAt, isSuspect: isSuspect))
        case .entry, .tombstone, .absent: return .absent
        case .damaged: return .failed("the record of this key in the warm tier is damaged")
        case .failed(let error): return .failed("\(error)")
        }
    }

    // MARK: The writer's side

    /// Hands over what waits; until `end` it is found here as what is being committed.
    func begin() -> (changes: [HashedKey: WarmChange], distrusted: Set<HashedKey>) {
        table.withLock { table in
            table.committing = table.waiting
            // As many are likely to gather again: a table that grows moves each of them twice.
            table.waiting = Dictionary(minimumCapacity: min(table.committing.count, Self.capacityKept))
            table.bytes = 0
            table.announced = .none
            return (table.committing, table.distrusted)
        }
    }

    /// The commit is over: `failed` are not on disk as they were acknowledged, of `removed` nothing older is left.
    func end(failed: Set<HashedKey>, removed: Set<HashedKey>, now: Timestamp) {
        table.withLock { table in
            table.committing = [:]
            table.distrusted.subtract(removed)
            for key in failed where table.waiting[key] == nil { table.distrust(key, now: now) }
        }
        if !failed.isEmpty { droppedCount.add(failed.count, ordering: .relaxed) }
    }
}

extension WarmChange {
    /// What waits to be written, and what a write of unknown outcome makes of it.
    fileprivate var suspected: WarmChange {
        guard case .put(var copy, let staleFor) = self else { return self }
        copy.isSuspect = true
        return .put(copy, staleFor: staleFor)
    }

    fileprivate var byteCount: Int {
        if case .put(let copy, _) = self { copy.value.bytes.count } else { 0 }
    }
}
