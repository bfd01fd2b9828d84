// A metric as a value: its name, what it means, and its samples with their labels.

/// A metric and all that it has at one moment, in base units (seconds, bytes), as Prometheus counts them.
public struct MetricFamily: Sendable, Equatable {
    /// What a number means to who reads it.
    public enum Kind: String, Sendable {
        /// Only grows; its name ends in `_total`.
        case counter
        case gauge
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`, with the unit at its end, as `hearth_operation_duration_seconds`.
    public let name: String
    /// One sentence for who reads the exposition.
    public let help: String
    let content: Content

    enum Content: Sendable, Equatable {
        case numbers(Kind, [Sample])
        case histograms(HistogramUnit, [HistogramSeries])
    }

    public init(_ name: String, _ help: String, _ kind: Kind, _ samples: [Sample] = []) {
        self.init(name, help, .numbers(kind, samples))
    }

    /// Histograms whose values are recorded in `unit`.
    public init(_ name: String, _ help: String, _ unit: HistogramUnit, _ series: [HistogramSeries]) {
        self.init(name, help, .histograms(unit, series))
    }

    /// One histogram, without labels.
    public init(_ name: String, _ help: String, _ unit: HistogramUnit, _ snapshot: HistogramSnapshot) {
        self.init(name, help, unit, [HistogramSeries([], snapshot)])
    }

    /// One number that only grows, without labels.
    public static func counter(_ name: String, _ help: String, _ value: UInt64) -> MetricFamily {
        MetricFamily(name, help, .counter, [Sample([], value)])
    }

    /// One number as it is now, without labels.
    public static func gauge(_ name: String, _ help: String, _ value: Int) -> MetricFamily {
        MetricFamily(name, help, .gauge, [Sample([], value)])
    }

    private init(_ name: String, _ help: String, _ content: Content) {
        // An assertion: names are literals, and to look at each in every scrape took a twelfth of it.
        assert(isMetricName(name), "BUG: \(name) is no metric name; Prometheus would refuse the whole scrape")
        self.name = name
        self.help = help
        self.content = content
    }
}

/// One number of a metric, under its labels.
public struct Sample: Sendable, Equatable {
    /// Few, with a bounded number of values; never a key.
    public let labels: [Label]
    public let value: Double

    public init(_ labels: [Label], _ value: Double) {
        self.labels = labels
        self.value = value
    }

    public init(_ labels: [Label], _ value: UInt64) { self.init(labels, Double(value)) }
    public init(_ labels: [Label], _ value: Int) { self.init(labels, Double(value)) }
}

/// One histogram of a metric, under its labels; of these none is `le`, which its buckets have.
public struct HistogramSeries: Sendable, Equatable {
    /// Few, with a bounded number of values; never a key.
    public let labels: [Label]
    public let snapshot: HistogramSnapshot

    public init(_ labels: [Label], _ snapshot: HistogramSnapshot) {
        self.labels = labels
        self.snapshot = snapshot
    }
}

/// A label's name (`[a-zA-Z_][a-zA-Z0-9_]*`) and its value, which may be any text.
public struct Label: Sendable, Hashable {
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
        assert(isMetricName(name) && !name.utf8.contains(UInt8(ascii: ":")), "BUG: \(name) is no label name")
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
