// One worker's ear: what Redis tells of changed keys is taken over, and proved to arrive.
//
// DESIGN. RESP2 has no pushes, so three connections take part. Reads travel over the worker's *data* connection, for
// which CLIENT TRACKING is on; Redis tells of changes over the *ear*, which is subscribed to `__redis__:invalidate`
// and to which the data connection redirects; the *beat* changes the sentinel, as another client would, and is the
// connection that broadcasts where policies ask for prefixes.
//
//     data   CACHING YES, STRLEN sentinel ──► reply    (now it is tracked)
//     beat                           SET, DEL sentinel ──►
//     ear                                               ◄── invalidation of the sentinel
//            ▲ everything that was changed until here is known
//
// The invalidation of the sentinel comes behind all those that Redis made before it, on the same connection, so its
// arrival proves that all changes until the STRLEN was sent are known here. Any part that fails (a connection, tracking
// itself, a Redis that became a replica) ends the proofs; when the last one is older than the smallest bound in use,
// or a connection is known to be lost, there is a gap.
//
// What tracking does not do, as measured on Redis 7.0: a key that is only written is not tracked. Hence entries filled
// by writes have no epoch. NOLOOP is not asked for: with it Redis keeps silent about the keys that it drops from a full
// tracking table while it carries out a command of the very connection that has read them (tracking.c tells by the
// current client alone), and a copy would rest on a tracking that has ended. So own writes are told of too: the key is
// read once more, and tracked by that.
//
// Source: https://redis.io/docs/manual/client-side-caching/; tracking.c of Redis 7.0.

internal import LocalTier
public import Primitives
public import RedisTier

/// What the log is told of coherence.
public enum CoherenceEvent: Sendable, Equatable {
    /// Invalidations are live: every worker has proved it.
    case live
    /// What was filled before is unverified.
    case gap(String)
    /// Redis refuses what tracking needs; said once until it works.
    case refused(String)
}

/// The tracking of one worker's reads; belongs to its thread.
public final class Tracker {
    private enum Phase {
        /// Nothing is tracked, by the policies.
        case off
        /// A connection is missing.
        case waiting
        /// Redis has been asked to track.
        case enabling
        /// It tracks; proofs are made.
        case proving
    }

    private unowned let tiers: Tiers
    private let worker: Int
    private let makeConnection: () -> RedisConnection
    private let onEvent: (CoherenceEvent) -> Void
    private let data: RedisConnection
    private var ear: RedisConnection?
    private var beat: RedisConnection?
    private var timer: (any ScheduledTimer)?
    private var phase = Phase.off
    private var isSubscribed = false
    private var bound: Int64 = 0
    private var prefixes: [[UInt8]]?
    /// Names the attempt to track; what an earlier one still hears is nothing to it.
    private var attempt = 0
    /// What the sentinels of this worker begin with, and what those begin with whose changes are broadcast.
    private let sentinelPrefix: [UInt8]
    private let broadcastPrefix: [UInt8]
    /// Tells the sentinels of proofs apart of which something may still be under way.
    private var sentinelNumber = 0
    /// The proof under way.
    private var pending: Pending?
    private var provenAt: Int64 = 0
    private var renewedAt: Int64
    private var wasRefused = false
    private var nextFigures: Int64 = 0

    private struct Pending {
        let asOf: Timestamp
        let startedAt: Int64
        /// The sentinels whose invalidation is still awaited.
        var awaited: Set<[UInt8]>
    }

    /// What the sentinels of all sidecars begin with.
    private static let sentinels = Array("hearth:beat:".utf8)

    /// Whether the data connection tracks those reads for which it is asked to, be anybody there to be told or not. Of
    /// what waits for a connection: whether it will, since that is said ahead of it.
    var isTracking: Bool { isAsked || data.state != .ready && canEnable }

    /// Whether the data connection has been told to track, and has not refused.
    private var isAsked = false

