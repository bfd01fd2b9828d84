// Durations and byte sizes as text: `1h30m`, `64KiB`; and back, in the shortest form that is exact.

internal import Tiers

enum Units {
    /// The units of a duration with their milliseconds, largest first.
    static let durations: [(name: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
    ]
    /// The units of a size with their bytes: binary ones first, since those are printed.
    static let sizes: [(name: String, bytes: Int)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000), ("kB", 1_000), ("B", 1),
    ]
    /// A hundred years: nothing that is configured lasts longer.
    static let durationMax = Duration.seconds(36_500 * 86_400)

    /// `1h30m`: whole numbers with falling units; nil for anything else, or above ``durationMax``.
    static func duration(_ text: String) -> Duration? {
        var rest = text.utf8[...]
        var total: Int64 = 0
        var units = durations[...]
        repeat {
            guard let number = takeNumber(&rest) else { return nil }
            let name = String(rest.prefix { !(0x30...0x39).contains($0) }) ?? ""
            guard let index = units.firstIndex(where: { $0.name == name }) else { return nil }
            let (part, overflow) = number.multipliedReportingOverflow(by: units[index].milliseconds)
            guard !overflow, total <= durationMax.milliseconds - part, part <= durationMax.milliseconds else {
                return nil
            }
            total += part
            rest = rest.dropFirst(name.utf8.count)
            units = units[(index + 1)...]
        } while !rest.isEmpty
        return .milliseconds(total)
    }

    /// The duration in the form that ``duration(_:)`` reads; `0s` for none.
    static func text(_ duration: Duration) -> String {
        var rest = duration.milliseconds
        var text = ""
        for unit in durations where rest >= unit.milliseconds {
            text += "\(rest / unit.milliseconds)\(unit.name)"
            rest %= unit.milliseconds
        }
        return text.isEmpty ? "0s" : text
    }

    /// `64KiB`, `500MB` or a plain number of bytes; nil for anything else, or above 2^62.
    static func size(_ text: String) -> Int? {
        var rest = text.utf8[...]
        guard let number = takeNumber(&rest) else { return nil }
        let name = String(rest) ?? ""
        guard let unit = name.isEmpty ? 1 : sizes.first(where: { $0.name == name })?.bytes else { return nil }
        let (bytes, overflow) = Int(number).multipliedReportingOverflow(by: unit)
        return overflow || bytes > 1 << 62 ? nil : bytes
    }

    /// The size in the largest binary unit that is exact, else in bytes.
    static func text(_ bytes: Int) -> String {
        for unit in sizes.prefix(4) where bytes >= unit.bytes && bytes % unit.bytes == 0 {
            return "\(bytes / unit.bytes)\(unit.name)"
        }
        return String(bytes)
    }

    /// Up to 18 digits, which always fit.
    private static func takeNumber(_ rest: inout Substring.UTF8View) -> Int64? {
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard (1...18).contains(digits.count) else { return nil }
        rest = rest[digits.endIndex...]
        return digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }
}
