// Where the reply to a request ends, and whether it is the right one.

internal import RESP

/// What the bytes at the front of a connection's buffer are.
enum ReplyOutcome: Equatable {
    /// The key's value, or the acknowledgement of a write.
    case right
    /// The server has no such key.
    case absent
    /// A value, but not the key's: its length and where it lies are kept for the message.
    case wrong
    /// An error in the server's words, between these offsets.
    case failed(from: Int, to: Int)
    /// Not whole yet: look again when the buffer holds at least so many bytes.
    case incomplete(needed: Int)
    /// No reply of this protocol; the connection can't be trusted any further.
    case garbled
}

/// How far a value is looked at.
public enum ValueCheck: String, CaseIterable, Sendable {
    /// Every byte.
    case value
    /// That there is one, of any content: for a server that answers the same to everybody.
    case frame
}

/// Reads replies, each for the request that it answers. Pure: bytes in, what they are out.
struct ReplyReader {
    private let wire: WireProtocol
    let keys: KeySpace
    let check: ValueCheck

    init(_ wire: WireProtocol, _ keys: KeySpace, _ check: ValueCheck) {
        self.wire = wire
        self.keys = keys
        self.check = check
    }

    /// Looks at the reply at the front of `bytes`, to `operation` of `key`; `count` is its length where it is whole.
    @inline(__always)
    func read(_ bytes: UnsafeRawBufferPointer, _ operation: Operation, _ key: Key) -> (
        outcome: ReplyOutcome, count: Int
    ) {
        switch wire {
        case .redis: redis(bytes, operation, key)
        case .memcached: memcached(bytes, operation, key)
        }
    }

    @inline(__always)
    private func redis(
        _ bytes: UnsafeRawBufferPointer, _ operation: Operation, _ key: Key
    ) -> (outcome: ReplyOutcome, count: Int) {
        if operation == .stateGet, let count = usualRecord(bytes, key) { return (.right, count) }
        guard bytes.count >= 4 else { return (.incomplete(needed: 4), 0) }
        switch bytes[0] {
        case UInt8(ascii: "*") where operation.isOfRecord: return map(bytes, operation, key)
        case UInt8(ascii: "$"):
            if bytes[1] == UInt8(ascii: "-") {
                return bytes.count < 5 ? (.incomplete(needed: 5), 0) : (operation.isWrite ? .wrong : .absent, 5)
            }
            var length = 0
            var position = 1
            while position < bytes.count, bytes[position] &- 48 < 10, position < 11 {
                length = length &* 10 &+ Int(bytes[position] &- 48)
                position &+= 1
            }
            guard position &+ 1 < bytes.count else { return (.incomplete(needed: bytes.count + 1), 0) }
            guard bytes[position] == 13, bytes[position &+ 1] == 10, position > 1 else { return (.garbled, 0) }
            return value(bytes, from: position &+ 2, length, trailer: 2, operation, key)
        case UInt8(ascii: "+"):
            guard let end = lineEnd(bytes) else { return (.incomplete(needed: bytes.count + 1), 0) }
            return (operation.isWrite && !operation.isOfRecord ? .right : .wrong, end)
        case UInt8(ascii: "-"):
            guard let end = lineEnd(bytes) else { return (.incomplete(needed: bytes.count + 1), 0) }
            return (.failed(from: 1, to: end - 2), end)
        default: return (.garbled, 0)
        }
    }

    private func memcached(
        _ bytes: UnsafeRawBufferPointer, _ operation: Operation, _ key: Key
    ) -> (outcome: ReplyOutcome, count: Int) {
        guard let end = lineEnd(bytes) else { return (.incomplete(needed: bytes.count + 1), 0) }
        let first = bytes[0]
        // VALUE key flags bytes, the value, END; END alone for none.
        if first == UInt8(ascii: "V") {
            var position = end - 3
            var length = 0
            var factor = 1
            while position > 0, bytes[position] &- 48 < 10, factor <= 1_000_000_000 {
                length += Int(bytes[position] - 48) * factor
                factor *= 10
                position -= 1
            }
            guard position > 0, bytes[position] == 32, factor > 1 else { return (.garbled, 0) }
            return value(bytes, from: end, length, trailer: 7, operation, key)
        }
        if first == UInt8(ascii: "E"), end == 5 { return (operation.isWrite ? .wrong : .absent, end) }
        if first == UInt8(ascii: "S"), end == 8 { return (operation.isWrite ? .right : .wrong, end) }
        // ERROR, CLIENT_ERROR …, SERVER_ERROR …, NOT_STORED.
        return (.failed(from: 0, to: end - 2), end)
    }

    @inline(__always)
    private func value(
        _ bytes: UnsafeRawBufferPointer, from start: Int, _ length: Int, trailer: Int, _ operation: Operation,
        _ key: Key
    ) -> (outcome: ReplyOutcome, count: Int) {
        let whole = start &+ length &+ trailer
        guard bytes.count >= whole else { return (.incomplete(needed: whole), 0) }
        guard bytes[start &+ length] == 13, bytes[whole &- 1] == 10 else { return (.garbled, 0) }
        guard !operation.isWrite, !operation.isOfRecord else { return (.wrong, whole) }
        guard check == .value else { return (.right, whole) }
        let value = UnsafeRawBufferPointer(rebasing: bytes[start..<(start &+ length)])
        return (keys.isValue(value, of: key) ? .right : .wrong, whole)
    }

    /// Behind the line end of the first line.
    private func lineEnd(_ bytes: UnsafeRawBufferPointer) -> Int? {
        var position = 1
        while position < bytes.count {
            if bytes[position] == 10, bytes[position - 1] == 13 { return position + 1 }
            position += 1
        }
        return nil
    }
}
