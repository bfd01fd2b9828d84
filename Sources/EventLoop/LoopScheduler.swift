// A loop's clocks and timers, behind the seam that simulations replace.

internal import CUV
public import Primitives

/// The clocks and timers of a loop; belongs to the loop's thread.
public final class LoopScheduler: Scheduler {
    private let loop: Loop

    public init(_ loop: Loop) { self.loop = loop }

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
