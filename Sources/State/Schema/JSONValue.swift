// A JSON value that a policy gives to records (`default`, `set`), small and built once.

/// A JSON value; numbers keep the text in which they were written.
public indirect enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([JSONMember])

    /// Its text, without space.
    public var text: [UInt8] {
        switch self {
        case .null: Array("null".utf8)
        case .bool(let value): Array((value ? "true" : "false").utf8)
        case .number(let digits): Array(digits.utf8)
        case .string(let text): JSONString.quoted(Array(text.utf8))
        case .array(let elements): Self.listed("[", elements.map(\.text), "]")
        case .object(let members):
            Self.listed(
                "{", members.map { JSONString.quoted(Array($0.name.utf8)) + [UInt8(ascii: ":")] + $0.value.text }, "}")
        }
    }

    private static func listed(_ open: String, _ parts: [[UInt8]], _ close: String) -> [UInt8] {
        Array(open.utf8) + parts.joined(separator: Array(",".utf8)) + Array(close.utf8)
    }

    /// Whether `text` is a number as JSON writes one, and not one of those that only Python does.
    public static func isNumber(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.last.map({ (0x30...0x39).contains($0) }) ?? false else { return false }
        return bytes.withUnsafeBufferPointer { bytes in
            do throws(JSONError) { try JSONScanner.check(bytes) } catch { return false }
            return true
        }
    }
}

/// A member of an object.
public struct JSONMember: Sendable, Hashable {
    public var name: String
    public var value: JSONValue

    public init(_ name: String, _ value: JSONValue) {
        self.name = name
        self.value = value
    }
}
