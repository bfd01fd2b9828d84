// A worker: a thread with a loop, its clients, and the tiers as they see them.

internal import EventLoop
internal import LocalTier
internal import Primitives
internal import RESP
internal import RedisTier
internal import Resilience
internal import Tiers

/// What other threads tell a worker.
enum WorkerMessage: Sendable {
    case adopt(descriptor: Int32, isUnix: Bool, Peer)
    /// Runs on the worker's thread: answers of the warm tier, questions of the admin plane.
    case run(@Sendable () -> Void)
    /// Goes on with the replay, on the worker that does it.
    case replay(adopting: Bool)
    /// Behind a reference: every message would take as much room in the mailbox.
    indirect case reload(PolicyTable, RedisConfiguration?, ServerConfiguration)
    /// Takes no more requests, answers what is in flight, and stops; after so long in any case.
    case drain(milliseconds: Int64)
    /// The audit has this worker's lines up to a ticket, or says why it has not.
    case audited(through: UInt64, failure: String?)
}

/// Who is on the other side of a connection.
struct Peer: Sendable {
    var uid: UInt32
    var gid: UInt32
    var pid: Int32
    /// The other side's address where it came by TCP; nothing else is known of it then.
    var address: String?
}

/// A worker; everything but `mailbox`, `counters` and `tiers.counters` belongs to its thread.
final class Worker {
    let index: Int
    let loop: Loop
    let mailbox: Mailbox<WorkerMessage>
    let counters = ServerCounters()
    let log: Log
    let process: ProcessContext
    private(set) var tiers: Tiers
    private(set) var configuration: ServerConfiguration
    /// What was reported of each of the connections to Redis that failed.
    private var disconnects: [String: RepeatedReport<String>] = [:]
    private(set) var connections: [Int64: Connection] = [:]
    private var dirty: [Connection] = []
    private var read: [Connection] = []
    private var iterationEnd: IterationEnd?
    private var housekeeping: Timer?
    /// The first worker's: it probes for all.
    private var prober: BreakerProber?
    private var drainTimer: Timer?
    private var isDraining = false
    private var degradedReported = DegradedAnswers()
    private var degradedReportedAt = Int64.min / 2
    let redis: RedisConnection?
    let journal: JournalPort?
    /// The first worker's: it replays for all.
    private(set) var replay: Replay?
    private var replayConnection: RedisConnection?
    /// The first worker's: it delivers for all.
    private var outbox: Outbox?
    private var lifecycle: LifecycleWalk?
    /// The first worker's: it reads for all what other sidecars have deleted.
    private var deletions: DeletionReader?
    /// Nil where no Redis is configured.
    private(set) var passage: Passage?
    /// Nil where there is no audit.
    let audit: AuditPort?
    /// Whether the policies ask for any reads, and for any writes, to be audited.
    private(set) var auditsReads = false
    private(set) var auditsWrites = false
    /// Whether any policy names the schema of its values.
    private(set) var hasSchemas = false
    /// Nil where no Redis is configured.
    private var tracker: Tracker?
    /// The next plain GET tells how old its answer is.
    private var samplesStaleness = false
    private let receiver: Receiver
    private let scheduler: LoopScheduler

    // The batch of requests that one iteration of the loop brought.
    private(set) var batchStart: Int64 = 0
    private(set) var batchNow = Timestamp.distantPast
    /// Up to when what is answered without verification is known to have been true; `distantPast` where it is not.
    private(set) var recordsProvedUntil = Timestamp.distantPast
    private var isBatchOpen = false
    let local: LocalTier
    var gets = GetRun()
    /// Where in the buffer under way a GET begins that local memory could not answer.
    var missedAt = -1
    var localHits = 0
    var localAbsents = 0
    var localStales = 0
    var localRecordHits = 0

