// A metric as a value: its name, what it means, and its samples with their labels.

/// A metric and all its samples at one moment, in base units (seconds, bytes), as Prometheus counts them.
public struct MetricFamily: Sendable, Equatable {
    /// What a metric's numbers mean to who reads them.
    public enum Kind: String, Sendable {
        /// Only grows; its name ends in `_total`.
        case counter
        case gauge
        case histogram
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`, with the unit at its end, as `hearth_operation_duration_seconds`.
    public let name: String
    /// One sentence for who reads the exposition.
    public let help: String
    public let kind: Kind
    public var samples: [Sample]

    public init(_ name: String, _ help: String, _ kind: Kind, _ samples: [Sample] = []) {
        precondition(isMetricName(name), "BUG: \(name) is no metric name; Prometheus would refuse the whole scrape")
        self.name = name
        self.help = help
        self.kind = kind
        self.samples = samples
    }
}

/// One number of a metric, under its labels.
public struct Sample: Sendable, Equatable {
    /// What follows the metric's name: empty, or `_bucket`, `_sum` or `_count` of a histogram.
    public let suffix: String
    /// Few, with a bounded number of values; never a key.
    public var labels: [Label] { bound.map { shared + [$0] } ?? shared }
    public let value: Double
    /// All of them but a bucket's bound: one array for all samples of a histogram, of which a scrape has hundreds.
    let shared: [Label]
    let bound: Label?

    public init(_ labels: [Label], _ value: Double, suffix: String = "") {
        self.init(labels, bound: nil, value, suffix: suffix)
    }

    init(_ shared: [Label], bound: Label?, _ value: Double, suffix: String) {
        self.suffix = suffix
        self.shared = shared
        self.bound = bound
        self.value = value
    }

    public init(_ labels: [Label], _ value: UInt64) { self.init(labels, Double(value)) }
    public init(_ labels: [Label], _ value: Int) { self.init(labels, Double(value)) }
}

/// A label's name (`[a-zA-Z_][a-zA-Z0-9_]*`) and its value, which may be any text.
public struct Label: Sendable, Hashable {
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
        precondition(isMetricName(name) && !name.utf8.contains(UInt8(ascii: ":")), "BUG: \(name) is no label name")
        self.name = name
        self.value = value
    }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`.
private func isMetricName(_ name: String) -> Bool {
    var first = true
    for byte in name.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
            UInt8(ascii: ":"):
            break
        case UInt8(ascii: "0")...UInt8(ascii: "9") where !first: break
        default: return false
        }
        first = false
    }
    return !first
}
