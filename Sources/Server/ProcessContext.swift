// What the threads of a server share, and nothing else does.

internal import EventLoop
internal import Metrics
internal import Primitives
internal import RedisTier
internal import Synchronization
internal import Tiers

/// Shared by listener, workers and admin plane; safe from any thread.
final class ProcessContext: Sendable {
    /// What a reload replaces.
    struct Settings: Sendable {
        var server: ServerConfiguration
        var redis: RedisConfiguration?
        var policies: PolicyTable
        /// How many times a reload has replaced them.
        var generation = 0
    }

    let log: Log
    let share: TierShare
    let settings: Locked<Settings>
    let startedAt = Loop.wallClock
    let transitions: TransitionLog
    let slowLog: SlowLog
    let isServing = Atomic<Bool>(false)
    let clientsConnected = Gauge()
    let clientsRejected = SharedCounter()
    /// What was started with this context; set once, before any thread is.
    private let parts = Locked(Parts())
    private struct Parts {
        var workers: [WorkerHandle] = []
        var warm: WarmService?
        var journal: JournalService?
        var audit: AuditService?
    }
    private let clientID = Atomic<Int64>(0)
    /// Pinned connections to Redis that clients have.
    let pinsInUse = Atomic<Int64>(0)
    private let workersRunning: Atomic<Int>
    private let onAllStopped: @Sendable () -> Void
    private let onMisconfigured: @Sendable (String) -> Void

    init(
        log: Log, share: TierShare, settings: Settings, transitions: TransitionLog,
        onAllStopped: @escaping @Sendable () -> Void, onMisconfigured: @escaping @Sendable (String) -> Void
    ) {
        self.log = log
        self.share = share
        self.transitions = transitions
        slowLog = SlowLog(settings.server.slowLog)
        workersRunning = Atomic(settings.server.workers)
        self.settings = Locked(settings)
        self.onAllStopped = onAllStopped
        self.onMisconfigured = onMisconfigured
    }

    func attach(workers: [WorkerHandle], warm: WarmService, journal: JournalService?, audit: AuditService?) {
        parts.withLock { $0 = Parts(workers: workers, warm: warm, journal: journal, audit: audit) }
    }
    var workers: [WorkerHandle] { parts.withLock { $0.workers } }
    var warm: WarmService? { parts.withLock { $0.warm } }
    var journal: JournalService? { parts.withLock { $0.journal } }
    var audit: AuditService? { parts.withLock { $0.audit } }

    func nextClientID() -> Int64 { clientID.add(1, ordering: .relaxed).newValue }

    /// Counts a client in; false when there are as many as there may be.
    func admitClient() -> Bool {
        let limit = settings.withLock { $0.server.maxClients }
        guard clientsConnected.value < Int64(limit) else {
            clientsRejected.add()
            return false
        }
        clientsConnected.add(1)
        return true
    }

    func clientDidClose() { clientsConnected.add(-1) }

    /// Counts a pinned connection to Redis in; false when there are as many as there may be.
    func takePin() -> Bool {
        let limit = Int64(settings.withLock { $0.server.maxPinned })
        // Several workers may ask at the same time: whoever passes the limit steps back.
        guard pinsInUse.add(1, ordering: .relaxed).newValue <= limit else {
            givePinBack()
            return false
        }
        return true
    }

    func givePinBack() { pinsInUse.subtract(1, ordering: .relaxed) }

    func workerDidStop() {
        if workersRunning.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { onAllStopped() }
    }

    func redisIsMisconfigured(_ detail: String) { onMisconfigured(detail) }
}
