// Erasing what belongs to a subject: every key under a prefix, wherever this sidecar and its Redis have it.
//
// DESIGN. What must not happen is that something comes back. So the order is: nothing that is read from now on is kept
// (`Erasures.covers`, and every fill under way is cancelled); memory; the journal, where a write that is on its way to
// Redis is waited for and the others are settled undone; the disk, durably, since it would give its copies back to
// Redis; what is on its way from there already, which is waited for; Redis, batch by batch until a walk finds nothing;
// and disk and memory again, which the journal and late answers may have filled. Records leave their tombstones, which
// hold version and fence. It works behind everything: steps are small, and pause for as long as they took. One erasure
// is under way in a process.
//
// A failure ends it where it is, and its answer says what was removed by then. Doing it again does the rest.

internal import LocalTier
internal import Primitives
internal import RedisTier
internal import Resilience
internal import State

/// One erasure; belongs to its worker's thread.
final class Erasure {
    /// Buckets of memory that are looked at in one go.
    private static let bucketsMax = 16_384
    /// Keys of the disk that are read in one go, and keys that Redis is asked to look at.
    private static let pageMax = 512
    /// Keys that one script removes: Redis serves nobody else meanwhile.
    private static let batchMax = 128
    /// Walks over Redis: more are needed only where others go on writing under the prefix.
    private static let walksMax = 4

    private let tiers: Tiers
    private let prefix: [UInt8]
    private let completion: (ErasureOutcome) -> Void
    private var count = ErasureCount()
    private var timer: (any ScheduledTimer)?
    private var next: () -> Void = {}

    private var now: Int64 { tiers.scheduler.monotonicNanoseconds }

    init(_ tiers: Tiers, _ prefix: [UInt8], _ completion: @escaping (ErasureOutcome) -> Void) {
        self.tiers = tiers
        self.prefix = prefix
        self.completion = completion
        timer = tiers.scheduler.makeTimer { [unowned self] in
            let next = next
            self.next = {}
            next()
        }
    }

    func begin() {
        tiers.local.cancelFills()
        eraseLocal { [self] in
            eraseJournal { [self] in
                eraseWarm { [self] in
                    awaitPromotions(deadline: now + settlingTime) { [self] in
                        eraseRedis { [self] in
                            eraseWarmAgain { [self] in eraseLocal { [self] in end(.done(count)) } }
                        }
                    }
                }
            }
        }
    }

    private func end(_ outcome: ErasureOutcome) {
        timer?.stop()
        tiers.share.erasures.end()
        tiers.share.erasures.note(outcome)
        tiers.erasure = nil
        completion(outcome)
    }

    private func stop(_ reason: String) { end(.incomplete(count, reason: reason)) }

    private func pause(milliseconds: Int64, _ next: @escaping () -> Void) {
        self.next = next
        timer?.start(afterMilliseconds: max(1, milliseconds))
    }

    /// Rests for as long as what began at `moment` took.
    private func pause(since moment: Int64, _ next: @escaping () -> Void) {
        pause(milliseconds: min(100, (now - moment) / 1_000_000), next)
    }

    // MARK: Memory

    private func eraseLocal(from start: LocalTier.Position = .init(), _ then: @escaping () -> Void) {
        var position = start
        var found: [(key: [UInt8], isValue: Bool)] = []
        let hasMore = tiers.local.forEach(from: &position, buckets: Self.bucketsMax, now: tiers.scheduler.now) {
            [prefix] entry in
            guard entry.keyLength >= prefix.count else { return }
            let key = [UInt8](unsafeUninitializedCapacity: entry.keyLength) { buffer, initialized in
                if let base = buffer.baseAddress { entry.copyKey(to: base) }
                initialized = entry.keyLength
            }
            guard key.starts(with: prefix) else { return }
            found.append((key, !entry.isAbsent && !(entry.kind == .record && Tiers.copy(entry).held.isTombstone)))
        }
        count.local += tiers.share.checkpoints.forget(under: prefix)
        for (key, isValue) in found { eraseLocal(key, isValue) }
        guard hasMore else { return then() }
        pause(milliseconds: 1) { [self] in eraseLocal(from: position, then) }
    }

