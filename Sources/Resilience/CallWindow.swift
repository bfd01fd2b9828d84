// Counts calls, failures and slow calls over a sliding window of time, in ten buckets.
//
// DESIGN: a bucket is a tenth of the window; what is summed are the current bucket and the nine before it, so the
// window reaches back nine to ten tenths of its length. A call costs one comparison and three additions.

/// Counts of the calls in some time.
public struct CallCounts: Sendable, Hashable {
    public var calls = 0
    public var failures = 0
    /// Took `slowCall` or longer, failed or not.
    public var slow = 0

    public init() {}

    static func += (sum: inout CallCounts, part: CallCounts) {
        sum.calls += part.calls
        sum.failures += part.failures
        sum.slow += part.slow
    }

    static func -= (sum: inout CallCounts, part: CallCounts) {
        sum.calls -= part.calls
        sum.failures -= part.failures
        sum.slow -= part.slow
    }
}

/// The sliding window of one side of the breaker.
struct CallWindow: Sendable {
    static let bucketCount = 10
    private let bucketNanoseconds: Int64
    private var buckets = [CallCounts](repeating: CallCounts(), count: bucketCount)
    /// The number of the newest bucket, counted from the origin of time.
    private var newest: Int64 = 0
    private var sum = CallCounts()

    init(_ window: Duration) {
        bucketNanoseconds = max(1, window.wholeNanoseconds / Int64(Self.bucketCount))
    }

    mutating func record(failed: Bool, slow: Bool, now: MonotonicTime) {
        advance(now)
        var call = CallCounts()
        call.calls = 1
        call.failures = failed ? 1 : 0
        call.slow = slow ? 1 : 0
        buckets[index(newest)] += call
        sum += call
    }

    /// What happened in the window that ends at `now`.
    mutating func counts(_ now: MonotonicTime) -> CallCounts {
        advance(now)
        return sum
    }

    mutating func reset() {
        for index in buckets.indices { buckets[index] = CallCounts() }
        sum = CallCounts()
    }

    /// Forgets the buckets that have left the window. A `now` before the newest bucket counts as within it.
    private mutating func advance(_ now: MonotonicTime) {
        let current = now.nanoseconds / bucketNanoseconds
        guard current > newest else { return }
        guard current - newest < Int64(Self.bucketCount) else {
            reset()
            newest = current
            return
        }
        while newest < current {
            newest += 1
            sum -= buckets[index(newest)]
            buckets[index(newest)] = CallCounts()
        }
    }

    private func index(_ bucket: Int64) -> Int { Int(bucket % Int64(Self.bucketCount)) }
}
