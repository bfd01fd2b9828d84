// Rate limits against a reference that computes with exact fractions, and the properties that everybody counts on.

import Primitives
import State
import TestSupport
import Testing

/// GCRA as it is written down: a theoretical arrival time, as a fraction of whole numbers.
private struct Reference {
    struct Fraction {
        var over: Int128
        var under: Int128

        static func + (a: Fraction, b: Fraction) -> Fraction {
            Fraction(over: a.over * b.under + b.over * a.under, under: a.under * b.under).reduced
        }
        static func - (a: Fraction, b: Fraction) -> Fraction { a + Fraction(over: -b.over, under: b.under) }
        static func > (a: Fraction, b: Fraction) -> Bool { a.over * b.under > b.over * a.under }

        var reduced: Fraction {
            var (a, b) = (over.magnitude, under.magnitude)
            while b != 0 { (a, b) = (b, a % b) }
            return a == 0 ? self : Fraction(over: over / Int128(a), under: under / Int128(a))
        }

        /// Microseconds as seconds, begun ones included.
        var seconds: Int64 {
            let unit = under * 1_000_000
            return Int64(over / unit + (over % unit > 0 ? 1 : 0))
        }
    }

    var arrival: Fraction?

    mutating func judge(_ t: Throttle, now: Int64) -> ThrottleVerdict {
        func whole(_ value: Int64) -> Fraction { Fraction(over: Int128(value), under: 1) }
        let interval = Fraction(over: Int128(t.period), under: Int128(t.count))
        func times(_ value: Int64) -> Fraction {
            Fraction(over: interval.over * Int128(value), under: interval.under).reduced
        }
        let now = whole(now)
        let tolerance = times(t.burst + 1)
        let last = arrival.map { $0 > now ? $0 : now } ?? now
        let next = last + times(t.quantity)
        let early = next - tolerance - now
        let isLimited = early.over > 0
        let life = (isLimited ? last : next) - now
        let room = tolerance - life
        var verdict = ThrottleVerdict(
            isLimited: isLimited, limit: t.burst + 1, remaining: 0, retryAfter: -1, resetAfter: life.seconds)
        if room.over > 0 {
            verdict.remaining = Int64(room.over * interval.under / (room.under * interval.over))
        }
        if isLimited, !(times(t.quantity) > tolerance) { verdict.retryAfter = early.seconds }
        if !isLimited, t.quantity > 0 { arrival = next }
        return verdict
    }
}

@Suite struct ThrottleTests {
    private func throttle(_ burst: Int64, _ count: Int64, _ period: Int64, _ quantity: Int64 = 1) -> Throttle {
        guard let throttle = Throttle(burst: burst, count: count, period: period, quantity: quantity) else {
            preconditionFailure("a limit that can't be")
        }
        return throttle
    }

    private func numbers(_ verdict: ThrottleVerdict) -> [Int64] {
        [verdict.isLimited ? 1 : 0, verdict.limit, verdict.remaining, verdict.retryAfter, verdict.resetAfter]
    }

    @Test func `the five integers are those of redis-cell`() {
        // (microseconds since the first, quantity, what is answered), burst 4 and one a second.
        let cases: [(Int64, Int64, [Int64])] = [
            (0, 6, [1, 5, 5, -1, 0]), (0, 1, [0, 5, 4, -1, 1]), (0, 1, [0, 5, 3, -1, 2]), (0, 1, [0, 5, 2, -1, 3]),
            (0, 1, [0, 5, 1, -1, 4]), (0, 1, [0, 5, 0, -1, 5]), (0, 1, [1, 5, 0, 1, 5]),
            (3_000_000, 1, [0, 5, 2, -1, 3]), (3_100_000, 1, [0, 5, 1, -1, 4]), (4_000_000, 1, [0, 5, 1, -1, 4]),
            (8_000_000, 1, [0, 5, 4, -1, 1]), (9_500_000, 1, [0, 5, 4, -1, 1]), (9_500_000, 0, [0, 5, 4, -1, 1]),
            (9_500_000, 2, [0, 5, 2, -1, 3]), (9_500_000, 5, [1, 5, 2, 3, 3]),
        ]
        var held: ThrottleMoment?
        for (index, (time, quantity, expected)) in cases.enumerated() {
            let (verdict, next) = throttle(4, 1, 1, quantity).judge(held, now: 1_767_225_600_000_000 + time)
            #expect(numbers(verdict) == expected, "case \(index)")
            held = next ?? held
        }
        // redis-cell's own example: 15 more at once, 30 a minute.
        #expect(numbers(throttle(15, 30, 60).judge(nil, now: 1).verdict) == [0, 16, 15, -1, 2])
    }

