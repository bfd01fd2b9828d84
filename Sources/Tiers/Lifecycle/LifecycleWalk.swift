// Walks over what the tiers hold: no life beyond its policy's retention, and no copy where its policy allows none.
//
// DESIGN: writes give every key its end, and tiers let go of what is over by themselves. What can be wrong all the same
// comes from elsewhere: a policy that has got a retention, or lost a tier, since the key was written; a client of Redis
// itself that wrote a key without end, or took its end away. So one worker of a process walks over the copies here
// after each change of the policies, and over Redis's keys every ten minutes; of the sidecars with the same policies
// one walks, whichever sets the claim. A step looks at a page, ten times a second; one request is under way at a time.

internal import LocalTier
internal import Primitives
internal import State

/// The walker of a process; belongs to its first worker's thread.
public final class LifecycleWalk {
    private enum Stage {
        case resting
        case local(LocalTier.Position)
        case warm(cursor: UInt64)
        case redis(cursor: [UInt8])
    }

    /// Between two walks over Redis, of all sidecars together.
    static let pauseMilliseconds: Int64 = 600_000
    /// After a claim that somebody else had, and after trouble.
    private static let retryMilliseconds: Int64 = 60_000
    private static let troubleMilliseconds: Int64 = 1000
    /// Redis's clock and those of the hosts may differ: a key that should have ended so long ago is overdue.
    static let graceMilliseconds: Int64 = 60_000
    /// A step of the walk over memory ends with so many entries, or after so many turns of so many buckets.
    private static let entries = 256
    private static let turns = 64
    private static let buckets = 1024
    private static let warmKeys = 64
    private static let redisKeys = "200"

    private let tiers: Tiers
    private var stage = Stage.resting
    private var isUnderWay = false
    /// The policies that the copies here were last looked at under.
    private var generation = -1
    private var redisDueAt = Timestamp.distantPast
    private var overdue: Int64 = 0

    private var now: Timestamp { tiers.scheduler.now }
    private var figures: LifecycleFigures { tiers.share.lifecycle }

    public init(_ tiers: Tiers) { self.tiers = tiers }

    /// Does what is due; to be called often.
    public func step() {
        guard !isUnderWay else { return }
        if generation != tiers.policyGeneration {
            generation = tiers.policyGeneration
            (overdue, redisDueAt) = (0, now)
            stage = .local(LocalTier.Position())
        }
        switch stage {
        case .resting: if tiers.redis != nil, hasRetention, now >= redisDueAt { claim() }
        case .local(let position): walkLocal(position)
        case .warm(let cursor): walkWarm(cursor)
        case .redis(let cursor): walkRedis(cursor)
        }
    }

    private var hasRetention: Bool { tiers.policies.policies.contains { $0.retention != nil } }
    private func policy(_ key: [UInt8]) -> Policy { tiers.policies.policies[tiers.policies.index(for: key)] }

    // MARK: Copies

    private func walkLocal(_ start: LocalTier.Position) {
        var position = start
        var found: [(key: [UInt8], held: HeldValue)] = []
        var hasMore = true
        for _ in 0..<Self.turns where hasMore && found.count < Self.entries {
            hasMore = tiers.local.forEach(from: &position, buckets: Self.buckets, now: now) { entry in
                guard !entry.isAbsent else { return }
                let key = [UInt8](unsafeUninitializedCapacity: entry.keyLength) { bytes, count in
                    count = entry.keyLength
                    if count > 0 { entry.copyKey(to: UnsafeMutableRawPointer(bytes.baseAddress!)) }  // not empty
                }
                let metadata = entry.metadata
                // A life that reads extend ends where they no longer do.
                let end = metadata.slidingFor > 0 ? metadata.hardEnd : metadata.expiresAt
                let head = min(entry.valueLength, RecordLayout.headBytes)
                let bytes = [UInt8](unsafeUninitializedCapacity: head) { bytes, count in
                    count = head
                    // The same.
                    if count > 0 { entry.copyValue(0..<head, to: UnsafeMutableRawPointer(bytes.baseAddress!)) }
                }
                found.append((key, HeldValue(bytes, kind: entry.kind == .record ? .record : .string, expiresAt: end)))
            }
        }
        for (key, held) in found {
            let policy = policy(key)
            if !policy.tiers.contains(.local) {
                figures.orphanedInLocal.add()
                key.withUnsafeBytes { _ = tiers.local.remove($0, hash: KeyHash($0)) }
            } else {
                judge(key, held, policy) {
                    key.withUnsafeBytes { _ = self.tiers.local.remove($0, hash: KeyHash($0)) }
                }
            }
        }
        stage = hasMore ? .local(position) : tiers.warm == nil ? .resting : .warm(cursor: 0)
        if !hasMore, tiers.warm == nil { rest() }
    }