    private func eraseLocal(_ key: [UInt8], _ isValue: Bool) {
        let policy = tiers.policies.policy(for: key)
        guard tiers.authority(policy) == .local else {
            let wasHeld = key.withUnsafeBytes { tiers.local.remove($0, hash: KeyHash($0)) }
            if wasHeld, isValue { count.local += 1 }
            return
        }
        // Memory decides: of a record its version stays.
        guard isValue else { return }
        let now = tiers.scheduler.now
        let space = LocalKeySpace(local: tiers.local, policies: tiers.policies, now: now)
        tiers.share.localAuthority.withLock { _ in
            let held = space.read(key)
            let (change, _) = StringWrite.delete.perform(on: held, now: now, rules: policy.writeRules)
            space.apply(held == nil ? .remove : change, to: key)
        }
        count.local += 1
    }

    // MARK: The journal

    /// How long what is on its way to Redis may take, in nanoseconds.
    private var settlingTime: Int64 { max(10 * tiers.limits.timeout, 5_000_000_000) }

    private func eraseJournal(_ then: @escaping () -> Void) {
        guard let journal = tiers.journal else { return then() }
        (count.journal, count.conflicts) = (0, 0)
        eraseJournal(journal, isClear: journal.pending.isEmpty, deadline: now + settlingTime, then)
    }

    /// `isClear`: nothing that might still become a conflict was under way when this was asked for.
    private func eraseJournal(
        _ journal: any JournalAccess, isClear: Bool, deadline: Int64, _ then: @escaping () -> Void
    ) {
        journal.erase(prefix) { [self] removed in
            guard let removed else { return stop("the journal's disk did not take it") }
            count.journal = (count.journal ?? 0) + removed.entries
            count.conflicts = (count.conflicts ?? 0) + removed.conflicts
            let unnoted = journal.pending.unnoted
            if unnoted.count(under: prefix) > 0 {
                return journal.note { [self] _ in
                    guard unnoted.count(under: prefix) == 0 else {
                        return stop(
                            "the journal's disk took no note of what became of earlier writes of these keys, and a "
                                + "restart would do them again")
                    }
                    eraseJournal(journal, isClear: false, deadline: deadline, then)
                }
            }
            let left = journal.pending.entryCount(under: prefix)
            // What was sent and not answered may be carried out late: a replay ends its connection before it begins.
            if left == 0, tiers.share.doubtful.isEmpty || now >= deadline {
                return isClear ? then() : eraseJournal(journal, isClear: true, deadline: deadline, then)
            }
            guard now < deadline else {
                return stop(
                    "\(left) writes of these keys in the journal are on their way to Redis, or wait in one entry with "
                        + "writes of other keys")
            }
            tiers.onJournaled()
            pause(milliseconds: 20) { [self] in
                eraseJournal(journal, isClear: false, deadline: deadline, then)
            }
        }
    }

    // MARK: The disk

    private func eraseWarm(_ then: @escaping () -> Void) {
        guard let warm = tiers.warm else { return then() }
        count.warm = 0
        // What waits to be written is committed first, so that the walk finds it.
        erase([], in: warm) { [self] in eraseWarm(warm, from: 0, then) }
    }

    /// Where Redis was walked meanwhile, what came to the disk since is gone from there.
    private func eraseWarmAgain(_ then: @escaping () -> Void) {
        guard let warm = tiers.warm, tiers.redis != nil else { return then() }
        erase([], in: warm) { [self] in eraseWarm(warm, from: 0, then) }
    }

    private func eraseWarm(_ warm: any WarmAccess, from cursor: UInt64, _ then: @escaping () -> Void) {
        let began = now
        warm.scanAll(cursor: cursor, count: Self.pageMax) { [self] page in
            guard let page else { return stop("as many reads wait for the warm tier as may") }
            let keys = page.keys.filter { ArchiveKey.subject(of: $0).starts(with: prefix) }.map { key in
                ErasedKey(key, leavesTombstone: tiers.authority(tiers.policies.policy(for: key)) == .warm)
            }
            let goOn = { [self] in
                page.next == 0 ? then() : pause(since: began) { [self] in eraseWarm(warm, from: page.next, then) }
            }
            if keys.isEmpty { goOn() } else { erase(keys, in: warm, goOn) }
        }
    }

