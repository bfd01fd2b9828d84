// One life of a sidecar's process: everything that ships below its sockets, over virtual time.
//
//     clients (the world's steps) ──► Tiers × workers ──► RedisConnection ──► simulated Redis
//                                        │   └──► WarmPort ──► WarmKeeper, WarmTier ──┐
//                                        └──────► JournalPort ──► JournalKeeper ──────┴──► simulated disk
//
// What the server's threads do is done by SimulatedThread's turns; what its worker does between requests, here.

internal import Journal
internal import LocalTier
internal import Primitives
internal import RedisTier
internal import Resilience
internal import TestSupport
internal import Tiers
internal import WarmTier

/// A sidecar's process from its start until it is killed.
final class Process {
    let local: LocalTier
    let share: TierShare
    let warm: WarmTier
    let changes: WarmChanges
    let journal: SimulatedJournal?
    private(set) var workers: [Tiers] = []
    private(set) var connections: [RedisConnection] = []
    /// Set when it has ended: what it had scheduled still comes due, and finds nothing to do.
    private(set) var hasEnded = false

    private let time: SimulatedScheduler
    private let writing: SimulatedThread<WarmJob>
    private let reading: SimulatedThread<WarmRead>
    private var replay: Replay?
    private var replayConnection: RedisConnection?
    private var prober: BreakerProber?
    private var deletions: DeletionReader?
    private var deletionConnection: RedisConnection?
    let tally: Tally

    /// What a process tells its log, as the coverage counts it.
    final class Tally: @unchecked Sendable {
        var coverage = Coverage()
        var transitions: [String] = []
        var events: [String] = []
    }

    /// Opens its files on `disk` and connects to `redis`, as a process does that starts; nil for the embedded mode.
    init(
        _ shape: Shape, policies: PolicyTable, time: SimulatedScheduler, redis: SimulatedRedis?,
        disk: SimulatedFileSystem, life: UInt64, seed: UInt64
    ) throws {
        self.time = time
        startedAt = time.now
        let tally = Tally()
        self.tally = tally
        let local = try LocalTier(LocalTierConfiguration(maxBytes: shape.localBytes, shards: 1))
        self.local = local
        let gate = BreakerGate(try BreakerConfiguration(openMax: .seconds(2)), seed: seed) {
            tally.coverage.note("breaker \($0.side) \($0.from.rawValue) to \($0.to.rawValue)")
            tally.transitions.append("\($0.side) \($0.to.rawValue): \($0.cause)")
        }
        share = TierShare(local: local, breaker: gate, workers: shape.workers, identity: seed &* 1000 | 1)
        let writer = try WarmTier.open(
            WarmTierConfiguration(
                directory: "/warm", maxBytes: shape.warmBytes,
                sync: shape.warmSyncsAlways ? .always : .interval(milliseconds: 1000),
                whenFull: shape.isEmbedded ? .refuse : .evict, compressMin: seed % 2 == 0 ? 64 : nil), fileSystem: disk,
            now: time.now)
        warm = writer.tier
        tally.coverage.note("recovery skipped damage", writer.skippedAtOpening.count)
        let changes = WarmChanges(localBytes: local.arenaBytes)
        self.changes = changes
        let keeper = WarmKeeper(writer, changes: changes, local: local) { tally.note($0) }
        writing = SimulatedThread(time, capacity: shape.queueMax) { keeper.turn($0, now: time.now) }
        writing.gathering = {
            WarmKeeper.mayGather($0) ? .milliseconds(WarmKeeper.gatheringMilliseconds) : .zero
        }
        let tier = writer.tier
        reading = SimulatedThread(time, capacity: shape.queueMax) { jobs in
            for job in jobs { job.answer(changes, tier, now: time.now) }
            return 60_000
        }
        let queues = WarmQueues(tier: tier, changes: changes, reads: reading, writes: writing)
        journal =
            redis == nil
            ? nil
            : try SimulatedJournal(time, disk: disk, local: local, maxBytes: shape.journalBytes) {
                queues.change($0, $1, now: time.now)
            }
        writing.start()
        var configuration = RedisConfiguration()
        configuration.pipelineMax = shape.pipelineMax
        if let journal { configuration.clientName = Replay.clientName(identity: journal.identity, life: life) }
        for index in 0..<shape.workers {
            let warm = WarmPort(queues, courier: SimulatedCourier(time), scheduler: time)
            work(policies, configuration, redis, warm, seed: seed &+ UInt64(index))
        }
        if let redis { attend(to: redis, configuration, deletionsMax: shape.deletionsMax, seed: seed) }
        keepHouse()
    }