    private func walkWarm(_ cursor: UInt64) {
        guard let warm = tiers.warm else { return rest() }
        isUnderWay = true
        warm.scanAll(cursor: cursor, count: Self.warmKeys) { [self] page in
            guard let page else {
                isUnderWay = false  // As many wait as may: this page once more.
                return
            }
            var waiting = 1
            func done() {
                waiting -= 1
                guard waiting == 0 else { return }
                isUnderWay = false
                if page.next == 0 { rest() } else { stage = .warm(cursor: page.next) }
            }
            for key in page.keys {
                let subject = ArchiveKey.subject(of: key)
                let policy = policy(subject)
                if !policy.tiers.contains(.warm) {
                    figures.orphanedInWarm.add()
                    warm.change(subject, .end)
                } else if subject != key {
                    // It lives as long as its record, which has its own line.
                } else if policy.retention != nil {
                    waiting += 1
                    warm.read(key) { [self] answer in
                        if case .copy(let copy) = answer {
                            judge(key, copy.value, policy) { warm.change(key, .remove) }
                        }
                        done()
                    }
                }
            }
            done()
        }
    }

    /// Where Redis decides a copy that lives too long goes, and comes back as Redis has it; else the key gets its end.
    private func judge(_ key: [UInt8], _ held: HeldValue, _ policy: Policy, drop: () -> Void) {
        guard let retention = policy.retention?.milliseconds, !held.isTombstone else { return }
        let hardEnd =
            held.recordCreatedAt?.advanced(byMilliseconds: retention) ?? now.advanced(byMilliseconds: retention)
        guard held.expiresAt > hardEnd else { return }
        let isOverdue = hardEnd.advanced(byMilliseconds: Self.graceMilliseconds) <= now
        if tiers.authority(policy) == .redis { return drop() }
        if isOverdue {
            overdue += 1
            figures.overdueFound.add()
        } else {
            figures.shortened.add()
        }
        let command = StringCommand.write(.expire(at: hardEnd, [.ifLess]), key: key)
        tiers.perform([NativeCommand(command, arguments: [])], isTransaction: false) { _ in }
    }

    /// The copies are done; without Redis, so is the walk.
    private func rest() {
        stage = .resting
        guard tiers.redis == nil else { return }
        figures.overdue.set(overdue)
        figures.checkedAt = now
    }

    // MARK: Redis

    /// Whether this sidecar walks: the first of those with the same retentions that asks.
    private func claim() {
        isUnderWay = true
        redisDueAt = now.advanced(byMilliseconds: Self.retryMilliseconds)
        let rules = tiers.policies.policies.map { "\($0.prefix) \($0.retention?.milliseconds ?? 0)" }
        let name = Array(rules.joined(separator: "\n").utf8).withUnsafeBytes { xxh3($0) }
        let words = ["SET", "hearth:retention:\(name)", "1", "NX", "PX", String(Self.pauseMilliseconds)]
        tiers.forward(words.map { Array($0.utf8) }, isWrite: true) { [self] reply in
            isUnderWay = false
            guard reply.isStatus("OK") else {
                // Somebody else walks; or Redis could not be asked.
                if reply != .null { redisDueAt = now.advanced(byMilliseconds: Self.troubleMilliseconds) }
                return
            }
            redisDueAt = now.advanced(byMilliseconds: Self.pauseMilliseconds)
            overdue = 0
            stage = .redis(cursor: Array("0".utf8))
        }
    }

