// A word of a command: bytes, as easily written as text.

/// One argument of a request; any bytes.
struct Word: Hashable, ExpressibleByStringInterpolation {
    let bytes: [UInt8]

    init(bytes: [UInt8]) { self.bytes = bytes }
    init(_ text: String) { bytes = Array(text.utf8) }
    init(stringLiteral text: String) { bytes = Array(text.utf8) }

    /// The text in capitals, as the names of commands are compared.
    var name: String { String(decoding: bytes, as: UTF8.self).uppercased() }

    /// This word in an inline request: in quotes, with whatever is not printable as `\xNN`.
    var quoted: [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        var text = [UInt8(ascii: "\"")]
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
            case 32...126: text.append(byte)
            default: text += [UInt8(ascii: "\\"), UInt8(ascii: "x"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return text + [UInt8(ascii: "\"")]
    }
}

/// A request as it is sent.
struct Request: CustomStringConvertible {
    var words: [Word]
    var family: Family
    /// Sent as a line with quotes instead of a frame.
    var isInline = false
    /// Answered with elements of what the request before it was answered with, drawn at random.
    var isDrawn = false

    var bytes: [UInt8] {
        guard isInline else { return RESPLine.frame(words) }
        return Array(words.map(\.quoted).joined(separator: [32])) + [13, 10]
    }

    var description: String {
        (isInline ? "(inline) " : "")
            + words.map { SideBySide.text(Array($0.bytes.prefix(60))) + ($0.bytes.count > 60 ? "…" : "") }
            .joined(separator: " ")
    }
}

enum RESPLine {
    static func frame(_ words: [Word]) -> [UInt8] {
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words {
            bytes += Array("$\(word.bytes.count)\r\n".utf8)
            bytes += word.bytes
            bytes += [13, 10]
        }
        return bytes
    }
}

/// The families of Redis's commands, as its documentation has them.
enum Family: String, CaseIterable {
    case strings, keys, lists, hashes, sets, sortedSets, streams, bitmaps, hyperLogLogs, geo, scripts, functions
    case transactions, subscriptions, connection, server
}
