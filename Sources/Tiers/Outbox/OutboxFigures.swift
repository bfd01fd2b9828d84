// What a process counts of messages, and what it last saw of those that wait.

public import Metrics
public import Primitives
internal import Synchronization

/// Figures of the outbox, of all workers together; safe from any thread.
public final class OutboxFigures: Sendable {
    /// Messages that wait in Redis for streams which do not take them, as they were last seen; they are everybody's.
    public struct Waiting: Sendable, Equatable {
        public var messages = 0
        public var streams = 0
        /// Since when the oldest has waited; nil where none does.
        public var since: Timestamp?

        public init() {}
    }

    /// Messages that this process has brought into their streams.
    public let delivered = SharedCounter()
    /// Messages that their streams did not take when their writes were committed.
    public let delayed = SharedCounter()
    /// Attempts at delivering what waits.
    public let retried = SharedCounter()
    /// Attempts that the stream refused.
    public let refused = SharedCounter()
    private let seen = Locked(Waiting())
    /// A message has come to wait since somebody looked.
    private let hasNews = Atomic<Bool>(false)

    init() {}

    public internal(set) var waiting: Waiting {
        get { seen.withLock { $0 } }
        set { seen.withLock { $0 = newValue } }
    }

    /// Redis has so many messages of a write, of which so many wait for their streams.
    func note(_ messages: Int, waiting: Int) {
        guard messages > 0 else { return }
        delivered.add(UInt64(max(0, messages - waiting)))
        guard waiting > 0 else { return }
        delayed.add(UInt64(waiting))
        hasNews.store(true, ordering: .relaxed)
    }

    func takeNews() -> Bool { hasNews.exchange(false, ordering: .relaxed) }
}
