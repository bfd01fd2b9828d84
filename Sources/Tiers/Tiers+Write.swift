// Writing: the authority first, then what is held here; an acknowledgement means what the authority's word means.

internal import LocalTier
public import Primitives
internal import RedisTier
internal import Resilience
public import State

/// A native command as it was understood, and as it came; one object, since it is handed from step to step.
public final class NativeCommand: Sendable {
    public let command: StringCommand
    /// Nil for a SET without options, which has no words but those that `command` holds.
    private let words: [[UInt8]]?

    /// `arguments` are the command's name and arguments as they came; not asked for where they are known.
    public init(_ command: StringCommand, arguments: @autoclosure () -> [[UInt8]]) {
        self.command = command
        if case .write(.set(_, .clear, .always, .ok), _) = command { words = nil } else { words = arguments() }
    }

    /// The command's name and arguments, for Redis.
    public var arguments: [[UInt8]] {
        if let words { return words }
        guard case .write(.set(let value, _, _, _), let key) = command else {
            preconditionFailure("BUG: a command without its words")
        }
        return [Self.set, key, value]
    }

    private static let set = Array("SET".utf8)
}

extension Tiers {
    /// Performs one command, or several as one transaction, by their authority; one reply for each.
    ///
    /// What could not be performed is answered with -UNAVAILABLE, which says whether it may have been.
    public func perform(_ commands: [NativeCommand], isTransaction: Bool, completion: @escaping ([Reply]) -> Void) {
        if let denial = denial(of: commands) { return completion(commands.map { _ in denial }) }
        if commands.count == 1, case .write(.record(let write), let key) = commands[0].command,
            case .putCheckpoint = write.action
        {
            let policy = policies.policies[policies.index(for: key)]
            if policy.checkpointsEvery > 1 { return performCheckpoint(commands[0], write, key, policy, completion) }
        }
        if !share.checkpoints.isEmpty { forgetSteps(commands) }
        give(commands, isTransaction: isTransaction, completion)
    }

    /// Gives commands to who decides on their keys.
    func give(_ commands: [NativeCommand], isTransaction: Bool, _ completion: @escaping ([Reply]) -> Void) {
        var authority: Authority?
        var isDivided = false
        for command in commands {
            _ = command.command.allKeys { key in
                let its = self.authority(of: policies.ruling(for: key).policy.tiers)
                isDivided = isDivided || authority != nil && authority != its
                authority = its
                return true
            }
        }
        guard !isDivided else {
            let error = Reply.error(
                "ERR these keys belong to policies with different tiers, which can't be changed as one; "
                    + "use one command for each, or give their policies the same tiers")
            return completion(commands.map { _ in error })
        }
        // A command without keys is about all of them.
        let decides = authority ?? (redis != nil ? .redis : warm != nil ? .warm : .local)
        if decides != .redis, commands.contains(where: \.command.emits) {
            let reason =
                redis == nil
                ? "no Redis is configured (redis.url: off)" : "the policy of the key has no redis among its tiers"
            return completion(
                unavailable(
                    commands,
                    "not done: EMIT gives a message to a stream in Redis, and \(reason): write without EMIT, or give the "
                        + "key a Redis"))
        }
        switch decides {
        case .redis: performInOrder(commands, isTransaction, completion)
        case .warm: performInWarm(commands, completion)
        case .local: performInLocal(commands, completion)
        }
    }

    // MARK: Redis