    /// Whether Redis tells of changes: they may be missed all the same, which the next proof shows.
    var tellsOfChanges: Bool { phase == .proving }

    /// Whether Redis tells of every change of the key, whoever has read it.
    func hasBroadcast(of key: [UInt8]) -> Bool { prefixes?.contains { key.starts(with: $0) } ?? false }

    private var coherence: Coherence { tiers.share.coherence }
    private var scheduler: any Scheduler { tiers.scheduler }

    /// `data` is the connection over which `tiers` read.
    public init(
        _ tiers: Tiers, worker: Int, data: RedisConnection, makeConnection: @escaping () -> RedisConnection,
        onEvent: @escaping (CoherenceEvent) -> Void
    ) {
        self.tiers = tiers
        self.worker = worker
        self.data = data
        self.makeConnection = makeConnection
        self.onEvent = onEvent
        sentinelPrefix = Self.sentinels + Array("\(String(tiers.share.coherence.identity, radix: 16)):\(worker):".utf8)
        broadcastPrefix = sentinelPrefix + Array("all:".utf8)
        renewedAt = tiers.scheduler.monotonicNanoseconds
        timer = tiers.scheduler.makeTimer { [unowned self] in self.tick() }
        tiers.tracker = self
    }

    /// Begins to track as the policies ask; again after they have changed.
    public func start() {
        let wanted = tiers.policies.proofBound?.nanoseconds
        let prefixes = tiers.policies.broadcastPrefixes
        guard let wanted else { return stop() }
        let isNew = phase == .off
        let isOther = !isNew && prefixes != self.prefixes
        (bound, self.prefixes) = (wanted, prefixes)
        if isNew {
            phase = .waiting
            hire()
        } else if isOther {
            // Redis takes no prefixes back: the connection that broadcasts is made anew.
            lose("the prefixes of policies have changed")
            beat?.giveUp("the prefixes of policies have changed")
            enable()
        }
    }

    /// Nothing is tracked any more.
    private func stop() {
        guard phase != .off else { return }
        lose("no policy asks for tracking")
        isAsked = false
        phase = .off
        attempt += 1
        var request = RequestEncoder()
        request.append(["CLIENT", "TRACKING", "OFF"].map { Array($0.utf8) })
        data.send(request, timeoutNanoseconds: patience) { _ in }
        dismiss()
    }

    /// Ends the connections for good.
    public func close() {
        attempt += 1
        phase = .off
        coherence.lose(worker: worker, now: scheduler.monotonicNanoseconds)
        dismiss()
    }

    public func reconfigure(_ configuration: RedisConfiguration) {
        ear?.reconfigure(configuration)
        beat?.reconfigure(configuration)
    }

    private func hire() {
        let ear = makeConnection()
        let beat = makeConnection()
        (self.ear, self.beat) = (ear, beat)
        ear.listener = { [unowned self] in self.hear($0) }
        ear.onReady = { [unowned self] _ in self.subscribe() }
        ear.onEnded = { [unowned self] _ in
            self.isSubscribed = false
            self.lose("the connection for invalidations ended")
        }
        beat.onReady = { [unowned self] _ in self.enable() }
        beat.onEnded = { [unowned self] _ in
            // Of keys that are read nothing is missed by it: the next proof tells.
            if self.prefixes != nil { self.lose("the connection that broadcasts ended") }
        }
        ear.start()
        beat.start()
    }

    private func dismiss() {
        timer?.stop()
        ear?.close()
        beat?.close()
        (ear, beat) = (nil, nil)
        isSubscribed = false
        pending = nil
    }

    // MARK: Connections

    /// The data connection is ready, before anything that waited leaves over it.
    func dataDidConnect() {
        // Where Redis does not tell which process it is, nobody can say that this one had a key.
        if let client = data.client, !client.runID.isEmpty {
            coherence.noteProcess(Replay.process(client), at: scheduler.now)
        }
        enable()
    }

