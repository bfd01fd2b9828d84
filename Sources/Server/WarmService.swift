// The warm tier's threads: one that writes, some that read, and what waits for them.
//
//     workers ──changes, commands──► writer thread ──commit──► disk
//        │                              └──► local memory, in the order of commits ──► answers by mailbox
//        └────────reads──────► reader threads ──────────────────────────────────────► answers by mailbox
//
// DESIGN: changes behind an answer wait in a table by key, so that only the latest of a key is written and a read sees
// what is not committed yet. Where there is no room, or where a commit failed, the key is distrusted: reads of it find
// nothing, and the next commit that succeeds removes its copy. So an older value is never taken for the newest one.

internal import EventLoop
internal import LocalTier
internal import Primitives
internal import SegmentLog
internal import State
internal import Synchronization
internal import Tiers
internal import WarmTier

/// The warm tier as a service of this process.
final class WarmService: Sendable {
    /// A read or a walk; `deliver` sends the answer to whoever asked.
    enum ReadJob: Sendable {
        case read([UInt8], deliver: @Sendable (WarmAnswer) -> Void)
        case scan(cursor: UInt64, count: Int, deliver: @Sendable (ScanPage) -> Void)
    }

    /// Work of the writer's thread, in order.
    enum WriteJob: Sendable {
        case perform([StringCommand], PolicyTable, deliver: @Sendable (WarmOutcome) -> Void)
        case removeAll(deliver: @Sendable (WarmOutcome) -> Void)
        /// There are changes in the table.
        case changes
    }

    struct Pending {
        var changes: [HashedKey: WarmChange] = [:]
        var bytes = 0
        /// What the writer is committing at this moment.
        var committing: [HashedKey: WarmChange] = [:]
        /// Keys whose copy is older than what was acknowledged.
        var distrusted: Set<HashedKey> = []
        /// Copies verified before are not to be trusted: too many keys to remember had to be distrusted.
        var trustedSince = Timestamp.distantPast
        var announced = Announcement.none
    }

    /// What the writer has been told of the table.
    enum Announcement {
        case none
        /// That there are changes: it lets more gather.
        case some
        /// That there are many: it commits them now.
        case many
    }

    let tier: WarmTier
    let local: LocalTier
    let pending = Locked(Pending())
    let writes = BlockingQueue<WriteJob>(capacity: 65_536)
    let reads = BlockingQueue<ReadJob>(capacity: 65_536)
    let stopped = BlockingQueue<Void>(capacity: 1)
    /// Changes for which there was no room, and those whose commit failed.
    let changesDropped = Atomic<Int>(0)
    private let log: Log

    /// Bytes of values that may wait to be written behind an answer.
    let pendingBytesMax: Int
    static let pendingKeysMax = 65_536
    static let readerThreads = 2

    /// Takes the writer over and starts the threads.
    init(_ writer: consuming sending WarmWriter, local: LocalTier, log: Log) {
        tier = writer.tier
        self.local = local
        // As many again are being committed, and a batch holds a copy of them.
        pendingBytesMax = min(64 << 20, max(1 << 20, local.arenaBytes / 16))
        self.log = log
        let box = WriterBox(writer)
        startThread("hearth-warm") { [self] in
            WarmCommitter(writer: box.writer, service: self, log: log).run()
            _ = stopped.send(())
        }
        for index in 0..<Self.readerThreads {
            startThread("hearth-read-\(index)") { [self] in readUntilClosed() }
        }
    }

    /// Commits what waits and ends the threads; waits for that, `milliseconds` at most. Whether it was in time.
    func stop(waitingUpToMilliseconds milliseconds: Int64) -> Bool {
        reads.close()
        writes.close()
        return stopped.take(waitingUpToMilliseconds: milliseconds)?.isEmpty == false
    }

    // MARK: Changes behind the answer

    func change(_ key: [UInt8], _ change: WarmChange) {
        let key = HashedKey(key)
        let mustAnnounce = pending.withLock { pending in
            var change = change
            let waiting = pending.changes[key]
            if case .suspect = change, let waiting { change = waiting.suspected }
            let bytes = change.byteCount
            if !pending.distrusted.isEmpty { pending.distrusted.remove(key) }
            pending.bytes -= waiting?.byteCount ?? 0
            if pending.bytes + bytes > pendingBytesMax || pending.changes.count >= Self.pendingKeysMax {
                change = .remove
                changesDropped.add(1, ordering: .relaxed)
            }
            if pending.changes.count >= Self.pendingKeysMax, waiting == nil {
                pending.distrust(key, now: Loop.wallClock)
                return false
            }
            pending.changes[key] = change
            pending.bytes += change.byteCount
            let isMuch =
                pending.bytes > pendingBytesMax / 2 || pending.changes.count > Self.pendingKeysMax / 2
            let announcement = isMuch ? Announcement.many : .some
            guard pending.announced != .many, pending.announced != announcement else { return false }
            pending.announced = announcement
            return true
        }
        guard mustAnnounce, !writes.send(.changes) else { return }
        // So many commands wait that the announcement found no room: the writer looks at the table after each batch.
    }

