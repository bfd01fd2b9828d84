// Where JSON values end, and whether they are JSON at all: a scan that builds nothing.
//
// DESIGN: a text is looked at once as a whole before anything is edited; after that the ends of parts are found without
// surprises. The scan keeps the containers that are open in a stack of its own, so that nesting costs a byte a level
// and no stack of the thread. What Python's json writes beyond the standard (NaN, Infinity, -Infinity) is let through:
// nothing here takes a number apart.
//
// Source: RFC 8259.

/// Why a text is no JSON, and at which byte.
struct JSONError: Error, Equatable {
    var offset: Int
    var text: String
}

/// A walk over the bytes of a JSON text.
struct JSONScanner {
    /// The deepest nesting that is read. Python's reader ends at about a thousand levels.
    static let depthMax = 512

    private let bytes: UnsafeBufferPointer<UInt8>
    private(set) var position: Int

    init(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    /// Checks that `bytes` are one JSON value and nothing else. Complexity: O(size).
    static func check(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONError) {
        var scanner = JSONScanner(bytes)
        scanner.skipSpace()
        try scanner.skipValue()
        scanner.skipSpace()
        guard scanner.position == bytes.count else { throw scanner.error("something follows the value") }
    }

    /// The byte here; nil at the end.
    var byte: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func error(_ text: String) -> JSONError { JSONError(offset: position, text: text) }

    /// Goes past the byte here.
    mutating func step() { position += 1 }

    mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0a, 0x0d: position += 1
            default: return
            }
        }
    }

    /// Goes past a byte and the space behind it; whether it was there.
    mutating func take(_ byte: UInt8) -> Bool {
        guard self.byte == byte else { return false }
        position += 1
        skipSpace()
        return true
    }

    // MARK: Values

    /// Goes past the value that begins here, and no further.
    mutating func skipValue() throws(JSONError) {
        var open: [UInt8] = []
        while true {
            guard let byte else { throw error("a value is missing at the end") }
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard open.count < Self.depthMax else { throw error("nested deeper than \(Self.depthMax) levels") }
                position += 1
                skipSpace()
                let close = byte + 2
                guard self.byte != close else {
                    position += 1
                    break
                }
                open.append(close)
                if close == UInt8(ascii: "}") { try skipName() }
                continue
            case UInt8(ascii: "\""): try skipString()
            case UInt8(ascii: "-"), 0x30...0x39: try skipNumber()
            default: try skipWord()
            }
            guard try !closesAll(&open) else { return }
        }
    }

    /// What follows a value within its containers: closes those that end; whether none is left.
    private mutating func closesAll(_ open: inout [UInt8]) throws(JSONError) -> Bool {
        while let close = open.last {
            skipSpace()
            if byte == close {
                position += 1
                open.removeLast()
            } else if take(UInt8(ascii: ",")) {
                if close == UInt8(ascii: "}") { try skipName() }
                return false
            } else {
                throw error("expected , or \(Character(Unicode.Scalar(close)))")
            }
        }
        return true
    }

    /// A member's name, the colon, and the space behind it.
    private mutating func skipName() throws(JSONError) {
        try skipString()
        skipSpace()
        guard take(UInt8(ascii: ":")) else { throw error("expected : after a name") }
    }

    /// Goes past the string that begins here.
    mutating func skipString() throws(JSONError) {
        guard byte == UInt8(ascii: "\"") else { throw error("expected a string") }
        position += 1
        while let byte {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\"): try skipEscape()
            case 0..<0x20: throw error("a control character within a string")
            case 0x80...: try skipCharacter()
            default: position += 1
            }
        }
        throw error("a string without its end")
    }

    private mutating func skipEscape() throws(JSONError) {
        position += 1
        switch byte {
        case UInt8(ascii: "u"):
            position += 1
            for _ in 0..<4 {
                guard let byte, Character(Unicode.Scalar(byte)).isHexDigit else {
                    throw error("expected four hexadecimal digits after \\u")
                }
                position += 1
            }
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
        default: throw error("an unknown escape within a string")
        }
    }

    /// A character of several bytes. Source: table 3-7 of the Unicode Standard.
    private mutating func skipCharacter() throws(JSONError) {
        let (count, second): (Int, ClosedRange<UInt8>) =
            switch bytes[position] {
            case 0xc2...0xdf: (2, 0x80...0xbf)
            case 0xe0: (3, 0xa0...0xbf)
            case 0xed: (3, 0x80...0x9f)
            case 0xe1...0xef: (3, 0x80...0xbf)
            case 0xf0: (4, 0x90...0xbf)
            case 0xf1...0xf3: (4, 0x80...0xbf)
            case 0xf4: (4, 0x80...0x8f)
            default: (0, 0...0)
            }
        guard count > 0, position + count <= bytes.count, second.contains(bytes[position + 1]),
            bytes[(position + 2)..<(position + count)].allSatisfy({ $0 & 0xc0 == 0x80 })
        else { throw error("not UTF-8") }
        position += count
    }

    private mutating func skipNumber() throws(JSONError) {
        if byte == UInt8(ascii: "-") {
            position += 1
            if byte == UInt8(ascii: "I") { return try skipWord() }
        }
        guard let first = byte, (0x30...0x39).contains(first) else { throw error("a number without digits") }
        position += 1
        if first != UInt8(ascii: "0") { skipDigits() }
        if byte == UInt8(ascii: ".") {
            position += 1
            guard skipDigits() else { throw error("a fraction without digits") }
        }
        if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
            position += 1
            if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") { position += 1 }
            guard skipDigits() else { throw error("an exponent without digits") }
        }
    }

    /// Goes past digits; whether there was one.
    @discardableResult
    private mutating func skipDigits() -> Bool {
        let start = position
        while let byte, (0x30...0x39).contains(byte) { position += 1 }
        return position > start
    }

    private static let words: [StaticString] = ["true", "false", "null", "NaN", "Infinity"]

    private mutating func skipWord() throws(JSONError) {
        for word in Self.words where bytes.count - position >= word.utf8CodeUnitCount {
            let text = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
            guard bytes[position..<position + text.count].elementsEqual(text) else { continue }
            position += text.count
            return
        }
        throw error("expected a value")
    }
}

