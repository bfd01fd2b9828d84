// A client's connection: bytes to requests, replies in order to bytes, within its limits.
//
// DESIGN: bytes are parsed where they were read; only an unfinished request is copied. A request that local memory can
// answer writes its reply straight behind those before it. One that must wait takes a slot, and whatever is answered
// after it is kept in slots of its own until it is its turn. Requests overlap unless they touch the same key and one of
// them writes; then, and when replies pile up unread, the connection stops reading until it may go on.

internal import EventLoop
internal import Primitives
internal import RESP
internal import Tiers

/// Which connection to Redis a request goes over. What goes over different ones may be carried out in any order.
enum Lane: Int, CaseIterable {
    /// The worker's own, or none.
    case native
    /// That of passed-through commands.
    case shared
    /// The client's pin.
    case pinned
}

/// What became of the keys that a client watches.
enum WatchState {
    case none
    /// Redis watches, on the client's pin.
    case set
    /// That connection ended: nothing may be carried out that relies on it.
    case lost
}

/// The keys that a request touches; of one, as nearly all have, without a heap allocation.
enum SlotKeys: ExpressibleByArrayLiteral {
    case none
    case one(KeyHash)
    case many([KeyHash])

    init(_ hashes: [KeyHash]) {
        self = hashes.isEmpty ? .none : hashes.count == 1 ? .one(hashes[0]) : .many(hashes)
    }

    init(arrayLiteral hashes: KeyHash...) { self.init(hashes) }

    func contains(where body: (KeyHash) -> Bool) -> Bool {
        switch self {
        case .none: false
        case .one(let key): body(key)
        case .many(let keys): keys.contains(where: body)
        }
    }
}

/// A reply that is not there yet, or that waits for one before it; belongs to its connection.
final class Slot {
    var isDone = false
    /// Whether its request is under way: counted in the connection's accounts.
    fileprivate var isUnderWay = false
    /// The reply, where it waits for one before it.
    fileprivate(set) var reply: OutputBuffer?
    /// The keys that the request touches, for the order between requests.
    let keys: SlotKeys
    let isWrite: Bool
    /// It touches all keys, or waits before it is sent: nothing behind it starts before it is answered.
    fileprivate(set) var isBarrier: Bool
    let lane: Lane
    /// Whether its order against requests on other lanes matters.
    let hasEffect: Bool
    /// Under which operation its latency is counted; nil for what is not.
    let operation: OperationKind?
    /// Monotonic nanoseconds.
    let startedAt: Int64
    /// The protocol that the client spoke when it asked: a HELLO behind the request does not change its reply.
    let version: ProtocolVersion
    /// The request's size where it is a write; writes hold their values until they are answered.
    let requestBytes: Int
    /// The command's name, for the slow log.
    let command: String
    /// Its first key and how many it has, for the slow log; empty where it names none.
    var slowKey: [UInt8] = []
    var keyCount = 0
    /// Whether it may be called slow: nothing waits in Redis for something to happen on its behalf.
    var mayBeSlow: Bool
    /// The way that its answer has taken, where the slow log is on.
    var steps: [AnswerStep] { firstStep.map { [$0] + laterSteps } ?? [] }
    private var firstStep: AnswerStep?
    private var laterSteps: [AnswerStep] = []
    /// What of it is to be audited, until its reply is known.
    var audited: AuditedRequest?
    /// Its reply is known, and waits until the audit has its line.
    fileprivate var isWithheld = false

    init(
        keys: SlotKeys, isWrite: Bool, isBarrier: Bool, operation: OperationKind?, startedAt: Int64,
        version: ProtocolVersion, requestBytes: Int, lane: Lane = .native, hasEffect: Bool = false,
        command: String = "", mayBeSlow: Bool = false
    ) {
        self.command = command
        self.mayBeSlow = mayBeSlow
        self.keys = keys
        self.isWrite = isWrite
        self.isBarrier = isBarrier
        self.operation = operation
        self.startedAt = startedAt
        self.version = version
        self.requestBytes = requestBytes
        self.lane = lane
        self.hasEffect = hasEffect
    }
}

