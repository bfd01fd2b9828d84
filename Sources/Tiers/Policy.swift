// The rules for the keys under one prefix, and their defaults.

public import State

/// The rules for the keys under one prefix (DESIGN: policy); what the configuration leaves out, it inherits.
///
/// Durations are kept as given; ``PolicyTable`` answers which policy rules a key.
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
    public var prefix: [UInt8] = []
    public var consistency = Consistency.bounded
    /// `bounded`: the longest time since verification at which local memory may answer alone.
    public var maxStaleness = Duration.seconds(5)
    /// `bounded`: answer -UNAVAILABLE rather than stale in an outage.
    public var strict = false
    /// The life of a key whose writer gives none; nil leaves it without expiry.
    public var ttl: Duration?
    /// Whether a read extends the key's life to `ttl` again.
    public var sliding = false
    /// The hard end of a life, from creation on; nil is none.
    public var retention: Duration?
    /// How long past its contract a copy may be served in an outage.
    public var staleIfError = Duration.seconds(3600)
    /// The share of the fresh life after which a read refreshes in the background; nil is `off`.
    public var refreshAhead: Double? = 0.8
    /// How long "no such key" is remembered.
    public var negativeTTL = Duration.seconds(1)
    /// What a read is answered with in an outage when nobody holds the key.
    public var defaultContext: DefaultContext?
    public var onAbsent = OnAbsent.promote
    public var onOutage = OnOutage.journal
    public var onConflict = OnConflict.overwrite
    public var onUnknownBase = OnConflict.keep
    public var conditionalOnOutage = ConditionalOnOutage.refuse
    public var tiers = TierSet.all
    /// The largest value that a write may give, in bytes; a larger one is refused with -TOOBIG.
    public var maxValue = 8 << 20
    /// The largest value that local memory holds, in bytes; larger ones are served, not held.
    public var maxLocalValue = 1 << 20
    /// What applies to records: their turns and checkpoints.
    public var records = RecordRules()
    /// Of the checkpoints of a run, the first and then each one after so many are kept; others are acknowledged from
    /// memory. 1 keeps all.
    public var checkpointsEvery = 1
    /// What applies to messages (EMIT).
    public var outbox = OutboxPolicy()
    /// How many replicas must have a write before it counts.
    public var waitReplicas = 0
    /// What becomes of rate limits in an outage.
    public var throttle = ThrottlePolicy()
    /// Which accesses to the keys are told of in the audit.
    public var audit = Audit.off
    /// Where the keys may lie.
    public var residency = Residency()
    /// How changes that others make are heard of.
    public var tracking = TrackingPolicy()

    public init() {}
}
