// libmicrohttpd as Swift: requests in, answers out, on the admin thread. The only file that imports it.
//
// DESIGN. The library has no thread here: this loop lets it run until something happens or a look at the process is
// due, so that connections can be ended by our own rules between two turns, and so that a page's stream, suspended
// while there is nothing to tell it, is resumed without a second thread. All callbacks come from within
// `MHD_run_wait`, on the thread that calls it; nothing here is locked.

private import CMicrohttpd
internal import Primitives
internal import Synchronization

#if canImport(Glibc)
    private import Glibc
#elseif canImport(Darwin)
    private import Darwin
#endif

/// The server as its thread sees it.
final class AdminLoop {
    private let daemon: OpaquePointer
    private let context: Context
    private let flag: StopFlag
    private let lookInterval: Duration

    /// Takes the descriptor over, also when it throws.
    init(
        descriptor: Int32, address: ListenAddress, source: AdminSource, limits: AdminLimits, flag: StopFlag
    ) throws(AdminError) {
        context = Context(Router(source: source), limits)
        self.flag = flag
        lookInterval = limits.lookInterval
        var options = hearth_mhd_options()
        options.listen_socket = descriptor
        // Room for those that are told to go and have not gone yet.
        options.connections_max = UInt32(limits.connectionsMax + limits.pagesMax) + 8
        options.idle_seconds_max = limits.idleSecondsMax
        options.connection_bytes_max = limits.connectionBytesMax
        options.on_request = onRequest
        options.on_completed = onCompleted
        options.on_connection = onConnection
        options.context = Unmanaged.passUnretained(context).toOpaque()
        guard let daemon = hearth_mhd_start(&options) else {
            let code = errno
            close(descriptor)
            throw AdminError(
                description:
                    "admin: can't serve \(address): libmicrohttpd did not start (\(String(cString: strerror(code))))")
        }
        self.daemon = daemon
    }

    /// Ends every connection and the listening socket.
    deinit { MHD_stop_daemon(daemon) }

    /// Lets the scheduler prefer the other threads where they share a core with the calling one: a scrape that a worker
    /// has to wait for is in its p99, and a scrape that waits for a worker is in nobody's.
    ///
    /// Niceness alone gives it a smaller share, but once it runs it goes on to the end of its slice, which is longer
    /// than a scrape. Since Linux 6.12 a thread may name its slice (`sched_runtime` of a fair thread,
    /// kernel/sched/syscalls.c), and a waking thread of a shorter one takes the core at once (`PREEMPT_SHORT`,
    /// kernel/sched/features.h). So the longest that there is asks to be interrupted. An older kernel ignores it.
    static func giveWay() {
        #if os(Linux)
            let process = Int32(PRIO_PROCESS.rawValue)
            // Less than it has may be forbidden, and would forbid the slice with it.
            let niceness = max(10, getpriority(process, 0))
            // Where that is forbidden as well, by seccomp perhaps, it stays as it is.
            if hearth_give_way(niceness) != 0 { _ = setpriority(process, 0, niceness) }
        #endif
    }

    /// Serves until the flag is raised.
    func run() {
        var hasFailed = false
        var nextLook = ContinuousClock.now
        while !flag.raised.load(ordering: .relaxed) {
            let now = ContinuousClock.now
            if now >= nextLook {
                context.look()
                nextLook = max(nextLook + lookInterval, now)
            }
            let untilLook = Int32(clamping: max(0, now.duration(to: nextLook).milliseconds)) + 1
            if MHD_run_wait(daemon, min(untilLook, context.connections.isEmpty ? 1000 : 250)) != hearth_mhd_yes {
                if !hasFailed {
                    context.router.source.failed("admin: the HTTP server can't wait for its sockets; it tries on")
                }
                hasFailed = true
                sleep(1)
            }
            context.endOverdue()
        }
        endPages()
    }

