// The warm tier's threads: one that writes, some that read, and the queues into them.
//
//     workers ──changes, commands──► writer thread ──commit──► disk
//        │                              └──► local memory, in the order of commits ──► answers by mailbox
//        └────────reads──────► reader threads ──────────────────────────────────────► answers by mailbox
//
// DESIGN: only threads are here. What waits behind an answer is WarmChanges, what the writer does is WarmKeeper, how a
// worker asks is WarmPort (Tiers), so that all of it runs without threads under simulation.

internal import EventLoop
internal import LocalTier
internal import Primitives
internal import Tiers
internal import WarmTier

/// The warm tier as a service of this process.
final class WarmService: Sendable {
    let tier: WarmTier
    let queues: WarmQueues
    private let writes = BlockingQueue<WarmJob>(capacity: 65_536)
    private let reads = BlockingQueue<WarmRead>(capacity: 65_536)
    private let stopped = BlockingQueue<Void>(capacity: 1)
    private static let readerThreads = 2

    /// Changes behind an answer that were not kept.
    var changesDropped: Int { queues.changes.dropped }
    var readsWaiting: Int { reads.count }

    /// Takes the writer over and starts the threads.
    init(_ writer: consuming sending WarmWriter, local: LocalTier, log: Log) {
        tier = writer.tier
        queues = WarmQueues(
            tier: tier, changes: WarmChanges(localBytes: local.arenaBytes), reads: reads, writes: writes)
        let box = KeeperBox(
            WarmKeeper(writer, changes: queues.changes, local: local) { [log] in log.note($0) })
        startThread("hearth-warm") { [self] in
            writeUntilClosed(box.keeper)
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

    private func writeUntilClosed(_ keeper: WarmKeeper) {
        var wait: Int64 = 0
        while var jobs = writes.take(limit: WarmKeeper.turnMax, waitingUpToMilliseconds: wait) {
            if WarmKeeper.mayGather(jobs) {
                jobs +=
                    writes.take(
                        limit: WarmKeeper.turnMax - 1, waitingUpToMilliseconds: WarmKeeper.gatheringMilliseconds) ?? []
            }
            wait = keeper.turn(jobs, now: Loop.wallClock)
        }
        keeper.finish(now: Loop.wallClock)
    }

    private func readUntilClosed() {
        while let jobs = reads.take(limit: 64, waitingUpToMilliseconds: 60_000) {
            for job in jobs { job.answer(queues.changes, tier, now: Loop.wallClock) }
        }
    }
}

/// The way back to a worker's thread.
struct WorkerCourier: Courier {
    let mailbox: Mailbox<WorkerMessage>
    func run(_ body: @escaping @Sendable () -> Void) { mailbox.send(.run(body)) }
}

/// Carries the keeper into its thread, once.
private final class KeeperBox: @unchecked Sendable {
    let keeper: WarmKeeper
    init(_ keeper: WarmKeeper) { self.keeper = keeper }
}

extension Log {
    /// Tells of the warm tier's writing.
    fileprivate func note(_ event: WarmEvent) {
        switch event {
        case .changeRefused(let error): write(.warning, "warm_change_refused") { $0.member("error", error) }
        case .archiveRefused(let error): write(.warning, "archive_refused") { $0.member("error", error) }
        case .commitFailed(let error, let refused):
            write(.error, "warm_commit_failed") {
                $0.member("error", error)
                $0.member("refused", refused)
            }
        case .syncFailed(let error): write(.error, "warm_sync_failed") { $0.member("error", error) }
        case .degraded(let state): write(.error, "warm_degraded") { $0.member("state", state) }
        case .recovered: write(.info, "warm_recovered") { $0.member("state", "healthy") }
        }
    }
}
