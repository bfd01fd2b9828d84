// A connection to Redis for one client alone, for as long as it needs one.
//
// DESIGN: WATCH, a MULTI that is not native, blocking commands, subscriptions, MONITOR and scripts each need one. A
// client has at most one, which serves all of them. When nothing needs it any longer it is kept for the next client if
// it is as it was when it was made (a script or a blocking command ended, EXEC was answered), and closed otherwise.
// There are at most `limits.max_pinned` in use in the process.

internal import EventLoop
internal import Primitives
internal import RESP
internal import RedisTier

/// A pinned connection; belongs to its worker's thread.
final class Pin: RedisConnectionDelegate {
    let redis: RedisConnection
    let version: ProtocolVersion
    /// Whose it is; nil while it is spare.
    weak var connection: Connection?
    private unowned(unsafe) let passage: Passage
    /// Requests on it without an answer.
    var outstanding = 0
    /// Those of them that wait for something to happen: the client's leaving ends them at once.
    var blocked = 0
    /// Scripts on it, which have no deadline, and when Redis last gave a sign of life while they ran.
    var scripts = 0
    var aliveAt: Int64 = 0
    var isBeingProbed = false
    /// Channels and patterns, and shard channels, that its client is subscribed to, as Redis counts them.
    var subscriptions: Int64 = 0
    var shardSubscriptions: Int64 = 0
    var isMonitoring = false
    /// Requests under way that change what its client is subscribed to: what the client may do is known after them.
    var subscribing = 0
    /// Nobody else may have it after this client.
    var isSpoiled = false

    init(_ redis: RedisConnection, version: ProtocolVersion, _ passage: Passage) {
        self.redis = redis
        self.version = version
        self.passage = passage
        redis.delegate = self
    }

    var isSubscribed: Bool { subscriptions + shardSubscriptions > 0 }
    /// The client may do nothing but what concerns its subscriptions, or the monitor.
    var isRelaying: Bool { isMonitoring || isSubscribed && version == .resp2 }

    func redisDidConnect(_ connection: RedisConnection) {}
    func redisDidDisconnect(_ connection: RedisConnection, _ failure: RedisFailure) {
        passage.didEnd(self, failure)
    }
}

extension Passage {
    /// The client's pin, or a new one; nil where there are as many as there may be.
    func pin(for c: Connection) -> Pin? {
        if let pin = c.pin { return pin }
        guard worker.process.takePin() else {
            worker.counters.pinsRefused.add()
            return nil
        }
        let found = spare.lastIndex { $0.pin.version == c.version && $0.pin.redis.state == .ready }
        let pin =
            found.map { spare.remove(at: $0).pin }
            ?? Pin(connection(c.version, keepsItself: false), version: c.version, self)
        pin.connection = c
        pins[ObjectIdentifier(pin)] = pin
        c.pin = pin
        pin.redis.start()
        return pin
    }

    var pinRefusal: String {
        """
        not sent: all \(worker.configuration.maxPinned) pinned connections (limits.max_pinned) are in use by WATCH, \
        MULTI, blocking commands, subscriptions, MONITOR and scripts; raise limits.max_pinned, or use fewer at a time
        """
    }

    /// Lets go of the client's pin where nothing needs it any longer.
    func releaseIfDone(_ c: Connection) {
        guard let pin = c.pin, pin.outstanding == 0, c.watch != .set, c.transaction?.isPinned != true,
            !pin.isSubscribed, !pin.isMonitoring
        else { return }
        release(c)
    }

    /// Lets go of the client's pin, whatever it was needed for.
    func release(_ c: Connection, spoiled: Bool = false) {
        guard let pin = c.pin else { return }
        if spoiled || c.isClosed { pin.isSpoiled = true }
        // What stood on it stands no longer.
        if c.watch == .set { c.watch = .lost }
        if let transaction = c.transaction, transaction.isPinned { transaction.isLost = true }
        let isClean = !pin.isSpoiled && pin.outstanding == 0 && pin.redis.state == .ready
        forget(pin)
        if isClean, spare.count < Self.spareMax {
            spare.append((pin, Loop.monotonicNanoseconds))
        } else {
            pin.redis.close()
        }
    }

    private func forget(_ pin: Pin) {
        guard pins.removeValue(forKey: ObjectIdentifier(pin)) != nil else { return }
        pin.connection?.pin = nil
        pin.connection = nil
        worker.process.givePinBack()
    }

    static let spareMax = 8
    /// How long a connection waits for the next client that needs one, in nanoseconds.
    static let spareLife: Int64 = 1_000_000_000

    /// A pin's connection ended by itself.
    func didEnd(_ pin: Pin, _ failure: RedisFailure) {
        spare.removeAll { $0.pin === pin }
        guard let c = pin.connection else { return }
        let wasRelaying = pin.isSubscribed || pin.isMonitoring
        forget(pin)
        if c.watch == .set { c.watch = .lost }
        if let transaction = c.transaction, transaction.isPinned { transaction.isLost = true }
        guard wasRelaying else { return }
        worker.log.clientError("subscription_lost", c, "the connection to Redis ended: \(failure.text)")
        // The client's library subscribes anew when it has connected again.
        c.flush()
        c.close()
    }

    /// Closes what nobody needed for a while, and looks whether Redis still lives behind scripts that take long.
    func keepHouse() {
        let now = Loop.monotonicNanoseconds
        for (pin, since) in spare where now - since > Self.spareLife { pin.redis.close() }
        spare.removeAll { $0.pin.redis.state == .closed }
        for pin in pins.values where pin.scripts > 0 && !pin.isBeingProbed && now - pin.aliveAt > Self.scriptPatience {
            probe(pin)
        }
    }

    func dropSpare() {
        for (pin, _) in spare { pin.redis.close() }
        spare = []
    }

    /// How long a script runs before Redis is asked whether it lives, and at what intervals; in nanoseconds. By then
    /// Redis itself calls it slow (`busy-reply-threshold`), and answers others -BUSY.
    static let scriptPatience: Int64 = 5_500_000_000
    private static let probeTimeout: Int64 = 1_000_000_000

    private func probe(_ pin: Pin) {
        pin.isBeingProbed = true
        var request = RequestEncoder()
        request.append("PING")
        shared(.resp2).send(request, timeoutNanoseconds: max(Self.probeTimeout, worker.tiers.redisTimeout)) { result in
            pin.isBeingProbed = false
            guard pin.scripts > 0 else { return }
            // Any answer will do: -BUSY tells that the script runs.
            switch result {
            case .success: pin.aliveAt = Loop.monotonicNanoseconds
            // No connection to ask on at this moment: the next look will try.
            case .failure(let failure) where failure.cause == .notConnected: break
            case .failure: pin.redis.giveUp("Redis does not answer while the script runs")
            }
        }
    }
}
