// SHA-1, since it is the only digest that a Redis script can compute of a value (redis.sha1hex).
//
// Source: FIPS 180-4, section 6.1. It tells values apart here; nothing rests on its resistance to an adversary.

/// The SHA-1 digest of some bytes: 20 bytes.
public struct SHA1Digest: Hashable, Sendable {
    private var words: (UInt32, UInt32, UInt32, UInt32, UInt32)

    public static func == (a: SHA1Digest, b: SHA1Digest) -> Bool { a.words == b.words }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
    }

    /// Digests `bytes`. Complexity: O(n).
    public init(_ bytes: UnsafeRawBufferPointer) {
        var state: (UInt32, UInt32, UInt32, UInt32, UInt32) = (
            0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0
        )
        let whole = bytes.count / 64
        for block in 0..<whole { Self.digest(bytes, at: block * 64, &state) }
        // The rest, a one bit, zeros, and the length in bits.
        withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { tail in
            let rest = UnsafeRawBufferPointer(rebasing: bytes[(whole * 64)...])
            let count = rest.count < 56 ? 64 : 128
            tail.initializeMemory(as: UInt8.self, repeating: 0)
            tail.copyMemory(from: rest)
            tail[rest.count] = 0x80
            tail.storeBytes(of: UInt64(bytes.count * 8).bigEndian, toByteOffset: count - 8, as: UInt64.self)
            for block in 0..<count / 64 { Self.digest(UnsafeRawBufferPointer(tail), at: block * 64, &state) }
        }
        words = state
    }

    public init(_ bytes: [UInt8]) { self = bytes.withUnsafeBytes { SHA1Digest($0) } }

    /// The digest from its 20 bytes; nil for another number of them.
    public init?(stored bytes: some Collection<UInt8>) {
        guard bytes.count == 20 else { return nil }
        var state: [UInt32] = [0, 0, 0, 0, 0]
        for (index, byte) in bytes.enumerated() { state[index / 4] = state[index / 4] << 8 | UInt32(byte) }
        words = (state[0], state[1], state[2], state[3], state[4])
    }

    /// The 20 bytes, most significant first.
    public var bytes: [UInt8] { withBytes { Array($0) } }

    /// Shows the 20 bytes, most significant first.
    public func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        let ordered = (
            words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian, words.4.bigEndian
        )
        return withUnsafeBytes(of: ordered, body)
    }

    /// Forty hexadecimal digits in lower case, as Redis writes it.
    public var hexadecimal: [UInt8] {
        func digit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 87 + value }
        return withBytes { bytes in
            [UInt8](unsafeUninitializedCapacity: 40) { digits, count in
                for (index, byte) in bytes.enumerated() {
                    digits[2 * index] = digit(byte >> 4)
                    digits[2 * index + 1] = digit(byte & 15)
                }
                count = 40
            }
        }
    }

    private static func digest(
        _ bytes: UnsafeRawBufferPointer, at start: Int, _ state: inout (UInt32, UInt32, UInt32, UInt32, UInt32)
    ) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 80) { w in
            for index in 0..<16 {
                w[index] = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: start + index * 4, as: UInt32.self))
            }
            for index in 16..<80 {
                w[index] = rotate(w[index - 3] ^ w[index - 8] ^ w[index - 14] ^ w[index - 16], 1)
            }
            var (a, b, c, d, e) = state
            @inline(__always)
            func round(_ index: Int, _ f: UInt32, _ k: UInt32) {
                let sum = rotate(a, 5) &+ f &+ e &+ k &+ w[index]
                (a, b, c, d, e) = (sum, a, rotate(b, 30), c, d)
            }
            for index in 0..<20 { round(index, b & c | ~b & d, 0x5A82_7999) }
            for index in 20..<40 { round(index, b ^ c ^ d, 0x6ED9_EBA1) }
            for index in 40..<60 { round(index, b & c | b & d | c & d, 0x8F1B_BCDC) }
            for index in 60..<80 { round(index, b ^ c ^ d, 0xCA62_C1D6) }
            state = (state.0 &+ a, state.1 &+ b, state.2 &+ c, state.3 &+ d, state.4 &+ e)
        }
    }

    @inline(__always)
    private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { word << count | word >> (32 - count) }
}
