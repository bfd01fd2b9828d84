// One pipelined connection to Redis that keeps itself: requests with deadlines in, replies or failures out.
//
// DESIGN: replies come in the order of requests, so a request is a place in a queue. When its deadline passes, its
// completion hears so and its place stays, without an owner, to swallow the reply that may still come: a late reply is
// never matched to another request. Each connection attempt has its own transport, reader and queue; what an earlier
// one still says is not heard (generations). A connection whose oldest place has waited too long is taken for hung,
// ended and made anew, one attempt at a time, with full jitter between them.

public import Primitives
internal import Resilience

/// Who hears of a connection's life, on its thread.
public protocol RedisConnectionDelegate: AnyObject {
    /// The handshake is done: requests flow.
    func redisDidConnect(_ connection: RedisConnection)
    /// The connection ended, or an attempt failed; another is made by itself.
    func redisDidDisconnect(_ connection: RedisConnection, _ failure: RedisFailure)
}

/// A connection to Redis; belongs to one thread.
public final class RedisConnection {
    /// Where the connection is in its life.
    public enum State: String, Sendable {
        case idle, connecting, handshaking, ready, waiting, closed
    }

    typealias Completion = (RedisResult) -> Void

    /// Told when every request that was given up has been answered after all: nothing of them can happen any more.
    public var onAnsweredLate: (RedisClient) -> Void = { _ in }
    /// Told when a connection has ended on this side, before those hear who waited.
    public var onEnded: (RedisClient) -> Void = { _ in }
    /// Told when the handshake is done, before anything that waited leaves: what it sends goes ahead of that.
    public var onReady: (RedisConnection) -> Void = { _ in }

    /// A place in the pipeline.
    struct Place {
        var remaining: Int
        var replies: [Reply] = []
        /// Nil once the deadline has passed: the reply is then swallowed.
        var completion: Completion?
        let deadline: Int64
        let sentAt: Int64
        /// How many bytes this connection had been given before this request's.
        let offset: Int
        /// Whatever comes before one of these is not this request's reply, but for the listener.
        var ends: [Reply]?
        /// Hears the replies that come after the deadline.
        var late: (([Reply]) -> Void)?

        /// How long it may wait.
        var patience: Duration { .nanoseconds(deadline - sentAt) }
    }

    /// What the connection is made for.
    public struct Manner {
        /// The protocol that Redis speaks on it: 2, or 3.
        public var version = 2
        /// Whether it is made anew by itself when it has ended.
        public var keepsItself = true
        public var makeSource: () -> any ReplySource = { ReplyReader() }

        public init() {}
    }

    public private(set) var state = State.idle
    public weak var delegate: (any RedisConnectionDelegate)?
    public private(set) var configuration: RedisConfiguration
    /// What Redis knows this connection by, so that it can be ended for certain; nil when Redis would not say.
    public private(set) var client: RedisClient?

    private let scheduler: any Scheduler
    private let makeTransport: (RedisConfiguration.Endpoint) -> any RedisTransport
    private var transport: (any RedisTransport)?
    private var receiver: Receiver?
    private(set) var reader: (any ReplySource)?
    private let manner: Manner
    /// Hears what Redis sends beside the replies: pushes, messages, what MONITOR shows.
    public var listener: ((Reply) -> Void)?
    private var places: [Place] = []
    private var head = 0
    /// Places whose deadline has passed and whose reply may still come.
    private var abandoned = 0
    /// Requests made while an attempt to connect is under way.
    private var queued: [(bytes: [UInt8], place: Place)] = []
    private var queuedBytes = 0
    private var givenBytes = 0
    private var deadlineTimer: (any ScheduledTimer)?
    private var armedDeadline = Int64.max
    private var hasGrace = false
    private var attemptTimer: (any ScheduledTimer)?
    private var backoff: FullJitterBackoff
    private var random: SplitMix64
    /// When the handshake of the present connection was done.
    private var readySince: Int64?
    /// Other connections that Redis was asked to end over the present one.
    var endedOthers: Set<RedisClient> = []

    /// Makes a connection that begins to connect with `start`.
    ///
    /// `seed` makes the jitter between attempts repeatable; it must differ between sidecars.
    public init(
        _ configuration: RedisConfiguration, manner: Manner = Manner(), scheduler: any Scheduler, seed: UInt64,
        makeTransport: @escaping (RedisConfiguration.Endpoint) -> any RedisTransport
    ) {
        self.configuration = configuration
        self.manner = manner
        self.scheduler = scheduler
        self.makeTransport = makeTransport
        random = SplitMix64(seed: seed)
        backoff = FullJitterBackoff(first: configuration.reconnectMin, max: configuration.reconnectMax)
        deadlineTimer = scheduler.makeTimer { [unowned self] in self.expireDeadlines() }
        attemptTimer = scheduler.makeTimer { [unowned self] in self.attemptTimerFired() }
    }

