// Messages of records with a real Redis and real sidecars that are killed: each version has its message, and no two.

import Synchronization
import TestSupport
import Testing

extension RealProcesses {
    @Suite struct OutboxTests {
        private static let extra = "breaker: {open: 100ms, open_max: 300ms, consecutive_failures: 2, slow_call: 60s}"

        /// What the writers were told.
        private final class Book: Sendable {
            struct Told {
                var committed = 0
                var journaled = 0
                /// Ids of messages by what they say.
                var acknowledged: [String: String] = [:]
                var refused: Set<String> = []
                var others: [String] = []
            }
            private let told = Mutex(Told())
            var read: Told { told.withLock { $0 } }
            func change(_ body: (inout Told) -> Void) { told.withLock { body(&$0) } }
        }

        /// So many that a record has fewer than 16 writes while one is unanswered: of more it does not know the ids.
        private static let records = 32

        /// Adds turns with messages to some records until it is told to stop; across the deaths of its sidecar.
        private static func write(_ name: String, _ car: HearthProcess, _ book: Book, _ isOver: Signal) {
            var client = try? car.client()
            var number = 0
            while !isOver.isSet {
                number += 1
                let text = "\(name).\(number)"
                let key = "chat:\(number % records)"
                // Of every third the expectation is wrong: it is refused, and sends nothing.
                let expectation = number % 3 == 0 ? ["VERSION", "4503599627370000"] : []
                let words = ["TURNS.ADD", key, text, "KEEP", "100000"] + expectation + ["EMIT", "news", text]
                guard let reply = try? client?.call(words) else {
                    client = try? car.client()
                    if client == nil { pause(5) }
                    continue
                }
                let fields = reply.fields
                book.change {
                    switch (fields["committed"]?.text, reply.text) {
                    case ("redis"?, _):
                        $0.committed += 1
                        $0.acknowledged[text] = fields["message"]?.text ?? ""
                    case ("journal"?, _):
                        $0.journaled += 1
                        $0.acknowledged[text] = fields["message"]?.text ?? ""
                    case (_, let error) where error.hasPrefix("CONFLICT"): $0.refused.insert(text)
                    case (_, let error) where error.hasPrefix("UNAVAILABLE"): break
                    case (_, let error): $0.others.append(error)
                    }
                }
            }
        }

        private final class Signal: Sendable {
            private let value = Atomic(false)
            var isSet: Bool { value.load(ordering: .relaxed) }
            func set() { value.store(true, ordering: .relaxed) }
        }

        @Test func `sidecars that are killed and a Redis that hangs leave one message for each version`() throws {
            let redis = try RedisServer()
            let cars = try (0..<2).map { _ in
                try HearthProcess(
                    redis: redis.url, redisOptions: "timeout: 500ms, soft_timeout: 20ms", extra: Self.extra)
            }
            for car in cars { try car.waitUntilClosed() }
            let book = Book()
            let isOver = Signal()
            let threads = (0..<8).map { index in
                TestThread { Self.write("w\(index)", cars[index % 2], book, isOver) }
            }
            defer { isOver.set() }
            try eventually("messages are committed") { book.read.committed > 200 }
            for round in 0..<3 {
                // With Redis there, in an outage, and as a replay begins.
                if round > 0 {
                    let before = book.read.journaled
                    redis.process.signal(.stop)
                    try eventually("writes are journaled") { book.read.journaled > before + 20 }
                }
                if round == 2 { redis.process.signal(.continue) }
                cars[0].process.signal(.kill)
                _ = try cars[0].process.wait()
                redis.process.signal(.continue)
                try cars[0].restart()
                let before = book.read.committed
                try eventually("messages are committed again") { book.read.committed > before + 100 }
            }
            isOver.set()
            for thread in threads { thread.join() }
            for car in cars {
                let client = try car.client()
                try eventually("the journal is replayed; log \(car.log.suffix(900))") {
                    try client.call("HEARTH", "JOURNAL").fields["journal_entries"]?.integer == 0
                }
                let conflicts = try client.call("HEARTH", "JOURNAL", "CONFLICTS")
                #expect(conflicts.items.isEmpty, "\(conflicts); \(car.log.suffix(3000))")
            }
            try Self.check(book.read, redis.client())
        }

        private static func check(_ told: Book.Told, _ redis: RESPClient) throws {
            #expect(told.others.isEmpty, "\(told.others.prefix(3))")
            #expect(!told.refused.isEmpty)
            let entries = try redis.call("XRANGE", "news", "-", "+").items.map { $0.items[1].fields }
            let ids = entries.compactMap { $0["id"]?.text }
            #expect(Set(ids).count == entries.count, "a message came twice")
            var versions: [String: [Int64]] = [:]
            for entry in entries {
                versions[entry["key"]?.text ?? "", default: []].append(Int64(entry["version"]?.text ?? "") ?? 0)
            }
            #expect(versions.count == records)
            for (key, versions) in versions {
                let last = Int64(try redis.call("HGET", key, "version").text) ?? 0
                #expect(versions == Array(1...max(1, last)), "\(key): \(versions.count) messages, version \(last)")
            }
            let sent = Set(entries.compactMap { $0["payload"]?.text })
            #expect(sent.isDisjoint(with: told.refused), "what was refused was sent")
            let missing = told.acknowledged.filter { !ids.contains($0.value) }
            #expect(missing.isEmpty, "acknowledged and never sent: \(missing.prefix(3))")
        }

