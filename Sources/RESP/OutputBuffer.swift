// Bytes on their way to a client: appended by commands, taken from the front by the socket.

/// A growing buffer of reply bytes with a read position; belongs to one connection's thread.
///
/// Appending within the capacity does not allocate. `reset` gives memory beyond ``keptCapacity`` back, so that one
/// large reply does not stay with a connection for ever.
public final class OutputBuffer {
    /// The capacity that an empty buffer may keep, in bytes.
    public static let keptCapacity = 16 << 10

    @usableFromInline var base: UnsafeMutableRawPointer
    @usableFromInline var capacity: Int
    @usableFromInline var start = 0
    @usableFromInline var end = 0

    public init(capacity: Int = 1024) {
        precondition(capacity > 0)
        self.capacity = capacity
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { base.deallocate() }

    /// Bytes appended and not yet consumed.
    @inlinable @inline(__always)
    public var count: Int { end &- start }

    @inlinable @inline(__always)
    public var isEmpty: Bool { end == start }

    /// The bytes not yet consumed; valid until the next append.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base + start, count: count) }

    /// Forgets the first `count` bytes, which the socket has taken.
    public func consume(_ count: Int) {
        precondition(count <= self.count, "BUG: more bytes were sent than the buffer held")
        start += count
        if start == end { reset() }
    }

    /// Forgets everything, and gives memory back that an idle connection should not keep.
    public func reset() {
        start = 0
        end = 0
        guard capacity > Self.keptCapacity else { return }
        base.deallocate()
        capacity = 1024
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    /// Forgets what was appended beyond `count` unconsumed bytes: undoes a reply that can't be finished.
    public func truncate(to count: Int) {
        precondition(count <= self.count)
        end = start + count
    }

    /// Room for `count` more bytes, to be written by the caller, who then calls ``commit(_:)``.
    @inlinable @inline(__always)
    public func reserve(_ count: Int) -> UnsafeMutableRawPointer {
        if end &+ count > capacity { grow(count) }
        return base + end
    }

    /// Bytes that can be written to what ``reserve(_:)`` gave, at least as many as were asked for.
    @inlinable @inline(__always)
    public var room: Int { capacity &- end }

    /// Takes `count` bytes, written to what ``reserve(_:)`` gave, into the buffer.
    @inlinable @inline(__always)
    public func commit(_ count: Int) {
        assert(end + count <= capacity)
        end &+= count
    }

    @usableFromInline @inline(never)
    func grow(_ needed: Int) {
        let count = self.count
        if start > 0 && count + needed <= capacity && start >= capacity / 2 {
            base.copyMemory(from: base + start, byteCount: count)
        } else {
            var larger = capacity
            while larger < count + needed { larger *= 2 }
            let fresh = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
            fresh.copyMemory(from: base + start, byteCount: count)
            base.deallocate()
            base = fresh
            capacity = larger
        }
        start = 0
        end = count
    }

    @inlinable @inline(__always)
    public func append(_ byte: UInt8) {
        reserve(1).storeBytes(of: byte, as: UInt8.self)
        end &+= 1
    }

    @inlinable @inline(__always)
    public func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
        end &+= bytes.count
    }

    public func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

    @inlinable @inline(__always)
    public func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    public func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// The decimal digits of `value`.
    @inlinable
    public func append(decimal value: Int64) {
        let place = reserve(20)
        var magnitude = value.magnitude
        var length = 0
        if magnitude < 10 {
            place.storeBytes(of: UInt8(truncatingIfNeeded: 48 &+ magnitude), as: UInt8.self)
            if value >= 0 {
                end &+= 1
                return
            }
        }
        if value < 0 {
            place.storeBytes(of: UInt8(ascii: "-"), as: UInt8.self)
            length = 1
        }
        var digits = 1
        var rest = magnitude
        while rest >= 10 {
            rest /= 10
            digits &+= 1
        }
        var position = length &+ digits
        length = position
        repeat {
            position &-= 1
            let (quotient, remainder) = magnitude.quotientAndRemainder(dividingBy: 10)
            place.storeBytes(of: UInt8(truncatingIfNeeded: 48 &+ remainder), toByteOffset: position, as: UInt8.self)
            magnitude = quotient
        } while magnitude > 0
        end &+= length
    }
}
