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
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 256)
    guard fgets(&text, Int32(text.count), file) != nil else { return 0 }
    let words = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }.split(separator: 32)
    guard words.count > 1, let pages = Int(String(decoding: words[1], as: UTF8.self)) else { return 0 }
    return pages * sysconf(Int32(_SC_PAGESIZE))
}

func processID() -> Int32 { getpid() }
