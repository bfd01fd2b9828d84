// A Redis that misbehaves on demand: a server on a loopback port that passes everything on to a real one, until it is
// told to hang, to cut replies, to send garbage, to delay, to refuse, or to answer with an error.

internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// What stands between Hearth and a real redis-server; the fault can be changed at any time.
public final class ScriptedRedis: Sendable {
    public enum Fault: Sendable, Equatable {
        case none
        /// Takes requests and says nothing; they go on, late, when the fault ends.
        case hang
        /// Refuses connections, and resets those that there are.
        case refuse
        /// Passes requests on, gives half of the reply, and resets the connection.
        case resetInReply
        /// Passes requests on, gives half of the reply, and then nothing more; the rest comes when the fault ends.
        case halfReply
        /// Passes requests on, gives half of the reply, and ends the connection in good order.
        case cutReply
        /// Passes requests on and answers with bytes that are no reply.
        case garbage
        /// Gives replies so many milliseconds late.
        case delay(Double)
        /// Resets connections and answers each command with this error, as a Redis that was restarted and loads does.
        case error(String)
    }

    private struct Link {
        let client: Int32
        let server: Int32
        /// What came from the client and has not gone on.
        var requests: [UInt8] = []
        /// What came from the server, and from when on it may go to the client.
        var replies: [(bytes: [UInt8], due: Double)] = []
        /// Half of a reply was given.
        var wasCut = false
    }

    public let port: UInt16
    private let upstream: Mutex<ServerAddress>
    private let fault = Mutex(Fault.none)
    private let isStopping = Mutex(false)
    private let thread = Mutex<TestThread?>(nil)
    private let accepted = Mutex(0)

    public var url: String { "redis://127.0.0.1:\(port)" }

    /// How many connections were accepted.
    public var connections: Int { accepted.withLock { $0 } }

    public init(_ upstream: ServerAddress) throws {
        self.upstream = Mutex(upstream)
        let listener = try listen(on: 0)
        port = try localPort(of: listener)
        let running = TestThread { [self] in serve(listener) }
        thread.withLock { $0 = running }
    }

    /// Leads new connections to another server, as a service's name does after a failover.
    public func lead(to address: ServerAddress) { upstream.withLock { $0 = address } }

    public func set(_ fault: Fault) { self.fault.withLock { $0 = fault } }

    /// Ends the server; to be called by each test's end.
    public func stop() {
        isStopping.withLock { $0 = true }
        thread.withLock { $0 }?.join()
    }

    // MARK: The thread

    private func serve(_ first: Int32) {
        var listener = first
        var links: [Link] = []
        var scratch = [UInt8](repeating: 0, count: 64 << 10)
        var wasError = false
        while !isStopping.withLock({ $0 }) {
            let fault = fault.withLock { $0 }
            // A server that begins to answer with errors has been restarted. Besides, its answers must not overtake
            // those that the real one still owes.
            let isError = if case .error = fault { true } else { false }
            if isError, !wasError {
                for link in links { reset(link) }
                links = []
            }
            wasError = isError
            if fault == .refuse {
                if listener >= 0 { close(listener) }
                listener = -1
                for link in links { reset(link) }
                links = []
                pause(2)
                continue
            }
            if listener < 0 { listener = (try? listen(on: port)) ?? -1 }
            var descriptors = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
            for link in links {
                descriptors.append(pollfd(fd: link.client, events: Int16(POLLIN), revents: 0))
                descriptors.append(pollfd(fd: link.server, events: Int16(POLLIN), revents: 0))
            }
            poll(&descriptors, nfds_t(descriptors.count), 2)
            var kept: [Link] = []
            for (index, link) in links.enumerated() {
                var link = link
                if serve(&link, descriptors[1 + 2 * index], descriptors[2 + 2 * index], fault, &scratch) {
                    kept.append(link)
                }
            }
            links = kept
            if listener >= 0, descriptors[0].revents != 0 { accept(listener, &links) }
        }
        if listener >= 0 { close(listener) }
        for link in links { reset(link) }
    }

    private func accept(_ listener: Int32, _ links: inout [Link]) {
        #if canImport(Glibc)
            let client = Glibc.accept(listener, nil, nil)
        #else
            let client = Darwin.accept(listener, nil, nil)
        #endif
        guard client >= 0 else { return }
        _ = fcntl(client, F_SETFD, FD_CLOEXEC)
        var yes: Int32 = 1
        setsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
        guard let server = try? connectedSocket(upstream.withLock { $0 }) else {
            close(client)
            return
        }
        accepted.withLock { $0 += 1 }
        links.append(Link(client: client, server: server))
    }

