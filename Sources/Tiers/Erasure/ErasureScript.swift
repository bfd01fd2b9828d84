// How an erasure finds its messages in the queues of the outbox, and its keys in Redis.

internal import Primitives

/// The script by which a simulation of Redis knows erasures.
public enum ErasureScripts {
    public static var messages: String { ErasureScript.messages }
}

enum ErasureScript {
    /// KEYS: the index of the outbox, a queue. ARGV: its stream, where to begin, how many messages to look at, and a
    /// prefix.
    ///
    /// Answers how many messages of records under the prefix it removed, how many it looked at, and where it ended.
    static let messages = """
        local removed, last = 0, ARGV[2]
        local entries = redis.call('XRANGE', KEYS[2], ARGV[2], '+', 'COUNT', ARGV[3])
        for _, entry in ipairs(entries) do
          last = entry[1]
          for at = 1, #entry[2], 2 do
            if entry[2][at] == 'key' and string.sub(entry[2][at + 1], 1, #ARGV[4]) == ARGV[4] then
              removed = removed + redis.call('XDEL', KEYS[2], last)
            end
          end
        end
        local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
        if not first then
          redis.call('DEL', KEYS[2])
          redis.call('ZREM', KEYS[1], ARGV[1])
        elseif removed > 0 then
          redis.call('ZADD', KEYS[1], 'XX', string.match(first[1], '^%d+'), ARGV[1])
        end
        return {removed, #entries, last}
        """

    /// The pattern of SCAN that exactly the keys under a prefix match.
    static func pattern(_ prefix: [UInt8]) -> [UInt8] {
        var pattern: [UInt8] = []
        for byte in prefix {
            if [UInt8(ascii: "*"), UInt8(ascii: "?"), UInt8(ascii: "["), UInt8(ascii: "\\")].contains(byte) {
                pattern.append(UInt8(ascii: "\\"))
            }
            pattern.append(byte)
        }
        return pattern + [UInt8(ascii: "*")]
    }

    /// Hearth's own keys, which no erasure touches but by `messages`.
    static let own = Array("hearth:".utf8)
}
