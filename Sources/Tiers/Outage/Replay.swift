// Replaying: what the journal holds goes to Redis when it takes writes again, in order per key, many keys side by side.
//
// DESIGN: runs on one worker over a connection of its own, so that live traffic never waits behind it. Before anything
// is replayed, connections on which a write was left without an answer are ended in Redis for certain: what lies in
// their buffers must not run after the replay. So many units are under way at once and so many entries a second leave;
// an entry is settled in the journal, durably, before its key counts as settled.

internal import LocalTier
internal import Metrics
internal import Primitives
public import RedisTier
internal import Resilience
internal import State

/// How much of Redis a replay may take.
public struct ReplayConfiguration: Sendable, Equatable {
    /// Entries per second, at most.
    public var rate = 20_000
    /// Units under way at the same time.
    public var window = 16
    /// Entries of one key that travel together, and about how many bytes of them.
    public var unitEntries = 64
    public var unitBytes = 256 << 10

    public init() {}
}

/// What the log is told of a replay.
public enum ReplayEvent: Sendable {
    /// Nothing is replayed before somebody says so: what waits is for another Redis.
    case held(entries: Int)
    case began(entries: Int)
    case ended(entries: Int, conflicts: Int, milliseconds: Int64)
    case conflict(Conflict)
    /// Redis refuses the script or CLIENT KILL itself; entries wait.
    case refused(String)
}

/// The replay of one journal; belongs to its worker's thread.
public final class Replay: RedisConnectionDelegate {
    let tiers: Tiers
    let connection: RedisConnection
    private let journal: any JournalAccess
    private let identity: UInt64
    /// The Redis process in which the connections of this sidecar's earlier lives have been ended.
    private var clearedProcess: [UInt8]?
    /// Redis tells neither ids nor its run id: said once.
    private var wasToldOfNames = false
    private let configuration: ReplayConfiguration
    private let onEvent: (ReplayEvent) -> Void
    private var scheduler: any Scheduler { tiers.scheduler }
    private var pending: PendingWrites { journal.pending }

    /// Entries from an earlier life are for another address than `redis.url` names now: a person has to say so.
    private var isHeld = false
    private var unitsUnderWay = 0
    private var isEnding = false
    /// Entries that may leave now, and when that was reckoned.
    private var allowance = 0.0
    private var allowanceAt: Int64 = 0
    /// Redis refused: nothing is tried before.
    private var pauseUntil: Int64 = 0
    /// Comes back when connections in doubt have had their time.
    private var timer: (any ScheduledTimer)?
    private var current: (startedAt: Int64, entries: Int, conflicts: Int)?

    /// `connection` is the replay's alone and has not been started; `identity` is the journal's.
    public init(
        _ tiers: Tiers, connection: RedisConnection, journal: any JournalAccess, identity: UInt64,
        configuration: ReplayConfiguration = ReplayConfiguration(), onEvent: @escaping (ReplayEvent) -> Void
    ) {
        self.tiers = tiers
        self.connection = connection
        self.journal = journal
        self.identity = identity
        self.configuration = configuration
        self.onEvent = onEvent
        timer = tiers.scheduler.makeTimer { [unowned self] in self.step() }
        connection.delegate = self
        connection.onAnsweredLate = { [share = tiers.share] client in share.doubtful.settle([client]) }
        connection.onEnded = { [share = tiers.share] client in share.doubtful.noteEnded(client) }
        hold(pending.hasAny(notFor: connection.configuration.address))
        if isHeld { onEvent(.held(entries: pending.entryCount)) }
    }

    /// Replays to the Redis that there is, whichever the entries were for.
    public func adopt() {
        hold(false)
        step()
    }

    /// For a person as well, who looks at how this process is.
    private func hold(_ holds: Bool) {
        isHeld = holds
        tiers.share.journalCounters.isHeld = holds
    }

