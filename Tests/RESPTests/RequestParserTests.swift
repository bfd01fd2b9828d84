// Bytes to requests: whole, in pieces, malformed, and inline.

import RESP
import TestSupport
import Testing

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Feeds a stream in pieces, as a connection does, and gathers the requests; throws what the parser throws.
func requests(_ pieces: [[UInt8]], requestMax: Int = 1 << 20, isAuthenticated: Bool = true) throws -> [[[UInt8]]] {
    var parser = RequestParser(requestMax: requestMax)
    parser.isAuthenticated = isAuthenticated
    var buffer: [UInt8] = []
    var found: [[[UInt8]]] = []
    var needed = 0
    for piece in pieces {
        buffer += piece
        if buffer.count < needed { continue }
        while !buffer.isEmpty {
            var length = 0
            let count = buffer.count
            try buffer.withUnsafeMutableBytes { raw in
                switch try parser.parse(raw) {
                case .request(let whole):
                    length = whole
                    needed = 0
                    found.append(parser.arguments.map { Array(raw[$0.offset..<$0.offset + $0.count]) })
                case .incomplete(let more):
                    #expect(more > count, "asked for \(more) bytes with \(count) there")
                    needed = more
                }
            }
            if length == 0 { break }
            buffer.removeFirst(length)
        }
    }
    return found
}

func message(_ text: String, requestMax: Int = 1 << 20, isAuthenticated: Bool = true) -> String? {
    do {
        _ = try requests([bytes(text)], requestMax: requestMax, isAuthenticated: isAuthenticated)
        return nil
    } catch {
        return (error as? RequestError)?.text
    }
}

func framed(_ words: [[UInt8]]) -> [UInt8] {
    words.reduce(bytes("*\(words.count)\r\n")) { $0 + bytes("$\($1.count)\r\n") + $1 + [13, 10] }
}

@Suite struct RequestParserTests {
    @Test func `a framed request is its arguments, whatever bytes they hold`() throws {
        let words: [[UInt8]] = [bytes("SET"), [], [0, 13, 10, 255], bytes("*3\r\n")]
        #expect(try requests([framed(words)]) == [words])
    }

    @Test func `a stream cut anywhere gives the same requests as the whole`() throws {
        let stream =
            framed([bytes("GET"), bytes("key")]) + bytes("PING\r\n") + framed([bytes("SET"), bytes("k"), [13, 10, 0]])
            + bytes("\r\n") + bytes("set \"a b\" 'c\\'d'\n") + bytes("*0\r\n*-1\r\n") + framed([bytes("ECHO"), []])
        let whole = try requests([stream])
        #expect(whole.count == 8)
        for cut in 0...stream.count {
            #expect(try requests([Array(stream[..<cut]), Array(stream[cut...])]) == whole, "cut at \(cut)")
        }
        #expect(try requests(stream.map { [$0] }) == whole)
    }

