// What journal and replay count, whichever thread does the work.

public import Metrics
internal import Synchronization

/// Counters of the journal; safe from any thread.
public final class JournalCounters: Sendable {
    /// Commands that were accepted without Redis.
    public let accepted = SharedCounter()
    /// Commands that the journal would not take: full, degraded, too many waiting.
    public let refused = SharedCounter()
    /// Entries whose effect Redis has.
    public let replayed = SharedCounter()
    public let discarded = SharedCounter()
    /// Conflicts that were found at replay, by what was done.
    public let overwrote = SharedCounter()
    public let kept = SharedCounter()
    public let failed = SharedCounter()

    /// Whether what waits is replayed only when a person says so: it is for another Redis. Written by the replay alone.
    private let held = Atomic<Bool>(false)

    public init() {}

    public internal(set) var isHeld: Bool {
        get { held.load(ordering: .relaxed) }
        set { held.store(newValue, ordering: .relaxed) }
    }

    func note(_ verdict: Conflict.Verdict) {
        switch verdict {
        case .overwrote: overwrote.add()
        case .kept: kept.add()
        case .failed: failed.add()
        }
    }

    /// Conflicts with this outcome.
    public func count(_ verdict: Conflict.Verdict) -> UInt64 {
        switch verdict {
        case .overwrote: overwrote.value
        case .kept: kept.value
        case .failed: failed.value
        }
    }
}
