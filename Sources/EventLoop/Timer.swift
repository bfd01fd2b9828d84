// One-shot and repeating timers on a loop.

internal import CUV

/// A timer on a loop, in whole milliseconds (libuv's resolution); belongs to the loop's thread.
public final class Timer {
    private let handle: ActionHandle<uv_timer_t>

    public init(on loop: Loop, action: @escaping () -> Void) {
        handle = ActionHandle(action)
        uv_timer_init(loop.raw, handle.raw)
        handle.retainAction()
    }

    deinit { handle.close() }

    /// Runs the action once, `milliseconds` from now, or again and again; replaces what was set before.
    public func start(afterMilliseconds milliseconds: Int64, repeatMilliseconds: Int64) {
        guard handle.isOpen else { return }
        uv_update_time(handle.raw.pointee.loop)
        uv_timer_start(
            handle.raw, { runAction($0?.pointee.data) }, UInt64(max(0, milliseconds)),
            UInt64(max(0, repeatMilliseconds)))
    }

    public func stop() { if handle.isOpen { uv_timer_stop(handle.raw) } }

    /// Whether it will run.
    public var isActive: Bool { handle.isOpen && uv_is_active(hearth_uv_handle(handle.raw)) != 0 }

    /// Does not hold the loop's `run` by itself.
    public func unreference() { if handle.isOpen { uv_unref(hearth_uv_handle(handle.raw)) } }

    /// Stops for good; safe to call twice.
    public func close() { handle.close() }
}

/// Runs an action once in each iteration of a loop, after the events of that iteration; belongs to the loop's thread.
///
/// This is how requests that reached the same iteration travel together.
public final class IterationEnd {
    private let afterEvents: ActionHandle<uv_check_t>
    /// libuv runs timers outside its wait for events, and what they did must not wait with it for the next event.
    private let beforeWaiting: ActionHandle<uv_prepare_t>

    public init(on loop: Loop, action: @escaping () -> Void) {
        afterEvents = ActionHandle(action)
        uv_check_init(loop.raw, afterEvents.raw)
        afterEvents.retainAction()
        uv_check_start(afterEvents.raw) { runAction($0?.pointee.data) }
        uv_unref(hearth_uv_handle(afterEvents.raw))
        beforeWaiting = ActionHandle(action)
        uv_prepare_init(loop.raw, beforeWaiting.raw)
        beforeWaiting.retainAction()
        uv_prepare_start(beforeWaiting.raw) { runAction($0?.pointee.data) }
        uv_unref(hearth_uv_handle(beforeWaiting.raw))
    }

    deinit { close() }

    public func close() {
        afterEvents.close()
        beforeWaiting.close()
    }
}
