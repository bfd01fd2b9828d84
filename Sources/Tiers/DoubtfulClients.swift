// The connections on which a write was left without an answer: Redis may still carry it out, whatever happened since.

internal import Primitives
public import RedisTier

/// Connections that must be ended in Redis before anything is replayed there; safe from any thread.
///
/// A write that timed out may lie in a socket buffer of a Redis that hangs: it runs when Redis goes on, even where the
/// connection was closed on this side. Ended by CLIENT KILL it can't.
public final class DoubtfulClients: Sendable {
    private let clients = Locked<[RedisClient: Int64]>([:])

    public init() {}

    /// Notes the connection of a write that failed at `now`, in monotonic nanoseconds; one that was never sent leaves
    /// no doubt.
    public func note(_ failure: RedisFailure, now: Int64) {
        guard failure.mayHaveBeenSent, let client = failure.client else { return }
        clients.withLock { $0[client] = now }
    }

    /// Those in doubt, and when the last of their writes was given up.
    public var all: [RedisClient: Int64] { clients.withLock { $0 } }

    /// They have been ended, or have answered, or their process has ended.
    public func settle(_ ended: some Sequence<RedisClient>) {
        clients.withLock { clients in for client in ended { clients[client] = nil } }
    }
}
