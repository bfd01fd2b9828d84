// Time as everything below the server is given it: clocks to read and timers to set.

/// The clocks and timers of one thread: a loop's in the server, virtual ones under test and simulation.
public protocol Scheduler: AnyObject {
    /// Nanoseconds of a clock that never goes back; only differences mean anything.
    var monotonicNanoseconds: Int64 { get }
    /// The wall clock, by which Redis counts expiry.
    var now: Timestamp { get }
    /// A timer that runs `action` on this thread each time it has been started and its time has come.
    func makeTimer(_ action: @escaping () -> Void) -> any ScheduledTimer
}

/// A timer of a ``Scheduler``; dropping it stops it.
public protocol ScheduledTimer: AnyObject {
    /// Runs the action once, `milliseconds` from now, instead of when it was set to run before.
    func start(afterMilliseconds milliseconds: Int64)
    func stop()
}
