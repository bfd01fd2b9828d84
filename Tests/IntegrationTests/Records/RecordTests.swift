// Records with a real Redis, real sidecars and an outage: what was acknowledged is there, once, and versions go on.
//
// HEARTH_RECORD_SECONDS=60 makes sixteen writers write for a minute, with the outage in its middle.

import Synchronization
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension RealProcesses {
    @Suite struct RecordTests {
        /// How long the writers write at least.
        private static let seconds = getenv("HEARTH_RECORD_SECONDS").flatMap { Double(String(cString: $0)) } ?? 0

        private static let policies = """
            breaker: {open: 100ms, open_max: 300ms, consecutive_failures: 2, slow_call: 60s}
            policies:
              - {prefix: "strict:", consistency: strong}
            """

        /// What one writer was told.
        private struct Ledger {
            var committed: [(turn: String, sequence: Int64, version: Int64)] = []
            var journaled: [String] = []
            var unavailable: Set<String> = []
            var others: [String] = []
            /// Increments of a counter that expected a version.
            var counted = 0
            var countedLater = 0
            var countedMaybe = 0
        }

        private final class Flag: Sendable {
            private let value = Atomic(false)
            var isSet: Bool { value.load(ordering: .relaxed) }
            func set() { value.store(true, ordering: .relaxed) }
        }

        private final class Book: Sendable {
            private let ledger = Mutex(Ledger())
            var read: Ledger { ledger.withLock { $0 } }
            func change(_ body: (inout Ledger) -> Void) { ledger.withLock { body(&$0) } }
        }

        @Test func `sixteen writers through two sidecars and an outage lose no turn and use no version twice`() throws {
            let redis = try RedisServer()
            let cars = try (0..<2).map { _ in
                try HearthProcess(
                    redis: redis.url, redisOptions: "timeout: 500ms, soft_timeout: 20ms", extra: Self.policies)
            }
            for car in cars { try car.waitUntilClosed() }
            let books = (0..<16).map { _ in Book() }
            let isOver = Flag()
            func count(_ value: (Ledger) -> Int) -> Int { books.reduce(0) { $0 + value($1.read) } }
            let threads = books.enumerated().map { index, book in
                TestThread {
                    do {
                        let client = try cars[index % 2].client()
                        var number = 0
                        while !isOver.isSet {
                            number += 1
                            try Self.add("w\(index).\(number)", to: Self.chat(index, number), client, book)
                            if number % 4 == 0 { try Self.count(in: "count:\(index % 3)", client, book) }
                        }
                    } catch {
                        book.change { $0.others.append("\(error)") }
                    }
                }
            }
            defer { isOver.set() }
            let begun = milliseconds()
            func wait(_ what: String, until share: Double, _ condition: () -> Bool) throws {
                let end = begun + Self.seconds * 1000 * share
                try eventually(what, within: 60_000 + Self.seconds * 1000) { milliseconds() >= end && condition() }
            }
            try wait("turns are committed", until: 0.45) { count { $0.committed.count } > 400 }
            redis.process.signal(.stop)
            try wait("turns are journaled", until: 0.55) { books.allSatisfy { $0.read.journaled.count > 4 } }
            redis.process.signal(.continue)
            let before = count { $0.committed.count }
            try wait("turns are committed again", until: 1) { count { $0.committed.count } > before + 400 }
            isOver.set()
            for thread in threads { thread.join() }
            for car in cars {
                let client = try car.client()
                try eventually("the journal is replayed; log \(car.log.suffix(900))") {
                    try client.call("HEARTH", "JOURNAL").fields["journal_entries"]?.integer == 0
                }
            }
            let conflicts = try Self.checkCounts(books.map(\.read), redis.client(), cars)
            let chats = try Self.checkTurns(books.map(\.read), redis.client())
            print(
                "\(Int(milliseconds() - begun)) ms: \(count { $0.committed.count }) turns committed in \(chats) chats, "
                    + "\(count { $0.journaled.count }) journaled, \(count { $0.unavailable.count }) refused; "
                    + "\(count { $0.counted }) counts committed, \(count { $0.countedLater }) journaled, "
                    + "\(conflicts) conflicts")
        }

        /// Where a writer's turn goes: four writers share a conversation, and begin another after 200 turns each.
        private static func chat(_ writer: Int, _ number: Int) -> String { "chat:\(writer % 4).\(number / 200)" }

        private static func add(
            _ turn: String, to key: String, _ client: RESPClient, _ book: Book
        ) throws {
            let reply = try client.call("TURNS.ADD", key, turn, "KEEP", "100000")
            let fields = reply.fields
            book.change {
                switch fields["committed"]?.text {
                case "redis":
                    $0.committed.append((turn, fields["seq"]?.integer ?? 0, fields["version"]?.integer ?? 0))
                case "journal": $0.journaled.append(turn)
                default:
                    if reply.text.hasPrefix("UNAVAILABLE") || reply.text.hasPrefix("CONFLICT") {
                        $0.unavailable.insert(turn)
                    } else {
                        $0.others.append(reply.text)
                    }
                }
            }
        }

        /// Reads a counter and writes it back one higher, expecting the version that was read.
        private static func count(in key: String, _ client: RESPClient, _ book: Book) throws {
            let state = try client.call("STATE.GET", key).fields
            let value = Int(state["value"]?.text ?? "") ?? 0
            let expectation = state["version"]?.integer.map { ["VERSION", "\($0)"] } ?? ["ABSENT"]
            let reply = try client.call(["STATE.SET", key, "\(value + 1)"] + expectation)
            book.change {
                switch reply.fields["committed"]?.text {
                case "redis": $0.counted += 1
                case "journal": $0.countedLater += 1
                default:
                    if reply.text.hasPrefix("UNAVAILABLE outcome unknown") { $0.countedMaybe += 1 }
                    if !reply.text.hasPrefix("UNAVAILABLE"), !reply.text.hasPrefix("CONFLICT") {
                        $0.others.append(reply.text)
                    }
                }
            }
        }

        /// How many conversations there were.
        private static func checkTurns(_ ledgers: [Ledger], _ redis: RESPClient) throws -> Int {
            #expect(ledgers.flatMap(\.others).isEmpty)
            /// The conversation of a turn, by its name.
            func isOf(_ key: String, _ turn: String) -> Bool {
                let parts = turn.dropFirst().split(separator: ".").compactMap { Int($0) }
                return chat(parts[0], parts[1]) == key
            }
            let chats = Set(
                ledgers.enumerated().flatMap { index, ledger in
                    (ledger.committed.map(\.turn) + ledger.journaled).map { turn in
                        chat(index, Int(turn.split(separator: ".")[1]) ?? 0)
                    }
                })
            for key in chats {
                let fields = try redis.call("HGETALL", key).fields
                var places: [String: Int64] = [:]
                for (name, value) in fields where name.hasPrefix("turn:") {
                    let turn = String(value.text.split(separator: " ")[1])
                    #expect(places[turn] == nil, "\(turn) is there twice")
                    places[turn] = Int64(name.dropFirst(5))
                }
                let mine = ledgers.map { ledger in
                    var part = ledger
                    part.committed.removeAll { !isOf(key, $0.turn) }
                    part.journaled.removeAll { !isOf(key, $0) }
                    part.unavailable = part.unavailable.filter { isOf(key, $0) }
                    return part
                }
                // Each turn is one version: none was skipped, and none used twice.
                #expect(fields["version"]?.text == "\(places.count)")
                #expect(Set(places.values) == Set(1...Int64(places.count)))
                var versions: Set<Int64> = []
                for ledger in mine {
                    for entry in ledger.committed {
                        #expect(places[entry.turn] == entry.sequence, "\(entry.turn)")
                        #expect(versions.insert(entry.version).inserted, "version \(entry.version) was given twice")
                    }
                    for turn in ledger.journaled {
                        #expect(places[turn] != nil, "\(turn) was acknowledged and is lost")
                    }
                }
                let told = Set(mine.flatMap { $0.committed.map(\.turn) + $0.journaled + Array($0.unavailable) })
                #expect(Set(places.keys).isSubset(of: told))
            }
            return chats.count
        }

        /// No increment that expected a version was lost, but for those that are in a list of conflicts.
        private static func checkCounts(
            _ ledgers: [Ledger], _ redis: RESPClient, _ cars: [HearthProcess]
        ) throws -> Int {
            var value = 0
            for index in 0..<3 { value += Int(try redis.call("HGET", "count:\(index)", "value").text) ?? 0 }
            var conflicts = 0
            for car in cars {
                for conflict in try car.client().call("HEARTH", "JOURNAL", "CONFLICTS", "1000").items {
                    #expect(conflict.fields["key"]?.text.hasPrefix("count:") == true, "\(conflict.text)")
                    conflicts += 1
                }
            }
            let sure = ledgers.reduce(0) { $0 + $1.counted + $1.countedLater } - conflicts
            let maybe = ledgers.reduce(0) { $0 + $1.countedMaybe }
            #expect((sure...sure + maybe).contains(value), "\(value) counted, \(sure) acknowledged, \(maybe) unknown")
            return conflicts
        }

        @Test(arguments: ["redis", "embedded"]) func `the commands of records, word by word`(mode: String) throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(redis: mode == "redis" ? redis.url : "off", extra: Self.extra(mode))
            if mode == "redis" { try hearth.waitUntilClosed() }
            let place = mode == "redis" ? "redis" : "warm"
            let client = try hearth.client()
            func call(_ words: String) throws -> RESPValue {
                try client.call(words.split(separator: " ").map(String.init))
            }
            #expect(try call("STATE.GET s") == .null)
            #expect(
                try call("STATE.SET s one SCHEMA 2").fields == [
                    "version": .integer(1), "committed": .bulk(Array(place.utf8)),
                ])
            let state = try call("STATE.GET s").fields
            #expect(state["value"]?.text == "one")
            #expect(state["schema"] == .integer(2))
            #expect(state["fence"] == .integer(0))
            #expect(state["freshness"]?.text == "fresh")
            #expect(try call("STATE.GET s STRONG MAXAGE 5").fields["value"]?.text == "one")
            #expect(
                try call("STATE.SET s two VERSION 3").text.hasPrefix("CONFLICT expected version 3, found version 1"))
            #expect(try call("STATE.SET s two VERSION 1 FENCE 9 TTL 100000").fields["version"] == .integer(2))
            #expect(try call("STATE.SET s x FENCE 8").text.hasPrefix("FENCED expected a fence of at least 9, given 8"))
            #expect(try call("PTTL s").integer ?? 0 > 50_000)
            #expect(try call("TYPE s").text == "hash")
            #expect(try call("GET s").text.hasPrefix("WRONGTYPE"))
            #expect(try call("EXISTS s s nothing") == .integer(2))
            #expect(try call("STATE.DEL s VERSION 1").text.hasPrefix("CONFLICT"))
            #expect(try call("DEL s") == .integer(1))
            #expect(try call("STATE.GET s") == .null)
            #expect(try call("EXISTS s") == .integer(0))
            #expect(try call("STATE.SET s three ABSENT").fields["version"] == .integer(4))
            #expect(try call("STATE.DEL s") == .integer(1))
            #expect(try call("STATE.DEL s") == .integer(0))
            for words in [
                "STATE.SET s", "STATE.SET s v VERSION", "STATE.SET s v VERSION 0", "STATE.SET s v VERSION 1 ABSENT",
                "STATE.SET s v TTL 1 SLIDING 1", "STATE.SET s v TTL -1", "STATE.SET s v NONSENSE 1",
                "TURNS.FOLD t UPTO x s",
                "TURNS.GET t LAST 0", "CHECKPOINT.PUT r 0 d", "LEASE.ACQUIRE l me 0", "STATE.GET s MAXAGE -1",
                "TURNS.ADD t x KEEP 100001", "LEASE.RENEW l me x 5",
            ] { #expect(try call(words).text.hasPrefix("ERR"), "\(words)") }

            #expect(try call("TURNS.ADD words version 5 --").fields["seq"] == .integer(2))
            #expect(try call("TURNS.ADD words -- -- KEEP 7").fields["seq"] == .integer(3))
            #expect(try call("TURNS.ADD words a KEEP 5 -- KEEP 9").fields["seq"] == .integer(6))
            let said = try call("TURNS.GET words").fields["turns"]?.items.map { $0.items[2].text }
            #expect(said == ["version", "5", "--", "a", "KEEP", "5"])
            #expect(try call("TURNS.ADD t a b c KEEP 2").fields["unfolded"] == .integer(1))
            let turns = try call("TURNS.GET t LAST 1").fields
            #expect(turns["turns"]?.items.count == 1)
            #expect(try call("TURNS.FOLD t UPTO 1 summary").fields["version"] != nil)
            #expect(try call("TURNS.GET t").fields["summary"]?.text == "summary")

            for step in 1...5 {
                #expect(try call("CHECKPOINT.PUT r \(step) data\(step)").fields["step"] == .integer(Int64(step)))
            }
            #expect(try call("CHECKPOINT.PUT r 5 again").text.hasPrefix("CONFLICT expected a step after 5, given 5"))
            #expect(try call("CHECKPOINT.GET r").fields["data"]?.text == "data5")
            #expect(try call("CHECKPOINT.GET r STEP 3").fields["data"]?.text == "data3")
            #expect(try call("CHECKPOINT.GET r STEP 1") == .null)
            #expect(try call("CHECKPOINT.LIST r").fields["steps"]?.items.count == 3)
            #expect(try call("CHECKPOINT.DEL r") == .integer(1))

            let epoch = try call("LEASE.ACQUIRE l me 60000").integer ?? 0
            #expect(epoch > 0)
            #expect(try call("LEASE.ACQUIRE l you 60000") == .null)
            #expect(try call("LEASE.RENEW l me \(epoch) 60000") == .integer(epoch))
            #expect(try call("LEASE.RENEW l you \(epoch) 60000").text.hasPrefix("FENCED"))
            #expect(try call("LEASE.RELEASE l me \(epoch)") == .integer(1))
            #expect(try call("LEASE.ACQUIRE l you 60000").integer ?? 0 > epoch)

            _ = try call("MULTI")
            #expect(try call("STATE.SET s v").text.contains("can't be used within MULTI"))
            #expect(try call("EXEC").text.hasPrefix("EXECABORT"))
        }

        private static func extra(_ mode: String) -> String { mode == "redis" ? "" : "workers: 1" }
    }
}
