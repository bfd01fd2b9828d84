// Redis's glob patterns, as KEYS, SCAN and CONFIG GET take them.

/// A pattern of `*`, `?`, `[abc]`, `[^a-z]` and backslash escapes.
///
/// Source: stringmatchlen in Redis's util.c. Time is linear in the key for each star: of two stars only the last is
/// ever tried again, which is enough, so no pattern takes exponential time (R. Cox, Glob Matching Can Be Simple And
/// Fast Too, 2017).
struct Glob {
    private let pattern: [UInt8]
    private let ignoresCase: Bool

    init(_ pattern: [UInt8], ignoresCase: Bool = false) {
        self.pattern = pattern
        self.ignoresCase = ignoresCase
    }

    func matches<Text: RandomAccessCollection<UInt8>>(_ text: Text) -> Bool where Text.Index == Int {
        var position = 0
        var index = text.startIndex
        var retry: (pattern: Int, text: Int)?
        while index < text.endIndex {
            if position < pattern.count, pattern[position] == UInt8(ascii: "*") {
                retry = (position + 1, index)
                position += 1
            } else if position < pattern.count, let length = matchOne(at: position, fold(text[index])) {
                position += length
                index += 1
            } else if let (after, from) = retry {
                retry = (after, from + 1)
                position = after
                index = from + 1
            } else {
                return false
            }
        }
        return pattern[position...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    private func fold(_ byte: UInt8) -> UInt8 { ignoresCase ? Arguments.lowercase(byte) : byte }

    /// How many bytes of the pattern stand for this one byte; nil when they don't.
    private func matchOne(at position: Int, _ byte: UInt8) -> Int? {
        switch pattern[position] {
        case UInt8(ascii: "?"): return 1
        case UInt8(ascii: "["): return matchClass(at: position, byte)
        case UInt8(ascii: "\\") where position + 1 < pattern.count:
            return fold(pattern[position + 1]) == byte ? 2 : nil
        default: return fold(pattern[position]) == byte ? 1 : nil
        }
    }

    private func matchClass(at start: Int, _ byte: UInt8) -> Int? {
        var position = start + 1
        let isNegated = position < pattern.count && pattern[position] == UInt8(ascii: "^")
        if isNegated { position += 1 }
        var isFound = false
        while position < pattern.count, pattern[position] != UInt8(ascii: "]") {
            if pattern[position] == UInt8(ascii: "\\"), position + 1 < pattern.count {
                isFound = isFound || fold(pattern[position + 1]) == byte
                position += 2
            } else if position + 2 < pattern.count, pattern[position + 1] == UInt8(ascii: "-") {
                let ends = [fold(pattern[position]), fold(pattern[position + 2])].sorted()
                isFound = isFound || (ends[0]...ends[1]).contains(byte)
                position += 3
            } else {
                isFound = isFound || fold(pattern[position]) == byte
                position += 1
            }
        }
        // A class that is never closed ends with the pattern.
        let length = min(position + 1, pattern.count) - start
        return isFound != isNegated ? length : nil
    }
}
