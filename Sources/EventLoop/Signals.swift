// Signals and readable descriptors as events of a loop.

internal import CUV

/// Hears one signal on a loop; belongs to the loop's thread.
public final class SignalSource {
    private let handle: ActionHandle<uv_signal_t>

    /// Hears `signal` until `close`; the process no longer takes its default action.
    public init(_ signal: Int32, on loop: Loop, action: @escaping () -> Void) {
        handle = ActionHandle(action)
        uv_signal_init(loop.raw, handle.raw)
        handle.retainAction()
        uv_signal_start(handle.raw, { raw, _ in runAction(raw?.pointee.data) }, signal)
        uv_unref(hearth_uv_handle(handle.raw))
    }

    deinit { handle.close() }

    public func close() { handle.close() }
}

/// Calls back while a descriptor is readable (level-triggered); belongs to the loop's thread.
///
/// The descriptor stays the caller's: `close` ends the watch, not the descriptor.
public final class ReadinessSource {
    private let handle: ActionHandle<uv_poll_t>

    public init(descriptor: Int32, on loop: Loop, action: @escaping () -> Void) throws(EventLoopError) {
        handle = ActionHandle(action)
        let code = uv_poll_init(loop.raw, handle.raw, descriptor)
        guard code == 0 else {
            handle.raw.deallocate()
            handle.action.run = nil
            throw EventLoopError("watch a descriptor", code)
        }
        handle.retainAction()
        resume()
    }

    deinit { handle.close() }

    public func resume() {
        guard handle.isOpen else { return }
        uv_poll_start(handle.raw, Int32(UV_READABLE.rawValue)) { raw, _, _ in runAction(raw?.pointee.data) }
    }

    public func pause() { if handle.isOpen { uv_poll_stop(handle.raw) } }

    public func close() { handle.close() }
}