extension Slot: AnswerTrace {
    /// At most so many steps are told: a record's write may be tried again and again.
    private static let stepsMax = 8

    /// Keeps what the slow log tells of a key.
    func nameKey(_ key: [UInt8]) {
        keyCount = 1
        slowKey = key
    }

    /// Keeps what the slow log tells of the keys.
    func nameKeys(_ keys: [[UInt8]]) {
        keyCount = keys.count
        if let first = keys.first { slowKey = first }
    }

    func note(_ step: AnswerStep) {
        // Most have one, which needs no array.
        if firstStep == nil {
            firstStep = step
        } else if laterSteps.count < Self.stepsMax - 1 {
            laterSteps.append(step)
        }
    }
}

/// A client; belongs to its worker's thread.
final class Connection: StreamDelegate {
    let id: Int64
    /// Unsafe for speed: a counted reference per request costs more than the look-up. A worker outlives its
    /// connections, all of which it closes before its loop ends.
    unowned(unsafe) let worker: Worker
    let stream: Stream
    let peer: Peer
    let openedAt: Int64
    var activeAt: Int64

    // What the client has told of itself.
    var version = ProtocolVersion.resp2
    var name: [UInt8] = []
    /// Whom it acts for (HEARTH ACTOR); empty where it has not said.
    var actor: [UInt8] = []
    var library: [UInt8] = []
    var libraryVersion: [UInt8] = []
    private(set) var isAuthenticated: Bool { didSet { judgePlain() } }
    var transaction: Transaction? { didSet { judgePlain() } }
    /// The connection to Redis that this client has for itself.
    var pin: Pin? { didSet { judgePlain() } }
    var watch = WatchState.none {
        didSet {
            if watch == .none { watchedKeys = [] }
            judgePlain()
        }
    }
    var watchedKeys: Set<[UInt8]> = []
    /// Nothing about this client keeps a GET from local memory: the one thing that the hot path looks at.
    private(set) var isPlain: Bool
    /// Why Redis's command table did not come, for the request that waited for it.
    var tableRefusal: String?
    var lastCommand = ""
    /// What of the request under way is to be audited, until it has its place among the replies.
    var audited: AuditedRequest?

    private var parser: RequestParser
    private let input = InputBuffer()
    private let output = OutputBuffer()
    /// What the kernel would not take at once, on its way.
    private var sending: OutputBuffer?
    private(set) var slots: [Slot] = []
    private var firstSlot = 0
    /// Bytes of replies in slots.
    private var waitingBytes = 0
    /// How many requests of several keys without an answer read each of them, by lane.
    private var reading = Lane.allCases.map { _ in [KeyHash: Int]() }
    /// How many write it on the native lane. What writes on another lane lets nothing start but on its own.
    private var writing: [KeyHash: Int] = [:]
    /// Of the requests of one key since the last moment without any: those that read, and those that write on the
    /// native lane. Such a request is found among the slots.
    private var singleReads = SingleKeys()
    private var singleWrites = SingleKeys()
    private var barriersInFlight = 0
    /// Requests without an answer whose order matters, by lane, and all of them.
    private var effects = Lane.allCases.map { _ in 0 }
    private var effectsInFlight = 0
    /// Bytes of the requests without an answer that carry values.
    private var bytesInFlight = 0
    private var isProcessing = false
    private var isBlocked = false
    private var hasPeerEnded = false
    private var isClosingAfterReplies = false
    private(set) var isClosed = false
    var isDirty = false
    /// Read in this iteration; what was answered is to be sent at its end.
    var wasRead = false

