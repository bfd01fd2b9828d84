// One connection: requests out, replies in, each reply held against the request that it answers.

internal import EventLoop
internal import RESP

/// A request under way.
struct RequestUnderWay {
    let operation: Operation
    let key: Key
    /// From when its latency counts, in monotonic nanoseconds.
    let began: Int64
}

/// A connection of a run; belongs to the loop's thread.
final class LoadConnection: StreamDelegate {
    /// Outlives its connections, which it closes before it ends.
    private unowned(unsafe) let run: LoadRun
    let lane: Lane
    private var stream: Stream?
    private(set) var isConnected = false
    private let output = OutputBuffer(capacity: 16 << 10)

    /// Requests under way, a ring.
    private let ring: UnsafeMutablePointer<RequestUnderWay>
    private let ringMask: Int
    private var head = 0
    private(set) var underWay = 0

    /// Bytes read and not understood yet.
    private var input: UnsafeMutableRawPointer
    private var inputCapacity = 32 << 10
    private var inputStart = 0
    private var inputEnd = 0

    /// Who waits for the reply to a command that is no request of the load; nil otherwise.
    private var onControl: ((String) -> Void)?
    private var framer = ReplyFramer()
    private var controlReply: [UInt8] = []

    init(_ run: LoadRun, _ lane: Lane, capacity: Int) {
        self.run = run
        self.lane = lane
        var size = 1
        while size < capacity { size *= 2 }
        ring = .allocate(capacity: size)
        ringMask = size - 1
        input = .allocate(byteCount: inputCapacity, alignment: 16)
    }

    deinit {
        ring.deallocate()
        input.deallocate()
    }

    func connect(_ address: ServerAddress, on loop: Loop) throws(EventLoopError) {
        switch address {
        case .unix(let path): stream = Stream.connect(toUnixPath: path, on: loop, delegate: self)
        case .tcp(let host, let port):
            guard let target = SocketAddress(numeric: host, port: port) else {
                throw EventLoopError(operation: "connect to \(address)", name: "EINVAL", message: "no numeric address")
            }
            stream = try Stream.connect(to: target, on: loop, delegate: self)
        }
    }

    var descriptor: Int32 { stream?.descriptor ?? -1 }

    func close() {
        stream?.close()
        stream = nil
        isConnected = false
    }

    // MARK: Out

    /// Whether a request may be appended now.
    @inline(__always)
    var isReady: Bool { isConnected && stream?.isWriting == false }

    /// Appends a request; ``flush()`` sends it.
    @inline(__always)
    func append(_ operation: Operation, _ key: Key, began: Int64) {
        run.writer.append(operation, key, to: output)
        (ring + ((head &+ underWay) & ringMask)).initialize(
            to: RequestUnderWay(operation: operation, key: key, began: began))
        underWay &+= 1
    }

    @inline(__always)
    func flush() {
        guard let stream, !stream.isWriting, !output.isEmpty else { return }
        output.consume(stream.tryWrite(output.bytes))
        if !output.isEmpty { stream.write(output.bytes) }
    }

    /// Sends a command of its own; `completion` is given its reply's bytes, as text.
    func control(_ words: [String], completion: @escaping (String) -> Void) {
        onControl = completion
        controlReply = []
        output.append("*\(words.count)\r\n")
        for word in words { output.append("$\(word.utf8.count)\r\n\(word)\r\n") }
        flush()
    }

    func streamDidWrite(_ stream: Stream, _ error: EventLoopError?) {
        guard stream === self.stream else { return }
        if error == nil { output.reset() }
        if underWay == 0 { run.isReady(self) }
    }

    // MARK: In

    func streamDidConnect(_ stream: Stream, _ error: EventLoopError?) {
        guard stream === self.stream else { return }
        if let error {
            close()
            return run.didFailToConnect(self, error)
        }
        isConnected = true
        stream.resumeReading()
        run.didConnect(self)
    }

    func streamReadBuffer(_ stream: Stream) -> UnsafeMutableRawBufferPointer? {
        UnsafeMutableRawBufferPointer(start: input + inputEnd, count: inputCapacity - inputEnd)
    }

    func streamDidRead(_ stream: Stream, _ bytes: UnsafeMutableRawBufferPointer) {
        inputEnd += bytes.count
        if onControl != nil { return readControl() }
        let now = Loop.monotonicNanoseconds
        run.beforeReplies(now)
        var needed = 1
        reading: while inputStart < inputEnd {
            guard underWay > 0 else { return fail("a reply that nobody asked for") }
            let request = ring[head]
            let unread = UnsafeRawBufferPointer(start: input + inputStart, count: inputEnd &- inputStart)
            let (outcome, count) = run.reader.read(unread, request.operation, request.key)
            switch outcome {
            case .right: run.right(request, now)
            case .incomplete(let bytes):
                needed = bytes
                break reading
            case .garbled: return fail("bytes that are no reply")
            case .absent, .wrong, .failed:
                run.unexpected(outcome, request, now, unread)
            }
            inputStart &+= count
            head = (head &+ 1) & ringMask
            underWay &-= 1
        }
        makeRoom(needed)
        run.didAnswer(self, now)
    }

    /// Moves what is not whole to the front, and sees that it can become whole.
    private func makeRoom(_ needed: Int) {
        let kept = inputEnd - inputStart
        if inputStart > 0 {
            if kept > 0 { input.copyMemory(from: input + inputStart, byteCount: kept) }
            inputStart = 0
            inputEnd = kept
        }
        guard needed + 4096 > inputCapacity else { return }
        inputCapacity = max(needed + 4096, inputCapacity * 2)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: inputCapacity, alignment: 16)
        larger.copyMemory(from: input, byteCount: inputEnd)
        input.deallocate()
        input = larger
    }

    private func readControl() {
        let bytes = UnsafeRawBufferPointer(start: input + inputStart, count: inputEnd - inputStart)
        guard let (count, isWhole) = try? framer.follow(bytes) else { return fail("bytes that are no reply") }
        controlReply += bytes[..<count]
        inputStart += count
        makeRoom(1)
        guard isWhole, let completion = onControl else { return }
        onControl = nil
        completion(String(decoding: controlReply, as: UTF8.self))
    }

    func streamDidEnd(_ stream: Stream, _ error: EventLoopError?) {
        guard stream === self.stream else { return }
        fail(error.map { "the connection failed: \($0.message)" } ?? "the server closed the connection")
    }

    /// Ends the connection; what was under way is lost.
    private func fail(_ text: String) {
        let lost = underWay
        close()
        underWay = 0
        head = 0
        inputStart = 0
        inputEnd = 0
        framer = ReplyFramer()
        output.reset()
        let waiting = onControl
        onControl = nil
        run.didLose(self, lost, text)
        waiting?("-\(text)\r\n")
    }
}
