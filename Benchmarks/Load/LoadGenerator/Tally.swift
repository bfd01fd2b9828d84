// What came of the requests: counts, errors by their text, latencies by operation, and the time line.

internal import Metrics

/// One piece of the time line.
public struct TimeSlice: Equatable, Sendable {
    /// When it began, in milliseconds since the measurement did.
    public let start: Int64
    public let milliseconds: Int64
    /// Requests that were answered in it, errors included.
    public let completed: UInt64
    public let errors: UInt64
    public let absent: UInt64
    /// Nanoseconds; 0 where nothing was answered.
    public let p50: UInt64
    public let p99: UInt64
}

/// Gathers outcomes; belongs to the loop's thread.
///
/// Latencies are nanoseconds in a ``Histogram``: at most 1.6 % off, exact maximum.
final class Tally {
    /// By ``Operation``.
    private let latencies = Operation.allCases.map { _ in Histogram() }
    /// How long requests of an open loop waited before they were sent.
    let waits = Histogram()
    private(set) var completed: UInt64 = 0
    private(set) var absent: UInt64 = 0
    private(set) var wrong: UInt64 = 0
    private(set) var failed: UInt64 = 0
    private(set) var errors: [String: UInt64] = [:]
    private(set) var slices: [TimeSlice] = []
    /// What stood when the slice under way began.
    private var sliceBefore: (latencies: HistogramSnapshot, completed: UInt64, errors: UInt64, absent: UInt64)
    /// Texts that are told apart; more are counted together.
    static let errorsMax = 32

    init() { sliceBefore = (HistogramSnapshot(), 0, 0, 0) }

    /// A reply: the key's value or a write's acknowledgement.
    @inline(__always)
    func right(_ operation: Operation, _ latency: Int64) {
        completed &+= 1
        latencies[operation.rawValue].record(UInt64(max(0, latency)))
    }

    func absent(_ operation: Operation, _ latency: Int64) {
        right(operation, latency)
        absent += 1
    }

    func wrong(_ operation: Operation, _ latency: Int64, _ text: String) {
        right(operation, latency)
        wrong += 1
        note(text, 1)
    }

    func failed(_ operation: Operation, _ latency: Int64, _ text: String) {
        right(operation, latency)
        failed += 1
        note(text, 1)
    }

    /// Requests that got no reply at all.
    func lost(_ count: Int, _ text: String) {
        guard count > 0 else { return }
        failed += UInt64(count)
        note(text, UInt64(count))
    }

    private func note(_ text: String, _ count: UInt64) {
        let known = errors[text] != nil || errors.count < Self.errorsMax
        errors[known ? text : "other errors", default: 0] += count
    }

    func latency(_ operation: Operation) -> HistogramSnapshot { latencies[operation.rawValue].snapshot() }

    var latency: HistogramSnapshot {
        var all = HistogramSnapshot()
        for operation in Operation.allCases { all.merge(latency(operation)) }
        return all
    }

    /// Ends the slice under way, which began `start` nanoseconds after the measurement and took `nanoseconds`.
    func cut(start: Int64, nanoseconds: Int64) {
        let now = latency
        let new = now.since(sliceBefore.latencies)
        slices.append(
            TimeSlice(
                start: start / 1_000_000, milliseconds: nanoseconds / 1_000_000,
                completed: completed - sliceBefore.completed, errors: failed + wrong - sliceBefore.errors,
                absent: absent - sliceBefore.absent, p50: new.p50, p99: new.p99))
        sliceBefore = (now, completed, failed + wrong, absent)
    }
}
