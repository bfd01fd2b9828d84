// Bytes of Redis to replies, by hiredis' own reader.

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
    /// What a reply says, where it was left as its bytes.
    func understand(_ reply: Reply) -> Reply
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
        if skipQueued() { return Self.queued }
        var raw: UnsafeMutableRawPointer?
        guard redisReaderGetReply(reader, &raw) == REDIS_OK else { throw failure }
        guard let raw else { return nil }
        defer { freeReplyObject(raw) }
        return Self.reply(raw.assumingMemoryBound(to: redisReply.self))
    }

    private static let queued = Reply.status("QUEUED")

    /// Passes over a `+QUEUED`, of which a transaction has one for each command: they were most of the replies that
    /// were made, and nobody reads them. Only between replies, and where all of it has come.
    private func skipQueued() -> Bool {
        let text: StaticString = "+QUEUED\r\n"
        let count = text.utf8CodeUnitCount
        guard reader.pointee.ridx == -1, reader.pointee.err == 0, let buffer = reader.pointee.buf,
            reader.pointee.len - reader.pointee.pos >= count,
            UnsafeRawBufferPointer(start: buffer + Int(reader.pointee.pos), count: count)
                .elementsEqual(UnsafeRawBufferPointer(start: text.utf8Start, count: count))
        else { return false }
        reader.pointee.pos += count
        return true
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