    /// Pages hear that their stream ends, so that their browsers take it for no fault; a tenth of a second at most.
    /// None may be suspended when the library is stopped.
    private func endPages() {
        context.streams.end()
        for connection in context.takeSuspended() { MHD_resume_connection(connection) }
        for _ in 0..<10 where context.streams.count > 0 { _ = MHD_run_wait(daemon, 10) }
    }
}

/// What the callbacks need; only the admin thread touches it.
private final class Context {
    let router: Router
    var connections: Connections<OpaquePointer>
    var streams: EventStreams<OpaquePointer>
    /// Connections of pages for which there is nothing to send.
    private var suspended: Set<OpaquePointer> = []

    init(_ router: Router, _ limits: AdminLimits) {
        self.router = router
        connections = Connections(max: limits.connectionsMax, patience: limits.patience)
        streams = EventStreams(countMax: limits.pagesMax, waitingMax: limits.eventsWaitingMax)
    }

    /// Looks at the process, and tells the pages that are open.
    func look() {
        let live = router.source.live
        live.look()
        guard streams.count > 0 else { return }
        for slow in streams.tell(EventStreams<OpaquePointer>.event("news", live.news())) { end(slow) }
        for connection in takeSuspended() { MHD_resume_connection(connection) }
    }

    func suspend(_ connection: OpaquePointer) {
        suspended.insert(connection)
        MHD_suspend_connection(connection)
    }

    func takeSuspended() -> Set<OpaquePointer> {
        defer { suspended = [] }
        return suspended
    }

    /// A connection became a page's: it has no patience to lose, and gives way to nobody.
    func beginStream(_ connection: OpaquePointer) {
        connections.closed(connection)
        streams.open(connection, past: router.source.live.past())
    }

    func endOverdue() {
        for connection in connections.overdue(at: .now) { end(connection) }
    }

    /// The library sees the end of the stream and closes the connection in its own time.
    func end(_ connection: OpaquePointer) {
        let descriptor = hearth_mhd_socket(connection)
        if descriptor >= 0 { endBothWays(descriptor) }
    }

    static func of(_ pointer: UnsafeMutableRawPointer?) -> Context {
        Unmanaged<Context>.fromOpaque(pointer!).takeUnretainedValue()
    }
}

/// A request whose body is still coming.
private final class Pending {
    var body: [UInt8] = []
    /// All bytes of the body, also those past the limit, which are not kept.
    var received = 0
    /// A body beyond this is not even waited for.
    static let receivedMax = 1 << 20
}

private let onConnection: MHD_NotifyConnectionCallback = { context, connection, _, event in
    guard let connection else { return }
    let context = Context.of(context)
    if event == hearth_mhd_connection_started {
        if let loser = context.connections.opened(connection, at: .now) { context.end(loser) }
    } else {
        context.connections.closed(connection)
    }
}

private let onCompleted: MHD_RequestCompletedCallback = { context, connection, request, _ in
    if let connection {
        let context = Context.of(context)
        context.connections.answered(connection, at: .now)
        context.streams.close(connection)
    }
    guard let pending = request?.pointee else { return }
    Unmanaged<Pending>.fromOpaque(pending).release()
    request?.pointee = nil
}

