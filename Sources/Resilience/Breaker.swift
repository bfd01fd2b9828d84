// The circuit breaker between the sidecar and one Redis endpoint: pure decisions, given the time.
//
// DESIGN: two sides are judged apart. The read side is fed by every answer, since every answer says whether Redis can
// be reached: its failures are those of the connection, of time, and of a Redis that answers nobody. The write side is
// fed by writes alone, and by whatever says that writes are not taken (-READONLY, -OOM, -MISCONF). When the read side
// opens, the write side opens with it; the other way round never. So reads go on where only writes fail, and a hung
// Redis is found out once, not twice.
//
// -NOAUTH and -WRONGPASS open at once, since no request can succeed. -NOPERM counts as a failure of its own side: one
// forbidden key between successes must not take Redis away from everybody, a user without any right does.
//
// The owner locks it, asks `beforeRequest`, reports `onResult`, and calls `probeDue` from a timer (`attentionAt` says
// when) and after each probe's result until it returns none. It performs the probes and prints the transitions.
//
// Source of the shape: M. Nygard, Release It!, 2007; sony/gobreaker (generations); resilience4j (slow-call rate).

/// Judges a Redis endpoint; a value, to be locked by whoever shares it.
public struct Breaker: Sendable {
    public let configuration: BreakerConfiguration
    public private(set) var mode = BreakerMode.automatic
    private var read: BreakerSide
    private var write: BreakerSide
    private var random: SplitMix64

    /// Creates a closed breaker; `seed` makes its open times repeatable, and must differ between sidecars.
    public init(_ configuration: BreakerConfiguration, seed: UInt64) {
        self.configuration = configuration
        read = BreakerSide(.read, configuration)
        write = BreakerSide(.write, configuration)
        random = SplitMix64(seed: seed)
    }

    // MARK: Requests

    /// Asks for leave to send a request; refused on a side that is not closed, with the time of the next chance.
    public func beforeRequest(_ operation: Operation, now: MonotonicTime) -> Admission {
        switch mode {
        case .forcedOpen: return .refused(.forcedOpen, retryAt: .never)
        case .forcedClosed: return .admitted(permit(operation, isProbe: false))
        case .automatic: break
        }
        switch operation == .read ? read.phase : write.phase {
        case .closed: return .admitted(permit(operation, isProbe: false))
        case .open(let until): return .refused(.open, retryAt: max(now, until))
        case .halfOpen(_, _, let deadline): return .refused(.halfOpen, retryAt: max(now, deadline))
        }
    }

    /// Reports how a permitted request ended. `duration` is nil for what is not judged by its speed (passed through).
    ///
    /// Results from before the last transition of a side do not count for that side.
    public mutating func onResult(
        _ permit: Permit, _ outcome: Outcome, duration: Duration?, now: MonotonicTime
    ) -> BreakerTransitions {
        guard mode == .automatic else { return .none }
        let isSlow = duration.map { $0 >= configuration.slowCall } ?? false
        guard !permit.isProbe else { return onProbe(permit, outcome, isSlow: isSlow, now: now) }
        var transitions = BreakerTransitions()
        if permit.readGeneration == read.generation, read.phase == .closed, let failed = failsRead(permit, outcome) {
            let cause = read.record(failed: failed, slow: isSlow, now: now)
            if let cause = outcome == .refused ? .refused : cause { openBoth(cause, now, &transitions) }
        }
        if permit.writeGeneration == write.generation, write.phase == .closed, let failed = failsWrite(permit, outcome)
        {
            let cause = write.record(failed: failed, slow: isSlow, now: now)
            if let cause { transitions.append(write.open(cause, now: now, random: &random)) }
        }
        return transitions
    }

    /// Reports an answer that says nothing bad about Redis.
    public mutating func onSuccess(_ permit: Permit, duration: Duration?, now: MonotonicTime) -> BreakerTransitions {
        onResult(permit, .success, duration: duration, now: now)
    }

    /// Reports a request that failed: `outcome` says how.
    public mutating func onFailure(
        _ permit: Permit, _ outcome: Outcome = .failure, duration: Duration?, now: MonotonicTime
    ) -> BreakerTransitions {
        onResult(permit, outcome, duration: duration, now: now)
    }

