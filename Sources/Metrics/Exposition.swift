// Metrics in the text that Prometheus scrapes.
//
// Source: "Exposition formats", version 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/.
// No timestamps: a scrape is about now.

/// The content type under which an exposition is served.
public let expositionContentType = "text/plain; version=0.0.4; charset=utf-8"

/// The families in Prometheus's text format 0.0.4; one that has nothing is left out.
///
/// Every family's name may occur once; that is the caller's to see to.
public func exposition(_ families: [MetricFamily]) -> [UInt8] {
    var writer = ExpositionWriter()
    return writer.text(of: families)
}

/// Writes one text after another as ``exposition(_:)`` does, into the memory of the last where nobody holds that one
/// any more: malloc gives memory of a text's size back to the kernel, and each scrape would fault it in anew, page by
/// page.
public struct ExpositionWriter: Sendable {
    private var text: [UInt8] = []

    public init() {}

    public mutating func text(of families: [MetricFamily]) -> [UInt8] {
        text.removeAll(keepingCapacity: true)
        for family in families {
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Pen.most(family)) { buffer in
                guard let start = buffer.baseAddress else { return }
                var pen = Pen(place: start)
                pen.write(family)
                precondition(pen.place - start <= buffer.count, "BUG: \(family.name) took more room than it may")
                text.append(contentsOf: UnsafeBufferPointer(start: start, count: pen.place - start))
            }
        }
        return text
    }
}

/// Writes where there is room for certain: to look at each piece of a line whether there is took half of a text's time.
private struct Pen {
    var place: UnsafeMutablePointer<UInt8>

    /// More bytes than a family can take: every byte of a help or a value may have to be escaped.
    static func most(_ family: MetricFamily) -> Int {
        let name = family.name.utf8.count
        let head = 2 * (name + family.help.utf8.count) + 40
        switch family.content {
        case .numbers(_, let samples):
            return samples.reduce(head) { $0 + name + most($1.labels) + numberBytesMax }
        case .histograms(let unit, let series):
            // Beside the buckets there are `+Inf`, the sum and the count.
            let lines = unit.buckets.count + 3
            return series.reduce(head) { $0 + lines * (name + most($1.labels) + bucketBytesMax + numberBytesMax) }
        }
    }

    private static func most(_ labels: [Label]) -> Int {
        labels.reduce(0) { $0 + $1.name.utf8.count + 2 * $1.value.utf8.count + 4 }
    }

    /// A Double has 24 characters at most, and beside it stand a brace, a space and a line end.
    private static let numberBytesMax = 32
    /// `_bucket`, and the label `le`, whose value is a Double.
    private static let bucketBytesMax = 48

    mutating func write(_ family: MetricFamily) {
        switch family.content {
        case .numbers(let kind, let samples):
            guard !samples.isEmpty else { return }
            writeHead(family, kind.rawValue)
            for sample in samples { writeLine(family.name, "", sample.labels, sample.value) }
        case .histograms(let unit, let series):
            guard !series.isEmpty else { return }
            writeHead(family, "histogram")
            for one in series { write(one, family.name, unit) }
        }
    }

    private mutating func writeHead(_ family: MetricFamily, _ kind: String) {
        write("# HELP ")
        write(family.name)
        write(" ")
        writeEscaped(family.help, quotes: false)
        write("\n# TYPE ")
        write(family.name)
        write(" ")
        write(kind)
        write("\n")
    }

    private mutating func write(_ series: HistogramSeries, _ name: String, _ unit: HistogramUnit) {
        // The lines of a histogram begin alike.
        let start = place
        write(name)
        write("_bucket{")
        for label in series.labels {
            write(label)
            write(byte: UInt8(ascii: ","))
        }
        write("le=\"")
        let beginning = place - start
        place = start
        func writeBucket(_ bound: String, _ count: UInt64) {
            // The first one's beginning stands there already.
            if place != start { place.initialize(from: start, count: beginning) }
            place += beginning
            write(bound)
            write("\"} ")
            write(number: Double(count))
            write(byte: UInt8(ascii: "\n"))
        }
        let snapshot = series.snapshot
        snapshot.forEachBucket(of: unit) { writeBucket($0.text, $1) }
        writeBucket("+Inf", snapshot.count)
        writeLine(name, "_sum", series.labels, unit.base(snapshot.sum))
        writeLine(name, "_count", series.labels, Double(snapshot.count))
    }

    private mutating func writeLine(_ name: String, _ suffix: String, _ labels: [Label], _ value: Double) {
        write(name)
        write(suffix)
        var separator = UInt8(ascii: "{")
        for label in labels {
            write(byte: separator)
            write(label)
            separator = UInt8(ascii: ",")
        }
        if !labels.isEmpty { write(byte: UInt8(ascii: "}")) }
        write(byte: UInt8(ascii: " "))
        write(number: value)
        write(byte: UInt8(ascii: "\n"))
    }

    private mutating func write(_ label: Label) {
        write(label.name)
        write("=\"")
        writeEscaped(label.value, quotes: true)
        write(byte: UInt8(ascii: "\""))
    }

    @inline(__always)
    private mutating func write(byte: UInt8) {
        place.initialize(to: byte)
        place += 1
    }

    /// A text as it is.
    @inline(__always)
    private mutating func write(_ text: String) {
        let place = place
        // The UTF-8 of a native string lies in one piece, so that the loop is for bridged ones.
        let isCopied: Void? = text.utf8.withContiguousStorageIfAvailable { bytes in
            if let start = bytes.baseAddress { place.initialize(from: start, count: bytes.count) }
        }
        guard isCopied == nil else {
            self.place += text.utf8.count
            return
        }
        for byte in text.utf8 { write(byte: byte) }
    }

    /// Escapes backslash and line feed, and in label values the double quote.
    private mutating func writeEscaped(_ text: String, quotes: Bool) {
        let isPlain = text.utf8.withContiguousStorageIfAvailable { bytes in
            // Without a branch for each byte, so that many are looked at at a time.
            bytes.reduce(0 as UInt8) {
                $0 | ($1 == UInt8(ascii: "\\") ? 1 : 0) | ($1 == UInt8(ascii: "\n") ? 1 : 0)
                    | ($1 == UInt8(ascii: "\"") ? 1 : 0)
            } == 0
        }
        if isPlain == true { return write(text) }
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): write("\\\\")
            case UInt8(ascii: "\n"): write("\\n")
            case UInt8(ascii: "\"") where quotes: write("\\\"")
            default: write(byte: byte)
            }
        }
    }

    /// Most are whole and small: their digits are written here, from the last on.
    private mutating func write(number: Double) {
        guard number >= 0, number < 1e9, let whole = UInt32(exactly: number) else {
            return write(prometheusNumber(number))
        }
        var digits = 1
        var bound: UInt64 = 10
        while UInt64(whole) >= bound {
            digits += 1
            bound *= 10
        }
        var rest = whole
        for position in (0..<digits).reversed() {
            (place + position).initialize(to: 48 + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        }
        place += digits
    }
}

/// A number as Go's ParseFloat reads it: whole ones without a point, else the shortest that reads back equal.
func prometheusNumber(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    if let whole = Int64(exactly: value), whole.magnitude < 1 << 53 { return String(whole) }
    return value.description
}
