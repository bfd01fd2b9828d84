// Bytes to requests: framed (an array of bulk strings) or inline (a line of words).
//
// DESIGN: the parser consumes a whole request or says how much is missing and leaves the cursor where it was. It keeps
// what it has already understood of an unfinished request, so that a request that comes in a thousand pieces is read
// once, not a thousand times. Arguments are ranges of the caller's buffer: nothing is copied.
//
// Source: https://redis.io/docs/reference/protocol-spec/; limits and error texts are those of Redis 7.0
// (processMultibulkBuffer and processInlineBuffer in networking.c).

/// A malformed request, in Redis's own words; the connection is closed after the error was sent.
public struct RequestError: Error, Equatable, Sendable {
    /// The whole text after `-`, as `ERR Protocol error: expected '$', got 'x'`.
    public let text: String

    init(_ text: String) { self.text = "ERR Protocol error: " + text }
}

/// Where one argument lies, from the request's first byte.
public struct ArgumentRange: Sendable, Equatable {
    public var offset: Int
    public var count: Int

    @inlinable @inline(__always)
    public init(offset: Int, count: Int) {
        self.offset = offset
        self.count = count
    }
}

/// What a look at the buffer gave.
public enum ParseResult: Equatable, Sendable {
    /// A whole request of `length` bytes; its arguments are in ``RequestParser/arguments``, none for an empty line.
    case request(length: Int)
    /// Not whole yet: look again when the buffer holds at least `needed` bytes.
    case incomplete(needed: Int)
}

/// Which length a line gives, as Redis's error texts name it.
private enum LengthKind: String { case multibulk, bulk }

/// Reads one request after another from the front of a buffer; belongs to one connection's thread.
public struct RequestParser: ~Copyable {
    /// The longest inline request, and the longest line of a framed one, in bytes.
    public static let inlineMax = 64 << 10

    /// The largest request that is accepted, in bytes.
    public let requestMax: Int
    /// While a password is still owed: ten arguments of 16 KiB at most.
    public var isAuthenticated = true
    /// The arguments of the request that was returned last; the storage is reused.
    public private(set) var arguments: [ArgumentRange] = []

    /// Arguments still to come of a framed request under way; -1 when none is.
    private var remaining = -1
    /// How far the request under way was understood.
    private var cursor = 0

    /// Whether the front of the buffer is a framed request that was understood in part.
    @inline(__always)
    public var isWithinRequest: Bool { remaining >= 0 }

    public init(requestMax: Int) {
        precondition(requestMax >= 1024)
        self.requestMax = requestMax
        arguments.reserveCapacity(16)
    }

    /// Looks for one request at the front of `buffer`, whose bytes since the last `.incomplete` must be unchanged.
    ///
    /// An inline request with quotes is unescaped in place, which is why the buffer is mutable.
    public mutating func parse(_ buffer: UnsafeMutableRawBufferPointer) throws(RequestError) -> ParseResult {
        guard let base = buffer.baseAddress, buffer.count > 0 else { return .incomplete(needed: 1) }
        let bytes = base.assumingMemoryBound(to: UInt8.self)
        if remaining < 0 {
            guard bytes[0] == UInt8(ascii: "*") else { return try parseInline(bytes, buffer.count) }
            arguments.removeAll(keepingCapacity: true)
            guard let (count, next) = try number(bytes, 1, buffer.count, .multibulk) else {
                return .incomplete(needed: buffer.count + 1)
            }
            guard count <= Int64(Int32.max) else { throw RequestError("invalid multibulk length") }
            guard isAuthenticated || count <= 10 else { throw RequestError("unauthenticated multibulk length") }
            guard count > 0 else { return .request(length: next) }
            remaining = Int(count)
            cursor = next
        }
        while remaining > 0 {
            guard cursor < buffer.count else { return .incomplete(needed: cursor + 4) }
            guard bytes[cursor] == UInt8(ascii: "$") else {
                throw RequestError("expected '$', got '\(Character(UnicodeScalar(bytes[cursor])))'")
            }
            guard let (count, next) = try number(bytes, cursor + 1, buffer.count, .bulk) else {
                return .incomplete(needed: buffer.count + 1)
            }
            guard count >= 0 && count <= requestMax else { throw RequestError("invalid bulk length") }
            guard isAuthenticated || count <= 16384 else { throw RequestError("unauthenticated bulk length") }
            let end = next + Int(count) + 2
            guard end <= requestMax else {
                throw RequestError("request larger than limits.max_request (\(requestMax) bytes)")
            }
            guard end <= buffer.count else { return .incomplete(needed: end) }
            arguments.append(ArgumentRange(offset: next, count: Int(count)))
            cursor = end
            remaining -= 1
        }
        remaining = -1
        return .request(length: cursor)
    }

    mutating func setArguments(_ words: [ArgumentRange]) {
        arguments.removeAll(keepingCapacity: true)
        arguments.append(contentsOf: words)
    }

    /// The number in the line that begins at `start`, and where the next line begins; nil when the line is not whole.
    @inline(__always)
    private func number(
        _ bytes: UnsafeMutablePointer<UInt8>, _ start: Int, _ count: Int, _ kind: LengthKind
    ) throws(RequestError) -> (Int64, Int)? {
        var position = start
        var value: Int64 = 0
        // The short way for what all clients send: digits and a line end.
        while position < count {
            let digit = bytes[position] &- 48
            guard digit < 10, position &- start < 18 else { break }
            value = value &* 10 &+ Int64(digit)
            position &+= 1
        }
        if position &+ 1 < count, position > start, bytes[position] == 13 {
            guard bytes[start] != 48 || position == start &+ 1 else {
                throw RequestError("invalid \(kind.rawValue) length")
            }
            return (value, position &+ 2)
        }
        return try unusualNumber(bytes, start, count, kind)
    }

    @inline(never)
    private func unusualNumber(
        _ bytes: UnsafeMutablePointer<UInt8>, _ start: Int, _ count: Int, _ kind: LengthKind
    ) throws(RequestError) -> (Int64, Int)? {
        let line = UnsafeMutableBufferPointer(start: bytes + start, count: count - start)
        guard let end = line.firstIndex(of: 13), end + 1 < line.count else {
            guard line.count <= Self.inlineMax else {
                throw RequestError("too big \(kind == .bulk ? "bulk" : "mbulk") count string")
            }
            return nil
        }
        // Redis's string2ll: no plus sign, no leading zero, no space.
        let text = line[..<end]
        let digits = text.first == UInt8(ascii: "-") ? text.dropFirst() : text
        let isCanonical =
            !digits.isEmpty && digits.allSatisfy { $0 >= 48 && $0 <= 57 }
            && (digits.first != 48 || text.count == 1)
        guard isCanonical, let value = Int64(String(decoding: text, as: UTF8.self)) else {
            throw RequestError("invalid \(kind.rawValue) length")
        }
        return (value, start + end + 2)
    }
}
