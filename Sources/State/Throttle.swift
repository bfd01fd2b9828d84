// Rate limits by the generic cell rate algorithm: whether a request passes now, and what is remembered of it.
//
// DESIGN. A limit remembers one moment: when its bucket will be empty again (the theoretical arrival time). Requests
// raise the bucket by the emission interval each, time lowers it, and a request that would raise it over its brim is
// limited. The interval, period / count, need not be a whole number of microseconds: the moment is kept as a fraction
// with `count` as its denominator, so nothing is ever rounded, neither here nor in the script that does the same in
// Redis (ThrottleScript). All products are below 2^53, since a script's numbers are doubles.
//
// Source: ITU-T I.371, annex A (GCRA); the command's form and reply are those of redis-cell's CL.THROTTLE,
// https://github.com/brandur/redis-cell.

public import Primitives

/// What a client asks for: THROTTLE key max-burst count period [quantity].
public struct Throttle: Sendable, Equatable {
    /// So many requests beyond the first may come at once.
    public let burst: Int64
    /// So many requests pass in each period, in the long run.
    public let count: Int64
    /// In microseconds.
    public let period: Int64
    /// So many requests does this one count as; 0 only looks.
    public let quantity: Int64

    /// The largest product that a double holds exactly, and with it every number in between.
    public static let productMax: Int64 = 1 << 53 - 1
    /// The largest `count`.
    public static let countMax: Int64 = 1_000_000_000

    /// `period` is in seconds; nil where a number is below its least (0, 1, 1, 0) or their products are too large.
    public init?(burst: Int64, count: Int64, period: Int64, quantity: Int64) {
        guard burst >= 0, burst < .max, (1...Self.countMax).contains(count), period >= 1, quantity >= 0 else {
            return nil
        }
        let (microseconds, overflow) = period.multipliedReportingOverflow(by: 1_000_000)
        guard !overflow else { return nil }
        for factor in [burst + 1, quantity] {
            let (product, overflow) = microseconds.multipliedReportingOverflow(by: factor)
            guard !overflow, product <= Self.productMax else { return nil }
        }
        self.init(unchecked: burst, count, microseconds, quantity)
    }

    private init(unchecked burst: Int64, _ count: Int64, _ period: Int64, _ quantity: Int64) {
        (self.burst, self.count, self.period, self.quantity) = (burst, count, period, quantity)
    }

    /// The same limit for one of several that share it: a part of its rate, and of what may come at once, at least one
    /// request. Rounded down.
    public func share(_ share: Double) -> Throttle {
        let least = max(1, Int64((Double(burst + 1) * share).rounded(.down)))
        // A longer period is a lower rate; one whose products would be too large stands for a rate of almost nothing.
        let longer = min((Double(period) / share).rounded(.up), Double(Self.productMax / max(least, quantity, 1)))
        return Throttle(unchecked: least - 1, count, Int64(longer), quantity)
    }

    /// The bucket's size, in microseconds × count: what all that may come at once raises it by.
    private var brim: Int64 { (burst + 1) * period }
    /// What this request raises it by.
    private var rise: Int64 { quantity * period }

    /// Judges a request at `now`, in microseconds since the epoch that `held` counts from; what is to be remembered, or
    /// nil where that stays as it is.
    public func judge(_ held: ThrottleMoment?, now: Int64) -> (verdict: ThrottleVerdict, next: ThrottleMoment?) {
        let before = held?.level(now: now, count: count) ?? 0
        let (sum, overflow) = before.addingReportingOverflow(rise)
        let after = overflow ? .max : sum
        let isLimited = after > brim
        let level = isLimited ? before : after
        var verdict = ThrottleVerdict(
            isLimited: isLimited, limit: burst + 1, remaining: max(0, brim - level) / period, retryAfter: -1,
            resetAfter: seconds(level))
        if isLimited, rise <= brim { verdict.retryAfter = seconds(after - brim) }
        guard !isLimited, quantity > 0 else { return (verdict, nil) }
        return (verdict, ThrottleMoment(microseconds: now + after / count, part: after % count, parts: count))
    }

    /// A level of the bucket as the time until it is empty, in whole seconds, begun ones included.
    private func seconds(_ level: Int64) -> Int64 {
        let unit = count * 1_000_000
        return level / unit + (level % unit > 0 ? 1 : 0)
    }

    /// The answer where nobody may judge and everything is refused: as if the bucket were full.
    public var denial: ThrottleVerdict {
        ThrottleVerdict(
            isLimited: true, limit: burst + 1, remaining: 0, retryAfter: max(1, seconds(rise)),
            resetAfter: seconds(brim))
    }