    /// Requests that wait for replies, abandoned places included.
    public var pipelineDepth: Int { places.count - head + queued.count }

    public func start() { if state == .idle { connect() } }

    /// Ends the connection for good: what waits fails, nothing is tried again.
    public func close() {
        guard state != .closed else { return }
        end(RedisFailure(.notConnected, mayHaveBeenSent: false, detail: "this connection was closed"), then: .closed)
        deadlineTimer?.stop()
    }

    /// Does not wait longer for the next attempt to connect: another connection tells that Redis is there.
    public func hasten() {
        guard state == .waiting else { return }
        attemptTimer?.stop()
        connect()
    }

    /// Ends this connection because Redis is taken for hung; what waits fails.
    public func giveUp(_ detail: String) {
        guard state != .closed, state != .idle else { return }
        lose(RedisFailure(.timedOut, mayHaveBeenSent: true, detail: detail))
    }

    /// Takes new time limits at once, and a new address, user or database with the next connection.
    public func reconfigure(_ new: RedisConfiguration) {
        let mustReconnect =
            new.endpoint != configuration.endpoint || new.database != configuration.database
            || new.username != configuration.username || new.password != configuration.password
        configuration = new
        backoff = FullJitterBackoff(first: new.reconnectMin, max: new.reconnectMax)
        if mustReconnect && state != .closed && state != .idle {
            lose(RedisFailure(.connectionLost, mayHaveBeenSent: true, detail: "the configuration changed"))
        }
    }

    /// Sends commands as one; `completion` hears once: as many replies as commands, or why there are none.
    ///
    /// Fails at once when there is no connection and none is being made, or when the pipeline is full.
    ///
    /// `Int64.max` nanoseconds are no deadline. Where `ends` are given, they alone answer the request, with one reply;
    /// whatever comes before them is the listener's. `late` hears the replies where they come after the deadline, on
    /// which `completion` heard of a failure.
    public func send(
        _ request: RequestEncoder, timeoutNanoseconds: Int64, until ends: [Reply]? = nil,
        late: (([Reply]) -> Void)? = nil, completion: @escaping (RedisResult) -> Void
    ) {
        precondition(request.commands > 0, "BUG: a request without a command")
        let now = scheduler.monotonicNanoseconds
        let (deadline, isEndless) = now.addingReportingOverflow(timeoutNanoseconds)
        var place = Place(
            remaining: ends == nil ? request.commands : 1, completion: completion,
            deadline: isEndless ? .max : deadline, sentAt: now, offset: givenBytes, ends: ends, late: late)
        switch state {
        case .ready, .handshaking, .connecting:
            let unsent = queuedBytes + givenBytes - (transport?.takenBytes ?? givenBytes)
            guard pipelineDepth < configuration.pipelineMax,
                unsent + request.bytes.count <= configuration.unsentBytesMax
            else {
                return completion(.failure(RedisFailure(.overloaded, mayHaveBeenSent: false)))
            }
            if state == .ready {
                transmit(request.bytes, &place)
            } else {
                queued.append((request.bytes, place))
                queuedBytes += request.bytes.count
            }
            arm(place.deadline)
        case .idle, .waiting, .closed:
            completion(.failure(RedisFailure(.notConnected, mayHaveBeenSent: false, detail: lastFailure)))
        }
    }

    /// Why the last connection ended, for the text of an error.
    private var lastFailure = ""

    private func transmit(_ bytes: [UInt8], _ place: inout Place) {
        place = Place(
            remaining: place.remaining, completion: place.completion, deadline: place.deadline, sentAt: place.sentAt,
            offset: givenBytes, ends: place.ends, late: place.late)
        places.append(place)
        givenBytes += bytes.count
        if gathersUntilFlush { gathered += bytes } else { transport?.send(bytes) }
    }

    /// Whether requests wait for `flush`, so that those of one iteration of a loop leave in one write.
    public var gathersUntilFlush = false
    private var gathered: [UInt8] = []
    public var hasGathered: Bool { !gathered.isEmpty }

    /// Sends what has gathered; to be called once per iteration where `gathersUntilFlush` is set.
    public func flush() {
        guard !gathered.isEmpty else { return }
        let bytes = gathered
        gathered = []
        transport?.send(bytes)
    }

    // MARK: Connecting

