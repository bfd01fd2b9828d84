// Compare and set of a record in Redis: the one script by which records are written.
//
// DESIGN §8: every operation is a pure function here; Redis compares the version, and who wrote it, and sets what
// changed. Where it finds another state it answers with that, so that the operation is applied to it and tried again
// in one round trip. Fields are set before others are removed: a Redis that is out of memory refuses the first HSET,
// and so all of it.

internal import Primitives
internal import RedisTier
internal import Resilience
internal import State

/// The scripts by which a simulation of Redis knows records.
public enum RecordScripts {
    public static var text: String { RecordSwap.text }
    public static var digest: [UInt8] { RecordSwap.digest }
    /// DEL, which leaves of a record its version.
    public static var deletion: [UInt8] { Tiers.deletionScript }
}

/// A change of a record from one state to another.
struct RecordSwap {
    /// KEYS: the record. ARGV: the version that must be there, 0 for none and `?` for only looking; the id of the write
    /// that must have made it, or nothing; the life in milliseconds, `-` for one without end and `=` for the one that
    /// it has; how many fields change;
    /// their names and values; names of fields that go.
    ///
    /// Answers OK, or what is there: its fields, its life as PTTL has it, and Redis's time.
    static let text = """
        local key = KEYS[1]
        local kind = redis.call('TYPE', key)['ok']
        local version, operations = '0', ''
        if kind == 'hash' then
          version = redis.call('HGET', key, 'version')
          operations = redis.call('HGET', key, 'operations')
        end
        if kind ~= 'hash' and kind ~= 'none' or not operations or not version or not string.match(version, '^%d+$') then
          return redis.error_reply('WRONGTYPE Operation against a key holding the wrong kind of value')
        end
        if version ~= ARGV[1] or string.sub(operations, 1, #ARGV[2]) ~= ARGV[2] then
          return {redis.call('HGETALL', key), redis.call('PTTL', key), redis.call('TIME')}
        end
        local last = 4 + 2 * tonumber(ARGV[4])
        for at = 5, last, 2 do redis.call('HSET', key, ARGV[at], ARGV[at + 1]) end
        for at = last + 1, #ARGV do redis.call('HDEL', key, ARGV[at]) end
        if ARGV[3] == '-' then redis.call('PERSIST', key)
        elseif ARGV[3] ~= '=' then redis.call('PEXPIRE', key, ARGV[3]) end
        return redis.status_reply('OK')
        """

    static let digest = SHA1Digest(Array(text.utf8)).hexadecimal

    /// What Redis answered.
    enum Answer {
        case done
        /// Another state is there; nil for none. With Redis's own time.
        case other(HeldValue?, now: Timestamp)
        /// The key holds something that is no record.
        case otherType
        /// An error that is the request's own.
        case refused([UInt8])
        /// Redis said that it takes no writes now: nothing was done.
        case unavailable([UInt8])
        case failed(RedisFailure)
    }

    private let from: Record?
    private let to: Record?
    private let expiresAt: Timestamp
    /// Redis's life of the key stays: somebody may have changed it, which is no write of the record.
    private let keepsLife: Bool
    private let brought: [String]

    /// From `held`, which a key holds, to a record; `brought`: fields that are written in any case.
    init(from held: HeldValue?, to: Record, expiresAt: Timestamp, brought: [String] = []) {
        from = held?.record
        self.to = to
        self.expiresAt = expiresAt
        self.brought = brought
        keepsLife = held.map { $0.expiresAt == expiresAt && !$0.isTombstone } ?? false && to.slidingFor == 0
    }

    /// Only looks.
    private init() {
        from = nil
        to = nil
        expiresAt = .never
        keepsLife = true
        brought = []
    }

    static let look = RecordSwap()

    /// The words behind EVALSHA's digest or EVAL's text.
    func words(_ key: [UInt8], now: Timestamp) -> [[UInt8]] {
        let head = [Array("1".utf8), key]
        guard let to else { return head + [Array("?".utf8), [], Array("-".utf8), Array("0".utf8)] }
        let (set, remove) = to.changes(from: from, brought: brought)
        return head
            + [
                decimal(from?.version ?? 0), Array((from?.operations.first?.text ?? "").utf8), life(of: to, now),
                decimal(Int64(set.count)),
            ] + set.flatMap { [$0.name, $0.value] } + remove
    }

