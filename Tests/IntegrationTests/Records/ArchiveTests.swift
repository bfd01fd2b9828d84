// Archives of turns with real processes: sidecars that are killed, two that write at once, and an outage between.

import Synchronization
import TestSupport
import Testing

extension RealProcesses {
    @Suite struct ArchiveTests {
        private static let policies = """
            breaker: {open: 100ms, open_max: 300ms, consecutive_failures: 2, slow_call: 60s}
            policies: [{prefix: "chat:", turns: {keep: 3, unfolded: 8, overflow: archive}}]
            """

        /// Adds turns until its connection ends or it is told to stop, and notes what was acknowledged.
        private final class Writer: Sendable {
            private struct State {
                var acknowledged: [String] = []
                var journaled = 0
                var others: [String] = []
                var isOver = false
            }
            private let state = Mutex(State())

            var acknowledged: [String] { state.withLock { $0.acknowledged } }
            var journaled: Int { state.withLock { $0.journaled } }
            var others: [String] { state.withLock { $0.others } }
            func stop() { state.withLock { $0.isOver = true } }

            func write(_ name: String, to key: String, _ address: ServerAddress) {
                guard let client = try? RESPClient(address) else { return }
                var number = 0
                while !state.withLock({ $0.isOver }) {
                    number += 1
                    let turn = "\(name).\(number)"
                    guard let reply = try? client.call("TURNS.ADD", key, turn) else { return }
                    state.withLock {
                        switch reply.fields["committed"]?.text {
                        case "journal"?:
                            $0.journaled += 1
                            $0.acknowledged.append(turn)
                        case .some: $0.acknowledged.append(turn)
                        // Nobody knows of these, or they are asked for again by nobody.
                        case nil where reply.text.hasPrefix("UNAVAILABLE") || reply.text.hasPrefix("CONFLICT"): break
                        case nil: $0.others.append(reply.text)
                        }
                    }
                }
            }
        }

        private struct Listing {
            var turns: [Int64: String] = [:]
            var fields: [String: RESPValue] = [:]
        }

        private func list(_ key: String, _ car: HearthProcess) throws -> Listing {
            var listing = Listing()
            listing.fields = try car.client().call("TURNS.GET", key, "FROM", "1", "STRONG").fields
            var before: Int64 = 0
            for item in listing.fields["turns"]?.items ?? [] {
                let number = item.items[0].integer ?? 0
                #expect(number > before, "turn \(number) behind \(before)")
                before = number
                listing.turns[number] = item.items[2].text
            }
            return listing
        }

        @Test(arguments: ["redis", "embedded"])
        func `a sidecar that is killed while turns overflow has each of them, once`(mode: String) throws {
            let redis = try RedisServer()
            let car = try HearthProcess(
                redis: mode == "redis" ? redis.url : "off", warm: "sync: \(mode == "redis" ? "never" : "always")",
                extra: mode == "redis" ? Self.policies : String(Self.policies.split(separator: "\n")[1]))
            if mode == "redis" { try car.waitUntilClosed() }
            var acknowledged: [String] = []
            for round in 1...3 {
                let writer = Writer()
                let thread = TestThread { writer.write("round \(round)", to: "chat:1", car.address) }
                try eventually("turns overflow") { writer.acknowledged.count >= 40 }
                car.process.signal(.kill)
                _ = try car.process.wait()
                thread.join()
                acknowledged += writer.acknowledged
                #expect(writer.others.isEmpty)
                try car.restart()
                if mode == "redis" { try car.waitUntilClosed() }
                let listing = try list("chat:1", car)
                #expect(listing.turns.keys.sorted() == (1...Int64(listing.turns.count)).map { $0 })
                #expect(Set(listing.turns.values).count == listing.turns.count, "a turn is there twice")
                #expect(Set(acknowledged).isSubset(of: listing.turns.values), "a turn is lost")
                #expect(listing.fields["next"]?.integer == Int64(listing.turns.count) + 1)
                #expect(listing.fields["complete_from"] == .integer(1))
                let archived = try #require(listing.fields["archived"]?.integer)
                #expect(archived > 20 && listing.fields["from_archive"] == .integer(archived))
            }
            let client = try car.client()
            let told = try client.call("HEARTH", "EXPLAIN", "chat:1").fields["archive"]?.text ?? ""
            #expect(told.hasSuffix("this host has one"), "\(told)")
            #expect(try client.call("KEYS", "*chat*").items.map(\.text) == ["chat:1"], "an archive is no key")
            #expect(try client.call("DEL", "chat:1") == .integer(1))
            #expect(try client.call("TURNS.ADD", "chat:1", "anew").fields["seq"] == .integer(1))
            #expect(try list("chat:1", car).turns == [1: "anew"])
        }

        @Test func `two sidecars, an outage and a kill leave every turn in one of three places`() throws {
            let redis = try RedisServer()
            let cars = try (0..<2).map { _ in
                try HearthProcess(
                    redis: redis.url, redisOptions: "timeout: 500ms, soft_timeout: 20ms", extra: Self.policies)
            }
            for car in cars { try car.waitUntilClosed() }
            let writers = (0..<3).map { _ in Writer() }
            func start(_ index: Int, _ car: Int) -> TestThread {
                TestThread { writers[index].write("writer \(index)", to: "chat:1", cars[car].address) }
            }
            let threads = [start(0, 0), start(1, 1)]
            defer { for writer in writers { writer.stop() } }
            try eventually("both write") { writers[0...1].allSatisfy { $0.acknowledged.count >= 40 } }
            redis.process.signal(.stop)
            try eventually("turns are journaled") { writers[0...1].allSatisfy { $0.journaled >= 10 } }
            redis.process.signal(.continue)
            let before = writers.map(\.acknowledged.count)
            try eventually("both write again") {
                (0...1).allSatisfy { writers[$0].acknowledged.count >= before[$0] + 40 }
            }
            cars[1].process.signal(.kill)
            _ = try cars[1].process.wait()
            threads[1].join()
            try cars[1].restart()
            try cars[1].waitUntilClosed()
            let third = start(2, 1)
            try eventually("the new process writes") { writers[2].acknowledged.count >= 40 }
            for writer in writers { writer.stop() }
            threads[0].join()
            third.join()
            for car in cars {
                let client = try car.client()
                try eventually("the journal is replayed; log \(car.log.suffix(900))") {
                    try client.call("HEARTH", "JOURNAL").fields["journal_entries"]?.integer == 0
                }
            }
            let listings = try cars.map { try list("chat:1", $0) }
            var all = listings[0].turns
            for (number, turn) in listings[1].turns {
                #expect(all[number] ?? turn == turn, "two turns of number \(number)")
                all[number] = turn
            }
            let next = try #require(listings[0].fields["next"]?.integer)
            #expect(all.keys.sorted() == Array(1..<next))
            #expect(Set(all.values).count == all.count, "a turn is there twice")
            for writer in writers {
                #expect(writer.others.isEmpty)
                #expect(Set(writer.acknowledged).isSubset(of: all.values), "a turn is lost")
            }
            for listing in listings {
                #expect(listing.fields["from_archive"]?.integer ?? 0 > 0)
                guard listing.turns.count < all.count else { continue }
                let missing = all.keys.filter { listing.turns[$0] == nil }.max() ?? 0
                #expect(listing.fields["complete_from"] == .integer(missing + 1))
                #expect(listing.fields["reason"]?.text.contains("another sidecar") == true)
            }
            #expect(try cars[0].client().call("STATE.ERASE", "chat:").fields["redis"] == .integer(1))
            #expect(try list("chat:1", cars[0]).turns.isEmpty)
        }
    }
}
