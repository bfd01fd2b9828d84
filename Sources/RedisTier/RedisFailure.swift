// Why a request to Redis has no reply, and what became of one.

public import Primitives

/// A connection as Redis knows it: its id, and the process that gave it (ids begin anew with each process).
public struct RedisClient: Hashable, Sendable {
    /// What CLIENT ID answered.
    public let id: Int64
    /// The process's `run_id`, from INFO; empty where Redis does not tell.
    public let runID: [UInt8]

    public init(id: Int64, runID: [UInt8]) {
        self.id = id
        self.runID = runID
    }
}

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
    /// The connection in whose buffers the request may still lie, where `mayHaveBeenSent`: Redis may carry it out at
    /// any time until that connection has been ended there.
    public let client: RedisClient?
    /// The connection has ended on this side: nobody would hear a late answer, so that Redis may end it as well.
    public let hasEnded: Bool

    public init(
        _ cause: Cause, mayHaveBeenSent: Bool, detail: String = "", client: RedisClient? = nil, hasEnded: Bool = false
    ) {
        self.cause = cause
        self.mayHaveBeenSent = mayHaveBeenSent
        self.detail = detail
        self.client = mayHaveBeenSent ? client : nil
        self.hasEnded = hasEnded
    }
}

/// What became of a request: one reply for each command in it, or none for all of them.
public typealias RedisResult = Result<[Reply], RedisFailure>
