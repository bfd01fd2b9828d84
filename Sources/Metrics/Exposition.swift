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
    for family in families where !family.samples.isEmpty {
        out += "# HELP \(family.name) ".utf8
        appendEscaped(family.help, quotes: false, to: &out)
        out += "\n# TYPE \(family.name) \(family.kind.rawValue)\n".utf8
        for sample in family.samples { append(sample, of: family, to: &out) }
    }
    return out
}

private func append(_ sample: Sample, of family: MetricFamily, to out: inout [UInt8]) {
    out += family.name.utf8
    out += sample.suffix.utf8
    if !sample.labels.isEmpty {
        out.append(UInt8(ascii: "{"))
        for (index, label) in sample.labels.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            out += label.name.utf8
            out += "=\"".utf8
            appendEscaped(label.value, quotes: true, to: &out)
            out.append(UInt8(ascii: "\""))
        }
        out.append(UInt8(ascii: "}"))
    }
    out.append(UInt8(ascii: " "))
    out += prometheusNumber(sample.value).utf8
    out.append(UInt8(ascii: "\n"))
}

/// Escapes backslash and line feed, and in label values the double quote.
private func appendEscaped(_ text: String, quotes: Bool, to out: inout [UInt8]) {
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
