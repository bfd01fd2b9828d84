// The distribution of a latency or a size: recorded by one thread without allocation, read by any.

public import Synchronization

/// A log-linear histogram of unsigned values, nanoseconds or bytes, from 0 to 2^37 at an error of at most 1.6 %.
///
/// One thread records; any thread takes snapshots meanwhile. Larger values count in the last bucket, and their exact
/// maximum is kept. 8.4 KiB each. Recording is O(1): a few shifts and plain memory operations, no lock, no allocation.
public final class Histogram: Sendable {
    /// Zeroed once, freed with the histogram; every access after `init` is atomic.
    @usableFromInline nonisolated(unsafe) let counts: UnsafeMutablePointer<Atomic<UInt64>>
    @usableFromInline let sum = Atomic<UInt64>(0)
    @usableFromInline let largest = Atomic<UInt64>(0)

    public init() {
        counts = .allocate(capacity: Buckets.count)
        for index in 0..<Buckets.count { (counts + index).initialize(to: Atomic(0)) }
    }

    deinit {
        counts.deinitialize(count: Buckets.count)
        counts.deallocate()
    }

    /// Counts `value` `count` times; only the writing thread may call it. The sum wraps after 2^64.
    @inlinable @inline(__always)
    public func record(_ value: UInt64, count: UInt64 = 1) {
        let index = Buckets.index(of: value)
        counts[index].store(counts[index].load(ordering: .relaxed) &+ count, ordering: .relaxed)
        sum.store(sum.load(ordering: .relaxed) &+ value &* count, ordering: .relaxed)
        if value > largest.load(ordering: .relaxed) { largest.store(value, ordering: .relaxed) }
    }

    /// What was recorded until about now; a value recorded meanwhile may be in the counts or in the sum alone.
    public func snapshot() -> HistogramSnapshot {
        var snapshot = HistogramSnapshot()
        add(to: &snapshot)
        return snapshot
    }

    /// Adds what was recorded until about now to a snapshot of others.
    ///
    /// As merging ``snapshot()``, at a fraction of the cost: buckets above the largest value are not looked at, and of
    /// the kinds of operations that a process counts most never come.
    public func add(to others: inout HistogramSnapshot) {
        let largest = largest.load(ordering: .relaxed)
        // A value that is being recorded may have its bucket and no sum yet, or be in the sum and above the end.
        others.add(
            { counts[$0].load(ordering: .relaxed) }, upTo: Buckets.index(of: largest) + 1,
            sum: sum.load(ordering: .relaxed), max: largest)
    }
}