    func performInRedis(
        _ commands: [NativeCommand], _ isTransaction: Bool, _ completion: @escaping ([Reply]) -> Void
    ) {
        if case .write(.record(let write), let key)? = commands.first?.command, commands.count == 1 {
            return performRecordInRedis(commands[0], write, key, completion)
        }
        let isWrite = commands.contains { $0.command.isWrite }
        let now = scheduler.monotonicNanoseconds
        guard let redis, let permit = breaker.admit(isWrite ? .write : .read, now: now) else {
            let reason = breaker.reason(for: isWrite ? .write : .read)
            return performWithoutRedis(commands, isTransaction, attempt: .notSent, reason: reason, completion)
        }
        if let client = redis.client { share.noteProcess(Replay.process(client)) }
        let sentAt = scheduler.now
        var request = RequestEncoder()
        // How many commands each became; nil where the one that there is goes as it is.
        var counts: [Int]?
        // Of the deletions among them; 0 where there are none.
        let ticket: UInt64
        if !isTransaction, commands.count == 1, goesAsItIs(commands[0]) {
            ticket = 0
            request.append(commands[0].arguments)
        } else {
            let deleted = commands.reduce(into: (keys: [[UInt8]](), areAll: false)) { found, native in
                found.keys += native.command.deletedKeys(now: sentAt)
                if case .removeAll = native.command { found.areAll = true }
            }
            ticket = share.deletions.begin(deleted.keys, areAll: deleted.areAll, now: now)
            // MSET under a policy with a life becomes several commands, and so a transaction of its own.
            let sent = commands.map { withPolicyLife($0, ticket: ticket) }
            let isWrapped = isTransaction || sent.contains { $0.count > 1 }
            if isWrapped {
                counts = sent.map(\.count)
                request.append("MULTI")
            }
            for arguments in sent.joined() { request.append(arguments) }
            if isWrapped { request.append("EXEC") }
        }
        let wanted = isWrite ? replicasWanted(commands) : 0
        let writes =
            isWrite
            ? Writes(commands, self, sentAt: sentAt, ticket: ticket, isOrdered: wanted == 0) : nil
        counters.writes.add(isWrite ? UInt64(commands.count) : 0)
        let late = isWrite && wanted == 0 && journal != nil ? LateAnswer(commands, share.erasures) : nil
        let hears: (([Reply]) -> Void)? = late.map { late in
            { [self, counts] replies in
                let answers = counts.map { Self.unwrap(replies, counts: $0) } ?? replies
                if !answers.contains(where: \.isError) { settle(late) }
            }
        }
        if isWrite { endDoubtful(over: redis) }
        let trace = trace
        redis.send(request, timeoutNanoseconds: limits.timeout, late: hears) { [self, counts] result in
            let ended = scheduler.monotonicNanoseconds
            trace?.note(AnswerStep(.redis, nanoseconds: ended - now, isAnswered: result.isSuccess))
            let other = self.trace
            self.trace = trace
            defer { self.trace = other }
            switch result {
            case .failure(let failure):
                defer { writes?.end(self) }
                breaker.failed(permit, failure, now: ended, elapsed: scheduler.waitedNanoseconds(since: now))
                counters.writesFailed.add()
                if isWrite { share.doubtful.note(failure, now: ended) }
                if failure.mayHaveBeenSent { writes?.suspect(self) } else { share.deletions.cancel(ticket) }
                performWithoutRedis(
                    commands, isTransaction, attempt: failure.mayHaveBeenSent ? .unknown : .notSent,
                    reason: .other(failure.text), late: late, completion)
            case .success(let replies):
                counters.redisLatency.record(UInt64(max(0, ended - now)))
                var answers = counts.map { Self.unwrap(replies, counts: $0) } ?? replies
                for (index, native) in commands.enumerated() where Self.answersFlag(native) {
                    answers[index] = Self.flag(answers[index])
                }
                let elapsed = scheduler.waitedNanoseconds(since: now)
                // What was refused has nothing that a replica could have.
                guard wanted > 0, zip(commands, answers).contains(where: { $0.command.isWrite && !$1.isError }) else {
                    defer { writes?.end(self) }
                    return conclude(
                        commands, isTransaction, answers, permit, writes, ended, elapsed, nil, completion)
                }
                awaitReplicas(wanted, over: redis, since: now) { [self] shortfall in
                    defer { writes?.end(self) }
                    resuming(trace) {
                        conclude(
                            commands, isTransaction, answers, permit, writes, ended, elapsed, shortfall, completion)
                    }
                }
            }
        }
    }

    private func replicasWanted(_ commands: [NativeCommand]) -> Int {
        guard policies.waitsForReplicas else { return 0 }
        let written = commands.filter(\.command.isWrite).map(\.command)
        return replicasWanted(written.flatMap(\.keys), areAll: written.contains(.removeAll))
    }

