// What the tiers of one worker count.

public import Metrics
internal import State

/// Counters and latencies of one worker's tiers; written by its thread, read by any.
public final class TierCounters: Sendable {
    /// What a look-up in a tier came to.
    public enum LookupResult: Int, Sendable, CaseIterable {
        case fresh, stale, absent, contextual, error

        /// The word of the metric's label.
        public var label: String {
            switch self {
            case .fresh: "fresh"
            case .stale: "stale"
            case .absent: "absent"
            case .contextual: "default"
            case .error: "error"
            }
        }
    }

    public let localFresh = Counter()
    public let localStale = Counter()
    public let localAbsent = Counter()
    public let redisFresh = Counter()
    public let redisAbsent = Counter()
    public let redisError = Counter()
    public let warmFresh = Counter()
    public let warmStale = Counter()
    public let warmAbsent = Counter()
    public let warmError = Counter()
    public let defaults = Counter()
    public let unknowns = Counter()
    public let unavailable = Counter()
    public let coalesced = Counter()
    public let softTimeouts = Counter()
    public let retries = Counter()
    public let refreshes = Counter()
    public let extensions = Counter()
    public let promoted = Counter()
    /// Answers of Redis that were not held, since the key was written or invalidated meanwhile.
    public let lateFills = Counter()
    /// Nanoseconds since a value was last known to be true, for some of the reads that memory answered.
    public let staleness = Histogram()
    /// Reads that were answered from what waits for Redis.
    public let journalReads = Counter()
    /// Writes of records that were applied again, since Redis held another version than was thought.
    public let recordsReapplied = Counter()
    /// Checkpoints that were acknowledged from memory (`checkpoints.every`).
    public let checkpointsFromMemory = Counter()
    /// Values of records that were read in another schema than their policy's, by what came of it.
    public let schema = SchemaCounters()
    /// Nanoseconds from a request to the journal to its answer.
    public let journalLatency = Histogram()
    public let writes = Counter()
    public let writesFailed = Counter()
    /// Nanoseconds from sending a request to Redis to its reply.
    public let redisLatency = Histogram()
    /// Nanoseconds from asking the warm tier to its answer.
    public let warmLatency = Histogram()
    /// Nanoseconds that a batch of requests took which local memory answered, counted once per request.
    public let localLatency = Histogram()
    /// Bytes of the values that were read from Redis or written.
    public let valueBytes = Histogram()

    /// Writes that waited for replicas, by what came of it, and the nanoseconds from Redis's answer to theirs.
    public let replicated = Counter()
    public let underreplicated = Counter()
    public let replicationUnknown = Counter()
    public let replicaLatency = Histogram()
    /// Requests judged by their limits: by source, passed and limited in turn.
    let throttled = (0..<ThrottleSource.allCases.count * 2).map { _ in CounterCell() }

    public init() {}
}

/// What became of values that had another schema than their policy's.
public final class SchemaCounters: Sendable {
    public let migrated = Counter()
    public let notJSON = Counter()
    public let failed = Counter()
    public let tooOld = Counter()
    public let newer = Counter()
    /// New forms that were stored behind a read.
    public let writtenBack = Counter()

    /// Counts what came of a read.
    func note(_ migration: Migration) {
        switch migration {
        case .none: break
        case .changed: migrated.add()
        case .newer: newer.add()
        case .failed(.notJSON): notJSON.add()
        case .failed(.step): failed.add()
        case .failed(.tooOld): tooOld.add()
        }
    }

    /// Each outcome's label, and how many reads had it.
    public var outcomes: [(label: String, count: UInt64)] {
        [
            ("migrated", migrated.value), ("not_json", notJSON.value), ("failed", failed.value),
            ("too_old", tooOld.value), ("newer", newer.value),
        ]
    }
}

/// A counter that an array can hold.
final class CounterCell: Sendable {
    let counter = Counter()
}
