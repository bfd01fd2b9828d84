// When requests of an open loop are due: at a constant rate, whatever the server does.

/// The moments at which requests are due, one after another at equal distances.
///
/// A closed loop sends a request when the one before it was answered, so that a server which stops for a second is
/// asked nothing meanwhile, and the second shows as one slow request: coordinated omission (Gil Tene: How NOT to
/// Measure Latency, 2013). Here the moment at which a request *was to be sent* is fixed beforehand, its latency
/// counts from that moment, and what could not be sent waits and is counted, as in wrk2
/// (https://github.com/giltene/wrk2).
///
/// Pure: it is given `now`. Moments are computed from the number of the request, so that no rounding adds up.
public struct ArrivalSchedule: Sendable {
    /// Requests a second.
    public let rate: Double
    /// When the first request is due, in monotonic nanoseconds.
    public let start: Int64
    /// Requests that were taken.
    public private(set) var taken: Int64 = 0
    /// When the next one is due.
    public private(set) var nextDue: Int64

    public init(rate: Double, start: Int64) {
        precondition(rate > 0)
        self.rate = rate
        self.start = start
        nextDue = start
    }

    /// The moment at which the next request was to be sent, where that is not later than `now`; it is then taken.
    @inline(__always)
    public mutating func take(now: Int64) -> Int64? {
        guard nextDue <= now else { return nil }
        let due = nextDue
        taken += 1
        nextDue = start + Int64((Double(taken) * 1e9 / rate).rounded())
        return due
    }

    /// How many requests are due and not taken.
    public func overdue(now: Int64) -> Int64 {
        guard nextDue <= now else { return 0 }
        return Int64((Double(now - start) * rate / 1e9).rounded(.down)) + 1 - taken
    }
}