    /// Requests of one connection that may wait for an answer at the same time.
    static let slotsMax = 256
    /// Bytes of writes without an answer beyond which no more requests are carried out.
    static let bytesInFlightMax = 1 << 20
    /// Bytes of requests that are read and kept while a request blocks, so that the client's leaving is seen.
    static let keptMax = 1 << 20
    /// Unread bytes beyond which a client's requests are not carried out.
    static let unreadHigh = 256 << 10

    init(_ stream: Stream, peer: Peer, id: Int64, worker: Worker) {
        self.stream = stream
        self.peer = peer
        self.id = id
        self.worker = worker
        openedAt = Loop.monotonicNanoseconds
        activeAt = openedAt
        isAuthenticated = worker.configuration.password == nil
        isPlain = worker.configuration.password == nil && !worker.auditsReads
        parser = RequestParser(requestMax: worker.configuration.maxRequest)
        parser.isAuthenticated = isAuthenticated
        stream.delegate = self
    }

    /// Nothing about this client keeps a GET from local memory, though the key's policy may.
    var isOrdinary: Bool { isAuthenticated && transaction == nil && pin == nil && watch == .none }

    /// To be called as well when what is audited has changed.
    func judgePlain() { isPlain = isOrdinary && !worker.auditsReads }

    /// A command of this client waits in Redis for something to happen.
    private var isBlockedInRedis: Bool { pin.map { $0.blocked > 0 } ?? false }

    var slotCount: Int { slots.count - firstSlot }
    /// Bytes of replies that are not on their way: those that wait for a reply before them, too.
    var unreadBytes: Int { output.count + (sending?.count ?? 0) + waitingBytes }

    // MARK: Reading

    func streamReadBuffer(_ stream: Stream) -> UnsafeMutableRawBufferPointer? { input.place }

    func streamDidRead(_ stream: Stream, _ bytes: UnsafeMutableRawBufferPointer) {
        worker.beginBatch()
        activeAt = worker.batchStart
        if input.isEmpty {
            process(bytes)
        } else {
            input.append(bytes)
            if input.isReady { process(nil) }
        }
        // What was answered leaves at the end of this iteration, with the answers of other clients: the first write
        // wakes whoever waits for it, and the others find them awake.
        worker.markRead(self)
    }

    /// After the events of an iteration in which it was read.
    func sendAnswers() {
        flush()
        continueIfReady()
    }

    /// What stopped for unread replies goes on in this iteration, when the kernel has taken them.
    ///
    /// Where they were all taken at once nobody will call back: reading goes on here.
    private func continueIfReady() {
        guard !isClosed else { return }
        if !input.isEmpty, input.isReady, mayContinue { worker.markDirty(self) } else { updateReading() }
    }

