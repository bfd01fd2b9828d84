// The server as a whole: what is opened in which order, and how it ends.
//
//     main thread (listener, signals) ──descriptors──► worker threads (a loop each)
//                                                         │  mailboxes
//     log thread     admin thread (its own module)        ▼
//                                      warm writer, warm readers, journal, audit
//
// DESIGN: the socket is looked at first, so that a second start says so and touches nothing; the warm tier next, whose
// lock keeps a second process from its files; clients come last. The end goes the other way round.

internal import EventLoop
internal import Journal
public import LocalTier
internal import Primitives
public import RedisTier
public import Resilience
public import Tiers
public import WarmTier

/// Everything that a server is started with.
public struct ServerPlan: Sendable {
    public var server: ServerConfiguration
    /// Nil where no Redis is configured: the warm tier is the authority.
    public var redis: RedisConfiguration?
    public var local: LocalTierConfiguration
    public var warm: WarmTierConfiguration
    /// Nil where no write is ever journaled.
    public var journal: JournalPlan?
    public var breaker: BreakerConfiguration
    public var policies: PolicyTable
    /// Nil where nothing is audited.
    public var audit: AuditPlan?

    public init(
        server: ServerConfiguration, redis: RedisConfiguration?, local: LocalTierConfiguration,
        warm: WarmTierConfiguration, journal: JournalPlan?, breaker: BreakerConfiguration, policies: PolicyTable,
        audit: AuditPlan? = nil
    ) {
        self.server = server
        self.redis = redis
        self.local = local
        self.warm = warm
        self.journal = journal
        self.breaker = breaker
        self.policies = policies
        self.audit = audit
    }
}

/// A running server. `start` opens everything or throws; `run` serves until drained, on the calling thread.
public final class HearthServer {
    let context: ProcessContext
    let warm: WarmService
    let journal: JournalService?
    let audit: AuditService?
    private let clientName: String?
    let workers: [WorkerHandle]
    private let loop = Loop()
    private let control: Mailbox<Control>
    private let listeners: [ListeningSocket]
    private var sources: [ReadinessSource] = []
    private var pauseTimer: Timer?
    private var drain: Duration
    private var nextWorker = 0
    private var stopsReceived = 0
    /// Called on the main thread for SIGHUP.
    public var onReload: () -> Void = {}
    private var signals: [SignalSource] = []
    private let manager: ServiceManager
    private var watchdog: Watchdog?

    private enum Control: Sendable {
        case stopped
        case reload
        case misconfigured(String)
    }

    /// Opens the socket, the tiers and the workers; throws with what to do where one of them is not to be had.
    ///
    /// Where the service manager passed sockets, those are listened on instead of `socket.path` and `socket.tcp`.
    public init(_ plan: ServerPlan, log: Log, manager: ServiceManager = .none) throws {
        self.manager = manager
        let passed = try manager.passedSockets(expecting: plan.server.socketPath)
        if !passed.contains(where: \.isUnix) { try ListeningSocket.refuseIfLive(plan.server.socketPath) }
        let local = try LocalTier(plan.local)
        let writer = try Self.naming("warm.path") { try WarmTier.open(plan.warm, now: Loop.wallClock) }
        for skipped in writer.skippedAtOpening {
            log.write(.error, "warm_damage_skipped") { $0.member("range", "\(skipped)") }
        }
        let transitions = TransitionLog(log)
        let breaker = BreakerGate(plan.breaker, seed: .random(in: .min ... .max)) { transitions.note($0) }
        let share = TierShare(local: local, breaker: breaker, workers: plan.server.workers)
        share.deletions.maxEntries = plan.redis?.deletions ?? 0
        let box = ControlBox()
        control = Mailbox(on: loop) { messages in for message in messages { box.receive(message) } }
        let control = control
        let warm = WarmService(writer, local: local, log: log)
        let journal = try plan.journal.map { plan in
            try Self.naming("journal.path") {
                try JournalService(
                    plan, local: local, changeWarm: { warm.queues.change($0, $1, now: Loop.wallClock) }, log: log)
            }
        }
        let audit = try plan.audit.map { try AuditService($0, log: log) }
        (self.warm, self.journal, self.audit) = (warm, journal, audit)
        clientName = journal.map { Replay.clientName(identity: $0.identity, life: .random(in: .min ... .max)) }
        let redis = Self.named(plan.redis, clientName)
        context = ProcessContext(
            log: log, share: share,
            settings: ProcessContext.Settings(server: plan.server, redis: redis, policies: plan.policies),
            transitions: transitions, onAllStopped: { control.send(.stopped) },
            onMisconfigured: { control.send(.misconfigured($0)) })
        let context = context
        workers = (0..<plan.server.workers).map {
            WorkerHandle(Worker(index: $0, process: context, warm: warm, journal: journal, audit: audit))
        }
        context.attach(workers: workers, warm: warm, journal: journal, audit: audit)
        var listeners = passed
        if !passed.contains(where: \.isUnix) {
            listeners.append(try ListeningSocket.unix(plan.server.socketPath, mode: plan.server.socketMode))
        }
        if let tcp = plan.server.tcpListen, passed.allSatisfy(\.isUnix) {
            listeners.append(try ListeningSocket.tcp(tcp))
        }
        self.listeners = listeners
        drain = plan.server.drain
        box.server = self
    }