    /// The replies of a transaction's commands; an error for each where Redis did not carry it out.
    private static func unwrap(_ replies: [Reply], counts: [Int]) -> [Reply] {
        guard case .array(let inner) = replies[replies.count - 1], inner.count == counts.reduce(0, +) else {
            let error = replies.first(where: \.isError) ?? .error("ERR Redis did not carry the transaction out")
            return counts.map { _ in error }
        }
        var position = 0
        return counts.map { count in
            defer { position += count }
            let part = inner[position..<position + count]
            // Several commands stand for one: its reply is theirs where they agree, else the first error.
            return part.first(where: \.isError) ?? part[part.startIndex]
        }
    }

    private func conclude(
        _ commands: [NativeCommand], _ isTransaction: Bool, _ replies: [Reply], _ permit: Permit, _ writes: Writes?,
        _ now: Int64, _ elapsed: Int64, _ shortfall: Underreplication?, _ completion: @escaping ([Reply]) -> Void
    ) {
        /// Redis has it: so it is held, unless its replicas may not have it.
        func settle() {
            guard let shortfall else {
                writes?.settle(commands, replies, self)
                return completion(replies)
            }
            writes?.suspect(self)
            completion(unavailable(commands, shortfall.text))
        }
        guard case .error(let text)? = replies.first(where: \.isError) else {
            breaker.succeeded(permit, now: now, elapsed: elapsed)
            return settle()
        }
        if breaker.judge(permit, error: text, now: now, elapsed: elapsed) { return settle() }
        counters.writesFailed.add()
        writes?.suspect(self)
        if replies.allSatisfy(\.isError) {
            // Nothing of it was done: as good as not sent.
            let reason = OutageReason.other("Redis answered \(String(decoding: text, as: UTF8.self))")
            return performWithoutRedis(commands, isTransaction, attempt: .notDone, reason: reason, completion)
        }
        completion(
            replies.map { reply in
                guard case .error(let text) = reply else { return reply }
                return .error("UNAVAILABLE not done: Redis answered \(String(decoding: text, as: UTF8.self))")
            })
    }

    func unavailable(_ commands: [NativeCommand], _ text: String) -> [Reply] {
        counters.unavailable.add()
        let error = Reply.error("UNAVAILABLE \(text)")
        return commands.map { _ in error }
    }

    /// Whether `withPolicyLife` would change nothing: a plain SET of a key to which its policy gives no life.
    private func goesAsItIs(_ native: NativeCommand) -> Bool {
        guard case .write(.set(_, .clear, .always, .ok), let key) = native.command else { return false }
        let policy = policies.policies[policies.index(for: key)]
        return policy.retention == nil && policy.lifeInRedis == nil
    }

    /// The command as it goes to Redis: a SET without an expiry gets its policy's, a deletion is told of.
    ///
    /// `ticket` is that of the request's deletions; 0 where nobody waits for it.
    public func withPolicyLife(_ native: NativeCommand, ticket: UInt64 = 0) -> [[[UInt8]]] {
        if let retained = withRetention(native, ticket: ticket) { return retained }
        func px(_ life: Int64) -> [[UInt8]] { [Array("PX".utf8), Array(String(life).utf8)] }
        switch native.command {
        case .write(.set(let value, .clear, let condition, let reply), let key):
            guard let life = policies.policy(for: key).lifeInRedis else { break }
            switch (condition, reply) {
            case (.ifAbsent, .flag):
                // One command, so that a SETNX that is not done gives no life to what is there. See `inOwnWords`.
                return [[Array("SET".utf8), key, value] + px(life) + [Array("NX".utf8)]]
            case (_, .old) where native.arguments.count == 3:
                return [[Array("SET".utf8), key, value, Array("GET".utf8)] + px(life)]
            default: return [native.arguments + px(life)]
            }
        case .setMany(let keys, let values, onlyIfNone: true):
            let lives = keys.map { policies.policy(for: $0).lifeInRedis ?? 0 }
            guard lives.contains(where: { $0 > 0 }) else { break }
            let head = [Array("EVAL".utf8), Self.setManyScript, Array(String(keys.count).utf8)]
            return [head + keys + values + lives.map { Array(String($0).utf8) }]
        case .deleteMany(let keys): return [deletion(of: keys, ticket: ticket)]
        case .write(.delete, let key): return [deletion(of: [key], ticket: ticket)]
        case .write(.getDelete, let key):
            return [
                DeletionScript.words(DeletionScript.getDelete, keys: [key], share.deletions.words(ticket: ticket))
            ]
        case .write(.expire(let time, []), let key) where time <= scheduler.now:
            return [deletion(of: [key], ticket: ticket)]
        case .write(.expire(let time, let condition), let key) where time <= scheduler.now:
            return [expiry(of: key, at: time, condition, retention: nil, ticket: ticket)]
        case .write(.set(_, .at(let time), _, _), let key) where time <= scheduler.now,
            .write(.getExpire(.at(let time)), let key) where time <= scheduler.now:
            return [native.arguments] + note([key], ticket: ticket)
        case .rename(let from, _, _): return [native.arguments] + note([from], ticket: ticket)
        case .removeAll: return [native.arguments] + note([], ticket: ticket)
        case .setMany(let keys, _, _):
            let lives = keys.compactMap { key in
                policies.policy(for: key).lifeInRedis.map { Self.giveLife(key, $0) }
            }
            if !lives.isEmpty { return [native.arguments] + lives }
        default: break
        }
        return [native.arguments]
    }

