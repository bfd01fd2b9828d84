// Time as decisions are given it: nanoseconds of a clock that never goes back.

/// A point in monotonic time, in nanoseconds since an origin that only its owner knows.
public struct MonotonicTime: Hashable, Comparable, Sendable {
    public var nanoseconds: Int64

    @inlinable @inline(__always)
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The moment that never comes.
    public static let never = MonotonicTime(nanoseconds: .max)

    @inlinable @inline(__always)
    public static func < (a: MonotonicTime, b: MonotonicTime) -> Bool { a.nanoseconds < b.nanoseconds }

    /// This moment, `nanoseconds` later; saturates at `never`.
    @inlinable @inline(__always)
    public func advanced(byNanoseconds nanoseconds: Int64) -> MonotonicTime {
        let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
        return overflow ? .never : MonotonicTime(nanoseconds: sum)
    }

    /// This moment, `duration` later; saturates at `never`.
    public func advanced(by duration: Duration) -> MonotonicTime {
        advanced(byNanoseconds: duration.wholeNanoseconds)
    }

    /// The time from `earlier` to this moment; negative when this one is the earlier.
    public func duration(since earlier: MonotonicTime) -> Duration {
        let (difference, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        return .nanoseconds(overflow ? (nanoseconds > earlier.nanoseconds ? .max : .min) : difference)
    }
}

extension Duration {
    /// Whole nanoseconds, saturating at the ends of Int64 (292 years).
    @usableFromInline
    var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds > 0 ? .max : .min }
        let (sum, sumOverflow) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return sumOverflow ? (seconds > 0 ? .max : .min) : sum
    }
}
