// Where a reply of Redis ends: RESP2 and RESP3, without understanding or keeping what is in it.
//
// DESIGN: passed-through replies reach the client byte for byte, so nothing but their ends has to be found. This is an
// automaton over bytes: it looks at each byte once, whatever the pieces in which they come, and remembers nothing but
// how many elements each open aggregate still owes. So a reply that is too large to be kept can be followed to its end
// as well. What hiredis 0.14 can't read (all of RESP3, and arrays nested deeper than seven) is read here.
//
// Streamed strings and aggregates (`$?`, `*?`), which no Redis sends, are refused.
//
// Source: https://redis.io/docs/reference/protocol-spec/, https://github.com/antirez/RESP3/blob/master/spec.md.

/// Bytes that are no reply; the connection can't be trusted any further.
public struct ReplyError: Error, Equatable, Sendable {
    public let text: String

    init(_ text: String) { self.text = text }
}

/// Finds the end of one reply after another in a stream of bytes; belongs to one connection's thread.
public struct ReplyFramer: ~Copyable {
    /// The deepest nesting that is followed.
    public static let depthMax = 1024
    /// The most elements of one aggregate, and bytes of one string.
    private static let lengthMax: Int64 = 1 << 40

    private enum Place {
        /// Before the byte that tells the type of a value.
        case mark
        /// In a line whose content is of no interest.
        case text
        /// In a line of which only these characters may be.
        case digits(Kind)
        /// In the line that gives a length.
        case length(Kind)
        /// After the carriage return of a line.
        case lineEnd
        /// In a string, so many bytes before its end.
        case string(Int)
        /// After a string.
        case stringReturn, stringNewline
    }

    private enum Kind {
        case integer, bigNumber, double, boolean, null, string, verbatim, error, array, set, push, map, attribute
    }

    private struct Aggregate {
        var owed: Int64
        /// It stands before a value and is none itself.
        let isAttribute: Bool
    }

    private var place = Place.mark
    private var open: [Aggregate] = []
    /// The line under way: its kind once its mark is known, and what it has shown.
    private var kind: Kind?
    private var number: Int64 = 0
    private var isNegative = false
    private var characters = 0

    public init() {}

    /// How many bytes are announced and have not come, of the string under way.
    public var announced: Int {
        if case .string(let count) = place { count } else { 0 }
    }

    /// Follows the reply under way; how many of `bytes` belong to it, and whether it ends with them.
    ///
    /// After a whole reply the next call begins another. Linear in the bytes, whatever the pieces.
    public mutating func follow(_ bytes: UnsafeRawBufferPointer) throws(ReplyError) -> (count: Int, isWhole: Bool) {
        var index = 0
        while index < bytes.count {
            switch place {
            case .mark:
                try begin(bytes[index])
                index += 1
            case .text:
                while index < bytes.count, bytes[index] != 13, bytes[index] != 10 { index += 1 }
                guard index < bytes.count else { break }
                guard bytes[index] == 13 else { throw ReplyError("a line ends without a carriage return") }
                place = .lineEnd
                index += 1
            case .digits(let kind):
                try digit(bytes[index], kind)
                index += 1
            case .length(let kind):
                try length(bytes[index], kind)
                index += 1
            case .lineEnd:
                guard bytes[index] == 10 else { throw ReplyError("a carriage return within a line") }
                index += 1
                if try endLine() { return (index, true) }
            case .string(let left):
                let taken = min(left, bytes.count - index)
                index += taken
                place = taken == left ? .stringReturn : .string(left - taken)
            case .stringReturn:
                guard bytes[index] == 13 else { throw ReplyError("a string is longer than it says") }
                place = .stringNewline
                index += 1
            case .stringNewline:
                guard bytes[index] == 10 else { throw ReplyError("a string is longer than it says") }
                index += 1
                if endValue() { return (index, true) }
            }
        }
        return (index, false)
    }