    /// Moves bytes of one connection; false when it has ended.
    private func serve(
        _ link: inout Link, _ client: pollfd, _ server: pollfd, _ fault: Fault, _ scratch: inout [UInt8]
    ) -> Bool {
        let now = milliseconds()
        if client.revents != 0 {
            let count = recv(link.client, &scratch, scratch.count, 0)
            guard count > 0 else { return end(link) }
            link.requests += scratch[..<count]
        }
        if server.revents != 0 {
            let count = recv(link.server, &scratch, scratch.count, 0)
            guard count > 0 else { return end(link) }
            var due = now
            if case .delay(let delay) = fault { due += delay }
            link.replies.append((Array(scratch[..<count]), due))
        }
        if case .error(let text) = fault {
            answer(&link, text)
        } else if fault != .hang, !link.requests.isEmpty {
            guard send(link.server, link.requests) else { return end(link) }
            link.requests = []
        }
        return give(&link, fault, now)
    }

    /// Gives replies as the fault allows; false when the connection has ended.
    private func give(_ link: inout Link, _ fault: Fault, _ now: Double) -> Bool {
        switch fault {
        case .hang: return true
        case .none, .delay, .error, .refuse:
            while let next = link.replies.first, next.due <= now {
                guard send(link.client, next.bytes) else { return end(link) }
                link.replies.removeFirst()
            }
            link.wasCut = false
            return true
        case .halfReply, .resetInReply, .cutReply:
            guard !link.wasCut, let next = link.replies.first else { return true }
            let half = max(1, next.bytes.count / 2)
            _ = send(link.client, Array(next.bytes[..<half]))
            link.replies[0].bytes = Array(next.bytes[half...])
            link.wasCut = true
            if fault == .halfReply { return true }
            // What was sent must be there before the reset, which overtakes it otherwise.
            pause(3)
            return fault == .cutReply ? end(link) : reset(link)
        case .garbage:
            guard !link.replies.isEmpty else { return true }
            link.replies = []
            _ = send(link.client, [0, 1, 2, 3] + Array("$nonsense\r\n:x\r\n".utf8))
            return true
        }
    }

    /// Answers every whole request with the error; MULTI, DISCARD and the handshake's commands as a loading Redis does.
    private func answer(_ link: inout Link, _ text: String) {
        while let (words, length) = request(link.requests) {
            let bytes = Array(link.requests[..<length])
            link.requests.removeFirst(length)
            switch words.first?.uppercased() {
            case "CLIENT", "INFO", "AUTH", "SELECT": _ = send(link.server, bytes)
            case "MULTI": _ = send(link.client, Array("+OK\r\n".utf8))
            case "EXEC":
                _ = send(link.client, Array("-EXECABORT Transaction discarded because of previous errors.\r\n".utf8))
            default: _ = send(link.client, Array("-\(text)\r\n".utf8))
            }
        }
    }

    /// The words of the first whole request, and its length.
    private func request(_ bytes: [UInt8]) -> ([String], Int)? {
        var position = 0
        func line() -> Int? {
            guard let end = bytes[position...].firstIndex(of: 10) else { return nil }
            defer { position = end + 1 }
            return Int(String(decoding: bytes[position + 1..<max(position + 1, end - 1)], as: UTF8.self))
        }
        guard bytes.first == UInt8(ascii: "*"), let count = line() else { return nil }
        var words: [String] = []
        for _ in 0..<count {
            guard position < bytes.count, let length = line(), position + length + 2 <= bytes.count else { return nil }
            words.append(String(decoding: bytes[position..<position + length], as: UTF8.self))
            position += length + 2
        }
        return (words, position)
    }

    private func send(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            #if canImport(Glibc)
                let count = bytes.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
                }
            #else
                let count = bytes.withUnsafeBytes {
                    Darwin.send(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent, 0)
                }
            #endif
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    @discardableResult
    private func end(_ link: Link) -> Bool {
        close(link.client)
        close(link.server)
        return false
    }

    @discardableResult
    private func reset(_ link: Link) -> Bool {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(link.client, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        return end(link)
    }
}
