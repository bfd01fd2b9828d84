// Where messages wait in Redis for streams that do not take them, and the script that delivers them.
//
// | key | what |
// |---|---|
// | `hearth:outbox` | a sorted set: the streams that messages wait for, each since when, in milliseconds since 1970 |
// | `hearth:outbox:<stream>` | a stream: the messages that wait for that one, in the order of their writes |
//
// DESIGN. A message goes to its stream in the script that changes its record, so that both are there or neither. Where
// the stream refuses it (a key of another type, no permission) it is put into the stream's queue instead, by the same
// script, and every later message behind it, so that their order stays. A queue belongs to nobody: whichever sidecar
// looks next delivers it, one script for each batch, so that a message is in its queue or in its stream. Nothing of it
// lies in the record: that may expire, be deleted or be replaced meanwhile.

internal import Primitives
internal import State

/// The scripts by which a simulation of Redis knows the outbox.
public enum OutboxScripts {
    public static var text: String { OutboxScript.text }
    public static var digest: [UInt8] { OutboxScript.digest }
}

enum OutboxScript {
    /// The streams that are waited for.
    static let index = Array("hearth:outbox".utf8)

    /// Where messages wait for `stream`.
    static func queue(of stream: [UInt8]) -> [UInt8] { index + [UInt8(ascii: ":")] + stream }

    /// How many messages may wait for one stream; those of a replay are not counted against it.
    static let messagesMax = 10_000
    /// How many streams may be waited for.
    static let streamsMax = 1_000
    /// Messages that one script delivers.
    static let batchMax = 16

    /// Appends a message to its stream; whether the stream took it, or why not. A Redis that takes no writes at all
    /// ends the script with its error, as long as nothing was written.
    static let addition = """
        local function add(stream, maxlen, id, key, version, payload)
          local words = {'XADD', stream}
          if maxlen ~= '0' then
            words[3], words[4], words[5] = 'MAXLEN', '~', maxlen
          end
          for _, word in ipairs({'*', 'id', id, 'key', key, 'version', version, 'payload', payload}) do
            words[#words + 1] = word
          end
          local reply = redis.pcall(unpack(words))
          if type(reply) == 'table' and reply['err'] then return false, reply['err'] end
          return true
        end
        """

    /// KEYS: the index, a queue. ARGV: its stream, how many messages to deliver at most.
    ///
    /// Answers how many it delivered, how many are left, and why the next one was refused, or nothing.
    static let text = """
        \(addition)
        local delivered, failure = 0, ''
        for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[2])) do
          local message = {}
          for at = 1, #entry[2], 2 do message[entry[2][at]] = entry[2][at + 1] end
          local isDone, reason = add(ARGV[1], message['maxlen'], message['id'], message['key'], message['version'],
            message['payload'])
          if not isDone then
            failure = reason
            break
          end
          redis.call('XDEL', KEYS[2], entry[1])
          delivered = delivered + 1
        end
        local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
        if not first then
          redis.call('DEL', KEYS[2])
          redis.call('ZREM', KEYS[1], ARGV[1])
        elseif delivered > 0 then
          redis.call('ZADD', KEYS[1], string.match(first[1], '^%d+'), ARGV[1])
        end
        return {delivered, redis.call('XLEN', KEYS[2]), failure}
        """

    static let digest = SHA1Digest(Array(text.utf8)).hexadecimal
}

/// Messages that go with one change of a record.
struct OutboxBatch {
    var messages: [OutboxMessage] = []
    /// The length to which their streams are trimmed; nil for none.
    var maxLength: Int?
    /// They were accepted before (a replay): however many wait, they are taken.
    var isAccepted = false

    /// The keys of the index and the queues, and what the script of a swap is told of the messages.
    var words: (keys: [[UInt8]], arguments: [[UInt8]]) {
        func decimal(_ value: Int) -> [UInt8] { Array(String(value).utf8) }
        let limit = isAccepted ? Int(Int32.max) : OutboxScript.messagesMax
        let streamLimit = isAccepted ? Int(Int32.max) : OutboxScript.streamsMax
        var keys: [[UInt8]] = []
        var places: [[UInt8]: Int] = [:]
        var arguments = [decimal(messages.count), decimal(limit), decimal(streamLimit), decimal(maxLength ?? 0)]
        for message in messages {
            if keys.isEmpty { keys = [OutboxScript.index] }
            let place = places[message.stream] ?? keys.count + 2
            if places.updateValue(place, forKey: message.stream) == nil {
                keys.append(OutboxScript.queue(of: message.stream))
            }
            arguments += [
                decimal(place), message.stream, Array(message.id.text.utf8), decimal(Int(message.version)),
                message.payload,
            ]
        }
        return (keys, arguments)
    }
}

/// What a policy says of the messages of its keys.
public struct OutboxPolicy: Sendable, Equatable {
    /// The largest payload of a message, in bytes.
    public var maxPayload = 64 << 10
    /// The length to which a stream is trimmed as a message is appended, about; nil leaves it alone.
    public var maxLength: Int?

    public init() {}

    /// The refusal of a message of so many bytes.
    public func tooBig(_ count: Int) -> String {
        "TOOBIG the message of EMIT has \(count) bytes, \(maxPayload) are allowed (outbox.max_payload of its policy): "
            + "send a reference in it, or raise the limit"
    }
}
