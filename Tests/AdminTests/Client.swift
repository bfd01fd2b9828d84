// A plain socket client that can be as slow and as wrong as a test needs.

import Admin
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Nobody took the connection.
struct Refused: Error {
    var code: Int32
}

/// One TCP connection to 127.0.0.1; every wait ends after half a minute.
final class Client {
    let descriptor: Int32

    init(_ port: UInt16) throws {
        #if canImport(Glibc)
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
            descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var wait = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Refused(code: errno) }
    }

    deinit { close(descriptor) }

    /// Ends the connection; the peer sees it at once.
    func leave() { shutdown(descriptor, 2) }

    /// Sends all of `text`; false where the peer has closed.
    @discardableResult
    func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            #if canImport(Glibc)
                let count = bytes[sent...].withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
            #else
                let count = bytes[sent...].withUnsafeBytes { Darwin.send(descriptor, $0.baseAddress, $0.count, 0) }
            #endif
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    /// What comes until the peer closes, or nil after half a minute without a byte.
    func readToEnd() -> String? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EAGAIN || errno == EWOULDBLOCK { return nil }
            if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }

    /// What comes until `text` has come, or what there is when nothing more does.
    func read(until text: String) -> String {
        var all = ""
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !all.contains(text) {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count <= 0 { break }
            all += String(decoding: buffer[..<count], as: UTF8.self)
        }
        return all
    }
}

/// A whole request on a connection of its own: the status, the head and the body.
func request(
    _ port: UInt16, _ method: String, _ path: String, headers: String = "", body: String = ""
) throws -> (status: Int, head: String, body: String) {
    let client = try Client(port)
    let length = body.isEmpty && method != "POST" ? "" : "Content-Length: \(body.utf8.count)\r\n"
    client.send("\(method) \(path) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\(length)\(headers)\r\n\(body)")
    let text = try #require(client.readToEnd())
    return try parts(text)
}

func parts(_ text: String) throws -> (status: Int, head: String, body: String) {
    let bytes = Array(text.utf8)
    let end = try #require(bytes.indices.first { bytes[$0...].starts(with: "\r\n\r\n".utf8) }, "no head in \(text)")
    let head = String(decoding: bytes[..<end], as: UTF8.self)
    let status = try #require(Int(head.split(separator: " ")[1]))
    return (status, head, String(decoding: bytes[(end + 4)...], as: UTF8.self))
}
