// Replies to bytes, in both protocols, and the buffer that they wait in.

import RESP
import TestSupport
import Testing

private func written(_ body: (OutputBuffer) -> Void) -> String {
    let output = OutputBuffer(capacity: 1)
    body(output)
    return String(decoding: output.bytes, as: UTF8.self)
}

@Suite struct ReplyTests {
    @Test func `replies that both protocols share`() {
        #expect(written { $0.simple("OK") } == "+OK\r\n")
        #expect(written { $0.error("ERR no") } == "-ERR no\r\n")
        #expect(written { $0.error("ERR \("computed")") } == "-ERR computed\r\n")
        #expect(written { $0.integer(-7) } == ":-7\r\n")
        #expect(written { $0.bulk("") } == "$0\r\n\r\n")
        #expect(written { $0.bulk("é") } == "$2\r\né\r\n")
        #expect(written { $0.bulk([0, 13, 10]) } == "$3\r\n\0\r\n\r\n")
        #expect(written { $0.arrayHead(0) } == "*0\r\n")
    }

    @Test(arguments: [
        (ProtocolVersion.resp2, "$-1\r\n*-1\r\n*4\r\n*2\r\n*3\r\n:1\r\n:0\r\n$5\r\na\r\nb\n\r\n"),
        (.resp3, "_\r\n_\r\n%2\r\n~2\r\n>3\r\n#t\r\n#f\r\n=9\r\ntxt:a\r\nb\n\r\n"),
    ])
    func `replies that differ`(_ version: ProtocolVersion, _ expected: String) {
        let text = written { output in
            output.null(version)
            output.nullArray(version)
            output.mapHead(2, version)
            output.setHead(2, version)
            output.pushHead(3, version)
            output.boolean(true, version)
            output.boolean(false, version)
            output.verbatim("a\r\nb\n", version)
        }
        #expect(text == expected)
    }

    @Test func `a line end within a status or an error can't end it`() {
        #expect(written { $0.error(bytes: bytes("ERR a\r\n+OK\nb")) } == "-ERR a  +OK b\r\n")
        #expect(written { $0.simple(bytes: bytes("a\r\nb")) } == "+a  b\r\n")
    }

    @Test func `decimals at all extremes`() {
        var values: [Int64] = [0, 1, 9, 10, 11, 99, 100, .max, .min, .max - 1, .min + 1]
        var power: Int64 = 1
        while power < .max / 10 {
            power *= 10
            values += [power - 1, power, power + 1]
        }
        var random = SeededGenerator()
        for shift in 0..<64 { values.append(Int64(bitPattern: random.next() >> UInt64(shift))) }
        for value in values + values.map({ 0 &- $0 }) {
            #expect(written { $0.append(decimal: value) } == String(value))
        }
    }
}

@Suite struct OutputBufferTests {
    @Test func `what is appended is taken from the front, whatever the sizes`() {
        var random = SeededGenerator()
        for _ in 0..<8 {
            let output = OutputBuffer(capacity: Int.random(in: 1...100, using: &random))
            var model: [UInt8] = []
            for _ in 0..<300 {
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<5:
                    let count =
                        random.oneIn(20)
                        ? Int.random(in: 0...40_000, using: &random) : Int.random(in: 0...200, using: &random)
                    let part = [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: count)
                    output.append(part)
                    model += part
                case 5..<9:
                    let count = Int.random(in: 0...model.count, using: &random)
                    output.consume(count)
                    model.removeFirst(count)
                default:
                    let count = Int.random(in: 0...model.count, using: &random)
                    output.truncate(to: count)
                    model = Array(model.prefix(count))
                }
                #expect(output.count == model.count)
                #expect(output.bytes.elementsEqual(model), "\(random.replay)")
            }
        }
    }

    @Test func `what is reserved may be left unused`() {
        let output = OutputBuffer(capacity: 8)
        #expect(output.room == 8)
        output.append("abc" as StaticString)
        output.reserve(1000).storeBytes(of: UInt8(ascii: "d"), as: UInt8.self)
        output.commit(1)
        #expect(output.bytes.elementsEqual(bytes("abcd")))
        // All that has room may be written, without another word.
        let room = output.room
        #expect(room >= 999)
        output.reserve(1).initializeMemory(as: UInt8.self, repeating: UInt8(ascii: "e"), count: room)
        output.commit(room)
        #expect(output.room == 0)
        #expect(output.bytes.elementsEqual(bytes("abcd") + [UInt8](repeating: UInt8(ascii: "e"), count: room)))
        output.reset()
        #expect(output.isEmpty)
    }
}
