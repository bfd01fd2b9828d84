// The ends of replies: RESP2 and RESP3, whole and in pieces of every size.

import RESP
import TestSupport
import Testing

/// The replies that `bytes` hold, cut where the framer finds their ends, fed in pieces; nil for what is no reply.
private func frames(_ bytes: [UInt8], piece: Int) -> [[UInt8]]? {
    var framer = ReplyFramer()
    var frames: [[UInt8]] = []
    var frame: [UInt8] = []
    var position = 0
    while position < bytes.count {
        let part = Array(bytes[position..<min(bytes.count, position + piece)])
        position += part.count
        var offset = 0
        while offset < part.count {
            let rest = Array(part[offset...])
            var result: (count: Int, isWhole: Bool)?
            rest.withUnsafeBytes { raw in result = try? framer.follow(raw) }
            guard let result, result.count > 0 else { return nil }
            frame += rest[..<result.count]
            offset += result.count
            if result.isWhole {
                frames.append(frame)
                frame = []
            }
        }
    }
    return frame.isEmpty ? frames : frames + [frame]
}

private func isWhole(_ text: String) -> Bool {
    var framer = ReplyFramer()
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBytes { raw in
        guard let (count, isWhole) = try? framer.follow(raw) else { return false }
        return isWhole && count == bytes.count
    }
}

@Suite struct ReplyFramerTests {
    static let replies = [
        "+OK\r\n", "-ERR no\r\n", "+\r\n", ":1\r\n", ":-42\r\n", ":+7\r\n", "$0\r\n\r\n", "$5\r\na\r\nbc\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n", "*2\r\n$1\r\na\r\n*1\r\n:5\r\n", "_\r\n", "#t\r\n", "#f\r\n", ",3.25\r\n", ",inf\r\n", ",-1e-7\r\n",
        ",nan\r\n",
        "(3492890328409238509324850943850943825024385\r\n", "(-1\r\n", "!9\r\nERR \r\nwhy\r\n", "=8\r\ntxt:some\r\n",
        "%2\r\n+a\r\n:1\r\n+b\r\n*2\r\n:1\r\n_\r\n", "%0\r\n", "~2\r\n:1\r\n#t\r\n", "~0\r\n",
        ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
        "|1\r\n+ttl\r\n:3600\r\n*2\r\n:1\r\n:2\r\n",
        "*2\r\n|1\r\n+a\r\n%1\r\n+b\r\n:1\r\n:1\r\n|1\r\n+x\r\n+y\r\n:2\r\n",
        "|0\r\n:1\r\n",
        "*3\r\n*2\r\n*0\r\n*-1\r\n%1\r\n~1\r\n:1\r\n$-1\r\n$3\r\n\r\n\r\r\n",
    ]

    @Test func `each reply ends where it ends, in pieces of every size`() {
        for reply in Self.replies {
            let bytes = Array(reply.utf8)
            for piece in 1...bytes.count {
                #expect(frames(bytes, piece: piece) == [bytes], "\(reply.debugDescription) in pieces of \(piece)")
            }
        }
    }

