// A loop's clocks and timers, behind the seam that simulations replace.

internal import CUV
public import Primitives

/// The clocks and timers of a loop; belongs to the loop's thread.
public final class LoopScheduler: Scheduler {
    private let loop: Loop
    private var beforeWaiting: ActionHandle<uv_prepare_t>?
    /// When the loop last began to wait for events, and its waiting time until then.
    private var waitBegan = Loop.monotonicNanoseconds
    private var waitedBefore: Int64 = 0
    /// When the wait before that ended.
    private var lastWaitEnded = Loop.monotonicNanoseconds

    public init(_ loop: Loop) { self.loop = loop }

    /// Measures how long the loop waits, for ``waitedNanoseconds(since:)``; before the loop runs.
    ///
    /// A reply that came while this thread was busy is read late. Without this the breaker would take a burst of work
    /// here, or a processor that was taken away, for a slow Redis.
    public func measureWaiting() {
        hearth_uv_measure_idle(loop.raw)
        let handle = ActionHandle<uv_prepare_t> { [unowned self] in self.willWait() }
        uv_prepare_init(loop.raw, handle.raw)
        handle.retainAction()
        uv_prepare_start(handle.raw) { runAction($0?.pointee.data) }
        uv_unref(hearth_uv_handle(handle.raw))
        beforeWaiting = handle
    }

    private func willWait() {
        let waited = Int64(uv_metrics_idle_time(loop.raw))
        lastWaitEnded = waitBegan + waited - waitedBefore
        waitBegan = Loop.monotonicNanoseconds
        waitedBefore = waited
    }

    /// The answer had not come when the wait before the last one ended: until then, and during the last wait.
    public func waitedNanoseconds(since moment: Int64) -> Int64 {
        let all = max(0, Loop.monotonicNanoseconds - moment)
        guard beforeWaiting != nil else { return all }
        let inLastWait = Int64(uv_metrics_idle_time(loop.raw)) - waitedBefore
        return min(all, max(0, lastWaitEnded - moment) + max(0, inLastWait))
    }

    /// Ends the measuring, so that the loop can end.
    public func close() { beforeWaiting?.close() }

    public var monotonicNanoseconds: Int64 { Loop.monotonicNanoseconds }

    public var now: Timestamp { Loop.wallClock }

    public func makeTimer(_ action: @escaping () -> Void) -> any ScheduledTimer {
        let timer = Timer(on: loop, action: action)
        timer.unreference()
        return timer
    }
}

extension Timer: ScheduledTimer {
    public func start(afterMilliseconds milliseconds: Int64) {
        start(afterMilliseconds: milliseconds, repeatMilliseconds: 0)
    }
}

extension Loop {
    /// The wall clock (CLOCK_REALTIME), read now.
    public static var wallClock: Timestamp { Timestamp(milliseconds: wallClockMicroseconds / 1000) }

    /// Microseconds since the Unix epoch.
    public static var wallClockMicroseconds: Int64 {
        var time = uv_timeval64_t()
        uv_gettimeofday(&time)
        return time.tv_sec * 1_000_000 + Int64(time.tv_usec)
    }
}