    /// The data connection has ended, before those hear who waited.
    func dataDidEnd() {
        isAsked = false
        if phase != .off { lose("the connection for reads ended") }
    }

    private var patience: Int64 { max(tiers.limits.timeout, 1_000_000_000) }

    private func subscribe() {
        var request = RequestEncoder()
        request.append("SUBSCRIBE", Self.channel)
        ear?.send(request, timeoutNanoseconds: patience) { [weak self] result in
            guard let self, case .success(let replies) = result else { return }
            if case .error(let text) = replies[0] { return refused(text) }
            isSubscribed = true
            enable()
        }
    }

    private static let channel = Array("__redis__:invalidate".utf8)

    /// Whether nothing but the data connection is missing.
    private var canEnable: Bool { phase != .off && isSubscribed && ear?.client != nil && beat?.state == .ready }

    /// Asks Redis to track, where every connection is there.
    private func enable() {
        guard canEnable, let id = ear?.client?.id, let beat, data.state == .ready, data.client != nil else { return }
        phase = .enabling
        attempt += 1
        pending = nil
        sentinelNumber += 1
        let target = Array(String(id).utf8)
        func tracking(_ words: [[UInt8]]) -> RequestEncoder {
            var request = RequestEncoder()
            request.append(["CLIENT", "TRACKING", "ON", "REDIRECT"].map { Array($0.utf8) } + [target] + words)
            return request
        }
        var missing = 1
        let hears: (RedisResult) -> Void = { [weak self, attempt] result in
            guard let self, attempt == self.attempt, case .success(let replies) = result else { return }
            if case .error(let text)? = replies.first(where: \.isError) { return refused(text) }
            missing -= 1
            guard missing == 0 else { return }
            phase = .proving
            provenAt = scheduler.monotonicNanoseconds
            prove()
        }
        if let prefixes {
            missing += 1
            // Everything is broadcast already where a prefix is empty; Redis refuses prefixes that begin each other.
            let isCovered = prefixes.contains { broadcastPrefix.starts(with: $0) }
            let all = prefixes.contains([]) ? [] : isCovered ? prefixes : prefixes + [broadcastPrefix]
            let words = [Array("BCAST".utf8)] + all.flatMap { [Array("PREFIX".utf8), $0] }
            beat.send(tracking(words), timeoutNanoseconds: patience, completion: hears)
        }
        // What every read will say is tried here: a user that may not say it hears so now. It is for the command behind
        // it, which must be nobody's: a write that also reads its key would have Redis tell of what comes after it.
        var onlyAsked = tracking([Array("OPTIN".utf8)])
        onlyAsked.appendCaching()
        onlyAsked.append("STRLEN", of: sentinelPrefix)
        // Of all that is sent from here on.
        isAsked = true
        data.send(onlyAsked, timeoutNanoseconds: patience) { [weak self] result in
            if let self, phase != .off, case .success(let replies) = result {
                isAsked = !replies[..<2].contains(where: \.isError)
            }
            hears(result)
        }
        wake(in: bound)
    }

    /// Redis refuses (a permission, a version that has no tracking): tried again now and then.
    private func refused(_ text: [UInt8]) {
        attempt += 1
        lose("Redis refuses tracking")
        if !wasRefused { onEvent(.refused(String(decoding: text, as: UTF8.self))) }
        wasRefused = true
        wake(in: Self.refusedPause)
    }

    /// Redis refuses to remember what a read asks about.
    func refusedReads(_ text: [UInt8]) {
        // It was not asked to track: another connection was lost while this one was made.
        guard isAsked else { return }
        isAsked = false
        refused(text)
    }

    /// How long until Redis is asked again what it has refused, in nanoseconds.
    private static let refusedPause: Int64 = 10_000_000_000

    // MARK: Proofs

    private var pause: Int64 { min(1_000_000_000, bound / 4) }

