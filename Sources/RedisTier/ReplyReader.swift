// Bytes of Redis to replies, by hiredis' own reader; of those that come often, by looking at them where they lie.

internal import CHiredis
public import Primitives

/// What makes replies of the bytes that Redis sent; belongs to one connection's thread.
///
/// Errors are final: after a malformed reply nothing that follows can be trusted, and the connection must end.
public protocol ReplySource: AnyObject {
    /// Takes bytes that came from Redis.
    func feed(_ bytes: UnsafeRawBufferPointer) throws(RedisFailure)
    /// The next whole reply; nil when more bytes are needed.
    func next() throws(RedisFailure) -> Reply?
    /// Passes over replies that say `QUEUED` and nothing else, as long as they come one after another; how many.
    func passQueued(atMost limit: Int) -> Int
    /// What a reply says, where it was left as its bytes.
    func understand(_ reply: Reply) -> Reply
}

extension ReplySource {
    public func passQueued(atMost limit: Int) -> Int { 0 }
}

/// The incremental reply reader of hiredis; belongs to one connection's thread.
///
/// Errors are final: after a malformed reply nothing that follows can be trusted, and the connection must end.
public final class ReplyReader: ReplySource {
    private let reader: UnsafeMutablePointer<redisReader>

    public init() {
        guard let reader = redisReaderCreate() else { preconditionFailure("no memory for a reply reader") }
        self.reader = reader
    }

    deinit { redisReaderFree(reader) }

    /// Takes bytes that came from Redis.
    public func feed(_ bytes: UnsafeRawBufferPointer) throws(RedisFailure) {
        guard bytes.count > 0 else { return }
        let code = redisReaderFeed(reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        guard code == REDIS_OK else { throw failure }
    }

    /// The next whole reply; nil when more bytes are needed.
    public func next() throws(RedisFailure) -> Reply? {
        if isBetweenReplies, let reply = takeOK() ?? takeFlat() { return reply }
        var raw: UnsafeMutableRawPointer?
        guard redisReaderGetReply(reader, &raw) == REDIS_OK else { throw failure }
        guard let raw else { return nil }
        defer { freeReplyObject(raw) }
        return Self.reply(raw.assumingMemoryBound(to: redisReply.self))
    }

    private var isBetweenReplies: Bool { reader.pointee.err == 0 && hearth_reader_is_between_replies(reader) != 0 }

    /// A transaction has one `+QUEUED` for each command: they were most of the replies that were made, and nobody reads
    /// them. Only between replies, and where all of it has come.
    public func passQueued(atMost limit: Int) -> Int {
        guard limit > 0, isBetweenReplies, let buffer = reader.pointee.buf else { return 0 }
        let rest = UnsafeRawBufferPointer(
            start: buffer + Int(reader.pointee.pos), count: Int(reader.pointee.len) - Int(reader.pointee.pos))
        let length = 9
        var count = 0
        // "+QUEUED\r", and "\n" behind it.
        while count < limit, (count + 1) * length <= rest.count,
            rest.loadUnaligned(fromByteOffset: count * length, as: UInt64.self)
                == UInt64(littleEndian: 0x0D44_4555_4555_512B), rest[count * length + 8] == 10
        {
            count += 1
        }
        reader.pointee.pos += count * length
        return count
    }

    /// The `+OK` that comes next, as after every write; the same each time.
    private func takeOK() -> Reply? {
        guard let buffer = reader.pointee.buf, reader.pointee.len - reader.pointee.pos >= 5 else { return nil }
        let place = UnsafeRawPointer(buffer + Int(reader.pointee.pos))
        // "+OK\r", and "\n" behind it.
        guard place.loadUnaligned(as: UInt32.self) == UInt32(littleEndian: 0x0D4B_4F2B),
            place.load(fromByteOffset: 4, as: UInt8.self) == 10
        else { return nil }
        reader.pointee.pos += 5
        return .ok
    }

    /// The string, nil or integer that comes next, or the array of them, where all of it is there: what reads are
    /// answered with, and transactions of reads, which may have such arrays within. hiredis would make an object of
    /// each, and a copy of each string, of which ours is made.
    private func takeFlat() -> Reply? {
        guard let buffer = reader.pointee.buf else { return nil }
        let start = Int(reader.pointee.pos)
        let rest = UnsafeRawBufferPointer(start: buffer + start, count: Int(reader.pointee.len) - start)
        guard let (reply, count) = FlatReply.read(rest) else { return nil }
        reader.pointee.pos += count
        return reply
    }

    public func understand(_ reply: Reply) -> Reply { reply }

    private var failure: RedisFailure {
        let text = withUnsafeBytes(of: &reader.pointee.errstr) { raw in
            String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
        }
        return RedisFailure(.protocolError, mayHaveBeenSent: true, detail: text)
    }

    private static func reply(_ raw: UnsafePointer<redisReply>) -> Reply {
        let reply = raw.pointee
        switch reply.type {
        case REDIS_REPLY_STRING: return .string(bytes(reply))
        case REDIS_REPLY_STATUS: return .status(bytes(reply))
        case REDIS_REPLY_ERROR: return .error(ScriptError.cause(bytes(reply)))
        case REDIS_REPLY_INTEGER: return .integer(reply.integer)
        case REDIS_REPLY_ARRAY:
            return .array(
                (0..<Int(reply.elements)).map { index in
                    guard let element = reply.element[index] else { return .null }
                    return Self.reply(element)
                })
        default: return .null
        }
    }

    private static func bytes(_ reply: redisReply) -> [UInt8] {
        // `len` is int in hiredis 0.14 and size_t in 1.x.
        let count = Int(reply.len)
        guard let text = reply.str, count > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            UnsafeMutableRawPointer(buffer.baseAddress)?.copyMemory(from: text, byteCount: count)
            initialized = count
        }
    }
}

