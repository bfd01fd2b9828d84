// Replies of Redis as the bytes that came, for those that are passed on; and what such bytes say, where that matters.

internal import Primitives
internal import RESP
internal import RedisTier

/// Cuts the stream of a connection into whole replies, of at most so many bytes each.
///
/// A larger reply is followed to its end without being kept, and an error stands in its place: what comes behind it is
/// not lost.
final class FrameSource: ReplySource {
    private var framer = ReplyFramer()
    private var buffer: [UInt8] = []
    /// Where the reply under way begins.
    private var start = 0
    /// How far it was followed.
    private var followed = 0
    private var isTooLarge = false
    private let bytesMax: () -> Int

    init(bytesMax: @escaping () -> Int) { self.bytesMax = bytesMax }

    func feed(_ bytes: UnsafeRawBufferPointer) throws(RedisFailure) { buffer.append(contentsOf: bytes) }

    func next() throws(RedisFailure) -> Reply? {
        while followed < buffer.count {
            let isWhole = try follow()
            if !isTooLarge, followed - start + framer.announced > bytesMax() { isTooLarge = true }
            if isWhole { return take() }
            if isTooLarge { drop() }
        }
        compact()
        return nil
    }

    private func follow() throws(RedisFailure) -> Bool {
        var isWhole = false
        var failure: ReplyError?
        buffer.withUnsafeBytes { raw in
            do throws(ReplyError) {
                let (count, ended) = try framer.follow(UnsafeRawBufferPointer(rebasing: raw[followed...]))
                followed += count
                isWhole = ended
            } catch {
                failure = error
            }
        }
        if let failure { throw RedisFailure(.protocolError, mayHaveBeenSent: true, detail: failure.text) }
        return isWhole
    }

    private func take() -> Reply {
        defer {
            start = followed
            isTooLarge = false
            if start == buffer.count { compact() }
        }
        guard isTooLarge else { return .framed(Array(buffer[start..<followed])) }
        return .framed(
            Array(
                ("-ERR this reply is larger than limits.max_output (\(bytesMax()) bytes) and was dropped; "
                    + "the command was carried out. Ask for less at a time\r\n").utf8))
    }

    /// What was followed of a reply that is too large is not needed.
    private func drop() {
        buffer.removeSubrange(..<followed)
        start = 0
        followed = 0
    }

    private func compact() {
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: buffer.capacity <= 64 << 10)
        } else if start > 0 {
            buffer.removeSubrange(..<start)
        } else {
            return
        }
        followed -= start
        start = 0
    }

    func understand(_ reply: Reply) -> Reply { reply.understood }
}

extension Reply {
    /// What the bytes of a whole reply say: maps and sets as arrays, whatever stands for a text as a string.
    var understood: Reply {
        guard case .framed(let bytes) = self else { return self }
        var position = 0
        return Self.understand(bytes, &position)
    }

    private static func understand(_ bytes: [UInt8], _ position: inout Int) -> Reply {
        let mark = bytes[position]
        guard let end = bytes[position...].firstIndex(of: 13) else {
            preconditionFailure("BUG: a reply that is not whole")
        }
        let line = bytes[position + 1..<end]
        position = end + 2
        let number = line.reduce(0) { $1 == UInt8(ascii: "-") ? $0 : $0 &* 10 &+ Int64($1 &- 48) }
        let isNegative = line.first == UInt8(ascii: "-")
        switch mark {
        case UInt8(ascii: "+"), UInt8(ascii: ","), UInt8(ascii: "("): return .status(Array(line))
        case UInt8(ascii: "-"): return .error(Array(line))
        case UInt8(ascii: ":"): return .integer(isNegative ? -number : number)
        case UInt8(ascii: "#"): return .integer(line.first == UInt8(ascii: "t") ? 1 : 0)
        case UInt8(ascii: "$"), UInt8(ascii: "="), UInt8(ascii: "!"):
            guard !isNegative else { return .null }
            // A verbatim string tells its format first, as `txt:`.
            let head = mark == UInt8(ascii: "=") ? min(4, Int(number)) : 0
            let text = Array(bytes[position + head..<position + Int(number)])
            position += Int(number) + 2
            return mark == UInt8(ascii: "!") ? .error(text) : .string(text)
        case UInt8(ascii: "|"):
            for _ in 0..<number * 2 { _ = understand(bytes, &position) }
            return understand(bytes, &position)
        case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"), UInt8(ascii: "%"):
            guard !isNegative else { return .null }
            return .array(
                (0..<(mark == UInt8(ascii: "%") ? number * 2 : number)).map { _ in understand(bytes, &position) })
        default: return .null
        }
    }

    /// The text of an error, less what marks it as one; nil for every other reply.
    var errorText: [UInt8]? {
        guard isError, case .error(let text) = understood else { return nil }
        return text
    }

    /// The elements of an array.
    var elements: [Reply] { if case .array(let elements) = self { elements } else { [] } }

    /// The bytes of a string or a status.
    var text: [UInt8]? {
        switch self {
        case .string(let bytes), .status(let bytes): bytes
        case .error, .integer, .null, .array, .map, .framed: nil
        }
    }

    var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
}
