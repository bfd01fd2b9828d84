// The 64-bit hash that finds a key in memory, and the same function as a checksum.

private import CXXHash
private import Synchronization

/// The hash of a key's bytes, computed once per request and handed down; XXH3 seeded at random for this process.
///
/// The seed differs in each process, so that nobody can prepare keys that all fall into one bucket. It must not be
/// stored: what outlives the process (the warm tier) hashes with a seed of its own.
public struct KeyHash: Hashable, Sendable {
    public var rawValue: UInt64

    @inlinable @inline(__always)
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Of a key in an array.
    public init(_ key: [UInt8]) { self = key.withUnsafeBytes { KeyHash($0) } }

    public init(_ key: UnsafeRawBufferPointer) {
        rawValue = hearth_xxh3(key.baseAddress, key.count, processSeed)
    }
}

extension KeyHash {
    /// The hash as dictionaries want it: it is seeded already, so that SipHash over it would protect against nothing.
    ///
    /// The underscored requirement of `Hashable` is where the standard library asks; without it `hash(into:)` is asked,
    /// which is slower and as right. `seed` differs from table to table, so that the order of one is not the worst for
    /// another; the multiplication spreads it over the low bits, by which a place is chosen.
    @inlinable @inline(__always)
    public func _rawHashValue(seed: Int) -> Int {
        let product = (rawValue ^ UInt64(bitPattern: Int64(seed))).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return Int(truncatingIfNeeded: product.high ^ product.low)
    }
}

/// Chosen once, when the first key is hashed.
public let processSeed = ProcessSeed.choose()

/// The seed of this process's hashes, for those who must have the same run again.
public enum ProcessSeed {
    private static let fixed = Atomic<UInt64>(0)

    /// Makes the seed what it is told, which is not 0, in a simulation; has no effect once a key was hashed.
    public static func fix(_ seed: UInt64) { fixed.store(seed, ordering: .relaxed) }

    fileprivate static func choose() -> UInt64 {
        let seed = fixed.load(ordering: .relaxed)
        return seed == 0 ? .random(in: .min ... .max) : seed
    }
}

/// XXH3 (64 bits) of `bytes`: not cryptographic; finds damage, does not resist an adversary.
///
/// Source: Yann Collet, xxHash, https://github.com/Cyan4973/xxHash (the algorithm is frozen since 0.8.0).
public func xxh3(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    hearth_xxh3(bytes.baseAddress, bytes.count, seed)
}
