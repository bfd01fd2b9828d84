// The bytes between a client and the simulated Redis.

internal import Primitives
internal import RESP
internal import RedisTier

/// One connection to a simulated Redis, both ends of it.
final class SimulatedRedisConnection: RedisTransport {
    private let redis: SimulatedRedis
    private weak var delegate: (any RedisTransportDelegate)?
    private var isOpen = false
    private(set) var isClosedByClient = false
    private var isCut = false
    /// The server does not read from it.
    var isHeld = false
    private(set) var takenBytes = 0
    /// Given to `send` and not taken by the kernel.
    private var kept: [UInt8] = []
    /// At the server, not yet whole requests.
    private var input: [UInt8] = []
    private var parser = RequestParser(requestMax: 64 << 20)
    private var arrivesAt: Int64 = 0
    /// What has left the client and has not come: the server learns of the end behind it.
    private var piecesUnderWay = 0
    private var repliesAt: Int64 = 0
    /// The transaction under way: queued commands, and whether one was refused.
    var queue: [[[UInt8]]]?
    var isQueueBroken = false
    var isAuthenticated = false
    /// As CLIENT TRACKING ON said.
    var tracking: SimulatedTracking?
    /// As CLIENT CACHING said of the next command: it is tracked under OPTIN, and is not otherwise.
    var isExcepted = false
    var isSubscribed = false
    var name = ""
    let clientID: Int64

    init(_ redis: SimulatedRedis) {
        self.redis = redis
        clientID = redis.nextClientID
        redis.nextClientID += 1
    }

    // MARK: The client's end

    func open(_ delegate: any RedisTransportDelegate) {
        self.delegate = delegate
        redis.attempts += 1
        redis.scheduler.after(nanoseconds: redis.oneWay() * 2) { [self] in
            guard !isClosedByClient else { return }
            guard !redis.refusesConnections else { return self.delegate?.transportDidClose("connection refused") ?? () }
            // A stopped process's kernel accepts for it.
            isOpen = true
            redis.connectionsOpened += 1
            redis.connections.append(self)
            self.delegate?.transportDidOpen()
        }
    }

    func send(_ bytes: [UInt8]) {
        precondition(isOpen, "BUG: bytes for a connection that is not open")
        precondition(!isClosedByClient, "BUG: bytes for a connection that was closed")
        kept += bytes
        push()
    }

    /// The kernel takes what was kept.
    func push() {
        guard !redis.takesNoBytes, !isClosedByClient, !isCut, !kept.isEmpty else { return }
        let bytes = kept
        kept = []
        takenBytes += bytes.count
        arrivesAt = max(arrivesAt, redis.scheduler.monotonicNanoseconds + redis.oneWay())
        piecesUnderWay += 1
        redis.scheduler.after(nanoseconds: arrivesAt - redis.scheduler.monotonicNanoseconds) { [self] in
            piecesUnderWay -= 1
            guard !isCut else { return }
            input += bytes
            wake()
        }
    }

    func close() {
        isClosedByClient = true
        delegate = nil
        kept = []
        // What has left is executed all the same; the server learns of the end behind it.
        redis.scheduler.after(nanoseconds: max(arrivesAt - redis.scheduler.monotonicNanoseconds, 0) + 1) { [self] in
            if input.isEmpty { leave() }
        }
    }

    // MARK: The server's end

    private func leave() { redis.connections.removeAll { $0 === self } }

    /// Ends the connection from the server's side.
    func cut(_ reason: String) {
        guard !isCut else { return }
        isCut = true
        input = []
        leave()
        redis.scheduler.after(nanoseconds: redis.oneWay()) { [self] in delegate?.transportDidClose(reason) }
    }

    /// Carries out the whole requests that have come.
    func wake() {
        guard !redis.isHung, !isHeld, !isCut, !input.isEmpty else { return }
        let mishap = redis.mishaps.isEmpty || !isReady ? nil : redis.mishaps.removeFirst()
        if case .cutBefore? = mishap { return cut("connection reset by peer") }
        let output = OutputBuffer()
        while !input.isEmpty, let request = nextRequest() {
            redis.carryOut(request, on: self).write(to: output)
        }
        if isClosedByClient, input.isEmpty, piecesUnderWay == 0 { return leave() }
        if output.isEmpty { return }
        reply(Array(output.bytes), mishap)
    }

    /// Mishaps are for requests, not for the handshake.
    private(set) var isReady = false
    func didShakeHands() { isReady = true }

    private func nextRequest() -> [[UInt8]]? {
        let result = input.withUnsafeMutableBytes { bytes -> (Int, [[UInt8]])? in
            guard case .request(let length)? = try? parser.parse(bytes) else { return nil }
            return (length, parser.arguments.map { Array(bytes[$0.offset..<$0.offset + $0.count]) })
        }
        guard let (length, arguments) = result else { return nil }
        input.removeFirst(length)
        return arguments
    }

    private func reply(_ bytes: [UInt8], _ mishap: SimulatedRedis.Mishap?) {
        switch mishap {
        case .loseReply?: cut("Redis closed the connection")
        case .cutWithin(let count)?:
            deliver(Array(bytes.prefix(max(0, min(count, bytes.count - 1)))))
            cutAfterReplies()
        case .garbage?: deliver(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
        case .unasked?: deliver(Array("$7\r\nstrange\r\n".utf8) + bytes)
        case .cutBefore?, nil: deliver(bytes)
        }
    }

    private func cutAfterReplies() {
        isCut = true
        input = []
        leave()
        redis.scheduler.after(nanoseconds: max(0, repliesAt - redis.scheduler.monotonicNanoseconds) + 1) { [self] in
            delegate?.transportDidClose("Redis closed the connection")
        }
    }

    /// Sends what nobody has asked for.
    func push(_ reply: Reply, delay: Int64) {
        guard !isCut, !isClosedByClient else { return }
        let output = OutputBuffer()
        reply.write(to: output)
        deliver(Array(output.bytes), delay: delay)
    }

    private func deliver(_ bytes: [UInt8], delay: Int64 = 0) {
        repliesAt = max(repliesAt, redis.scheduler.monotonicNanoseconds + redis.oneWay() + delay)
        var position = 0
        while position < bytes.count {
            var end = bytes.count
            if redis.splitsBytes, redis.random.oneIn(2) {
                end = Int.random(in: position + 1...bytes.count, using: &redis.random)
            }
            let piece = Array(bytes[position..<end])
            redis.scheduler.after(nanoseconds: repliesAt - redis.scheduler.monotonicNanoseconds) { [self] in
                piece.withUnsafeBytes { delegate?.transportDidReceive($0) }
            }
            position = end
        }
    }
}

extension Reply {
    fileprivate func write(to output: OutputBuffer) {
        switch self {
        case .string(let bytes): output.bulk(bytes)
        case .status(let text): output.simple(bytes: text)
        case .error(let text): output.error(bytes: text)
        case .integer(let value): output.integer(value)
        case .null: output.null(.resp2)
        case .array(let elements), .map(let elements):
            output.arrayHead(elements.count)
            for element in elements { element.write(to: output) }
        case .framed(let bytes): output.append(bytes)
        }
    }
}
