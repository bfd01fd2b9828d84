// The journal's thread: what has gathered becomes one commit, and is answered when that is done.
//
//     workers ──writes, settlements──► journal thread ──commit──► disk
//                                         ├──► what is pending, local memory, the warm tier's changes
//                                         └──► answers by mailbox
//
// DESIGN: the thread is the only one that touches the journal's files; JournalKeeper (Tiers) does the work, so that it
// runs without threads under test. What others want to know is published after each batch.

internal import EventLoop
public import Journal
internal import LocalTier
internal import Primitives
internal import SegmentLog
public import Tiers

/// How the journal is kept.
public struct JournalPlan: Sendable {
    public enum Sync: Sendable, Equatable {
        /// One fdatasync for all that gathered, before any of it is answered.
        case always
        case interval(milliseconds: Int)
        case never
    }

    public var options: JournalOptions
    public var sync: Sync
    public var replay: ReplayConfiguration

    public init(options: JournalOptions, sync: Sync, replay: ReplayConfiguration) {
        self.options = options
        self.sync = sync
        self.replay = replay
    }
}

/// The journal as a service of this process.
final class JournalService: Sendable {
    enum Job: Sendable {
        case work(JournalJob)
        /// The conflicts that are kept, oldest first.
        case conflicts(deliver: @Sendable ([(id: UInt64, conflict: Conflict)]) -> Void)
    }

    let pending: PendingWrites
    /// The journal's, which makes its entries' ids unlike any other's.
    let identity: UInt64
    let plan: JournalPlan
    let jobs = BlockingQueue<Job>(capacity: 65_536)
    private let stopped = BlockingQueue<Void>(capacity: 1)
    private let published: Locked<JournalStatistics>

    var statistics: JournalStatistics { published.withLock { $0 } }

    /// Opens the journal and starts its thread; throws with what to do where it is not to be had.
    init(
        _ plan: JournalPlan, local: LocalTier, changeWarm: @escaping @Sendable (_ key: [UInt8], WarmChange) -> Void,
        log: Log
    ) throws {
        self.plan = plan
        let (journal, recovery) = try Journal.open(plan.options, fileSystem: DiskFileSystem(), now: Loop.wallClock)
        let pending = PendingWrites()
        self.pending = pending
        identity = journal.identity
        published = Locked(journal.statistics)
        let keeper = JournalKeeper(
            journal, recovery: recovery, pending: pending, local: local, isSynchronous: plan.sync == .always,
            changeWarm: changeWarm)
        Self.report(recovery, keeper, plan, log)
        let box = KeeperBox(keeper)
        startThread("hearth-journal") { [self] in
            run(box.keeper, log)
            _ = stopped.send(())
        }
    }

    private static func report(_ recovery: JournalRecovery, _ keeper: JournalKeeper, _ plan: JournalPlan, _ log: Log) {
        for skipped in recovery.skipped {
            log.write(.error, "journal_damage") {
                $0.member("skipped", "\(skipped)")
                $0.member("directory", plan.options.directory)
                $0.member("what_to_do", "every whole entry was kept; what stood there is lost unless a copy exists")
            }
        }
        for path in recovery.keptDamagedFiles {
            log.write(.error, "journal_damaged_file_kept") { $0.member("path", path) }
        }
        for (sequence, reason) in keeper.unreadable {
            log.write(.error, "journal_entry_unreadable") {
                $0.member("sequence", sequence)
                $0.member("reason", reason)
            }
        }
        guard !recovery.entries.isEmpty || !recovery.notes.isEmpty else { return }
        log.write(.warning, "journal_recovered") {
            $0.member("entries", recovery.entries.count)
            $0.member("conflicts", recovery.notes.count)
        }
    }

    /// Commits what waits and ends the thread; waits for that, `milliseconds` at most. Whether it was in time.
    func stop(waitingUpToMilliseconds milliseconds: Int64) -> Bool {
        jobs.close()
        return stopped.take(waitingUpToMilliseconds: milliseconds)?.isEmpty == false
    }

    // MARK: The thread

    /// The most requests in one commit.
    private static let batchMax = 1024

