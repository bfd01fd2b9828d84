// Numbers as people read them, in few characters.

enum Figures {
    /// `812`, `12.3k`, `4.5M`.
    static func count(_ value: Double) -> String {
        for (limit, unit) in [(1e9, "G"), (1e6, "M"), (1e4, "k")] where value >= limit {
            return oneDecimal(value / (unit == "k" ? 1e3 : limit)) + unit
        }
        return String(Int(value.rounded()))
    }

    static func count(_ value: Int64) -> String { count(Double(value)) }

    /// `812 B`, `12.3 KiB`, `64.0 MiB`.
    static func bytes(_ value: Int64) -> String {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] where value >= 1 << Int64(shift) {
            return oneDecimal(Double(value) / Double(1 << shift)) + " " + unit
        }
        return "\(value) B"
    }

    /// `0.8 µs`, `12 ms`, `1.5 s`: what a latency histogram holds.
    static func time(nanoseconds: UInt64) -> String {
        let value = Double(nanoseconds)
        if value < 1e3 { return "\(nanoseconds) ns" }
        for (limit, divisor, unit) in [(1e6, 1e3, "µs"), (1e9, 1e6, "ms")] where value < limit {
            return (value / divisor >= 100 ? String(Int((value / divisor).rounded())) : oneDecimal(value / divisor))
                + " " + unit
        }
        return oneDecimal(value / 1e9) + " s"
    }

    /// `350 ms`, `12.0 s`, `5m 3s`, `2h 10m`, `3d 4h`: an age or a life.
    static func duration(milliseconds: Int64) -> String {
        let seconds = milliseconds / 1000
        switch milliseconds {
        case ..<1000: return "\(milliseconds) ms"
        case ..<60_000: return oneDecimal(Double(milliseconds) / 1000) + " s"
        case ..<3_600_000: return "\(seconds / 60)m \(seconds % 60)s"
        case ..<86_400_000: return "\(seconds / 3600)h \(seconds / 60 % 60)m"
        default: return "\(seconds / 86400)d \(seconds / 3600 % 24)h"
        }
    }

    /// `98.7 %`; a dash for a share of nothing.
    static func share(_ part: Double, of whole: Double) -> String {
        whole > 0 ? oneDecimal(part / whole * 100) + " %" : "-"
    }

    static func oneDecimal(_ value: Double) -> String {
        let tenths = Int64((value * 10).rounded())
        return "\(tenths / 10).\(tenths.magnitude % 10)"
    }

    /// `text` with spaces before it, at least `width` characters wide.
    static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    /// `text` with spaces after it, at least `width` characters wide.
    static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// Bytes of a client's choosing as text that a terminal can't be steered with.
    static func printable(_ bytes: [UInt8]) -> String {
        var text = ""
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            switch scalar.value {
            case 0..<0x20, 0x7f..<0xa0:
                text += "\\x" + right(String(scalar.value, radix: 16), 2).replacing(" ", with: "0")
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
