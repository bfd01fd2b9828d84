// A conversation with a running Hearth over its Unix socket, as the commands that look at one hold it.
//
// Blocking, with a limit on every wait: this is a process of its own, and somebody sits in front of it.

internal import Configuration
internal import Primitives
internal import RedisTier

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Why a running Hearth gave no answer; the text says what to do.
struct ControlError: Error {
    let code: ExitCode
    let text: String

    init(_ code: ExitCode, _ text: String) {
        self.code = code
        self.text = text
    }
}

/// One connection; closed with the value.
struct ControlClient: ~Copyable {
    private let descriptor: Int32
    private let path: String
    private var reader = ReplyReader()
    private let waitSeconds: Int

    private init(connectedTo path: String, waitSeconds: Int) throws(ControlError) {
        descriptor = try Self.connect(path, waitSeconds)
        self.path = path
        self.waitSeconds = waitSeconds
    }

    /// Connects to the socket that the configuration names, with its password.
    ///
    /// No answer is waited for longer than `waitSeconds`; nobody waits longer for a status than the default.
    static func connect(
        _ configuration: Configuration, waitSeconds: Int = 5
    ) throws(ControlError) -> ControlClient {
        let password = try password(configuration)
        var client = try ControlClient(
            connectedTo: configuration.server.socketPath, waitSeconds: waitSeconds)
        if let password { _ = try client.ask([Array("AUTH".utf8), password]) }
        return client
    }

    deinit { close(descriptor) }

    private static func password(_ configuration: Configuration) throws(ControlError) -> [UInt8]? {
        guard let file = configuration.socketPasswordFile else { return configuration.server.password }
        do {
            return try Configuration.readPassword(file: file, of: "socket.password_file")
        } catch {
            throw ControlError(.configuration, "hearth: \(error)")
        }
    }

    private static func connect(_ path: String, _ waitSeconds: Int) throws(ControlError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw ControlError(.usage, "hearth: a socket's path has at most 107 bytes: \(path)")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else {
            throw ControlError(.unavailable, "hearth: no socket is to be had: \(String(cString: strerror(errno)))")
        }
        var limit = timeval(tv_sec: waitSeconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connectTo(descriptor, $0, size) }
        }
        guard code != 0 else { return descriptor }
        let error = errno
        close(descriptor)
        throw refusal(error, path)
    }

    private static func refusal(_ error: Int32, _ path: String) -> ControlError {
        let reason = String(cString: strerror(error))
        switch error {
        case ENOENT, ECONNREFUSED, ENOTSOCK, ENOTDIR:
            return ControlError(
                .unavailable,
                "hearth: no Hearth listens on \(path) (\(reason)): is it running? "
                    + "Give the socket with --socket-path, or its configuration with --config")
        case EACCES, EPERM:
            return ControlError(
                .unavailable, "hearth: \(path) may not be opened (\(reason)): run this as Hearth's user or group")
        default:
            return ControlError(.unavailable, "hearth: can't connect to \(path): \(reason)")
        }
    }

    // MARK: Asking

    /// The reply to one command of text.
    mutating func ask(_ words: String...) throws(ControlError) -> Reply {
        try ask(words.map { Array($0.utf8) })
    }

    /// The reply to one command; an error reply is thrown, with what to do about it.
    mutating func ask(_ arguments: [[UInt8]]) throws(ControlError) -> Reply {
        var encoder = RequestEncoder()
        encoder.append(arguments)
        try send(encoder.bytes)
        while true {
            if let reply = try next() { return try checked(reply) }
            try receive()
        }
    }

    /// The replies to several commands that are sent at once, error replies among them.
    mutating func askAll(_ requests: [[[UInt8]]]) throws(ControlError) -> [Reply] {
        var encoder = RequestEncoder()
        for arguments in requests { encoder.append(arguments) }
        try send(encoder.bytes)
        var replies: [Reply] = []
        while replies.count < requests.count {
            if let reply = try next() { replies.append(reply) } else { try receive() }
        }
        return replies
    }

    private func send(_ bytes: [UInt8]) throws(ControlError) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw lost(count) }
            sent += count
        }
    }

    private mutating func receive() throws(ControlError) {
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        var count = -1
        repeat { count = read(descriptor, &buffer, buffer.count) } while count < 0 && errno == EINTR
        guard count > 0 else { throw lost(count) }
        try feed(buffer[..<count])
    }

    private func feed(_ bytes: ArraySlice<UInt8>) throws(ControlError) {
        var failure: RedisFailure?
        bytes.withUnsafeBytes { bytes in
            do throws(RedisFailure) { try reader.feed(bytes) } catch { failure = error }
        }
        if let failure { throw garbled(failure) }
    }

    private func next() throws(ControlError) -> Reply? {
        do throws(RedisFailure) { return try reader.next() } catch { throw garbled(error) }
    }

    private func garbled(_ error: RedisFailure) -> ControlError {
        ControlError(.unavailable, "hearth: what listens on \(path) speaks no Redis protocol: \(error.detail)")
    }

    private func lost(_ count: Int) -> ControlError {
        if count < 0, errno == EAGAIN {
            return ControlError(
                .unavailable,
                "hearth: no answer from \(path) within \(waitSeconds) s: is the process stopped, or starved of CPU?"
            )
        }
        let reason = count < 0 ? String(cString: strerror(errno)) : "the connection was closed"
        return ControlError(.unavailable, "hearth: no answer from \(path): \(reason); Hearth's log says why")
    }

    private func checked(_ reply: Reply) throws(ControlError) -> Reply {
        guard case .error(let bytes) = reply else { return reply }
        let text = String(decoding: bytes, as: UTF8.self)
        if text.hasPrefix("NOAUTH") || text.hasPrefix("WRONGPASS") || text.contains("without any password") {
            throw ControlError(
                .configuration,
                "hearth: \(path) answered: \(text)\nGive the configuration that it runs with (--config), "
                    + "or its password (--socket-password-file)")
        }
        if text.hasPrefix("ERR unknown command") {
            throw ControlError(.unavailable, "hearth: what listens on \(path) is no Hearth, it answered: \(text)")
        }
        throw ControlError(.unavailable, "hearth: \(text)")
    }
}

/// connect(2), under a name that no method hides.
private func connectTo(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ size: socklen_t) -> Int32 {
    connect(descriptor, address, size)
}