    @Test func `a pipeline of all of them is cut at their ends, split at every byte`() {
        let bytes = Self.replies.flatMap { Array($0.utf8) }
        let expected = Self.replies.map { Array($0.utf8) }
        for piece in [1, 2, 3, 7, 64, bytes.count] { #expect(frames(bytes, piece: piece) == expected) }
        for split in 1..<bytes.count {
            var framer = ReplyFramer()
            var ends: [Int] = []
            for (offset, part) in [(0, bytes[..<split]), (split, bytes[split...])] {
                var position = 0
                let part = Array(part)
                while position < part.count {
                    let result = part[position...].withUnsafeBytes { raw in try? framer.follow(raw) }
                    guard let result else {
                        Issue.record("refused at \(offset + position)")
                        return
                    }
                    position += result.count
                    if result.isWhole { ends.append(offset + position) }
                }
            }
            #expect(ends.count == expected.count && ends.last == bytes.count)
        }
    }

    @Test(arguments: [
        "x", "\r\n", ":\r\n", ":-\r\n", ":1a\r\n", ":1\n", "+a\n", "+a\rb", "$\r\n", "$-2\r\n", "$1\r\nab\r\n",
        "$1\r\na\n\n",
        "$ 1\r\n", "$1x\r\n", "*-2\r\n", "%-1\r\n", "~-1\r\n", ">-1\r\n", "=-1\r\n", "!-1\r\n", "_x\r\n", "#\r\n",
        "#x\r\n", "#tt\r\n", ",\r\n", ",1 2\r\n", "(\r\n", "(1.5\r\n", "*99999999999999999999\r\n", "$--1\r\n",
        "*2\r\n:1\r\n?",
        "HTTP/1.1 400 Bad Request\r\n",
    ])
    func `what is no reply is refused`(_ text: String) {
        #expect(frames(Array(text.utf8), piece: text.utf8.count) == nil, "\(text.debugDescription)")
        #expect(frames(Array(text.utf8), piece: 1) == nil, "\(text.debugDescription)")
    }

    @Test(arguments: ["$?\r\n;4\r\nHell\r\n;0\r\n", "*?\r\n:1\r\n.\r\n", "%?\r\n", "~?\r\n", ">?\r\n"])
    func `streamed replies are refused`(_ text: String) {
        var framer = ReplyFramer()
        var refusal: ReplyError?
        Array(text.utf8).withUnsafeBytes { raw in
            do throws(ReplyError) { _ = try framer.follow(raw) } catch { refusal = error }
        }
        #expect(refusal?.text.contains("streamed") ?? false)
    }

    @Test func `nesting is bounded`() {
        func nested(_ depth: Int) -> String { String(repeating: "*1\r\n", count: depth) + ":1\r\n" }
        #expect(isWhole(nested(ReplyFramer.depthMax)))
        #expect(!isWhole(nested(ReplyFramer.depthMax + 1)))
        #expect(frames(Array(nested(ReplyFramer.depthMax + 1).utf8), piece: 64) == nil)
    }

    @Test func `a large string announces what is to come`() throws {
        var framer = ReplyFramer()
        let result = try Array("*2\r\n$1000000\r\nabc".utf8).withUnsafeBytes { try framer.follow($0) }
        #expect(!result.isWhole && framer.announced == 999_997)
    }

    @Test func `a reply that comes byte by byte takes time in proportion to its bytes`() throws {
        func cost(_ elements: Int) -> Double {
            let bytes = Array(("*\(elements)\r\n" + String(repeating: "$3\r\nabc\r\n", count: elements)).utf8)
            var framer = ReplyFramer()
            let start = threadMilliseconds()
            var ends = 0
            bytes.withUnsafeBytes { raw in
                for index in 0..<raw.count {
                    let part = UnsafeRawBufferPointer(rebasing: raw[index..<index + 1])
                    if let result = try? framer.follow(part), result.isWhole { ends += 1 }
                }
            }
            #expect(ends == 1)
            return threadMilliseconds() - start
        }
        _ = cost(1000)
        // Sixteen times the bytes: a cost that grew with their square would be 256 times as much.
        let small = max(cost(2000), 0.5)
        #expect(cost(32_000) < 64 * small)
    }

    @Test func `random bytes give the same frames whole and in pieces`() {
        var random = SeededGenerator()
        let alphabet = Array("+-:$*_#,(!=%~>|0123456789?\r\n\r\n\r\nabt".utf8)
        for _ in 0..<3000 {
            var bytes = random.oneIn(2) ? Array((Self.replies.randomElement(using: &random) ?? "").utf8) : []
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                bytes.append(alphabet.randomElement(using: &random) ?? 0)
            }
            let whole = frames(bytes, piece: bytes.count)
            for piece in [1, 3, 8] { #expect(frames(bytes, piece: piece) == whole, "\(random.replay)") }
        }
    }
}