    public func redisDidConnect(_ connection: RedisConnection) { step() }
    public func redisDidDisconnect(_ connection: RedisConnection, _ failure: RedisFailure) {}

    /// Goes on with what can go on; to be called often: after each event that may matter, and every 100 ms.
    public func step() {
        guard !pending.isEmpty else {
            // What was for another Redis is gone (discarded); what comes from now on is for this one.
            if isHeld { hold(false) }
            return rest()
        }
        guard !isHeld else { return }
        let now = scheduler.monotonicNanoseconds
        guard now >= pauseUntil, !tiers.breaker.refusesWrites else { return }
        if connection.state == .idle { connection.start() }
        guard connection.state == .ready, !isEnding else { return }
        guard endDoubtful(now) else { return }
        if current == nil {
            current = (now, 0, 0)
            onEvent(.began(entries: pending.entryCount))
        }
        pump(now)
    }

    private func rest() {
        guard let done = current, unitsUnderWay == 0 else { return }
        current = nil
        let elapsed = (scheduler.monotonicNanoseconds - done.startedAt) / 1_000_000
        onEvent(.ended(entries: done.entries, conflicts: done.conflicts, milliseconds: elapsed))
    }

    // MARK: Connections in doubt

    /// Ends the connections on which a write is unanswered; whether none is left.
    private func endDoubtful(_ now: Int64) -> Bool {
        guard let client = connection.client, !client.runID.isEmpty else {
            // What can't be told from a stranger's connection must not be ended.
            if !wasToldOfNames {
                wasToldOfNames = true
                onEvent(.refused("CLIENT ID or INFO: connections with unanswered writes can't be told, nor ended"))
            }
            tiers.share.doubtful.settle(tiers.share.doubtful.all.keys)
            return true
        }
        guard clearedProcess == client.runID else {
            endEarlierLives(client)
            return false
        }
        let doubtful = tiers.share.doubtful
        let all = doubtful.all
        guard !all.isEmpty else { return true }
        // The process that they belonged to has ended, and their writes with it. What goes over this very connection
        // now goes behind what it has given up; once it has ended that is in doubt as any other's.
        doubtful.settle(all.keys.filter { $0.runID != client.runID })
        let alive = all.filter { $0.key.runID == client.runID && $0.key != client }
        guard !alive.isEmpty else { return true }
        // A late answer would settle it without harm to the other requests of that connection.
        let grace = 2 * tiers.limits.timeout
        let wait = alive.values.map { $0 + grace - now }.max() ?? 0
        guard wait <= 0 else {
            timer?.start(afterMilliseconds: wait / 1_000_000 + 1)
            return false
        }
        let clients = Array(alive.keys)
        kill(clients.map(\.id)) { [self] in
            doubtful.settle(clients)
            step()
        }
        return false
    }

    /// What the connections of one life of the sidecar with this journal are called.
    public static func clientName(identity: UInt64, life: UInt64) -> String {
        "hearth-\(String(identity, radix: 16))-\(String(life, radix: 16))"
    }

    /// Ends what an earlier process of this sidecar has left in Redis: writes that it sent before it died must not run
    /// after the replay either. Nobody remembers their ids, so they are known by their names.
    private func endEarlierLives(_ client: RedisClient) {
        isEnding = true
        var request = RequestEncoder()
        request.append("CLIENT", bytes("LIST"))
        connection.send(request, timeoutNanoseconds: timeout) { [self] result in
            isEnding = false
            guard case .success(let replies) = result else { return }
            guard case .string(let list) = replies[0] else {
                if case .error(let text) = replies[0] {
                    onEvent(.refused("CLIENT LIST: \(String(decoding: text, as: UTF8.self))"))
                }
                clearedProcess = client.runID
                return step()
            }
            let earlier = Self.earlierLives(
                String(decoding: list, as: UTF8.self), identity: identity, own: connection.configuration.clientName)
            kill(earlier) { [self] in
                clearedProcess = client.runID
                step()
            }
        }
    }