    /// DEL, which leaves of a record what its version and its fence go on from, and tells the stream of deletions.
    func deletion(of keys: [[UInt8]], ticket: UInt64 = 0) -> [[UInt8]] {
        DeletionScript.words(
            DeletionScript.deletion, keys: keys,
            [Array(String(RecordRules.tombstoneLife).utf8)] + share.deletions.words(ticket: ticket))
    }

    /// Tells the stream of deletions of keys that a command deletes which is no script; without keys, of all.
    func note(_ keys: [[UInt8]], ticket: UInt64) -> [[[UInt8]]] {
        guard share.deletions.maxEntries > 0 else { return [] }
        return [DeletionScript.words(DeletionScript.note, keys: keys, share.deletions.words(ticket: ticket))]
    }

    /// MSETNX with lives, where 0 is none.
    private static let setManyScript = Array(
        """
        local n = #KEYS
        if redis.call('EXISTS', unpack(KEYS)) > 0 then return 0 end
        for i = 1, n do
          if ARGV[n + i] == '0' then redis.call('SET', KEYS[i], ARGV[i])
          else redis.call('SET', KEYS[i], ARGV[i], 'PX', ARGV[n + i]) end
        end
        return 1
        """.utf8)

    /// Whether it is a SETNX, which answers 1 or 0.
    private static func answersFlag(_ native: NativeCommand) -> Bool {
        if case .write(.set(_, _, .ifAbsent, .flag), _) = native.command { true } else { false }
    }

    /// The SET … NX that went in the place of a SETNX answers OK or nil.
    private static func flag(_ reply: Reply) -> Reply {
        if reply.isStatus("OK") { return .integer(1) }
        return reply == .null ? .integer(0) : reply
    }

    /// Gives a life to a key that has none.
    static func giveLife(_ key: [UInt8], _ life: Int64) -> [[UInt8]] {
        let script =
            "if redis.call('PTTL', KEYS[1]) == -1 then return redis.call('PEXPIRE', KEYS[1], ARGV[1]) end return 0"
        return [Array("EVAL".utf8), Array(script.utf8), [UInt8(ascii: "1")], key, Array(String(life).utf8)]
    }

