// Host names to addresses, on libuv's threads: no loop waits for DNS.

internal import CUV

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A resolved IPv4 or IPv6 address with its port.
public struct SocketAddress: Sendable, CustomStringConvertible {
    private let bytes: [UInt8]

    init(_ address: UnsafePointer<sockaddr>, length: Int) {
        bytes = Array(UnsafeRawBufferPointer(start: address, count: length))
    }

    /// A numeric address, as `127.0.0.1` or `::1`; nil when it is a name.
    public init?(numeric host: String, port: Int) {
        var v4 = sockaddr_in()
        var v6 = sockaddr_in6()
        if uv_ip4_addr(host, Int32(port), &v4) == 0 {
            bytes = withUnsafeBytes(of: &v4) { Array($0) }
        } else if uv_ip6_addr(host, Int32(port), &v6) == 0 {
            bytes = withUnsafeBytes(of: &v6) { Array($0) }
        } else {
            return nil
        }
    }

    func withPointer<R>(_ body: (UnsafePointer<sockaddr>) -> R) -> R {
        bytes.withUnsafeBytes { raw in
            guard let base = raw.baseAddress else { preconditionFailure("BUG: an empty socket address") }
            return body(base.assumingMemoryBound(to: sockaddr.self))
        }
    }

    public var description: String {
        var name = [CChar](repeating: 0, count: 64)
        let code = withPointer { address in uv_ip_name(address, &name, name.count) }
        let end = name.firstIndex(of: 0) ?? name.endIndex
        return code == 0 ? String(decoding: name[..<end].map(UInt8.init(bitPattern:)), as: UTF8.self) : "an address"
    }
}

/// Resolves host names (getaddrinfo on libuv's thread pool), one at a time per resolver.
///
/// A resolver that hangs can't be cancelled once a thread runs it: `resolve` then answers `.busy` until the hung call
/// has ended, so that a broken DNS never takes more than one thread from the pool.
public final class Resolver {
    public enum Answer {
        case resolved(SocketAddress)
        case failed(EventLoopError)
        case busy
    }

    private let loop: Loop
    private var pending = false
    private var generation = 0

    public init(on loop: Loop) { self.loop = loop }

    private final class Request {
        let resolver: Resolver
        let generation: Int
        let host: String
        let completion: (Answer) -> Void
        init(_ resolver: Resolver, _ generation: Int, _ host: String, _ completion: @escaping (Answer) -> Void) {
            self.resolver = resolver
            self.generation = generation
            self.host = host
            self.completion = completion
        }
    }

    /// Resolves `host`; the answer comes on the loop's thread, at once for a numeric address and `.busy`.
    public func resolve(host: String, port: Int, completion: @escaping (Answer) -> Void) {
        if let address = SocketAddress(numeric: host, port: port) { return completion(.resolved(address)) }
        guard !pending else { return completion(.busy) }
        pending = true
        generation += 1
        let request = UnsafeMutablePointer<uv_getaddrinfo_t>.allocate(capacity: 1)
        request.pointee.data = retain(Request(self, generation, host, completion))
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        let code = uv_getaddrinfo(loop.raw, request, Self.resolved, host, String(port), &hints)
        if code != 0 { Self.resolved(request, code, nil) }
    }

    /// Forgets who asked: an answer that still comes is dropped. The thread stays taken until the system gives up.
    public func abandon() { generation += 1 }

    private static let resolved: uv_getaddrinfo_cb = { raw, code, list in
        guard let raw else { return }
        let request = Unmanaged<Request>.fromOpaque(raw.pointee.data).takeRetainedValue()
        raw.deallocate()
        defer { uv_freeaddrinfo(list) }
        request.resolver.pending = false
        guard request.generation == request.resolver.generation else { return }
        if code == 0, let info = list?.pointee, let address = info.ai_addr {
            request.completion(.resolved(SocketAddress(address, length: Int(info.ai_addrlen))))
        } else {
            request.completion(.failed(EventLoopError("resolve \(request.host)", code)))
        }
    }
}
