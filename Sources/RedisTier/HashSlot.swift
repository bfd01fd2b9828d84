// Which of Redis's 16,384 slots a key belongs to, and a name that belongs to the same one.
//
// Source: https://redis.io/docs/reference/cluster-spec/, "Key distribution model" and "Hash tags".

/// A slot of the keyspace; keys of one slot can be changed by one script, on a cluster too.
public struct HashSlot: Hashable, Sendable {
    public let rawValue: UInt16

    public init(of key: [UInt8]) {
        let range = Self.tag(of: key) ?? 0..<key.count
        rawValue = Self.checksum(key[range]) % 16_384
    }

    /// What stands between the first `{` and the first `}` after it, if that is not nothing.
    private static func tag(of key: [UInt8]) -> Range<Int>? {
        guard let open = key.firstIndex(of: UInt8(ascii: "{")),
            let close = key[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        else { return nil }
        return open + 1..<close
    }

    /// A hash tag, without its braces, that puts a name into the slot of `key`: the key's own where it can be one.
    public static func companionTag(of key: [UInt8]) -> [UInt8] {
        if let tag = tag(of: key) { return Array(key[tag]) }
        if !key.isEmpty, !key.contains(UInt8(ascii: "}")), key.count <= 256 { return key }
        // No part of the key can be its tag: the first number of the same slot is.
        let slot = HashSlot(of: key)
        for number in 0... {
            let tag = Array(String(number).utf8)
            if checksum(tag[...]) % 16_384 == slot.rawValue { return tag }
        }
        preconditionFailure("BUG: no number has slot \(slot.rawValue)")
    }

    /// CRC-16 of XMODEM: polynomial 0x1021, no reflection, from zero.
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        bytes.reduce(0) { sum, byte in
            var sum = sum ^ UInt16(byte) << 8
            for _ in 0..<8 { sum = sum & 0x8000 == 0 ? sum << 1 : sum << 1 ^ 0x1021 }
            return sum
        }
    }
}
