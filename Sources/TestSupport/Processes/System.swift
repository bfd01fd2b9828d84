// What tests of real processes need of the system: time, threads, directories, ports. No Foundation.

internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// An error of the test's own machinery, with what was tried.
public struct TestError: Error, CustomStringConvertible, Sendable {
    public let description: String
    public init(_ description: String) { self.description = description }

    static func system(_ operation: String) -> TestError {
        let code = errno
        return TestError("\(operation): \(String(cString: strerror(code)))")
    }
}

/// The monotonic clock, in milliseconds.
public func milliseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1_000_000
}

/// What this thread has used of a processor, in milliseconds: what others do on the machine does not count.
public func threadMilliseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1_000_000
}

public func pause(_ milliseconds: Double) { usleep(UInt32(max(0, milliseconds * 1000))) }

/// Waits until `condition` holds; throws with `what` when it does not within the time. Returns how long it took.
///
/// The limit is there to end a test that hangs: half a minute is what a machine needs on which a dozen others build.
/// `what` is asked when it has passed: a log that it holds is the one of that moment.
@discardableResult
public func eventually(
    _ what: @autoclosure () -> String, within limit: Double = 30_000, every interval: Double = 3,
    _ condition: () throws -> Bool
) throws -> Double {
    let start = milliseconds()
    while true {
        if try condition() { return milliseconds() - start }
        guard milliseconds() - start < limit else { throw TestError("not within \(Int(limit)) ms: \(what())") }
        pause(interval)
    }
}

/// Runs `body` on as many threads of their own, and waits for all.
public func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let threads = (0..<count).map { index in TestThread { body(index) } }
    for thread in threads { thread.join() }
}

/// A thread of the system's: a test that blocks must not take one from Swift's pool.
public final class TestThread: @unchecked Sendable {
    private final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    #if canImport(Glibc)
        private var thread = pthread_t()
    #else
        private var thread: pthread_t?
    #endif
    private let isJoined = Mutex(false)

    public init(_ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Box(body)).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { box in
                #if canImport(Glibc)
                    guard let box else { return nil }
                #endif
                Unmanaged<Box>.fromOpaque(box).takeRetainedValue().body()
                return nil
            }, box)
        precondition(code == 0, "no thread for a test")
    }

    public func join() {
        let isFirst = isJoined.withLock { joined in
            defer { joined = true }
            return !joined
        }
        guard isFirst else { return }
        #if canImport(Glibc)
            pthread_join(thread, nil)
        #else
            if let thread { pthread_join(thread, nil) }
        #endif
    }
}

/// A directory of a test's own, removed with everything in it.
public final class TemporaryDirectory: Sendable {
    public let path: String

    public init() throws {
        // Short: the path of a Unix socket has at most 107 bytes.
        var template = Array("/tmp/hearth-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw TestError.system("mkdtemp") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    public func file(_ name: String) -> String { "\(path)/\(name)" }

    public func write(_ name: String, _ text: String) throws -> String {
        let file = file(name)
        try writeFile(file, text)
        return file
    }

    deinit { Self.removeAll(path) }

    private static func removeAll(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR, let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                    String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != "." && name != ".." { removeAll("\(path)/\(name)") }
            }
            closedir(directory)
        }
        remove(path)
    }
}

public func writeFile(_ path: String, _ text: String) throws {
    guard let file = fopen(path, "we") else { throw TestError.system("open \(path)") }
    defer { fclose(file) }
    let bytes = Array(text.utf8)
    guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw TestError.system("write \(path)") }
}

public func readFile(_ path: String) -> String {
    guard let file = fopen(path, "re") else { return "" }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = fread(&chunk, 1, chunk.count, file)
        if count == 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += chunk[..<count]
    }
}

/// The program of this name on the PATH.
public func program(_ name: String) -> String? {
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
    return path.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
}

/// The executable of this package of this name: it stands where the tests' bundle stands.
public func built(_ name: String) throws -> String {
    let own = CommandLine.arguments[0]
    // `swift test` runs the bundle itself on Linux; elsewhere a helper, with the bundle's path among the arguments.
    let candidates = [own] + CommandLine.arguments.dropFirst().filter { $0.contains(".xctest") }
    for candidate in candidates {
        var parts = candidate.split(separator: "/", omittingEmptySubsequences: false)
        while parts.count > 1 {
            parts.removeLast()
            let path = parts.joined(separator: "/") + "/" + name
            if access(path, X_OK) == 0, !path.hasSuffix(".build/\(name)") { return path }
        }
    }
    throw TestError("\(name) is not built beside the tests (\(own)); run swift build first")
}

/// A TCP port of the loopback interface that is given to nobody else while this is held: a server that sets
/// SO_REUSEADDR may listen on it all the same.
public final class ReservedPort: Sendable {
    public let number: UInt16
    private let descriptor: Int32

    public init() throws {
        descriptor = try bound(to: 0)
        number = try localPort(of: descriptor)
    }

    deinit { close(descriptor) }
}

private func streamSocket(_ family: Int32) throws -> Int32 {
    #if canImport(Glibc)
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    #else
        let descriptor = socket(family, SOCK_STREAM, 0)
    #endif
    guard descriptor >= 0 else { throw TestError.system("socket") }
    return descriptor
}

private func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
}

/// A TCP socket that has this port of the loopback interface, or any.
private func bound(to port: UInt16) throws -> Int32 {
    let descriptor = try streamSocket(AF_INET)
    var yes: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
    var address = loopback(port)
    let code = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, 16) }
    }
    guard code == 0 else {
        let error = TestError.system("bind port \(port)")
        close(descriptor)
        throw error
    }
    return descriptor
}

/// A listening TCP socket on the loopback interface.
func listen(on port: UInt16) throws -> Int32 {
    let descriptor = try bound(to: port)
    guard listen(descriptor, 128) == 0 else {
        let error = TestError.system("listen on port \(port)")
        close(descriptor)
        throw error
    }
    return descriptor
}

func localPort(of descriptor: Int32) throws -> UInt16 {
    var address = sockaddr_in()
    var length = socklen_t(16)
    let code = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard code == 0 else { throw TestError.system("getsockname") }
    return UInt16(bigEndian: address.sin_port)
}

/// A connected socket; blocking.
func connectedSocket(_ address: ServerAddress) throws -> Int32 {
    switch address {
    case .tcp(let port):
        let descriptor = try streamSocket(AF_INET)
        var address = loopback(port)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, 16) }
        }
        guard code == 0 else {
            let error = TestError.system("connect to port \(port)")
            close(descriptor)
            throw error
        }
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
        return descriptor
    case .unix(let path):
        let descriptor = try streamSocket(AF_UNIX)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(103)) }
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard code == 0 else {
            let error = TestError.system("connect to \(path)")
            close(descriptor)
            throw error
        }
        return descriptor
    }
}

/// Where a server listens.
public enum ServerAddress: Sendable {
    case tcp(UInt16)
    case unix(String)
}

public var isRoot: Bool { geteuid() == 0 }