    private func erase(_ keys: [ErasedKey], in warm: any WarmAccess, _ then: @escaping () -> Void) {
        warm.erase(keys) { [self] outcome in
            switch outcome {
            case .done(let replies):
                for case .integer(let removed) in replies { count.warm = (count.warm ?? 0) + Int(removed) }
                then()
            case .refused(let reason), .unknown(let reason): stop("the warm tier's disk did not take it: \(reason)")
            }
        }
    }

    // MARK: Redis

    /// A copy that is on its way from the disk to Redis would come there behind the walk, and so would a write that was
    /// given up and whose connection still stands.
    private func awaitPromotions(deadline: Int64, _ then: @escaping () -> Void) {
        guard let redis = tiers.redis else { return then() }
        tiers.endDoubtful(over: redis)
        let areUnderWay = tiers.share.erasures.hasPromotions(under: prefix)
        guard areUnderWay || !tiers.share.doubtful.isEmpty else { return then() }
        guard now < deadline else {
            return stop("writes to Redis that were not answered, or copies from the warm tier, may still reach it")
        }
        pause(milliseconds: 5) { [self] in awaitPromotions(deadline: deadline, then) }
    }

    /// Redis may be slow with a batch: so long in nanoseconds, not `redis.timeout`, which is for one request.
    private var timeout: Int64 { max(4 * tiers.limits.timeout, 1_000_000_000) }

    /// Sends under the breaker; ends the erasure where Redis takes nothing now, or does not answer.
    private func ask(_ request: RequestEncoder, isWrite: Bool, _ then: @escaping ([Reply]) -> Void) {
        guard let redis = tiers.redis, let permit = tiers.breaker.admit(isWrite ? .write : .read, now: now) else {
            return stop(isWrite ? tiers.breaker.reasonForWrites : tiers.breaker.reasonForReads)
        }
        if isWrite { tiers.endDoubtful(over: redis) }
        tiers.ownWrites.removeAll()
        redis.send(request, timeoutNanoseconds: timeout) { [self] result in
            switch result {
            case .failure(let failure):
                tiers.breaker.failed(permit, failure, now: now, elapsed: nil)
                if isWrite { tiers.share.doubtful.note(failure, now: now) }
                stop(failure.text)
            case .success(let replies):
                guard case .error(let text)? = replies.first(where: \.isError) else {
                    tiers.breaker.succeeded(permit, now: now, elapsed: nil)
                    return then(replies)
                }
                _ = tiers.breaker.judge(permit, error: text, now: now, elapsed: nil)
                stop("Redis answered \(String(decoding: text, as: UTF8.self))")
            }
        }
    }

    private func eraseRedis(_ then: @escaping () -> Void) {
        guard let redis = tiers.redis else { return then() }
        (count.redis, count.messages) = (0, 0)
        walk(Walk(left: Self.walksMax)) { [self] in
            eraseMessages { [self] in
                tiers.awaitReplicas(replicasWanted, over: redis, since: now) { [self] shortfall in
                    if let shortfall { stop("\(shortfall.text)") } else { then() }
                }
            }
        }
    }

    private var replicasWanted: Int {
        let policies = tiers.policies
        let below = policies.policies.filter { $0.prefix.starts(with: prefix) }.map(\.waitReplicas).max() ?? 0
        return max(below, policies.policy(for: prefix).waitReplicas)
    }

    /// A walk over Redis's keys.
    private struct Walk {
        var cursor = Array("0".utf8)
        var removed = 0
        /// Walks that may be made, this one included.
        var left: Int
    }

