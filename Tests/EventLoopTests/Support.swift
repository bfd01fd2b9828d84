// Loops that run until something has happened, and sockets in pairs.

import EventLoop
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

extension Loop {
    /// Runs until `isDone`, at most half a minute of real time; whether it was done.
    @discardableResult
    func run(until isDone: () -> Bool) -> Bool {
        let end = Loop.monotonicNanoseconds + 30_000_000_000
        while !isDone(), Loop.monotonicNanoseconds < end { runOnce() }
        return isDone()
    }

    /// Lets closed handles go.
    func drain() { for _ in 0..<10 where runOnce() {} }
}

/// As the server does at start: libuv leaves it to the process.
func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

/// Two connected, non-blocking sockets; the second is the test's, by plain system calls.
struct SocketPair: ~Copyable {
    let mine: Int32
    let theirs: Int32

    init(bufferBytes: Int32? = nil) {
        var descriptors: [Int32] = [0, 0]
        #if canImport(Glibc)
            let type = Int32(SOCK_STREAM.rawValue)
        #else
            let type = SOCK_STREAM
        #endif
        let code = socketpair(AF_UNIX, type, 0, &descriptors)
        precondition(code == 0)
        (theirs, mine) = (descriptors[0], descriptors[1])
        for descriptor in descriptors {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
            guard var size = bufferBytes else { continue }
            setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// What there is to read, at most `limit` bytes.
    func receive(_ limit: Int) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = read(mine, &buffer, limit)
        return Array(buffer.prefix(max(0, count)))
    }

    func send(_ bytes: [UInt8]) { _ = write(mine, bytes, bytes.count) }

    func closeMine() { _ = close(mine) }
}

/// What a stream told its delegate.
final class Listener: StreamDelegate {
    var received: [UInt8] = []
    var ends: [EventLoopError?] = []
    var writes: [EventLoopError?] = []
    var connects: [EventLoopError?] = []
    var onRead: () -> Void = {}

    func streamDidRead(_ stream: Stream, _ bytes: UnsafeMutableRawBufferPointer) {
        received += Array(bytes)
        onRead()
    }
    func streamDidEnd(_ stream: Stream, _ error: EventLoopError?) { ends.append(error) }
    func streamDidWrite(_ stream: Stream, _ error: EventLoopError?) { writes.append(error) }
    func streamDidConnect(_ stream: Stream, _ error: EventLoopError?) { connects.append(error) }
}
