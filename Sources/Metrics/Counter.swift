// Numbers that one thread changes and any thread may read: counters and gauges without a lock.
//
// DESIGN. A worker counts several things per request, so an increment must cost what a plain addition costs. Where only
// one thread writes, a relaxed load and a relaxed store are enough: both compile to plain moves, no bus lock is taken,
// and a reader on another thread sees some recent value, never a torn one. Where several threads write, SharedCounter
// pays for a real read-modify-write. Nothing here orders other memory: a reader may see two counters of one request
// in either order, so a sum over counters is exact only once the writers have stopped.

public import Synchronization

/// A count that only grows, with one writing thread and any number of readers.
///
/// Keep it in a `let` of a class that is handed to both sides. Wraps after 2^64. An increment from a second thread can
/// lose counts, never corrupt them; use ``SharedCounter`` there.
public struct Counter: ~Copyable, Sendable {
    @usableFromInline let count = Atomic<UInt64>(0)

    @inlinable
    public init() {}

    /// Adds `n`; only the writing thread may call it.
    @inlinable @inline(__always)
    public func add(_ n: UInt64 = 1) {
        count.store(count.load(ordering: .relaxed) &+ n, ordering: .relaxed)
    }

    /// A recent value; any thread may ask.
    @inlinable
    public var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A count that only grows, with any number of writing threads; an increment is one locked instruction.
public struct SharedCounter: ~Copyable, Sendable {
    @usableFromInline let count = Atomic<UInt64>(0)

    @inlinable
    public init() {}

    /// Adds `n`; any thread may call it, and none is lost.
    @inlinable
    public func add(_ n: UInt64 = 1) {
        count.wrappingAdd(n, ordering: .relaxed)
    }

    /// A recent value; any thread may ask.
    @inlinable
    public var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A level that goes up and down; any thread may set, change or read it.
public struct Gauge: ~Copyable, Sendable {
    @usableFromInline let level: Atomic<Int64>

    @inlinable
    public init(_ value: Int64 = 0) { level = Atomic(value) }

    /// Replaces the level.
    @inlinable
    public func set(_ value: Int64) { level.store(value, ordering: .relaxed) }

    /// Changes the level by `n`, which may be negative; no change of another thread is lost.
    @inlinable
    public func add(_ n: Int64) { level.wrappingAdd(n, ordering: .relaxed) }

    /// A recent level.
    @inlinable
    public var value: Int64 { level.load(ordering: .relaxed) }
}
