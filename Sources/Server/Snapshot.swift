// The state of the process as values: the one source of metrics, INFO, HEARTH STATUS and the status document.

internal import EventLoop
internal import LocalTier
internal import Metrics
internal import Resilience
internal import Synchronization
internal import Tiers
internal import WarmTier

/// Every figure at about one moment; made on any thread, without stopping another.
struct Snapshot {
    /// A look-up's tier and result, as labels, and how many there were.
    struct Lookup {
        let tier: String
        let result: TierCounters.LookupResult
        var count: UInt64
    }

    let hasRedis: Bool
    let breakerMode: BreakerMode
    let readState: BreakerState
    let writeState: BreakerState
    let local: LocalTierStatistics
    let localEviction: EvictionRuleKind
    let warm: WarmTierStatistics
    let warmChangesDropped: Int
    let warmReadsWaiting: Int
    let archives:
        (
            turns: UInt64, bytes: UInt64, refused: UInt64, readsFound: UInt64, readsAbsent: UInt64, readsFailed: UInt64
        )
    let journal: JournalFigures?
    let audit: AuditFigures?
    let outbox: OutboxSnapshot
    let erasures: ErasureSnapshot
    let residency: ResidencySnapshot
    let coherence: CoherenceFigures
    let lifecycle: LifecycleFigures
    let clients: Int64
    let clientsRejected: UInt64
    let pinned: Int64
    let maxPinned: Int
    let uptimeSeconds: Int64
    let workers: Int
    let residentBytes: Int
    let slowRequests: UInt64
    let counters: Sums
    let transitions: [String: UInt64]

    /// Sums over all workers.
    struct Sums {
        var commands: UInt64 = 0
        var commandErrors: UInt64 = 0
        var protocolErrors: UInt64 = 0
        var tooBig: UInt64 = 0
        var connectionsOpened: UInt64 = 0
        var closedIdle: UInt64 = 0
        var droppedSlow: UInt64 = 0
        var bytesOut: UInt64 = 0
        var redisConnects: UInt64 = 0
        var redisDisconnects: UInt64 = 0
        var redisPipelineDepth: Int64 = 0
        var recordConflicts: UInt64 = 0
        var recordsFenced: UInt64 = 0
        var recordsTooBig: UInt64 = 0
        var recordsOfNoSchema: UInt64 = 0
        /// Reads of values in another schema than their policy's, by what came of it.
        var schemaReads: [String: UInt64] = [:]
        var schemaWrittenBack: UInt64 = 0
        var recordsReapplied: UInt64 = 0
        var checkpointsFromMemory: UInt64 = 0
        var turnsDropped: UInt64 = 0
        var recordsMigrated: UInt64 = 0
        var passedAnswered: UInt64 = 0
        var passedErrors: UInt64 = 0
        var passedUnavailable: UInt64 = 0
        var passedDenied: UInt64 = 0
        var passedConnections: Int64 = 0
        var pinsRefused: UInt64 = 0
        var passedLatency = HistogramSnapshot()
        var coalesced: UInt64 = 0
        var softTimeouts: UInt64 = 0
        var retries: UInt64 = 0
        var refreshes: UInt64 = 0
        var extensions: UInt64 = 0
        var promoted: UInt64 = 0
        var lateFills: UInt64 = 0
        var staleness = HistogramSnapshot()
        var journalReads: UInt64 = 0
        var replicated: UInt64 = 0
        var underreplicated: UInt64 = 0
        var replicationUnknown: UInt64 = 0
        var replicaLatency = HistogramSnapshot()
        /// Requests judged by their limits, by source: how many passed, and how many were limited.
        var throttled = ThrottleSource.allCases.map { (source: $0, allowed: UInt64(0), limited: UInt64(0)) }
        var writes: UInt64 = 0
        var writesFailed: UInt64 = 0
        var unknowns: UInt64 = 0
        var unavailable: UInt64 = 0
        var lookups = Self.kinds.map { Lookup(tier: $0, result: $1, count: 0) }
        var localLatency = HistogramSnapshot()
        var redisLatency = HistogramSnapshot()
        var warmLatency = HistogramSnapshot()
        var journalLatency = HistogramSnapshot()
        var valueBytes = HistogramSnapshot()
        /// One for each kind of operation.
        var operations = OperationKind.allCases.map { _ in HistogramSnapshot() }
    }

