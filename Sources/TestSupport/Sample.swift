// How much of an exhaustive test runs by default.

#if canImport(Glibc)
    private import Glibc
#elseif canImport(Darwin)
    private import Darwin
#endif

/// Whether HEARTH_THOROUGH is set.
public var isThorough: Bool { getenv("HEARTH_THOROUGH") != nil }

/// Every element where HEARTH_THOROUGH is set; else about `count` of them at equal steps, from a place that the seed
/// chooses, so that runs with different seeds come to all of them.
public func sample(_ range: Range<Int>, about count: Int) -> StrideTo<Int> {
    guard !isThorough, range.count > count else {
        return stride(from: range.lowerBound, to: range.upperBound, by: 1)
    }
    let step = range.count / count
    var random = SeededGenerator(seed: SeededGenerator.seed())
    return stride(from: range.lowerBound + Int.random(in: 0..<step, using: &random), to: range.upperBound, by: step)
}
