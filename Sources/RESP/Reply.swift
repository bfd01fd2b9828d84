// Replies in the form that the client negotiated: RESP2, or RESP3 after HELLO 3.
//
// Source: the RESP specifications, https://redis.io/docs/reference/protocol-spec/ and antirez/RESP3.

/// The protocol that a connection speaks.
public enum ProtocolVersion: Int, Sendable {
    case resp2 = 2
    case resp3 = 3
}

extension OutputBuffer {
    @inlinable @inline(__always)
    public func lineEnd() {
        reserve(2).storeBytes(of: UInt16(littleEndian: 0x0A0D), as: UInt16.self)
        commit(2)
    }

    /// `+text`.
    public func simple(_ text: StaticString) {
        append(UInt8(ascii: "+"))
        append(text)
        lineEnd()
    }

    /// `+text`; line ends within become spaces, since a status can't hold them.
    public func simple(bytes text: [UInt8]) { line("+", text) }

    /// `-text`, where `text` begins with the error's code (`ERR …`).
    public func error(_ text: StaticString) {
        append(UInt8(ascii: "-"))
        append(text)
        lineEnd()
    }

    /// `-text`, where `text` begins with the error's code (`ERR …`); line ends within become spaces, those behind go.
    public func error(bytes text: [UInt8]) {
        let count = (text.lastIndex { $0 != 13 && $0 != 10 } ?? -1) + 1
        line("-", Array(text[..<count]))
    }

    /// `-text`, where `text` begins with the error's code (`ERR …`); line ends within become spaces, those behind go.
    public func error(_ text: String) { error(bytes: Array(text.utf8)) }

    private func line(_ mark: StaticString, _ text: [UInt8]) {
        append(mark)
        for byte in text { append(byte == 13 || byte == 10 ? 32 : byte) }
        lineEnd()
    }

    /// `:value`.
    @inlinable
    public func integer(_ value: Int64) {
        append(UInt8(ascii: ":"))
        append(decimal: value)
        lineEnd()
    }

    /// The head of a bulk string of `count` bytes, which the caller appends, and then ``lineEnd()``.
    @inlinable @inline(__always)
    public func bulkHead(_ count: Int) {
        append(UInt8(ascii: "$"))
        append(decimal: Int64(count))
        lineEnd()
    }

    /// `$count` and the bytes.
    public func bulk(_ bytes: [UInt8]) { bytes.withUnsafeBytes { bulk($0) } }

    /// `$count` and the bytes.
    @inlinable
    public func bulk(_ bytes: UnsafeRawBufferPointer) {
        bulkHead(bytes.count)
        append(bytes)
        lineEnd()
    }

    /// `$count` and the text.
    public func bulk(_ text: String) { bulk(Array(text.utf8)) }

    /// Nil: `$-1` in RESP2, `_` in RESP3.
    @inlinable
    public func null(_ version: ProtocolVersion) {
        switch version {
        case .resp2: append("$-1\r\n")
        case .resp3: append("_\r\n")
        }
    }

    /// The nil of an array-valued reply: `*-1` in RESP2, `_` in RESP3.
    public func nullArray(_ version: ProtocolVersion) {
        switch version {
        case .resp2: append("*-1\r\n")
        case .resp3: append("_\r\n")
        }
    }

    public func arrayHead(_ count: Int) { head("*", count) }

    /// A map of `count` pairs: a flat array in RESP2.
    public func mapHead(_ count: Int, _ version: ProtocolVersion) {
        switch version {
        case .resp2: head("*", count * 2)
        case .resp3: head("%", count)
        }
    }

    /// A set of `count` members: an array in RESP2.
    public func setHead(_ count: Int, _ version: ProtocolVersion) { head(version == .resp2 ? "*" : "~", count) }

    /// An out-of-band message of `count` elements: an array in RESP2.
    public func pushHead(_ count: Int, _ version: ProtocolVersion) { head(version == .resp2 ? "*" : ">", count) }

    /// A boolean: an integer in RESP2.
    public func boolean(_ value: Bool, _ version: ProtocolVersion) {
        switch version {
        case .resp2: integer(value ? 1 : 0)
        case .resp3: append(value ? "#t\r\n" : "#f\r\n")
        }
    }

    /// Text that is shown as it is (INFO, CLIENT LIST): verbatim in RESP3.
    public func verbatim(_ text: String, _ version: ProtocolVersion) {
        switch version {
        case .resp2: bulk(text)
        case .resp3:
            append("=")
            append(decimal: Int64(text.utf8.count + 4))
            lineEnd()
            append("txt:")
            append(text)
            lineEnd()
        }
    }

    private func head(_ mark: StaticString, _ count: Int) {
        append(mark)
        append(decimal: Int64(count))
        lineEnd()
    }
}
