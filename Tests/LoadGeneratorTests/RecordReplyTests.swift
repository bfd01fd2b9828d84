// Replies to STATE.GET and STATE.SET as bytes: the usual one, others that mean the same, and what is not right.

import RESP
import Testing

@testable import LoadGenerator

@Suite struct RecordReplyTests {
    private static var keys: KeySpace {
        KeySpace(hotPrefix: "key:", coldPrefix: "cold:", statePrefix: "state:", sizes: ValueSizes(20))
    }
    private static let value = text(of: .record(5))

    private static func text(of key: Key) -> String { String(decoding: keys.value(key), as: UTF8.self) }

    private func reader(_ check: ValueCheck = .value) -> ReplyReader { ReplyReader(.redis, Self.keys, check) }

    private func read(
        _ text: String, _ operation: LoadGenerator.Operation = .stateGet, check: ValueCheck = .value
    ) -> (outcome: ReplyOutcome, count: Int) {
        Array(text.utf8).withUnsafeBytes { reader(check).read($0, operation, .record(5)) }
    }

    private func isUsual(_ text: String) -> Bool {
        Array(text.utf8).withUnsafeBytes { reader().usualRecord($0, .record(5)) } != nil
    }

    private static func string(_ text: String) -> String { "$\(text.utf8.count)\r\n\(text)\r\n" }

    /// The fields as a Hearth answers them from memory; names and elements as they are on the wire.
    private static func fields(
        value: String = value, version: Int64 = 1, schema: Int64 = 0, fence: Int64 = 0, age: Int64 = 8,
        ttl: Int64? = nil
    ) -> [(name: String, element: String)] {
        [
            ("value", string(value)), ("version", ":\(version)\r\n"), ("schema", ":\(schema)\r\n"),
            ("fence", ":\(fence)\r\n"), ("source", "+local\r\n"), ("freshness", "+fresh\r\n"),
            ("age_ms", ":\(age)\r\n"),
            ("ttl_ms", ttl.map { ":\($0)\r\n" } ?? "$-1\r\n"), ("reason", "$0\r\n\r\n"),
        ]
    }

    private static func reply(_ fields: [(name: String, element: String)], namesAreStrings: Bool = false) -> String {
        fields.reduce("*\(fields.count * 2)\r\n") {
            $0 + (namesAreStrings ? string($1.name) : "+\($1.name)\r\n") + $1.element
        }
    }

    private func expectIncompleteBeforeItsEnd(_ whole: String, _ operation: LoadGenerator.Operation = .stateGet) {
        for count in 0..<whole.utf8.count {
            guard
                case .incomplete(let needed) = read(
                    String(decoding: whole.utf8.prefix(count), as: UTF8.self), operation
                ).outcome
            else {
                Issue.record("not incomplete after \(count) bytes of \(whole)")
                continue
            }
            #expect(needed > count && needed <= whole.utf8.count)
        }
    }