    /// The ids of the connections in a CLIENT LIST that belong to this journal and not to this life.
    static func earlierLives(_ list: String, identity: UInt64, own: String) -> [Int64] {
        let prefix = "hearth-\(String(identity, radix: 16))-"
        return list.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard let name = fields.first(where: { $0.hasPrefix("name=") })?.dropFirst(5), name.hasPrefix(prefix),
                name != own, let id = fields.first(where: { $0.hasPrefix("id=") })?.dropFirst(3)
            else { return nil }
            return Int64(id)
        }
    }

    /// Ends connections by their ids; `completion` runs when Redis has answered.
    private func kill(_ ids: [Int64], _ completion: @escaping () -> Void) {
        guard !ids.isEmpty else { return completion() }
        isEnding = true
        var request = RequestEncoder()
        for id in ids { request.append("CLIENT", bytes("KILL"), bytes("ID"), ReplayScript.decimal(id)) }
        connection.send(request, timeoutNanoseconds: timeout) { [self] result in
            isEnding = false
            guard case .success(let replies) = result else { return }
            if case .error(let text)? = replies.first(where: \.isError) {
                onEvent(.refused("CLIENT KILL: \(String(decoding: text, as: UTF8.self))"))
            }
            completion()
        }
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// Redis may be slow with a large unit: so long in nanoseconds, not `redis.timeout`, which is for one request.
    var timeout: Int64 { max(4 * tiers.limits.timeout, 1_000_000_000) }

    // MARK: Units

    private func pump(_ now: Int64) {
        let rate = Double(configuration.rate)
        allowance = min(max(1, rate / 10), allowance + Double(now - allowanceAt) / 1e9 * rate)
        allowanceAt = now
        if allowance < 1 { timer?.start(afterMilliseconds: 2) }
        while unitsUnderWay < configuration.window, allowance >= 1 {
            guard
                let unit = pending.takeUnit(entryMax: configuration.unitEntries, bytesMax: configuration.unitBytes)
            else { return }
            guard let permit = tiers.breaker.admit(.write, now: now) else {
                return pending.giveBack(unit.sequences, wasAttempted: false)
            }
            allowance -= Double(unit.sequences.count)
            send(unit, permit, byDigest: true)
        }
    }

    private func send(_ unit: PendingWrites.Unit, _ permit: Permit, byDigest: Bool) {
        if unit.writes[0].record != nil { return replayRecords(unit, permit) }
        let marker = ReplayScript.marker(for: unit.keys[0], identity: identity)
        let process = connection.client.map { Self.process($0) } ?? 0
        let head = byDigest ? [bytes("EVALSHA"), ReplayScript.digest] : [bytes("EVAL"), bytes(ReplayScript.text)]
        var request = RequestEncoder()
        request.append(
            head
                + ReplayScript.arguments(
                    unit, marker: marker, policies: tiers.policies, deleter: tiers.share.deletions.words(),
                    isOtherProcess: { $0 != 0 && process != 0 && $0 != process }, now: scheduler.now))
        unitsUnderWay += 1
        connection.send(request, timeoutNanoseconds: timeout) { [self] result in
            unitsUnderWay -= 1
            let now = scheduler.monotonicNanoseconds
            switch result {
            case .failure(let failure):
                tiers.breaker.failed(permit, failure, now: now, elapsed: nil)
                tiers.share.doubtful.note(failure, now: now)
                giveBack(unit, wasAttempted: failure.mayHaveBeenSent)
            case .success(let replies):
                switch replies[0] {
                case .error(let text) where byDigest && text.starts(with: "NOSCRIPT".utf8):
                    return send(unit, permit, byDigest: false)
                case .error(let text): refused(unit, permit, text, now)
                case .array(let answers) where answers.count == unit.sequences.count:
                    tiers.breaker.succeeded(permit, now: now, elapsed: nil)
                    let conflicts = answers.enumerated().map { index, answer in
                        Self.conflicts(answer, unit.writes[index], unit.sequences[index], unit.acceptedAt[index])
                    }
                    return replicate(unit, conflicts, marker, now)
                default:
                    refused(unit, permit, bytes("ERR an answer that is not the script's"), now)
                }
            }
            step()
        }
    }

    private func replayRecords(_ unit: PendingWrites.Unit, _ permit: Permit) {
        unitsUnderWay += 1
        sendRecords(unit, permit) { [self] conflicts, wasAttempted in
            unitsUnderWay -= 1
            if let conflicts { return replicate(unit, conflicts, nil, scheduler.monotonicNanoseconds) }
            giveBack(unit, wasAttempted: wasAttempted)
            step()
        }
    }

    /// What became of a unit is unknown, or it was not even sent: it waits again.
    ///
    /// What finds no room in the pipeline is told so at once, from within `pump`: trying it again there would go round,
    /// deeper each time, until the room comes or the stack ends.
    private func giveBack(_ unit: PendingWrites.Unit, wasAttempted: Bool) {
        pending.giveBack(unit.sequences, wasAttempted: wasAttempted)
        guard !wasAttempted else { return }
        pauseUntil = max(pauseUntil, scheduler.monotonicNanoseconds + Self.unsentPause)
        timer?.start(afterMilliseconds: Self.unsentPause / 1_000_000)
    }

    /// How long nothing is tried after a unit that was not sent, in nanoseconds.
    private static let unsentPause: Int64 = 10_000_000

    /// Redis has a unit; its entries are kept until as many replicas have it as its policies want.
    private func replicate(
        _ unit: PendingWrites.Unit, _ conflicts: [[Conflict]], _ marker: [UInt8]?, _ now: Int64
    ) {
        unitsUnderWay += 1
        let wanted = tiers.replicasWanted(unit.writes.flatMap(\.keys))
        tiers.awaitReplicas(wanted, over: connection, since: now) { [self] shortfall in
            unitsUnderWay -= 1
            if let shortfall {
                // Redis knows by its marker that these are done: they are only waited for again.
                pauseUntil = tiers.scheduler.monotonicNanoseconds + 1_000_000_000
                pending.giveBack(unit.sequences, wasAttempted: true)
                onEvent(.refused(shortfall.reason))
            } else {
                settle(unit, conflicts, marker)
            }
            step()
        }
    }

    /// Nothing is tried for a while, since Redis refuses; said once each time.
    func refuse(_ text: [UInt8]) {
        pauseUntil = scheduler.monotonicNanoseconds + 1_000_000_000
        onEvent(.refused(String(decoding: text, as: UTF8.self)))
    }

    /// Redis did nothing of it. Where that is not a state of Redis that the breaker knows, it is tried again later.
    private func refused(_ unit: PendingWrites.Unit, _ permit: Permit, _ text: [UInt8], _ now: Int64) {
        if tiers.breaker.judge(permit, error: text, now: now, elapsed: nil) {
            pauseUntil = now + 1_000_000_000
        } else {
            pauseUntil = now + 100_000_000
        }
        pending.giveBack(unit.sequences, wasAttempted: false)
        onEvent(.refused(String(decoding: text, as: UTF8.self)))
    }

    /// xxh3 of a Redis process's run id.
    static func process(_ client: RedisClient) -> UInt64 { client.runID.withUnsafeBytes { xxh3($0) } }

    // MARK: Settling

    private func settle(_ unit: PendingWrites.Unit, _ conflicts: [[Conflict]], _ marker: [UInt8]?) {
        var settlement = Settlement(sequences: unit.sequences)
        var isCertain = true
        var doneCount = 0
        for (write, found) in zip(unit.writes, conflicts) {
            settlement.conflicts += found
            for conflict in found { onEvent(.conflict(conflict)) }
            if found.allSatisfy({ $0.verdict == .overwrote }) { doneCount += 1 }
            isCertain = isCertain && write.operations.allSatisfy(\.write.isAbsolute)
        }
        isCertain = isCertain && settlement.conflicts.isEmpty
        tiers.share.journalCounters.replayed.add(UInt64(doneCount))
        for conflict in settlement.conflicts {
            tiers.share.journalCounters.note(conflict.verdict)
            // What is held here of the key is what Redis did not take.
            if conflict.verdict != .overwrote { tiers.forgetAfterReplay(conflict.key) }
        }
        if let done = current {
            current = (
                done.startedAt, done.entries + unit.sequences.count, done.conflicts + settlement.conflicts.count
            )
        }
        journal.settle(settlement) { [self] isDurable in
            // Where the disk refused to note it, Redis's marker stays: after a crash it says that these were done.
            if isDurable, let marker { clear(marker, unit.sequences[unit.sequences.count - 1]) }
            for (key, value) in pending.finish(unit.sequences) {
                // What Redis has now may differ from what was reckoned here.
                if !isCertain || value == .unknown { tiers.refreshAfterReplay(key, value) }
            }
            step()
        }
    }

    /// The conflicts that the script found for one entry: verdict, then key, type and value of each.
    private static func conflicts(
        _ answer: Reply, _ write: JournaledWrite, _ sequence: UInt64, _ acceptedAt: Timestamp
    ) -> [Conflict] {
        guard case .array(let fields) = answer, fields.count >= 4, case .string(let word) = fields[0] else { return [] }
        let verdict: Conflict.Verdict
        switch String(decoding: word, as: UTF8.self) {
        case "overwrote": verdict = .overwrote
        case "kept": verdict = .kept
        default: verdict = .failed
        }
        func conflict(_ key: [UInt8], _ theirType: String, _ theirs: [UInt8]?) -> Conflict {
            let (operation, ours) = write.summary(of: key)
            return Conflict(
                sequence: sequence, acceptedAt: acceptedAt, key: key, verdict: verdict, operation: operation,
                ours: ours, theirType: theirType, theirs: theirs)
        }
        var found: [Conflict] = []
        for index in stride(from: 1, to: fields.count - 2, by: 3) {
            guard case .string(let key) = fields[index], case .string(let type) = fields[index + 1] else { continue }
            let theirType = String(decoding: type, as: UTF8.self)
            var theirs: [UInt8]?
            if theirType == "string", case .string(let value) = fields[index + 2] { theirs = value }
            found.append(conflict(key, theirType, theirs))
        }
        guard verdict == .kept else { return found }
        // An entry is done or kept as a whole: what it would have done to its other keys is kept as well.
        let named = Set(found.map(\.key))
        return found
            + write.keys.filter { !named.contains($0) }.map {
                conflict($0, "kept with another key of the same entry", nil)
            }
    }

    /// Takes the marker away; where that fails, its life ends by itself.
    private func clear(_ marker: [UInt8], _ sequence: UInt64) {
        var request = RequestEncoder()
        request.append([
            bytes("EVAL"), bytes(ReplayScript.clearText), bytes("1"), marker, ReplayScript.decimal(Int64(sequence)),
        ])
        connection.send(request, timeoutNanoseconds: timeout) { _ in }
    }
}

extension Tiers {
    /// Asks Redis for a key whose waiting writes are done, behind everything: what is held here may differ from it.
    func refreshAfterReplay(_ key: [UInt8], _ value: PendingWrites.Value) {
        let hash = KeyHash(key)
        let policy = policies.policy(for: key)
        guard flights[HashedKey(key)] == nil, !breaker.refusesReads else { return }
        var form = HeldValue.Kind.string
        if case .held(let held) = value { form = held.kind }
        _ = makeFlight(key, hash, policy, form)
    }

    /// Forgets what an outage has left here of a key, since Redis has something else.
    func forgetAfterReplay(_ key: [UInt8]) {
        forget(key, KeyHash(key), policies.policy(for: key))
    }
}
