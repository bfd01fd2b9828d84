// The short way for GETs: whatever it finds, the parser finds as well, and at the same place.

import RESP
import TestSupport
import Testing

@Suite struct PlainGetTests {
    private func found(_ text: [UInt8], at start: Int = 0) -> PlainGet? {
        text.withUnsafeBytes { PlainGet($0, at: start) }
    }

    @Test func `a GET is found where it lies, whatever its case`() {
        for name in ["GET", "get", "Get", "gEt"] {
            let text = bytes("rest*2\r\n$3\r\n\(name)\r\n$5\r\na key\r\nmore")
            let get = found(text, at: 4)
            #expect(get.map { Array(text[$0.key..<$0.key + $0.keyCount]) } == bytes("a key"))
            #expect(get?.end == text.count - 4)
        }
    }

    @Test func `a STATE.GET is found where it lies, whatever its case`() {
        for name in ["STATE.GET", "state.get", "State.Get", "sTaTe.gEt"] {
            let text = bytes("rest*2\r\n$9\r\n\(name)\r\n$5\r\na key\r\nmore")
            let get = found(text, at: 4)
            #expect(get.map { Array(text[$0.key..<$0.key + $0.keyCount]) } == bytes("a key"))
            #expect(get?.end == text.count - 4)
            #expect(get?.isOfState == true)
        }
        #expect(found(framed([bytes("GET"), bytes("a key")]))?.isOfState == false)
    }

    @Test func `a key may be of any bytes and of 1 to 511 of them`() {
        for count in [1, 2, 9, 10, 99, 100, 511] {
            let key = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 10) }
            let text = framed([bytes("GET"), key])
            let get = found(text)
            #expect(get.map { Array(text[$0.key..<$0.key + $0.keyCount]) } == key)
            #expect(get?.end == text.count)
        }
        for count in [0, 512, 1000] {
            #expect(found(framed([bytes("GET"), Array(repeating: 97, count: count)])) == nil)
        }
    }

    @Test(arguments: ["GET", "STATE.GET"])
    func `what is not whole is not found, and nothing beyond the buffer is looked at`(name: String) {
        let text = framed([bytes(name), bytes("a key of 17 bytes")])
        for count in 0..<text.count {
            // Of its own size, so that the sanitizer sees a look beyond it.
            let part = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
            defer { part.deallocate() }
            part.copyBytes(from: text[..<count])
            let get = PlainGet(UnsafeRawBufferPointer(part), at: 0)
            #expect(get == nil)
        }
        #expect(found(text)?.end == text.count)
    }

    @Test(arguments: [
        "*3\r\n$3\r\nGET\r\n$1\r\nk\r\n$1\r\nk\r\n", "*2\r\n$3\r\nSET\r\n$1\r\nk\r\n",
        "*2\r\n$4\r\nGETX\r\n$1\r\nk\r\n",
        "*2\r\n$3\r\nGET\r\n$01\r\nk\r\n", "*2\r\n$3\r\nGET\r\n$-1\r\n\r\nsomething",
        "*2\r\n$3\r\nGET\r\n:1\r\nk\r\n1234",
        "*2\r\n$3\r\nGET\r\n$\r\nk\r\n1234", "*2\r\n$3\r\nGET\r\n$1x\r\nk\r\n", "*2\r\n$3\r\nGET\r\n$1\nk\r\n1234",
        "*2\r\n$9\r\nSTATE.SET\r\n$1\r\nk\r\n", "*2\r\n$9\r\nSTATE\u{e}GET\r\n$1\r\nk\r\n",
        "*3\r\n$9\r\nSTATE.GET\r\n$1\r\nk\r\n$6\r\nSTRONG\r\n", "*2\r\n$9\r\nSTATE.GET\r\n$01\r\nk\r\n",
        "*2\r\n$3\r\nGET\r\n$9999\r\nk\r\n", "get k\r\n and more of this line", "*02\r\n$3\r\nGET\r\n$1\r\nk\r\n",
    ])
    func `anything else is the parser's to judge`(text: String) { #expect(found(bytes(text)) == nil) }

    @Test func `in damaged requests it finds nothing that the parser would not`() throws {
        var random = SeededGenerator()
        for _ in 0..<20_000 {
            let name = bytes(random.next() % 2 == 0 ? "GET" : "STATE.GET")
            var text = framed([name, bytes("key:\(random.next() % 1000)")]) + bytes("*1\r\n")
            for _ in 0..<random.next() % 3 {
                text[Int(random.next() % UInt64(text.count))] = bytes("*$01239\r\nGETget.\u{e} ").randomElement(
                    using: &random)!
            }
            guard let get = found(text) else { continue }
            var parser = RequestParser(requestMax: 1024)
            let result = try text.withUnsafeMutableBytes { try parser.parse($0) }
            #expect(result == .request(length: get.end))
            #expect(parser.arguments.last == ArgumentRange(offset: get.key, count: get.keyCount))
        }
    }
}
