// GETs, and STATE.GETs, that stand one behind another in what a client sent, on their way into the processor's cache
// together.

internal import LocalTier
internal import Primitives
internal import RESP

/// The next plain GETs of one client's bytes, hashed, their entries asked for; a worker's, which fills it again
/// and again.
struct GetRun: ~Copyable {
    struct Lookup {
        var get: PlainGet
        /// Where the request begins.
        var start: Int
        var hash: KeyHash
    }

    /// How many look-ups wait for memory together.
    ///
    /// | requests | what is asked for |
    /// |---:|---|
    /// | 16 | up to 16 buckets, then up to 112 lines of entries: the first level of a cache holds them with ease |
    static let countMax = 16

    private let lookups = UnsafeMutablePointer<Lookup>.allocate(capacity: countMax)
    private var count = 0
    private var next = 0

    deinit { lookups.deallocate() }

    /// The buffer is another one now, or holds something else.
    mutating func forget() {
        count = 0
        next = 0
    }

    /// The GET at `offset`; nil where there is none. Looks ahead when what was found is used up.
    @inline(__always)
    mutating func take(at offset: Int, of buffer: UnsafeRawBufferPointer, in local: LocalTier) -> Lookup? {
        if next == count || lookups[next].start != offset { lookAhead(from: offset, in: buffer, local) }
        guard next < count else { return nil }
        defer { next &+= 1 }
        return lookups[next]
    }

    /// What was taken last is to be taken again.
    @inline(__always)
    mutating func putBack() { next &-= 1 }

    private mutating func lookAhead(from start: Int, in buffer: UnsafeRawBufferPointer, _ local: LocalTier) {
        forget()
        var offset = start
        while count < Self.countMax, let get = PlainGet(buffer, at: offset) {
            let hash = KeyHash(UnsafeRawBufferPointer(rebasing: buffer[get.key..<get.key &+ get.keyCount]))
            (lookups + count).initialize(to: Lookup(get: get, start: offset, hash: hash))
            local.prefetchBucket(hash)
            count &+= 1
            offset = get.end
        }
        // One alone would only be asked for twice.
        guard count > 1 else { return }
        for index in 0..<count { local.prefetchEntry(lookups[index].hash) }
        for index in 0..<count { local.prefetchRest(lookups[index].hash) }
    }
}