    /// Carries out the whole requests in `bytes`, or in the input buffer, and keeps the rest.
    private func process(_ bytes: UnsafeMutableRawBufferPointer?) {
        isProcessing = true
        let buffer = bytes ?? input.bytes
        var offset = 0
        var needed = 1
        worker.forgetGets()
        while offset < buffer.count, mayContinue {
            if isPlain, !parser.isWithinRequest {
                if let output = directOutput {
                    offset = worker.answerGets(self, output, UnsafeRawBufferPointer(buffer), from: offset)
                    guard offset < buffer.count, mayContinue else { break }
                }
                let asked = worker.askGets(self, UnsafeRawBufferPointer(buffer), from: offset)
                if asked != offset {
                    offset = asked
                    continue
                }
            }
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[offset...])
            do {
                switch try parser.parse(rest) {
                case .incomplete(let count):
                    needed = count
                    keep(rest, isInInput: bytes == nil, needed: needed)
                    isProcessing = false
                    return
                case .request(let length):
                    guard execute(rest, wasMissed: worker.missedAt == offset) else {
                        isBlocked = true
                        keepWhole(rest, length, isInInput: bytes == nil)
                        isProcessing = false
                        return updateReading()
                    }
                    offset += length
                }
            } catch {
                failProtocol(error)
                break
            }
        }
        let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[min(offset, buffer.count)...])
        keep(isClosingAfterReplies ? nil : rest, isInInput: bytes == nil, needed: needed)
        isProcessing = false
        updateReading()
    }

    var mayContinue: Bool {
        !isClosed && !isClosingAfterReplies && !isBlocked && unreadBytes <= Self.unreadHigh && slotCount < Self.slotsMax
            && bytesInFlight <= Self.bytesInFlightMax
    }

    private func keep(_ rest: UnsafeMutableRawBufferPointer?, isInInput: Bool, needed: Int) {
        guard let rest, rest.count > 0 else { return input.reset() }
        if isInInput {
            input.drop(input.count - rest.count)
        } else {
            input.append(rest)
        }
        input.needed = needed
    }

    /// Keeps a request that may not start yet, and what follows it. An inline one was unescaped where it lies and can't
    /// be read a second time: it is kept in its framed form.
    private func keepWhole(_ rest: UnsafeMutableRawBufferPointer, _ length: Int, isInInput: Bool) {
        guard rest.first != UInt8(ascii: "*") else { return keep(rest, isInInput: isInInput, needed: 1) }
        let framed = OutputBuffer(capacity: max(64, rest.count + 64))
        framed.arrayHead(parser.arguments.count)
        for range in parser.arguments {
            framed.bulk(UnsafeRawBufferPointer(rebasing: rest[range.offset..<range.offset + range.count]))
        }
        framed.append(UnsafeRawBufferPointer(rebasing: rest[length...]))
        input.reset()
        input.append(UnsafeMutableRawBufferPointer(mutating: framed.bytes))
    }

    private func failProtocol(_ error: RequestError) {
        worker.counters.protocolErrors.add()
        worker.log.clientError("protocol_error", self, error.text)
        immediate { $0.error(error.text) }
        isClosingAfterReplies = true
    }

    /// Reads on when nothing stands against it, after what was kept has been carried out.
    private func resumeIfPossible() {
        guard !isProcessing, !isClosed else { return }
        if isBlocked { isBlocked = false }
        if !input.isEmpty, input.isReady, mayContinue {
            worker.beginBatch()
            process(nil)
        }
        updateReading()
        if hasPeerEnded && (input.isEmpty || mayContinue) { isClosingAfterReplies = true }
    }

    private func updateReading() {
        guard !isClosed, !hasPeerEnded else { return }
        let mayKeep = isBlockedInRedis && input.count < Self.keptMax && unreadBytes <= Self.unreadHigh
        if mayContinue || mayKeep { stream.resumeReading() } else { stream.pauseReading() }
    }

    func streamDidEnd(_ stream: Stream, _ error: EventLoopError?) {
        // The client may have ended only its own side: it still gets what it asked for.
        // As in Redis, what blocks is not done for a client that has gone: an element would be popped for nobody.
        guard error == nil, !isBlockedInRedis, pin?.isRelaying != true else { return close() }
        hasPeerEnded = true
        if !isBlocked && (input.isEmpty || mayContinue) { isClosingAfterReplies = true }
        flush()
    }

    // MARK: Replies

    /// Which keys may be among those of the slots: one bit for each 64th of all hashes, so that the slots need not be
    /// looked through for nearly all others.
    private struct SingleKeys {
        private var bits: UInt64 = 0

        private static func bit(_ key: KeyHash) -> UInt64 { 1 << (key.rawValue >> 58) }

        mutating func insert(_ key: KeyHash) { bits |= Self.bit(key) }
        mutating func forget() { bits = 0 }
        func mayContain(_ key: KeyHash) -> Bool { bits & Self.bit(key) != 0 }
    }

    /// Whether a request that touches these keys may start now: no request before it conflicts.
    func mayStart(_ keys: SlotKeys, isWrite: Bool, lane: Lane = .native) -> Bool {
        guard slotCount > 0 else { return true }
        guard barriersInFlight == 0 else { return false }
        guard effectsInFlight == effects[lane.rawValue] else { return false }
        // What goes over one connection to Redis is carried out in its order by itself.
        if lane == .native, keys.contains(where: { isWritten($0) }) { return false }
        return !isWrite || !keys.contains(where: { isRead($0, besides: lane) })
    }

    /// Whether a request under way writes the key on the native lane.
    private func isWritten(_ key: KeyHash) -> Bool {
        if !writing.isEmpty, writing[key] != nil { return true }
        return singleWrites.mayContain(key) && isHeld(key) { $0.isWrite && $0.lane == .native }
    }

    /// Whether a request under way reads the key on another lane than this, or on any where this is the native one.
    private func isRead(_ key: KeyHash, besides lane: Lane) -> Bool {
        for (index, readers) in reading.enumerated()
        where !readers.isEmpty && (lane == .native || index != lane.rawValue) && readers[key] != nil {
            return true
        }
        return singleReads.mayContain(key) && isHeld(key) { !$0.isWrite && (lane == .native || $0.lane != lane) }
    }

    /// Whether a slot whose request is under way has this key alone. Complexity: O(slots), of which there are 256.
    private func isHeld(_ key: KeyHash, by body: (Slot) -> Bool) -> Bool {
        for slot in slots[firstSlot...] where slot.isUnderWay {
            if case .one(let other) = slot.keys, other == key, body(slot) { return true }
        }
        return false
    }

    /// Counts a request in, or out again.
    private func account(_ slot: Slot, _ step: Int) {
        slot.isUnderWay = step > 0
        if slot.isBarrier { barriersInFlight += step }
        bytesInFlight += step * slot.requestBytes
        if slot.hasEffect {
            effects[slot.lane.rawValue] += step
            effectsInFlight += step
        }
        switch slot.keys {
        case .none: break
        case .one(let key):
            guard step > 0 else { break }
            if !slot.isWrite { singleReads.insert(key) } else if slot.lane == .native { singleWrites.insert(key) }
        case .many(let keys): for key in keys { account(key, of: slot, step) }
        }
    }

    private func account(_ key: KeyHash, of slot: Slot, _ step: Int) {
        if !slot.isWrite {
            let count = reading[slot.lane.rawValue][key, default: 0] + step
            reading[slot.lane.rawValue][key] = count == 0 ? nil : count
        } else if slot.lane == .native {
            let count = writing[key, default: 0] + step
            writing[key] = count == 0 ? nil : count
        }
    }

    /// Whether everything asked before has been answered.
    var isIdle: Bool { slotCount == 0 }

    /// Where a reply that is known now is written: behind those before it.
    @inline(__always)
    func immediate(_ write: (OutputBuffer) -> Void) {
        guard slotCount > 0 || audited != nil else { return write(output) }
        guard audited == nil else { return complete(reserve(keys: [], isWrite: false), write) }
        let slot = Slot(
            keys: [], isWrite: false, isBarrier: false, operation: nil, startedAt: worker.batchStart, version: version,
            requestBytes: 0)
        slot.isDone = true
        slots.append(slot)
        hold(slot, write)
    }

    /// Keeps a reply until it is its turn.
    private func hold(_ slot: Slot, _ write: (OutputBuffer) -> Void) {
        let reply = OutputBuffer(capacity: 64)
        slot.reply = reply
        write(reply)
        waitingBytes += reply.count
    }

    /// The buffer that a reply may be written to at once; nil while others are owed before it.
    @inline(__always)
    var directOutput: OutputBuffer? { slots.isEmpty ? output : nil }

    /// A place in the order of replies, to be filled by `complete`.
    func reserve(
        keys: SlotKeys, isWrite: Bool, isBarrier: Bool = false, operation: OperationKind? = nil, requestBytes: Int = 0,
        lane: Lane = .native, hasEffect: Bool? = nil, mayBeSlow: Bool = false
    ) -> Slot {
        let slot = Slot(
            keys: keys, isWrite: isWrite, isBarrier: isBarrier, operation: operation, startedAt: worker.batchStart,
            version: version, requestBytes: requestBytes, lane: lane, hasEffect: hasEffect ?? isWrite,
            command: lastCommand, mayBeSlow: mayBeSlow || operation != nil)
        slot.audited = audited
        audited = nil
        slots.append(slot)
        account(slot, 1)
        return slot
    }

    /// Lets nothing start before this slot is answered.
    func hold(_ slot: Slot) {
        guard !slot.isBarrier, !slot.isDone else { return }
        slot.isBarrier = true
        barriersInFlight += 1
    }

    /// Passes on what Redis sent by itself, between replies.
    func relay(_ bytes: [UInt8]) {
        guard !isClosed else { return }
        output.append(bytes)
        worker.markDirty(self)
        if unreadBytes > worker.configuration.maxOutput { flush() }
    }

    /// Fills a slot; what is then in order goes out with this iteration of the loop.
    func complete(_ slot: Slot, _ write: (OutputBuffer) -> Void) {
        precondition(!slot.isDone && !slot.isWithheld, "BUG: a request answered twice")
        account(slot, -1)
        if slot.mayBeSlow {
            let elapsed = Loop.monotonicNanoseconds - slot.startedAt
            if let operation = slot.operation { worker.counters.record(operation, nanoseconds: elapsed) }
            if elapsed >= worker.process.slowLog.thresholdNanoseconds { noteSlow(slot, elapsed) }
        }
        if let audited = slot.audited.take() {
            hold(slot, write)
            // Of a client that has gone, too.
            slot.isWithheld = worker.audit?.submit(audited, self, slot) ?? false
            if slot.isWithheld { return }
        } else if !isClosed, slots[firstSlot] === slot {
            write(output)
        } else if !isClosed {
            hold(slot, write)
        }
        conclude(slot)
    }

    private func noteSlow(_ slot: Slot, _ elapsed: Int64) {
        let slowLog = worker.process.slowLog
        slowLog.note(
            SlowRequest(
                at: Loop.wallClock, nanoseconds: elapsed, command: slot.command,
                key: slot.keyCount > 0 ? slot.slowKey : nil, keyCount: slot.keyCount, client: id,
                steps: slot.steps))
    }

    /// Lets a reply go that waited for its line in the audit, or an error in its place.
    func release(_ slot: Slot, refusal: String?) {
        slot.isWithheld = false
        if let refusal, let reply = slot.reply {
            waitingBytes -= reply.count
            reply.reset()
            reply.error(refusal)
            waitingBytes += reply.count
            worker.tiers.counters.unavailable.add()
        }
        conclude(slot)
    }

    /// What is in order now goes out with this iteration of the loop.
    private func conclude(_ slot: Slot) {
        slot.isDone = true
        guard !isClosed else { return }
        while firstSlot < slots.count, slots[firstSlot].isDone {
            if let reply = slots[firstSlot].reply {
                output.append(reply.bytes)
                waitingBytes -= reply.count
            }
            firstSlot += 1
        }
        if firstSlot == slots.count {
            slots.removeAll(keepingCapacity: true)
            firstSlot = 0
            singleReads.forget()
            singleWrites.forget()
        } else if firstSlot >= 64 {
            slots.removeFirst(firstSlot)
            firstSlot = 0
        }
        worker.markDirty(self)
        // Not at the end of the iteration: many large replies may come in one.
        if unreadBytes > worker.configuration.maxOutput { flush() }
    }

    /// Whatever can happen after answers came: bytes leave, and reading goes on.
    func settle() {
        guard !isClosed else { return }
        resumeIfPossible()
        flush()
        updateReading()
        continueIfReady()
    }

    func flush() {
        guard !isClosed else { return }
        if !output.isEmpty, sending == nil {
            let taken = stream.tryWrite(output.bytes)
            output.consume(taken)
            worker.counters.bytesOut.add(UInt64(taken))
            if !output.isEmpty { startWriting() }
        }
        if unreadBytes > worker.configuration.maxOutput {
            worker.counters.droppedSlow.add()
            worker.log.clientError(
                "client_dropped", self,
                "\(unreadBytes) bytes of replies unread, more than limits.max_output (\(worker.configuration.maxOutput))"
            )
            return close()
        }
        if isClosingAfterReplies && slotCount == 0 && unreadBytes == 0 { close() }
    }

    private func startWriting() {
        let buffer = OutputBuffer(capacity: output.count)
        buffer.append(output.bytes)
        output.reset()
        sending = buffer
        stream.write(buffer.bytes)
    }

    func streamDidWrite(_ stream: Stream, _ error: EventLoopError?) {
        guard !isClosed else { return }
        if error != nil { return close() }
        worker.counters.bytesOut.add(UInt64(sending?.count ?? 0))
        sending = nil
        // Not before everything is out that was under way: the kernel's buffer is the measure of a slow reader.
        flush()
        worker.markDirty(self)
    }

    /// Ends the connection when what it was promised is out.
    func closeAfterReplies() {
        isClosingAfterReplies = true
        worker.markDirty(self)
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        stream.close()
        input.reset()
        worker.didClose(self)
    }

    /// May be idle for no longer: nothing owed, nothing half read.
    func isIdleSince(_ moment: Int64) -> Bool {
        activeAt < moment && slotCount == 0 && unreadBytes == 0 && pin?.isSubscribed != true
            && pin?.isMonitoring != true
    }

    /// The client owes a password again, and until then has the limits of one that does.
    func requireAuthentication() {
        isAuthenticated = false
        parser.isAuthenticated = false
    }

    func didAuthenticate() {
        isAuthenticated = true
        parser.isAuthenticated = true
    }

    private func execute(_ request: UnsafeMutableRawBufferPointer, wasMissed: Bool) -> Bool {
        guard let base = request.baseAddress else { return true }
        return worker.execute(self, base, parser.arguments, wasMissed: wasMissed)
    }
}

