// An answer in Redis's terms, whoever gives it: Redis itself, or Hearth in its place.

/// What a command is answered with, before it is bytes.
public enum Reply: Sendable, Equatable {
    case string([UInt8])
    case status([UInt8])
    /// The whole text, which begins with the error's code, as `ERR syntax error`.
    case error([UInt8])
    case integer(Int64)
    case null
    case array([Reply])
    /// Names and values in turn: a map in RESP3, a flat array in RESP2.
    case map([Reply])
    /// A whole reply of Redis as its bytes came, in whichever protocol: passed on, not understood.
    case framed([UInt8])

    public static func error(_ text: String) -> Reply { .error(Array(text.utf8)) }
    public static func status(_ text: StaticString) -> Reply {
        .status(Array(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)))
    }
    public static let ok: Reply = .status("OK")

    /// Whether this is a status of exactly this text, as `OK`.
    public func isStatus(_ text: StaticString) -> Bool {
        guard case .status(let bytes) = self else { return false }
        return bytes.elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    public var isError: Bool {
        switch self {
        case .error: true
        case .framed(let bytes): bytes.first == UInt8(ascii: "-") || bytes.first == UInt8(ascii: "!")
        case .string, .status, .integer, .null, .array, .map: false
        }
    }

    /// Whether Redis sent this by itself, beside the replies to requests (RESP3).
    public var isPush: Bool {
        if case .framed(let bytes) = self { bytes.first == UInt8(ascii: ">") } else { false }
    }
}
