// A source with known answers, and a server on it.

import Metrics
import Primitives
import Testing

@testable import Admin

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

final class Log: Sendable {
    // ThreadSanitizer sees this lock, and not that of Synchronization.
    let lines = Locked<[String]>([])
    func append(_ line: String) { lines.withLock { $0.append(line) } }
    /// A copy of their own: who else holds the array is counted by the runtime, which ThreadSanitizer does not see.
    var all: [String] { lines.withLock { lines in lines.map { $0 } } }
}

func source(
    readiness: Readiness = Readiness(isReady: true, components: [.init("redis", .ok)]), isLive: Bool = true,
    log: Log = Log()
) -> AdminSource {
    AdminSource(
        liveness: { isLive }, readiness: { readiness },
        metrics: { [MetricFamily("hearth_up", "Whether it runs.", .gauge, [Sample([], 1)])] },
        status: { Array(#"{"version":"test"}"#.utf8) },
        control: { path, body in
            log.append("\(path) \(String(decoding: body, as: UTF8.self))")
            return .text("done")
        },
        live: LiveSource(
            look: { log.append("look") }, news: { Array(#"{"news":1}"#.utf8) }, past: { Array(#"{"past":1}"#.utf8) }),
        failed: { log.append($0) })
}

func start(_ source: AdminSource = source(), listen: String = "127.0.0.1:0", limits: AdminLimits = AdminLimits()) throws
    -> AdminServer
{
    var configuration = AdminConfiguration()
    configuration.listen = listen
    return try #require(try AdminServer.start(configuration, source: source, limits: limits))
}

/// A file's first 64 KiB as text; empty where it can't be read.
func text(of path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
}
