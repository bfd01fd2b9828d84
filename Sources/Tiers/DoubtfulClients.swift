// The connections on which a write was left without an answer: Redis may still carry it out, whatever happened since.

internal import Primitives
public import RedisTier
internal import Synchronization

/// Connections to be ended in Redis before a later write, or a replay, is carried out there; safe from any thread.
///
/// A write that timed out may lie in a socket buffer of a Redis that hangs, or be sent again and again by this side's
/// kernel: it runs when Redis goes on, even where the connection was closed here. Ended by CLIENT KILL it can't.
public final class DoubtfulClients: Sendable {
    private struct Doubt {
        /// When the last of its writes was given up.
        var since: Int64
        /// The connection has ended on this side.
        var hasEnded: Bool
    }

    private let clients = Locked<[RedisClient: Doubt]>([:])
    private let count = Atomic<Int>(0)

    public init() {}

    /// What every write asks first.
    public var isEmpty: Bool { count.load(ordering: .acquiring) == 0 }

    /// Notes the connection of a write that failed at `now`, in monotonic nanoseconds; one that was never sent leaves
    /// no doubt.
    public func note(_ failure: RedisFailure, now: Int64) {
        guard failure.mayHaveBeenSent, let client = failure.client else { return }
        change { clients in
            let hasEnded = failure.hasEnded || clients[client]?.hasEnded ?? false
            clients[client] = Doubt(since: now, hasEnded: hasEnded)
        }
    }

    /// A connection has ended on this side.
    public func noteEnded(_ client: RedisClient) {
        if !isEmpty { change { clients in clients[client]?.hasEnded = true } }
    }

    /// Those in doubt, and when the last of their writes was given up.
    public var all: [RedisClient: Int64] { clients.withLock { $0.mapValues(\.since) } }

    /// Those that have ended on this side, so that ending them in Redis takes nothing from anybody.
    public var ended: [RedisClient] { isEmpty ? [] : clients.withLock { $0.filter(\.value.hasEnded).map(\.key) } }

    /// They have been ended, or have answered, or their process has ended.
    public func settle(_ ended: some Sequence<RedisClient>) {
        change { clients in for client in ended { clients[client] = nil } }
    }

    private func change(_ body: (inout [RedisClient: Doubt]) -> Void) {
        clients.withLock { clients in
            body(&clients)
            count.store(clients.count, ordering: .releasing)
        }
    }
}

extension Tiers {
    /// To be called before a write is sent over `redis`: has Redis end those connections first that were given up here
    /// with a write unanswered.
    ///
    /// Else that write could be carried out after this one, and undo what Redis has acknowledged. A connection that
    /// still lives is left alone: what its own clients ask next goes behind that write anyway, and for others the two
    /// are under way at the same time until it has been answered late or the connection is taken for hung.
    public func endDoubtful(over redis: RedisConnection) {
        let doubtful = share.doubtful
        guard !doubtful.isEmpty else { return }
        redis.end(doubtful.ended, timeoutNanoseconds: limits.timeout) { doubtful.settle($0) }
    }

    /// Keeps the order of writes over a connection to Redis, whichever connections came before it.
    public func keepOrder(over redis: RedisConnection) {
        redis.onEnded = { [share] client in share.doubtful.noteEnded(client) }
        redis.onReady = { [unowned self] redis in self.endDoubtful(over: redis) }
    }
}