/// Strings, nils and integers, arrays of them, and arrays that have such arrays within, read where all of it has come.
/// Whatever else there is, is hiredis' to judge.
private enum FlatReply {
    /// The most elements, those of arrays within among them: longer ones are worth hiredis' way.
    private static let elementsMax: Int64 = 65_536

    /// The reply with which `bytes` begin, and its length; nil where they begin with anything else, or it is not whole.
    static func read(_ bytes: UnsafeRawBufferPointer) -> (Reply, count: Int)? {
        // Looked through before anything is made of it: what has come in part is hiredis' from its first byte on.
        var room = elementsMax
        guard let end = end(of: 0, in: bytes, depth: 0, &room) else { return nil }
        var position = 0
        return (element(at: &position, of: bytes), end)
    }

    private static func end(of position: Int, in bytes: UnsafeRawBufferPointer, depth: Int, _ room: inout Int64) -> Int?
    {
        guard position < bytes.count else { return nil }
        switch bytes[position] {
        case UInt8(ascii: ":"): return line(bytes, position, UInt8(ascii: ":"))?.end
        case UInt8(ascii: "$"):
            guard let head = line(bytes, position, UInt8(ascii: "$")), head.number >= -1 else { return nil }
            guard head.number >= 0 else { return head.end }
            guard head.number <= bytes.count - head.end - 2 else { return nil }
            let end = head.end + Int(head.number)
            return bytes[end] == 13 && bytes[end + 1] == 10 ? end + 2 : nil
        case UInt8(ascii: "*") where depth < 2:
            guard let head = line(bytes, position, UInt8(ascii: "*")), head.number >= 0, head.number <= room else {
                return nil
            }
            room -= head.number
            var end = head.end
            for _ in 0..<head.number {
                guard let next = self.end(of: end, in: bytes, depth: depth + 1, &room) else { return nil }
                end = next
            }
            return end
        default: return nil
        }
    }

    /// An element that was looked through before.
    private static func element(at position: inout Int, of bytes: UnsafeRawBufferPointer) -> Reply {
        let mark = bytes[position]
        guard let head = line(bytes, position, mark) else {
            preconditionFailure("BUG: a reply changed while it was read")
        }
        position = head.end
        if mark == UInt8(ascii: ":") { return .integer(head.number) }
        guard head.number >= 0 else { return .null }
        if mark == UInt8(ascii: "*") {
            return .array(
                [Reply](unsafeUninitializedCapacity: Int(head.number)) { elements, initialized in
                    for index in 0..<Int(head.number) {
                        (elements.baseAddress! + index).initialize(to: element(at: &position, of: bytes))
                    }
                    initialized = Int(head.number)
                })
        }
        let start = position
        position += Int(head.number) + 2
        return .string(Array(UnsafeRawBufferPointer(rebasing: bytes[start..<start + Int(head.number)])))
    }

    /// The number behind a mark at `position`, and where its line ends; nil for what is no such line, or not whole.
    private static func line(
        _ bytes: UnsafeRawBufferPointer, _ position: Int, _ mark: UInt8
    ) -> (number: Int64, end: Int)? {
        guard position < bytes.count, bytes[position] == mark else { return nil }
        var cursor = position + 1
        let isNegative = cursor < bytes.count && bytes[cursor] == UInt8(ascii: "-")
        if isNegative { cursor += 1 }
        let first = cursor
        var number: Int64 = 0
        // Eighteen digits fit whatever they are; more are hiredis' to judge.
        while cursor < bytes.count, cursor < first + 18 {
            let digit = Int64(bytes[cursor]) - 48
            guard digit >= 0, digit < 10 else { break }
            number = number * 10 + digit
            cursor += 1
        }
        guard cursor > first, cursor + 1 < bytes.count, bytes[cursor] == 13, bytes[cursor + 1] == 10 else { return nil }
        // Redis writes no zeros in front, and hiredis refuses them.
        guard bytes[first] != 48 || cursor == first + 1 && !isNegative else { return nil }
        return (isNegative ? -number : number, cursor + 2)
    }
}

/// Errors of commands within scripts, as Redis up to 6.2 wraps them.
enum ScriptError {
    private static let head = Array("ERR Error running script".utf8)
    private static let place = Array("@user_script:".utf8)

    /// The error of the command that failed in a script, as Redis 7 answers it; any other text as it is.
    ///
    /// `ERR Error running script (call to f_…): @user_script:12: OOM command not allowed …` is one that says what it is
    /// only at its end: who judges errors by their first word would take it for the request's own.
    static func cause(_ text: [UInt8]) -> [UInt8] {
        guard text.starts(with: head) else { return text }
        var rest = text[...]
        while let start = rest.firstRange(of: place) {
            rest = rest[start.upperBound...].drop { $0 == UInt8(ascii: " ") || (48...57).contains($0) }.dropFirst()
            rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "-") }
        }
        let word = rest.prefix { $0 != UInt8(ascii: " ") }
        let isCode = word.count >= 3 && word.allSatisfy { (65...90).contains($0) }
        return isCode ? Array(rest) : text
    }
}