    /// Redis's life is a tenth longer where uses extend it, so that it does not end first (DESIGN §5).
    private func life(of record: Record, _ now: Timestamp) -> [UInt8] {
        if keepsLife { return Array("=".utf8) }
        guard expiresAt != .never else { return Array("-".utf8) }
        let life = expiresAt.milliseconds(since: now)
        return decimal(record.slidingFor > 0 ? life + life / 10 : life)
    }

    private func decimal(_ value: Int64) -> [UInt8] { Array(String(value).utf8) }
}

extension Tiers {
    /// Sends a swap, and judges what comes of it for the breaker; `late` hears of an answer after the deadline.
    func send(
        _ swap: RecordSwap, _ key: [UInt8], _ redis: RedisConnection, _ permit: Permit, byDigest: Bool = true,
        timeout: Int64? = nil,
        late: ((RecordSwap.Answer) -> Void)? = nil, _ completion: @escaping (RecordSwap.Answer) -> Void
    ) {
        let started = scheduler.monotonicNanoseconds
        let sentAt = scheduler.now
        let head =
            byDigest
            ? [Array("EVALSHA".utf8), RecordSwap.digest] : [Array("EVAL".utf8), Array(RecordSwap.text.utf8)]
        var request = RequestEncoder()
        request.append(head + swap.words(key, now: sentAt))
        let hears = late.map { late in { (replies: [Reply]) in late(Self.understand(replies[0], sentAt: sentAt)) } }
        redis.send(request, timeoutNanoseconds: timeout ?? limits.timeout, late: hears) { [self] result in
            let now = scheduler.monotonicNanoseconds
            let elapsed = scheduler.waitedNanoseconds(since: started)
            switch result {
            case .failure(let failure):
                breaker.failed(permit, failure, now: now, elapsed: elapsed)
                share.doubtful.note(failure, now: now)
                completion(.failed(failure))
            case .success(let replies):
                counters.redisLatency.record(UInt64(max(0, now - started)))
                if case .error(let text) = replies[0] {
                    if byDigest, text.starts(with: "NOSCRIPT".utf8) {
                        return send(
                            swap, key, redis, permit, byDigest: false, timeout: timeout, late: late, completion)
                    }
                    let isOwn = breaker.judge(permit, error: text, now: now, elapsed: elapsed)
                    if text.starts(with: "WRONGTYPE".utf8) { return completion(.otherType) }
                    return completion(isOwn ? .refused(text) : .unavailable(text))
                }
                breaker.succeeded(permit, now: now, elapsed: elapsed)
                completion(Self.understand(replies[0], sentAt: sentAt))
            }
        }
    }

    private static func understand(_ reply: Reply, sentAt: Timestamp) -> RecordSwap.Answer {
        switch reply {
        case .status: return .done
        case .error(let text): return .refused(text)
        case .array(let parts):
            guard parts.count == 3, case .array(let fields) = parts[0], case .integer(let life) = parts[1],
                case .array(let time) = parts[2], time.count == 2, let seconds = time[0].number,
                let microseconds = time[1].number
            else { break }
            let now = Timestamp(milliseconds: seconds * 1000 + microseconds / 1000)
            if fields.isEmpty { return .other(nil, now: now) }
            guard let record = Record(hash: fields) else { return .otherType }
            let expiresAt: Timestamp =
                life < 0 ? .never : min(sentAt.advanced(byMilliseconds: life), .latest)
            return .other(HeldValue(record, expiresAt: expiresAt), now: now)
        default: break
        }
        return .refused(Array("ERR Redis answered a script with something else than was asked".utf8))
    }
}

extension Reply {
    /// A number that came as text.
    fileprivate var number: Int64? {
        if case .string(let bytes) = self { Int64(String(decoding: bytes, as: UTF8.self)) } else { nil }
    }
}

extension Record {
    /// The record of HGETALL's answer; nil where the hash is none.
    init?(hash: [Reply]) {
        var fields: [Field] = []
        for index in stride(from: 0, to: hash.count - 1, by: 2) {
            guard case .string(let name) = hash[index], case .string(let value) = hash[index + 1] else { return nil }
            fields.append((name, value))
        }
        self.init(fields: fields)
    }
}
