// Threads that may block, and the queue through which they are given work.

internal import CUV
public import Primitives

/// Starts a thread that runs `body` once; it is not joined, and ends with the process at the latest.
///
/// `body` is handed over: what it captures belongs to the new thread from now on.
public func startThread(_ name: String, _ body: sending @escaping () -> Void) {
    final class Start {
        let name: String
        let body: () -> Void
        init(_ name: String, _ body: @escaping () -> Void) {
            self.name = name
            self.body = body
        }
    }
    var thread = uv_thread_t()
    let code = uv_thread_create(
        &thread,
        { raw in
            guard let raw else { return }
            let start = Unmanaged<Start>.fromOpaque(raw).takeRetainedValue()
            hearth_name_thread(start.name)
            start.body()
        }, retain(Start(name, body)))
    precondition(code == 0, "the thread \(name) can't be started: \(EventLoopError("uv_thread_create", code))")
}

/// A queue whose reader waits: any thread sends, one or more threads take.
///
/// The sender is told when the queue is full, and what was refused is then the sender's to answer.
public final class BlockingQueue<Message: Sendable>: JobQueue, @unchecked Sendable {
    private let lock: UnsafeMutablePointer<uv_mutex_t>
    private let arrived: UnsafeMutablePointer<uv_cond_t>
    private var messages: [Message] = []
    private var isClosed = false
    /// The most messages that may wait.
    public let capacity: Int

    public init(capacity: Int) {
        self.capacity = capacity
        lock = .allocate(capacity: 1)
        arrived = .allocate(capacity: 1)
        uv_mutex_init(lock)
        uv_cond_init(arrived)
    }

    deinit {
        uv_cond_destroy(arrived)
        uv_mutex_destroy(lock)
        arrived.deallocate()
        lock.deallocate()
    }

    /// False when the queue is full or closed; with `beyondCapacity`, of which the sender has a bound of its own, only
    /// when it is closed.
    public func send(_ message: Message, beyondCapacity: Bool = false) -> Bool {
        uv_mutex_lock(lock)
        defer { uv_mutex_unlock(lock) }
        guard !isClosed, beyondCapacity || messages.count < capacity else { return false }
        messages.append(message)
        if messages.count == 1 { uv_cond_signal(arrived) }
        return true
    }

    /// Hands several over with one wake-up; how many of them, from the first on, there was room for.
    public func send(contentsOf more: [Message]) -> Int {
        uv_mutex_lock(lock)
        defer { uv_mutex_unlock(lock) }
        let taken = isClosed ? 0 : min(more.count, max(0, capacity - messages.count))
        guard taken > 0 else { return 0 }
        let wasEmpty = messages.isEmpty
        messages.append(contentsOf: more.prefix(taken))
        if wasEmpty { uv_cond_signal(arrived) }
        return taken
    }

    public var count: Int {
        uv_mutex_lock(lock)
        defer { uv_mutex_unlock(lock) }
        return messages.count
    }

    /// Wakes the takers: they get what is left, and then nil.
    public func close() {
        uv_mutex_lock(lock)
        isClosed = true
        uv_cond_broadcast(arrived)
        uv_mutex_unlock(lock)
    }

    /// What has gathered, at most `limit`; waits for the first, at most `milliseconds`. Empty when that time has
    /// passed, nil when the queue is closed and empty.
    public func take(limit: Int = .max, waitingUpToMilliseconds milliseconds: Int64) -> [Message]? {
        uv_mutex_lock(lock)
        defer { uv_mutex_unlock(lock) }
        let deadline = Loop.monotonicNanoseconds + milliseconds * 1_000_000
        while messages.isEmpty {
            if isClosed { return nil }
            let left = deadline - Loop.monotonicNanoseconds
            if left <= 0 { return [] }
            uv_cond_timedwait(arrived, lock, UInt64(left))
        }
        if messages.count <= limit {
            let all = messages
            messages = []
            messages.reserveCapacity(min(all.count, 256))
            return all
        }
        let part = Array(messages.prefix(limit))
        messages.removeFirst(limit)
        uv_cond_signal(arrived)
        return part
    }
}

/// Keeps the heap small in a process of several threads: what large values leave behind goes back to the system.
///
/// To be called before the first thread is started. glibc would keep an arena per thread, and raise the size from which
/// memory is mapped, and so given back, with each large value that is freed.
public func boundHeap() { hearth_bound_heap() }
