// Edits of JSON texts: what they change, what they refuse, and that nothing else is touched.

import TestSupport
import Testing

@testable import State

private func path(_ text: String) throws -> JSONPath { try JSONPath(text) }

/// What an edit makes of a text: the new text, or `error: …`.
private func edit(
    _ text: String, _ body: (inout JSONDocument) throws -> JSONEditCount
) throws -> String {
    var document = try JSONDocument(bytes(text))
    do {
        let count = try body(&document)
        let edited = document.edited()
        if count.changed == 0 { #expect(edited == bytes(text)) }
        return String(decoding: edited, as: UTF8.self)
    } catch let error as JSONEditError {
        return "error: \(error.text)"
    }
}

@Suite struct JSONEditTests {
    // MARK: Texts

    @Test(arguments: [
        "{}", "[]", "null", "true", " 1 ", "-0.5e+10", "\"\"", "[1, [2, {\"a\": [{}]}], \"x\\u00e9\\ud83d\\ude00\"]",
        "NaN", "-Infinity", "[Infinity]", "{\"a\":1,\"a\":2}", "\"\u{e9}\u{4e2d}\u{1f600}\"",
    ])
    func `what Python's json writes is read`(text: String) throws {
        #expect(try JSONDocument(bytes(text)).edited() == bytes(text))
    }

    @Test(arguments: [
        ("", 0, "a value is missing at the end"), ("{", 1, "expected a string"),
        ("{\"a\" 1}", 5, "expected : after a name"), ("[1 2]", 3, "expected , or ]"),
        ("{\"a\":1]", 6, "expected , or }"),
        ("[1,]", 3, "expected a value"), ("{\"a\":1,}", 7, "expected a string"),
        ("01", 1, "something follows the value"),
        ("1.", 2, "a fraction without digits"), ("1e+", 3, "an exponent without digits"),
        ("-", 1, "a number without digits"), ("tru", 0, "expected a value"), ("'a'", 0, "expected a value"),
        ("\"a", 2, "a string without its end"), ("\"\\x\"", 2, "an unknown escape within a string"),
        ("\"\\u12g4\"", 5, "expected four hexadecimal digits after \\u"),
        ("\"\n\"", 1, "a control character within a string"), ("{} {}", 3, "something follows the value"),
        ("\u{feff}{}", 0, "expected a value"), ("hello", 0, "expected a value"),
    ])
    func `what is no JSON is told with its place`(text: String, offset: Int, reason: String) {
        #expect(throws: JSONError(offset: offset, text: reason)) { try JSONDocument(bytes(text)) }
    }

    @Test(
        arguments: [
            [0xc0, 0x80], [0x80], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xff],
            [0xf0, 0x8f, 0xbf, 0xbf],
        ] as [[UInt8]])
    func `strings that are not UTF-8 are no JSON`(inner: [UInt8]) {
        let quote = UInt8(ascii: "\"")
        #expect(throws: JSONError(offset: 1, text: "not UTF-8")) { try JSONDocument([quote] + inner + [quote]) }
    }

    @Test func `nesting is bounded, and costs no stack`() throws {
        let deepest = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
        #expect(try JSONDocument(bytes(deepest)).edited() == bytes(deepest))
        #expect(throws: JSONError(offset: 512, text: "nested deeper than 512 levels")) {
            try JSONDocument(bytes("[" + deepest + "]"))
        }
        #expect(throws: JSONError.self) { try JSONDocument([UInt8](repeating: UInt8(ascii: "["), count: 8 << 20)) }
    }

    // MARK: Edits

    @Test(arguments: [
        ("{\"a\": 1.0, \"b\": 2}", "a", "c", "{\"c\": 1.0, \"b\": 2}"),
        ("{\"u\": {\"n\":1e5 , \"m\" : 2}}", "u.n", "x", "{\"u\": {\"x\":1e5, \"m\" : 2}}"),
        ("{\"u\": null}", "u.n", "x", "{\"u\": null}"), ("{}", "u.n", "x", "{}"),
        ("{\"l\": [{\"a\": 1}, {\"b\": 2}, null]}", "l[*].a", "c", "{\"l\": [{\"c\": 1}, {\"b\": 2}, null]}"),
        ("{\"l\": {\"x\": {\"a\": 1}, \"y\": {}}}", "l.*.a", "c", "{\"l\": {\"x\": {\"c\": 1}, \"y\": {}}}"),
        ("[{\"a\": 1}]", "[*].a", "b", "[{\"b\": 1}]"), ("{\"\\u0061\": 1}", "a", "b", "{\"b\": 1}"),
        ("{\"a\": 1}", "a", "say \"hi\"\n", "{\"say \\\"hi\\\"\\u000a\": 1}"),
        ("{\"u\": 1}", "u.n", "x", "error: u is no object"), ("[]", "u.n", "x", "error: the value is no object"),
        ("null", "u.n", "x", "error: the value is no object"), ("{\"l\": {}}", "l[*].a", "b", "error: l is no array"),
        ("{\"l\": [1]}", "l[*].a", "b", "error: l[*] is no object"),
        ("{\"l\": []}", "l.*.a", "b", "error: l is no object"),
        ("{\"a\": 1, \"b\": 2}", "a", "b", "error: b is there already, and would be lost"),
        ("{\"a\": 1, \"a\": 2}", "a", "b", "error: a is there twice"),
        ("{\"a\": 1, \"a\": 2, \"c\": 3}", "c", "b", "{\"a\": 1, \"a\": 2, \"b\": 3}"),
    ])
    func `rename gives another name where the member stands`(
        text: String, from: String, to: String, expected: String
    ) throws {
        #expect(try edit(text) { try $0.rename(path(from), to: bytes(to)) } == expected)
    }

    @Test(arguments: [
        ("{\"a\": 1, \"b\": {\"c\": 2}}", "a", "b.a", "{\"b\": {\"c\": 2,\"a\": 1}}"),
        ("{\"a\": 1}", "a", "x.y.z", "{\"x\":{\"y\":{\"z\":1}}}"), ("{\"b\": 1}", "a", "x.y", "{\"b\": 1}"),
        ("{\"x\": null, \"a\": 1}", "a", "x.y", "{\"x\": {\"y\":1}}"),
        ("{\"name\": \"Ada\", \"n\": 1}", "name", "name.full", "{\"n\": 1, \"name\": {\"full\":\"Ada\"}}"),
        ("{\"name\": {\"full\": \"Ada\"}}", "name.full", "name", "{\"name\": \"Ada\"}"),
        (
            "{\"name\": {\"full\": \"Ada\", \"x\": 1}}", "name.full", "name",
            "error: name is there already, and would be lost"
        ),
        ("{\"a\": 1, \"b\": null}", "a", "b", "error: b is there already, and would be lost"),
        ("{\"a\": 1, \"b\": 2}", "a", "b.c", "error: b is no object"),
        (
            "{\"l\": [{\"t\": 1}, {\"t\": 2, \"r\": 0}]}", "l[*].t", "l[*].m.t",
            "{\"l\": [{\"m\":{\"t\":1}}, {\"r\": 0, \"m\": {\"t\":2}}]}"
        ),
    ])
    func `move takes a value to another place`(text: String, from: String, to: String, expected: String) throws {
        #expect(try edit(text) { try $0.move(path(from), to: path(to)) } == expected)
    }

    @Test(arguments: [
        ("{\"a\": 1, \"b\": 2, \"c\": 3}", "b", "{\"a\": 1, \"c\": 3}"), ("{\"a\": 1}", "a", "{}"),
        ("{\n  \"a\": 1,\n  \"b\": 2\n}\n", "b", "{\n  \"a\": 1\n}\n"),
        ("{\n  \"a\": 1,\n  \"b\": 2\n}\n", "a", "{\n  \"b\": 2\n}\n"), ("{\"a\": {\"b\": 1}}", "a.b", "{\"a\": {}}"),
        ("{\"a\": null}", "a.b", "{\"a\": null}"), ("{\"a\": [1]}", "a.b", "error: a is no object"),
        ("{\"l\": [{\"a\": 1}, {}]}", "l[*].a", "{\"l\": [{}, {}]}"),
    ])
    func `remove takes a value away`(text: String, at: String, expected: String) throws {
        #expect(try edit(text) { try $0.remove(path(at)) } == expected)
    }

    @Test(arguments: [
        ("{\"a\": 1}", "b", "{\"a\": 1,\"b\": [1,\"x\"]}"), ("{\"b\": null}", "b", "{\"b\": null}"),
        ("{}", "x.b", "{\"x\":{\"b\":[1,\"x\"]}}"),
        ("{\"x\": null, \"y\": 1}", "x.b", "{\"x\": {\"b\":[1,\"x\"]}, \"y\": 1}"),
        ("{\"x\": {\"b\": 1}}", "x.b", "{\"x\": {\"b\": 1}}"), ("{\"x\": \"\"}", "x.b", "error: x is no object"),
        ("null", "b", "error: the value is no object"),
        ("{\"l\": [{}, null]}", "l[*].b", "{\"l\": [{\"b\":[1,\"x\"]}, null]}"),
        ("{\n  \"a\": 1,\n  \"c\": 2\n}", "b", "{\n  \"a\": 1,\n  \"c\": 2,\n  \"b\": [1,\"x\"]\n}"),
    ])
    func `default gives a value where there is none`(text: String, at: String, expected: String) throws {
        let value = JSONValue.array([.number("1"), .string("x")])
        #expect(try edit(text) { try $0.addDefault(value, at: path(at)) } == expected)
    }

    @Test(arguments: [
        ("{\"a\": 1, \"b\": {\"c\": [2]}}", "b", "{\"a\": 1, \"b\": {\"k\":1.50}}", 1),
        ("{}", "b", "{\"b\":{\"k\":1.50}}", 0),
        ("{\"b\": {\"k\":1.50}}", "b", "{\"b\": {\"k\":1.50}}", 0), ("{\"b\": 1}", "b.c", "error: b is no object", 0),
    ])
    func `set gives a value whatever is there, and counts what was lost`(
        text: String, at: String, expected: String, lost: Int
    ) throws {
        let value = JSONValue.object([JSONMember("k", .number("1.50"))])
        var count = JSONEditCount()
        let edited = try edit(text) {
            count = try $0.set(value, at: path(at))
            return count
        }
        #expect(edited == expected)
        #expect(count.lost == lost)
    }

    @Test func `what no edit touches keeps its bytes`() throws {
        let text =
            " { \"n\" : 1.0e+5, \"big\":123456789012345678901234567890, \"s\":\"\\u00e9\\/\", \"a\": 1 ,\t\"v\": [ 1,2 ] }\n"
        #expect(
            try edit(text) { try $0.rename(path("a"), to: bytes("b")) }
                == " { \"n\" : 1.0e+5, \"big\":123456789012345678901234567890, \"s\":\"\\u00e9\\/\", \"b\": 1, \"v\": [ 1,2 ] }\n"
        )
    }

    @Test func `a wildcard over many elements is done in one pass`() throws {
        let text = "[" + (0..<20_000).map { "{\"a\": \($0)}" }.joined(separator: ",") + "]"
        let renamed = try edit(text) { try $0.rename(path("[*].a"), to: bytes("b")) }
        #expect(renamed == String(text.map { $0 == "a" ? "b" : $0 }))
    }

    // MARK: Paths

    @Test(arguments: [
        "user", "user.name", "turns[*].text", "users.*.name", "[*].a", "*.a", "[\"a.b\"].c", "a[\"*\"]", "a[\"\\\"\"]",
        "$schema", "a.$.b", "user name", "\u{e9}", "a[\"\"]",
    ])
    func `a path is printed as it is read`(text: String) throws {
        #expect(try path(text).text == text)
    }

    @Test(arguments: [
        ("", "it is empty"), ("$.a", "a path begins with a name, without the $"),
        ("/a/b", "names are separated by dots, not by slashes"), ("a..b", "a name is missing at byte 3"),
        ("a.", "a name is missing at byte 3"), (".a", "a name is missing at byte 1"),
        ("a[0]", "[ is followed by *] or by a name in double quotes: single elements can't be named"),
        ("a[*]b", "a . is missing at byte 5"), ("a[\"b", "[\" without its \"]"),
        ("a[\"\\ude00\"]", "the name \"\\ude00\" has half a surrogate pair"),
        ("a*", "the name a* has a character that needs [\"…\"] round it"),
        (String(repeating: "a.", count: 16) + "a", "it has 17 parts; at most 16 are possible"),
    ])
    func `what is no path is told why`(text: String, reason: String) {
        do {
            _ = try JSONPath(text)
            Issue.record("\(text) was read")
        } catch {
            #expect(error.text == reason)
        }
    }
}
