// Whatever Hearth does not answer itself, on its way to Redis and back: one worker's connections for it.
//
// DESIGN: passed-through commands use connections of their own, so that what takes long there holds nobody's GET up.
// One for each protocol that clients speak is shared by all of them and pipelined; replies go back as their bytes came.
// What would change the state of a connection, or wait on it, gets a *pin*: a connection for one client alone
// (Pin.swift). Which keys a command touches is known from Redis's own COMMAND table, which is asked for when the first
// such command comes, and again when another Redis answers at the same address.
//
// What is sent on different connections may be carried out in any order, so a client's own requests change connections
// only when nothing with an effect is under way on the one before (Connection.mayStart).

internal import EventLoop
internal import Primitives
internal import RESP
internal import RedisTier
internal import Resilience
internal import Tiers

/// A request as it goes over a connection to Redis.
struct PassedRequest {
    var words: [[UInt8]]
    /// It may change keys: the breaker judges it as a write, and an unknown outcome is a doubtful one.
    var isWrite = false
    /// The keys that it may change.
    var written: [[UInt8]] = []
    var changesAll = false
    /// The keys whose writes in the journal have to reach Redis first; nil where there is nothing to wait for.
    var awaited: [[UInt8]]?
    /// In nanoseconds; `Int64.max` is none.
    var timeout: Int64
    /// Commands that are sent ahead of it, and whose replies nobody hears.
    var ahead: [[[UInt8]]] = []
    /// Whether its time says something about Redis.
    var isTimed = false
    /// It waits for something to happen, and its client's leaving ends that.
    var blocks = false
    /// Redis queues what it is sent now, since a MULTI went before.
    var isInTransaction = false
}

/// One worker's connections for passed-through commands; belongs to its thread.
final class Passage: RedisConnectionDelegate {
    /// Unsafe as in Connection: a worker outlives what it makes.
    unowned(unsafe) let worker: Worker
    private let makeConnection: (RedisConnection.Manner) -> RedisConnection
    private var shared: [ProtocolVersion: RedisConnection] = [:]
    /// Nil until Redis has told, and after another Redis has answered.
    private(set) var table: RedisCommandTable?
    private var tableRunID: [UInt8]?
    private var isAsking = false
    /// Clients whose next request waits for the table.
    private var waiting: [Connection] = []
    /// Pins in use.
    var pins: [ObjectIdentifier: Pin] = [:]
    /// Connections that were pins and may be again, and since when.
    var spare: [(pin: Pin, since: Int64)] = []

    init(_ worker: Worker, makeConnection: @escaping (RedisConnection.Manner) -> RedisConnection) {
        self.worker = worker
        self.makeConnection = makeConnection
    }

    var breaker: BreakerGate { worker.process.share.breaker }

    // MARK: Connections

    func connection(_ version: ProtocolVersion, keepsItself: Bool) -> RedisConnection {
        var manner = RedisConnection.Manner()
        manner.version = version.rawValue
        manner.keepsItself = keepsItself
        let worker = worker
        manner.makeSource = { FrameSource { worker.configuration.maxOutput } }
        let connection = makeConnection(manner)
        worker.tiers.keepOrder(over: connection)
        return connection
    }

    /// The connection that all clients of a protocol share; made when it is first needed.
    func shared(_ version: ProtocolVersion) -> RedisConnection {
        if let connection = shared[version] { return connection }
        let connection = connection(version, keepsItself: true)
        connection.delegate = self
        connection.gathersUntilFlush = true
        shared[version] = connection
        connection.start()
        return connection
    }

    /// Connections to Redis that this worker has for passed-through commands, spare ones included.
    var connectionCount: Int { shared.count + pins.count + spare.count }

    var hasGathered: Bool { shared.values.contains { $0.hasGathered } }
    func flush() { for connection in shared.values { connection.flush() } }

    /// The worker's own connection stands: those that wait for their next attempt need not.
    func hasten() { for connection in shared.values { connection.hasten() } }

