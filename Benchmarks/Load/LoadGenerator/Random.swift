// Random numbers that can be had again, cheap enough to be drawn for each request.

/// A generator whose numbers follow from its seed; SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
/// Generators, OOPSLA 2014).
public struct LoadRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    @inline(__always)
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// From 0 to below 1, in 2^53 equal steps.
    @inline(__always)
    mutating func fraction() -> Double { Double(next() &>> 11) * 0x1p-53 }

    /// From 0 to below `count`, by multiplication (Lemire: Fast Random Integer Generation in an Interval, 2019), whose
    /// bias of count/2^64 nobody can see.
    @inline(__always)
    mutating func below(_ count: UInt64) -> UInt64 { next().multipliedFullWidth(by: count).high }

    /// A permutation of all 64-bit numbers without a visible pattern.
    @inline(__always)
    static func mix(_ number: UInt64) -> UInt64 {
        var z = number
        z = (z ^ z &>> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z &>> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z &>> 31
    }
}