    private func run(_ keeper: JournalKeeper, _ log: Log) {
        var nextSync = Loop.monotonicNanoseconds
        var hasMore = false
        var state = StateReport()
        while true {
            let wait = hasMore ? 0 : waitMilliseconds(nextSync)
            guard let jobs = jobs.take(limit: Self.batchMax, waitingUpToMilliseconds: wait) else { break }
            let work = jobs.compactMap { if case .work(let job) = $0 { job } else { nil } }
            if !work.isEmpty || jobs.isEmpty { keeper.process(work, now: Loop.wallClock) }
            for case .conflicts(let deliver) in jobs { deliver(keeper.conflicts) }
            if case .interval(let milliseconds) = plan.sync, Loop.monotonicNanoseconds >= nextSync {
                nextSync = Loop.monotonicNanoseconds + Int64(milliseconds) * 1_000_000
                synchronize(keeper)
            }
            hasMore = maintain(keeper)
            let statistics = keeper.journal.statistics
            published.withLock { $0 = statistics }
            state.note(statistics, log)
        }
        synchronize(keeper)
        published.withLock { $0 = keeper.journal.statistics }
    }

    private func waitMilliseconds(_ nextSync: Int64) -> Int64 {
        guard case .interval = plan.sync else { return 1000 }
        return min(1000, max(0, (nextSync - Loop.monotonicNanoseconds + 999_999) / 1_000_000))
    }

    /// One step of making room; a failure shows in the statistics, and is tried again a second later.
    private func maintain(_ keeper: JournalKeeper) -> Bool {
        (try? keeper.journal.maintain(now: Loop.wallClock)) ?? false
    }

    /// A failure shows in the statistics: the journal is then degraded and refuses.
    private func synchronize(_ keeper: JournalKeeper) { try? keeper.journal.synchronize(now: Loop.wallClock) }
}

/// Tells the log when the journal's state has changed.
private struct StateReport {
    private var last = ""

    mutating func note(_ statistics: JournalStatistics, _ log: Log) {
        let state = statistics.stateName
        guard state != last else { return }
        defer { last = state }
        guard !(last.isEmpty && state == "healthy") else { return }
        log.write(state == "healthy" ? .info : .error, "journal_\(state)") {
            $0.member("state", "\(statistics.state)")
            $0.member("entries", statistics.entries)
            $0.member("disk_bytes", statistics.diskBytes)
        }
    }
}

extension JournalStatistics {
    /// One word for metrics and logs.
    var stateName: String {
        switch state {
        case .healthy: "healthy"
        case .full: "full"
        case .degraded: "degraded"
        }
    }
}

/// Carries the keeper into its thread, once.
private final class KeeperBox: @unchecked Sendable {
    let keeper: JournalKeeper
    init(_ keeper: JournalKeeper) { self.keeper = keeper }
}

/// One worker's view of the service: answers come back through the worker's mailbox.
final class JournalPort: JournalAccess {
    private let service: JournalService
    private let mailbox: Mailbox<WorkerMessage>

    var pending: PendingWrites { service.pending }

    init(_ service: JournalService, mailbox: Mailbox<WorkerMessage>) {
        self.service = service
        self.mailbox = mailbox
    }

    func append(_ request: JournalRequest, completion: @escaping (JournalOutcome) -> Void) {
        let box = Delivery(completion)
        let isQueued = service.jobs.send(
            .work(.write(request) { [mailbox] outcome in mailbox.send(.run { box.completion(outcome) }) }))
        if !isQueued { completion(.refused("as many writes wait for the journal as may")) }
    }

    func settle(_ settlement: Settlement, completion: @escaping (Bool) -> Void) {
        let box = Delivery(completion)
        // Beyond the queue's capacity, as many as a replay has under way: what Redis has must be noted.
        let isQueued = service.jobs.send(
            .work(.settle(settlement) { [mailbox] isDone in mailbox.send(.run { box.completion(isDone) }) }),
            beyondCapacity: true)
        if !isQueued { completion(false) }
    }

    /// Forgets entries without doing them; nil means all.
    func discard(_ sequences: [UInt64]?, completion: @escaping (Int?) -> Void) {
        let box = Delivery(completion)
        let isQueued = service.jobs.send(
            .work(.discard(sequences) { [mailbox] count in mailbox.send(.run { box.completion(count) }) }))
        if !isQueued { completion(nil) }
    }

    /// Forgets conflicts; nil means all.
    func dropConflicts(_ ids: [UInt64]?, completion: @escaping (Int?) -> Void) {
        let box = Delivery(completion)
        let isQueued = service.jobs.send(
            .work(.dropConflicts(ids) { [mailbox] count in mailbox.send(.run { box.completion(count) }) }))
        if !isQueued { completion(nil) }
    }

    func conflicts(completion: @escaping ([(id: UInt64, conflict: Conflict)]?) -> Void) {
        let box = Delivery<[(id: UInt64, conflict: Conflict)]?>(completion)
        let isQueued = service.jobs.send(
            .conflicts { [mailbox] conflicts in mailbox.send(.run { box.completion(conflicts) }) })
        if !isQueued { completion(nil) }
    }
}