    @Test func `requests of records have keys and names of their own`() {
        func request(_ operation: LoadGenerator.Operation) -> String {
            let output = OutputBuffer()
            RequestWriter(.redis, Self.keys).append(operation, .record(5), to: output)
            return String(decoding: output.bytes, as: UTF8.self)
        }
        #expect(request(.stateGet) == "*2\r\n$9\r\nSTATE.GET\r\n$18\r\nstate:000000000005\r\n")
        #expect(
            request(.stateSet) == "*3\r\n$9\r\nSTATE.SET\r\n$18\r\nstate:000000000005\r\n$20\r\n\(Self.value)\r\n")
    }

    @Test(arguments: [
        fields(), fields(version: 1_234_567, schema: 12, fence: 1_700_000_000_000_000, age: 0),
        fields(age: .max, ttl: 0), fields(version: .max, schema: .max, fence: .max, ttl: .max),
    ])
    func `the usual reply is right at once, and incomplete before its end`(_ fields: [(name: String, element: String)])
    {
        let whole = Self.reply(fields)
        #expect(isUsual(whole))
        #expect(read(whole) == (.right, whole.utf8.count))
        #expect(read(whole + "*18\r\n+value\r\n") == (.right, whole.utf8.count))
        expectIncompleteBeforeItsEnd(whole)
    }

    @Test func `the value is found by its name in whatever order, among whatever fields`() {
        let usual = Self.fields()
        var others: [[(name: String, element: String)]] = (1..<usual.count).map {
            Array(usual[$0...] + usual[..<$0])
        }
        others.append(usual.reversed())
        others.append(usual + [("later", "*2\r\n:1\r\n$5\r\nvalue\r\n")])
        others.append([("note", Self.string("+value\r\n$3\r\nabc\r\n"))] + usual)
        others.append(usual.map { $0.name == "source" ? ($0.name, "+redis\r\n") : $0 })
        others.append(usual.map { $0.name == "age_ms" ? ($0.name, "$-1\r\n") : $0 })
        others.append(usual.map { $0.name == "reason" ? ($0.name, Self.string("Redis is late")) : $0 })
        for whole in others.map({ Self.reply($0) }) + [Self.reply(usual, namesAreStrings: true)] {
            #expect(!isUsual(whole))
            #expect(read(whole + "*18\r\n") == (.right, whole.utf8.count), "\(whole)")
            expectIncompleteBeforeItsEnd(whole)
        }
    }

    @Test func `another key's value, a cut one and a changed one are wrong in every form`() {
        let right = Self.value
        for other in [
            Self.text(of: .record(6)), Self.text(of: .hot(5)), String(right.dropLast()), right + "x", "",
            right.dropLast() + "!",
        ] {
            let usual = Self.reply(Self.fields(value: other))
            for whole in [usual, Self.reply(Self.fields(value: other).reversed())] {
                #expect(read(whole) == (.wrong, whole.utf8.count), "\(whole)")
                #expect(read(whole, check: .frame) == (.right, whole.utf8.count), "\(whole)")
            }
        }
    }

    @Test func `no record, and a record without a value, are absent`() {
        let turnsAlone = Self.reply(Self.fields().map { $0.name == "value" ? ($0.name, "$-1\r\n") : $0 })
        for whole in ["$-1\r\n", "*-1\r\n", turnsAlone] {
            #expect(read(whole + "+") == (.absent, whole.utf8.count), "\(whole)")
            expectIncompleteBeforeItsEnd(whole)
        }
    }

    @Test func `a write is acknowledged by where it is committed`() {
        let whole = "*4\r\n$7\r\nversion\r\n:2\r\n$9\r\ncommitted\r\n$4\r\nwarm\r\n"
        #expect(read(whole + "*", .stateSet) == (.right, whole.utf8.count))
        expectIncompleteBeforeItsEnd(whole, .stateSet)
        #expect(read("*4\r\n+committed\r\n+redis\r\n+version\r\n:2\r\n", .stateSet).outcome == .right)
        for other in [
            "+OK\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n", "*2\r\n$7\r\nversion\r\n:2\r\n",
            "*2\r\n$9\r\ncommitted\r\n$-1\r\n", Self.reply(Self.fields()),
        ] { #expect(read(other, .stateSet) == (.wrong, other.utf8.count), "\(other)") }
    }

    @Test func `errors, other replies and nonsense are told apart`() {
        #expect(read("-WRONGTYPE x\r\n") == (.failed(from: 1, to: 12), 14))
        #expect(read("-ERR x\r\n", .stateSet) == (.failed(from: 1, to: 6), 8))
        for other in [
            "+OK\r\n", "*0\r\n", "*1\r\n+value\r\n", "*2\r\n:1\r\n\(Self.string(Self.value))",
            "*2\r\n+value\r\n+\(Self.value)\r\n", "*2\r\n+value\r\n:1\r\n",
            "*2\r\n+other\r\n\(Self.string(Self.value))",
            Self.string(Self.value),
        ] { #expect(read(other) == (.wrong, other.utf8.count), "\(other)") }
        let whole = Self.reply(Self.fields())
        for (from, to) in [
            ("*18", "*1x"), ("*18", "*-2"), ("$20", "$2x"), ("$20", "$19"), ("+version\r\n", "version\r\n"),
            (":8", ":"),
            ("$-1", "$-7"), ("$0\r\n\r\n", "$0\r\n.."),
        ] {
            let parts = whole.split(separator: from, maxSplits: 1, omittingEmptySubsequences: false)
            #expect(read("\(parts[0])\(to)\(parts[1])").outcome == .garbled, "\(to) for \(from)")
        }
        // A string's key is answered with no array.
        #expect(read(whole, .get).outcome == .garbled)
    }
}
