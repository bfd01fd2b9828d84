// A value behind a lock that ThreadSanitizer understands.
//
// DESIGN. Swift's own `Mutex` waits on a futex inside the standard library, which is not instrumented: on Linux every
// value behind one is reported as a race (seen with 6.3.1 on code that did nothing but `withLock`), and real ones
// drown in it. A POSIX mutex is intercepted, and costs the same where nobody waits.

#if canImport(Glibc)
    private import Glibc
#elseif canImport(Darwin)
    private import Darwin
#endif

/// The lock alone: a POSIX mutex at an address of its own.
public final class PosixLock: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    public init() {
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        let code = pthread_mutex_init(mutex, nil)
        precondition(code == 0, "BUG: pthread_mutex_init: \(code)")
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    public func lock() {
        let code = pthread_mutex_lock(mutex)
        precondition(code == 0, "BUG: pthread_mutex_lock: \(code)")
    }

    public func unlock() {
        let code = pthread_mutex_unlock(mutex)
        precondition(code == 0, "BUG: pthread_mutex_unlock: \(code)")
    }
}

/// A value that is reached only with its lock held.
///
/// Unchecked: the value lies at an address that only `withLock` knows, and `withLock` holds the lock.
public final class Locked<Value: ~Copyable>: @unchecked Sendable {
    @usableFromInline let lock = PosixLock()
    @usableFromInline let value: UnsafeMutablePointer<Value>

    public init(_ initial: consuming sending Value) {
        value = .allocate(capacity: 1)
        value.initialize(to: initial)
    }

    deinit {
        value.deinitialize(count: 1)
        value.deallocate()
    }

    /// Runs `body` with the lock held: short, and without I/O.
    @inlinable
    public func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value.pointee)
    }
}
