// The 64-bit hash that finds a key in memory, and the same function as a checksum.

private import CXXHash

/// The hash of a key's bytes, computed once per request and handed down; XXH3 seeded at random for this process.
///
/// The seed differs in each process, so that nobody can prepare keys that all fall into one bucket. It must not be
/// stored: what outlives the process (the warm tier) hashes with a seed of its own.
public struct KeyHash: Hashable, Sendable {
    public var rawValue: UInt64

    @inlinable @inline(__always)
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public init(_ key: UnsafeRawBufferPointer) {
        rawValue = hearth_xxh3(key.baseAddress, key.count, processSeed)
    }
}

/// Chosen once, when the first key is hashed.
public let processSeed = UInt64.random(in: .min ... .max)

/// XXH3 (64 bits) of `bytes`: not cryptographic; finds damage, does not resist an adversary.
///
/// Source: Yann Collet, xxHash, https://github.com/Cyan4973/xxHash (the algorithm is frozen since 0.8.0).
public func xxh3(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    hearth_xxh3(bytes.baseAddress, bytes.count, seed)
}
