// Which key the next request is for: uniform, or zipfian as caches see it.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// How requests spread over the keys.
public enum KeyDistribution: Equatable, Sendable {
    /// Each key is as likely as any other.
    case uniform
    /// The key of rank r is asked for in proportion to 1 / r^theta; key 0 is the hottest.
    case zipfian(theta: Double)
}

/// Draws keys of 0 ..< `count`; the same seed draws the same keys.
///
/// Zipfian ranks come from rejection-inversion: a number is drawn under the integral of 1 / x^theta, and rejected
/// where it lies above the step at its rank. It is exact, takes no table however many keys there are, and fewer than
/// 1.1 draws on average. Source: W. Hörmann, G. Derflinger: Rejection-inversion to generate variates from monotone
/// discrete distributions, ACM TOMACS 6(3), 1996; the names are those of Apache Commons RNG, which has it too.
public struct KeyPicker: Sendable {
    public let count: UInt64
    private let theta: Double?
    private let integralAtFirst: Double
    private let integralAtEnd: Double
    private let shortcut: Double

    public init(_ distribution: KeyDistribution, count: UInt64) {
        precondition(count > 0)
        self.count = count
        guard case .zipfian(let theta) = distribution, count > 1 else {
            (self.theta, integralAtFirst, integralAtEnd, shortcut) = (nil, 0, 0, 0)
            return
        }
        precondition(theta > 0)
        self.theta = theta
        integralAtFirst = Self.integral(1.5, theta) - 1
        integralAtEnd = Self.integral(Double(count) + 0.5, theta)
        shortcut = 2 - Self.inverse(Self.integral(2.5, theta) - Self.density(2, theta), theta)
    }

    @inline(__always)
    public func next(_ random: inout LoadRandom) -> UInt64 {
        guard let theta else { return random.below(count) }
        while true {
            let drawn = integralAtEnd + random.fraction() * (integralAtFirst - integralAtEnd)
            let x = Self.inverse(drawn, theta)
            let rank = min(max((x + 0.5).rounded(.down), 1), Double(count))
            if rank - x <= shortcut || drawn >= Self.integral(rank + 0.5, theta) - Self.density(rank, theta) {
                return UInt64(rank) - 1
            }
        }
    }

    /// 1 / x^theta.
    private static func density(_ x: Double, _ theta: Double) -> Double { exp(-theta * log(x)) }

    /// (x^(1-theta) - 1) / (1-theta), which is log(x) at theta 1.
    private static func integral(_ x: Double, _ theta: Double) -> Double {
        let logarithm = log(x)
        let y = (1 - theta) * logarithm
        return (abs(y) > 1e-8 ? expm1(y) / y : 1 + y / 2 * (1 + y / 3)) * logarithm
    }

    private static func inverse(_ value: Double, _ theta: Double) -> Double {
        // Rounding may lead a little below what has an inverse.
        let t = max(-1, value * (1 - theta))
        return exp((abs(t) > 1e-8 ? log1p(t) / t : 1 - t / 2 * (1 - t * 2 / 3)) * value)
    }
}
