// What every small libuv handle shares: an action that it calls, and memory that lives until libuv lets go.

internal import CUV

/// What libuv points to from a handle's `data`: the action, nil once closed. It outlives the Swift wrapper.
final class Action {
    var run: (() -> Void)?
    init(_ run: @escaping () -> Void) { self.run = run }
}

/// A handle with its action; the wrapper types start it and close it.
struct ActionHandle<Raw> {
    let raw: UnsafeMutablePointer<Raw>
    let action: Action

    init(_ action: @escaping () -> Void) {
        raw = .allocate(capacity: 1)
        self.action = Action(action)
    }

    /// To be called when libuv has initialised the handle.
    func retainAction() { hearth_uv_handle(raw).pointee.data = retain(action) }

    var isOpen: Bool { action.run != nil }

    /// Stops for good and frees the memory when libuv has let go; safe to call twice.
    func close() {
        guard isOpen else { return }
        action.run = nil
        closeAndFree(hearth_uv_handle(raw))
    }
}

/// Runs the action behind a handle's `data`.
@inline(__always)
func runAction(_ data: UnsafeMutableRawPointer?) { object(data, as: Action.self).run?() }

private func closeAndFree(_ handle: UnsafeMutablePointer<uv_handle_t>) {
    uv_close(handle) { closed in
        guard let closed else { return }
        Unmanaged<Action>.fromOpaque(closed.pointee.data).release()
        UnsafeMutableRawPointer(closed).deallocate()
    }
}