    /// Opens a directory that the setting `key` names, and says so where the file system refuses it.
    private static func naming<Opened>(_ key: String, _ open: () throws -> Opened) throws -> Opened {
        func refusal(_ error: any Error) -> StartError {
            StartError("\(error); \(key) has to name a directory in which this user may write")
        }
        do {
            return try open()
        } catch let error as WarmError {
            if case .log(.file) = error { throw refusal(error) }
            throw error
        } catch let error as JournalError {
            if case .log(.file) = error { throw refusal(error) }
            throw error
        }
    }

    /// The configuration with the name by which this process's connections are known in Redis.
    private static func named(_ redis: RedisConfiguration?, _ name: String?) -> RedisConfiguration? {
        var redis = redis
        if let name { redis?.clientName = name }
        return redis
    }

    private final class ControlBox {
        weak var server: HearthServer?
        func receive(_ message: Control) { server?.receive(message) }
    }

    /// Serves until SIGTERM or SIGINT, and drains; returns when everything is closed and what was promised is on disk.
    public func run() {
        for signal in [2, 15] as [Int32] {
            signals.append(SignalSource(signal, on: loop) { [unowned self] in self.stop() })
        }
        signals.append(
            SignalSource(1, on: loop) { [unowned self] in
                self.manager.tell("RELOADING=1", "MONOTONIC_USEC=\(Loop.monotonicNanoseconds / 1000)")
                self.audit?.reopen()
                self.onReload()
                self.manager.tell("READY=1")
            })
        for worker in workers { worker.start() }
        for listener in listeners {
            do {
                sources.append(
                    try ReadinessSource(descriptor: listener.descriptor, on: loop) { [unowned self] in
                        self.acceptAll(listener)
                    })
            } catch {
                context.log.write(.error, "listen_failed") { $0.member("error", "\(error)") }
                stop()
            }
        }
        context.isServing.store(true, ordering: .relaxed)
        context.log.write(.info, "serving") {
            $0.member("socket", context.settings.withLock { $0.server.socketPath })
            $0.member("workers", workers.count)
        }
        manager.tell("READY=1", "STATUS=serving on \(context.settings.withLock { $0.server.socketPath })")
        let watchdog = Watchdog(manager, workers)
        watchdog.start(on: loop)
        self.watchdog = watchdog
        loop.run()
        // The journal first: what it accepts is written to the warm tier too.
        if let journal, !journal.stop(waitingUpToMilliseconds: drain.milliseconds + 5000) {
            context.log.write(.error, "journal_stop_timed_out")
        }
        if !warm.stop(waitingUpToMilliseconds: drain.milliseconds + 5000) {
            context.log.write(.error, "warm_stop_timed_out")
        }
        if let audit, !audit.stop(waitingUpToMilliseconds: drain.milliseconds + 5000) {
            context.log.write(.error, "audit_stop_timed_out")
        }
        context.log.write(.info, "stopped")
    }

    /// Begins to drain; a second call leaves at once.
    public func stop() {
        stopsReceived += 1
        guard stopsReceived == 1 else {
            context.log.write(.warning, "stopped_at_once")
            context.log.finish()
            leaveAtOnce()
        }
        context.isServing.store(false, ordering: .relaxed)
        manager.tell("STOPPING=1", "STATUS=draining")
        context.log.write(.info, "draining") { $0.member("milliseconds", drain.milliseconds) }
        for source in sources { source.close() }
        for listener in listeners { listener.close() }
        for worker in workers { worker.mailbox.send(.drain(milliseconds: drain.milliseconds)) }
    }

