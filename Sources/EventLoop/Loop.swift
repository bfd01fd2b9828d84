// A libuv loop that belongs to one thread, and the errors of libuv as a Swift type.

internal import CUV

/// A failed libuv call: what was tried, and the error by its C name.
public struct EventLoopError: Error, Sendable, CustomStringConvertible {
    /// What was tried, as `connect` or `bind /run/hearth.sock`.
    public let operation: String
    /// The C name of the error, as `ECONNREFUSED`.
    public let name: String
    /// What the system says of it.
    public let message: String

    public init(operation: String, name: String, message: String) {
        self.operation = operation
        self.name = name
        self.message = message
    }

    init(_ operation: String, _ code: Int32) {
        self.operation = operation
        name = String(cString: uv_err_name(code))
        message = String(cString: uv_strerror(code))
    }

    public var description: String { "\(operation): \(message) (\(name))" }
}

/// An event loop (libuv) and the thread that runs it.
///
/// Everything that is made on a loop belongs to the loop's thread, except ``Mailbox/send(_:)``. A loop is run once;
/// when
/// `run` returns, every handle on it has been closed.
public final class Loop {
    let raw: UnsafeMutablePointer<uv_loop_t>
    /// Where streams read to unless their delegate has a better place: one buffer serves every idle connection.
    let sharedBuffer: UnsafeMutableRawBufferPointer

    /// Makes a loop; traps when the system has no descriptor left for it, since nothing can run without one.
    public init() {
        raw = .allocate(capacity: 1)
        let code = uv_loop_init(raw)
        precondition(
            code == 0, "an event loop can't be made: \(EventLoopError("uv_loop_init", code)); raise RLIMIT_NOFILE")
        sharedBuffer = .allocate(byteCount: 64 << 10, alignment: 64)
    }

    deinit {
        uv_loop_close(raw)
        raw.deallocate()
        sharedBuffer.deallocate()
    }

    /// Runs until nothing on the loop is active.
    public func run() { uv_run(raw, UV_RUN_DEFAULT) }

    /// Runs what is due now without waiting; whether anything is still active.
    @discardableResult
    public func runOnce() -> Bool { uv_run(raw, UV_RUN_NOWAIT) != 0 }

    /// Makes `run` return after the current iteration.
    public func stop() { uv_stop(raw) }

    /// Monotonic nanoseconds, read now.
    @inline(__always)
    public static var monotonicNanoseconds: Int64 { Int64(bitPattern: uv_hrtime()) }
}

/// Keeps `object` alive while libuv holds its address in `handle.data`; balanced by `release(dataOf:)` at close.
func retain(_ object: AnyObject) -> UnsafeMutableRawPointer { Unmanaged.passRetained(object).toOpaque() }

/// The Swift object behind a handle's `data`, not consumed.
@inline(__always)
func object<T: AnyObject>(_ data: UnsafeMutableRawPointer?, as type: T.Type) -> T {
    guard let data else { preconditionFailure("BUG: a libuv handle without its owner") }
    return Unmanaged<T>.fromOpaque(data).takeUnretainedValue()
}