    private func walk(_ walk: Walk, _ then: @escaping () -> Void) {
        let began = now
        var request = RequestEncoder()
        request.append(
            "SCAN", walk.cursor, Array("MATCH".utf8), ErasureScript.pattern(prefix), Array("COUNT".utf8),
            Array(String(Self.pageMax).utf8))
        ask(request, isWrite: false) { [self] replies in
            guard case .array(let parts) = replies[0], parts.count == 2, case .string(let cursor) = parts[0],
                case .array(let found) = parts[1]
            else { return stop("Redis answered SCAN with something else than keys") }
            var walk = walk
            walk.cursor = cursor
            let keys = found.compactMap { reply -> [UInt8]? in
                guard case .string(let key) = reply, key.starts(with: prefix), !key.starts(with: ErasureScript.own)
                else { return nil }
                return key
            }
            remove(keys) { [self] removed in
                walk.removed += removed
                count.redis = (count.redis ?? 0) + removed
                if walk.cursor == Array("0".utf8) {
                    guard walk.removed > 0, walk.left > 1 else { return then() }
                    walk = Walk(left: walk.left - 1)
                }
                pause(since: began) { [self, walk] in self.walk(walk, then) }
            }
        }
    }

    private func remove(_ keys: [[UInt8]], _ then: @escaping (Int) -> Void) {
        guard !keys.isEmpty else { return then(0) }
        var request = RequestEncoder()
        for start in stride(from: 0, to: keys.count, by: Self.batchMax) {
            request.append(tiers.deletion(of: Array(keys[start..<min(keys.count, start + Self.batchMax)])))
        }
        ask(request, isWrite: true) { replies in
            then(replies.reduce(0) { if case .integer(let removed) = $1 { $0 + Int(removed) } else { $0 } })
        }
    }

    // MARK: Messages

    private func eraseMessages(_ then: @escaping () -> Void) {
        var request = RequestEncoder()
        request.append(
            "ZRANGE", OutboxScript.index, Array("0".utf8), Array(String(2 * OutboxScript.streamsMax).utf8),
            Array("WITHSCORES".utf8))
        ask(request, isWrite: false) { [self] replies in
            guard case .array(let pairs) = replies[0] else {
                return stop("Redis answered ZRANGE with something else than members")
            }
            let streams = stride(from: 0, to: pairs.count, by: 2).compactMap { index -> [UInt8]? in
                if case .string(let stream) = pairs[index] { stream } else { nil }
            }
            eraseMessages(streams[...], from: Array("-".utf8), then)
        }
    }

    private func eraseMessages(_ streams: ArraySlice<[UInt8]>, from start: [UInt8], _ then: @escaping () -> Void) {
        guard let stream = streams.first else { return then() }
        let began = now
        var request = RequestEncoder()
        request.append([
            Array("EVAL".utf8), Array(ErasureScript.messages.utf8), Array("2".utf8), OutboxScript.index,
            OutboxScript.queue(of: stream), stream, start, Array(String(Self.pageMax).utf8), prefix,
        ])
        ask(request, isWrite: true) { [self] replies in
            guard case .array(let parts) = replies[0], parts.count == 3, case .integer(let removed) = parts[0],
                case .integer(let seen) = parts[1], case .string(let last) = parts[2]
            else { return stop("Redis answered a script with something else than was asked") }
            count.messages = (count.messages ?? 0) + Int(removed)
            let isOver = seen < Self.pageMax
            pause(since: began) { [self] in
                eraseMessages(isOver ? streams.dropFirst() : streams, from: isOver ? Array("-".utf8) : last, then)
            }
        }
    }
}

extension Tiers {
    /// Erases every key under `prefix`, which is not empty, from every tier, the journal and the outbox's queues.
    ///
    /// The completion hears what was removed, when all of it is gone for certain: on this host's disk as well. Others'
    /// memories and disks are theirs.
    public func erase(_ prefix: [UInt8], completion: @escaping (ErasureOutcome) -> Void) {
        precondition(!prefix.isEmpty, "BUG: an erasure of everything")
        func refuse(_ reason: String) {
            let outcome = ErasureOutcome.refused(reason)
            share.erasures.note(outcome)
            completion(outcome)
        }
        if redis != nil, breaker.refusesWrites || breaker.refusesReads {
            return refuse(breaker.refusesWrites ? breaker.reasonForWrites : breaker.reasonForReads)
        }
        guard share.erasures.begin(prefix) else { return refuse("another erasure is under way in this process") }
        let erasure = Erasure(self, prefix, completion)
        self.erasure = erasure
        erasure.begin()
    }
}
