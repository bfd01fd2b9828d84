// What a process has cost so far, by the kernel's own account: CPU time and sleeps of all its threads, and memory.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// CPU time, sleeps and memory of a process at one moment.
public struct ProcessAccount: Equatable, Sendable {
    /// Nanoseconds of CPU, user and system, of all threads that live.
    public let cpu: UInt64
    /// How often they gave up their core to wait for something: a server that is kept busy hardly does.
    public let sleeps: UInt64
    /// Resident memory, in bytes.
    public let resident: UInt64
    /// Whether `cpu` comes from schedstat, exact to the nanosecond, or from stat, exact to a tick of 10 ms.
    public let isExact: Bool

    /// Nil where there is no such process, or no /proc.
    public init?(pid: Int32) {
        guard let statistics = Self.content("/proc/\(pid)/stat"), let ticks = Self.ticks(statistics),
            let memory = Self.content("/proc/\(pid)/statm"), let pages = memory.split(separator: " ").dropFirst().first,
            let resident = UInt64(pages)
        else { return nil }
        self.resident = resident * UInt64(max(1, sysconf(Int32(_SC_PAGESIZE))))
        let threads = (Self.threads(pid) ?? []).map { "/proc/\(pid)/task/\($0)" }
        let exact = threads.reduce(into: UInt64(0)) { $0 += Self.scheduled($1 + "/schedstat") ?? 0 }
        sleeps = threads.reduce(into: 0) { $0 += Self.content($1 + "/status").flatMap(Self.sleeps) ?? 0 }
        isExact = exact > 0
        cpu = isExact ? exact : ticks * 1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
    }

    /// CPU time of this process, in nanoseconds.
    static var own: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// The process that listens at the other end of a Unix socket; nil where the kernel does not say.
    static func listener(of descriptor: Int32) -> Int32? {
        #if os(Linux)
            // struct ucred, which glibc shows only to _GNU_SOURCE.
            var credentials: (pid: Int32, uid: UInt32, gid: UInt32) = (0, 0, 0)
            var size = socklen_t(MemoryLayout.size(ofValue: credentials))
            guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0, credentials.pid > 0 else {
                return nil
            }
            return credentials.pid
        #else
            return nil
        #endif
    }

    /// Fields 14 and 15 of stat; the name before them, in parentheses, may hold anything.
    static func ticks(_ statistics: String) -> UInt64? {
        guard let end = statistics.lastIndex(of: ")") else { return nil }
        let fields = statistics[statistics.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = UInt64(fields[11]), let system = UInt64(fields[12]) else { return nil }
        return user + system
    }

    /// The voluntary switches to another thread, of status.
    static func sleeps(_ status: String) -> UInt64? {
        let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches:") }
        return line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).last.flatMap { UInt64($0) }
    }

    private static func scheduled(_ path: String) -> UInt64? {
        content(path)?.split(separator: " ").first.flatMap { UInt64($0) }
    }

    private static func threads(_ pid: Int32) -> [String]? {
        guard let directory = opendir("/proc/\(pid)/task") else { return nil }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    private static func content(_ path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = fread(&bytes, 1, bytes.count, file)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
