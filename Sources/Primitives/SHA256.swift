// SHA-256, by which each line of the audit names the one before it.
//
// Source: FIPS 180-4, section 6.2. Written here since no library that is linked has it; tested with NIST's vectors.

/// The SHA-256 digest of some bytes: 32 bytes.
public struct SHA256Digest: Hashable, Sendable {
    /// The 32 bytes, most significant first.
    public let bytes: [UInt8]

    /// Digests `bytes`. Complexity: O(n).
    public init(_ bytes: UnsafeRawBufferPointer) {
        var state = Self.initial
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
        self.bytes = (0..<8).flatMap { word in withUnsafeBytes(of: state[word].bigEndian) { Array($0) } }
    }

    public init(_ bytes: [UInt8]) { self = bytes.withUnsafeBytes { SHA256Digest($0) } }

    /// The digest from its 64 hexadecimal digits in lower case; nil for anything else.
    public init?(hexadecimal digits: some Collection<UInt8>) {
        guard digits.count == 64 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        var high: UInt8?
        for digit in digits {
            let value: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
            default: return nil
            }
            if let half = high {
                bytes.append(half << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        self.bytes = bytes
    }

    /// A digest of nothing: what stands where there is no line before.
    public static let none = SHA256Digest(zeros: ())

    private init(zeros: Void) { bytes = [UInt8](repeating: 0, count: 32) }

    /// Sixty-four hexadecimal digits in lower case.
    public var hexadecimal: [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }

    private typealias State = SIMD8<UInt32>

    private static let initial = State(
        0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19)

    /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
    private static let constants: [UInt32] = [
        0x428A_2F98, 0x7137_4491, 0xB5C0_FBCF, 0xE9B5_DBA5, 0x3956_C25B, 0x59F1_11F1, 0x923F_82A4, 0xAB1C_5ED5,
        0xD807_AA98, 0x1283_5B01, 0x2431_85BE, 0x550C_7DC3, 0x72BE_5D74, 0x80DE_B1FE, 0x9BDC_06A7, 0xC19B_F174,
        0xE49B_69C1, 0xEFBE_4786, 0x0FC1_9DC6, 0x240C_A1CC, 0x2DE9_2C6F, 0x4A74_84AA, 0x5CB0_A9DC, 0x76F9_88DA,
        0x983E_5152, 0xA831_C66D, 0xB003_27C8, 0xBF59_7FC7, 0xC6E0_0BF3, 0xD5A7_9147, 0x06CA_6351, 0x1429_2967,
        0x27B7_0A85, 0x2E1B_2138, 0x4D2C_6DFC, 0x5338_0D13, 0x650A_7354, 0x766A_0ABB, 0x81C2_C92E, 0x9272_2C85,
        0xA2BF_E8A1, 0xA81A_664B, 0xC24B_8B70, 0xC76C_51A3, 0xD192_E819, 0xD699_0624, 0xF40E_3585, 0x106A_A070,
        0x19A4_C116, 0x1E37_6C08, 0x2748_774C, 0x34B0_BCB5, 0x391C_0CB3, 0x4ED8_AA4A, 0x5B9C_CA4F, 0x682E_6FF3,
        0x748F_82EE, 0x78A5_636F, 0x84C8_7814, 0x8CC7_0208, 0x90BE_FFFA, 0xA450_6CEB, 0xBEF9_A3F7, 0xC671_78F2,
    ]

    private static func digest(_ bytes: UnsafeRawBufferPointer, at start: Int, _ state: inout State) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { w in
            for index in 0..<16 {
                w[index] = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: start + index * 4, as: UInt32.self))
            }
            for index in 16..<64 {
                let (near, far) = (w[index - 2], w[index - 15])
                let smallSigma1 = rotate(near, 17) ^ rotate(near, 19) ^ near >> 10
                let smallSigma0 = rotate(far, 7) ^ rotate(far, 18) ^ far >> 3
                w[index] = smallSigma1 &+ w[index - 7] &+ smallSigma0 &+ w[index - 16]
            }
            var (a, b, c, d) = (state[0], state[1], state[2], state[3])
            var (e, f, g, h) = (state[4], state[5], state[6], state[7])
            constants.withUnsafeBufferPointer { constants in
                for index in 0..<64 {
                    let sigma1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
                    let choice = e & f ^ ~e & g
                    let first = h &+ sigma1 &+ choice &+ constants[index] &+ w[index]
                    let sigma0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
                    let majority = a & b ^ a & c ^ b & c
                    (h, g, f, e) = (g, f, e, d &+ first)
                    (d, c, b, a) = (c, b, a, first &+ sigma0 &+ majority)
                }
            }
            state = state &+ State(a, b, c, d, e, f, g, h)
        }
    }

    @inline(__always)
    private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { word >> count | word << (32 - count) }
}