    @Test func `random streams in random pieces give what was put in`() throws {
        var random = SeededGenerator()
        for _ in 0..<200 {
            let expected = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                (0..<Int.random(in: 1...5, using: &random)).map { _ in
                    (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
                }
            }
            var rest = expected.flatMap(framed)[...]
            var pieces: [[UInt8]] = []
            while !rest.isEmpty {
                let count = Int.random(in: 1...rest.count, using: &random)
                pieces.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            #expect(try requests(pieces) == expected, "\(random.replay)")
        }
    }

    @Test func `every prefix of a request is incomplete`() throws {
        let stream = framed([bytes("SETRANGE"), bytes("some key"), bytes("10"), bytes("value")])
        for count in 0..<stream.count { #expect(try requests([Array(stream[..<count])]).isEmpty) }
    }

    @Test func `an argument that is long asks for all of it at once`() throws {
        var parser = RequestParser(requestMax: 1 << 20)
        var start = bytes("*2\r\n$3\r\nGET\r\n$1000\r\nx")
        let result = try start.withUnsafeMutableBytes { raw in try parser.parse(raw) }
        #expect(result == .incomplete(needed: 4 + 9 + 7 + 1000 + 2))
    }

    // MARK: Malformed: the texts are Redis 7.0's.

    @Test(arguments: [
        ("*1\r\nGET\r\n", "expected '$', got 'G'"), ("*1\r\n:3\r\n", "expected '$', got ':'"),
        ("*x\r\n", "invalid multibulk length"), ("*\r\n", "invalid multibulk length"),
        ("*2147483648\r\n", "invalid multibulk length"), ("*99999999999999999999\r\n", "invalid multibulk length"),
        ("*+1\r\n", "invalid multibulk length"), ("* 1\r\n", "invalid multibulk length"),
        ("*01\r\n", "invalid multibulk length"),
        ("*1\r\n$-1\r\n", "invalid bulk length"), ("*1\r\n$\r\n", "invalid bulk length"),
        ("*1\r\n$3x\r\n", "invalid bulk length"), ("*1\r\n$03\r\nabc\r\n", "invalid bulk length"),
        ("*1\r\n$1048577\r\n", "invalid bulk length"), ("*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        ("set \"a\r\n", "unbalanced quotes in request"), ("set 'a\r\n", "unbalanced quotes in request"),
        ("set \"a\"b\r\n", "unbalanced quotes in request"), ("set 'a'b\r\n", "unbalanced quotes in request"),
    ])
    func `a malformed request is told so in Redis's words`(_ text: String, _ expected: String) {
        #expect(message(text) == "ERR Protocol error: " + expected)
    }

    @Test func `lines without end are refused`() {
        let long = String(repeating: "1", count: 70_000)
        #expect(message("*" + long) == "ERR Protocol error: too big mbulk count string")
        #expect(message("*1\r\n$" + long) == "ERR Protocol error: too big bulk count string")
        #expect(message(long) == "ERR Protocol error: too big inline request")
    }

    @Test func `a request larger than the limit is refused before its bytes come`() {
        #expect(
            message("*2\r\n$600\r\n" + String(repeating: "x", count: 600) + "\r\n$600\r\n", requestMax: 1024)?
                .contains("limits.max_request (1024 bytes)") == true)
        #expect(message("*1\r\n$1023\r\n", requestMax: 1024)?.contains("limits.max_request") == true)
        // 13 bytes stand around the argument.
        #expect(message("*1\r\n$1012\r\n", requestMax: 1024)?.contains("limits.max_request") == true)
    }

    @Test func `a request of exactly the limit is taken`() throws {
        let words = [[UInt8](repeating: 1, count: 1024 - 4 - 7 - 2)]
        let stream = framed(words)
        #expect(stream.count == 1024)
        #expect(try requests([stream], requestMax: 1024) == [words])
    }

    @Test func `before AUTH requests are small`() throws {
        #expect(message("*11\r\n", isAuthenticated: false) == "ERR Protocol error: unauthenticated multibulk length")
        #expect(
            message("*2\r\n$4\r\nAUTH\r\n$16385\r\n", isAuthenticated: false)
                == "ERR Protocol error: unauthenticated bulk length")
        #expect(
            try requests([framed([bytes("AUTH"), [UInt8](repeating: 1, count: 16384)])], isAuthenticated: false).count
                == 1)
    }

    // MARK: Inline

    @Test(arguments: [
        ("PING\r\n", ["PING"]), ("PING\n", ["PING"]), ("  SET\tk   v \r\n", ["SET", "k", "v"]), ("\r\n", []),
        ("   \r\n", []), ("set k \"\"\r\n", ["set", "k", ""]), ("set k ''\r\n", ["set", "k", ""]),
        ("set \"a b\" 'c d'\r\n", ["set", "a b", "c d"]),
        (#"set "\x41\n\r\t\b\a\"\\\q" x"# + "\r\n", ["set", "A\n\r\t\u{8}\u{7}\"\\q", "x"]),
        (#"set 'a\'b\n' x"# + "\r\n", ["set", "a'b\\n", "x"]), (#"set "\xZZ" x"# + "\r\n", ["set", "xZZ", "x"]),
        (#"foo"bar baz" q"# + "\r\n", ["foobar baz", "q"]), ("\"\"\r\n", [""]),
    ])
    func `an inline request is split as sdssplitargs splits it`(_ text: String, _ expected: [String]) throws {
        #expect(try requests([bytes(text)]) == [expected.map(bytes)])
    }

    @Test func `noise never traps, and what is parsed lies within what was given`() {
        var random = SeededGenerator()
        let alphabet = bytes("*$0123456789-\r\n\r\n\"'\\x aGETset") + [0, 255]
        for _ in 0..<20_000 {
            let noise = (0..<Int.random(in: 1...40, using: &random)).map { _ in alphabet.randomElement(using: &random)!
            }
            _ = try? requests([noise], requestMax: 4096)
        }
    }
}