/// Called once when the headers are there, then for each piece of the body, then once more without one.
private let onRequest: MHD_AccessHandlerCallback = { context, connection, url, method, _, upload, uploadSize, request in
    guard let connection, let url, let method, let uploadSize, let request else { return hearth_mhd_no }
    guard let known = request.pointee else {
        request.pointee = Unmanaged.passRetained(Pending()).toOpaque()
        let length = header("Content-Length", of: connection).flatMap { Int($0) } ?? 0
        return length > Router.bodyMax ? answer(Router.tooLarge, to: connection) : hearth_mhd_yes
    }
    let pending = Unmanaged<Pending>.fromOpaque(known).takeUnretainedValue()
    if uploadSize.pointee > 0 {
        pending.received += uploadSize.pointee
        if pending.received > Pending.receivedMax { return hearth_mhd_no }
        // One byte past the limit is kept, so that the router sees that it was passed.
        if pending.body.count <= Router.bodyMax {
            pending.body += UnsafeRawBufferPointer(start: upload, count: uploadSize.pointee).prefix(Router.bodyMax + 1)
        }
        uploadSize.pointee = 0
        return hearth_mhd_yes
    }
    let whole = AdminRequest(
        method: String(cString: method), path: String(cString: url), body: pending.body,
        isLocal: isLocal(hearth_mhd_peer(connection)), origin: header("Origin", of: connection),
        host: header("Host", of: connection), accept: header("Accept", of: connection),
        site: header("Sec-Fetch-Site", of: connection))
    let context = Context.of(context)
    switch context.router.route(whole, isFull: context.streams.isFull) {
    case .response(let response): return answer(response, to: connection)
    case .stream: return stream(to: connection, context)
    }
}

/// Which page asks for what it is to be sent.
private final class PageReader {
    let connection: OpaquePointer
    let context: Context

    init(_ connection: OpaquePointer, _ context: Context) {
        self.connection = connection
        self.context = context
    }
}

private func stream(to connection: OpaquePointer, _ context: Context) -> MHD_Result {
    let reader = Unmanaged.passRetained(PageReader(connection, context))
    guard let made = hearth_mhd_stream(onRead, reader.toOpaque(), { Unmanaged<PageReader>.fromOpaque($0!).release() })
    else {
        reader.release()
        return hearth_mhd_no
    }
    defer { MHD_destroy_response(made) }
    guard add(Router.streamHeaders, to: made) else { return hearth_mhd_no }
    context.beginStream(connection)
    return MHD_queue_response(connection, 200, made)
}

private let onRead: MHD_ContentReaderCallback = { reader, _, buffer, size in
    let reader = Unmanaged<PageReader>.fromOpaque(reader!).takeUnretainedValue()
    switch reader.context.streams.next(
        for: reader.connection, into: UnsafeMutableRawBufferPointer(start: buffer, count: size))
    {
    case .bytes(let count): return count
    case .wait:
        reader.context.suspend(reader.connection)
        return 0
    case .end: return hearth_mhd_stream_end
    }
}

private func header(_ name: String, of connection: OpaquePointer) -> String? {
    MHD_lookup_connection_value(connection, hearth_mhd_header, name).map { String(cString: $0) }
}

private func answer(_ response: AdminResponse, to connection: OpaquePointer) -> MHD_Result {
    // The library copies the bytes, and changes none.
    let made = response.body.withUnsafeBytes {
        MHD_create_response_from_buffer(
            $0.count, UnsafeMutableRawPointer(mutating: $0.baseAddress), hearth_mhd_copied)
    }
    // Without memory for an answer the connection is closed: that is what a no asks for.
    guard let made else { return hearth_mhd_no }
    defer { MHD_destroy_response(made) }
    guard add(response.headers, to: made) else { return hearth_mhd_no }
    return MHD_queue_response(connection, UInt32(response.status), made)
}

private func add(_ headers: [(String, String)], to response: OpaquePointer) -> Bool {
    headers.allSatisfy { MHD_add_response_header(response, $0, $1) == hearth_mhd_yes }
}

/// Whether the peer is on this machine: 127.0.0.0/8, ::1, or the former as IPv6 writes it.
private func isLocal(_ peer: UnsafePointer<sockaddr>?) -> Bool {
    guard let peer else { return false }
    let raw = UnsafeRawPointer(peer)
    switch Int32(peer.pointee.sa_family) {
    case AF_INET: return withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in.self).sin_addr) { $0[0] == 127 }
    case AF_INET6:
        return withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr) { address in
            let isMapped = address[..<10].allSatisfy { $0 == 0 } && address[10] == 0xff && address[11] == 0xff
            return isMapped ? address[12] == 127 : address[..<15].allSatisfy { $0 == 0 } && address[15] == 1
        }
    default: return false
    }
}