    private func walkRedis(_ cursor: [UInt8]) {
        isUnderWay = true
        let words = [Array("SCAN".utf8), cursor, Array("COUNT".utf8), Array(Self.redisKeys.utf8)]
        tiers.forward(words, isWrite: false) { [self] reply in
            guard case .array(let parts) = reply, parts.count == 2, case .string(let next) = parts[0],
                case .array(let listed) = parts[1]
            else { return giveUp() }
            let keys: [(key: [UInt8], retention: Int64)] = listed.compactMap { element in
                guard case .string(let key) = element, !key.starts(with: "hearth:".utf8) else { return nil }
                let policy = policy(key)
                guard policy.tiers.contains(.redis), let retention = policy.retention else { return nil }
                return (key, retention.milliseconds)
            }
            guard !keys.isEmpty else { return goOn(next) }
            tiers.forward(RetentionScript.words(keys), isWrite: true) { [self] reply in
                guard case .array(let counts) = reply, counts.count == 2, case .integer(let late) = counts[0],
                    case .integer(let short) = counts[1]
                else { return giveUp() }
                overdue += late
                figures.overdueFound.add(UInt64(late))
                figures.shortened.add(UInt64(short))
                goOn(next)
            }
        }
    }

    private func goOn(_ next: [UInt8]) {
        isUnderWay = false
        guard next == [UInt8(ascii: "0")] else {
            stage = .redis(cursor: next)
            return
        }
        stage = .resting
        figures.overdue.set(overdue)
        figures.checkedAt = now
    }

    /// Redis can't be asked: the walk begins anew when the claim is over.
    private func giveUp() {
        isUnderWay = false
        stage = .resting
    }
}

/// Gives keys the end that the retention of their policy asks for.
enum RetentionScript {
    /// KEYS: keys under a retention. ARGV: the retention of each in milliseconds; at last, for how long a key may be
    /// past its end before it counts as overdue.
    ///
    /// A record ends so long after its creation, and is removed when that is over; anything else tells nobody when it
    /// was created, and ends so long from now where it would live longer. Answers how many were overdue, and of how
    /// many others the life was shortened.
    static let text = Array(
        """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local overdue, shortened = 0, 0
        for i, key in ipairs(KEYS) do
          local life, left = redis.call('PTTL', key), tonumber(ARGV[i])
          if life ~= -2 and redis.call('TYPE', key)['ok'] == 'hash' then
            local kept = redis.call('HMGET', key, 'version', 'created_ms', 'operations', 'deleted')
            if kept[1] and kept[3] then
              if kept[4] then life = -2 elseif tonumber(kept[2] or '') then left = kept[2] + left - now end
            end
          end
          if life ~= -2 and left <= 0 then
            redis.call('UNLINK', key)
            if -left >= tonumber(ARGV[#ARGV]) then overdue = overdue + 1 end
          elseif life == -1 or life > left then
            redis.call('PEXPIRE', key, string.format('%.0f', left))
            shortened = shortened + 1
          end
        end
        return {overdue, shortened}
        """.utf8)

    static func words(_ keys: [(key: [UInt8], retention: Int64)]) -> [[UInt8]] {
        func decimal(_ value: Int64) -> [UInt8] { Array(String(value).utf8) }
        return [Array("EVAL".utf8), text, decimal(Int64(keys.count))] + keys.map(\.key)
            + keys.map { decimal($0.retention) } + [decimal(LifecycleWalk.graceMilliseconds)]
    }
}
