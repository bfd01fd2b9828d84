// Requests and replies as bytes: what is sent, and how each reply is judged, whatever the pieces in which it comes.

internal import RESP
import Testing

@testable import LoadGenerator

@Suite struct WireTests {
    private let keys = KeySpace(
        hotPrefix: "key:", coldPrefix: "cold:", statePrefix: "state:", sizes: ValueSizes(20))

    private func request(_ wire: WireProtocol, _ operation: LoadGenerator.Operation, _ key: Key) -> String {
        let output = OutputBuffer()
        RequestWriter(wire, keys).append(operation, key, to: output)
        return String(decoding: output.bytes, as: UTF8.self)
    }

    private func read(
        _ wire: WireProtocol, _ text: String, _ operation: LoadGenerator.Operation = .get, _ key: Key = .hot(5),
        check: ValueCheck = .value
    ) -> (outcome: ReplyOutcome, count: Int) {
        Array(text.utf8).withUnsafeBytes { ReplyReader(wire, keys, check).read($0, operation, key) }
    }

    private func value(_ key: Key) -> String { String(decoding: keys.value(key), as: UTF8.self) }

    @Test func `requests are those of redis-benchmark and of memcached's text protocol`() {
        let value = value(.hot(5))
        #expect(request(.redis, .get, .hot(5)) == "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000005\r\n")
        #expect(request(.redis, .miss, .cold(123)) == "*2\r\n$3\r\nGET\r\n$17\r\ncold:000000000123\r\n")
        #expect(
            request(.redis, .set, .hot(5)) == "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000005\r\n$20\r\n\(value)\r\n")
        #expect(request(.memcached, .get, .hot(5)) == "get key:000000000005\r\n")
        #expect(request(.memcached, .set, .hot(5)) == "set key:000000000005 0 0 20\r\n\(value)\r\n")
    }

    @Test func `a value is the key's own, of its size, the same each time`() {
        #expect(value(.hot(5)).utf8.count == 20)
        #expect(value(.hot(5)) == value(.hot(5)))
        let all = (0..<1000).flatMap { [value(.hot($0)), value(.cold($0)), value(.record($0))] }
        #expect(Set(all).count == 3000)
        let small = KeySpace(hotPrefix: "a", coldPrefix: "b", statePrefix: "c", sizes: ValueSizes(0))
        #expect(small.value(.hot(1)).isEmpty)
    }

    @Test(arguments: WireProtocol.allCases) func `a right reply is right, and incomplete before its end`(
        _ wire: WireProtocol
    ) {
        let whole =
            wire == .redis
            ? "$20\r\n\(value(.hot(5)))\r\n" : "VALUE key:000000000005 0 20\r\n\(value(.hot(5)))\r\nEND\r\n"
        #expect(read(wire, whole + "more") == (.right, whole.utf8.count))
        for count in 0..<whole.utf8.count {
            guard
                case .incomplete(let needed) = read(wire, String(decoding: whole.utf8.prefix(count), as: UTF8.self))
                    .outcome
            else {
                Issue.record("not incomplete after \(count) bytes")
                continue
            }
            #expect(needed > count && needed <= whole.utf8.count)
        }
    }

    @Test(arguments: WireProtocol.allCases) func `another key's value, a cut one and a changed one are wrong`(
        _ wire: WireProtocol
    ) {
        func reply(_ value: String) -> String {
            wire == .redis
                ? "$\(value.utf8.count)\r\n\(value)\r\n" : "VALUE k 0 \(value.utf8.count)\r\n\(value)\r\nEND\r\n"
        }
        let right = value(.hot(5))
        for other in [
            value(.hot(6)), value(.cold(5)), String(right.dropLast()), right + "x", "", right.dropLast() + "!",
        ] {
            #expect(read(wire, reply(other)) == (.wrong, reply(other).utf8.count), "\(other)")
            #expect(read(wire, reply(other), check: .frame).outcome == .right)
        }
    }

    @Test func `nil, errors, acknowledgements and nonsense are told apart`() {
        #expect(read(.redis, "$-1\r\n") == (.absent, 5))
        #expect(read(.redis, "$-1\r\n", .set).outcome == .wrong)
        #expect(read(.redis, "+OK\r\n", .set) == (.right, 5))
        #expect(read(.redis, "+OK\r\n").outcome == .wrong)
        #expect(read(.redis, "-ERR x\r\n") == (.failed(from: 1, to: 6), 8))
        #expect(read(.redis, ":1\r\n").outcome == .garbled)
        #expect(read(.redis, "$20x\r\n").outcome == .garbled)
        #expect(read(.redis, "$20\r\n\(value(.hot(5)))??").outcome == .garbled)
        #expect(read(.memcached, "END\r\n") == (.absent, 5))
        #expect(read(.memcached, "STORED\r\n", .set) == (.right, 8))
        #expect(read(.memcached, "SERVER_ERROR out of memory\r\n", .set) == (.failed(from: 0, to: 26), 28))
        #expect(read(.memcached, "VALUE k 0 x\r\n").outcome == .garbled)
    }

    @Test func `a process's account is read from stat, whatever its name, and from status`() {
        #expect(ProcessAccount.ticks("12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0") == 300)
        #expect(ProcessAccount.ticks("12 (a") == nil)
        #expect(
            ProcessAccount.sleeps("Name:\ta\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t7\n") == 150)
        #expect(ProcessAccount.sleeps("Name:\ta\n") == nil)
    }
}
