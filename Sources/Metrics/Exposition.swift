// Metrics in the text that Prometheus scrapes.
//
// Source: "Exposition formats", version 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/.
// No timestamps: a scrape is about now.

/// The content type under which an exposition is served.
public let expositionContentType = "text/plain; version=0.0.4; charset=utf-8"

/// The families in Prometheus's text format 0.0.4; a family without samples is left out.
///
/// Every family's name may occur once; that is the caller's to see to.
public func exposition(_ families: [MetricFamily]) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(64 * families.reduce(0) { $0 + $1.samples.count + 2 })
    for family in families where !family.samples.isEmpty {
        append("# HELP ", to: &out)
        append(family.name, to: &out)
        append(" ", to: &out)
        appendEscaped(family.help, quotes: false, to: &out)
        append("\n# TYPE ", to: &out)
        append(family.name, to: &out)
        append(" ", to: &out)
        append(family.kind.rawValue, to: &out)
        append("\n", to: &out)
        for sample in family.samples { append(sample, of: family, to: &out) }
    }
    return out
}

private func append(_ sample: Sample, of family: MetricFamily, to out: inout [UInt8]) {
    append(family.name, to: &out)
    append(sample.suffix, to: &out)
    var separator = UInt8(ascii: "{")
    for label in sample.labels {
        out.append(separator)
        append(label.name, to: &out)
        append("=\"", to: &out)
        appendEscaped(label.value, quotes: true, to: &out)
        out.append(UInt8(ascii: "\""))
        separator = UInt8(ascii: ",")
    }
    append(sample.labels.isEmpty ? " " : "} ", to: &out)
    append(prometheusNumber(sample.value), to: &out)
    out.append(UInt8(ascii: "\n"))
}

/// Appends a text as it is, in one copy.
private func append(_ text: String, to out: inout [UInt8]) {
    // The UTF-8 of a native string lies in one piece, so that the loop is for bridged ones.
    if text.utf8.withContiguousStorageIfAvailable({ out.append(contentsOf: $0) }) == nil { out += text.utf8 }
}

/// Escapes backslash and line feed, and in label values the double quote.
private func appendEscaped(_ text: String, quotes: Bool, to out: inout [UInt8]) {
    let isPlain = text.utf8.withContiguousStorageIfAvailable { bytes in
        bytes.allSatisfy { $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\"") }
    }
    if isPlain == true { return append(text, to: &out) }
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "\\"): out += "\\\\".utf8
        case UInt8(ascii: "\n"): out += "\\n".utf8
        case UInt8(ascii: "\"") where quotes: out += "\\\"".utf8
        default: out.append(byte)
        }
    }
}

/// A number as Go's ParseFloat reads it: whole ones without a point, else the shortest that reads back equal.
func prometheusNumber(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    if let whole = Int64(exactly: value), whole.magnitude < 1 << 53 { return String(whole) }
    return value.description
}
