// Redis's bytes to replies, and requests to bytes.

import Primitives
import RedisTier
import Testing

/// The reader, where a test's closures can reach it.
private final class Reader {
    private let reader = ReplyReader()

    func feed(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try reader.feed($0) } }
    func next() throws -> Reply? { try reader.next() }
}

@Suite struct ReplyReaderTests {
    private let stream =
        "+OK\r\n-ERR no\r\n:-42\r\n$5\r\nhello\r\n$0\r\n\r\n$-1\r\n*3\r\n:1\r\n*1\r\n+a\r\n$-1\r\n*0\r\n*-1\r\n"
        + "+QUEUED\r\n+QUEUED\r\n*4\r\n$5\r\na\r\nb\n\r\n:-12\r\n$-1\r\n$0\r\n\r\n"
        + "*2\r\n$1\r\na\r\n-ERR b\r\n"
        + "*1\r\n:1234567890123456789\r\n"
        + "*3\r\n*2\r\n$1\r\na\r\n$-1\r\n*0\r\n:-1\r\n*2\r\n*1\r\n*1\r\n:7\r\n:8\r\n*2\r\n*1\r\n-ERR c\r\n*-1\r\n+end\r\n"
    private let replies: [Reply] = [
        .ok, .error("ERR no"), .integer(-42), .string(bytes("hello")), .string([]), .null,
        .array([.integer(1), .array([.status("a")]), .null]), .array([]), .null, .status("QUEUED"), .status("QUEUED"),
        .array([.string(bytes("a\r\nb\n")), .integer(-12), .null, .string([])]),
        .array([.string(bytes("a")), .error("ERR b")]), .array([.integer(1_234_567_890_123_456_789)]),
        .array([.array([.string(bytes("a")), .null]), .array([]), .integer(-1)]),
        .array([.array([.array([.integer(7)])]), .integer(8)]), .array([.array([.error("ERR c")]), .null]),
        .status("end"),
    ]

    @Test(arguments: [
        (
            "ERR Error running script (call to f_0a): @user_script:12: OOM command not allowed when used memory > "
                + "'maxmemory'.", "OOM command not allowed when used memory > 'maxmemory'."
        ),
        (
            "ERR Error running script (call to f_0a): @user_script:3: @user_script: 3: -READONLY You can't write",
            "READONLY You can't write"
        ),
        (
            "ERR Error running script (call to f_0a): @user_script:1: user_script:1: attempt to index a nil value",
            "ERR Error running script (call to f_0a): @user_script:1: user_script:1: attempt to index a nil value"
        ),
        ("ERR no such key", "ERR no such key"),
    ])
    func `an error within a script is the command's own, in whatever it is wrapped`(_ told: String, _ meant: String)
        throws
    {
        let reader = Reader()
        try reader.feed(bytes("-\(told)\r\n"))
        #expect(try reader.next() == .error(meant))
    }

    @Test func `replies split at every byte are the same replies`() throws {
        let all = bytes(stream)
        for split in 0...all.count {
            let reader = Reader()
            var found: [Reply] = []
            for part in [all[..<split], all[split...]] {
                try reader.feed(Array(part))
                while let reply = try reader.next() { found.append(reply) }
            }
            #expect(found == replies)
        }
    }

    @Test func `byte by byte as well`() throws {
        let reader = Reader()
        var found: [Reply] = []
        for byte in bytes(stream) {
            try reader.feed([byte])
            while let reply = try reader.next() { found.append(reply) }
        }
        #expect(found == replies)
    }

    @Test func `what only says that it is queued is passed over, as far as may be`() throws {
        let reader = ReplyReader()
        let text = bytes("+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUEDX\r\n+QUE")
        try text.withUnsafeBytes { try reader.feed($0) }
        #expect(reader.passQueued(atMost: 0) == 0)
        #expect(reader.passQueued(atMost: 2) == 2)
        #expect(reader.passQueued(atMost: 5) == 1)
        #expect(reader.passQueued(atMost: 5) == 0)
        #expect(try reader.next() == .status("QUEUEDX"))
        #expect(try reader.next() == nil)
        // Half of a reply has been looked at: nothing is passed over within it.
        #expect(reader.passQueued(atMost: 5) == 0)
        try bytes("UED\r\n+QUEUED\r\n").withUnsafeBytes { try reader.feed($0) }
        #expect(try reader.next() == .status("QUEUED"))
        #expect(reader.passQueued(atMost: 5) == 1)
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\n\r\n", "!\r\n", ":abc\r\n", "$-2\r\n", "*-2\r\n", "*1\r\n$-2\r\n", "*1\r\n:1x\r\n",
        "$99999999999999999999\r\n",
    ])
    func `what is no reply is an error, and stays one`(_ text: String) {
        let reader = Reader()
        try? reader.feed(bytes(text))
        #expect(throws: RedisFailure.self) { while try reader.next() != nil {} }
        #expect(throws: RedisFailure.self) {
            try reader.feed(bytes("+OK\r\n"))
            _ = try reader.next()
        }
    }

    @Test func `requests are encoded as Redis parses them`() {
        var request = RequestEncoder()
        request.append("GET", bytes("k"))
        request.append([bytes("SET"), [], [0, 13, 10, 255]])
        #expect(request.commands == 2)
        #expect(
            request.bytes == bytes("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\n") + [
                0, 13, 10, 255, 13, 10,
            ])
        for count in [9, 10, 99, 100, 999, 1000, 65_536, 1_000_000] {
            var request = RequestEncoder()
            request.append([[UInt8](repeating: 1, count: count)])
            #expect(request.bytes.starts(with: bytes("*1\r\n$\(count)\r\n")))
        }
    }

    @Test(arguments: [0, 1, 9, 10, 1023, 1024, 100_000])
    func `commands of keys are what they are word by word`(_ count: Int) {
        let keys = [bytes("a\r\n"), [UInt8](repeating: 107, count: count), []]
        var request = RequestEncoder()
        request.appendCaching()
        request.begin("MGET", keys: keys.count)
        for key in keys { request.append(key: key) }
        for key in keys { request.append("PTTL", of: key) }
        var plain = RequestEncoder()
        plain.append(["CLIENT", "CACHING", "YES"].map { bytes($0) })
        plain.append([bytes("MGET")] + keys)
        for key in keys { plain.append([bytes("PTTL"), key]) }
        #expect(request.bytes == plain.bytes)
        #expect(request.commands == 5)
    }
}
