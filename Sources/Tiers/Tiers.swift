// One worker's walk through the tiers: local, Redis, warm, default. Start reading here.
//
// DESIGN: a request that local memory can't answer becomes a small state machine on its worker: a flight per key that
// is asked for, with everybody who waits for it. What needs a clock or a timer gets it from a Scheduler; Redis is
// reached through a connection whose bytes are a transport's; the warm tier through WarmAccess. So the whole of it runs
// in one thread over virtual time as well. The verbs are in Tiers+Read, +Fetch, +Degrade, +Write and +Explain.

public import LocalTier
public import Primitives
public import RedisTier
internal import Resilience
internal import State
internal import Synchronization

/// What the workers of a process share; safe from any thread.
public final class TierShare: Sendable {
    public let local: LocalTier
    public let breaker: BreakerGate
    /// Held while commands are performed on keys that live in local memory alone.
    let localAuthority = Locked(())
    let writesUnderWay = WritesUnderWay()
    /// Where writes were left without an answer.
    public let doubtful = DoubtfulClients()
    public let journalCounters = JournalCounters()
    public let outbox = OutboxFigures()
    public let erasures = Erasures()
    public let residency = ResidencyFigures()
    let checkpoints: CheckpointMemory
    public let lifecycle = LifecycleFigures()
    let throttleShares = ThrottleShares()
    /// Whether what others change in Redis is heard of.
    public let coherence: Coherence
    /// What sidecars have deleted in Redis.
    public let deletions: Deletions
    /// xxh3 of the run id of the Redis that was last talked to, as its replies tell; 0 before the first.
    let redisProcess = Atomic<UInt64>(0)

    /// `workers` is how many have to hear of changes before reads may rest on it; `identity` is this process's alone.
    public init(
        local: LocalTier, breaker: BreakerGate, workers: Int = 1, identity: UInt64 = .random(in: 1 ... .max)
    ) {
        self.local = local
        self.breaker = breaker
        checkpoints = CheckpointMemory(localBytes: local.arenaBytes)
        coherence = Coherence(local: local, workers: workers, identity: identity)
        deletions = Deletions(identity: identity)
    }
}

/// The tiers as one worker sees them; belongs to the worker's thread, and so do all completions.
public final class Tiers {
    public let local: LocalTier
    public let breaker: BreakerGate
    let share: TierShare
    public let counters = TierCounters()
    /// Replaced at a reload, by the worker's thread.
    public internal(set) var policies: PolicyTable
    /// Counts the reloads.
    private(set) var policyGeneration = 0
    let scheduler: any Scheduler
    /// Nil where no Redis is configured.
    public let redis: RedisConnection?

    /// The `run_id` of the Redis process that this worker is connected to; nil while there is no connection.
    public var redisRunID: [UInt8]? { redis?.client?.runID }
    /// Nil where no warm tier is configured.
    let warm: (any WarmAccess)?
    /// Nil where nothing is journaled: writes in an outage are refused.
    let journal: (any JournalAccess)?
    /// Nil where no Redis is configured.
    let replicas: ReplicaWaits?
    /// Whether the completion that runs at this moment hears the journal's word, and not that of the authority.
    public internal(set) var answersFromJournal = false
    /// Whoever hears of the steps of the answer that is asked for at this moment; nil where nobody does.
    var trace: (any AnswerTrace)?
    /// Called after a write was journaled, so that a replay that can begin does.
    public var onJournaled: () -> Void = {}
    /// Requests that wait until writes of their keys have reached Redis.
    var settleWaits: [SettleWait] = []
    var settleTimer: (any ScheduledTimer)?
    /// Entries that a late answer has settled, and the disk refused to note; as many as were given up at most.
    var lateSettlements: [[UInt64]] = []
    var lateTimer: (any ScheduledTimer)?
    var limits: RedisLimits
    /// xxh3 of the address and database of the Redis that commands are for; 0 where there is none.
    private(set) var redisAddress: UInt64

