// Bytes to requests, replies to bytes.

internal import RESP

extension MicroBenchmark {
    static var parser: [MicroBenchmark] {
        [
            MicroBenchmark("resp: a plain GET found", operations: 20_000) { plainGet },
            parsing("resp: GET parsed", request(["GET", "key:000000000042"])),
            parsing("resp: SET of 64 B parsed", request(["SET", "key:000000000042", text(64)])),
            parsing("resp: MGET of 16 keys parsed", request(["MGET"] + (10..<26).map { "key:0000000000\($0)" }), 2_000),
            parsing("resp: inline GET parsed", Array("GET key:000000000042\r\n".utf8), 5_000),
            MicroBenchmark("resp: SET of 16 KiB parsed, in 16 pieces", operations: 2_000) { inPieces },
            MicroBenchmark("resp: bulk reply of 64 B written", operations: 20_000) { bulkReply },
            MicroBenchmark("resp: reply of 10 values framed", operations: 2_000) { framed },
        ]
    }

    private static func text(_ count: Int) -> String { String(repeating: "x", count: count) }

    private static func request(_ words: [String]) -> [UInt8] {
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words { bytes += Array("$\(word.utf8.count)\r\n\(word)\r\n".utf8) }
        return bytes
    }

    private static func plainGet(_ operations: Int) throws(WrongResult) {
        let bytes = request(["GET", "key:000000000042"])
        let found = bytes.withUnsafeBytes { buffer in
            var found = 0
            for _ in 0..<operations { found &+= PlainGet(buffer, at: 0)?.keyCount ?? 0 }
            return found
        }
        try expect(found == 16 * operations, "not every GET was found")
    }

    private static func parsing(_ name: String, _ request: [UInt8], _ operations: Int = 10_000) -> MicroBenchmark {
        MicroBenchmark(name, operations: operations) {
            { operations in
                var bytes = request
                var parser = RequestParser(requestMax: 64 << 20)
                var consumed = 0
                for _ in 0..<operations {
                    let result = try bytes.withUnsafeMutableBytes { buffer throws(RequestError) in
                        try parser.parse(buffer)
                    }
                    if case .request(let length) = result { consumed += length }
                }
                try expect(consumed == request.count * operations, "not every request was parsed whole")
            }
        }
    }

    private static func inPieces(_ operations: Int) throws {
        var bytes = request(["SET", "key:000000000042", text(16 << 10)])
        var parser = RequestParser(requestMax: 64 << 20)
        var consumed = 0
        let count = bytes.count
        for _ in 0..<operations {
            for piece in 1...16 {
                let result = try bytes.withUnsafeMutableBytes { buffer throws(RequestError) in
                    try parser.parse(UnsafeMutableRawBufferPointer(rebasing: buffer[..<(count * piece / 16)]))
                }
                if case .request(let length) = result { consumed += length }
            }
        }
        try expect(consumed == count * operations, "not every request was parsed whole")
    }

    private static func bulkReply(_ operations: Int) throws(WrongResult) {
        let output = OutputBuffer(capacity: 4096)
        let bytes = value(64)
        var written = 0
        bytes.withUnsafeBytes { value in
            for _ in 0..<operations {
                output.bulk(value)
                written += output.count
                output.consume(output.count)
            }
        }
        try expect(written == 71 * operations, "a reply was not written whole")
    }

    private static func framed(_ operations: Int) throws {
        var reply = Array("*10\r\n".utf8)
        for _ in 0..<10 { reply += Array("$64\r\n".utf8) + value(64) + Array("\r\n".utf8) }
        var framer = ReplyFramer()
        var ends = 0
        try reply.withUnsafeBytes { buffer in
            for _ in 0..<operations {
                let (count, isWhole) = try framer.follow(buffer)
                if isWhole, count == buffer.count { ends += 1 }
            }
        }
        try expect(ends == operations, "not every end was found")
    }
}