    /// Takes new policies, limits, time-outs and thresholds at once; the caller has seen that nothing else changed.
    public func reload(_ plan: ServerPlan) {
        let redis = Self.named(plan.redis, clientName)
        context.settings.withLock { settings in
            settings.server = plan.server
            settings.redis = redis
            settings.policies = plan.policies
            settings.generation += 1
        }
        drain = plan.server.drain
        context.share.deletions.maxEntries = plan.redis?.deletions ?? 0
        context.slowLog.reconfigure(plan.server.slowLog)
        context.share.breaker.reconfigure(
            plan.breaker, seed: .random(in: .min ... .max), now: Loop.monotonicNanoseconds)
        for worker in workers { worker.mailbox.send(.reload(plan.policies, redis, plan.server)) }
    }

    /// Called on the main thread when Redis refuses this process; a rotated password file may be the reason.
    public var onRedisMisconfigured: (String) -> Void = { _ in }

    private func receive(_ message: Control) {
        switch message {
        case .stopped:
            for signal in signals { signal.close() }
            watchdog?.stop()
            pauseTimer?.close()
            control.close()
        case .reload: onReload()
        case .misconfigured(let detail): onRedisMisconfigured(detail)
        }
    }

    // MARK: Accepting

    private func acceptAll(_ listener: ListeningSocket) {
        // Bounded, so that a storm of connections does not keep signals waiting.
        for _ in 0..<64 {
            switch listener.accept() {
            case .none: return
            case .exhausted(let reason): return pauseAccepting(reason)
            case .client(let descriptor, let peer): admit(descriptor, peer, listener)
            }
        }
    }

    private func admit(_ descriptor: Int32, _ peer: Peer, _ listener: ListeningSocket) {
        let allowed = context.settings.withLock { $0.server.allowUids }
        if listener.isUnix, !allowed.isEmpty, !allowed.contains(peer.uid) {
            context.clientsRejected.add()
            context.log.write(.warning, "client_refused") {
                $0.member("uid", peer.uid)
                $0.member("error", "not in socket.allow_uids")
            }
            return refuse(descriptor, "-DENIED user id \(peer.uid) is not in socket.allow_uids\r\n")
        }
        guard context.admitClient() else {
            context.log.write(.warning, "client_refused") { $0.member("error", "limits.max_clients is reached") }
            return refuse(descriptor, "-ERR max number of clients reached\r\n")
        }
        let worker = workers[nextWorker]
        nextWorker = (nextWorker + 1) % workers.count
        if !worker.mailbox.send(.adopt(descriptor: descriptor, isUnix: listener.isUnix, peer)) {
            context.clientDidClose()
            closeDescriptor(descriptor)
        }
    }

    private func refuse(_ descriptor: Int32, _ text: String) {
        sendOnce(descriptor, Array(text.utf8))
        closeDescriptor(descriptor)
    }

    /// No descriptor is left: those that are open are served, and new ones are looked at again a little later.
    private func pauseAccepting(_ reason: String) {
        context.log.write(.error, "accept_failed") { $0.member("error", reason) }
        for source in sources { source.pause() }
        let timer = Timer(on: loop) { [unowned self] in
            guard self.stopsReceived == 0 else { return }
            for source in self.sources { source.resume() }
        }
        timer.start(afterMilliseconds: 100)
        pauseTimer = timer
    }
}

/// A worker before and after it is handed to its thread: only what any thread may touch is reachable.
final class WorkerHandle: @unchecked Sendable {
    private let worker: Worker
    let mailbox: Mailbox<WorkerMessage>
    let counters: ServerCounters
    let tierCounters: TierCounters

    init(_ worker: Worker) {
        self.worker = worker
        mailbox = worker.mailbox
        counters = worker.counters
        tierCounters = worker.tiers.counters
    }

    func start() { startThread("hearth-worker") { self.worker.run() } }
}

/// Breaker transitions as log lines and counts.
final class TransitionLog: Sendable {
    private let log: Log
    let counts = Locked<[String: UInt64]>([:])
    /// What a page shows of them.
    let recent = Locked(RecentTransitions())

    init(_ log: Log) { self.log = log }

    func note(_ transition: BreakerTransition) {
        let side = transition.side == .read ? "reads" : "writes"
        counts.withLock { $0["\(side) \(transition.to.rawValue)", default: 0] += 1 }
        recent.withLock {
            $0.note(
                RecentTransitions.Transition(
                    at: Loop.wallClock.milliseconds, side: side, from: transition.from.rawValue,
                    to: transition.to.rawValue, cause: "\(transition.cause)"))
        }
        let isBad = transition.to == .open || transition.to == .forcedOpen
        log.write(isBad ? .warning : .info, "breaker_\(transition.to.rawValue.replacing("-", with: "_"))") {
            $0.member("side", side)
            $0.member("from", transition.from.rawValue)
            $0.member("to", transition.to.rawValue)
            $0.member("cause", "\(transition.cause)")
        }
    }
}