    /// Adds a worker.
    private func work(
        _ policies: PolicyTable, _ configuration: RedisConfiguration, _ redis: SimulatedRedis?, _ warm: WarmPort,
        seed: UInt64
    ) {
        func connect(_ seed: UInt64) -> RedisConnection? {
            redis.map { redis in
                RedisConnection(configuration, scheduler: time, seed: seed) { redis.makeTransport($0) }
            }
        }
        let connection = connect(seed)
        let tiers = Tiers(
            share: share, policies: policies, redis: connection, warm: warm, journal: journal, scheduler: time,
            makeConnection: redis.map { redis in
                { [time] in
                    RedisConnection(configuration, scheduler: time, seed: seed &+ 1000) { redis.makeTransport($0) }
                }
            })
        workers.append(tiers)
        guard let connection else { return }
        connections.append(connection)
        connection.start()
    }

    /// What the first worker does for all: the breaker's probes, the deletions of others, and the replay.
    private func attend(
        to redis: SimulatedRedis, _ configuration: RedisConfiguration, deletionsMax: Int, seed: UInt64
    ) {
        prober = BreakerProber(workers[0], redis: connections[0]) { [unowned self] in self.replay?.step() }
        prober?.start()
        share.deletions.maxEntries = deletionsMax
        let reading = RedisConnection(configuration, scheduler: time, seed: seed &+ 200) { redis.makeTransport($0) }
        deletionConnection = reading
        deletions = DeletionReader(workers[0], connection: reading) { [tally] in tally.note($0) }
        deletions?.start()
        guard let journal else { return }
        let connection = RedisConnection(configuration, scheduler: time, seed: seed &+ 100) { redis.makeTransport($0) }
        replayConnection = connection
        replay = Replay(workers[0], connection: connection, journal: journal, identity: journal.identity) {
            [tally] in tally.note($0)
        }
        for tiers in workers { tiers.onJournaled = { [unowned self] in self.replay?.step() } }
    }

    /// Whether this process has read, since it started, what was deleted before.
    var knowsDeletions: Bool { share.deletions.figures.heardAt.map { $0 > startedAt } ?? false }
    private let startedAt: Timestamp

    /// Ten times a second, as a worker does it.
    private func keepHouse() {
        time.after(nanoseconds: 100_000_000) { [weak self] in
            guard let self, !hasEnded else { return }
            var rounds = 0
            while !local.sweep(now: time.now, budget: 512).isDone, rounds < 8 { rounds += 1 }
            replay?.step()
            deletions?.step()
            keepHouse()
        }
    }

    /// The end of an iteration of each worker's loop.
    func endIteration() {
        guard !hasEnded else { return }
        for tiers in workers { while tiers.hasOutgoing { tiers.flush() } }
    }

    /// The process is gone, with all that was in its memory; its connections end as a killed process's do.
    func end() {
        hasEnded = true
        prober?.stop()
        journal?.stop()
        writing.stop()
        reading.stop()
        for connection in connections + [replayConnection, deletionConnection].compactMap({ $0 }) { connection.close() }
        noteFigures()
    }

    /// How long the disk takes.
    func slowDisk(_ latency: Duration) {
        writing.latency = latency
        reading.latency = latency
        journal?.latency = latency
    }

    // MARK: What it says of itself

    /// What is over a maximum.
    func excesses(_ shape: Shape) -> [String] {
        var found: [String] = []
        func check(_ name: String, _ value: Int, _ limit: Int) {
            if value > limit { found.append("\(name): \(value), at most \(limit) are allowed") }
        }
        // What waits for a connection that is made is behind its handshake, which is one more.
        for connection in connections {
            check("a connection's pipeline", connection.pipelineDepth, shape.pipelineMax + 1)
        }
        check("jobs of the warm tier", writing.waitedMax, shape.queueMax)
        check("reads of the warm tier", reading.waitedMax, shape.queueMax)
        check("bytes that wait for the warm tier", changes.sizes.bytes, changes.bytesMax)
        check("keys that wait for the warm tier", changes.sizes.keys, WarmChanges.keysMax)
        check("distrusted keys", changes.sizes.distrusted, WarmChanges.keysMax)
        check("the warm tier's files", warm.statistics.diskBytes, shape.warmBytes)
        if let journal { check("the journal's files", journal.keeper.journal.statistics.diskBytes, shape.journalBytes) }
        let memory = local.statistics()
        check("bytes of local memory", memory.bytesUsed, memory.bytesTotal)
        check("local memory's arena", memory.bytesArena, shape.localBytes)
        return found
    }