    @Test func `random sequences are judged as exact fractions judge them`() {
        var random = SeededGenerator()
        for round in 0..<400 {
            let burst = Int64.random(in: 0...[3, 50, 1000].randomElement(using: &random)!, using: &random)
            let count = Int64.random(in: 1...[3, 7, 1000, 999_983].randomElement(using: &random)!, using: &random)
            let period = Int64.random(in: 1...[1, 60, 3600].randomElement(using: &random)!, using: &random)
            var reference = Reference()
            var held: ThrottleMoment?
            var now: Int64 = 1_767_225_600_000_000
            let interval = max(1, period * 1_000_000 / count)
            for step in 0..<60 {
                let quantity: Int64 = [0, 1, 1, 1, 2, burst, burst + 1, burst + 2].randomElement(using: &random)!
                let limit = throttle(burst, count, period, quantity)
                let (verdict, next) = limit.judge(held, now: now)
                #expect(
                    numbers(verdict) == numbers(reference.judge(limit, now: now)),
                    "\(random.replay): round \(round), step \(step): \(limit) at \(now)")
                if let next {
                    // What is remembered survives being text.
                    #expect(ThrottleMoment(text: next.text) == next)
                    held = next
                }
                now += Int64.random(in: 0...(interval * [0, 1, 2, 10].randomElement(using: &random)!), using: &random)
            }
        }
    }

    @Test func `never more than the limit passes, in no window, whatever the pace`() {
        var random = SeededGenerator()
        for _ in 0..<50 {
            let limit = throttle(
                .random(in: 0...9, using: &random), .random(in: 1...30, using: &random),
                .random(in: 1...5, using: &random))
            var held: ThrottleMoment?
            var now: Int64 = 0
            var passed: [Int64] = []
            for _ in 0..<300 {
                let (verdict, next) = limit.judge(held, now: now)
                if !verdict.isLimited { passed.append(now) }
                held = next ?? held
                now += .random(in: 0...(limit.period / limit.count), using: &random)
            }
            for (index, from) in passed.enumerated() {
                for (other, to) in passed.enumerated() where other >= index {
                    let allowed = limit.burst + 1 + (to - from) * limit.count / limit.period
                    #expect(Int64(other - index + 1) <= allowed, "\(random.replay): \(limit), from \(from) to \(to)")
                }
            }
        }
    }

    @Test func `whoever waits as long as he is told passes`() {
        var random = SeededGenerator()
        for _ in 0..<200 {
            let limit = throttle(
                .random(in: 0...5, using: &random), .random(in: 1...13, using: &random),
                .random(in: 1...40, using: &random))
            var held: ThrottleMoment?
            var now: Int64 = 77
            for _ in 0..<30 {
                let (verdict, next) = limit.judge(held, now: now)
                held = next ?? held
                if verdict.isLimited {
                    #expect(verdict.retryAfter > 0, "\(random.replay)")
                    now += verdict.retryAfter * 1_000_000
                    let (again, after) = limit.judge(held, now: now)
                    #expect(!again.isLimited, "\(random.replay)")
                    held = after ?? held
                }
            }
        }
    }

    @Test func `a limit that changes its numbers keeps what was used of it`() {
        let (_, held) = throttle(9, 10, 10, 10).judge(nil, now: 0)
        // Ten seconds' worth was used: at a third of the rate it is still ten seconds.
        let (verdict, _) = throttle(9, 3, 9).judge(held, now: 0)
        #expect(verdict.resetAfter == 13)
        let (limited, _) = throttle(1, 3, 3).judge(held, now: 0)
        #expect(limited.isLimited && limited.remaining == 0)
    }

    @Test func `a share gives out its part, and one request at least`() {
        let limit = throttle(39, 40, 10)
        let part = limit.share(0.25)
        #expect(part.burst == 9)
        #expect(part.period == limit.period * 4 && part.count == limit.count)
        #expect(limit.share(1) == limit)
        #expect(throttle(0, 1, 1).share(0.01).burst == 0)
        #expect(throttle(0, 1, 1).share(0.01).period == 100_000_000)
        // A rate of almost nothing, rather than one that overflows.
        let huge = throttle(0, 1, 9_000_000_000).share(0.000001)
        #expect(huge.judge(nil, now: 0).verdict.isLimited == false)
    }

    @Test func `limits that a script could not compute exactly are refused`() {
        #expect(Throttle(burst: -1, count: 1, period: 1, quantity: 1) == nil)
        #expect(Throttle(burst: 0, count: 0, period: 1, quantity: 1) == nil)
        #expect(Throttle(burst: 0, count: 1, period: 0, quantity: 1) == nil)
        #expect(Throttle(burst: 0, count: 1, period: 1, quantity: -1) == nil)
        #expect(Throttle(burst: .max, count: 1, period: 1, quantity: 1) == nil)
        #expect(Throttle(burst: 0, count: 1, period: .max, quantity: 1) == nil)
        #expect(Throttle(burst: 0, count: 1_000_000_001, period: 1, quantity: 1) == nil)
        #expect(Throttle(burst: 0, count: 1, period: 9_007_199_254, quantity: 1) != nil)
        #expect(Throttle(burst: 0, count: 1, period: 9_007_199_255, quantity: 1) == nil)
        #expect(Throttle(burst: 0, count: 1, period: 9_007_199_254, quantity: 2) == nil)
    }

    @Test func `only what a limit wrote is taken for one`() {
        for text in ["", "1", "1 2", "1 0/0", "1 3/3", "1 1/2 ", " 1 1/2", "-1 1/2", "1 -1/2", "x 1/2", "1 1/2/3"] {
            #expect(ThrottleMoment(text: Array(text.utf8)) == nil, "\(text)")
        }
        let write = StringWrite.throttle(throttle(0, 1, 1))
        let (change, reply) = write.perform(
            on: HeldValue(Array("hello".utf8)), now: Timestamp(milliseconds: 5),
            rules: WriteRules(maxValue: 1, life: nil))
        #expect(change == .none && reply == Throttle.wrongType)
    }

    @Test func `as a write of a key it ends by itself`() {
        let write = StringWrite.throttle(throttle(1, 1, 2))
        let now = Timestamp(milliseconds: 1000)
        let (change, reply) = write.perform(on: nil, now: now, rules: WriteRules(maxValue: 1, life: nil))
        #expect(reply == .array([0, 2, 1, -1, 2].map { .integer($0) }))
        guard case .put(let held) = change else {
            Issue.record("\(change)")
            return
        }
        #expect(held.expiresAt == Timestamp(milliseconds: 3001))
        #expect(write.outageKind == .conditional && !write.takesPolicyLife)
    }
}
