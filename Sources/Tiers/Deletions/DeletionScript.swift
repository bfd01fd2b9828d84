// What deletions tell the stream of deletions in Redis, and the scripts that do so.
//
// `hearth:deletions` is one stream for all sidecars of a Redis database, of about so many entries (`MAXLEN ~`):
//
// | field | what |
// |---|---|
// | `by` | who deleted: 16 hexadecimal digits of a process, `:`, and the number that it gave the request, or 0 |
// | `keys` | 16 hexadecimal digits for each key: the first half of its SHA-1 |
// | `all` | in the place of `keys`: every key |
// | `age` | what is told again of an earlier stream: milliseconds since the deletion, at most |
// | `begin` | in the place of all: the stream began with this entry, in this process of Redis (its run id) |
//
// DESIGN. The entry is appended by the script that deletes, so that both are done or neither; also where there was no
// such key, since some disk may have what Redis has lost. The append is tried with `pcall`: a deletion that was done is
// never answered with the error of what stands beside it (a user without XADD, a key of another type), and the reader,
// which meets the same error, tells the log. Keys go as hashes, made by Redis: an erasure leaves no name behind.
//
// Source: https://redis.io/docs/data-types/streams/ (ids, trimming of whole nodes).

internal import Primitives

/// The scripts by which a simulation of Redis knows deletions.
public enum DeletionScripts {
    public static var deletion: [UInt8] { DeletionScript.deletion }
    public static var getDelete: [UInt8] { DeletionScript.getDelete }
    public static var note: [UInt8] { DeletionScript.note }
    public static var join: [UInt8] { DeletionScript.join }
    public static var promotion: [UInt8] { DeletionScript.promotion }
    /// The stream's key.
    public static var stream: [UInt8] { DeletionScript.stream }
}

enum DeletionScript {
    static let stream = Array("hearth:deletions".utf8)

    /// Appends an entry for keys; nothing where `max` is 0.
    static let telling = """
        local function tell(keys, by, max)
          if max == '0' then return end
          local hashes = {}
          for i, key in ipairs(keys) do hashes[i] = string.sub(redis.sha1hex(key), 1, 16) end
          redis.pcall('XADD', 'hearth:deletions', 'MAXLEN', '~', max, '*', 'by', by, 'keys', table.concat(hashes))
        end
        """

    /// DEL, which leaves of a record what its version and its fence go on from. KEYS: the keys. ARGV: the life of what
    /// is left in milliseconds, who deletes, the stream's length.
    static let deletion = Array(
        """
        \(telling)
        local n = 0
        for _, key in ipairs(KEYS) do
          local kept = redis.call('TYPE', key)['ok'] == 'hash'
            and redis.call('HMGET', key, 'version', 'created_ms', 'updated_ms', 'fence', 'operations', 'deleted')
          if kept and kept[5] and kept[1] and string.match(kept[1], '^%d+$') then
            if not kept[6] then
              n = n + 1
              redis.call('UNLINK', key)
              redis.call('HSET', key, 'version', kept[1], 'created_ms', kept[2] or '0',
                'updated_ms', kept[3] or '0', 'fence', kept[4] or '0', 'operations', kept[5], 'deleted', '1')
              redis.call('HINCRBY', key, 'version', 1)
              redis.call('PEXPIRE', key, ARGV[1])
            end
          else
            n = n + redis.call('UNLINK', key)
          end
        end
        tell(KEYS, ARGV[2], ARGV[3])
        return n
        """.utf8)

    /// GETDEL. KEYS: the key. ARGV: who deletes, the stream's length.
    static let getDelete = Array(
        """
        \(telling)
        local value = redis.pcall('GET', KEYS[1])
        if type(value) == 'table' then return value end
        redis.call('UNLINK', KEYS[1])
        tell(KEYS, ARGV[1], ARGV[2])
        return value
        """.utf8)

