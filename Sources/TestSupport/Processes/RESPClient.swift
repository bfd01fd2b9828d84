// A small Redis client for tests: blocking, with deadlines, and with the bytes of every reply at hand.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A reply as it was understood, and as it came.
public indirect enum RESPValue: Equatable, Sendable {
    case simple(String)
    case error(String)
    case integer(Int64)
    case bulk([UInt8])
    case null
    case array([RESPValue])
    case map([RESPValue])
    case other(String)

    public var isError: Bool { if case .error = self { true } else { false } }

    /// Text of whatever holds text; empty for nil.
    public var text: String {
        switch self {
        case .simple(let text), .error(let text), .other(let text): text
        case .bulk(let bytes): String(decoding: bytes, as: UTF8.self)
        case .integer(let value): String(value)
        case .null: ""
        case .array(let items), .map(let items): items.map(\.text).joined(separator: " ")
        }
    }

    public var integer: Int64? { if case .integer(let value) = self { value } else { nil } }

    public var items: [RESPValue] {
        switch self {
        case .array(let items), .map(let items): items
        default: []
        }
    }

    /// A map, or the flat array that stands for one in RESP2.
    public var fields: [String: RESPValue] {
        let items = items
        var fields: [String: RESPValue] = [:]
        for index in stride(from: 0, to: items.count - 1, by: 2) { fields[items[index].text] = items[index + 1] }
        return fields
    }
}

/// A connection to a server that speaks RESP; belongs to one thread at a time.
public final class RESPClient: @unchecked Sendable {
    public let descriptor: Int32
    private var buffer: [UInt8] = []
    private var start = 0
    private var isOpen = true
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
    /// The longest that a call waits for its reply, in milliseconds.
    public var patience = 30_000.0

    public init(_ address: ServerAddress) throws {
        descriptor = try connectedSocket(address)
    }

    deinit {
        close()
        scratch.deallocate()
    }

    public func close() {
        guard isOpen else { return }
        isOpen = false
        #if canImport(Glibc)
            _ = Glibc.close(descriptor)
        #else
            _ = Darwin.close(descriptor)
        #endif
    }

    /// Ends this side of the connection only.
    public func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    // MARK: Sending

    public static func encode(_ words: [[UInt8]]) -> [UInt8] {
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words {
            bytes += Array("$\(word.count)\r\n".utf8)
            bytes += word
            bytes += [13, 10]
        }
        return bytes
    }

    public static func encode(_ words: [String]) -> [UInt8] { encode(words.map { Array($0.utf8) }) }

