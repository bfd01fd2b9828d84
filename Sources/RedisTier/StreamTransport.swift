// The transport over a socket: a Unix path, or a TCP address whose name is resolved off the loop.

public import EventLoop

/// A connection to Redis over a loop's stream.
public final class StreamTransport: RedisTransport, StreamDelegate {
    private let endpoint: RedisConfiguration.Endpoint
    private let loop: Loop
    private let resolver: Resolver
    private weak var delegate: (any RedisTransportDelegate)?
    private var stream: Stream?
    private var waiting: [UInt8] = []
    private var inFlight: [UInt8] = []
    private var isClosed = false
    /// Bytes given to the stream; what it could not give to the kernel yet is taken off in ``takenBytes``.
    private var submittedBytes = 0
    /// The kernel takes a large write in parts: what has left of it counts, for Redis may have read it.
    public var takenBytes: Int { submittedBytes - (stream?.unwrittenBytes ?? 0) }

    public init(_ endpoint: RedisConfiguration.Endpoint, on loop: Loop, resolver: Resolver) {
        self.endpoint = endpoint
        self.loop = loop
        self.resolver = resolver
    }

    public func open(_ delegate: any RedisTransportDelegate) {
        self.delegate = delegate
        switch endpoint {
        case .unix(let path): stream = Stream.connect(toUnixPath: path, on: loop, delegate: self)
        case .tcp(let host, let port): resolve(host, port)
        }
    }

    private func resolve(_ host: String, _ port: Int) {
        // Even a numeric address answers through here; its failure to connect must not be heard before `open` returns.
        resolver.resolve(host: host, port: port) { [weak self] answer in
            guard let self, !self.isClosed else { return }
            switch answer {
            case .resolved(let address):
                do {
                    self.stream = try Stream.connect(to: address, on: self.loop, delegate: self)
                } catch {
                    self.fail("\(error)")
                }
            case .failed(let error): self.fail("\(error)")
            case .busy: self.fail("the resolver still hangs on \(host)")
            }
        }
    }

    /// Tells the delegate in a later iteration of the loop, so that it is never called out of its own call.
    private func fail(_ reason: String) {
        let timer = Timer(on: loop) { [weak self] in
            self?.deferredFailure = nil
            self?.end(reason)
        }
        timer.start(afterMilliseconds: 0)
        deferredFailure = timer
    }

    private var deferredFailure: Timer?

    public func send(_ bytes: [UInt8]) {
        guard !isClosed, !bytes.isEmpty else { return }
        guard let stream, !stream.isWriting, waiting.isEmpty else {
            waiting += bytes
            return
        }
        let taken = bytes.withUnsafeBytes { stream.tryWrite($0) }
        submittedBytes += taken
        if taken < bytes.count {
            waiting = taken == 0 ? bytes : Array(bytes[taken...])
            writeWaiting()
        }
    }

    private func writeWaiting() {
        guard let stream, !stream.isWriting, !waiting.isEmpty else { return }
        swap(&inFlight, &waiting)
        waiting = []
        // libuv reads the array's storage until `streamDidWrite`; nothing touches `inFlight` before that.
        submittedBytes += inFlight.count
        inFlight.withUnsafeBytes { stream.write($0) }
    }

    public func streamDidWrite(_ stream: Stream, _ error: EventLoopError?) {
        inFlight = []
        guard !isClosed else { return }
        if let error { return end("\(error)") }
        writeWaiting()
    }

    public func streamDidConnect(_ stream: Stream, _ error: EventLoopError?) {
        guard !isClosed else { return }
        if let error { return end("\(error)") }
        stream.resumeReading()
        delegate?.transportDidOpen()
    }

    public func streamDidRead(_ stream: Stream, _ bytes: UnsafeMutableRawBufferPointer) {
        delegate?.transportDidReceive(UnsafeRawBufferPointer(bytes))
    }

    public func streamDidEnd(_ stream: Stream, _ error: EventLoopError?) {
        end(error.map { "\($0)" } ?? "Redis closed the connection")
    }

    private func end(_ reason: String) {
        guard !isClosed else { return }
        let delegate = delegate
        close()
        delegate?.transportDidClose(reason)
    }

    public func close() {
        guard !isClosed else { return }
        isClosed = true
        resolver.abandon()
        submittedBytes = takenBytes
        stream?.close()
        stream = nil
        delegate = nil
        waiting = []
    }
}
