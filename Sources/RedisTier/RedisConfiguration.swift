// What the Redis tier may be told: where Redis is, who we are to it, and how long it may take.

internal import Primitives

/// Where Redis is and how long it may take, with the defaults of the `redis` key.
public struct RedisConfiguration: Sendable, Equatable {
    /// Where Redis listens.
    public enum Endpoint: Sendable, Equatable {
        case tcp(host: String, port: Int)
        case unix(path: String)

        /// `host:port`, or the path; for people.
        public var text: String {
            switch self {
            case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            case .unix(let path): path
            }
        }
    }

    public var endpoint = Endpoint.tcp(host: "127.0.0.1", port: 6379)
    public var database = 0
    /// What each connection is called in Redis (CLIENT SETNAME), so that it can be told whose it is.
    public var clientName = "hearth"
    /// The ACL user; nil is Redis's default user.
    public var username: String?
    public var password: String?
    /// A file whose content, less one trailing newline, is the password; the executable reads it into
    /// `password` at start, at each reload and when Redis refuses the old one, since a loop reads no file.
    public var passwordFile: String?
    /// The longest that a request waits for Redis.
    public var timeout = Duration.milliseconds(100)
    /// The longest that a request waits for Redis where a stale copy could answer it.
    public var softTimeout = Duration.milliseconds(20)
    /// The longest wait for a connection with its handshake; also the resolver's.
    public var connectTimeout = Duration.seconds(1)
    /// The bounds of the full-jitter wait between attempts to connect.
    public var reconnectMin = Duration.milliseconds(50)
    public var reconnectMax = Duration.seconds(1)
    /// Requests that may wait for a reply on one connection; one more is refused as a failure.
    public var pipelineMax = 16_384
    /// Bytes of requests not yet taken by the kernel on one connection; a request that would pass it is refused.
    public var unsentBytesMax = 64 << 20

    /// About how many deletions the stream of deletions keeps; 0 for no stream.
    public var deletions = 100_000

    public init() {}
}

extension RedisConfiguration {
    /// xxh3 of where the data lies: endpoint and database.
    public var address: UInt64 {
        let text =
            switch endpoint {
            case .tcp(let host, let port): "tcp \(host) \(port) \(database)"
            case .unix(let path): "unix \(path) \(database)"
            }
        return Array(text.utf8).withUnsafeBytes { xxh3($0) }
    }
}