        @Test func `what a stream refuses is delivered, by whoever is there, once it takes it`() throws {
            let redis = try RedisServer()
            let direct = try redis.client()
            let gone = try HearthProcess(redis: redis.url)
            try gone.waitUntilClosed()
            let client = try gone.client()
            _ = try direct.call("SET", "orders", "no stream")
            for number in 1...40 {
                let reply = try client.call("STATE.SET", "order", "\(number)", "EMIT", "orders", "\(number)")
                #expect(reply.fields["committed"]?.text == "redis", "\(reply)")
                #expect(reply.fields["message"]?.text.count == 16)
            }
            #expect(try direct.call("XLEN", "hearth:outbox:orders") == .integer(40))
            gone.process.signal(.kill)
            _ = try gone.process.wait()
            _ = try direct.call("DEL", "order")
            let other = try HearthProcess(redis: redis.url)
            try other.waitUntilClosed()
            let metrics = try other.client()
            try eventually("the other sidecar sees it; log \(other.log.suffix(900))") {
                let text = try metrics.call("HEARTH", "METRICS").text
                return text.contains("hearth_outbox_pending{where=\"redis\"} 40\n")
                    && text.contains("hearth_outbox_streams_stuck 1\n")
            }
            try eventually("it says so") { other.log.contains("outbox_stuck") }
            _ = try direct.call("DEL", "orders")
            try eventually("it delivers; log \(other.log.suffix(900))") {
                try direct.call("XLEN", "orders") == .integer(40)
            }
            let payloads = try direct.call("XRANGE", "orders", "-", "+").items.map {
                $0.items[1].fields["payload"]?.text
            }
            #expect(payloads == (1...40).map { "\($0)" })
            try eventually("nothing is left") {
                try direct.call("EXISTS", "hearth:outbox", "hearth:outbox:orders") == .integer(0)
                    && metrics.call("HEARTH", "STATUS").fields["outbox_waiting"] == .integer(0)
            }
        }

        @Test func `EMIT word by word, its limits and refusals`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, extra: "policies: [{prefix: '', outbox: {max_payload: 10B, max_length: 3}}]")
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            let direct = try redis.client()
            func call(_ words: String) throws -> RESPValue {
                try client.call(words.split(separator: " ").map(String.init))
            }
            #expect(try call("STATE.SET k v EMIT s one VERSION 7").text.hasPrefix("CONFLICT expected version 7"))
            #expect(try call("STATE.SET k v EMIT s one ABSENT").fields["version"] == .integer(1))
            #expect(try call("TURNS.ADD k hello EMIT s two KEEP 3").fields["seq"] == .integer(1))
            #expect(try call("TURNS.FOLD k UPTO 1 s EMIT s three").fields["message"] != nil)
            #expect(try call("CHECKPOINT.PUT k 1 d KEEP 2 EMIT s four").fields["step"] == .integer(1))
            #expect(try call("STATE.DEL k EMIT s five") == .integer(1))
            #expect(try call("STATE.DEL k EMIT s none") == .integer(0))
            #expect(try call("CHECKPOINT.DEL k EMIT s none") == .integer(0))
            let entries = try direct.call("XRANGE", "s", "-", "+").items.map { $0.items[1].fields }
            // XADD … MAXLEN ~ trims by whole nodes: none of so few goes.
            #expect(entries.map { $0["payload"]?.text } == ["one", "two", "three", "four", "five"])
            #expect(entries.map { $0["version"]?.text } == ["1", "2", "3", "4", "5"])
            #expect(entries.allSatisfy { $0["key"]?.text == "k" && $0["id"]?.text.count == 16 })
            #expect(
                try call("STATE.SET k v EMIT s 12345678901").text.hasPrefix(
                    "TOOBIG the message of EMIT has 11 bytes, 10 are allowed"))
            for words in [
                "STATE.SET k v EMIT s", "STATE.SET k v EMIT", "STATE.SET k v EMIT k x", "STATE.SET k v EMIT hearth:x y",
                "STATE.SET k v EMIT s x EMIT t y", "LEASE.ACQUIRE k me 1000 EMIT s x", "STATE.GET k EMIT s x",
            ] { #expect(try call(words).text.hasPrefix("ERR"), "\(words)") }
            _ = try direct.call("SET", "t", "no stream")
            _ = try direct.call(
                "EVAL", "for i = 1, 9999 do redis.call('XADD', KEYS[1], '*', 'id', i) end", "1", "hearth:outbox:t")
            #expect(try call("STATE.SET l v EMIT t x").fields["version"] == .integer(1))
            #expect(
                try call("STATE.SET l v EMIT t x").text.hasPrefix("TOOBIG 10000 messages wait for the stream of EMIT"))
            #expect(try direct.call("HGET", "l", "version").text == "1")
            let embedded = try HearthProcess()
            #expect(
                try embedded.client().call("STATE.SET", "k", "v", "EMIT", "s", "x").text.hasPrefix(
                    "UNAVAILABLE not done: EMIT gives a message to a stream in Redis"))
        }

        @Test func `a stream that Hearth may not append to holds no state up`() throws {
            let redis = try RedisServer()
            let direct = try redis.client()
            _ = try direct.call(
                "ACL", "SETUSER", "sidecar", "on", ">secret", "+@all", "~hearth:*", "~k*", "~open")
            let url = redis.url.replacing("unix://", with: "unix://sidecar:secret@")
            let hearth = try HearthProcess(redis: url)
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            let reply = try client.call("STATE.SET", "k", "v", "EMIT", "closed", "x")
            #expect(reply.fields["committed"]?.text == "redis", "\(reply)")
            #expect(try direct.call("XLEN", "hearth:outbox:closed") == .integer(1))
            _ = try client.call("STATE.SET", "k", "v", "EMIT", "open", "y")
            #expect(try direct.call("XLEN", "open") == .integer(1))
            _ = try direct.call("ACL", "SETUSER", "sidecar", "~closed")
            try eventually("it is delivered; log \(hearth.log.suffix(900))") {
                try direct.call("XLEN", "closed") == .integer(1)
            }
        }
    }
}
