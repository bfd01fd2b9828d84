// The replies to STATE.GET and STATE.SET: arrays of names and values in turn.
//
// DESIGN. A server is kept busy only by a client that takes less time for a reply than it does. So the reply that
// memory gives as a rule (nine fields in one order, of which the value and some numbers vary) is compared in pieces
// whose lengths the compiler knows, and is right or goes the other way. There replies are judged by the names in them,
// in whatever order, among whatever fields, at the pace of ``ReplyFramer``: from other tiers, wrong ones, cut ones.

internal import RESP

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

extension ReplyReader {
    /// The length of the usual reply to STATE.GET at the front of `bytes`, with the key's value; nil for all else,
    /// right or not.
    @inline(__always)
    func usualRecord(_ bytes: UnsafeRawBufferPointer, _ key: Key) -> Int? {
        var scan = Scan(bytes)
        guard scan.passes("*18\r\n+value\r\n$"), let length = scan.number(), scan.passes("\r\n"),
            let value = scan.take(length), isAccepted(value, key),
            scan.passes("\r\n+version\r\n:"), scan.number() != nil,
            scan.passes("\r\n+schema\r\n:"), scan.number() != nil,
            scan.passes("\r\n+fence\r\n:"), scan.number() != nil,
            scan.passes("\r\n+source\r\n+local\r\n+freshness\r\n+fresh\r\n+age_ms\r\n:"), scan.number() != nil,
            scan.passes("\r\n+ttl_ms\r\n"), scan.passes("$-1") || scan.passes(":") && scan.number() != nil,
            scan.passes("\r\n+reason\r\n$0\r\n\r\n")
        else { return nil }
        return scan.position
    }

    /// Looks at an array, of which a read must name the key's value, and a write where it is committed.
    @inline(never)
    func map(
        _ bytes: UnsafeRawBufferPointer, _ operation: Operation, _ key: Key
    ) -> (outcome: ReplyOutcome, count: Int) {
        var framer = ReplyFramer()
        guard let (count, isWhole) = try? framer.follow(bytes) else { return (.garbled, 0) }
        guard isWhole else { return (.incomplete(needed: bytes.count &+ max(1, framer.announced)), 0) }
        if bytes[1] == UInt8(ascii: "-") { return (operation.isWrite ? .wrong : .absent, count) }
        let wanted: StaticString = operation.isWrite ? "committed" : "value"
        var elements = Elements(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        while let name = elements.next(), let element = elements.next() {
            guard name.isText(wanted) else { continue }
            switch (element, operation.isWrite) {
            case (.word, true), (.string, true): return (.right, count)
            case (.string(let value), false): return (isAccepted(value, key) ? .right : .wrong, count)
            case (.null, false): return (.absent, count)
            case (.word, false), (.null, true), (.other, _): return (.wrong, count)
            }
        }
        return (.wrong, count)
    }

    @inline(__always)
    private func isAccepted(_ value: UnsafeRawBufferPointer, _ key: Key) -> Bool {
        check == .frame || keys.isValue(value, of: key)
    }
}

/// Compares the bytes at the front, and moves on behind them.
private struct Scan {
    let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    @inline(__always)
    private var left: Int { bytes.count &- position }

    /// Whether a text comes next; then behind it.
    @inline(__always)
    mutating func passes(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard left >= count, let base = bytes.baseAddress, memcmp(base + position, text.utf8Start, count) == 0 else {
            return false
        }
        position &+= count
        return true
    }

    /// A number of 1 to 19 digits.
    @inline(__always)
    mutating func number() -> Int? {
        let start = position
        var number = 0
        while left > 0, bytes[position] &- 48 < 10, position &- start < 19 {
            number = number &* 10 &+ Int(bytes[position] &- 48)
            position &+= 1
        }
        return position > start && number >= 0 ? number : nil
    }

    /// The next `count` bytes, where there are as many; then behind them.
    @inline(__always)
    mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count <= left else { return nil }
        position &+= count
        return UnsafeRawBufferPointer(rebasing: bytes[(position &- count)..<position])
    }
}

/// An element of an array.
private enum Element {
    /// A simple string.
    case word(UnsafeRawBufferPointer)
    case string(UnsafeRawBufferPointer)
    case null
    case other

    func isText(_ text: StaticString) -> Bool {
        switch self {
        case .word(let bytes), .string(let bytes):
            bytes.elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        case .null, .other: false
        }
    }
}

/// The elements of an array that is whole, in turn.
private struct Elements {
    private var rest: UnsafeRawBufferPointer.SubSequence

    init(_ array: UnsafeRawBufferPointer) { rest = array.drop { $0 != 10 }.dropFirst() }

    mutating func next() -> Element? {
        var framer = ReplyFramer()
        guard !rest.isEmpty, let count = try? framer.follow(UnsafeRawBufferPointer(rebasing: rest)).count else {
            return nil
        }
        let element = rest.prefix(count)
        rest = rest.dropFirst(count)
        switch element.first {
        case UInt8(ascii: "+"): return .word(UnsafeRawBufferPointer(rebasing: element.dropFirst().dropLast(2)))
        case UInt8(ascii: "$"):
            if element.dropFirst().first == UInt8(ascii: "-") { return .null }
            return .string(UnsafeRawBufferPointer(rebasing: element.drop { $0 != 10 }.dropFirst().dropLast(2)))
        default: return .other
        }
    }
}
