// How other threads reach a loop: messages that are handed over together, with one wake-up for many.

internal import CUV
internal import Primitives

/// A wake-up of a loop that any thread may send.
private final class WakeUp: @unchecked Sendable {
    // The handle is touched on the loop's thread, except uv_async_send, which libuv allows from any thread and which
    // Mailbox calls under its lock, so that it can't meet `close`.
    private let handle: ActionHandle<uv_async_t>

    init(on loop: Loop, action: @escaping () -> Void) {
        handle = ActionHandle(action)
        let code = uv_async_init(loop.raw, handle.raw) { runAction($0?.pointee.data) }
        precondition(code == 0, "a mailbox can't be made: \(EventLoopError("uv_async_init", code))")
        handle.retainAction()
    }

    func send() { uv_async_send(handle.raw) }
    func unreference() { uv_unref(hearth_uv_handle(handle.raw)) }
    func close() { handle.close() }
}

/// A queue into a loop: any thread sends, the loop's thread receives all that has gathered in one call.
///
/// The sender decides what may be queued: a mailbox itself has no maximum, since each message answers a request that
/// was counted when it was admitted. Wake-ups are sent only when the queue was empty.
public final class Mailbox<Message: Sendable>: Sendable {
    private struct Queue {
        var messages: [Message] = []
        /// Nil once closed.
        var wakeUp: WakeUp?
    }

    private let queue: Locked<Queue>

    /// Makes a mailbox on `loop`; `receive` runs on the loop's thread with the messages in the order they were sent.
    public init(on loop: Loop, receive: @escaping ([Message]) -> Void) {
        queue = Locked(Queue())
        let wakeUp = WakeUp(on: loop) { [weak self] in
            guard let messages = self?.take(), !messages.isEmpty else { return }
            receive(messages)
        }
        queue.withLock { $0.wakeUp = wakeUp }
    }

    private func take() -> [Message] {
        queue.withLock { queue in
            let taken = queue.messages
            queue.messages = []
            // As many will come again, as a rule: the room is not grown step by step.
            queue.messages.reserveCapacity(min(taken.count, 256))
            return taken
        }
    }

    /// Hands `message` to the loop's thread; false when the mailbox is closed and the message was dropped.
    @discardableResult
    public func send(_ message: Message) -> Bool { send(contentsOf: CollectionOfOne(message)) }

    /// Hands several messages over with one wake-up; false when the mailbox is closed and they were dropped.
    @discardableResult
    public func send(contentsOf messages: some Collection<Message>) -> Bool {
        queue.withLock { queue in
            guard let wakeUp = queue.wakeUp else { return false }
            let wasEmpty = queue.messages.isEmpty
            queue.messages.append(contentsOf: messages)
            if wasEmpty && !queue.messages.isEmpty { wakeUp.send() }
            return true
        }
    }

    /// Does not hold the loop's `run` by itself; on the loop's thread.
    public func unreference() { queue.withLock { $0.wakeUp?.unreference() } }

    /// Ends it, on the loop's thread; what is sent from now on is dropped and says so.
    public func close() {
        queue.withLock { queue in
            queue.wakeUp?.close()
            queue.wakeUp = nil
        }
    }
}
