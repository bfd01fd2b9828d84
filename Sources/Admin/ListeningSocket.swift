// A TCP socket that listens, or a sentence that says why not.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Why the admin server could not start.
public struct AdminError: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String
}

/// An open descriptor, closed with the value unless it is taken.
private struct Descriptor: ~Copyable {
    let raw: Int32

    init(_ raw: Int32) { self.raw = raw }

    deinit { close(raw) }

    consuming func take() -> Int32 {
        let taken = raw
        discard self
        return taken
    }
}

/// A bound, listening, non-blocking socket; closed with the value unless its descriptor is taken.
struct ListeningSocket: ~Copyable {
    /// The address with the port that the kernel gave where 0 was asked for.
    let address: ListenAddress
    private let descriptor: Descriptor

    /// Binds and listens. Throws what the operating system refused, with what to do about it.
    init(_ wanted: ListenAddress) throws(AdminError) {
        #if canImport(Glibc)
            let stream = Int32(SOCK_STREAM.rawValue)
        #else
            let stream = SOCK_STREAM
        #endif
        let raw = socket(wanted.isIPv6 ? AF_INET6 : AF_INET, stream, 0)
        guard raw >= 0 else { throw Self.failure(wanted, errno) }
        let descriptor = Descriptor(raw)
        address = try Self.listen(raw, wanted)
        self.descriptor = descriptor
    }

    /// Hands the descriptor over; the taker closes it.
    consuming func take() -> Int32 { descriptor.take() }

    /// What may wait in the kernel for one reader, in bytes; Linux takes twice as much. Connections inherit it.
    private static let pieceBytes: Int32 = 8192

    private static func listen(_ descriptor: Int32, _ wanted: ListenAddress) throws(AdminError) -> ListenAddress {
        var on: Int32 = 1
        var off: Int32 = 0
        let size = socklen_t(MemoryLayout<Int32>.size)
        var failed = setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, size) != 0
        // What a scrape hands to the kernel at once is copied, and on loopback received, in one stretch in which
        // nothing else runs on that core: small pieces, so that a worker that wakes need not wait for more than one.
        var pieces = pieceBytes
        failed = failed || setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &pieces, size) != 0
        // [::] also takes IPv4, whatever the host's default is.
        if wanted.isIPv6 {
            failed = failed || setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, size) != 0
        }
        failed = failed || fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0 || fcntl(descriptor, F_SETFL, O_NONBLOCK) != 0
        if failed { throw failure(wanted, errno) }
        var storage = sockaddr_storage()
        let length = fill(&storage, wanted)
        let bound = withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        #if canImport(Glibc)
            guard bound == 0, Glibc.listen(descriptor, 128) == 0 else { throw failure(wanted, errno) }
        #else
            guard bound == 0, Darwin.listen(descriptor, 128) == 0 else { throw failure(wanted, errno) }
        #endif
        return try boundAddress(descriptor, wanted)
    }

    private static func fill(_ storage: inout sockaddr_storage, _ address: ListenAddress) -> socklen_t {
        withUnsafeMutableBytes(of: &storage) { bytes in
            if address.isIPv6 {
                var six = sockaddr_in6()
                six.sin6_family = sa_family_t(AF_INET6)
                six.sin6_port = address.port.bigEndian
                inet_pton(AF_INET6, address.host, &six.sin6_addr)
                bytes.storeBytes(of: six, as: sockaddr_in6.self)
                return socklen_t(MemoryLayout<sockaddr_in6>.size)
            }
            var four = sockaddr_in()
            four.sin_family = sa_family_t(AF_INET)
            four.sin_port = address.port.bigEndian
            inet_pton(AF_INET, address.host, &four.sin_addr)
            bytes.storeBytes(of: four, as: sockaddr_in.self)
            return socklen_t(MemoryLayout<sockaddr_in>.size)
        }
    }

    private static func boundAddress(_ descriptor: Int32, _ wanted: ListenAddress) throws(AdminError) -> ListenAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard result == 0 else { throw failure(wanted, errno) }
        // The port stands at the same offset for both families.
        let port = withUnsafeBytes(of: &storage) { $0.load(as: sockaddr_in.self).sin_port }
        return wanted.with(port: UInt16(bigEndian: port))
    }

    private static func failure(_ address: ListenAddress, _ code: Int32) -> AdminError {
        let (cause, advice) =
            switch code {
            case EADDRINUSE: ("address in use (EADDRINUSE)", "set admin.listen or stop what holds it")
            case EADDRNOTAVAIL: ("this host has no such address (EADDRNOTAVAIL)", "set admin.listen to one that it has")
            case EACCES: ("not permitted (EACCES)", "set admin.listen to a port from 1024 on")
            case EAFNOSUPPORT: ("this host has no such kind of address (EAFNOSUPPORT)", "set admin.listen to the other")
            default: ("\(String(cString: strerror(code))) (errno \(code))", "set admin.listen, or off for none")
            }
        return AdminError(description: "admin: can't listen on \(address): \(cause); \(advice)")
    }
}

/// Ends a connection, or a socket's listening, in both directions; its descriptor stays open.
func endBothWays(_ descriptor: Int32) {
    // The C constant is SHUT_RDWR, 2 on every system, which the importer does not show. It fails only on a socket that
    // is not connected any more, where there is nothing left to end.
    _ = shutdown(descriptor, 2)
}
