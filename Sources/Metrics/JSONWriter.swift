// JSON without Foundation: status documents and log lines, written straight into bytes.
//
// Deliberately missing: reading JSON, and pretty printing.

/// Writes one JSON value (RFC 8259) into ``bytes``; commas are its own business.
///
///     var json = JSONWriter()
///     json.object {
///         $0.member("event", "breaker_opened")
///         $0.member("failures", 5)
///     }
///
/// An object's members are a ``key(_:)`` each, followed by exactly one value; the writer does not check it.
public struct JSONWriter: Sendable {
    /// What was written so far, in UTF-8.
    public private(set) var bytes: [UInt8] = []
    /// Whether the next value or key follows another one and needs a comma.
    private var needsComma = false

    public init() {}

    /// What was written so far, as text.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Writes an object whose members `body` writes.
    public mutating func object(_ body: (inout JSONWriter) -> Void) { enclose("{", "}", body) }

    /// Writes an array whose elements `body` writes.
    public mutating func array(_ body: (inout JSONWriter) -> Void) { enclose("[", "]", body) }

    /// Writes a member's name; its value is what is written next.
    public mutating func key(_ name: String) {
        begin()
        quote(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    public mutating func string(_ text: String) {
        begin()
        quote(text)
    }

    /// Writes bytes as a string; what is not UTF-8 becomes U+FFFD.
    public mutating func string(bytes: some Collection<UInt8>) { string(String(decoding: bytes, as: UTF8.self)) }

    public mutating func integer(_ value: some BinaryInteger) { raw(String(value)) }

    /// Writes a number in the shortest form that reads back equal; infinities and NaN, which JSON lacks, are `null`.
    public mutating func number(_ value: Double) {
        if let whole = Int64(exactly: value), whole.magnitude < 1 << 53 { return raw(String(whole)) }
        raw(value.isFinite ? value.description : "null")
    }

    public mutating func bool(_ value: Bool) { raw(value ? "true" : "false") }

    public mutating func null() { raw("null") }

    /// Writes a value that is JSON already.
    public mutating func verbatim(_ json: [UInt8]) {
        begin()
        bytes += json
    }

    private mutating func raw(_ text: String) {
        begin()
        bytes += text.utf8
    }

    private mutating func begin() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func enclose(_ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout JSONWriter) -> Void) {
        begin()
        bytes.append(UInt8(ascii: open))
        needsComma = false
        body(&self)
        bytes.append(UInt8(ascii: close))
        needsComma = true
    }

    private mutating func quote(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): bytes += "\\\"".utf8
            case UInt8(ascii: "\\"): bytes += "\\\\".utf8
            case UInt8(ascii: "\n"): bytes += "\\n".utf8
            case UInt8(ascii: "\r"): bytes += "\\r".utf8
            case UInt8(ascii: "\t"): bytes += "\\t".utf8
            case 0..<0x20, 0x7f:
                let digits = Array("0123456789abcdef".utf8)
                bytes += "\\u00".utf8
                bytes += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

/// The common members in one call each, so that a document reads like a table.
extension JSONWriter {
    public mutating func member(_ name: String, _ text: String) {
        key(name)
        string(text)
    }
    public mutating func member(_ name: String, _ value: some BinaryInteger) {
        key(name)
        integer(value)
    }
    public mutating func member(_ name: String, _ value: Double) {
        key(name)
        number(value)
    }
    public mutating func member(_ name: String, _ value: Bool) {
        key(name)
        bool(value)
    }

    /// Writes a member that is an object.
    public mutating func object(_ name: String, _ body: (inout JSONWriter) -> Void) {
        key(name)
        object(body)
    }
    /// Writes a member that is an array.
    public mutating func array(_ name: String, _ body: (inout JSONWriter) -> Void) {
        key(name)
        array(body)
    }
}