    private func connect() {
        state = .connecting
        let receiver = Receiver(self)
        let transport = makeTransport(configuration.endpoint)
        self.receiver = receiver
        self.transport = transport
        reader = manner.makeSource()
        givenBytes = 0
        attemptTimer?.start(afterMilliseconds: configuration.connectTimeout.nanoseconds / 1_000_000)
        transport.open(receiver)
    }

    private func attemptTimerFired() {
        switch state {
        case .waiting: connect()
        case .connecting, .handshaking:
            lose(
                RedisFailure(
                    .timedOut, mayHaveBeenSent: false, detail: "no connection within \(configuration.connectTimeout)"))
        case .idle, .ready, .closed: break
        }
    }

    fileprivate func didOpen() {
        state = .handshaking
        let handshake = Handshake(configuration, version: manner.version)
        var place = Place(
            remaining: handshake.request.commands, completion: { [unowned self] in self.didShakeHands(handshake, $0) },
            deadline: .max, sentAt: scheduler.monotonicNanoseconds, offset: 0)
        transmit(handshake.request.bytes, &place)
    }

    private func didShakeHands(_ handshake: Handshake, _ result: RedisResult) {
        guard case .success(let replies) = result, let reader else { return }
        do {
            client = try handshake.check(replies.map { reader.understand($0) })
        } catch {
            return lose(error)
        }
        attemptTimer?.stop()
        backoff.reset()
        readySince = scheduler.monotonicNanoseconds
        state = .ready
        let waiting = queued
        queued = []
        queuedBytes = 0
        onReady(self)
        // Told first: whoever probes a new connection wants its place before the requests that waited.
        delegate?.redisDidConnect(self)
        for (bytes, var place) in waiting where place.completion != nil {
            guard state == .ready else {
                place.completion?(
                    .failure(RedisFailure(.notConnected, mayHaveBeenSent: false, detail: "this connection was closed")))
                continue
            }
            transmit(bytes, &place)
        }
    }

    // MARK: Losing

    fileprivate func didClose(_ reason: String) {
        lose(RedisFailure(.connectionLost, mayHaveBeenSent: true, detail: reason))
    }

    /// Ends this connection and, after a while, makes another.
    private func lose(_ failure: RedisFailure) {
        lastFailure = failure.detail
        let livedLong = readySince.map { scheduler.monotonicNanoseconds - $0 > 1_000_000_000 } ?? false
        guard manner.keepsItself else {
            end(failure, then: .closed)
            delegate?.redisDidDisconnect(self, failure)
            return
        }
        end(failure, then: .waiting)
        // Whoever waited may have closed this connection when it heard.
        guard state == .waiting else { return }
        // A connection that worked is made anew at once; attempts that fail are spread.
        if livedLong {
            connect()
        } else {
            attemptTimer?.start(afterMilliseconds: backoff.next(using: &random).nanoseconds / 1_000_000)
        }
        delegate?.redisDidDisconnect(self, failure)
    }

    /// Fails everything that waits; each request hears whether it may have left this process.
    private func end(_ failure: RedisFailure, then next: State) {
        let taken = transport?.takenBytes ?? 0
        let failed = places[head...] + queued.map(\.place)
        let sentCount = places.count - head
        let client = client
        transport?.close()
        transport = nil
        gathered = []
        receiver = nil
        reader = nil
        places = []
        head = 0
        abandoned = 0
        queued = []
        queuedBytes = 0
        self.client = nil
        readySince = nil
        endedOthers = []
        state = next
        attemptTimer?.stop()
        if let client { onEnded(client) }
        for (index, place) in failed.enumerated() {
            let mayHaveBeenSent = index < sentCount && place.offset < taken
            place.completion?(
                .failure(
                    RedisFailure(
                        failure.cause, mayHaveBeenSent: mayHaveBeenSent, detail: failure.detail, client: client,
                        hasEnded: true)))
        }
    }

    // MARK: Replies

    fileprivate func didReceive(_ bytes: UnsafeRawBufferPointer, from source: Receiver) {
        do {
            try reader?.feed(bytes)
            // A completion may end this connection: the receiver tells whether it is still the one that is read.
            while receiver === source, let reader {
                passQueued(reader)
                guard let reply = try reader.next() else { break }
                deliver(reply)
            }
        } catch {
            lose(error)
        }
        compact()
    }

    private static let queued = Reply.status("QUEUED")

    /// Takes the `+QUEUED` of a transaction's commands together.
    private func passQueued(_ reader: any ReplySource) {
        guard head < places.count, places[head].remaining > 1, places[head].ends == nil else { return }
        let count = reader.passQueued(atMost: places[head].remaining - 1)
        guard count > 0 else { return }
        places[head].remaining -= count
        if places[head].completion != nil || places[head].late != nil {
            places[head].replies.append(contentsOf: repeatElement(Self.queued, count: count))
        }
    }

