// The CPU time of this thread.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Nanoseconds of CPU that this thread has used.
func cpuNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
