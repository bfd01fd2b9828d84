// The few system calls of this module that need their C names.

internal import Primitives

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Sends a few bytes to a client that is about to be closed; what it does not take is lost.
func sendOnce(_ descriptor: Int32, _ bytes: [UInt8]) {
    _ = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
}

/// Ends the process without any further step: exit code 70.
func leaveAtOnce() -> Never { _exit(70) }

/// Resident memory of this process, in bytes; 0 where the system does not tell.
func residentBytes() -> Int {
    // "size resident shared …", in pages (proc_pid_statm(5)).
    let bytes = statm.withLock { descriptor in
        if descriptor < 0 { descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC) }
        return withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) { buffer in
            Array(buffer.prefix(max(0, pread(descriptor, buffer.baseAddress, buffer.count, 0))))
        }
    }
    let words = bytes.split(separator: UInt8(ascii: " "), maxSplits: 2)
    guard words.count > 1, let pages = Int(String(decoding: words[1], as: UTF8.self)) else { return 0 }
    return pages * sysconf(Int32(_SC_PAGESIZE))
}

/// The descriptor of /proc/self/statm: to open that for every scrape took a twentieth of one. Negative where it is not
/// open, as before, and where there were no descriptors left.
private let statm = Locked<Int32>(-1)

func processID() -> Int32 { getpid() }
