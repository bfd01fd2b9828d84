// A GET in the form in which clients send it, found by comparing words instead of reading digits and names.
//
// DESIGN: nearly all that a cache is asked is `*2 $3 GET $n key`. Its first fourteen bytes are always the same but for
// the case of three letters; of `*2 $9 STATE.GET $n key` it is the first twenty. Whatever else it is, or is not whole
// yet, is the parser's to judge: this says nil.

/// A whole GET or STATE.GET request at a place in a buffer; offsets are the buffer's.
public struct PlainGet: Sendable, Equatable {
    /// Whether a record is asked for (STATE.GET), rather than a plain value.
    public var isOfState: Bool
    /// Where the key begins.
    public var key: Int
    public var keyCount: Int
    /// Where the next request begins.
    public var end: Int

    /// The longest key of such a request: three digits, and short enough for every limit of the parser.
    @inlinable public static var keyMax: Int { 511 }

    // Computed, so that they stand in the code that compares with them: a stored one is asked for by a call.

    // "*2\r\n$3\r\n", and "get\r\n$" with the two bytes behind it left out.
    @inlinable static var head: UInt64 { UInt64(littleEndian: 0x0A0D_3324_0A0D_322A) }
    @inlinable static var name: UInt64 { UInt64(littleEndian: 0x0000_240A_0D74_6567) }
    @inlinable static var nameMask: UInt64 { UInt64(littleEndian: 0x0000_FFFF_FFFF_FFFF) }
    @inlinable static var lowerCase: UInt64 { UInt64(littleEndian: 0x0000_0000_0020_2020) }

    // "*2\r\n$9\r\n", "state.ge", of which the dot has no case, and "t\r\n$".
    @inlinable static var stateHead: UInt64 { UInt64(littleEndian: 0x0A0D_3924_0A0D_322A) }
    @inlinable static var stateName: UInt64 { UInt64(littleEndian: 0x6567_2E65_7461_7473) }
    @inlinable static var stateLowerCase: UInt64 { UInt64(littleEndian: 0x2020_0020_2020_2020) }
    @inlinable static var stateNameEnd: UInt32 { UInt32(littleEndian: 0x240A_0D74) }
    @inlinable static var stateEndLowerCase: UInt32 { UInt32(littleEndian: 0x0000_0020) }

    /// The request at `start`, or nil where it is anything but a whole and plain GET or STATE.GET.
    @inlinable @inline(__always)
    public init?(_ buffer: UnsafeRawBufferPointer, at start: Int) {
        guard let base = buffer.baseAddress, buffer.count &- start >= 19 else { return nil }
        let head = base.loadUnaligned(fromByteOffset: start, as: UInt64.self)
        let second = base.loadUnaligned(fromByteOffset: start &+ 8, as: UInt64.self)
        // Where the digits of the key's length begin.
        let digits: Int
        if head == Self.head {
            guard second & Self.nameMask | Self.lowerCase == Self.name else { return nil }
            digits = start &+ 14
            isOfState = false
        } else {
            guard head == Self.stateHead, buffer.count &- start >= 25,
                second | Self.stateLowerCase == Self.stateName,
                base.loadUnaligned(fromByteOffset: start &+ 16, as: UInt32.self) | Self.stateEndLowerCase
                    == Self.stateNameEnd
            else { return nil }
            digits = start &+ 20
            isOfState = true
        }
        var position = digits
        var count = 0
        while position < buffer.count {
            let digit = Int(base.load(fromByteOffset: position, as: UInt8.self)) &- 48
            guard digit >= 0, digit < 10, position < digits &+ 3 else { break }
            count = count &* 10 &+ digit
            position &+= 1
        }
        // A leading zero is the parser's to refuse; an empty key is rare enough to leave to it, too.
        guard count > 0, count <= Self.keyMax, base.load(fromByteOffset: digits, as: UInt8.self) != 48,
            position &+ 2 &+ count &+ 2 <= buffer.count,
            base.loadUnaligned(fromByteOffset: position, as: UInt16.self) == UInt16(littleEndian: 0x0A0D)
        else { return nil }
        key = position &+ 2
        keyCount = count
        end = key &+ count &+ 2
    }
}