    /// What is held from before this moment is no longer read, whether or not it has been removed yet.
    func distrustAll() {
        pending.withLock { pending in
            pending.changes = [:]
            pending.bytes = 0
            pending.committing = [:]
            pending.trustedSince = Loop.wallClock.advanced(byMilliseconds: 1)
        }
    }

    // MARK: Reads

    private func readUntilClosed() {
        while let jobs = reads.take(limit: 64, waitingUpToMilliseconds: 60_000) {
            for job in jobs {
                switch job {
                case .read(let key, let deliver): deliver(answer(key))
                case .scan(let cursor, let count, let deliver):
                    let page = tier.scan(from: WarmCursor(rawValue: cursor), limit: count, now: Loop.wallClock)
                    deliver(ScanPage(next: page.next?.rawValue ?? 0, keys: page.keys))
                }
            }
        }
    }

    private func answer(_ key: [UInt8]) -> WarmAnswer {
        let hashed = HashedKey(key)
        let (waiting, isDistrusted, trustedSince) = pending.withLock { pending in
            (
                pending.changes[hashed] ?? pending.committing[hashed], pending.distrusted.contains(hashed),
                pending.trustedSince
            )
        }
        switch waiting {
        case .put(let copy, _): return .copy(copy)
        case .remove: return .absent
        case .suspect, nil: break
        }
        if isDistrusted { return .absent }
        switch tier.read(key, now: Loop.wallClock) {
        case .entry(let entry) where entry.metadata.verifiedAt >= trustedSince:
            let value = entry.held
            let isSuspect = waiting == .suspect || entry.metadata.flags.contains(.unverified)
            return .copy(WarmCopy(value, verifiedAt: entry.metadata.verifiedAt, isSuspect: isSuspect))
        case .entry, .tombstone, .absent: return .absent
        case .damaged: return .failed("the record of this key in the warm tier is damaged")
        case .failed(let error): return .failed("\(error)")
        }
    }
}

extension WarmService.Pending {
    /// Remembers that the copy of `key` is older than what was acknowledged.
    mutating func distrust(_ key: HashedKey, now: Timestamp) {
        guard distrusted.count < WarmService.pendingKeysMax else {
            distrusted = []
            trustedSince = now
            return
        }
        distrusted.insert(key)
    }
}

extension WarmChange {
    /// What waits to be written, and what a write of unknown outcome makes of it.
    var suspected: WarmChange {
        guard case .put(var copy, let staleFor) = self else { return self }
        copy.isSuspect = true
        return .put(copy, staleFor: staleFor)
    }

    var byteCount: Int {
        if case .put(let copy, _) = self { copy.value.bytes.count } else { 0 }
    }
}

/// Carries the writer into its thread, once.
private final class WriterBox: @unchecked Sendable {
    let writer: WarmWriter
    init(_ writer: consuming sending WarmWriter) { self.writer = writer }
}

/// One worker's view of the service: answers come back through the worker's mailbox.
final class WarmPort: WarmAccess {
    private let service: WarmService
    private let mailbox: Mailbox<WorkerMessage>

    init(_ service: WarmService, mailbox: Mailbox<WorkerMessage>) {
        self.service = service
        self.mailbox = mailbox
    }

    func read(_ key: [UInt8], completion: @escaping (WarmAnswer) -> Void) {
        let box = Delivery(completion)
        let isQueued = service.reads.send(
            .read(key) { [mailbox] answer in mailbox.send(.run { box.completion(answer) }) })
        if !isQueued { completion(.failed("as many reads wait for the warm tier as may")) }
    }

    func change(_ key: [UInt8], _ change: WarmChange) { service.change(key, change) }

    func perform(_ commands: [StringCommand], policies: PolicyTable, completion: @escaping (WarmOutcome) -> Void) {
        let box = Delivery(completion)
        let isQueued = service.writes.send(
            .perform(commands, policies) { [mailbox] outcome in mailbox.send(.run { box.completion(outcome) }) })
        if !isQueued { completion(.refused("as many writes wait for the warm tier as may")) }
    }

    func removeAll(completion: @escaping (WarmOutcome) -> Void) {
        service.distrustAll()
        let box = Delivery(completion)
        let isQueued = service.writes.send(
            .removeAll { [mailbox] outcome in mailbox.send(.run { box.completion(outcome) }) })
        if !isQueued { completion(.refused("as many writes wait for the warm tier as may")) }
    }

    func scan(cursor: UInt64, count: Int, completion: @escaping (ScanPage?) -> Void) {
        let box = Delivery<ScanPage?>(completion)
        let isQueued = service.reads.send(
            .scan(cursor: cursor, count: count) { [mailbox] page in mailbox.send(.run { box.completion(page) }) })
        if !isQueued { completion(nil) }
    }
}

/// A completion on its way through another thread, which never runs it.
final class Delivery<Answer>: @unchecked Sendable {
    let completion: (Answer) -> Void
    init(_ completion: @escaping (Answer) -> Void) { self.completion = completion }
}