    /// The flight that reads of a key may join.
    var flights: [HashedKey: Flight] = [:]
    /// Flights that leave with this iteration of the loop.
    var outgoing: [Flight] = []
    /// Life extensions that leave with this iteration.
    var extensions: [(key: [UInt8], life: Int64)] = []
    /// Makes the ids of writes of records.
    var operationIDs: any RandomNumberGenerator = SystemRandomNumberGenerator()
    /// The erasure that this worker has under way.
    var erasure: Erasure?
    /// Records whose new form is being stored behind a read.
    var writeBacks: Set<[UInt8]> = []
    /// Waiters with a stale copy in hand, in the order in which their patience ends.
    var impatient: [(flight: Flight, at: Int64)] = []
    var softTimer: (any ScheduledTimer)?
    var retryBudget: RetryBudget
    /// Nil where nothing is tracked.
    weak var tracker: Tracker? { didSet { ownWrites.isEnabled = tracker != nil } }
    /// Changes of keys that Redis may still tell of, and that are no news.
    var ownWrites = OwnWrites()
    /// Until when reads travel as a script, since Redis is out of memory and queues none.
    var scriptUntil: Int64 = 0
    /// The next request to Redis is made when the worker's iteration ends.
    public var hasOutgoing: Bool { !outgoing.isEmpty || !extensions.isEmpty || replicas?.hasGathered ?? false }

    public init(
        share: TierShare, policies: PolicyTable, redis: RedisConnection?, warm: (any WarmAccess)?,
        journal: (any JournalAccess)? = nil, scheduler: any Scheduler,
        makeConnection: (() -> RedisConnection)? = nil
    ) {
        self.share = share
        local = share.local
        breaker = share.breaker
        self.policies = policies
        self.redis = redis
        self.warm = warm
        self.journal = journal
        self.scheduler = scheduler
        replicas = makeConnection.map { ReplicaWaits(scheduler, makeConnection: $0) }
        limits = RedisLimits(redis?.configuration)
        redisAddress = redis?.configuration.address ?? 0
        retryBudget = RetryBudget()
        softTimer = scheduler.makeTimer { [unowned self] in self.losePatience() }
        lateTimer = scheduler.makeTimer { [unowned self] in self.retryLateSettlements() }
        settleTimer = scheduler.makeTimer { [unowned self] in self.lookAtSettleWaits() }
        redis?.onAnsweredLate = { [share] client in share.doubtful.settle([client]) }
        if let redis { keepOrder(over: redis) }
        followConnection()
    }

    /// Tells whoever tracks over the worker's connection of its life.
    private func followConnection() {
        guard let redis else { return }
        let (onReady, onEnded) = (redis.onReady, redis.onEnded)
        redis.onReady = { [unowned self] redis in
            onReady(redis)
            self.tracker?.dataDidConnect()
        }
        redis.onEnded = { [unowned self] client in
            onEnded(client)
            self.tracker?.dataDidEnd()
        }
    }

    /// Takes new policies: entries are judged anew at their next read.
    public func reload(policies: PolicyTable, redis configuration: RedisConfiguration?) {
        self.policies = policies
        policyGeneration += 1
        if let configuration {
            redis?.reconfigure(configuration)
            redisAddress = redis?.configuration.address ?? 0
            replicas?.reconfigure(configuration)
            tracker?.reconfigure(configuration)
            limits = RedisLimits(configuration)
        }
        tracker?.start()
    }

    /// Who decides what is true of the keys of `policy`.
    func authority(_ policy: Policy) -> Authority { authority(of: policy.tiers) }

    /// Who decides on keys that may lie in these tiers.
    func authority(of tiers: Policy.TierSet) -> Authority {
        if redis != nil && tiers.contains(.redis) { return .redis }
        return warm != nil && tiers.contains(.warm) ? .warm : .local
    }
}

/// The waits for Redis, in nanoseconds.
struct RedisLimits {
    let timeout: Int64
    let softTimeout: Int64

    init(_ configuration: RedisConfiguration?) {
        timeout = configuration?.timeout.nanoseconds ?? 0
        softTimeout = configuration?.softTimeout.nanoseconds ?? 0
    }
}

/// Marks that the tiers keep with an entry of local memory (four bits are theirs).
enum EntryMark {
    /// A write whose outcome is unknown: not fresh before Redis has been asked, whatever its times say.
    static let suspect: UInt8 = 1
    /// The warm tier was given this value and these times.
    static let inWarm: UInt8 = 2
    /// A write that waits, or waited, in the journal: with `suspect`, since nobody compared it with Redis yet.
    static let journaled: UInt8 = 4
}