    func reconfigure(_ configuration: RedisConfiguration) {
        for connection in shared.values { connection.reconfigure(configuration) }
        dropSpare()
    }

    func close() {
        for connection in shared.values { connection.close() }
        for pin in pins.values { pin.redis.close() }
        dropSpare()
    }

    func redisDidConnect(_ connection: RedisConnection) {
        worker.redis?.hasten()
        let runID = connection.client?.runID ?? []
        guard runID.isEmpty || runID != tableRunID, tableRunID != nil, !isAsking else { return }
        // Another Redis, or the same one started anew, maybe as another version.
        table = nil
        askForTable(connection)
    }

    func redisDidDisconnect(_ connection: RedisConnection, _ failure: RedisFailure) {
        worker.redisDidDisconnect(failure, "shared")
    }

    // MARK: The table

    enum Knowledge {
        case known(RedisCommandTable)
        /// The client's request is looked at again when the table has come.
        case wait
        case refused(String)
    }

    /// Redis's commands; where they are not known yet the client waits, for `redis.timeout` at most.
    func table(for c: Connection) -> Knowledge {
        if let table { return .known(table) }
        if let refusal = c.tableRefusal {
            c.tableRefusal = nil
            return .refused(refusal)
        }
        if !waiting.contains(where: { $0 === c }) { waiting.append(c) }
        if !isAsking { askForTable(shared(c.version)) }
        if let table { return .known(table) }
        guard let refusal = c.tableRefusal else { return .wait }
        c.tableRefusal = nil
        return .refused(refusal)
    }

    private func askForTable(_ connection: RedisConnection) {
        let asked = Loop.monotonicNanoseconds
        guard let permit = breaker.admit(.read, now: asked) else { return wake("not sent: \(breaker.reasonForReads)") }
        var request = RequestEncoder()
        request.append("COMMAND")
        isAsking = true
        connection.send(request, timeoutNanoseconds: worker.tiers.redisTimeout) { [self] result in
            isAsking = false
            let now = Loop.monotonicNanoseconds
            switch result {
            case .failure(let failure):
                breaker.failed(permit, failure, now: now, elapsed: nil)
                wake("not sent: Redis did not tell its commands: \(failure.text)")
            case .success(let replies):
                let reply = replies[0].understood
                if case .error(let text) = reply {
                    _ = breaker.judge(permit, error: text, now: now, elapsed: nil)
                    let text = String(decoding: text, as: UTF8.self)
                    return wake("not sent: Redis does not tell its commands: \(text)")
                }
                breaker.succeeded(permit, now: now, elapsed: nil)
                table = RedisCommandTable(reply)
                tableRunID = connection.client?.runID ?? []
                wake(table == nil ? "not sent: Redis has no command table" : nil)
            }
        }
    }

    /// Has those looked at again who wait for the table; with a refusal where it did not come.
    private func wake(_ refusal: String?) {
        let woken = waiting
        waiting = []
        for connection in woken {
            connection.tableRefusal = refusal
            worker.markDirty(connection)
        }
    }

    // MARK: Carrying

    /// Sends a request and answers its slot; `then` hears the reply, or nil where there is none.
    func carry(
        _ request: PassedRequest, over redis: RedisConnection, _ c: Connection, _ slot: Slot,
        then: @escaping (Reply?) -> Void = { _ in }
    ) {
        let tiers = worker.tiers
        guard tiers.mayHaveToWait else { return transmit(request, over: redis, c, slot, then: then) }
        var wasAnswered = false
        let changed = request.changesAll ? [] : request.written.isEmpty ? nil : request.written
        tiers.whenFree(request.awaited, changing: changed) { [self] refusal in
            wasAnswered = true
            if let refusal {
                refuse(c, slot, refusal)
                then(nil)
            } else {
                transmit(request, over: redis, c, slot, then: then)
            }
        }
        // What comes behind must not overtake it.
        if !wasAnswered { c.hold(slot) }
    }

