// What goes into the breaker and comes out of it.

/// What a request wants of Redis.
public enum Operation: UInt8, Sendable, Hashable, CaseIterable {
    case read
    case write
}

/// The state of one side, as it is shown.
public enum BreakerState: String, Sendable, Hashable, CaseIterable {
    case closed
    case open
    case halfOpen = "half-open"
    case forcedOpen = "forced-open"
    case forcedClosed = "forced-closed"
}

/// Who decides: the breaker, or an operator who has forced it.
public enum BreakerMode: String, Sendable, Hashable, CaseIterable {
    case automatic
    case forcedOpen = "forced-open"
    case forcedClosed = "forced-closed"
}

/// Leave to send one request; handed back with its result.
public struct Permit: Sendable, Hashable {
    public let operation: Operation
    /// The sidecar's own probe rather than a user's request.
    public let isProbe: Bool
    let readGeneration: UInt32
    let writeGeneration: UInt32
}

/// Whether a request may be sent.
public enum Admission: Sendable, Hashable {
    case admitted(Permit)
    /// Not sent; `retryAt` is when the next probe may change it, `never` while it is forced.
    case refused(BreakerState, retryAt: MonotonicTime)
}

/// A test that the sidecar should make now: PING for reads; for writes a real write of a key of its own.
public struct ProbeRequest: Sendable, Hashable {
    /// To be handed back with the result.
    public let permit: Permit
    /// What to test.
    public var operation: Operation { permit.operation }
    /// The answer counts as a failure from here on; late ones are ignored.
    public let deadline: MonotonicTime
}

/// Why a side of the breaker changed.
public enum TransitionCause: Sendable, Hashable, CustomStringConvertible {
    case consecutiveFailures(Int)
    case failureRate(CallCounts)
    case slowRate(CallCounts)
    /// Redis refuses the sidecar: credentials are missing or wrong.
    case refused
    /// Writes go where reads go: the read side opened.
    case openedWithReads
    /// The open time is over, probes begin.
    case probing
    case probeFailed(Outcome)
    case probeSlow
    case probeTimedOut
    case probesSucceeded
    case forced(BreakerMode)

    public var description: String {
        switch self {
        case .consecutiveFailures(let count): "\(count) consecutive failures"
        case .failureRate(let counts): "\(counts.failures) of \(counts.calls) calls failed"
        case .slowRate(let counts): "\(counts.slow) of \(counts.calls) calls were slow"
        case .refused: "Redis refuses the sidecar's credentials"
        case .openedWithReads: "the read side opened"
        case .probing: "the open time is over"
        case .probeFailed(let outcome): "a probe failed (\(outcome))"
        case .probeSlow: "a probe was slow"
        case .probeTimedOut: "a probe was not answered"
        case .probesSucceeded: "the probes succeeded"
        case .forced(let mode): "set to \(mode.rawValue) by the operator"
        }
    }
}

/// A change of one side: a log line, a metric and an event.
public struct BreakerTransition: Sendable, Hashable {
    public let side: Operation
    public let from: BreakerState
    public let to: BreakerState
    public let cause: TransitionCause
    public let at: MonotonicTime
}

/// What one event changed: at most one transition per side, in order of happening. No heap memory.
public struct BreakerTransitions: Sendable, Hashable, Sequence {
    public private(set) var first: BreakerTransition?
    public private(set) var second: BreakerTransition?

    static let none = BreakerTransitions()

    public var isEmpty: Bool { first == nil }

    mutating func append(_ transition: BreakerTransition?) {
        guard let transition else { return }
        assert(second == nil, "BUG: a third transition in one event: \(transition)")
        if first == nil { first = transition } else { second = transition }
    }

    public struct Iterator: IteratorProtocol {
        var rest: BreakerTransitions

        public mutating func next() -> BreakerTransition? {
            defer { (rest.first, rest.second) = (rest.second, nil) }
            return rest.first
        }
    }

    public func makeIterator() -> Iterator { Iterator(rest: self) }
}