    /// Tells of keys that another command deletes; without any, of all. ARGV: who deletes, the stream's length.
    static let note = Array(
        """
        \(telling)
        if #KEYS > 0 then tell(KEYS, ARGV[1], ARGV[2])
        elseif ARGV[2] ~= '0' then
          redis.pcall('XADD', 'hearth:deletions', 'MAXLEN', '~', ARGV[2], '*', 'by', ARGV[1], 'all', '1')
        end
        return 0
        """.utf8)

    /// Begins the stream where there is none. KEYS: the stream. ARGV: the run id of the process that is asked.
    ///
    /// Answers the first entry's id, the run id in which the stream began where that entry tells it, the last id, and
    /// whether it began just now.
    static let join = Array(
        """
        local first, begun = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1], 0
        if not first then
          begun = 1
          redis.call('XADD', KEYS[1], '*', 'begin', ARGV[1])
          first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
        end
        local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
        return {first[1], first[2][1] == 'begin' and first[2][2] or '', last[1], begun}
        """.utf8)

    /// The most deletions since a sidecar last looked that a promotion is compared with.
    static let comparedMax = 1000

    /// Gives Redis back what it has lost, unless it was deleted. KEYS: the key, the stream. ARGV: the last entry of the
    /// stream that is known, or nothing where there is no stream; the key's hash; its life in milliseconds, or 0; `s`
    /// and a value, or `h` and names and values of fields.
    ///
    /// Answers OK; `OTHER` where Redis has the key; `DELETED`; `BEHIND` where more has to be read before anybody knows.
    static let promotion = Array(
        """
        if redis.call('EXISTS', KEYS[1]) == 1 then return redis.status_reply('OTHER') end
        if ARGV[1] ~= '' then
          local entries = redis.call('XRANGE', KEYS[2], ARGV[1], '+', 'COUNT', \(comparedMax + 1))
          if not entries[1] or entries[1][1] ~= ARGV[1] or #entries > \(comparedMax) then
            return redis.status_reply('BEHIND')
          end
          for i = 2, #entries do
            local fields = entries[i][2]
            for at = 1, #fields, 2 do
              if fields[at] == 'all' or fields[at] == 'keys' and string.find(fields[at + 1], ARGV[2], 1, true) then
                return redis.status_reply('DELETED')
              end
            end
          end
        end
        if ARGV[4] == 's' then
          local reply = redis.pcall('SET', KEYS[1], ARGV[5])
          if reply['err'] then return reply end
        end
        for at = 5, #ARGV - 1, 2 do
          local reply = redis.pcall('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
          if type(reply) == 'table' then return reply end
        end
        if ARGV[3] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
        return redis.status_reply('OK')
        """.utf8)

    /// EVAL of a script with its keys and what follows them.
    static func words(_ script: [UInt8], keys: [[UInt8]], _ rest: [[UInt8]]) -> [[UInt8]] {
        [Array("EVAL".utf8), script, decimal(keys.count)] + keys + rest
    }

    static func decimal(_ value: Int) -> [UInt8] { Array(String(value).utf8) }
}

/// What the stream calls a key: the first 64 bits of its SHA-1.
struct DeletedKey: Hashable, Sendable {
    var rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }

    init(_ key: [UInt8]) {
        rawValue = SHA1Digest(key).bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Of 16 hexadecimal digits; nil for anything else.
    init?(hexadecimal: some Collection<UInt8>) {
        guard hexadecimal.count == 16, let value = UInt64(String(decoding: hexadecimal, as: UTF8.self), radix: 16)
        else { return nil }
        rawValue = value
    }

    var hexadecimal: [UInt8] { Self.hexadecimal(rawValue) }

    static func hexadecimal(_ value: UInt64) -> [UInt8] {
        let text = Array(String(value, radix: 16).utf8)
        return Array(repeating: UInt8(ascii: "0"), count: 16 - text.count) + text
    }

    /// It is a hash already.
    func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }
}