    /// Made on the thread that starts the server, handed to its own by `run`.
    init(
        index: Int, process: ProcessContext, warm: WarmService?, journal: JournalService?, audit: AuditService?
    ) {
        self.index = index
        self.process = process
        local = process.share.local
        log = process.log
        let loop = Loop()
        self.loop = loop
        configuration = process.settings.withLock { $0.server }
        let (policies, redisConfiguration) = process.settings.withLock { ($0.policies, $0.redis) }
        let receiver = Receiver()
        self.receiver = receiver
        mailbox = Mailbox(on: loop) { messages in
            for message in messages { receiver.worker?.receive(message) }
        }
        let scheduler = LoopScheduler(loop)
        if redisConfiguration != nil { scheduler.measureWaiting() }
        self.scheduler = scheduler
        let resolver = Resolver(on: loop)
        func connect(_ configuration: RedisConfiguration, _ manner: RedisConnection.Manner) -> RedisConnection {
            RedisConnection(configuration, manner: manner, scheduler: scheduler, seed: .random(in: .min ... .max)) {
                StreamTransport($0, on: loop, resolver: resolver)
            }
        }
        redis = redisConfiguration.map { connect($0, RedisConnection.Manner()) }
        let courier = WorkerCourier(mailbox: mailbox)
        let port = warm.map { WarmPort($0.queues, courier: courier, scheduler: scheduler) }
        let journalPort = journal.map { JournalPort($0.pending, jobs: $0.jobs, courier: courier) }
        self.journal = journalPort
        self.audit = audit.map { [mailbox] audit in AuditPort(audit, mailbox: mailbox) }
        tiers = Tiers(
            share: process.share, policies: policies, redis: redis, warm: port, journal: journalPort,
            scheduler: scheduler,
            makeConnection: redisConfiguration.map { configuration in
                { connect(process.settings.withLock { $0.redis } ?? configuration, RedisConnection.Manner()) }
            })
        if index == 0, let journal, let journalPort, let redisConfiguration {
            // Of its own, so that no request of a client waits behind a replay.
            let connection = connect(redisConfiguration, RedisConnection.Manner())
            replayConnection = connection
            replay = Replay(
                tiers, connection: connection, journal: journalPort, identity: journal.identity,
                configuration: journal.plan.replay
            ) { [log] in log.note($0) }
        }
        if index == 0, redisConfiguration != nil {
            outbox = Outbox(tiers, seed: .random(in: .min ... .max)) { [log] in log.note($0) }
        }
        if index == 0, let redisConfiguration, warm != nil {
            let connection = connect(redisConfiguration, RedisConnection.Manner())
            deletions = DeletionReader(tiers, connection: connection) { [log] in log.note($0) }
        }
        if redisConfiguration != nil {
            passage = Passage(self) { manner in
                connect(process.settings.withLock { $0.redis } ?? RedisConfiguration(), manner)
            }
        }
        if let redis, let redisConfiguration {
            tracker = Tracker(tiers, worker: index, data: redis) {
                connect(process.settings.withLock { $0.redis } ?? redisConfiguration, RedisConnection.Manner())
            } onEvent: { [log] in
                log.note($0, worker: index)
            }
        }
        receiver.worker = self
        judgePolicies()
        tiers.onJournaled = { [unowned process] in process.replayNow() }
        redis?.delegate = receiver
        redis?.gathersUntilFlush = true
        journalPort?.gathersUntilFlush = true
    }

    /// Breaks the circle between a worker and what is made before it and calls it.
    ///
    /// Unsafe for speed: one weak reference to an object makes every counting of its references slow (swift's side
    /// tables), and a worker is counted on each request. It outlives its loop, and with it everything that calls here.
    private final class Receiver: RedisConnectionDelegate {
        unowned(unsafe) var worker: Worker?

        func redisDidConnect(_ connection: RedisConnection) { worker?.redisDidConnect(connection) }
        func redisDidDisconnect(_ connection: RedisConnection, _ failure: RedisFailure) {
            worker?.redisDidDisconnect(failure, "own")
        }
    }

    /// Serves until drained; on the worker's own thread.
    func run() {
        iterationEnd = IterationEnd(on: loop) { [unowned self] in self.endIteration() }
        let timer = Timer(on: loop) { [unowned self] in self.keepHouse() }
        timer.start(afterMilliseconds: 100, repeatMilliseconds: 100)
        timer.unreference()
        housekeeping = timer
        if index == 0, let redis {
            prober = BreakerProber(tiers, redis: redis) { [unowned self] in self.replay?.step() }
            prober?.start()
        }
        tracker?.start()
        if index == 0 { lifecycle = LifecycleWalk(tiers) }
        redis?.start()
        deletions?.start()
        loop.run()
    }

    // MARK: Batches and iterations

    /// Before requests are carried out: one reading of the clocks serves all of an iteration.
    func beginBatch() {
        guard !isBatchOpen else { return }
        isBatchOpen = true
        batchStart = Loop.monotonicNanoseconds
        batchNow = Loop.wallClock
        // This thread may have been held up for longer than a proof is good for.
        if process.share.coherence.isOverdue(now: batchStart) { process.share.coherence.lapse(now: batchStart) }
        recordsProvedUntil = tiers.provedUntil ?? .distantPast
    }

    /// Now and then: how old is what the GET at `offset` is about to be answered with?
    @inline(__always)
    func sampleStaleness(at offset: Int, of buffer: UnsafeRawBufferPointer) {
        if samplesStaleness { takeSample(at: offset, of: buffer) }
    }

