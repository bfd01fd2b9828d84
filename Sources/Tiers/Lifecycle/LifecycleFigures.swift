// What a process counts of lives that lasted too long, and of copies that nobody would ask for again.

public import Metrics
public import Primitives

/// Figures of retention and orphans, of all workers together; safe from any thread.
public final class LifecycleFigures: Sendable {
    /// Keys that the last complete walk found past their policy's retention: 0 unless an end was lost or lengthened
    /// behind Hearth's back.
    public let overdue = Gauge()
    /// Keys that a walk or a read has ever found so.
    public let overdueFound = SharedCounter()
    /// Lives that were longer than the retention of their policy, or without end, and were given their end by a walk.
    public let shortened = SharedCounter()
    /// Copies in a tier that their policy no longer names, removed.
    public let orphanedInLocal = SharedCounter()
    public let orphanedInWarm = SharedCounter()
    private let checked = Locked<Timestamp?>(nil)

    init() {}

    /// When the last complete walk ended; nil before the first.
    public internal(set) var checkedAt: Timestamp? {
        get { checked.withLock { $0 } }
        set { checked.withLock { $0 = newValue } }
    }
}