    init(_ context: ProcessContext) {
        hasRedis = context.settings.withLock { $0.redis != nil }
        breakerMode = context.share.breaker.mode
        readState = context.share.breaker.state(of: .read)
        writeState = context.share.breaker.state(of: .write)
        local = context.share.local.statistics()
        localEviction = context.share.local.configuration.eviction
        warm = context.warm?.tier.statistics ?? WarmTierStatistics()
        warmChangesDropped = context.warm?.changesDropped ?? 0
        warmReadsWaiting = context.warm?.readsWaiting ?? 0
        archives =
            context.warm.map { $0.queues.changes.archives }.map {
                (
                    $0.turns.value, $0.bytes.value, $0.refused.value, $0.readsFound.value, $0.readsAbsent.value,
                    $0.readsFailed.value
                )
            } ?? (0, 0, 0, 0, 0, 0)
        journal = context.journal.map { JournalFigures($0, context.share.journalCounters) }
        audit = context.audit.map { AuditFigures($0) }
        lifecycle = context.share.lifecycle
        outbox = OutboxSnapshot(context.share.outbox, context.journal?.pending)
        erasures = ErasureSnapshot(context.share.erasures)
        residency = ResidencySnapshot(context.share.residency)
        coherence = CoherenceFigures(context.share.coherence, context.share.deletions)
        clients = context.clientsConnected.value
        clientsRejected = context.clientsRejected.value
        pinned = context.pinsInUse.load(ordering: .relaxed)
        maxPinned = context.settings.withLock { $0.server.maxPinned }
        uptimeSeconds = Loop.wallClock.milliseconds(since: context.startedAt) / 1000
        workers = context.workers.count
        residentBytes = Server.residentBytes()
        slowRequests = context.slowLog.total
        counters = Sums(context.workers)
        transitions = context.transitions.counts.withLock { $0 }
    }
}

extension Snapshot.Sums {
    init(_ workers: [WorkerHandle]) {
        for worker in workers {
            add(worker.counters)
            add(worker.tierCounters)
        }
    }

    private mutating func add(_ counters: ServerCounters) {
        commands += counters.commands.value
        commandErrors += counters.commandErrors.value
        protocolErrors += counters.protocolErrors.value
        tooBig += counters.tooBig.value
        connectionsOpened += counters.connectionsOpened.value
        closedIdle += counters.closedIdle.value
        droppedSlow += counters.droppedSlow.value
        bytesOut += counters.bytesOut.value
        redisConnects += counters.redisConnects.value
        redisDisconnects += counters.redisDisconnects.value
        redisPipelineDepth += counters.redisPipelineDepth.value
        recordConflicts += counters.recordConflicts.value
        recordsFenced += counters.recordsFenced.value
        recordsTooBig += counters.recordsTooBig.value
        recordsOfNoSchema += counters.recordsOfNoSchema.value
        turnsDropped += counters.turnsDropped.value
        recordsMigrated += counters.recordsMigrated.value
        passedAnswered += counters.passedAnswered.value
        passedErrors += counters.passedErrors.value
        passedUnavailable += counters.passedUnavailable.value
        passedDenied += counters.passedDenied.value
        passedConnections += counters.passedConnections.value
        pinsRefused += counters.pinsRefused.value
        counters.passedLatency.add(to: &passedLatency)
        for (index, histogram) in counters.latencies.enumerated() { histogram.add(to: &operations[index]) }
    }

    private mutating func add(_ counters: TierCounters) {
        for (index, count) in Self.lookupCounts(counters).enumerated() { lookups[index].count += count }
        coalesced += counters.coalesced.value
        softTimeouts += counters.softTimeouts.value
        retries += counters.retries.value
        refreshes += counters.refreshes.value
        extensions += counters.extensions.value
        promoted += counters.promoted.value
        lateFills += counters.lateFills.value
        counters.staleness.add(to: &staleness)
        journalReads += counters.journalReads.value
        recordsReapplied += counters.recordsReapplied.value
        checkpointsFromMemory += counters.checkpointsFromMemory.value
        for (label, count) in counters.schema.outcomes { schemaReads[label, default: 0] += count }
        schemaWrittenBack += counters.schema.writtenBack.value
        replicated += counters.replicated.value
        underreplicated += counters.underreplicated.value
        replicationUnknown += counters.replicationUnknown.value
        counters.replicaLatency.add(to: &replicaLatency)
        for index in throttled.indices {
            let source = throttled[index].source
            throttled[index].allowed += counters.throttled(source, isLimited: false)
            throttled[index].limited += counters.throttled(source, isLimited: true)
        }
        writes += counters.writes.value
        writesFailed += counters.writesFailed.value
        unknowns += counters.unknowns.value
        unavailable += counters.unavailable.value
        counters.localLatency.add(to: &localLatency)
        counters.redisLatency.add(to: &redisLatency)
        counters.warmLatency.add(to: &warmLatency)
        counters.journalLatency.add(to: &journalLatency)
        counters.valueBytes.add(to: &valueBytes)
    }

    fileprivate static let kinds: [(String, TierCounters.LookupResult)] = [
        ("local", .fresh), ("local", .stale), ("local", .absent), ("redis", .fresh), ("redis", .absent),
        ("redis", .error), ("warm", .fresh), ("warm", .stale), ("warm", .absent), ("warm", .error),
        ("default", .contextual),
    ]

    private static func lookupCounts(_ c: TierCounters) -> [UInt64] {
        [
            c.localFresh.value, c.localStale.value, c.localAbsent.value, c.redisFresh.value, c.redisAbsent.value,
            c.redisError.value, c.warmFresh.value, c.warmStale.value, c.warmAbsent.value, c.warmError.value,
            c.defaults.value,
        ]
    }
}
