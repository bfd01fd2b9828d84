// A moment as people and machines write it: RFC 3339, in UTC, with milliseconds.

extension Timestamp {
    /// `2026-01-31T23:59:59.123Z`; for moments of the years 0 to 9999.
    ///
    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (`civil_from_days`),
    /// https://howardhinnant.github.io/date_algorithms.html.
    public var rfc3339: String {
        let (days, ofDay) = Self.divided(milliseconds, by: 86_400_000)
        // Years begin in March here, so that the day that leap years have is their last.
        let shifted = days + 719_468
        let (era, dayOfEra) = Self.divided(shifted, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let calendarMonth = month < 10 ? month + 3 : month - 9
        let year = yearOfEra + era * 400 + (calendarMonth <= 2 ? 1 : 0)
        var text: [UInt8] = []
        text.reserveCapacity(24)
        func append(_ value: Int64, _ width: Int, _ end: Unicode.Scalar) {
            var divisor: Int64 = 1
            for _ in 1..<width { divisor *= 10 }
            while divisor > 0 {
                text.append(UInt8(48 + value / divisor % 10))
                divisor /= 10
            }
            text.append(UInt8(ascii: end))
        }
        append(year, 4, "-")
        append(calendarMonth, 2, "-")
        append(day, 2, "T")
        append(ofDay / 3_600_000, 2, ":")
        append(ofDay / 60_000 % 60, 2, ":")
        append(ofDay / 1000 % 60, 2, ".")
        append(ofDay % 1000, 3, "Z")
        return String(decoding: text, as: UTF8.self)
    }

    /// Quotient and remainder, the remainder never negative.
    private static func divided(_ value: Int64, by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