    public func send(raw bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                raw.baseAddress.map {
                    Int(sendBytes($0 + sent, bytes.count - sent))
                } ?? 0
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw TestError.system("send")
            }
            sent += count
        }
    }

    private func sendBytes(_ base: UnsafeRawPointer, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.send(descriptor, base, count, Int32(MSG_NOSIGNAL))
        #else
            Darwin.send(descriptor, base, count, 0)
        #endif
    }

    public func send(_ words: [String]) throws { try send(raw: Self.encode(words)) }

    // MARK: Receiving

    /// Waits for more bytes; false when the other side ended the connection.
    private func receiveMore(until deadline: Double) throws -> Bool {
        while true {
            var descriptors = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let wait = deadline - milliseconds()
            guard wait > 0 else { throw TestError("no reply within \(Int(patience)) ms") }
            let ready = poll(&descriptors, 1, Int32(min(wait.rounded(.up), 60_000)))
            if ready < 0 && errno != EINTR { throw TestError.system("poll") }
            guard ready > 0 else { continue }
            if start > 0 && start == buffer.count {
                buffer.removeAll(keepingCapacity: true)
                start = 0
            }
            let count = recv(descriptor, scratch.baseAddress, scratch.count, 0)
            if count > 0 { buffer.append(contentsOf: UnsafeRawBufferPointer(scratch)[..<count]) }
            if count < 0 && errno == ECONNRESET { return false }
            if count < 0 && errno != EINTR { throw TestError.system("receive") }
            if count >= 0 { return count > 0 }
        }
    }

    /// The next reply with its bytes; nil when the connection ended.
    public func receiveRaw() throws -> (value: RESPValue, bytes: [UInt8])? {
        let deadline = milliseconds() + patience
        while true {
            var position = start
            if let value = try parse(&position) {
                let bytes = Array(buffer[start..<position])
                start = position
                if start > 1 << 20 {
                    buffer.removeFirst(start)
                    start = 0
                }
                return (value, bytes)
            }
            guard try receiveMore(until: deadline) else { return nil }
        }
    }

    /// The next reply; throws when the connection ended instead.
    public func receive() throws -> RESPValue {
        guard let reply = try receiveRaw() else { throw TestError("the server ended the connection") }
        return reply.value
    }

    public func call(_ words: String...) throws -> RESPValue { try call(words) }

    public func call(_ words: [String]) throws -> RESPValue {
        try send(words)
        return try receive()
    }

    public func callRaw(_ words: [[UInt8]]) throws -> [UInt8] {
        try send(raw: Self.encode(words))
        guard let reply = try receiveRaw() else { throw TestError("the server ended the connection") }
        return reply.bytes
    }

    /// Sends all, then receives all.
    public func pipeline(_ requests: [[String]]) throws -> [RESPValue] {
        try send(raw: requests.flatMap { Self.encode($0) })
        return try requests.map { _ in try receive() }
    }

    /// Whatever comes until the other side ends the connection.
    public func receiveUntilEnd() throws -> String {
        let deadline = milliseconds() + patience
        while try receiveMore(until: deadline) {}
        defer { start = buffer.count }
        return String(decoding: buffer[start...], as: UTF8.self)
    }

    // MARK: Parsing

    private func line(_ position: inout Int) -> ArraySlice<UInt8>? {
        let from = position
        let found = buffer.withUnsafeBytes { raw -> Int? in
            guard let base = raw.baseAddress, from < raw.count else { return nil }
            guard let end = memchr(base + from, 10, raw.count - from) else { return nil }
            return base.distance(to: UnsafeRawPointer(end))
        }
        guard let found, found > from, buffer[found - 1] == 13 else { return nil }
        position = found + 1
        return buffer[from..<found - 1]
    }

    private func parse(_ position: inout Int) throws -> RESPValue? {
        guard position < buffer.count else { return nil }
        let mark = buffer[position]
        var next = position + 1
        guard let head = line(&next) else { return nil }
        let text = String(decoding: head, as: UTF8.self)
        let value: RESPValue
        switch mark {
        case UInt8(ascii: "+"): value = .simple(text)
        case UInt8(ascii: "-"): value = .error(text)
        case UInt8(ascii: ":"): value = .integer(try number(text))
        case UInt8(ascii: "_"): value = .null
        case UInt8(ascii: "#"), UInt8(ascii: ","), UInt8(ascii: "("): value = .other(text)
        case UInt8(ascii: "$"), UInt8(ascii: "="):
            let count = Int(try number(text))
            if count < 0 {
                value = .null
            } else {
                guard next + count + 2 <= buffer.count else { return nil }
                value = .bulk(Array(buffer[next..<next + count]))
                guard buffer[next + count] == 13, buffer[next + count + 1] == 10 else {
                    throw TestError("a bulk string without its line end: \(description(at: position))")
                }
                next += count + 2
            }
        case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"), UInt8(ascii: "%"):
            var count = Int(try number(text))
            if count < 0 {
                value = .null
            } else {
                if mark == UInt8(ascii: "%") { count *= 2 }
                var items: [RESPValue] = []
                for _ in 0..<count {
                    guard let item = try parse(&next) else { return nil }
                    items.append(item)
                }
                value = mark == UInt8(ascii: "%") ? .map(items) : .array(items)
            }
        case UInt8(ascii: "!"):
            let count = Int(try number(text))
            guard next + count + 2 <= buffer.count else { return nil }
            value = .error(String(decoding: buffer[next..<next + count], as: UTF8.self))
            next += count + 2
        case UInt8(ascii: "|"):
            // What an attribute is about follows it, and is the value.
            for _ in 0..<Int(try number(text)) * 2 { guard try parse(&next) != nil else { return nil } }
            guard let about = try parse(&next) else { return nil }
            value = about
        default: throw TestError("not a reply: \(description(at: position))")
        }
        position = next
        return value
    }

    private func number(_ text: String) throws -> Int64 {
        guard let value = Int64(text) else { throw TestError("not a number in a reply: \(text)") }
        return value
    }

    private func description(at position: Int) -> String {
        String(decoding: buffer[max(0, position - 20)..<min(buffer.count, position + 80)], as: UTF8.self)
            .debugDescription
    }
}
