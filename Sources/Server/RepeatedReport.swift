// Which of many like reports are worth a line in the log.

/// Lets the first report through, each that differs from the one before, and one in so long of those that don't.
struct RepeatedReport<Report: Equatable> {
    /// Nanoseconds from one line to the next while nothing changes.
    let interval: Int64
    private var last: Report?
    private var writtenAt: Int64 = 0
    private var passedOver = 0

    init(interval: Int64) { self.interval = interval }

    /// How many were passed over since the last line, where this one is to have a line; nil where it is not.
    ///
    /// `now` is monotonic, in nanoseconds.
    mutating func take(_ report: Report, now: Int64) -> Int? {
        guard report != last || now >= writtenAt + interval else {
            passedOver += 1
            return nil
        }
        defer { (last, writtenAt, passedOver) = (report, now, 0) }
        return passedOver
    }

    /// What comes next is news, whatever was reported before.
    mutating func forget() { (last, passedOver) = (nil, 0) }
}
