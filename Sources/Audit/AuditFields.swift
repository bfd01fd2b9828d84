// The members of an audit line by their names: flat JSON objects of texts, numbers and nulls, and nothing else.

/// A line's members.
public struct AuditFields: Sendable {
    /// Names and values in the line's order; nil is null.
    public private(set) var members: [(name: String, value: String?)] = []

    /// Reads a line (RFC 8259); nil where it is no flat object.
    public init?(_ line: [UInt8]) {
        var place = 0
        func take(_ byte: Unicode.Scalar) -> Bool {
            guard place < line.count, line[place] == UInt8(ascii: byte) else { return false }
            place += 1
            return true
        }
        guard take("{") else { return nil }
        repeat {
            guard let name = Self.text(line, &place), take(":") else { return nil }
            if line[place...].starts(with: "null".utf8) {
                place += 4
                members.append((name, nil))
            } else if let value = Self.text(line, &place) ?? Self.digits(line, &place) {
                members.append((name, value))
            } else {
                return nil
            }
        } while take(",")
        guard take("}"), place == line.count else { return nil }
    }

    /// A member's text, or its digits; nil where it is null, or not there.
    public subscript(_ name: String) -> String? { members.first { $0.name == name }?.value }

    func number(_ name: String) -> UInt64? { self[name].flatMap { UInt64($0) } }

    /// Whether the line tells of an access to this key, however keys are written.
    public func isAbout(key: [UInt8]) -> Bool {
        if let text = self["key"] { return Array(text.utf8) == key }
        if let text = self["key_hex"] { return text == AuditLine.hexadecimal(key) }
        if let text = self["key_hash"] { return text == AuditLine.keyHash(key) }
        return self["keys"] == "all"
    }

    private static func digits(_ line: [UInt8], _ place: inout Int) -> String? {
        let text = line[place...].prefix { $0 >= 48 && $0 <= 57 || $0 == UInt8(ascii: "-") }
        guard !text.isEmpty else { return nil }
        place += text.count
        return String(decoding: text, as: UTF8.self)
    }

    private static func text(_ line: [UInt8], _ place: inout Int) -> String? {
        guard place < line.count, line[place] == UInt8(ascii: "\"") else { return nil }
        var text: [UInt8] = []
        var next = place + 1
        while next < line.count {
            let byte = line[next]
            next += 1
            switch byte {
            case UInt8(ascii: "\""):
                place = next
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard next < line.count, let bytes = escaped(line, &next) else { return nil }
                text += bytes
            case 0..<0x20: return nil
            default: text.append(byte)
            }
        }
        return nil
    }

    private static func escaped(_ line: [UInt8], _ next: inout Int) -> [UInt8]? {
        let byte = line[next]
        next += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "n"): return [10]
        case UInt8(ascii: "r"): return [13]
        case UInt8(ascii: "t"): return [9]
        case UInt8(ascii: "b"): return [8]
        case UInt8(ascii: "f"): return [12]
        case UInt8(ascii: "u"):
            guard next + 4 <= line.count,
                let value = UInt32(String(decoding: line[next..<next + 4], as: UTF8.self), radix: 16),
                let scalar = Unicode.Scalar(value)
            else { return nil }
            next += 4
            return Array(String(Character(scalar)).utf8)
        default: return nil
        }
    }
}