/// What is kept of a request that is not whole yet, or may not start yet.
final class InputBuffer {
    private var storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var start = 0
    private var end = 0
    /// How many bytes must be there before another look is worth it.
    var needed = 1

    deinit { storage.deallocate() }

    var count: Int { end - start }
    var isEmpty: Bool { start == end }
    var isReady: Bool { count >= needed }
    var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: storage[start..<end]) }

    /// Where a large value's next bytes can be read to without a copy; nil when a small buffer serves.
    var place: UnsafeMutableRawBufferPointer? {
        guard needed - count > 32 << 10 else { return nil }
        makeRoom(needed - count)
        return UnsafeMutableRawBufferPointer(rebasing: storage[end...])
    }

    func append(_ bytes: UnsafeMutableRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        if let base = storage.baseAddress, source == base + end {
            end += bytes.count
            return
        }
        makeRoom(max(bytes.count, min(needed - count, 1 << 20)))
        guard let base = storage.baseAddress else { return }
        (base + end).copyMemory(from: source, byteCount: bytes.count)
        end += bytes.count
    }

    private func makeRoom(_ more: Int) {
        guard end + more > storage.count else { return }
        let count = count
        let capacity = max(4096, count + more, start == 0 ? storage.count * 2 : storage.count)
        let fresh = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        if count > 0 { fresh.copyMemory(from: UnsafeRawBufferPointer(bytes)) }
        storage.deallocate()
        storage = fresh
        start = 0
        end = count
    }

    func drop(_ count: Int) {
        start += count
        if start == end { reset() }
    }

    func reset() {
        start = 0
        end = 0
        needed = 1
        if storage.count > 0 {
            storage.deallocate()
            storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        }
    }
}