    private func wake(in nanoseconds: Int64) {
        timer?.start(afterMilliseconds: max(1, (nanoseconds + 999_999) / 1_000_000))
    }

    private func tick() {
        let now = scheduler.monotonicNanoseconds
        switch phase {
        case .off: break
        case .waiting:
            // All is there and Redis refused, or could not be asked: asked again.
            if !isSubscribed, ear?.state == .ready { subscribe() } else { enable() }
        case .enabling:
            lose("Redis did not answer CLIENT TRACKING")
            ear?.giveUp("CLIENT TRACKING was not answered")
        case .proving where now - provenAt >= bound:
            lose("no invalidation came back within \(Duration.nanoseconds(bound))")
            ear?.giveUp("no invalidation came back")
        case .proving: prove()
        }
    }

    /// Makes a proof, or goes on with the one that is under way where a part of it failed.
    private func prove() {
        let now = scheduler.monotonicNanoseconds
        wake(in: min(pause, max(0, provenAt + bound - now)))
        if let pending {
            guard now - pending.startedAt >= 2 * pause else { return }
            // Something of it was lost, with the beat's connection say. What is still under way of it is not to be
            // taken for the next one's: that has other sentinels.
            sentinelNumber += 1
        }
        let number = Array(String(sentinelNumber).utf8)
        let keys = prefixes == nil ? [sentinelPrefix + number] : [sentinelPrefix + number, broadcastPrefix + number]
        pending = Pending(asOf: scheduler.now, startedAt: now, awaited: Set(keys))
        var request = RequestEncoder()
        request.appendCaching()
        request.append("STRLEN", of: keys[0])
        data.send(request, timeoutNanoseconds: patience) { [weak self, attempt, sentinelNumber] result in
            guard let self, attempt == self.attempt, sentinelNumber == self.sentinelNumber,
                case .success(let replies) = result
            else { return }
            if case .error(let text) = replies[0] { return refusedReads(text) }
            if case .error(let text) = replies[1] { return refused(text) }
            change(keys)
        }
        askForFigures(now)
    }

    /// Changes the sentinels, over a connection that is not the one which tracks them; nothing of them stays.
    private func change(_ keys: [[UInt8]]) {
        guard let beat else { return }
        var request = RequestEncoder()
        request.append("MULTI")
        for key in keys {
            request.append([Array("SET".utf8), key, []])
            request.append("DEL", key)
        }
        request.append("EXEC")
        beat.send(request, timeoutNanoseconds: patience) { [weak self, attempt] result in
            guard let self, attempt == self.attempt, case .success(let replies) = result,
                case .error(let text)? = replies.first(where: \.isError)
            else { return }
            // What Redis can't do now (OOM, READONLY, MISCONF) is tried with the next proof.
            if text.starts(with: "NOPERM".utf8) || text.starts(with: "ERR".utf8) { refused(text) }
        }
    }

    private func heard(_ key: [UInt8]) {
        guard phase == .proving, pending?.awaited.remove(key) != nil, let proof = pending, proof.awaited.isEmpty else {
            return
        }
        pending = nil
        provenAt = proof.startedAt
        wasRefused = false
        renewIfDue()
        let isNew = coherence.prove(
            worker: worker, asOf: proof.asOf, deadline: proof.startedAt + bound, now: scheduler.monotonicNanoseconds)
        if isNew { onEvent(.live) }
    }

    /// Lets everything be compared with Redis once in a tenth of the shortest `stale_if_error`: the copy on disk is as
    /// old as the last comparison, and would be too old for the outage that it is kept for.
    private func renewIfDue() {
        guard worker == 0, let after = tiers.policies.renewal?.nanoseconds else { return }
        guard provenAt - renewedAt >= after else { return }
        renewedAt = provenAt
        coherence.renew()
    }

