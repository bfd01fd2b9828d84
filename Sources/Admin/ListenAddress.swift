// An address and a port to listen on, as text and as its parts.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A numeric IP address with a port, as `127.0.0.1:7381`, `[::1]:7381` or, for every interface, `0.0.0.0:7381`.
///
/// Names are refused: what `localhost` or an empty host listens on differs from machine to machine.
public struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// The address without brackets.
    public let host: String
    /// 0 asks the kernel for a free one.
    public let port: UInt16
    public let isIPv6: Bool

    /// Nil where `text` is not a numeric address, a colon and a port from 0 to 65535.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = UInt16(digits)
        else { return nil }
        var host = text[..<colon]
        isIPv6 = host.first == "["
        if isIPv6 {
            guard host.last == "]" else { return nil }
            host = host.dropFirst().dropLast()
        }
        var address = in6_addr()
        guard !host.utf8.contains(0), inet_pton(isIPv6 ? AF_INET6 : AF_INET, String(host), &address) == 1 else {
            return nil
        }
        self.host = String(host)
        self.port = port
    }

    /// Whether only this machine can connect.
    public var isLoopback: Bool { isIPv6 ? host == "::1" : host.hasPrefix("127.") }

    /// The same host with another port.
    func with(port: UInt16) -> ListenAddress { ListenAddress(host: host, port: port, isIPv6: isIPv6) }

    private init(host: String, port: UInt16, isIPv6: Bool) {
        self.host = host
        self.port = port
        self.isIPv6 = isIPv6
    }

    public var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