    func refuse(_ c: Connection, _ slot: Slot, _ text: String) {
        if !c.isClosed {
            worker.counters.passedUnavailable.add()
            worker.tiers.counters.unavailable.add()
        }
        c.complete(slot) { $0.error("UNAVAILABLE \(text)") }
    }

    private func transmit(
        _ request: PassedRequest, over redis: RedisConnection, _ c: Connection, _ slot: Slot,
        then: @escaping (Reply?) -> Void
    ) {
        let sentAt = Loop.monotonicNanoseconds
        guard !c.isClosed, let permit = breaker.admit(request.isWrite ? .write : .read, now: sentAt) else {
            let reason = request.isWrite ? breaker.reasonForWrites : breaker.reasonForReads
            refuse(c, slot, "not sent: \(reason)")
            return then(nil)
        }
        let changes = request.isWrite || !request.written.isEmpty
        let writes = changes ? worker.tiers.beginPassedWrites(request.written, areAll: request.changesAll) : nil
        var encoder = RequestEncoder()
        for words in request.ahead { encoder.append(words) }
        encoder.append(request.words)
        if !request.isInTransaction { worker.tiers.endDoubtful(over: redis) }
        redis.send(encoder, timeoutNanoseconds: request.timeout) { [self] result in
            let now = Loop.monotonicNanoseconds
            if worker.process.slowLog.isOn {
                slot.note(AnswerStep(.redis, nanoseconds: now - sentAt, isAnswered: (try? result.get()) != nil))
            }
            switch result {
            case .failure(let failure):
                defer { writes?.end() }
                // A connection that ended because its client left says nothing about Redis, and Redis ends with it what
                // the client waited for.
                let hasLeft = failure.cause == .notConnected && c.isClosed
                if !hasLeft { breaker.failed(permit, failure, now: now, elapsed: nil) }
                if request.isWrite, !(request.blocks && hasLeft) { worker.tiers.noteDoubtful(failure) }
                if failure.mayHaveBeenSent { writes?.suspect() }
                let outcome = failure.mayHaveBeenSent ? "outcome unknown" : "not sent"
                refuse(c, slot, "\(outcome): \(failure.text)")
                then(nil)
            case .success(let replies):
                let reply = replies[replies.count - 1]
                if request.isTimed { worker.counters.passedLatency.record(UInt64(max(0, now - sentAt))) }
                let isSettled = judge(reply, permit, now)
                // The connection is free again, whatever the answer waits for.
                then(reply)
                let tiers = worker.tiers
                let isDone = changes && !reply.isError
                let wanted = isDone ? tiers.replicasWanted(request.written, areAll: request.changesAll) : 0
                // A script may have run for longer than any wait for Redis.
                let since = request.timeout > tiers.redisTimeout ? now : sentAt
                tiers.traced(worker.process.slowLog.isOn ? slot : nil) {
                    tiers.awaitReplicas(wanted, over: redis, since: since) { [self] shortfall in
                        defer { writes?.end() }
                        guard let shortfall else {
                            if isSettled { writes?.settle() } else { writes?.suspect() }
                            return c.complete(slot) { $0.reply(reply, slot.version) }
                        }
                        writes?.suspect()
                        refuse(c, slot, shortfall.text)
                    }
                }
            }
        }
    }

    /// Tells the breaker; whether what is held of the keys may be settled, or is doubtful.
    private func judge(_ reply: Reply, _ permit: Permit, _ now: Int64) -> Bool {
        guard let text = reply.errorText else {
            worker.counters.passedAnswered.add()
            breaker.succeeded(permit, now: now, elapsed: nil)
            return true
        }
        worker.counters.passedErrors.add()
        // An error of the command's own may come from the middle of a script; Redis's state refuses before.
        return breaker.judge(permit, error: text, now: now, elapsed: nil)
    }
}