    private func deliver(_ reply: Reply) {
        if reply.isPush || head == places.count || !(places[head].ends?.contains(reply) ?? true), let listener {
            return listener(reply)
        }
        guard head < places.count, !reply.isPush else {
            return lose(
                RedisFailure(.protocolError, mayHaveBeenSent: true, detail: "Redis sent a reply that nobody asked for"))
        }
        places[head].remaining -= 1
        if places[head].completion != nil || places[head].late != nil { places[head].replies.append(reply) }
        guard places[head].remaining == 0 else { return }
        let place = places[head]
        places[head].completion = nil
        places[head].replies = []
        head += 1
        if let completion = place.completion {
            completion(.success(place.replies))
        } else {
            abandoned -= 1
            place.late?(place.replies)
            if abandoned == 0, let client { onAnsweredLate(client) }
        }
    }

    /// Gives the storage of answered places back, at a cost that is constant per request over time.
    private func compact() {
        if head == places.count {
            places.removeAll(keepingCapacity: places.count <= 1024)
            head = 0
        } else if head > 256 && head * 2 > places.count {
            places.removeSubrange(..<head)
            head = 0
        }
    }

    // MARK: Deadlines

    private func arm(_ deadline: Int64) {
        guard deadline < armedDeadline else { return }
        armedDeadline = deadline
        // Rounded up: a timer that fired early would have to be set again.
        let wait = (deadline - scheduler.monotonicNanoseconds + 999_999) / 1_000_000
        deadlineTimer?.start(afterMilliseconds: max(0, wait))
    }

    /// A timer so late tells that this thread was held up, and that replies may be waiting to be read.
    private static let latenessMax: Int64 = 5_000_000

    private func expireDeadlines() {
        let now = scheduler.monotonicNanoseconds
        if !hasGrace, armedDeadline != .max, now - armedDeadline > Self.latenessMax {
            // Once: what has come is read before anything is given up.
            hasGrace = true
            deadlineTimer?.start(afterMilliseconds: 1)
            return
        }
        hasGrace = false
        armedDeadline = .max
        var expired: [(completion: Completion, mayHaveBeenSent: Bool, waited: Duration)] = []
        var next = Int64.max
        let taken = transport?.takenBytes ?? 0
        for index in places.indices[head...] {
            guard let completion = places[index].completion else { continue }
            if places[index].deadline <= now {
                places[index].completion = nil
                abandoned += 1
                expired.append((completion, places[index].offset < taken, places[index].patience))
            } else {
                next = min(next, places[index].deadline)
            }
        }
        for index in queued.indices {
            guard let completion = queued[index].place.completion else { continue }
            if queued[index].place.deadline <= now {
                queued[index].place.completion = nil
                expired.append((completion, false, queued[index].place.patience))
            } else {
                next = min(next, queued[index].place.deadline)
            }
        }
        // Where nobody asks anything more, nobody else would find that it hangs.
        if state == .ready, head < places.count, places[head].completion == nil {
            next = min(next, max(now + 1_000_000, places[head].sentAt + hungAfter + 1))
        }
        if next < .max { arm(next) }
        let mustEnd = isHung(now) || expired.contains { !$0.mayHaveBeenSent } && state == .ready
        let client = client
        for (completion, mayHaveBeenSent, waited) in expired {
            completion(
                .failure(
                    RedisFailure(
                        .timedOut, mayHaveBeenSent: mayHaveBeenSent, detail: "no reply within \(waited)",
                        client: client)))
        }
        // A request that is told «not sent» must never leave: what still waits to leave goes with the connection.
        if mustEnd, state == .ready {
            lose(RedisFailure(.timedOut, mayHaveBeenSent: true, detail: "Redis does not answer"))
        }
    }

    /// Whether the oldest reply is overdue by so much that a new connection is the better hope.
    private func isHung(_ now: Int64) -> Bool {
        guard head < places.count, state == .ready, places[head].deadline != .max else { return false }
        return now - places[head].sentAt > hungAfter
    }

    private var hungAfter: Int64 { max(4 * configuration.timeout.nanoseconds, 1_000_000_000) }
}

/// What one transport talks to: forwards while it is the connection's current one, and is deaf after.
private final class Receiver: RedisTransportDelegate {
    private weak var connection: RedisConnection?

    init(_ connection: RedisConnection) { self.connection = connection }

    func transportDidOpen() { connection?.didOpen() }
    func transportDidReceive(_ bytes: UnsafeRawBufferPointer) { connection?.didReceive(bytes, from: self) }
    func transportDidClose(_ reason: String) { connection?.didClose(reason) }
}