    @inline(never)
    private func takeSample(at offset: Int, of buffer: UnsafeRawBufferPointer) {
        guard let get = PlainGet(buffer, at: offset) else { return }
        samplesStaleness = false
        let key = UnsafeRawBufferPointer(rebasing: buffer[get.key..<get.key + get.keyCount])
        tiers.sampleStaleness(key, hash: KeyHash(key), now: batchNow)
    }

    /// Another buffer is carried out.
    @inline(__always)
    func forgetGets() {
        gets.forget()
        missedAt = -1
    }

    /// Accounts for what local memory answered in this iteration, when the answers have left.
    private func endBatch() {
        isBatchOpen = false
        if localRecordHits > 0 { accountForRecords() }
        let answered = localHits + localAbsents + localStales
        guard answered > 0 else { return }
        defer { (localHits, localAbsents, localStales) = (0, 0, 0) }
        let elapsed = max(0, Loop.monotonicNanoseconds - batchStart)
        counters.commands.add(UInt64(answered))
        counters.record(.get, nanoseconds: elapsed, count: UInt64(answered))
        tiers.counters.localFresh.add(UInt64(localHits))
        if localStales > 0 { tiers.counters.localStale.add(UInt64(localStales)) }
        if localAbsents > 0 { tiers.counters.localAbsent.add(UInt64(localAbsents)) }
        tiers.counters.localLatency.record(UInt64(elapsed), count: UInt64(answered))
    }

    private func accountForRecords() {
        let answered = UInt64(localRecordHits)
        localRecordHits = 0
        let elapsed = max(0, Loop.monotonicNanoseconds - batchStart)
        counters.commands.add(answered)
        counters.record(.recordRead, nanoseconds: elapsed, count: answered)
        tiers.counters.localFresh.add(answered)
        tiers.counters.localLatency.record(UInt64(elapsed), count: answered)
    }

    func markRead(_ connection: Connection) {
        guard !connection.wasRead else { return }
        connection.wasRead = true
        read.append(connection)
    }

    func markDirty(_ connection: Connection) {
        guard !connection.isDirty else { return }
        connection.isDirty = true
        dirty.append(connection)
    }

    /// After the events of an iteration: what they asked of Redis leaves together, then what they answered.
    private func endIteration() {
        repeat {
            tiers.flush()
            redis?.flush()
            passage?.flush()
            journal?.flush()
            sendAnswers()
            let settled = dirty
            dirty = []
            for connection in settled {
                connection.isDirty = false
                connection.settle()
            }
        } while !dirty.isEmpty || tiers.hasOutgoing || redis?.hasGathered == true || passage?.hasGathered == true
            || journal?.hasGathered == true
        if isBatchOpen { endBatch() }
        if isDraining { finishDrainIfIdle() }
    }

    private func sendAnswers() {
        // None is added meanwhile: only an event of the loop reads.
        for connection in read {
            connection.wasRead = false
            connection.sendAnswers()
        }
        read.removeAll(keepingCapacity: true)
    }

    // MARK: Messages

    private func receive(_ message: WorkerMessage) {
        switch message {
        case .adopt(let descriptor, let isUnix, let peer): adopt(descriptor, isUnix, peer)
        case .run(let body): body()
        case .replay(let adopting): if adopting { replay?.adopt() } else { replay?.step() }
        case .reload(let policies, let redis, let server):
            tiers.reload(policies: policies, redis: redis)
            if let redis { replayConnection?.reconfigure(redis) }
            if let redis { deletions?.reconfigure(redis) }
            if let redis { passage?.reconfigure(redis) }
            // After this worker judges by the new policies: what it held or asked for under the old ones is thought
            // about again. Each worker does so for what it might have filled until now.
            process.share.local.requireThought()
            process.share.coherence.renew()
            configuration = server
            judgePolicies()
        case .drain(let milliseconds): drain(milliseconds)
        case .audited(let ticket, let failure): audit?.written(through: ticket, failure: failure)
        }
    }

    /// Takes over what the policies ask for.
    private func judgePolicies() {
        auditsReads = audit != nil && tiers.policies.auditsReads
        auditsWrites = audit != nil && tiers.policies.auditsWrites
        hasSchemas = tiers.policies.hasSchemas
        for connection in connections.values { connection.judgePlain() }
    }

    private func adopt(_ descriptor: Int32, _ isUnix: Bool, _ peer: Peer) {
        do {
            let stream = try Stream.open(descriptor: descriptor, isUnix: isUnix, on: loop)
            let connection = Connection(stream, peer: peer, id: process.nextClientID(), worker: self)
            connections[connection.id] = connection
            counters.connectionsOpened.add()
            if isDraining { connection.close() } else { stream.resumeReading() }
        } catch {
            process.clientDidClose()
            log.write(.warning, "client_refused") { $0.member("error", "\(error)") }
        }
    }

