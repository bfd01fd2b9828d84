// A connected socket on a loop, Unix or TCP: bytes in by a delegate, bytes out at once or when the peer takes them.

internal import CUV

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Who hears of a stream's events, on the loop's thread.
public protocol StreamDelegate: AnyObject {
    /// Where the next bytes shall be read to; nil for the loop's shared buffer, which is valid until `streamDidRead`
    /// returns.
    func streamReadBuffer(_ stream: Stream) -> UnsafeMutableRawBufferPointer?
    /// Bytes arrived, in the buffer that `streamReadBuffer` named.
    func streamDidRead(_ stream: Stream, _ bytes: UnsafeMutableRawBufferPointer)
    /// The peer ended its side (nil), or the stream failed. Nothing more will be read.
    func streamDidEnd(_ stream: Stream, _ error: EventLoopError?)
    /// The bytes given to `write` were taken by the kernel, or failed; the storage is the caller's again.
    func streamDidWrite(_ stream: Stream, _ error: EventLoopError?)
    /// A `connect` ended well (nil) or failed.
    func streamDidConnect(_ stream: Stream, _ error: EventLoopError?)
}

extension StreamDelegate {
    public func streamReadBuffer(_ stream: Stream) -> UnsafeMutableRawBufferPointer? { nil }
    public func streamDidConnect(_ stream: Stream, _ error: EventLoopError?) {}
}

/// A socket on a loop; belongs to the loop's thread.
///
/// One `write` is in flight at a time: the caller keeps its bytes until `streamDidWrite`. `close` may be called at any
/// time, after which the delegate hears nothing more, except one `streamDidWrite` for a write in flight.
public final class Stream {
    private enum Kind { case pipe, tcp }

    private let kind: Kind
    private let handle: UnsafeMutableRawPointer
    private let writeRequest: UnsafeMutablePointer<uv_write_t>
    private let connectRequest: UnsafeMutablePointer<uv_connect_t>
    private let loop: Loop
    /// Kept alive until the stream is closed.
    public var delegate: (any StreamDelegate)?
    public private(set) var isClosed = false
    private var isReading = false
    public private(set) var isWriting = false

    private var stream: UnsafeMutablePointer<uv_stream_t> { hearth_uv_stream(handle) }

    private init(_ kind: Kind, on loop: Loop) {
        self.kind = kind
        self.loop = loop
        writeRequest = .allocate(capacity: 1)
        connectRequest = .allocate(capacity: 1)
        switch kind {
        case .pipe:
            let pipe = UnsafeMutablePointer<uv_pipe_t>.allocate(capacity: 1)
            uv_pipe_init(loop.raw, pipe, 0)
            handle = UnsafeMutableRawPointer(pipe)
        case .tcp:
            let tcp = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
            uv_tcp_init(loop.raw, tcp)
            handle = UnsafeMutableRawPointer(tcp)
        }
        hearth_uv_handle(handle).pointee.data = retain(self)
    }

    deinit {
        handle.deallocate()
        writeRequest.deallocate()
        connectRequest.deallocate()
    }

    /// Takes over a connected descriptor; it is closed with the stream, or at once where this throws.
    public static func open(descriptor: Int32, isUnix: Bool, on loop: Loop) throws(EventLoopError) -> Stream {
        let stream = Stream(isUnix ? .pipe : .tcp, on: loop)
        let code =
            isUnix
            ? uv_pipe_open(stream.handle.assumingMemoryBound(to: uv_pipe_t.self), descriptor)
            : uv_tcp_open(stream.handle.assumingMemoryBound(to: uv_tcp_t.self), descriptor)
        if code != 0 {
            closeDescriptor(descriptor)
            stream.close()
            throw EventLoopError("open a connection", code)
        }
        if !isUnix { uv_tcp_nodelay(stream.handle.assumingMemoryBound(to: uv_tcp_t.self), 1) }
        return stream
    }

    /// Begins to connect to a Unix socket; the delegate hears how it ended, never before this returns.
    public static func connect(toUnixPath path: String, on loop: Loop, delegate: any StreamDelegate) -> Stream {
        let stream = Stream(.pipe, on: loop)
        stream.delegate = delegate
        stream.connectRequest.pointee.data = retain(stream)
        uv_pipe_connect(
            stream.connectRequest, stream.handle.assumingMemoryBound(to: uv_pipe_t.self), path, Self.connected)
        return stream
    }

    /// Begins to connect to a resolved address; the delegate hears how it ended.
    public static func connect(
        to address: SocketAddress, on loop: Loop, delegate: any StreamDelegate
    ) throws(EventLoopError) -> Stream {
        let stream = Stream(.tcp, on: loop)
        stream.delegate = delegate
        stream.connectRequest.pointee.data = retain(stream)
        let tcp = stream.handle.assumingMemoryBound(to: uv_tcp_t.self)
        let code = address.withPointer { uv_tcp_connect(stream.connectRequest, tcp, $0, Self.connected) }
        if code != 0 {
            Unmanaged<Stream>.fromOpaque(stream.connectRequest.pointee.data).release()
            stream.close()
            throw EventLoopError("connect to \(address)", code)
        }
        uv_tcp_nodelay(tcp, 1)
        return stream
    }

