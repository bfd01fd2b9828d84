// One value as it was written, and what YAML says it is.

/// A text with the way it was written, which says whether it can be a number or must be a string.
struct Scalar: Sendable, Equatable {
    enum Style: Sendable {
        /// Without quotes in a file: YAML's core schema says whether it is a null, a truth, a number or a string.
        case plain
        /// In quotes, or a block: always a string.
        case quoted
        /// From the environment or a flag, where nothing has a type: whatever is expected.
        case untyped
    }

    /// What a plain scalar is by YAML 1.2's core schema.
    enum Kind: String {
        case null
        case bool = "the truth value"
        case number = "the number"
        case string = "the string"
    }

    var text: String
    var style: Style

    init(_ text: String, _ style: Style) {
        self.text = text
        self.style = style
    }

    /// The kind by which a file's scalar is judged; untyped ones are strings and numbers at once, see ``mayBeNumber``.
    var kind: Kind {
        guard style == .plain else { return .string }
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE", "false", "False", "FALSE": return .bool
        default: break
        }
        let digits = text.utf8.drop { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
        guard let first = digits.first, (0x30...0x39).contains(first) || first == UInt8(ascii: ".") else {
            return .string
        }
        return Double(text) != nil ? .number : .string
    }

    var mayBeString: Bool { kind == .string }
    var mayBeNumber: Bool { style == .untyped || kind == .number }

    /// The scalar as a refusal names it.
    var found: String {
        switch (style, kind) {
        case (.plain, .null): text.isEmpty ? "nothing" : "null"
        case (.plain, let kind) where kind != .string: "\(kind.rawValue) \(text)"
        case (.quoted, _): "the string \(shown(text))"
        default: shown(text)
        }
    }
}

/// Text from outside as an error message shows it: in quotes, escaped, at most 60 characters.
func shown(_ text: String) -> String {
    var out = "\""
    for (count, scalar) in text.unicodeScalars.enumerated() {
        if count == 60 {
            out += "…"
            break
        }
        switch scalar {
        case "\"": out += "\\\""
        case "\n": out += "\\n"
        case _ where scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value):
            out += "\\x" + String(scalar.value >> 4, radix: 16) + String(scalar.value & 15, radix: 16)
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out + "\""
}