    /// The answer where nobody may judge and everything passes: as if the bucket were empty.
    public var permission: ThrottleVerdict {
        ThrottleVerdict(isLimited: false, limit: burst + 1, remaining: burst + 1, retryAfter: -1, resetAfter: 0)
    }
}

/// When a bucket will be empty: a moment, exact to the fraction of a microsecond.
public struct ThrottleMoment: Sendable, Equatable {
    let microseconds: Int64
    /// `part / parts` of a microsecond more.
    let part: Int64
    let parts: Int64

    /// How far the bucket is filled at `now`, in microseconds × `count`; begun ones included where `count` has changed.
    func level(now: Int64, count: Int64) -> Int64 {
        guard microseconds >= now else { return 0 }
        let (whole, overflow) = (microseconds - now).multipliedReportingOverflow(by: count)
        guard !overflow else { return .max }
        let rest = parts == count ? part : (part * count + parts - 1) / parts
        let (level, over) = whole.addingReportingOverflow(rest)
        return over ? .max : level
    }

    /// The end of the key's life in milliseconds: not before the bucket is empty.
    public var endMilliseconds: Int64 { microseconds / 1000 + 1 }

    /// As it stands in a key: `1763730000123456 1/3`.
    public var text: [UInt8] { Array("\(microseconds) \(part)/\(parts)".utf8) }

    /// Reads what ``text`` wrote; nil for anything else.
    public init?(text: [UInt8]) {
        let words = text.split(separator: 32, omittingEmptySubsequences: false)
        guard words.count == 2 else { return nil }
        let fraction = words[1].split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard fraction.count == 2, let microseconds = Self.number(words[0]), let part = Self.number(fraction[0]),
            let parts = Self.number(fraction[1]), parts > 0, parts <= Throttle.countMax, part < parts
        else { return nil }
        self.init(microseconds: microseconds, part: part, parts: parts)
    }

    init(microseconds: Int64, part: Int64, parts: Int64) {
        (self.microseconds, self.part, self.parts) = (microseconds, part, parts)
    }

    private static func number(_ digits: some Collection<UInt8>) -> Int64? {
        guard (1...16).contains(digits.count), digits.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
        return Int64(String(decoding: digits, as: UTF8.self))
    }
}

/// The five integers of the reply.
public struct ThrottleVerdict: Sendable, Equatable {
    public var isLimited: Bool
    /// How many requests may come at once.
    public var limit: Int64
    /// How many more may come now.
    public var remaining: Int64
    /// Seconds until this request would pass; -1 where it passed, or never will.
    public var retryAfter: Int64
    /// Seconds until the limit is as if never used.
    public var resetAfter: Int64

    public init(isLimited: Bool, limit: Int64, remaining: Int64, retryAfter: Int64, resetAfter: Int64) {
        self.isLimited = isLimited
        self.limit = limit
        self.remaining = remaining
        self.retryAfter = retryAfter
        self.resetAfter = resetAfter
    }

    /// Reads a reply of five integers; nil for any other.
    public init?(_ reply: Reply) {
        guard case .array(let items) = reply, items.count == 5 else { return nil }
        var numbers: [Int64] = []
        for item in items {
            guard case .integer(let number) = item else { return nil }
            numbers.append(number)
        }
        self.init(
            isLimited: numbers[0] != 0, limit: numbers[1], remaining: numbers[2], retryAfter: numbers[3],
            resetAfter: numbers[4])
    }

    public var reply: Reply {
        .array([isLimited ? 1 : 0, limit, remaining, retryAfter, resetAfter].map { .integer($0) })
    }
}

extension Throttle {
    /// The error for a key that holds something else.
    public static let wrongType = Reply.error("WRONGTYPE Operation against a key holding the wrong kind of value")

    /// THROTTLE of a key whose authority is not Redis.
    func perform(on held: HeldValue?, now: Timestamp) -> (Change, Reply) {
        var moment: ThrottleMoment?
        if let held {
            moment = ThrottleMoment(text: held.bytes)
            guard moment != nil else { return (.none, Self.wrongType) }
        }
        let (verdict, next) = judge(moment, now: now.milliseconds * 1000)
        guard let next else { return (.none, verdict.reply) }
        let life = Timestamp(milliseconds: next.endMilliseconds)
        return (.put(HeldValue(next.text, expiresAt: min(life, .latest))), verdict.reply)
    }
}
