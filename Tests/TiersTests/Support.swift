// A whole sidecar less its sockets: tiers over a simulated Redis, a simulated warm tier and virtual time.

import LocalTier
import Primitives
import RedisTier
import Resilience
import State
import TestSupport
import Testing
import Tiers

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func hash(_ key: String) -> KeyHash { bytes(key).withUnsafeBytes { KeyHash($0) } }

func policy(_ prefix: String = "", _ change: (inout Policy) -> Void = { _ in }) -> Policy {
    var policy = Policy()
    policy.prefix = bytes(prefix)
    change(&policy)
    return policy
}

final class Sidecar {
    /// How many processes this one follows.
    private var lives: UInt64 = 0
    let scheduler: SimulatedScheduler
    let redis: SimulatedRedis
    let warm: SimulatedWarm
    let local: LocalTier
    let share: TierShare
    var workers: [Tiers] = []
    var connections: [RedisConnection] = []
    private(set) var journal: SimulatedJournal?
    private(set) var replay: Replay?
    private var outbox: Outbox?
    /// What the outbox told the log.
    let outboxEvents = Box<OutboxEvent>()
    private(set) var trackers: [Tracker] = []
    /// What coherence told the log.
    let coherenceEvents = Box<CoherenceEvent>()
    private var deletionReader: DeletionReader?
    private var deletionConnection: RedisConnection?
    /// What the reader of deletions told the log.
    let deletionEvents = Box<DeletionEvent>()
    /// What the replay told the log.
    let replayEvents = Box<ReplayEvent>()
    private var prober: BreakerProber?
    /// Transitions of the breaker, as `read closed>open`.
    final class Transitions: @unchecked Sendable {
        var list: [String] = []
        var causes: [String] = []
    }
    let transitions = Transitions()

    var tiers: Tiers { workers[0] }

    init(
        _ policies: [Policy] = [], workers count: Int = 1, hasRedis: Bool = true, hasWarm: Bool = true,
        breaker: BreakerConfiguration? = nil, redis configuration: RedisConfiguration = RedisConfiguration(),
        localBytes: Int = 1 << 20, seed: UInt64 = 1, connects: Bool = true, journalOn disk: SimulatedFileSystem? = nil,
        journalBytes: Int = 4 << 20, tracks: Bool = false, deletions: Int = 0, after: Sidecar? = nil
    ) throws {
        // A second life has the same time, Redis and disk, and nothing else of the first.
        scheduler = after?.scheduler ?? SimulatedScheduler()
        let scheduler = scheduler
        redis = after?.redis ?? SimulatedRedis(scheduler, seed: seed)
        lives = after?.lives ?? 0
        local = try LocalTier(LocalTierConfiguration(maxBytes: localBytes, shards: 1))
        warm = SimulatedWarm(scheduler, local: local)
        let transitions = transitions
        let gate = BreakerGate(try breaker ?? BreakerConfiguration(), seed: seed) {
            transitions.list.append("\($0.side) \($0.from.rawValue)>\($0.to.rawValue)")
            transitions.causes.append(
                "\($0.side) \($0.to.rawValue): \($0.cause) at \($0.at.nanoseconds / 1_000_000) ms")
        }
        share = TierShare(local: local, breaker: gate, workers: count, identity: seed &* 1000 &+ lives)
        if let disk {
            journal = try SimulatedJournal(scheduler, disk: disk, local: local, maxBytes: journalBytes) { [warm] in
                warm.change($0, $1)
            }
        }
        var configuration = configuration
        if let journal {
            lives += 1
            configuration.clientName = Replay.clientName(identity: journal.identity, life: lives)
        }
        for index in 0..<count {
            let redis = redis
            let connection = RedisConnection(configuration, scheduler: scheduler, seed: seed &+ UInt64(index)) {
                redis.makeTransport($0)
            }
            let tiers = Tiers(
                share: share, policies: PolicyTable(policies), redis: hasRedis ? connection : nil,
                warm: hasWarm ? warm : nil, journal: journal, scheduler: scheduler,
                makeConnection: hasRedis
                    ? {
                        RedisConnection(configuration, scheduler: scheduler, seed: seed &+ 1000) {
                            redis.makeTransport($0)
                        }
                    } : nil)
            workers.append(tiers)
            connections.append(connection)
            scheduler.onIterationEnd.append { [weak self, weak tiers] in
                // Others may share the time with a process that has ended.
                guard let self, !isCrashed, let tiers else { return }
                while tiers.hasOutgoing { tiers.flush() }
            }
            if tracks {
                let events = coherenceEvents
                let tracker = Tracker(tiers, worker: index, data: connection) {
                    RedisConnection(configuration, scheduler: scheduler, seed: seed &+ 2000 &+ UInt64(index)) {
                        redis.makeTransport($0)
                    }
                } onEvent: {
                    events.values.append($0)
                }
                trackers.append(tracker)
                tracker.start()
            }
            if hasRedis { connection.start() }
        }
        guard hasRedis else { return }
        if let journal {
            let redis = redis
            let connection = RedisConnection(configuration, scheduler: scheduler, seed: seed &+ 100) {
                redis.makeTransport($0)
            }
            let events = replayEvents
            replay = Replay(workers[0], connection: connection, journal: journal, identity: journal.identity) {
                events.values.append($0)
            }
            replayConnection = connection
            for tiers in workers { tiers.onJournaled = { [unowned self] in self.replay?.step() } }
        }
        prober = BreakerProber(workers[0], redis: connections[0]) { [unowned self] in self.replay?.step() }
        prober?.start()
        share.deletions.maxEntries = deletions
        if deletions > 0 { readDeletions(configuration, seed: seed) }
        keepHouse()
        if connects {
            scheduler.run {
                self.connections.allSatisfy { $0.state == .ready } && (!tracks || self.share.coherence.isLive)
            }
        }
    }

