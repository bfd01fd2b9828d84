// A shard's lock and its sequence counter: the first cache line of the shard, in the arena.
//
// DESIGN: two readers are kept from torn state. Threads of this process take the lock. Another process that has mapped
// the arena read-only cannot; it reads the sequence counter, reads what it wants, and reads the counter again: odd or
// changed means again (H.-J. Boehm, Can Seqlocks Get Along With Programming Language Memory Models?, MSPC 2012).
// Links of the eviction rule change under the lock alone, since such a reader does not follow them.
//
// The lock is a word that is compared and set. It is held for tens to hundreds of nanoseconds and never across I/O, so
// a waiter spins a little and then gives its processor away. Taken and given back uncontended it was measured at
// 3.5 ns, Synchronization's Mutex (which keeps its owner for priority inheritance) at 7.8 ns.

public import Synchronization

#if canImport(Glibc)
    private import Glibc
#elseif canImport(Musl)
    private import Musl
#else
    private import Darwin
#endif

/// The lock of one shard, and the counter by which readers outside of it know that they must read again.
@usableFromInline
struct ShardGuard {
    @usableFromInline let word: UnsafeMutablePointer<Atomic<UInt32>>
    private let sequence: UnsafeMutablePointer<Atomic<UInt64>>

    static let sequenceOffset = 8

    init(at line: UnsafeMutableRawPointer) {
        word = line.bindMemory(to: Atomic<UInt32>.self, capacity: 1)
        sequence = (line + Self.sequenceOffset).bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    }

    @inlinable @inline(__always)
    func acquire() {
        if word.pointee.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged { return }
        acquireSlowly()
    }

    @inlinable @inline(__always)
    func release() { word.pointee.store(0, ordering: .releasing) }

    @usableFromInline @inline(never)
    func acquireSlowly() {
        var attempts = 0
        while true {
            if word.pointee.load(ordering: .relaxed) == 0,
                word.pointee.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
            {
                return
            }
            attempts += 1
            if attempts > 4096 {
                usleep(50)  // the holder has lost its processor for long: let it have ours
            } else if attempts & 63 == 0 {
                sched_yield()
            }
        }
    }

    /// Runs a structural change: the sequence counter is odd meanwhile. The lock is held by the caller.
    @inline(__always)
    func change<R>(_ body: () -> R) -> R {
        let before = sequence.pointee.load(ordering: .relaxed)
        assert(before & 1 == 0, "BUG: a structural change within a structural change")
        sequence.pointee.store(before &+ 1, ordering: .relaxed)
        atomicMemoryFence(ordering: .releasing)
        let result = body()
        sequence.pointee.store(before &+ 2, ordering: .releasing)
        return result
    }
}
