// The admin plane: an HTTP server on a thread of its own, so that a slow scrape never delays a request.
//
//     start() ──creates──► admin thread: AdminLoop (libmicrohttpd) ──calls──► AdminSource's closures
//     stop()  ──flag, wakes, joins──┘
//
// The stop flag is the only thing that both threads touch; everything else belongs to the admin thread once it runs.

internal import Primitives
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The limits of the admin server; not configured, since nobody but probes, scrapers and people come here.
struct AdminLimits: Sendable {
    /// One more takes the place of the one that has waited longest.
    var connectionsMax = 64
    /// How long a connection may take from its start, or its last answer, to its next one.
    var patience = Duration.seconds(30)
    /// A connection that sends or takes nothing for so long is closed.
    var idleSecondsMax: UInt32 = 10
    /// The memory of a connection, with its request's line and headers; more is answered with 413, 414 or 431.
    var connectionBytesMax = 16 << 10
    /// Pages that are told what happens; one more is answered with 503. Connections of their own beyond the others.
    var pagesMax = 8
    /// Events, one a second, that may wait for a page that takes none; then it is dropped.
    var eventsWaitingMax = 30
    /// How often the process is looked at.
    var lookInterval = Duration.seconds(1)
}

/// A running admin server; ``stop()`` ends it, at the latest when the value goes.
public final class AdminServer: Sendable {
    /// Where it listens, with the port that the kernel chose where 0 was configured.
    public let address: ListenAddress
    private let descriptor: Int32
    private let isStopping: StopFlag
    private let thread: Locked<pthread_t?>

    /// Listens, and answers on a thread of its own from now on; nil where the configuration says `off`.
    public static func start(_ configuration: AdminConfiguration, source: AdminSource) throws(AdminError)
        -> AdminServer?
    {
        try start(configuration, source: source, limits: AdminLimits())
    }

    static func start(
        _ configuration: AdminConfiguration, source: AdminSource, limits: AdminLimits
    ) throws(AdminError) -> AdminServer? {
        guard let text = configuration.listen else { return nil }
        guard let wanted = ListenAddress(text) else {
            throw AdminError(description: "admin: \(text) is no numeric address and port; set admin.listen")
        }
        let socket = try ListeningSocket(wanted)
        return try AdminServer(socket, source, limits)
    }

    private init(_ socket: consuming ListeningSocket, _ source: AdminSource, _ limits: AdminLimits) throws(AdminError) {
        address = socket.address
        let flag = StopFlag()
        isStopping = flag
        descriptor = socket.take()
        let loop = try AdminLoop(descriptor: descriptor, address: address, source: source, limits: limits, flag: flag)
        var created = pthread_t(bitPattern: 0)
        let context = Unmanaged.passRetained(loop).toOpaque()
        let code = pthread_create(&created, nil, runLoop, context)
        guard code == 0 else {
            Unmanaged<AdminLoop>.fromOpaque(context).release()
            throw AdminError(description: "admin: can't start a thread: \(String(cString: strerror(code)))")
        }
        thread = Locked(created)
    }

    deinit { stop() }

    /// Stops listening, closes every connection and returns once the thread has ended, within a second; repeatable.
    public func stop() {
        let running = thread.withLock { current in
            defer { current = nil }
            return current
        }
        guard let running else { return }
        // Wakes the loop at once on Linux; elsewhere its next turn, at most a second away, sees the flag. In this
        // order, since the thread closes the descriptor once it has seen the flag, and the number may then be somebody
        // else's.
        endBothWays(descriptor)
        isStopping.raised.store(true, ordering: .relaxed)
        pthread_join(running, nil)
    }
}

final class StopFlag: Sendable {
    let raised = Atomic<Bool>(false)
}

/// The thread's body: takes the loop over, and frees it when it is done.
private func run(_ context: UnsafeMutableRawPointer) {
    // Signals are for the threads that wait for them.
    var all = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, nil)
    AdminLoop.giveWay()
    Unmanaged<AdminLoop>.fromOpaque(context).takeRetainedValue().run()
}

#if canImport(Glibc)
    private let runLoop: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
        run(context!)
        return nil
    }
#else
    private let runLoop: @convention(c) (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? = { context in
        run(context)
        return nil
    }
#endif
