// The bytes between Hearth and Redis: the seam behind which there is a socket, or a simulation.

/// Who hears of a transport's events, on its thread.
public protocol RedisTransportDelegate: AnyObject {
    /// The connection stands.
    func transportDidOpen()
    /// Bytes arrived; valid until this returns.
    func transportDidReceive(_ bytes: UnsafeRawBufferPointer)
    /// The connection could not be made, or has ended; nothing more is heard of it.
    func transportDidClose(_ reason: String)
}

/// One attempt at one connection to Redis; belongs to one thread.
public protocol RedisTransport: AnyObject {
    /// How many of the bytes given to `send` have left this process, since it opened.
    var takenBytes: Int { get }
    /// Begins to connect; the delegate hears how that ends, never before this returns.
    func open(_ delegate: any RedisTransportDelegate)
    /// Sends bytes, after those of earlier calls. What can't leave at once is kept.
    func send(_ bytes: [UInt8])
    /// Ends the connection and drops what has not left; the delegate hears nothing more.
    func close()
}