    /// Whether a result is a failure to the read side; nil when it says nothing to it.
    private func failsRead(_ permit: Permit, _ outcome: Outcome) -> Bool? {
        switch outcome {
        case .success, .writeFailure: false
        case .failure, .refused: true
        case .denied: permit.operation == .read ? true : nil
        }
    }

    /// Whether a result is a failure to the write side; nil when it says nothing to it.
    private func failsWrite(_ permit: Permit, _ outcome: Outcome) -> Bool? {
        if outcome == .writeFailure { return true }
        return permit.operation == .write ? outcome != .success : nil
    }

    private mutating func openBoth(
        _ cause: TransitionCause, _ now: MonotonicTime, _ transitions: inout BreakerTransitions
    ) {
        transitions.append(read.open(cause, now: now, random: &random))
        if write.state != .open { transitions.append(write.open(.openedWithReads, now: now, random: &random)) }
    }

    // MARK: Probes

    /// When `probeDue` should be called next: now or earlier means at once; nil while there is nothing to do.
    public var attentionAt: MonotonicTime? {
        guard mode == .automatic else { return nil }
        guard let readAt = read.attentionAt else { return write.attentionAt }
        guard let writeAt = write.attentionAt else { return readAt }
        return min(readAt, writeAt)
    }

    /// The next probe to make at `now`, if one is due, and what time alone has changed. Call until it returns none.
    public mutating func probeDue(_ now: MonotonicTime) -> (probe: ProbeRequest?, transitions: BreakerTransitions) {
        var transitions = BreakerTransitions()
        guard mode == .automatic else { return (nil, transitions) }
        transitions.append(read.onTime(now, random: &random))
        transitions.append(write.onTime(now, random: &random))
        if let deadline = read.takeProbe(now) {
            return (ProbeRequest(permit: permit(.read, isProbe: true), deadline: deadline), transitions)
        }
        if let deadline = write.takeProbe(now) {
            return (ProbeRequest(permit: permit(.write, isProbe: true), deadline: deadline), transitions)
        }
        return (nil, transitions)
    }

    private mutating func onProbe(
        _ permit: Permit, _ outcome: Outcome, isSlow: Bool, now: MonotonicTime
    ) -> BreakerTransitions {
        var transitions = BreakerTransitions()
        switch permit.operation {
        case .read where permit.readGeneration == read.generation:
            transitions.append(read.onProbe(outcome, slow: isSlow, now: now, random: &random))
        case .write where permit.writeGeneration == write.generation:
            transitions.append(write.onProbe(outcome, slow: isSlow, now: now, random: &random))
        default: break
        }
        return transitions
    }

    // MARK: Force and show

    /// Forces it open or closed, or gives it back to its own judgement: from forced open by probes, at once.
    public mutating func force(_ mode: BreakerMode, now: MonotonicTime) -> BreakerTransitions {
        let before = self.mode
        guard before != mode else { return .none }
        let from = (state(of: .read), state(of: .write))
        self.mode = mode
        switch mode {
        case .automatic where before == .forcedOpen:
            _ = read.openForProbes(.forced(mode), now: now)
            _ = write.openForProbes(.forced(mode), now: now)
        case .automatic, .forcedOpen, .forcedClosed:
            _ = read.close(.forced(mode), now: now)
            _ = write.close(.forced(mode), now: now)
        }
        var transitions = BreakerTransitions()
        for (side, from) in [(Operation.read, from.0), (.write, from.1)] {
            transitions.append(
                BreakerTransition(side: side, from: from, to: state(of: side), cause: .forced(mode), at: now))
        }
        return transitions
    }

    /// The state of a side, as it is shown.
    public func state(of operation: Operation) -> BreakerState {
        switch mode {
        case .automatic: operation == .read ? read.state : write.state
        case .forcedOpen: .forcedOpen
        case .forcedClosed: .forcedClosed
        }
    }

    /// What a side's window holds at `now`, for status and metrics.
    public mutating func counts(of operation: Operation, now: MonotonicTime) -> CallCounts {
        operation == .read ? read.counts(now) : write.counts(now)
    }

    private func permit(_ operation: Operation, isProbe: Bool) -> Permit {
        Permit(
            operation: operation, isProbe: isProbe, readGeneration: read.generation, writeGeneration: write.generation)
    }
}
