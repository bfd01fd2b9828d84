// This process's own buckets, for the time in which Redis can't judge: a share of each limit.

internal import Primitives
internal import State

/// Buckets by key, for all workers; they count by a clock of this process and end with it.
///
/// At most ``capacity`` of them are not empty; one more finds none, and is limited.
final class ThrottleShares: Sendable {
    static let capacity = 65_536

    private let buckets = Locked<[[UInt8]: ThrottleMoment]>([:])

    /// Judges a request by this process's share of its limit; `now` is monotonic, in microseconds.
    func judge(_ throttle: Throttle, _ key: [UInt8], share: Double, now: Int64) -> ThrottleVerdict {
        let part = throttle.share(share)
        return buckets.withLock { buckets in
            if buckets[key] == nil, buckets.count >= Self.capacity {
                buckets = buckets.filter { $0.value.endMilliseconds * 1000 > now }
                guard buckets.count < Self.capacity else { return part.denial }
            }
            let (verdict, next) = part.judge(buckets[key], now: now)
            if let next { buckets[key] = next }
            return verdict
        }
    }
}
