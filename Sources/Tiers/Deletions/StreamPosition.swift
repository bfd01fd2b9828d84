// A place in a stream of Redis: the milliseconds and the count that make an entry's id.

/// The id of an entry of a Redis stream, which only grows within one stream.
struct StreamPosition: Hashable, Comparable, Sendable {
    var milliseconds: UInt64
    var sequence: UInt64

    init(milliseconds: UInt64, sequence: UInt64) {
        self.milliseconds = milliseconds
        self.sequence = sequence
    }

    /// An id as Redis writes it (`1526919030474-55`); nil for anything else.
    init?(_ text: some Collection<UInt8>) {
        let parts = text.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count == 2, let milliseconds = UInt64(String(decoding: parts[0], as: UTF8.self)),
            let sequence = UInt64(String(decoding: parts[1], as: UTF8.self))
        else { return nil }
        self.init(milliseconds: milliseconds, sequence: sequence)
    }

    var text: [UInt8] { Array("\(milliseconds)-\(sequence)".utf8) }

    static func < (a: StreamPosition, b: StreamPosition) -> Bool {
        (a.milliseconds, a.sequence) < (b.milliseconds, b.sequence)
    }
}
