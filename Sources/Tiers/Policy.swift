// The rules for the keys under one prefix, and their defaults.

public import State

/// The rules for the keys under one prefix (DESIGN: policy); what the configuration leaves out, it inherits.
///
/// Durations are kept as given; ``PolicyTable`` answers which policy rules a key. A copy is one reference: each request
/// that goes beyond memory hands its policy from step to step, and keeps it with what waits.
public struct Policy: Sendable, Equatable {
    /// When local memory may answer a read without asking Redis.
    public enum Consistency: String, Sendable, CaseIterable { case strong, bounded, eventual }
    /// What Redis's "no such key" means for a key that the warm tier still holds.
    public enum OnAbsent: String, Sendable, CaseIterable { case promote, final }
    /// What becomes of a write that Redis can't take.
    public enum OnOutage: String, Sendable, CaseIterable { case journal, reject }
    /// What a replayed write does when somebody else wrote meanwhile.
    public enum OnConflict: String, Sendable, CaseIterable {
        case overwrite, keep
        case newestKnown = "newest-known"
    }
    /// What NX, XX and the like do in an outage.
    public enum ConditionalOnOutage: String, Sendable, CaseIterable { case refuse, held }

    /// Which accesses are told of in the audit.
    public enum Audit: String, Sendable, CaseIterable { case off, writes, all }