    func didClose(_ connection: Connection) {
        guard connections.removeValue(forKey: connection.id) != nil else { return }
        counters.connectionsClosed.add()
        passage?.release(connection)
        process.clientDidClose()
    }

    // MARK: Housekeeping

    /// Ten times a second: expiry behind the reads, idle clients, and figures that others read.
    private func keepHouse() {
        if index == 0 {
            let now = Loop.wallClock
            var rounds = 0
            while !process.share.local.sweep(now: now, budget: 512).isDone, rounds < 8 { rounds += 1 }
        }
        let idle = configuration.idle.nanoseconds
        if idle > 0 {
            let since = Loop.monotonicNanoseconds - idle
            for connection in connections.values where connection.isIdleSince(since) {
                counters.closedIdle.add()
                connection.close()
            }
        }
        samplesStaleness = redis != nil
        replay?.step()
        outbox?.step()
        lifecycle?.step()
        deletions?.step()
        passage?.keepHouse()
        counters.passedConnections.set(Int64(passage?.connectionCount ?? 0))
        counters.redisPipelineDepth.set(Int64(redis?.pipelineDepth ?? 0))
        reportDegraded()
    }

    /// Answers that were given without the authority.
    private struct DegradedAnswers: Equatable {
        var stale: UInt64 = 0
        var defaults: UInt64 = 0
        var unknown: UInt64 = 0
        var unavailable: UInt64 = 0
    }

    /// Tells the log that answers were given without the authority: at once, and then every ten seconds while it goes
    /// on.
    private func reportDegraded() {
        let moment = Loop.monotonicNanoseconds
        let tier = tiers.counters
        let total = DegradedAnswers(
            stale: tier.localStale.value + tier.warmStale.value, defaults: tier.defaults.value,
            unknown: tier.unknowns.value, unavailable: tier.unavailable.value)
        guard total != degradedReported, moment - degradedReportedAt >= 10_000_000_000 else { return }
        let last = degradedReported
        (degradedReported, degradedReportedAt) = (total, moment)
        log.write(.warning, "degraded_answers") {
            $0.member("worker", index)
            $0.member("stale", total.stale - last.stale)
            $0.member("default", total.defaults - last.defaults)
            $0.member("unknown", total.unknown - last.unknown)
            $0.member("unavailable", total.unavailable - last.unavailable)
        }
    }

    // MARK: Draining

    private func drain(_ milliseconds: Int64) {
        guard !isDraining else { return }
        isDraining = true
        // What blocks in Redis may do so for ever: its client hears that the connection ended.
        for connection in Array(connections.values) {
            if connection.pin.map({ $0.blocked > 0 }) ?? false {
                connection.close()
            } else {
                connection.closeAfterReplies()
            }
        }
        let timer = Timer(on: loop) { [unowned self] in self.stop() }
        timer.start(afterMilliseconds: milliseconds)
        drainTimer = timer
        finishDrainIfIdle()
    }

    private func finishDrainIfIdle() {
        if connections.isEmpty { stop() }
    }

    private func stop() {
        guard let iterationEnd else { return }
        self.iterationEnd = nil
        for connection in Array(connections.values) { connection.close() }
        // First, so that it does not take what follows for a gap to be mended.
        tracker?.close()
        redis?.close()
        replayConnection?.close()
        deletions?.close()
        passage?.close()
        tiers.close()
        iterationEnd.close()
        scheduler.close()
        housekeeping?.close()
        prober?.stop()
        drainTimer?.close()
        mailbox.close()
        process.workerDidStop()
    }
}

extension Worker {
    fileprivate func redisDidConnect(_ connection: RedisConnection) {
        counters.redisConnects.add()
        disconnects.removeAll()
        log.write(.info, "redis_connected") { $0.member("worker", index) }
        passage?.hasten()
        prober?.step()
    }

