// A name server that never answers, on an address of the loopback network that is nobody's.

internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Takes questions on 127.0.0.53, port 53, and says nothing.
public final class SilentNameServer: @unchecked Sendable {
    private var descriptor: Int32 = -1
    public private(set) var isListening = false
    public private(set) var reason = ""

    public init() throws {
        #if canImport(Glibc)
            descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        #else
            descriptor = socket(AF_INET, SOCK_DGRAM, 0)
        #endif
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(53).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0035).bigEndian
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, 16) }
        }
        isListening = code == 0
        if code != 0 { reason = "port 53 of 127.0.0.53: \(String(cString: strerror(errno)))" }
    }

    /// How many questions have come since this was last asked.
    public var questions: Int {
        var count = 0
        var byte: UInt8 = 0
        while recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT)) >= 0 { count += 1 }
        return count
    }

    deinit { close(descriptor) }
}