    private var replayConnection: RedisConnection?

    private func readDeletions(_ configuration: RedisConfiguration, seed: UInt64) {
        let redis = redis
        let connection = RedisConnection(configuration, scheduler: scheduler, seed: seed &+ 3000) {
            redis.makeTransport($0)
        }
        let events = deletionEvents
        deletionReader = DeletionReader(workers[0], connection: connection) { events.values.append($0) }
        deletionConnection = connection
        deletionReader?.start()
    }

    /// From now on messages that wait in Redis are delivered, as the server's first worker does it.
    func deliverMessages() {
        let events = outboxEvents
        outbox = Outbox(workers[0], seed: 1) { events.values.append($0) }
    }

    /// The process is gone, with all that was in its memory; its connections end as a killed process's do.
    func crash() {
        isCrashed = true
        prober?.stop()
        journal?.stop()
        for tracker in trackers { tracker.close() }
        let others = [replayConnection, deletionConnection].compactMap { $0 }
        for connection in connections + others { connection.close() }
    }

    private var isCrashed = false

    /// Goes on with the replay now and then, as the server's first worker does it.
    private func keepHouse() {
        scheduler.after(nanoseconds: 50_000_000) { [weak self] in
            guard let self, !isCrashed else { return }
            replay?.step()
            outbox?.step()
            deletionReader?.step()
            keepHouse()
        }
    }

    var now: Int64 { scheduler.monotonicNanoseconds }

    func run(_ duration: Duration) { scheduler.run(for: duration) }

    // MARK: Requests

    final class Box<Value> {
        var values: [Value] = []
        var value: Value? { values.first }
    }

    /// Begins a read; the box fills when it is answered.
    func begin(
        _ key: String, form: HeldValue.Kind = .string, strong: Bool = false, worker: Int = 0
    ) -> Box<Reading> {
        let box = Box<Reading>()
        workers[worker].read(bytes(key), hash: hash(key), form: form, strong: strong) { box.values.append($0) }
        return box
    }

    func read(_ key: String, strong: Bool = false, worker: Int = 0) -> Reading {
        let box = begin(key, strong: strong, worker: worker)
        scheduler.run { box.value != nil }
        guard let reading = box.value else { fatalError("a read of \(key) was not answered within a minute") }
        return reading
    }

    func beginPerform(_ commands: [NativeCommand], isTransaction: Bool = false, worker: Int = 0) -> Box<[Reply]> {
        let box = Box<[Reply]>()
        workers[worker].perform(commands, isTransaction: isTransaction) { box.values.append($0) }
        return box
    }

    func perform(_ commands: NativeCommand..., isTransaction: Bool = false, worker: Int = 0) -> [Reply] {
        let box = beginPerform(commands, isTransaction: isTransaction, worker: worker)
        scheduler.run { box.value != nil }
        return box.value ?? []
    }

    @discardableResult
    func set(_ key: String, _ value: String, worker: Int = 0) -> Reply { perform(.set(key, value), worker: worker)[0] }

    /// What Redis holds.
    func inRedis(_ key: String) -> String? {
        if case .string(let value) = redis.execute("GET", key) { String(decoding: value, as: UTF8.self) } else { nil }
    }

    func lifeInRedis(_ key: String) -> Int64 {
        if case .integer(let life) = redis.execute("PTTL", key) { life } else { -3 }
    }

