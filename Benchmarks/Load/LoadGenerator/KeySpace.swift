// Keys and values as bytes: both follow from a number, so that every reply can be checked without remembering it.
//
// DESIGN. A key is its prefix and twelve digits, as redis-benchmark writes them. A value begins with sixteen
// hexadecimal digits that are the key's own, and goes on with a piece of a text common to all, from a place that is
// the key's too: a reply for another key, a cut one and one with bytes of another are all told from the right one by
// two comparisons.

internal import RESP

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// One key: a hot one, asked for again and again, a cold one, asked for in turn, or a record's, which no string has.
public struct Key: Equatable, Sendable {
    @usableFromInline static let coldBit: UInt64 = 1 << 63
    @usableFromInline static let recordBit: UInt64 = 1 << 62
    let rawValue: UInt64

    @inline(__always)
    public static func hot(_ number: UInt64) -> Key { Key(rawValue: number) }
    @inline(__always)
    public static func cold(_ number: UInt64) -> Key { Key(rawValue: number | coldBit) }
    @inline(__always)
    public static func record(_ number: UInt64) -> Key { Key(rawValue: number | recordBit) }

    @inline(__always)
    var isCold: Bool { rawValue & Self.coldBit != 0 }
    @inline(__always)
    var isRecord: Bool { rawValue & Self.recordBit != 0 }
    @inline(__always)
    var number: UInt64 { rawValue & ~(Self.coldBit | Self.recordBit) }
}

/// The keys and values of a run.
public final class KeySpace {
    /// Digits in a key; numbers are below 10^12.
    public static let digits = 12
    private static let tag = 16
    private static let offsets = 4096

    public let hotPrefix: String
    public let coldPrefix: String
    public let statePrefix: String
    private let sizes: (hot: ValueSizes, cold: ValueSizes)
    private let pattern: UnsafeMutablePointer<UInt8>

    /// Values are of `sizes`; those of cold keys of `coldSizes`, where there are such.
    public init(
        hotPrefix: String, coldPrefix: String, statePrefix: String, sizes: ValueSizes, coldSizes: ValueSizes? = nil
    ) {
        self.hotPrefix = hotPrefix
        self.coldPrefix = coldPrefix
        self.statePrefix = statePrefix
        self.sizes = (sizes, coldSizes ?? sizes)
        let count = max(self.sizes.hot.largest, self.sizes.cold.largest) + Self.offsets
        pattern = .allocate(capacity: count)
        var random = LoadRandom(seed: 0x68_65_61_72_74_68)
        for index in 0..<count { pattern[index] = 0x61 + UInt8(random.below(26)) }
    }

    deinit { pattern.deallocate() }

    /// What keys of this key's kind begin with.
    func prefix(of key: Key) -> String { key.isCold ? coldPrefix : key.isRecord ? statePrefix : hotPrefix }

    /// What stands behind its prefix.
    @inline(__always)
    static func appendDigits(_ key: Key, to output: OutputBuffer) {
        let place = output.reserve(Self.digits).assumingMemoryBound(to: UInt8.self)
        var rest = key.number
        for position in stride(from: Self.digits - 1, through: 0, by: -1) {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            place[position] = 48 &+ UInt8(truncatingIfNeeded: digit)
            rest = quotient
        }
        output.commit(Self.digits)
    }

    /// The bytes of a key's value.
    @inline(__always)
    func valueCount(_ key: Key) -> Int {
        let mixed = LoadRandom.mix(key.rawValue)
        // Not a choice of the two first, which would be copied.
        return key.isCold ? sizes.cold.size(mixed) : sizes.hot.size(mixed)
    }

    @inline(__always)
    func appendValue(_ key: Key, to output: OutputBuffer) {
        let count = valueCount(key)
        let place = output.reserve(count)
        let mixed = LoadRandom.mix(~key.rawValue)
        let tagged = min(count, Self.tag)
        for index in 0..<tagged {
            place.storeBytes(of: Self.digit(mixed, index), toByteOffset: index, as: UInt8.self)
        }
        if count > tagged {
            let start = Int(mixed & UInt64(Self.offsets - 1))
            (place + tagged).copyMemory(from: pattern + start, byteCount: count - tagged)
        }
        output.commit(count)
    }

    /// Whether `bytes` are the key's value.
    @inline(__always)
    func isValue(_ bytes: UnsafeRawBufferPointer, of key: Key) -> Bool {
        guard bytes.count == valueCount(key) else { return false }
        guard let base = bytes.baseAddress, bytes.count > 0 else { return true }
        let mixed = LoadRandom.mix(~key.rawValue)
        let tagged = min(bytes.count, Self.tag)
        for index in 0..<tagged where bytes[index] != Self.digit(mixed, index) { return false }
        let start = Int(mixed & UInt64(Self.offsets - 1))
        return memcmp(base + tagged, pattern + start, bytes.count - tagged) == 0
    }

    @inline(__always)
    private static func digit(_ mixed: UInt64, _ index: Int) -> UInt8 {
        let nibble = UInt8(truncatingIfNeeded: mixed &>> UInt64(truncatingIfNeeded: index &* 4)) & 15
        return nibble < 10 ? 48 &+ nibble : 87 &+ nibble
    }

    public func keyText(_ key: Key) -> String {
        let output = OutputBuffer()
        Self.appendDigits(key, to: output)
        return prefix(of: key) + String(decoding: output.bytes, as: UTF8.self)
    }

    public func value(_ key: Key) -> [UInt8] {
        let output = OutputBuffer()
        appendValue(key, to: output)
        return Array(output.bytes)
    }
}
