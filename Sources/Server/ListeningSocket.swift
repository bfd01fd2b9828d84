// The sockets that clients connect to: made with the right owner and mode, never taken from a living process.

internal import EventLoop

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Why the server could not be started; the text says what to do.
public struct StartError: Error, Sendable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// A listening descriptor; closed, and its file removed, by `close`.
final class ListeningSocket {
    let descriptor: Int32
    let isUnix: Bool
    private let path: String?
    /// The service manager made it, and keeps it.
    private var isPassed = false
    /// The file that was made, so that somebody else's is never removed.
    private var identity: (device: dev_t, inode: ino_t)?

    private init(descriptor: Int32, path: String?) {
        self.descriptor = descriptor
        isUnix = path != nil
        self.path = path
        guard let path else { return }
        var status = stat()
        if lstat(path, &status) == 0 { identity = (status.st_dev, status.st_ino) }
    }

    private static let backlog: Int32 = 1024

    private static func reason() -> String { String(cString: strerror(errno)) }

    // MARK: Unix

    /// Refuses where a process listens; to be called before anything else is opened.
    static func refuseIfLive(_ path: String) throws(StartError) {
        if try isLive(path) {
            throw StartError(
                "another process listens on \(path): stop it, or give this one another socket.path")
        }
    }

    /// Listens on a path; a file left by a process that is gone is replaced.
    static func unix(_ path: String, mode: UInt32) throws(StartError) -> ListeningSocket {
        var address = try self.address(path)
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw StartError("no socket is to be had: \(reason())") }
        prepare(descriptor)
        if try hasStaleFile(path) { unlink(path) }
        // The file is made with its mode: nobody can connect in the moment before a chmod.
        let before = umask(mode_t(~mode & 0o777))
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
        }
        let bindError = reason()
        umask(before)
        guard bound == 0, chmod(path, mode_t(mode)) == 0, startListening(descriptor, backlog) == 0 else {
            let error = bound == 0 ? reason() : bindError
            closeDescriptor(descriptor)
            throw StartError(
                "can't listen on \(path): \(error); see that its directory exists and belongs to this user, or set socket.path"
            )
        }
        return ListeningSocket(descriptor: descriptor, path: path)
    }

    /// Whether a file is in the way that no process listens on; throws where it must not be removed.
    private static func hasStaleFile(_ path: String) throws(StartError) -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0 else { return false }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw StartError("\(path) exists and is not a socket: remove it, or set socket.path")
        }
        try refuseIfLive(path)
        return true
    }

    /// Whether a connect to the path succeeds; a refused one tells that the file is left over.
    private static func isLive(_ path: String) throws(StartError) -> Bool {
        var address = try self.address(path)
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard probe >= 0 else { throw StartError("no socket is to be had: \(reason())") }
        defer { closeDescriptor(probe) }
        // A backlog that is full must not hang the start: a process that has one is alive.
        _ = fcntl(probe, F_SETFL, O_NONBLOCK)
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(probe, $0, size) }
        }
        guard code != 0 else { return true }
        switch errno {
        case ECONNREFUSED, ENOENT: return false
        case EAGAIN, EINPROGRESS: return true
        default:
            throw StartError(
                "can't tell whether a process listens on \(path): \(reason()); set socket.path to a place that is this "
                    + "user's, or remove the file if nobody does")
        }
    }

    private static func address(_ path: String) throws(StartError) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        guard !bytes.isEmpty, bytes.count <= room else {
            throw StartError("socket.path has \(bytes.count) bytes and a Unix socket's may have 1 to \(room): \(path)")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return address
    }

    // MARK: Passed

    /// A socket that a service manager listens on for us: it must be the one that the configuration names, so that
    /// commands find it, or a TCP one of loopback.
    static func passed(_ descriptor: Int32, expecting path: String) throws(StartError) -> ListeningSocket {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        guard code == 0 else {
            throw StartError("descriptor \(descriptor), passed by LISTEN_FDS, is no socket: \(reason())")
        }
        var isListening: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &isListening, &length) == 0, isListening != 0 else {
            throw StartError(
                "descriptor \(descriptor), passed by LISTEN_FDS, does not listen: use ListenStream= and Accept=no")
        }
        prepare(descriptor)
        let unix = withUnsafeBytes(of: &storage) { unixPath($0, Int(size)) }
        if let unix {
            guard unix == path else {
                throw StartError(
                    "the socket unit listens on \(unix) and socket.path is \(path): give both the same, so that hearth "
                        + "status and its like find it")
            }
        } else if !withUnsafeBytes(of: &storage, isLoopback) {
            throw StartError(
                "descriptor \(descriptor), passed by LISTEN_FDS, is neither a Unix socket nor a loopback address; "
                    + "Hearth serves this machine only")
        }
        let socket = ListeningSocket(descriptor: descriptor, path: unix)
        socket.isPassed = true
        return socket
    }

    /// The path of a Unix socket's address; nil for another family.
    private static func unixPath(_ address: UnsafeRawBufferPointer, _ size: Int) -> String? {
        guard Int32(address.load(as: sockaddr.self).sa_family) == AF_UNIX else { return nil }
        let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        return String(decoding: address[min(start, size)..<size].prefix { $0 != 0 }, as: UTF8.self)
    }

    private static func isLoopback(_ address: UnsafeRawBufferPointer) -> Bool {
        switch Int32(address.load(as: sockaddr.self).sa_family) {
        case AF_INET:
            return withUnsafeBytes(of: address.load(as: sockaddr_in.self).sin_addr) { $0[0] == 127 }
        case AF_INET6:
            return withUnsafeBytes(of: address.load(as: sockaddr_in6.self).sin6_addr) {
                $0[..<15].allSatisfy { $0 == 0 } && $0[15] == 1
            }
        default: return false
        }
    }

    // MARK: TCP

    /// Listens on a loopback address, as `127.0.0.1:6380` or `[::1]:6380`.
    static func tcp(_ listen: String) throws(StartError) -> ListeningSocket {
        guard let (host, port) = split(listen) else {
            throw StartError("socket.tcp is \(listen): give a loopback address and a port, as 127.0.0.1:6380")
        }
        var v4 = sockaddr_in()
        var v6 = sockaddr_in6()
        let isV6 = inet_pton(AF_INET6, host, &v6.sin6_addr) == 1
        guard isV6 || inet_pton(AF_INET, host, &v4.sin_addr) == 1 else {
            throw StartError("socket.tcp is \(listen): give a loopback address and a port, as 127.0.0.1:6380")
        }
        let descriptor = socket(isV6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw StartError("no socket is to be had: \(reason())") }
        prepare(descriptor)
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        v4.sin_family = sa_family_t(AF_INET)
        v4.sin_port = port.bigEndian
        v6.sin6_family = sa_family_t(AF_INET6)
        v6.sin6_port = port.bigEndian
        func bindTo<Address>(_ address: inout Address) -> Int32 {
            let size = socklen_t(MemoryLayout<Address>.size)
            return withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
            }
        }
        let bound = isV6 ? bindTo(&v6) : bindTo(&v4)
        guard bound == 0, startListening(descriptor, backlog) == 0 else {
            let error = reason()
            closeDescriptor(descriptor)
            throw StartError("can't listen on \(listen): \(error); set socket.tcp, or stop what holds it")
        }
        return ListeningSocket(descriptor: descriptor, path: nil)
    }

    private static func split(_ listen: String) -> (String, UInt16)? {
        guard let colon = listen.lastIndex(of: ":"), let port = UInt16(listen[listen.index(after: colon)...]) else {
            return nil
        }
        var host = String(listen[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return (host, port)
    }

    private static func prepare(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    // MARK: Accepting

    enum Accepted {
        case client(Int32, Peer)
        /// Nobody waits.
        case none
        /// No descriptor or memory is left; to be tried again after a while.
        case exhausted(String)
    }

    func accept() -> Accepted {
        while true {
            let client = acceptNext(descriptor, nil, nil)
            guard client < 0 else {
                _ = fcntl(client, F_SETFD, FD_CLOEXEC)
                _ = fcntl(client, F_SETFL, O_NONBLOCK)
                return .client(client, isUnix ? Self.peer(client) : Self.remotePeer(client))
            }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EAGAIN: return .none
            default: return .exhausted(Self.reason())
            }
        }
    }

    /// Who connected by TCP, of whom nothing but the address is known.
    private static func remotePeer(_ descriptor: Int32) -> Peer {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var host = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let port = withUnsafeMutablePointer(to: &storage) { storage -> UInt16? in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> UInt16? in
                guard getpeername(descriptor, address, &size) == 0 else { return nil }
                let raw = UnsafeMutableRawPointer(address)
                if Int32(address.pointee.sa_family) == AF_INET6 {
                    let v6 = raw.assumingMemoryBound(to: sockaddr_in6.self)
                    inet_ntop(AF_INET6, &v6.pointee.sin6_addr, &host, socklen_t(host.count))
                    return UInt16(bigEndian: v6.pointee.sin6_port)
                }
                let v4 = raw.assumingMemoryBound(to: sockaddr_in.self)
                inet_ntop(AF_INET, &v4.pointee.sin_addr, &host, socklen_t(host.count))
                return UInt16(bigEndian: v4.pointee.sin_port)
            }
        }
        let name = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let address = name.contains(":") ? "[\(name)]" : name
        return Peer(
            uid: getuid(), gid: getgid(), pid: 0, address: port.map { "\(address):\($0)" } ?? "unknown")
    }

    /// Who connected, by the kernel's word.
    private static func peer(_ descriptor: Int32) -> Peer {
        #if os(Linux)
            // struct ucred, which glibc shows only to _GNU_SOURCE.
            var credentials: (pid: Int32, uid: UInt32, gid: UInt32) = (0, 0, 0)
            var size = socklen_t(MemoryLayout.size(ofValue: credentials))
            guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 else {
                return Peer(uid: .max, gid: .max, pid: 0)
            }
            return Peer(uid: credentials.uid, gid: credentials.gid, pid: credentials.pid)
        #else
            var (uid, gid) = (uid_t.max, gid_t.max)
            getpeereid(descriptor, &uid, &gid)
            return Peer(uid: uid, gid: gid, pid: 0)
        #endif
    }

    /// Stops listening, and removes the file if it is still this one's.
    func close() {
        closeDescriptor(descriptor)
        guard !isPassed, let path, let identity else { return }
        var status = stat()
        if lstat(path, &status) == 0, status.st_dev == identity.device, status.st_ino == identity.inode { unlink(path) }
    }
}

/// listen(2) and accept(2), under names that no method hides.
private func startListening(_ descriptor: Int32, _ backlog: Int32) -> Int32 { listen(descriptor, backlog) }
private func acceptNext(
    _ descriptor: Int32, _ address: UnsafeMutablePointer<sockaddr>?, _ size: UnsafeMutablePointer<socklen_t>?
) -> Int32 { accept(descriptor, address, size) }