    /// What local memory holds, whatever its times.
    func held(_ key: String) -> (value: String, metadata: EntryMetadata)? {
        bytes(key).withUnsafeBytes { raw in
            local.peek(raw, hash: KeyHash(raw), now: scheduler.now) { entry in
                var value = [UInt8](repeating: 0, count: entry.valueLength)
                value.withUnsafeMutableBytes { if let base = $0.baseAddress { entry.copyValue(to: base) } }
                return (String(decoding: value, as: UTF8.self), entry.metadata)
            }
        }
    }

    func evict(_ key: String) { bytes(key).withUnsafeBytes { _ = local.remove($0, hash: KeyHash($0)) } }

    /// The disk loses a copy.
    func evictWarm(_ key: String) { warm.change(bytes(key), .remove) }

    /// An outage begins, as far as the breaker knows.
    func openBreaker() { share.breaker.force(.forcedOpen, now: now) }

    /// The outage is over, and nothing waits any more; what memory holds is asked for anew after that.
    func replayAll() {
        share.breaker.force(.automatic, now: now)
        let isDone = scheduler.run(atMost: .seconds(30)) { journal?.pending.isEmpty ?? true }
        #expect(isDone, "\(journal?.pending.entryCount ?? 0) entries wait; \(replayEvents.values.suffix(3))")
    }

    /// The outage is over, and everything is as if it had not been.
    func recover() {
        replayAll()
        run(.milliseconds(50))
    }

    func count(_ name: String) -> Int { redis.executedNames.count { $0 == name } }
}

extension NativeCommand {
    static func words(_ command: StringCommand, _ words: String...) -> NativeCommand {
        NativeCommand(command, arguments: words.map { Array($0.utf8) })
    }

    static func set(_ key: String, _ value: String) -> NativeCommand {
        .words(
            .write(.set(bytes(value), expiry: .clear, condition: .always, reply: .ok), key: bytes(key)), "SET", key,
            value)
    }

    static func set(_ key: String, _ value: String, milliseconds: Int64, now: Timestamp) -> NativeCommand {
        let time = now.advanced(byMilliseconds: milliseconds)
        return .words(
            .write(.set(bytes(value), expiry: .at(time), condition: .always, reply: .ok), key: bytes(key)),
            "SET", key, value, "PX", String(milliseconds))
    }

    static func setnx(_ key: String, _ value: String) -> NativeCommand {
        .words(
            .write(.set(bytes(value), expiry: .clear, condition: .ifAbsent, reply: .flag), key: bytes(key)),
            "SETNX", key, value)
    }

    static func getset(_ key: String, _ value: String) -> NativeCommand {
        .words(
            .write(.set(bytes(value), expiry: .clear, condition: .always, reply: .old), key: bytes(key)),
            "GETSET", key, value)
    }

    static func mset(_ pairs: (String, String)..., onlyIfNone: Bool = false) -> NativeCommand {
        NativeCommand(
            .setMany(pairs.map { bytes($0.0) }, values: pairs.map { bytes($0.1) }, onlyIfNone: onlyIfNone),
            arguments: [bytes(onlyIfNone ? "MSETNX" : "MSET")] + pairs.flatMap { [bytes($0.0), bytes($0.1)] })
    }

    static func del(_ key: String) -> NativeCommand { .words(.write(.delete, key: bytes(key)), "DEL", key) }

    static func incr(_ key: String) -> NativeCommand { .words(.write(.increment(1), key: bytes(key)), "INCR", key) }

    static func append(_ key: String, _ value: String) -> NativeCommand {
        .words(.write(.append(bytes(value)), key: bytes(key)), "APPEND", key, value)
    }

    static func pexpire(_ key: String, _ milliseconds: Int64, now: Timestamp) -> NativeCommand {
        .words(
            .write(.expire(at: now.advanced(byMilliseconds: milliseconds), []), key: bytes(key)),
            "PEXPIRE", key, String(milliseconds))
    }

    static func persist(_ key: String) -> NativeCommand { .words(.write(.persist, key: bytes(key)), "PERSIST", key) }
    static func get(_ key: String) -> NativeCommand { .words(.read(.get, key: bytes(key)), "GET", key) }
}

extension Reading {
    /// `value source freshness`, or what there is instead of a value.
    var summary: String {
        let what =
            switch content {
            case .value(let bytes, _), .defaultContext(let bytes): String(decoding: bytes, as: UTF8.self)
            case .record(let held): "record \(held.record?.version ?? 0)"
            case .absent: "(absent)"
            case .unknown: "(unknown)"
            case .otherType: "(other type)"
            case .unavailable: "(unavailable)"
            case .refused(let text): "(refused: \(String(decoding: text, as: UTF8.self)))"
            }
        return "\(what) \(source.rawValue) \(freshness.rawValue)"
    }
}
