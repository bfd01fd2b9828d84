// The few system calls of this module that need their C names.

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
    let bytes = withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) { buffer in
        Array(buffer.prefix(max(0, pread(statm, buffer.baseAddress, buffer.count, 0))))
    }
    let words = bytes.split(separator: UInt8(ascii: " "), maxSplits: 2)
    guard words.count > 1, let pages = Int(String(decoding: words[1], as: UTF8.self)) else { return 0 }
    return pages * sysconf(Int32(_SC_PAGESIZE))
}

/// Opened once: to open it again for every scrape took a twentieth of one.
private let statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)

func processID() -> Int32 { getpid() }
