// Which segment of which store a file is, and what that does to the checksums inside it.

/// The store and the place in its order that a segment belongs to.
public struct SegmentIdentity: Hashable, Sendable {
    /// Chosen at random when the store is made; part of every checksum and of the hash of every key.
    public var storeSeed: UInt64
    /// 1 for a store's first segment; grows, and is never used twice.
    public var sequence: UInt32

    public init(storeSeed: UInt64, sequence: UInt32) {
        self.storeSeed = storeSeed
        self.sequence = sequence
    }

    /// The seed for a checksum of what lies at `offset`: bytes that are whole elsewhere do not pass here.
    func checkSeed(at offset: Int) -> UInt64 {
        var x = storeSeed ^ (UInt64(sequence) &* 0x9E37_79B9_7F4A_7C15)
        x = (x ^ (x >> 29)) &+ (UInt64(offset) &* 0xC2B2_AE3D_27D4_EB4F)
        x = (x ^ (x >> 32)) &* 0xD6E8_FEB8_6659_FD93
        return x ^ (x >> 32)
    }

    /// `<store seed, 16 hex digits>-<sequence, 8 hex digits>.segment`: a damaged header can therefore be done without.
    public var fileName: String { "\(hex(storeSeed, 16))-\(hex(UInt64(sequence), 8)).segment" }

    /// Reads the identity back from a file name; nil for any other file.
    public init?(fileName: String) {
        let bytes = Array(fileName.utf8)
        guard bytes.count == 33, bytes[16] == UInt8(ascii: "-"), fileName.hasSuffix(".segment"),
            let seed = Self.number(bytes[0..<16]), let sequence = Self.number(bytes[17..<25]), sequence > 0
        else { return nil }
        self.init(storeSeed: seed, sequence: UInt32(sequence))
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }

    private func hex(_ value: UInt64, _ width: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: width - digits.count) + digits
    }
}