    /// Sends a command whose reply is Redis's own business; `reads` are judged as reads by the breaker.
    public func forward(_ arguments: [[UInt8]], isWrite: Bool, completion: @escaping (Reply) -> Void) {
        let now = scheduler.monotonicNanoseconds
        let operation: Operation = isWrite ? .write : .read
        guard let redis else {
            return completion(.error("UNAVAILABLE no Redis is configured (redis.url: off)"))
        }
        guard let permit = breaker.admit(operation, now: now) else {
            let reason = isWrite ? breaker.reasonForWrites : breaker.reasonForReads
            return completion(.error("UNAVAILABLE not sent: \(reason)"))
        }
        var request = RequestEncoder()
        request.append(arguments)
        if isWrite { endDoubtful(over: redis) }
        redis.send(request, timeoutNanoseconds: limits.timeout) { [self] result in
            let ended = scheduler.monotonicNanoseconds
            switch result {
            case .failure(let failure):
                breaker.failed(permit, failure, now: ended, elapsed: nil)
                if isWrite { share.doubtful.note(failure, now: ended) }
                completion(
                    .error("UNAVAILABLE \(failure.mayHaveBeenSent ? "outcome unknown" : "not sent"): \(failure.text)"))
            case .success(let replies):
                if case .error(let text) = replies[0] {
                    _ = breaker.judge(permit, error: text, now: ended, elapsed: nil)
                } else {
                    breaker.succeeded(permit, now: ended, elapsed: nil)
                }
                completion(replies[0])
            }
        }
    }

    // MARK: Without Redis

    private func performInWarm(_ commands: [NativeCommand], _ completion: @escaping ([Reply]) -> Void) {
        guard let warm else { preconditionFailure("BUG: the warm tier decides on a key and there is none") }
        counters.writes.add(UInt64(commands.count))
        let (trace, askedAt) = (trace, scheduler.monotonicNanoseconds)
        warm.perform(commands.map(\.command), policies: policies) { [self] outcome in
            if let trace {
                var isDone = false
                if case .done = outcome { isDone = true }
                let elapsed = scheduler.monotonicNanoseconds - askedAt
                trace.note(AnswerStep(.warm, nanoseconds: elapsed, isAnswered: isDone))
            }
            switch outcome {
            case .done(let replies): completion(replies)
            case .refused(let reason):
                counters.writesFailed.add()
                completion(
                    unavailable(commands, "not done: \(reason): nothing was done, try again when the disk takes writes")
                )
            case .unknown(let reason):
                counters.writesFailed.add()
                completion(unavailable(commands, "outcome unknown: \(reason)\(Attempt.unknown.advice)"))
            }
        }
    }

    private func performInLocal(_ commands: [NativeCommand], _ completion: @escaping ([Reply]) -> Void) {
        counters.writes.add(UInt64(commands.count))
        let now = scheduler.now
        var space = LocalKeySpace(local: local, policies: policies, now: now)
        // One at a time in this process: reading and writing are two stays under the shard's lock.
        let replies = share.localAuthority.withLock { _ in
            commands.map { native in
                // A record has up to so many bytes beside its content.
                var beside = 0
                if case .write(.record, _) = native.command { beside = 1024 }
                return native.command.perform(in: &space, now: now) { [policies, local] key in
                    // What local memory can't hold would be acknowledged and gone.
                    let policy = policies.policy(for: key)
                    var rules = policy.writeRules
                    rules.committed = .local
                    rules.records.archivesBefore = 0
                    rules.maxValue = min(
                        rules.maxValue, policy.maxLocalValue - beside, local.entryBytesMax - key.count - beside)
                    rules.maxValue = max(0, rules.maxValue)
                    return rules
                }
            }
        }
        completion(replies)
    }
}

extension Policy {
    /// What this policy adds to writes that Hearth performs itself.
    public var writeRules: WriteRules {
        var records = records
        records.life = times.ttl
        records.isSliding = sliding
        records.retention = times.retention
        return WriteRules(maxValue: maxValue, life: lifeOfValues, records: records)
    }
}

extension StringCommand {
    /// The keys that it deletes where Redis carries it out at `now`.
    func deletedKeys(now: Timestamp) -> [[UInt8]] {
        switch self {
        case .deleteMany(let keys): keys
        case .write(.delete, let key), .write(.getDelete, let key): [key]
        case .write(.expire(let time, _), let key), .write(.set(_, .at(let time), _, _), let key),
            .write(.getExpire(.at(let time)), let key):
            time <= now ? [key] : []
        case .rename(let from, _, _): [from]
        case .write, .read, .count, .getMany, .setMany, .countAll, .removeAll: []
        }
    }
}
