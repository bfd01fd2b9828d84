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
    public static var deletion: [UInt8] { DeletionScript.deletion }
}

/// A change of a record from one state to another.
struct RecordSwap {
    /// KEYS: the record; where there are messages the index of those that wait, and the queues of their streams. (The
    /// streams themselves are not among them: Redis would refuse the script where one may not be written.)
    ///
    /// ARGV: the version that must be there and the schema of its value (`7:0`; a migration changes the second alone),
    /// 0 for none and `?` for only looking; the id of the write that must have made it, or nothing; the life in
    /// milliseconds, `-` for one without end and `=` for the one that it has; who deletes, should it be a deletion, and
    /// the length of the stream of deletions; how many messages there are, how many may wait for a stream, how many
    /// streams may be waited for, and the length to which a stream is trimmed, or 0; for each message the place of its
    /// queue among the keys, stream, id, version and payload; how many fields change; their names and values; names of
    /// fields that go.
    ///
    /// Answers OK, `WAITING n` where so many messages wait for their streams, or what is there: its fields, its life as
    /// PTTL has it, and Redis's time.
    static let text = """
        \(OutboxScript.addition)
        \(DeletionScript.telling)
        local key = KEYS[1]
        local kind = redis.call('TYPE', key)['ok']
        local version, operations, schema = '0', '', '0'
        if kind == 'hash' then
          version = redis.call('HGET', key, 'version')
          operations = redis.call('HGET', key, 'operations')
          schema = redis.call('HGET', key, 'schema') or '0'
        end
        if kind ~= 'hash' and kind ~= 'none' or not operations or not version or not string.match(version, '^%d+$') then
          return redis.error_reply('WRONGTYPE Operation against a key holding the wrong kind of value')
        end
        if version .. ':' .. schema ~= ARGV[1] or string.sub(operations, 1, #ARGV[2]) ~= ARGV[2] then
          return {redis.call('HGETALL', key), redis.call('PTTL', key), redis.call('TIME')}
        end
        local messages = tonumber(ARGV[6])
        for place = 3, #KEYS do
          local waiting = redis.call('XLEN', KEYS[place])
          if waiting + messages > tonumber(ARGV[7]) then
            return redis.error_reply('TOOBIG ' .. waiting .. ' messages wait for the stream of EMIT, '
              .. ARGV[7] .. ' may: it does not take them; see what it holds and who may write it, and send this again')
          end
          if waiting == 0 and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[8]) then
            return redis.error_reply('TOOBIG messages wait for ' .. ARGV[8]
              .. ' streams that do not take them, no more may: see ZRANGE ' .. KEYS[2] .. ' 0 -1, and send this again')
          end
        end
        local first = 11 + 5 * messages
        local last = first - 1 + 2 * tonumber(ARGV[first - 1])
        for at = first, last, 2 do
          redis.call('HSET', key, ARGV[at], ARGV[at + 1])
          if ARGV[at] == 'deleted' then tell({key}, ARGV[4], ARGV[5]) end
        end
        for at = last + 1, #ARGV do redis.call('HDEL', key, ARGV[at]) end
        if ARGV[3] == '-' then redis.call('PERSIST', key)
        elseif ARGV[3] ~= '=' then redis.call('PEXPIRE', key, ARGV[3]) end
        local waiting = 0
        for at = 10, 9 + 5 * messages, 5 do
          local queue, stream = KEYS[tonumber(ARGV[at])], ARGV[at + 1]
          local id, version, payload = ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
          if redis.call('EXISTS', queue) == 1 or not add(stream, ARGV[9], id, key, version, payload) then
            local place = redis.call('XADD', queue, '*', 'id', id, 'key', key, 'version', version,
              'payload', payload, 'maxlen', ARGV[9])
            redis.call('ZADD', KEYS[2], 'NX', string.match(place, '^%d+'), stream)
            waiting = waiting + 1
          end
        end
        return redis.status_reply(waiting == 0 and 'OK' or 'WAITING ' .. waiting)
        """

    static let digest = SHA1Digest(Array(text.utf8)).hexadecimal

    /// What Redis answered.
    enum Answer {
        /// So many of its messages wait for their streams.
        case done(waiting: Int)
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
    private let hardEnd: Timestamp
    /// Redis's life of the key stays: somebody may have changed it, which is no write of the record.
    private let keepsLife: Bool
    private let brought: [String]
    private let outbox: OutboxBatch

    /// From `held`, which a key holds, to a record; `brought`: fields that are written in any case; `keepsLife`: it is
    /// no use of the record; `hardEnd`: what its life in Redis may not pass either; `outbox`: messages that go with it.
    init(
        from held: HeldValue?, to: Record, expiresAt: Timestamp, brought: [String] = [], keepsLife: Bool = false,
        hardEnd: Timestamp = .never, outbox: OutboxBatch = OutboxBatch()
    ) {
        from = held?.record
        self.hardEnd = hardEnd
        self.outbox = outbox
        self.to = to
        self.expiresAt = expiresAt
        self.brought = brought
        let isSame = held.map { $0.expiresAt == expiresAt && !$0.isTombstone } ?? false
        self.keepsLife = isSame && (keepsLife || to.slidingFor == 0)
    }

    /// Only looks.
    private init() {
        from = nil
        to = nil
        expiresAt = .never
        hardEnd = .never
        keepsLife = true
        brought = []
        outbox = OutboxBatch()
    }

    static let look = RecordSwap()

    /// The words behind EVALSHA's digest or EVAL's text.
    func words(_ key: [UInt8], deleter: [[UInt8]], now: Timestamp) -> [[UInt8]] {
        let (keys, messages) = outbox.words
        let head = [decimal(Int64(1 + keys.count)), key] + keys
        guard let to else { return head + [Array("?".utf8), [], Array("-".utf8)] }
        let (set, remove) = to.changes(from: from, brought: brought)
        var words = head
        words += [
            decimal(from?.version ?? 0) + [UInt8(ascii: ":")] + decimal(from?.schema ?? 0),
            Array((from?.operations.first?.text ?? "").utf8), life(of: to, now),
        ]
        words += deleter + messages
        words.append(decimal(Int64(set.count)))
        for field in set { words += [field.name, field.value] }
        return words + remove
    }

    /// Redis's life is a tenth longer where uses extend it, so that it does not end first (DESIGN §5).
    private func life(of record: Record, _ now: Timestamp) -> [UInt8] {
        if keepsLife { return Array("=".utf8) }
        guard expiresAt != .never else { return Array("-".utf8) }
        let life = expiresAt.milliseconds(since: now)
        guard record.slidingFor > 0 else { return decimal(life) }
        return decimal(min(life + life / 10, hardEnd == .never ? .max : hardEnd.milliseconds(since: now)))
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
        request.append(head + swap.words(key, deleter: share.deletions.words(), now: sentAt))
        let hears = late.map { late in { (replies: [Reply]) in late(Self.understand(replies[0], sentAt: sentAt)) } }
        let trace = trace
        redis.send(request, timeoutNanoseconds: timeout ?? limits.timeout, late: hears) { [self] result in
            let now = scheduler.monotonicNanoseconds
            trace?.note(AnswerStep(.redis, nanoseconds: now - started, isAnswered: result.isSuccess))
            let other = self.trace
            self.trace = trace
            defer { self.trace = other }
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
        case .status(let text):
            let words = text.split(separator: UInt8(ascii: " "))
            return .done(waiting: words.count == 2 ? Int(String(decoding: words[1], as: UTF8.self)) ?? 0 : 0)
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
