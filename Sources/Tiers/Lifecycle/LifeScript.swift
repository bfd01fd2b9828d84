// EXPIRE and its like in Redis, where more has to be known of the key than they know.
//
// DESIGN: Redis's own commands neither know a record's creation nor leave a tombstone of it. A script reads both with
// the key's end, judges the condition itself, and sets the end: as one, so that nobody comes between.

internal import Primitives
internal import State

enum LifeScript {
    /// KEYS: the key. ARGV: the end in milliseconds since 1970; the retention of its policy in milliseconds, or 0; the
    /// life of a tombstone; who deletes, where it has come to that, and the length of the stream of deletions; then NX,
    /// XX, GT and LT as they were given.
    ///
    /// Answers 1 where the key has the end that was asked for, or its hard one, and 0 where nothing was done.
    static let text = Array(
        """
        \(DeletionScript.telling)
        local key, at = KEYS[1], tonumber(ARGV[1])
        local life = redis.call('PTTL', key)
        if life == -2 then return 0 end
        local kept = redis.call('TYPE', key)['ok'] == 'hash'
          and redis.call('HMGET', key, 'version', 'created_ms', 'updated_ms', 'fence', 'operations', 'deleted')
        local record = kept and kept[5] and kept[1] and string.match(kept[1], '^%d+$')
        if record and kept[6] then return 0 end
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local retention = tonumber(ARGV[2])
        if retention > 0 then
          local hard = now + (life == -1 and retention or life)
          if record and tonumber(kept[2] or '') then hard = kept[2] + retention end
          if at > hard then at = hard end
        end
        for i = 6, #ARGV do
          if ARGV[i] == 'NX' and life ~= -1 or ARGV[i] == 'XX' and life == -1
            or ARGV[i] == 'GT' and (life == -1 or at <= now + life) or ARGV[i] == 'LT' and life ~= -1
            and at >= now + life then return 0 end
        end
        if at > now then return redis.call('PEXPIREAT', key, string.format('%.0f', at)) end
        redis.call('UNLINK', key)
        if record then
          redis.call('HSET', key, 'version', kept[1], 'created_ms', kept[2] or '0', 'updated_ms', kept[3] or '0',
            'fence', kept[4] or '0', 'operations', kept[5], 'deleted', '1')
          redis.call('HINCRBY', key, 'version', 1)
          redis.call('PEXPIRE', key, ARGV[3])
        end
        tell(KEYS, ARGV[4], ARGV[5])
        return 1
        """.utf8)

    /// The words of the command that gives `key` this end, within its policy's retention.
    static func expire(
        _ key: [UInt8], at time: Timestamp, _ condition: ExpireCondition = [], retention: Int64?, deleter: [[UInt8]]
    ) -> [[UInt8]] {
        func decimal(_ value: Int64) -> [UInt8] { Array(String(value).utf8) }
        let conditions: [(ExpireCondition, String)] = [
            (.ifNone, "NX"), (.ifSome, "XX"), (.ifGreater, "GT"), (.ifLess, "LT"),
        ]
        return [
            Array("EVAL".utf8), text, [UInt8(ascii: "1")], key, decimal(min(time, .latest).milliseconds),
            decimal(retention ?? 0), decimal(RecordRules.tombstoneLife),
        ] + deleter + conditions.filter { condition.contains($0.0) }.map { Array($0.1.utf8) }
    }
}

extension Tiers {
    /// The command that gives a key an end in Redis, and tells the stream of deletions where that is over.
    func expiry(
        of key: [UInt8], at time: Timestamp, _ condition: ExpireCondition = [], retention: Int64?, ticket: UInt64
    ) -> [[UInt8]] {
        LifeScript.expire(
            key, at: time, condition, retention: retention, deleter: share.deletions.words(ticket: ticket))
    }

    /// The commands that a native one becomes under a retention; nil where it goes as it would without.
    func withRetention(_ native: NativeCommand, ticket: UInt64) -> [[[UInt8]]]? {
        switch native.command {
        case .write(let write, let key):
            guard let retention = policies.policies[policies.index(for: key)].retention?.milliseconds else {
                return nil
            }
            return withRetention(native, write, key, retention, ticket)
        case .rename(let from, let to, _):
            guard let retention = policies.policies[policies.index(for: to)].retention?.milliseconds else {
                return nil
            }
            // A key of another policy may come with a life that is longer, or with none.
            return [native.arguments, expiry(of: to, at: .latest, retention: retention, ticket: 0)]
                + note([from], ticket: ticket)
        case .read, .count, .getMany, .deleteMany, .setMany, .countAll, .removeAll: return nil
        }
    }

    private func withRetention(
        _ native: NativeCommand, _ write: StringWrite, _ key: [UInt8], _ retention: Int64, _ ticket: UInt64
    ) -> [[[UInt8]]]? {
        let now = scheduler.now
        switch write {
        case .set(_, .keep, _, _), .increment, .incrementFloat, .append, .setRange:
            // What has no end has just been made, or is older than the policy.
            return [native.arguments, Self.giveLife(key, retention)]
        case .set(let value, .at(let time), let condition, let reply) where time.milliseconds(since: now) > retention:
            var words = [Array("SET".utf8), key, value, Array("PX".utf8), Array(String(retention).utf8)]
            if condition == .ifAbsent { words.append(Array("NX".utf8)) }
            if condition == .ifPresent { words.append(Array("XX".utf8)) }
            if reply == .old { words.append(Array("GET".utf8)) }
            return [words]
        case .expire(let time, let condition):
            return [expiry(of: key, at: time, condition, retention: retention, ticket: ticket)]
        // To the hard end, where that is later: a record's may be.
        case .persist: return [expiry(of: key, at: .latest, .ifGreater, retention: retention, ticket: ticket)]
        case .getExpire(.at(let time)):
            return [[Array("GET".utf8), key], expiry(of: key, at: time, retention: retention, ticket: ticket)]
        case .getExpire(.clear): return [[Array("GET".utf8), key]]
        case .set, .delete, .getDelete, .getExpire(.keep), .record, .throttle: return nil
        }
    }

    /// Lengthens a record's life up to its hard end, never shortens one, and gives none to a key without. ARGV: the
    /// life that a read gives, the retention.
    static let retainedExtensionScript = Array(
        """
        local life, wanted = redis.call('PTTL', KEYS[1]), tonumber(ARGV[1])
        local created = redis.call('TYPE', KEYS[1])['ok'] == 'hash' and redis.call('HGET', KEYS[1], 'created_ms')
        if not tonumber(created or '') then return 0 end
        local time = redis.call('TIME')
        wanted = math.min(wanted, created + ARGV[2] - time[1] * 1000 - math.floor(time[2] / 1000))
        if life > 0 and life < wanted then
          return redis.call('PEXPIRE', KEYS[1], string.format('%.0f', wanted))
        end
        return 0
        """.utf8)
}
