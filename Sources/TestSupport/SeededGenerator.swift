// Random numbers that can be had again: the seed is printed when a test fails, and replayed by HEARTH_SEED.

#if canImport(Glibc)
    private import Glibc
#elseif canImport(Musl)
    private import Musl
#else
    private import Darwin
#endif

/// A generator whose numbers follow from its seed (SplitMix64).
///
/// `SeededGenerator.seed()` is that of the environment (HEARTH_SEED=12345, or HEARTH_SEED=random for a new one), else
/// always the same, so that a change is judged by what it changed; tests put it into their failure messages.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    public let seed: UInt64
    private var state: UInt64

    public init(seed: UInt64 = SeededGenerator.seed()) {
        self.seed = seed
        state = seed
    }

    /// The seed to replay: a random one where HEARTH_SEED says so, and 515 where it says nothing.
    ///
    /// A text that is neither a number nor `random` ends the process: a run that replays nothing must not pass for one
    /// that did.
    public static func seed() -> UInt64 {
        guard let text = getenv("HEARTH_SEED").map({ String(cString: $0) }), !text.isEmpty else { return 515 }
        if text == "random" { return UInt64.random(in: 1...UInt64(UInt32.max)) }
        guard let seed = UInt64(text) else { fatalError("HEARTH_SEED=\(text) is neither a number nor 'random'") }
        return seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    /// True once in `count` times.
    public mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }

    /// How to get this run again.
    public var replay: String { "replay with HEARTH_SEED=\(seed)" }
}