    /// What is held in memory is accounted to the byte: nothing is left when everything was removed.
    func memoryLeft() -> String? {
        local.removeAll()
        let memory = local.statistics()
        guard memory.entries > 0 || memory.bytesUsed > 0 else { return nil }
        return "local memory holds \(memory.bytesUsed) bytes in \(memory.entries) entries when all were removed"
    }

    private func noteFigures() {
        func note(_ name: String, _ count: UInt64) { tally.coverage.note(name, Int(count)) }
        for tiers in workers {
            let counters = tiers.counters
            note("read: fresh from memory", counters.localFresh.value)
            note("read: stale from memory", counters.localStale.value)
            note("read: from Redis", counters.redisFresh.value)
            note("read: Redis knew of none", counters.redisAbsent.value)
            note("read: stale from the warm tier", counters.warmStale.value)
            note("read: the disk failed", counters.warmError.value)
            note("read: from the journal", counters.journalReads.value)
            note("read: unknown", counters.unknowns.value)
            note("read: refused", counters.unavailable.value)
            note("read: coalesced", counters.coalesced.value)
            note("read: soft timeout", counters.softTimeouts.value)
            note("read: tried again", counters.retries.value)
            note("read: refreshed ahead", counters.refreshes.value)
            note("warm: promoted to Redis", counters.promoted.value)
            note("records: reapplied", counters.recordsReapplied.value)
            note("write: failed in Redis", counters.writesFailed.value)
        }
        note("deletions: read", share.deletions.entriesRead.value)
        note("deletions: copies not promoted", share.deletions.refusedPromotions.value)
        note("deletions: dead copies removed", share.deletions.removedCopies.value)
        let journaled = share.journalCounters
        note("journal: accepted", journaled.accepted.value)
        note("journal: refused", journaled.refused.value)
        note("journal: replayed", journaled.replayed.value)
        note("conflict: overwrote", journaled.overwrote.value)
        note("conflict: kept", journaled.kept.value)
        note("conflict: failed", journaled.failed.value)
        let figures = warm.statistics
        tally.coverage.note("warm: evicted", figures.evicted)
        tally.coverage.note("warm: compacted", figures.compacted)
        tally.coverage.note("warm: second chances", figures.secondChances)
        tally.coverage.note("warm: expired", figures.expired)
        tally.coverage.note("warm: failed commits", figures.failedCommits)
        tally.coverage.note("warm: damaged", figures.damaged)
        tally.coverage.note("warm: changes dropped", changes.dropped)
        if let figures = journal?.keeper.journal.statistics {
            tally.coverage.note("journal: superseded", figures.superseded)
            tally.coverage.note("journal: failed commits", figures.failedCommits)
            tally.coverage.note("journal: bytes moved", figures.compactedBytes)
        }
        let memory = local.statistics()
        note("local: evicted for room", memory.removedByCapacity)
        note("local: fills cancelled", memory.fillsCancelled)
    }
}

extension Process.Tally {
    fileprivate func note(_ event: DeletionEvent) {
        switch event {
        case .joined: coverage.note("deletions: joined")
        case .beganAnew: coverage.note("deletions: the stream began anew")
        case .missed: coverage.note("deletions: may have been missed")
        case .refused: coverage.note("deletions: refused")
        case .notKept: coverage.note("deletions: not kept")
        }
    }

    fileprivate func note(_ event: WarmEvent) {
        switch event {
        case .changeRefused: coverage.note("warm: a change was refused")
        case .archiveRefused: coverage.note("warm: turns were not archived")
        case .commitFailed: coverage.note("warm: a commit failed")
        case .syncFailed: coverage.note("warm: a synchronisation failed")
        case .degraded: coverage.note("warm: degraded")
        case .recovered: coverage.note("warm: recovered")
        }
    }

    fileprivate func note(_ event: ReplayEvent) {
        switch event {
        case .held: coverage.note("replay: held")
        case .began: coverage.note("replay: began")
        case .ended: coverage.note("replay: ended")
        case .conflict(let conflict):
            let key = String(decoding: conflict.key, as: UTF8.self)
            events.append("conflict of \(key): \(conflict.operation), \(conflict.verdict.label)")
        case .refused(let text):
            coverage.note("replay: refused")
            events.append("replay refused: \(text)")
        }
    }
}
