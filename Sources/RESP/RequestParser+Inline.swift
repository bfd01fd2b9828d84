// Inline requests: a line of words, as a person types it into a terminal.
//
// Source: sdssplitargs in Redis's sds.c: double quotes with escapes, single quotes with \' only, and a closing quote
// that must be followed by a space or the end.

extension RequestParser {
    mutating func parseInline(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) throws(RequestError) -> ParseResult {
        let buffer = UnsafeMutableBufferPointer(start: bytes, count: count)
        guard let newline = buffer.firstIndex(of: 10) else {
            guard count <= Self.inlineMax else { throw RequestError("too big inline request") }
            return .incomplete(needed: count + 1)
        }
        guard newline <= Self.inlineMax else { throw RequestError("too big inline request") }
        let end = newline > 0 && bytes[newline - 1] == 13 ? newline - 1 : newline
        var words: [ArgumentRange] = []
        var reader = WordReader(bytes: bytes, end: end)
        while let word = try reader.next() { words.append(word) }
        setArguments(words)
        return .request(length: newline + 1)
    }
}

/// Splits a line into words and unescapes each in place: an unescaped word is never longer than its source.
private struct WordReader {
    let bytes: UnsafeMutablePointer<UInt8>
    let end: Int
    var position = 0
    var write = 0

    init(bytes: UnsafeMutablePointer<UInt8>, end: Int) {
        self.bytes = bytes
        self.end = end
    }

    mutating func next() throws(RequestError) -> ArgumentRange? {
        while position < end, isSpace(bytes[position]) { position += 1 }
        guard position < end else { return nil }
        let start = position
        write = start
        while position < end, !isSpace(bytes[position]) {
            switch bytes[position] {
            case UInt8(ascii: "\""): try doubleQuoted()
            case UInt8(ascii: "'"): try singleQuoted()
            default: put(bytes[position], consuming: 1)
            }
        }
        return ArgumentRange(offset: start, count: write - start)
    }

    private mutating func put(_ byte: UInt8, consuming count: Int) {
        bytes[write] = byte
        write += 1
        position += count
    }

    private mutating func doubleQuoted() throws(RequestError) {
        position += 1
        while position < end, bytes[position] != UInt8(ascii: "\"") {
            guard bytes[position] == UInt8(ascii: "\\"), position + 1 < end else {
                put(bytes[position], consuming: 1)
                continue
            }
            if bytes[position + 1] == UInt8(ascii: "x"), position + 3 < end,
                let high = hexadecimal(bytes[position + 2]), let low = hexadecimal(bytes[position + 3])
            {
                put(high << 4 | low, consuming: 4)
            } else {
                put(escaped(bytes[position + 1]), consuming: 2)
            }
        }
        try closeQuote()
    }

    private mutating func singleQuoted() throws(RequestError) {
        position += 1
        while position < end, bytes[position] != UInt8(ascii: "'") {
            let isEscape =
                bytes[position] == UInt8(ascii: "\\") && position + 1 < end && bytes[position + 1] == UInt8(ascii: "'")
            put(isEscape ? UInt8(ascii: "'") : bytes[position], consuming: isEscape ? 2 : 1)
        }
        try closeQuote()
    }

    private mutating func closeQuote() throws(RequestError) {
        guard position < end else { throw RequestError("unbalanced quotes in request") }
        position += 1
        guard position == end || isSpace(bytes[position]) else { throw RequestError("unbalanced quotes in request") }
    }

    private func escaped(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "n"): 10
        case UInt8(ascii: "r"): 13
        case UInt8(ascii: "t"): 9
        case UInt8(ascii: "b"): 8
        case UInt8(ascii: "a"): 7
        default: byte
        }
    }

    private func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (byte >= 9 && byte <= 13) || byte == 0 }

    private func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }
}