/// Strings as JSON writes them.
enum JSONString {
    /// The text in quotes, with what must be escaped as escapes.
    static func quoted(_ text: [UInt8]) -> [UInt8] {
        var out: [UInt8] = [UInt8(ascii: "\"")]
        out.reserveCapacity(text.count + 2)
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                out += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: out.append(byte)
            }
        }
        out.append(UInt8(ascii: "\""))
        return out
    }

    /// The text of a string in quotes that the scanner has let through. Half of a surrogate pair becomes three bytes
    /// that are no UTF-8, and so equal to no text but itself.
    static func unquoted(_ string: some Collection<UInt8>) -> [UInt8] {
        let inner = Array(string.dropFirst().dropLast())
        guard inner.contains(UInt8(ascii: "\\")) else { return inner }
        var out: [UInt8] = []
        out.reserveCapacity(inner.count)
        var index = 0
        while index < inner.count {
            guard inner[index] == UInt8(ascii: "\\") else {
                out.append(inner[index])
                index += 1
                continue
            }
            switch inner[index + 1] {
            case UInt8(ascii: "u"):
                var unit = hexadecimal(inner[(index + 2)..<(index + 6)])
                index += 6
                if (0xd800..<0xdc00).contains(unit), index + 6 <= inner.count, inner[index] == UInt8(ascii: "\\"),
                    inner[index + 1] == UInt8(ascii: "u")
                {
                    let low = hexadecimal(inner[(index + 2)..<(index + 6)])
                    if (0xdc00..<0xe000).contains(low) {
                        unit = 0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00)
                        index += 6
                    }
                }
                append(unit, to: &out)
                continue
            case UInt8(ascii: "b"): out.append(0x08)
            case UInt8(ascii: "f"): out.append(0x0c)
            case UInt8(ascii: "n"): out.append(0x0a)
            case UInt8(ascii: "r"): out.append(0x0d)
            case UInt8(ascii: "t"): out.append(0x09)
            case let byte: out.append(byte)
            }
            index += 2
        }
        return out
    }

    private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt32 {
        UInt32(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0
    }

    private static func append(_ scalar: UInt32, to out: inout [UInt8]) {
        func tail(_ shift: UInt32) -> UInt8 { UInt8(0x80 | scalar >> shift & 0x3f) }
        switch scalar {
        case 0..<0x80: out.append(UInt8(scalar))
        case 0x80..<0x800: out += [UInt8(0xc0 | scalar >> 6), tail(0)]
        case 0x800..<0x10000: out += [UInt8(0xe0 | scalar >> 12), tail(6), tail(0)]
        default: out += [UInt8(0xf0 | scalar >> 18), tail(12), tail(6), tail(0)]
        }
    }
}
