// libmicrohttpd as Swift: requests in, answers out, on the admin thread. The only file that imports it.
//
// DESIGN. The library has no thread here: this loop lets it run until something happens or a tick is due, so that
// connections can be ended by our own rules between two turns, and so that a stream (the dashboard's server-sent
// events) can later be resumed from the tick without a second thread. All callbacks come from within `MHD_run_wait`, on
// the thread that calls it; nothing here is locked.

private import CMicrohttpd
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

    /// Takes the descriptor over, also when it throws.
    init(
        descriptor: Int32, address: ListenAddress, source: AdminSource, limits: AdminLimits, flag: StopFlag
    ) throws(AdminError) {
        context = Context(Router(source: source), limits)
        self.flag = flag
        var options = hearth_mhd_options()
        options.listen_socket = descriptor
        // Room for those that are told to go and have not gone yet.
        options.connections_max = UInt32(limits.connectionsMax) + 8
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

    /// Serves until the flag is raised.
    func run() {
        var hasFailed = false
        while !flag.raised.load(ordering: .relaxed) {
            if MHD_run_wait(daemon, context.connections.isEmpty ? 1000 : 250) != hearth_mhd_yes {
                if !hasFailed {
                    context.router.source.failed("admin: the HTTP server can't wait for its sockets; it tries on")
                }
                hasFailed = true
                sleep(1)
            }
            context.endOverdue()
        }
    }
}

/// What the callbacks need; only the admin thread touches it.
private final class Context {
    let router: Router
    var connections: Connections<OpaquePointer>

    init(_ router: Router, _ limits: AdminLimits) {
        self.router = router
        connections = Connections(max: limits.connectionsMax, patience: limits.patience)
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
    if let connection { Context.of(context).connections.answered(connection, at: .now) }
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
        host: header("Host", of: connection))
    return answer(Context.of(context).router.response(to: whole), to: connection)
}

private func header(_ name: String, of connection: OpaquePointer) -> String? {
    MHD_lookup_connection_value(connection, hearth_mhd_header, name).map { String(cString: $0) }
}

private func answer(_ response: AdminResponse, to connection: OpaquePointer) -> MHD_Result {
    var body = response.body
    let made = body.withUnsafeMutableBytes {
        MHD_create_response_from_buffer($0.count, $0.baseAddress, hearth_mhd_copied)
    }
    // Without memory for an answer the connection is closed: that is what a no asks for.
    guard let made else { return hearth_mhd_no }
    defer { MHD_destroy_response(made) }
    var headers = [
        ("Content-Type", response.contentType), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
    ]
    if let allow = response.allow { headers.append(("Allow", allow)) }
    for (name, value) in headers where MHD_add_response_header(made, name, value) != hearth_mhd_yes {
        return hearth_mhd_no
    }
    return MHD_queue_response(connection, UInt32(response.status), made)
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
