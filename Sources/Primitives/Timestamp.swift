// The wall clock as every tier counts it: milliseconds since the Unix epoch.

/// A point in wall-clock time, in milliseconds since 1970-01-01T00:00:00Z, as Redis counts expiry (PEXPIREAT).
///
/// Wall time can jump. Whatever measures a duration (deadlines, the breaker, latency) uses a monotonic clock instead;
/// an entry whose `verifiedAt` lies in the future is treated as unverified.
public struct Timestamp: Hashable, Comparable, Sendable {
    public var milliseconds: Int64

    @inlinable @inline(__always)
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// The moment that never comes: an entry without expiry.
    @inlinable @inline(__always)
    public static var never: Timestamp { Timestamp(milliseconds: .max) }
    /// The last moment at which an entry can end: to Redis a key may end a millisecond later, and that is not `never`.
    @inlinable @inline(__always)
    public static var latest: Timestamp { Timestamp(milliseconds: .max - 1) }
    /// Before everything: an entry that was never verified.
    @inlinable @inline(__always)
    public static var distantPast: Timestamp { Timestamp(milliseconds: 0) }

    @inlinable @inline(__always)
    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.milliseconds < b.milliseconds }

    /// This moment, `milliseconds` later; saturates at `never`, and `never` stays `never`.
    @inlinable @inline(__always)
    public func advanced(byMilliseconds milliseconds: Int64) -> Timestamp {
        let (sum, overflow) = self.milliseconds.addingReportingOverflow(milliseconds)
        return overflow ? .never : Timestamp(milliseconds: sum)
    }

    /// Milliseconds from `earlier` to this moment; negative when this one is the earlier.
    @inlinable @inline(__always)
    public func milliseconds(since earlier: Timestamp) -> Int64 {
        let (difference, overflow) = milliseconds.subtractingReportingOverflow(earlier.milliseconds)
        return overflow ? (milliseconds > earlier.milliseconds ? .max : .min) : difference
    }
}
