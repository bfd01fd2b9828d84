// The journal's thread: what has gathered becomes one commit, and is answered when that is done.
//
//     workers ──writes, settlements──► journal thread ──commit──► disk
//                                         ├──► what is pending, local memory, the warm tier's changes
//                                         └──► answers by mailbox
//
// DESIGN: the thread is the only one that touches the journal's files; JournalKeeper (Tiers) does the work, turn by
// turn, so that it runs without threads under simulation. What others want to know is published after each turn.

internal import EventLoop
public import Journal
internal import LocalTier
internal import Primitives
internal import SegmentLog
public import Tiers

/// How the journal is kept.
public struct JournalPlan: Sendable {
    public typealias Sync = JournalSync

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
    let pending: PendingWrites
    /// The journal's, which makes its entries' ids unlike any other's.
    let identity: UInt64
    let plan: JournalPlan
    let jobs = BlockingQueue<JournalJob>(capacity: 65_536)
    private let stopped = BlockingQueue<Void>(capacity: 1)
    private let published: Locked<JournalStatistics>

    var statistics: JournalStatistics { published.withLock { $0 } }

    /// Opens the journal and starts its thread; throws with what to do where it is not to be had.
    init(
        _ plan: JournalPlan, local: LocalTier, changeWarm: @escaping @Sendable (_ key: HashedKey, WarmChange) -> Void,
        log: Log
    ) throws {
        self.plan = plan
        let (journal, recovery) = try Journal.open(plan.options, fileSystem: DiskFileSystem(), now: Loop.wallClock)
        let pending = PendingWrites()
        self.pending = pending
        identity = journal.identity
        published = Locked(journal.statistics)
        let keeper = JournalKeeper(
            journal, recovery: recovery, pending: pending, local: local, sync: plan.sync,
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

    private func run(_ keeper: JournalKeeper, _ log: Log) {
        var state = StateReport()
        var wait: Int64 = 0
        while let jobs = jobs.take(limit: JournalKeeper.turnMax, waitingUpToMilliseconds: wait) {
            wait = keeper.turn(jobs, now: Loop.wallClock, monotonicNanoseconds: Loop.monotonicNanoseconds)
            let statistics = keeper.journal.statistics
            published.withLock { $0 = statistics }
            state.note(statistics, log)
        }
        keeper.finish(now: Loop.wallClock)
        published.withLock { $0 = keeper.journal.statistics }
    }
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
