// Traces from bytes: what is understood, and in which words the rest is refused.

import Testing
import TraceStudy

@Suite struct ReaderTests {
    /// Reads bytes in pieces of `piece`, so that records and lines are cut anywhere.
    private func read(
        _ bytes: [UInt8], _ format: TraceFormat = .text, columns: [TraceColumn]? = nil, headerLines: Int = 0,
        limit: Int = 1_000_000, piece: Int = 7
    ) throws(TraceError) -> Trace {
        var reading = TraceReading()
        reading.format = format
        reading.columns = columns
        reading.headerLines = headerLines
        reading.requestsMax = limit
        var reader = TraceReader(name: "t", reading)
        var left = bytes[...]
        while !left.isEmpty, !reader.isFull {
            try reader.read(left.prefix(piece))
            left = left.dropFirst(piece)
        }
        return try reader.finish()
    }

    private func refusal(
        _ bytes: [UInt8], _ format: TraceFormat = .text, columns: [TraceColumn]? = nil
    ) -> String {
        do throws(TraceError) {
            _ = try read(bytes, format, columns: columns)
            return "understood"
        } catch {
            return error.description
        }
    }

    private func record(_ time: UInt32, _ object: UInt64, _ size: UInt32, _ next: Int64) -> [UInt8] {
        withUnsafeBytes(of: time.littleEndian) { Array($0) } + withUnsafeBytes(of: object.littleEndian) { Array($0) }
            + withUnsafeBytes(of: size.littleEndian) { Array($0) }
            + withUnsafeBytes(of: next.littleEndian) { Array($0) }
    }

    @Test(arguments: [1, 7, 24, 100])
    func `records of oracleGeneral are read wherever they are cut`(_ piece: Int) throws {
        let bytes = record(1, 42, 100, 2) + record(1, 1 << 60, 0, -1) + record(2, 42, 100, -1)
        let trace = try read(bytes, .oracle, piece: piece)
        #expect(trace.requests.map(\.object) == [42, 1 << 60, 42])
        #expect(trace.requests.map(\.size) == [100, 0, 100])
        #expect(trace.objectCount == 2)
        #expect(trace.footprint == 64 + 128 + 64 + 64)
        #expect(try read(bytes, .oracle, limit: 2).requests.count == 2)
    }

    @Test func `what is no oracleGeneral is refused with its offset`() {
        let one = record(1, 42, 100, 2)
        #expect(
            refusal(one + [1, 2, 3], .oracle)
                == "t: at offset 24: 3 bytes are left, and a record of oracleGeneral has 24; is the file cut, or in another format?"
        )
        #expect(
            refusal(one + record(1, 1, 4_000_000_000, -1), .oracle)
                == "t: at offset 36: an object of 4000000000 bytes, above 536870912; is this oracleGeneral?")
        #expect(
            refusal(one + record(1, 1, 1, -7), .oracle)
                == "t: at offset 40: a next request of -7, below -1; is this oracleGeneral?")
        #expect(refusal([], .oracle) == "t: no request in it")
        #expect(
            refusal([0x28, 0xB5, 0x2F, 0xFD] + one, .oracle)
                == "t: is compressed: pipe it in, as in 'zstd -dc FILE | hearth-traces --format … -'")
    }

    @Test func `a text trace is a key, or a key and a size, a line`() throws {
        let trace = try read(Array("# note\na\nb\r\n\na\nc".utf8))
        #expect(trace.requests.count == 4)
        #expect(trace.objectCount == 3)
        #expect(trace.requests[0].object == trace.requests[2].object)
        #expect(trace.requests.allSatisfy { $0.size == 200 && $0.operation == .get })
        for separator in [" ", ",", "\t", " , "] {
            let sized = try read(Array("a\(separator)10\nb\(separator)0\n".utf8))
            #expect(sized.requests.map(\.size) == [10, 0])
        }
    }

    @Test func `columns can be named, and a heading left out`() throws {
        let text = "time,op,size,key\n1,GET,512,a\n2,set,100,b\n3,delete,0,a\n"
        let trace = try read(Array(text.utf8), columns: [.ignored, .operation, .size, .key], headerLines: 1)
        #expect(trace.requests.map(\.operation) == [.get, .set, .delete])
        #expect(trace.requests.map(\.size) == [512, 100, 0])
        #expect(trace.reads == 1)
        #expect(trace.objectCount == 2)
    }

    @Test func `what is no text trace is refused with its line`() {
        #expect(refusal(Array("a\nb x\n".utf8)) == "t:2: 'x' is no size from 0 to 536870912 bytes")
        #expect(refusal(Array("a 1\n\nb -1\n".utf8)) == "t:3: '-1' is no size from 0 to 536870912 bytes")
        #expect(refusal(Array("a 1 2\n".utf8)) == "t:1: 3 columns; say which they are with --columns")
        #expect(refusal(Array("a\n".utf8), columns: [.key, .size]) == "t:1: 1 columns of 2")
        #expect(
            refusal(Array("fly a\n".utf8), columns: [.operation, .key])
                == "t:1: 'fly' is no operation, such as get, set or delete")
        #expect(refusal(Array("# nothing\n".utf8)) == "t: no request in it")
        #expect(
            refusal([UInt8](repeating: 120, count: 70_000))
                == "t:1: a line above 65536 bytes; is this a text trace?")
        #expect(refusal([0x1F, 0x8B, 8, 0]).contains("gzip -dc"))
    }
}