    private static let connected: uv_connect_cb = { request, code in
        guard let data = request?.pointee.data else { return }
        let stream = Unmanaged<Stream>.fromOpaque(data).takeRetainedValue()
        guard !stream.isClosed else { return }
        stream.delegate?.streamDidConnect(stream, code == 0 ? nil : EventLoopError("connect", code))
    }

    /// Starts, or goes on, reading.
    public func resumeReading() {
        guard !isReading && !isClosed else { return }
        isReading = true
        let code = uv_read_start(stream, Self.allocate, Self.read)
        if code != 0 { delegate?.streamDidEnd(self, EventLoopError("read", code)) }
    }

    /// Stops reading: the peer is made to wait by the kernel's own buffer.
    public func pauseReading() {
        guard isReading && !isClosed else { return }
        isReading = false
        uv_read_stop(stream)
    }

    private static let allocate: uv_alloc_cb = { handle, _, buffer in
        guard let handle, let buffer else { return }
        let stream = object(handle.pointee.data, as: Stream.self)
        let place = stream.delegate?.streamReadBuffer(stream) ?? stream.loop.sharedBuffer
        buffer.pointee = uv_buf_init(place.baseAddress?.assumingMemoryBound(to: CChar.self), UInt32(place.count))
    }

    private static let read: uv_read_cb = { handle, count, buffer in
        guard let handle, let buffer else { return }
        let stream = object(handle.pointee.data, as: Stream.self)
        if count > 0 {
            let bytes = UnsafeMutableRawBufferPointer(start: buffer.pointee.base, count: count)
            stream.delegate?.streamDidRead(stream, bytes)
        } else if count < 0 {
            stream.pauseReading()
            let isEnd = count == Int(UV_EOF.rawValue)
            stream.delegate?.streamDidEnd(stream, isEnd ? nil : EventLoopError("read", Int32(count)))
        }
    }

    /// Writes what the kernel takes now; how many bytes that were. A broken stream takes none and ends by a read.
    public func tryWrite(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard !isClosed && !isWriting && bytes.count > 0 else { return 0 }
        var buffer = uv_buf_init(
            UnsafeMutableRawPointer(mutating: bytes.baseAddress)?.assumingMemoryBound(to: CChar.self),
            UInt32(min(bytes.count, Int(Int32.max))))
        let taken = uv_try_write(stream, &buffer, 1)
        return max(0, Int(taken))
    }

    /// Writes all of `bytes`, which must stay where they are until `streamDidWrite`; at most one write at a time.
    public func write(_ bytes: UnsafeRawBufferPointer) {
        precondition(!isWriting, "BUG: a second write on a stream whose first is still in flight")
        guard !isClosed else { return }
        isWriting = true
        var buffer = uv_buf_init(
            UnsafeMutableRawPointer(mutating: bytes.baseAddress)?.assumingMemoryBound(to: CChar.self),
            UInt32(bytes.count))
        writeRequest.pointee.data = retain(self)
        let code = uv_write(writeRequest, stream, &buffer, 1) { request, code in
            guard let data = request?.pointee.data else { return }
            let stream = Unmanaged<Stream>.fromOpaque(data).takeRetainedValue()
            stream.isWriting = false
            let delegate = stream.delegate
            if stream.isClosed { stream.delegate = nil }
            delegate?.streamDidWrite(stream, code == 0 ? nil : EventLoopError("write", code))
        }
        if code != 0 {
            Unmanaged<Stream>.fromOpaque(writeRequest.pointee.data).release()
            isWriting = false
            delegate?.streamDidWrite(self, EventLoopError("write", code))
        }
    }

    /// Bytes given to `write` that the kernel has not taken yet.
    public var unwrittenBytes: Int { isClosed ? 0 : Int(uv_stream_get_write_queue_size(stream)) }

    /// The descriptor, for peer credentials; -1 when there is none.
    public var descriptor: Int32 { hearth_uv_pending_fd(stream) }

    /// Ends the stream; safe to call twice.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        isReading = false
        // A write in flight is still to be told of.
        if !isWriting { delegate = nil }
        uv_close(hearth_uv_handle(handle)) { closed in
            guard let data = closed?.pointee.data else { return }
            Unmanaged<Stream>.fromOpaque(data).release()
        }
    }
}

/// Closes a descriptor that this process owns; nothing can be done where that fails (Linux has freed it all the same).
public func closeDescriptor(_ descriptor: Int32) { _ = close(descriptor) }