    /// Which tiers may hold the keys of a policy.
    public struct TierSet: OptionSet, Sendable, Hashable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        public static let local = TierSet(rawValue: 1)
        public static let redis = TierSet(rawValue: 2)
        public static let warm = TierSet(rawValue: 4)
        public static let all: TierSet = [.local, .redis, .warm]
    }

    /// The keys that begin with these bytes; the empty prefix rules every key that no other policy does.
    public var prefix: [UInt8] {
        get { values.prefix }
        set { change { $0.prefix = newValue } }
    }
    public var consistency: Consistency {
        get { values.consistency }
        set { change { $0.consistency = newValue } }
    }
    /// `bounded`: the longest time since verification at which local memory may answer alone.
    public var maxStaleness: Duration {
        get { values.maxStaleness }
        set { change { $0.maxStaleness = newValue } }
    }
    /// `bounded`: answer -UNAVAILABLE rather than stale in an outage.
    public var strict: Bool {
        get { values.strict }
        set { change { $0.strict = newValue } }
    }
    /// The life of a key whose writer gives none; nil leaves it without expiry.
    public var ttl: Duration? {
        get { values.ttl }
        set { change { $0.ttl = newValue } }
    }
    /// Whether a read extends the key's life to `ttl` again.
    public var sliding: Bool {
        get { values.sliding }
        set { change { $0.sliding = newValue } }
    }
    /// The hard end of a life, from creation on; nil is none.
    public var retention: Duration? {
        get { values.retention }
        set { change { $0.retention = newValue } }
    }
    /// How long past its contract a copy may be served in an outage.
    public var staleIfError: Duration {
        get { values.staleIfError }
        set { change { $0.staleIfError = newValue } }
    }
    /// The share of the fresh life after which a read refreshes in the background; nil is `off`.
    public var refreshAhead: Double? {
        get { values.refreshAhead }
        set { change { $0.refreshAhead = newValue } }
    }
    /// How long "no such key" is remembered.
    public var negativeTTL: Duration {
        get { values.negativeTTL }
        set { change { $0.negativeTTL = newValue } }
    }
    /// What a read is answered with in an outage when nobody holds the key.
    public var defaultContext: DefaultContext? {
        get { values.defaultContext }
        set { change { $0.defaultContext = newValue } }
    }
    public var onAbsent: OnAbsent {
        get { values.onAbsent }
        set { change { $0.onAbsent = newValue } }
    }
    public var onOutage: OnOutage {
        get { values.onOutage }
        set { change { $0.onOutage = newValue } }
    }
    public var onConflict: OnConflict {
        get { values.onConflict }
        set { change { $0.onConflict = newValue } }
    }
    public var onUnknownBase: OnConflict {
        get { values.onUnknownBase }
        set { change { $0.onUnknownBase = newValue } }
    }
    public var conditionalOnOutage: ConditionalOnOutage {
        get { values.conditionalOnOutage }
        set { change { $0.conditionalOnOutage = newValue } }
    }
    public var tiers: TierSet {
        get { values.tiers }
        set { change { $0.tiers = newValue } }
    }
    /// The largest value that a write may give, in bytes; a larger one is refused with -TOOBIG.
    public var maxValue: Int {
        get { values.maxValue }
        set { change { $0.maxValue = newValue } }
    }
    /// The largest value that local memory holds, in bytes; larger ones are served, not held.
    public var maxLocalValue: Int {
        get { values.maxLocalValue }
        set { change { $0.maxLocalValue = newValue } }
    }
    /// What applies to records: their turns and checkpoints.
    public var records: RecordRules {
        get { values.records }
        set { change { $0.records = newValue } }
    }
    /// Of the checkpoints of a run, the first and then each one after so many are kept; others are acknowledged from
    /// memory. 1 keeps all.
    public var checkpointsEvery: Int {
        get { values.checkpointsEvery }
        set { change { $0.checkpointsEvery = newValue } }
    }
    /// What applies to messages (EMIT).
    public var outbox: OutboxPolicy {
        get { values.outbox }
        set { change { $0.outbox = newValue } }
    }
    /// How many replicas must have a write before it counts.
    public var waitReplicas: Int {
        get { values.waitReplicas }
        set { change { $0.waitReplicas = newValue } }
    }
    /// What becomes of rate limits in an outage.
    public var throttle: ThrottlePolicy {
        get { values.throttle }
        set { change { $0.throttle = newValue } }
    }
    /// Which accesses to the keys are told of in the audit.
    public var audit: Audit {
        get { values.audit }
        set { change { $0.audit = newValue } }
    }
    /// Where the keys may lie.
    public var residency: Residency {
        get { values.residency }
        set { change { $0.residency = newValue } }
    }
    /// How changes that others make are heard of.
    public var tracking: TrackingPolicy {
        get { values.tracking }
        set { change { $0.tracking = newValue } }
    }

    /// What it says, where the copies of it share it.
    private var storage = Storage()

    fileprivate struct Values: Equatable, Sendable {
        var prefix: [UInt8] = []
        var consistency = Consistency.bounded
        var maxStaleness = Duration.seconds(5)
        var strict = false
        var ttl: Duration?
        var sliding = false
        var retention: Duration?
        var staleIfError = Duration.seconds(3600)
        var refreshAhead: Double? = 0.8
        var negativeTTL = Duration.seconds(1)
        var defaultContext: DefaultContext?
        var onAbsent = OnAbsent.promote
        var onOutage = OnOutage.journal
        var onConflict = OnConflict.overwrite
        var onUnknownBase = OnConflict.keep
        var conditionalOnOutage = ConditionalOnOutage.refuse
        var tiers = TierSet.all
        var maxValue = 8 << 20
        var maxLocalValue = 1 << 20
        var records = RecordRules()
        var checkpointsEvery = 1
        var outbox = OutboxPolicy()
        var waitReplicas = 0
        var throttle = ThrottlePolicy()
        var audit = Audit.off
        var residency = Residency()
        var tracking = TrackingPolicy()
    }

    /// The durations that requests reckon with, in milliseconds: a Duration has 128 bits, and dividing it takes as long
    /// as finding an entry.
    struct Times {
        let maxStaleness: Int64
        let staleIfError: Int64
        let ttl: Int64?
        let retention: Int64?

        fileprivate init(_ values: Values) {
            maxStaleness = values.maxStaleness.milliseconds
            staleIfError = values.staleIfError.milliseconds
            ttl = values.ttl?.milliseconds
            retention = values.retention?.milliseconds
        }
    }

    var times: Times { storage.times }

    // It is changed only while one policy alone refers to it.
    private final class Storage: @unchecked Sendable {
        var values: Values { didSet { times = Times(values) } }
        private(set) var times: Times

        init(_ values: Values = Values()) {
            self.values = values
            times = Times(values)
        }
    }

    private var values: Values {
        @inline(__always) _read { yield storage.values }
    }

    private mutating func change(_ body: (inout Values) -> Void) {
        if !isKnownUniquelyReferenced(&storage) { storage = Storage(storage.values) }
        body(&storage.values)
    }

    public static func == (a: Policy, b: Policy) -> Bool { a.storage === b.storage || a.values == b.values }

    public init() {}
}