    /// Proofs are worth nothing any more.
    private func lose(_ reason: String) {
        if phase != .off { phase = .waiting }
        pending = nil
        attempt += 1
        if coherence.lose(worker: worker, now: scheduler.monotonicNanoseconds) { onEvent(.gap(reason)) }
        wake(in: pause)
    }

    /// How often Redis is asked how many keys it tracks, in nanoseconds.
    private static let figuresPause: Int64 = 10_000_000_000

    private func askForFigures(_ now: Int64) {
        guard worker == 0, now >= nextFigures else { return }
        nextFigures = now + Self.figuresPause
        var request = RequestEncoder()
        request.append("INFO", Array("stats".utf8))
        beat?.send(request, timeoutNanoseconds: patience) { [weak self] result in
            guard let self, case .success(let replies) = result, case .string(let text) = replies[0] else { return }
            let name = Array("tracking_total_keys:".utf8)
            guard
                let line = text.split(whereSeparator: { $0 == 10 || $0 == 13 }).first(where: { $0.starts(with: name) }),
                let count = Int64(String(decoding: line.dropFirst(name.count), as: UTF8.self))
            else { return }
            coherence.noteTrackedKeys(count)
        }
    }

    // MARK: Invalidations

    /// What the ear hears: `message`, the channel, and the keys, or nothing for every key.
    private func hear(_ reply: Reply) {
        guard case .array(let parts) = reply, parts.count == 3, parts[0] == .string(Array("message".utf8)) else {
            return
        }
        guard case .array(let keys) = parts[2] else { return invalidateAll() }
        var received = 0
        var applied = 0
        for case .string(let key) in keys {
            if key.starts(with: Self.sentinels) {
                heard(key)
                continue
            }
            if Faults.isDeaf { continue }
            received += 1
            if tiers.takeInvalidation(key) { applied += 1 }
        }
        coherence.noteReceived(received)
        coherence.noteApplied(applied)
    }

    private func invalidateAll() {
        if Faults.isDeaf { return }
        coherence.noteFlush(at: scheduler.now)
        tiers.local.invalidateAll()
    }
}

extension Tiers {
    /// Somebody has changed the key: what is held of it is unverified. Whether memory held it.
    ///
    /// What lies on disk may be served in an outage, and is not given to Redis: the change may have been a deletion,
    /// unless it was this worker's own last write. (Redis broadcasts every change: there it tells nothing.)
    func takeInvalidation(_ key: [UInt8]) -> Bool {
        let hash = KeyHash(key)
        let isHeld = key.withUnsafeBytes { local.invalidate($0, hash: hash) }
        let isOwn = ownWrites.explains(hash) && !(tracker?.hasBroadcast(of: key) ?? false)
        if !isOwn { changeWarm(key, policies.policies[policies.index(for: key)], .suspect) }
        return isHeld
    }

    /// A write of ours that is no write to those who read here is about to be sent: Redis will not tell of the next
    /// change of the key, so what is held of it is bounded by time.
    func distrustTracking(of key: [UInt8], _ hash: KeyHash) {
        key.withUnsafeBytes { key in
            _ = local.update(key, hash: hash, now: scheduler.now, cancelsFills: false) { $0.epoch = 0 }
        }
    }

    /// Until when entries that are live are proved to be unchanged; nil where invalidations are not live.
    public var provedUntil: Timestamp? { share.coherence.verifiedUntil(local.liveEpoch) }

    /// The epoch for an entry under `policy` whose fill began with this token.
    func epoch(_ token: TokenBox, _ policy: Policy) -> UInt16 { policy.trustsInvalidations ? token.epoch : 0 }

    /// When a copy was last known to be true: compared with Redis, or proved to be unchanged.
    func verifiedAt(_ metadata: EntryMetadata) -> Timestamp {
        guard let proved = share.coherence.verifiedUntil(metadata.epoch) else { return metadata.verifiedAt }
        return max(metadata.verifiedAt, proved)
    }
}