    private mutating func begin(_ mark: UInt8) throws(ReplyError) {
        number = 0
        isNegative = false
        characters = 0
        kind = nil
        switch mark {
        case UInt8(ascii: "+"), UInt8(ascii: "-"): place = .text
        case UInt8(ascii: ":"): place = .digits(.integer)
        case UInt8(ascii: "("): place = .digits(.bigNumber)
        case UInt8(ascii: ","): place = .digits(.double)
        case UInt8(ascii: "#"): place = .digits(.boolean)
        case UInt8(ascii: "_"): place = .digits(.null)
        case UInt8(ascii: "$"): place = .length(.string)
        case UInt8(ascii: "="): place = .length(.verbatim)
        case UInt8(ascii: "!"): place = .length(.error)
        case UInt8(ascii: "*"): place = .length(.array)
        case UInt8(ascii: "~"): place = .length(.set)
        case UInt8(ascii: ">"): place = .length(.push)
        case UInt8(ascii: "%"): place = .length(.map)
        case UInt8(ascii: "|"): place = .length(.attribute)
        default: throw ReplyError("no reply begins with byte \(mark)")
        }
    }

    /// A character of a number, a boolean or a null.
    private mutating func digit(_ byte: UInt8, _ kind: Kind) throws(ReplyError) {
        if byte == 13 {
            guard kind == .null ? characters == 0 : characters > 0 else { throw ReplyError("an empty \(kind)") }
            place = .lineEnd
            return
        }
        let isSign = byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+")
        let isDigit = byte >= 48 && byte <= 57
        let isAllowed =
            switch kind {
            case .null: false
            case .boolean: characters == 0 && (byte == UInt8(ascii: "t") || byte == UInt8(ascii: "f"))
            case .double: isDigit || isSign || byte == UInt8(ascii: ".") || byte | 0x20 >= 97 && byte | 0x20 <= 122
            default: isDigit || isSign && !isNegative && characters == 0
            }
        guard isAllowed else { throw ReplyError("byte \(byte) in a \(kind)") }
        // A sign alone is no number.
        if isSign, kind != .double { isNegative = true } else { characters += 1 }
    }

    /// A character of a length.
    private mutating func length(_ byte: UInt8, _ kind: Kind) throws(ReplyError) {
        switch byte {
        case 48...57:
            number = number * 10 + Int64(byte - 48)
            characters += 1
            guard number <= Self.lengthMax else { throw ReplyError("the length of a \(kind) is too large") }
        case UInt8(ascii: "-") where characters == 0 && !isNegative: isNegative = true
        case 13:
            guard characters > 0 else { throw ReplyError("a \(kind) without a length") }
            // -1 is RESP2's null.
            guard !isNegative || number == 1 && (kind == .string || kind == .array) else {
                throw ReplyError("a \(kind) of negative length")
            }
            self.kind = kind
            place = .lineEnd
        case UInt8(ascii: "?"): throw ReplyError("a streamed \(kind), which is not supported")
        default: throw ReplyError("byte \(byte) in the length of a \(kind)")
        }
    }

    /// A line is over; whether the reply is.
    private mutating func endLine() throws(ReplyError) -> Bool {
        // A line without a length is a value by itself, and so is a null.
        guard let kind, !isNegative else { return endValue() }
        switch kind {
        case .string, .verbatim, .error:
            place = number == 0 ? .stringReturn : .string(Int(number))
            return false
        case .map, .attribute: return try open(number * 2, isAttribute: kind == .attribute)
        default: return try open(number, isAttribute: false)
        }
    }

    private mutating func open(_ count: Int64, isAttribute: Bool) throws(ReplyError) -> Bool {
        place = .mark
        guard count > 0 else { return isAttribute ? false : endValue() }
        guard open.count < Self.depthMax else {
            throw ReplyError("aggregates are nested deeper than \(Self.depthMax)")
        }
        open.append(Aggregate(owed: count, isAttribute: isAttribute))
        return false
    }

    /// A value is whole, and with it whatever it was the last element of; whether the reply is.
    private mutating func endValue() -> Bool {
        place = .mark
        while let last = open.indices.last {
            open[last].owed -= 1
            if open[last].owed > 0 { return false }
            let ended = open.removeLast()
            // What an attribute is about is still to come.
            if ended.isAttribute { return false }
        }
        return true
    }
}
