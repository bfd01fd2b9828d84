// Why a request to Redis has no reply, and what became of one.

public import Primitives

/// Why a request has no reply.
public struct RedisFailure: Error, Sendable, Equatable {
    public enum Cause: String, Sendable {
        /// There is no connection, and none is being made at this moment.
        case notConnected = "not connected"
        /// No reply came before the deadline.
        case timedOut = "timed out"
        /// The connection ended before the reply came.
        case connectionLost = "connection lost"
        /// What came was not the Redis protocol; the connection was ended.
        case protocolError = "protocol error"
        /// As many requests wait on this connection as it may hold (`pipelineMax`, `unsentBytesMax`).
        case overloaded = "overloaded"
        /// Redis refused us: the password, the user's rights or the database; or it is a cluster.
        case misconfigured = "misconfigured"
    }

    public let cause: Cause
    /// Whether any byte of the request may have reached Redis: false is a promise that it was not executed.
    public let mayHaveBeenSent: Bool
    /// What is known beyond the cause, for the log and the error text; may be empty.
    public let detail: String

    public init(_ cause: Cause, mayHaveBeenSent: Bool, detail: String = "") {
        self.cause = cause
        self.mayHaveBeenSent = mayHaveBeenSent
        self.detail = detail
    }
}

/// What became of a request: one reply for each command in it, or none for all of them.
public typealias RedisResult = Result<[Reply], RedisFailure>
