// The breaker as the workers of a process share it: its lock, its state for the hot path, and its transitions as
// events.

internal import Primitives
public import RedisTier
public import Resilience
internal import Synchronization

/// One breaker for one Redis endpoint, shared by all workers; safe from any thread.
///
/// What reads consult on their way (`refusesReads`) are relaxed atomics; everything else is short and under a lock.
public final class BreakerGate: Sendable {
    private let breaker: Locked<Breaker>
    private let readsRefused = Atomic<Bool>(false)
    private let writesRefused = Atomic<Bool>(false)
    private let onTransition: @Sendable (BreakerTransition) -> Void

    /// `onTransition` hears of each transition after the lock was given back, on the thread whose event caused it.
    public init(
        _ configuration: BreakerConfiguration, seed: UInt64,
        onTransition: @escaping @Sendable (BreakerTransition) -> Void
    ) {
        breaker = Locked(Breaker(configuration, seed: seed))
        self.onTransition = onTransition
    }

    /// Whether a read would not be sent to Redis now.
    public var refusesReads: Bool { readsRefused.load(ordering: .relaxed) }
    /// Whether a write would not be sent to Redis now.
    public var refusesWrites: Bool { writesRefused.load(ordering: .relaxed) }

    public var reasonForReads: String { reason(for: .read).text }
    public var reasonForWrites: String { reason(for: .write).text }

    /// Why Redis is not asked, as it is at this moment.
    func reason(for operation: Operation) -> OutageReason { .breaker(state(of: operation), operation) }

    public func state(of operation: Operation) -> BreakerState { breaker.withLock { $0.state(of: operation) } }
    public var mode: BreakerMode { breaker.withLock { $0.mode } }

    /// Calls, failures and slow calls in a side's window.
    public func counts(of operation: Operation, now: Int64) -> CallCounts {
        breaker.withLock { $0.counts(of: operation, now: MonotonicTime(nanoseconds: now)) }
    }

    /// Leave to send a request; nil when Redis is not to be asked.
    public func admit(_ operation: Operation, now: Int64) -> Permit? {
        breaker.withLock { breaker in
            if case .admitted(let permit) = breaker.beforeRequest(operation, now: MonotonicTime(nanoseconds: now)) {
                permit
            } else {
                nil
            }
        }
    }

    /// Redis answered; `elapsed` is in nanoseconds, nil for what is not judged by its speed.
    public func succeeded(_ permit: Permit, now: Int64, elapsed: Int64?) {
        report(permit, .success, now, elapsed)
    }

    /// Redis did not answer. What never left for want of room here says nothing about Redis.
    public func failed(_ permit: Permit, _ failure: RedisFailure, now: Int64, elapsed: Int64?) {
        switch failure.cause {
        case .overloaded: break
        case .misconfigured: report(permit, .refused, now, elapsed)
        case .notConnected, .timedOut, .connectionLost, .protocolError: report(permit, .failure, now, elapsed)
        }
    }

    /// Judges an error reply; whether it is the request's own (as -WRONGTYPE) rather than Redis's state.
    public func judge(_ permit: Permit, error text: [UInt8], now: Int64, elapsed: Int64?) -> Bool {
        let outcome = text.withUnsafeBytes { Outcome(errorReply: $0) }
        report(permit, outcome, now, elapsed)
        return outcome == .success || outcome == .denied
    }

    private func report(_ permit: Permit, _ outcome: Outcome, _ now: Int64, _ elapsed: Int64?) {
        perform { breaker in
            breaker.onResult(
                permit, outcome, duration: elapsed.map { .nanoseconds($0) }, now: MonotonicTime(nanoseconds: now))
        }
    }

    /// Forces it open or closed, or gives it back to its own judgement.
    public func force(_ mode: BreakerMode, now: Int64) {
        perform { $0.force(mode, now: MonotonicTime(nanoseconds: now)) }
    }

    /// Takes new thresholds: it begins anew, closed, unless it is forced.
    public func reconfigure(_ configuration: BreakerConfiguration, seed: UInt64, now: Int64) {
        perform { breaker in
            guard breaker.configuration != configuration else { return BreakerTransitions?.none }
            var fresh = Breaker(configuration, seed: seed)
            let transitions = fresh.force(breaker.mode, now: MonotonicTime(nanoseconds: now))
            breaker = fresh
            return transitions
        }
    }

    /// The probes to make now, and in how many nanoseconds to ask again; nil while there is nothing to do.
    public func probesDue(now: Int64) -> (probes: [ProbeRequest], nextNanoseconds: Int64?) {
        var probes: [ProbeRequest] = []
        var next: Int64?
        var isDone = false
        while !isDone {
            perform { breaker in
                let (probe, transitions) = breaker.probeDue(MonotonicTime(nanoseconds: now))
                if let probe { probes.append(probe) } else { isDone = true }
                next = breaker.attentionAt.map { max(0, $0.nanoseconds - now) }
                return transitions
            }
        }
        return (probes, next)
    }

    private func perform(_ event: (inout Breaker) -> BreakerTransitions?) {
        let transitions = breaker.withLock { breaker in
            let transitions = event(&breaker)
            readsRefused.store(Self.refuses(.read, breaker), ordering: .relaxed)
            writesRefused.store(Self.refuses(.write, breaker), ordering: .relaxed)
            return transitions
        }
        guard let transitions else { return }
        for transition in transitions { onTransition(transition) }
    }

    /// Open and half-open refuse whatever the time: only the breaker's own probes close it.
    private static func refuses(_ operation: Operation, _ breaker: Breaker) -> Bool {
        switch breaker.state(of: operation) {
        case .open, .halfOpen, .forcedOpen: true
        case .closed, .forcedClosed: false
        }
    }
}

/// Why Redis does not decide on commands; put into words only when somebody is told.
enum OutageReason {
    case breaker(BreakerState, Operation)
    case other(String)

    var text: String {
        switch self {
        case .breaker(let state, let operation):
            "the breaker is \(state.rawValue) for \(operation == .read ? "reads" : "writes")"
        case .other(let text): text
        }
    }
}
