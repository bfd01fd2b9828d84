// A span of seconds in 16 bits, rounded up: enough to know when an entry may be let go.

/// A number of seconds, as 12 bits shifted by 4 bits; never less than what was asked for, at most 0.05 % more.
///
/// | asked for | held |
/// |---|---|
/// | up to 4095 s (68 min) | exactly |
/// | 1 day | 86,400 s, exactly |
/// | 1 year | 31,539,200 s (an hour more) |
/// | beyond 134,184,960 s (4.2 years) | 134,184,960 s |
public struct CoarseSeconds: Hashable, Sendable {
    public var rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public init(roundingUp seconds: UInt32) {
        var mantissa = seconds
        var shift: UInt32 = 0
        while mantissa > 4095 {
            shift += 1
            mantissa = (seconds >> shift) + (seconds & ((1 << shift) - 1) == 0 ? 0 : 1)
        }
        rawValue = shift > 15 ? .max : UInt16(shift << 12 | mantissa)
    }

    public var seconds: Int64 { Int64(rawValue & 4095) << Int64(rawValue >> 12) }
}
