// The JSON writer: commas, escapes and numbers.

import Metrics
import Testing

@Suite struct JSONWriterTests {
    @Test func `objects and arrays nest, and commas fall where they must`() {
        var json = JSONWriter()
        json.object {
            $0.member("state", "ok")
            $0.array("tiers") {
                $0.string("local")
                $0.object { $0.member("entries", 3) }
                $0.array { _ in }
                $0.null()
            }
            $0.object("empty") { _ in }
            $0.member("live", true)
            $0.member("share", 0.25)
        }
        #expect(
            json.text
                == #"{"state":"ok","tiers":["local",{"entries":3},[],null],"empty":{},"live":true,"share":0.25}"#)
    }

    @Test func `text is escaped`() {
        var json = JSONWriter()
        json.string("a\"b\\c\n\r\t\u{1}\u{7f}é🔥")
        #expect(json.text == #""a\"b\\c\n\r\t\u0001\u007fé🔥""#)
    }

    @Test func `bytes that are not text become replacement characters`() {
        var json = JSONWriter()
        json.string(bytes: [0x61, 0xff, 0x62])
        #expect(json.text == "\"a\u{fffd}b\"")
    }

    @Test func `numbers without a JSON form are null`() {
        var json = JSONWriter()
        json.array {
            $0.number(.nan)
            $0.number(.infinity)
            $0.number(1e21)
            $0.integer(UInt64.max)
            $0.integer(Int64.min)
            $0.number(3)
        }
        #expect(json.text == "[null,null,1e+21,18446744073709551615,-9223372036854775808,3]")
    }
}
