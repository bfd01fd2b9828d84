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
        var tail = Array(bytes[(whole * 64)...])
        tail.append(0x80)
        while tail.count % 64 != 56 { tail.append(0) }
        withUnsafeBytes(of: UInt64(bytes.count * 8).bigEndian) { tail.append(contentsOf: $0) }
        tail.withUnsafeBytes { tail in
            for block in 0..<tail.count / 64 { Self.digest(tail, at: block * 64, &state) }
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
    public var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3, words.4].flatMap { word in
            withUnsafeBytes(of: word.bigEndian) { Array($0) }
        }
    }

    /// Forty hexadecimal digits in lower case, as Redis writes it.
    public var hexadecimal: [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
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
            for index in 0..<80 {
                let (f, k): (UInt32, UInt32) =
                    switch index {
                    case 0..<20: (b & c | ~b & d, 0x5A82_7999)
                    case 20..<40: (b ^ c ^ d, 0x6ED9_EBA1)
                    case 40..<60: (b & c | b & d | c & d, 0x8F1B_BCDC)
                    default: (b ^ c ^ d, 0xCA62_C1D6)
                    }
                let sum = rotate(a, 5) &+ f &+ e &+ k &+ w[index]
                (a, b, c, d, e) = (sum, a, rotate(b, 30), c, d)
            }
            state = (state.0 &+ a, state.1 &+ b, state.2 &+ c, state.3 &+ d, state.4 &+ e)
        }
    }

    @inline(__always)
    private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { word << count | word >> (32 - count) }
}
