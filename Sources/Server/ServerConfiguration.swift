// What the serving plane may be told: its socket, its workers and its limits.

/// The listener, the workers and the limits of clients, with the defaults of the `socket`, `workers` and `limits` keys.
public struct ServerConfiguration: Sendable, Equatable {
    /// The Unix socket's path; at most 107 bytes (`sun_path`).
    public var socketPath = "/run/hearth/hearth.sock"
    /// The socket's permission bits.
    public var socketMode: UInt32 = 0o660
    /// Peers with other user ids are refused at accept; empty allows every peer that may open the socket.
    public var allowUids: [UInt32] = []
    /// A TCP loopback address to listen on as well, as `127.0.0.1:6380` or `[::1]:6380`; nil for none.
    public var tcpListen: String?
    /// Ask clients for this password (AUTH) before anything else; compared in constant time.
    public var password: [UInt8]?
    /// Threads with an event loop each.
    public var workers = 1
    public var maxClients = 1024
    /// The largest value that any policy may allow, in bytes.
    public var maxValue = 8 << 20
    /// The largest request, in bytes, with all its arguments.
    public var maxRequest = 64 << 20
    /// A client that leaves more than this many bytes of replies unread is dropped.
    public var maxOutput = 64 << 20
    /// Connections to Redis that clients may have for themselves at once: WATCH, blocking commands, subscriptions,
    /// MONITOR, scripts.
    public var maxPinned = 64
    /// Names of commands, in upper case and with their subcommands, that are allowed although they are denied by
    /// default; `*` is all.
    public var allowedCommands: [String] = []
    /// A client that asks nothing for so long is closed; zero never closes one.
    public var idle = Duration.zero
    /// How long SIGTERM waits for what is in flight.
    public var drain = Duration.seconds(5)

    /// Which requests are kept as slow.
    public var slowLog = SlowLogConfiguration()

    public init() {}
}
