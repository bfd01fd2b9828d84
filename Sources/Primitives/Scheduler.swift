// Time as everything below the server is given it: clocks to read and timers to set.

/// The clocks and timers of one thread: a loop's in the server, virtual ones under test and simulation.
public protocol Scheduler: AnyObject {
    /// Nanoseconds of a clock that never goes back; only differences mean anything.
    var monotonicNanoseconds: Int64 { get }
    /// The wall clock, by which Redis counts expiry.
    var now: Timestamp { get }
    /// For how much of the time since `moment` a peer can be blamed that answers now: without what this thread did
    /// itself after the answer may have come. In nanoseconds.
    func waitedNanoseconds(since moment: Int64) -> Int64
    /// A timer that runs `action` on this thread each time it has been started and its time has come.
    func makeTimer(_ action: @escaping () -> Void) -> any ScheduledTimer
}

/// A timer of a ``Scheduler``; dropping it stops it.
public protocol ScheduledTimer: AnyObject {
    /// Runs the action once, `milliseconds` from now, instead of when it was set to run before.
    func start(afterMilliseconds milliseconds: Int64)
    func stop()
}

extension Scheduler {
    /// All of it, where this thread takes no time of its own.
    public func waitedNanoseconds(since moment: Int64) -> Int64 { max(0, monotonicNanoseconds - moment) }
}
