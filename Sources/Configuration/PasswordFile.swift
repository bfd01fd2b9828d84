// A password from a file, as Kubernetes mounts a secret.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Why a password file could not be used.
public struct PasswordFileError: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String
}

extension Configuration {
    /// The content of `file` less one trailing line break: 1 to 1024 bytes.
    ///
    /// Blocks on the disk; for start-up. Throws where the file can't be read, is empty or longer; `key` is the setting
    /// that names it.
    public static func readPassword(file: String, of key: String) throws(PasswordFileError) -> [UInt8] {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(key, file, "open") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 2048)
        while bytes.count <= 1026 {
            let count = read(descriptor, &buffer, buffer.count)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure(key, file, "read")
            }
            bytes += buffer[..<count]
        }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        guard (1...1024).contains(bytes.count) else {
            let what = bytes.isEmpty ? "is empty" : "has more than 1024 bytes"
            throw PasswordFileError(description: "\(key): the password file \(file) \(what)")
        }
        return bytes
    }

    private static func failure(_ key: String, _ file: String, _ operation: String) -> PasswordFileError {
        PasswordFileError(
            description: "\(key): can't \(operation) the password file \(file): \(String(cString: strerror(errno)))")
    }
}
