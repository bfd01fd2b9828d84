// What a service manager passes to a process and is told by it: systemd's protocol for daemons, by hand.
//
// DESIGN. Sockets come as open descriptors from 3 on (sd_listen_fds), so that clients may connect before we are there
// and none is refused while we are replaced. News go as datagrams of a few words to a socket that the environment names
// (sd_notify): ready, reloading, stopping, and signs of life where the manager asked for them. A sign of life is given
// when every worker has answered since the last one: a main thread alone would prove nothing. Without a manager all of
// this is nothing.
//
// Sources: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3).

internal import EventLoop
internal import Primitives
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// The service manager that started this process, if one did.
public struct ServiceManager: Sendable, Equatable {
    /// Where news go: a path, or with `@` in front a name in the abstract space; nil where nobody listens.
    let notifySocket: String?
    /// How long the manager waits for a sign of life, in milliseconds; nil where it doesn't.
    let watchdogMilliseconds: Int64?
    /// How many listening sockets it passed, from descriptor 3 on.
    let socketCount: Int32

    static let firstDescriptor: Int32 = 3

    /// Nobody.
    public static let none = ServiceManager([:], processID: 0)

    /// What the environment tells; variables that are another process's, or make no sense, are nobody's.
    public init(_ environment: [String: String], processID: Int32) {
        func isOurs(_ name: String) -> Bool { environment[name].map { $0 == "\(processID)" } ?? true }
        let path = environment["NOTIFY_SOCKET"] ?? ""
        let room = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1
        notifySocket = path.hasPrefix("/") || path.hasPrefix("@") ? (path.utf8.count <= room ? path : nil) : nil
        let time = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        watchdogMilliseconds = isOurs("WATCHDOG_PID") && time >= 4000 ? time / 1000 : nil
        let count = environment["LISTEN_FDS"].flatMap { Int32($0) } ?? 0
        socketCount = environment["LISTEN_PID"] != nil && isOurs("LISTEN_PID") ? max(0, min(count, 64)) : 0
    }

    /// Tells the manager; whether it could be told. It is never waited for.
    @discardableResult
    func tell(_ words: String...) -> Bool {
        guard let notifySocket else { return false }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(notifySocket.utf8)
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        #if canImport(Glibc)
            let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        #else
            let descriptor = socket(AF_UNIX, SOCK_DGRAM, 0)
        #endif
        guard descriptor >= 0 else { return false }
        defer { closeDescriptor(descriptor) }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        // An abstract name has no zero byte at its end, and its length counts.
        let head = MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: address.sun_path)
        let size = socklen_t(head + bytes.count)
        let text = Array(words.joined(separator: "\n").utf8)
        let sent = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, text, text.count, Int32(MSG_DONTWAIT), $0, size)
            }
        }
        return sent == text.count
    }

    // MARK: Sockets

    /// The sockets that were passed; empty where none was. Throws what is wrong with them, and with what to do.
    func passedSockets(expecting path: String) throws(StartError) -> [ListeningSocket] {
        var sockets: [ListeningSocket] = []
        for descriptor in Self.firstDescriptor..<Self.firstDescriptor + socketCount {
            sockets.append(try ListeningSocket.passed(descriptor, expecting: path))
        }
        return sockets
    }
}

/// Signs of life: one each time that every worker has answered.
final class Watchdog {
    private let manager: ServiceManager
    private let workers: [WorkerHandle]
    private let missing = Shared()
    private var timer: Timer?

    private final class Shared: Sendable {
        let count = Atomic<Int>(0)
    }

    init(_ manager: ServiceManager, _ workers: [WorkerHandle]) {
        self.manager = manager
        self.workers = workers
    }

    /// Asks each quarter of the time that the manager waits; nothing where it doesn't.
    func start(on loop: Loop) {
        guard let wait = manager.watchdogMilliseconds else { return }
        let timer = Timer(on: loop) { [unowned self] in self.ask() }
        timer.start(afterMilliseconds: 1, repeatMilliseconds: max(1, wait / 4))
        self.timer = timer
    }

    private func ask() {
        guard missing.count.load(ordering: .relaxed) == 0 else { return }
        manager.tell("WATCHDOG=1")
        missing.count.store(workers.count, ordering: .relaxed)
        for worker in workers {
            worker.mailbox.send(.run { [missing] in missing.count.subtract(1, ordering: .relaxed) })
        }
    }

    func stop() { timer?.close() }
}