    /// `connection` says which of the worker's: its `own`, or one that is `shared` by passed-through commands.
    func redisDidDisconnect(_ failure: RedisFailure, _ connection: String) {
        counters.redisDisconnects.add()
        let isMisconfigured = failure.cause == .misconfigured
        if isMisconfigured { process.redisIsMisconfigured(failure.detail) }
        // Attempts follow each other for as long as Redis is away: a line for each would bury all others.
        let report = failure.cause.rawValue + failure.detail
        let passedOver = disconnects[connection, default: RepeatedReport(interval: 60_000_000_000)]
            .take(report, now: Loop.monotonicNanoseconds)
        guard let passedOver else { return }
        let address = process.settings.withLock { $0.redis?.endpoint.text } ?? ""
        log.write(isMisconfigured ? .error : .warning, isMisconfigured ? "redis_misconfigured" : "redis_disconnected") {
            $0.member("worker", index)
            $0.member("connection", connection)
            $0.member("redis", address)
            $0.member("cause", failure.cause.rawValue)
            $0.member("detail", failure.detail)
            if passedOver > 0 { $0.member("since_the_last_line", passedOver) }
        }
    }
}

extension Log {
    /// Tells of coherence.
    fileprivate func note(_ event: CoherenceEvent, worker: Int) {
        switch event {
        case .live: write(.info, "coherence_live") { $0.member("worker", worker) }
        case .gap(let reason):
            write(.warning, "coherence_gap") {
                $0.member("worker", worker)
                $0.member("reason", reason)
            }
        case .refused(let error):
            write(.error, "coherence_refused") {
                $0.member("worker", worker)
                $0.member("error", error)
                $0.member(
                    "what_to_do",
                    "reads are bounded by max_staleness; for tracking Hearth's user needs CLIENT, SUBSCRIBE to "
                        + "&__redis__:invalidate and ~hearth:*, and Redis 6 or later")
            }
        }
    }

    /// Tells of the stream of deletions.
    fileprivate func note(_ event: DeletionEvent) {
        switch event {
        case .joined(let remembered): write(.info, "deletions_joined") { $0.member("remembered", remembered) }
        case .beganAnew(let told):
            write(.warning, "deletions_began_anew") {
                $0.member("told", told)
                $0.member(
                    "reason", "Redis came back without its data: copies on disks refill it, but for known deletions")
            }
        case .missed(let reason):
            write(.warning, "deletions_missed") {
                $0.member("reason", reason)
                $0.member(
                    "consequence", "copies on this disk are not given to Redis before they were compared with it")
            }
        case .refused(let error):
            write(.error, "deletions_refused") {
                $0.member("error", error)
                $0.member(
                    "what_to_do",
                    "no copy on disk is given to Redis; Hearth's user needs +xadd +xrange +xrevrange +eval on "
                        + "~hearth:*, and hearth:deletions must be a stream or absent; redis.deletions: 0 does without it"
                )
            }
        case .notKept:
            write(.warning, "deletions_not_kept") {
                $0.member("reason", "the disk did not take them; they are read again after a restart")
            }
        }
    }

    /// Tells of the outbox; streams are keys, and so hashed.
    fileprivate func note(_ event: OutboxEvent) {
        func hash(_ stream: [UInt8]) -> String {
            String(decoding: SHA1Digest(stream).hexadecimal.prefix(16), as: UTF8.self)
        }
        switch event {
        case .stuck(let stream, let reason, let messages):
            write(.error, "outbox_stuck") {
                $0.member("stream_hash", hash(stream))
                $0.member("reason", reason)
                $0.member("messages", messages)
                $0.member(
                    "what_to_do",
                    "ZRANGE hearth:outbox 0 -1 names the streams; once this one can be appended to, its messages follow"
                )
            }
        case .delivered(let stream): write(.info, "outbox_delivered") { $0.member("stream_hash", hash(stream)) }
        case .refused(let reason): write(.error, "outbox_refused") { $0.member("error", reason) }
        }
    }

    /// Tells of a replay; keys as hashes.
    fileprivate func note(_ event: ReplayEvent) {
        switch event {
        case .held(let entries):
            write(.error, "replay_held") {
                $0.member("entries", entries)
                $0.member("reason", "they were accepted for another redis.url than the present one")
                $0.member(
                    "what_to_do",
                    "start with that redis.url, or hearth journal replay to give them to this one, or discard them")
            }
        case .began(let entries): write(.info, "replay_began") { $0.member("entries", entries) }
        case .ended(let entries, let conflicts, let milliseconds):
            write(conflicts == 0 ? .info : .warning, "replay_ended") {
                $0.member("entries", entries)
                $0.member("conflicts", conflicts)
                $0.member("milliseconds", milliseconds)
            }
        case .conflict(let conflict):
            write(.warning, "journal_conflict") {
                $0.member("key_hash", String(decoding: SHA1Digest(conflict.key).hexadecimal.prefix(16), as: UTF8.self))
                $0.member("sequence", conflict.sequence)
                $0.member("verdict", conflict.verdict.label)
            }
        case .refused(let reason): write(.error, "replay_refused") { $0.member("error", reason) }
        }
    }
}