/// A question about one key on its way to its authority, and who waits for the answer.
final class Flight {
    struct Waiter {
        /// Takes no answer but the authority's.
        let isStrong: Bool
        let trace: (any AnswerTrace)?
        let completion: (Reading) -> Void
    }

    /// Waiters in the order in which they came: mostly one, which needs no array.
    struct Waiters {
        private var first: Waiter?
        private var others: [Waiter] = []

        var isEmpty: Bool { first == nil }

        mutating func append(_ waiter: Waiter) {
            if first == nil { first = waiter } else { others.append(waiter) }
        }

        func each(_ body: (Waiter) -> Void) {
            guard let first else { return }
            body(first)
            for waiter in others { body(waiter) }
        }

        /// Takes out those who take no answer but the authority's.
        mutating func takeStrong() -> [Waiter] {
            var (strong, rest) = ([Waiter](), Waiters())
            each { if $0.isStrong { strong.append($0) } else { rest.append($0) } }
            self = rest
            return strong
        }
    }

    let key: [UInt8]
    let hash: KeyHash
    let policy: Policy
    /// What is asked for: a plain value or a record.
    let form: HeldValue.Kind
    var waiters = Waiters()
    /// Those who would rather have the stale copy than wait longer than `softTimeout`.
    var impatientWaiters: [Waiter] = []
    /// No longer to be joined by a strong read.
    var isOnWire = false
    let deadline: Int64
    /// Whether a read whose connection broke has been tried again.
    var wasRetried = false
    var token: TokenBox?
    /// Whether Redis is to remember that the key was read.
    let isTracked: Bool
    /// Whether it was asked to, with the question that is on its way.
    var isRemembered = false
    /// When the question was sent.
    var sentAt = Timestamp.distantPast

    init(key: [UInt8], hash: KeyHash, policy: Policy, form: HeldValue.Kind, deadline: Int64) {
        self.form = form
        self.key = key
        self.hash = hash
        self.policy = policy
        self.deadline = deadline
        isTracked = policy.effectiveTracking == .keys
    }

    var hasWaiters: Bool { !waiters.isEmpty || !impatientWaiters.isEmpty }

    /// Answers everybody who still waits.
    func answer(_ reading: Reading) { takeWaiters().each { $0.completion(reading) } }

    /// Everybody who still waits; nobody does from now on.
    func takeWaiters() -> Waiters {
        var all = waiters
        waiters = Waiters()
        for waiter in impatientWaiters { all.append(waiter) }
        impatientWaiters = []
        return all
    }

    /// Whether nobody has written the key since Redis was asked: else who comes now must not be answered by this.
    func isCurrent(in local: LocalTier) -> Bool { token?.isCurrent(in: local) ?? true }
}

/// A fill token on its way through closures, which can't own what can't be copied.
final class TokenBox {
    /// The coherence epoch in which the question was asked.
    let epoch: UInt16
    private var token: FillToken?

    init(_ token: consuming FillToken) {
        epoch = token.epoch
        self.token = consume token
    }

    /// The token, once.
    func take() -> FillToken? { token.take() }

    /// Whether nobody has written the key since; false once the token was taken.
    func isCurrent(in local: LocalTier) -> Bool {
        if Faults.ignoresTokens { return true }
        guard let held = token.take() else { return false }
        let isCurrent = local.isCurrent(held)
        token = consume held
        return isCurrent
    }

    /// The same, and when what local memory holds of the key was verified: nil where it holds nothing.
    func outlook(
        of key: [UInt8], _ hash: KeyHash, in local: LocalTier, now: Timestamp
    ) -> (isCurrent: Bool, heldSince: Timestamp?) {
        key.withUnsafeBytes { key in
            guard !Faults.ignoresTokens, let held = token.take() else {
                return (Faults.ignoresTokens, local.peek(key, hash: hash, now: now) { $0.verifiedAt })
            }
            let outlook = local.outlook(of: key, hash: hash, now: now, token: held)
            token = consume held
            return outlook
        }
    }
}
