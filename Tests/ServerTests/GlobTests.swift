// Redis's glob patterns against a matcher that is written after stringmatchlen word by word.

import TestSupport
import Testing

@testable import Server

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// stringmatchlen of Redis's util.c: recursion at each star.
private func naive(_ p: ArraySlice<UInt8>, _ s: ArraySlice<UInt8>) -> Bool {
    var (p, s) = (p, s)
    while let mark = p.first, !s.isEmpty {
        switch mark {
        case UInt8(ascii: "*"):
            while p.count > 1, p[p.startIndex + 1] == UInt8(ascii: "*") { p = p.dropFirst() }
            if p.count == 1 { return true }
            while !s.isEmpty {
                if naive(p.dropFirst(), s) { return true }
                s = s.dropFirst()
            }
            return naive(p.dropFirst(), s)
        case UInt8(ascii: "?"): s = s.dropFirst()
        case UInt8(ascii: "["):
            p = p.dropFirst()
            let isNot = p.first == UInt8(ascii: "^")
            if isNot { p = p.dropFirst() }
            var isMatch = false
            let c = s[s.startIndex]
            while true {
                if p.count >= 2, p.first == UInt8(ascii: "\\") {
                    p = p.dropFirst()
                    if p.first == c { isMatch = true }
                } else if p.first == UInt8(ascii: "]") || p.isEmpty {
                    break
                } else if p.count >= 3, p[p.startIndex + 1] == UInt8(ascii: "-") {
                    let (a, b) = (p[p.startIndex], p[p.startIndex + 2])
                    p = p.dropFirst(2)
                    if c >= min(a, b), c <= max(a, b) { isMatch = true }
                } else if p.first == c {
                    isMatch = true
                }
                p = p.dropFirst()
            }
            if isMatch == isNot { return false }
            s = s.dropFirst()
            if p.isEmpty { return s.isEmpty }
        default:
            if mark == UInt8(ascii: "\\"), p.count >= 2 { p = p.dropFirst() }
            if p.first != s.first { return false }
            s = s.dropFirst()
        }
        p = p.dropFirst()
    }
    return s.isEmpty && p.allSatisfy { $0 == UInt8(ascii: "*") }
}

@Suite struct GlobTests {
    @Test(arguments: [
        ("*", "", true), ("*", "anything", true), ("", "", true), ("", "a", false), ("h?llo", "hello", true),
        ("h*llo", "hllo", true), ("h*llo", "heeeello", true), ("h[ae]llo", "hallo", true), ("h[ae]llo", "hillo", false),
        ("h[^e]llo", "hallo", true), ("h[^e]llo", "hello", false), ("h[a-b]llo", "hbllo", true),
        ("h[b-a]llo", "hbllo", true),
        ("a\\*b", "a*b", true), ("a\\*b", "axb", false), ("[\\]]", "]", true), ("[abc", "b", true), ("[]", "]", false),
        ("a\\", "a\\", true), ("**a**", "xax", true), ("session:*:state", "session:1:2:state", true),
    ])
    func `patterns of Redis's documentation and its edges`(_ pattern: String, _ text: String, _ matches: Bool) {
        #expect(Glob(bytes(pattern)).matches(bytes(text)) == matches)
    }

    @Test func `case is ignored where asked`() {
        #expect(Glob(bytes("MaxMem[A-Z]*"), ignoresCase: true).matches(bytes("maxmemory-policy")))
        #expect(!Glob(bytes("MAX*")).matches(bytes("maxmemory")))
    }

    @Test func `random patterns match what stringmatchlen matches`() {
        var random = SeededGenerator()
        let marks = bytes("ab*?[]^-\\")
        for _ in 0..<40_000 {
            let pattern = (0..<Int.random(in: 0...8, using: &random)).map { _ in marks.randomElement(using: &random)! }
            let text = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                bytes("ab]-^\\").randomElement(using: &random)!
            }
            let expected = naive(pattern[...], text[...])
            #expect(
                Glob(pattern).matches(text) == expected,
                "\(String(decoding: pattern, as: UTF8.self)) of \(String(decoding: text, as: UTF8.self)); \(random.replay)"
            )
        }
    }

    @Test func `many stars take no exponential time`() {
        let pattern = bytes(String(repeating: "a*", count: 64) + "b")
        let text = CountedText(bytes: [UInt8](repeating: UInt8(ascii: "a"), count: 4096))
        #expect(!Glob(pattern).matches(text))
        #expect(text.reads.count <= 64 * 4096, "time is linear in the key for each star")
    }

    /// A text that counts how often one of its bytes is looked at, and ends the test where that has no end.
    private struct CountedText: RandomAccessCollection {
        final class Reads { var count = 0 }

        let bytes: [UInt8]
        let reads = Reads()
        var startIndex: Int { 0 }
        var endIndex: Int { bytes.count }

        subscript(index: Int) -> UInt8 {
            reads.count += 1
            precondition(reads.count < 100_000_000, "the pattern is tried without end")
            return bytes[index]
        }
    }
}
