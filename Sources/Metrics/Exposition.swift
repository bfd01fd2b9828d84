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
    let most = families.reduce(0) { $0 + Pen.most($1) }
    return [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
        guard let start = buffer.baseAddress else { return }
        var pen = Pen(place: start)
        for family in families where !family.samples.isEmpty { pen.write(family) }
        count = pen.place - start
    }
}

/// Writes where there is room for certain: to look at each piece of a line whether there is took half of a text's time.
private struct Pen {
    var place: UnsafeMutablePointer<UInt8>

    /// More bytes than a family can take: every byte of a help or a value may have to be escaped.
    static func most(_ family: MetricFamily) -> Int {
        let name = family.name.utf8.count
        return family.samples.reduce(2 * (name + family.help.utf8.count) + 40) { sum, sample in
            let labels = sample.shared.reduce(0) { $0 + most($1) } + (sample.bound.map(most) ?? 0)
            return sum + name + sample.suffix.utf8.count + labels + numberBytesMax
        }
    }

    private static func most(_ label: Label) -> Int { label.name.utf8.count + 2 * label.value.utf8.count + 4 }

    /// A Double has 24 characters at most, and beside it stand a brace, a space and a line end.
    private static let numberBytesMax = 32

    mutating func write(_ family: MetricFamily) {
        write("# HELP ")
        write(family.name)
        write(" ")
        writeEscaped(family.help, quotes: false)
        write("\n# TYPE ")
        write(family.name)
        write(" ")
        write(family.kind.rawValue)
        write("\n")
        for sample in family.samples {
            write(family.name)
            write(sample)
        }
    }

    private mutating func write(_ sample: Sample) {
        write(sample.suffix)
        var separator = UInt8(ascii: "{")
        for label in sample.shared {
            write(label, behind: separator)
            separator = UInt8(ascii: ",")
        }
        if let bound = sample.bound {
            write(bound, behind: separator)
            separator = UInt8(ascii: ",")
        }
        if separator == UInt8(ascii: ",") { write(byte: UInt8(ascii: "}")) }
        write(byte: UInt8(ascii: " "))
        write(number: sample.value)
        write(byte: UInt8(ascii: "\n"))
    }

    private mutating func write(_ label: Label, behind separator: UInt8) {
        write(byte: separator)
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
            bytes.allSatisfy { $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\"") }
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
