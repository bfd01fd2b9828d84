// Several sidecars over one real Redis: what is changed anywhere is seen everywhere, and gaps are what they are.
//
// `max_staleness` is an hour where nothing else is said: what a read sees anew it was told of.

import Synchronization
import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Coherence {
        static let hour = #"policies: [{prefix: "", max_staleness: 1h, negative_ttl: 1h}]"#

        private static func isLive(_ hearth: HearthProcess) throws -> Bool {
            try hearth.client().call("HEARTH", "STATUS").fields["coherence_live"]?.text == "true"
        }

        static func figure(_ name: String, _ hearth: HearthProcess) throws -> Int64 {
            try hearth.client().call("HEARTH", "STATUS").fields[name]?.integer ?? -1
        }

        static func waitUntilLive(_ hearth: HearthProcess) throws {
            try eventually("invalidations are live; \(hearth.log.suffix(1500))") { try isLive(hearth) }
        }

        static func sidecars(_ count: Int, over redis: RedisServer, extra: String = hour) throws -> [HearthProcess] {
            let all = try (0..<count).map { _ in try HearthProcess(redis: redis.url, extra: extra) }
            for hearth in all { try waitUntilLive(hearth) }
            return all
        }

        /// Waits until every sidecar reads `value`; nil for none.
        private func seen(_ value: String?, of key: String, by clients: [RESPClient]) throws {
            for client in clients {
                try eventually("\(key) is read as \(value ?? "nil")") {
                    try client.call("GET", key) == (value.map { .bulk(Array($0.utf8)) } ?? .null)
                }
            }
        }

        @Test func `writes, deletions and expiries anywhere are seen by every sidecar`() throws {
            let redis = try RedisServer()
            let sidecars = try Self.sidecars(3, over: redis)
            let clients = try sidecars.map { try $0.client() }
            let direct = try redis.client()
            try seen(nil, of: "k", by: clients)
            _ = try direct.call("SET", "k", "direct")
            try seen("direct", of: "k", by: clients)
            #expect(try clients[0].call("SET", "k", "by the first").text == "OK")
            try seen("by the first", of: "k", by: clients)
            #expect(try clients[1].call("DEL", "k") == .integer(1))
            try seen(nil, of: "k", by: clients)
            _ = try direct.call("SET", "k", "again")
            try seen("again", of: "k", by: clients)
            // Nobody who deletes directly knows of any sidecar's disk.
            _ = try direct.call("DEL", "k")
            try seen(nil, of: "k", by: clients)
            #expect(try direct.call("EXISTS", "k") == .integer(0), "a copy on a disk brought it back")
            _ = try direct.call("SET", "k", "for long")
            try seen("for long", of: "k", by: clients)
            _ = try direct.call("PEXPIRE", "k", "1")
            try seen(nil, of: "k", by: clients)
            _ = try direct.call("MSET", "a", "1", "b", "2")
            for key in ["a", "b"] { try seen(key == "a" ? "1" : "2", of: key, by: clients) }
            _ = try direct.call("FLUSHALL")
            for key in ["a", "b"] { try seen(nil, of: key, by: clients) }
            #expect(try clients[0].call("KEYS", "hearth:beat:*").items.isEmpty, "a proof leaves a key behind")
            for hearth in sidecars {
                #expect(try Self.figure("coherence_gaps", hearth) == 0)
                #expect(try Self.figure("invalidations_applied", hearth) > 0)
            }
        }

        @Test func `what a sidecar has written it reads`() throws {
            let redis = try RedisServer()
            let hearth = try Self.sidecars(1, over: redis)[0]
            let client = try hearth.client()
            for round in 0..<50 {
                #expect(try client.call("SET", "k", "\(round)").text == "OK")
                #expect(try client.call("GET", "k").text == "\(round)")
            }
        }

        @Test func `a connection that is killed is a gap, and what changed in it is seen after it`() throws {
            let redis = try RedisServer()
            let hearth = try Self.sidecars(1, over: redis)[0]
            let (client, direct) = (try hearth.client(), try redis.client())
            // The ear is the one that subscribes, and the data connection the one that is tracked.
            for (round, mark) in ["sub=1", "flags=t"].enumerated() {
                _ = try direct.call("SET", "k", "old \(round)")
                try seen("old \(round)", of: "k", by: [client])
                let line = try #require(
                    try direct.call("CLIENT", "LIST").text.split(whereSeparator: \.isNewline).first {
                        $0.contains(mark)
                    })
                let id = line.split(separator: " ")[0].dropFirst(3)
                #expect(try direct.call("CLIENT", "KILL", "ID", String(id)) == .integer(1))
                _ = try direct.call("SET", "k", "new \(round)")
                try eventually("the gap is counted") { try Self.figure("coherence_gaps", hearth) == Int64(round + 1) }
                try Self.waitUntilLive(hearth)
                // An hour has not passed: it is read anew since it was unverified, or told of.
                _ = try client.call("STATE.GET", "k", "STRONG")
                try seen("new \(round)", of: "k", by: [client])
            }
        }

        @Test func `a Redis that restarts is a gap, and is tracked again`() throws {
            let redis = try RedisServer()
            let hearth = try Self.sidecars(1, over: redis)[0]
            let client = try hearth.client()
            _ = try redis.client().call("SET", "k", "1")
            try seen("1", of: "k", by: [client])
            redis.kill()
            try eventually("the gap is noticed") { try !Self.isLive(hearth) }
            try redis.restart()
            try Self.waitUntilLive(hearth)
            try hearth.waitUntilClosed()
            _ = try redis.client().call("SET", "k", "2")
            _ = try client.call("STATE.GET", "k", "STRONG")
            try seen("2", of: "k", by: [client])
            _ = try redis.client().call("SET", "k", "3")
            try seen("3", of: "k", by: [client])
        }

        @Test func `a tracking table that is full takes nothing from the truth`() throws {
            let redis = try RedisServer(["--tracking-table-max-keys", "20"])
            let hearth = try Self.sidecars(1, over: redis)[0]
            let (client, direct) = (try hearth.client(), try redis.client())
            for round in 0..<3 {
                for key in 0..<200 { _ = try direct.call("SET", "k\(key)", "\(round)") }
                for key in 0..<200 { try seen("\(round)", of: "k\(key)", by: [client]) }
            }
        }

        @Test func `under a prefix every change is told of and Redis remembers no key`() throws {
            let redis = try RedisServer()
            let sidecars = try Self.sidecars(
                2, over: redis,
                extra: """
                    policies:
                      - {prefix: "", max_staleness: 1h, tracking: {mode: off}}
                      - {prefix: "p:", tracking: {mode: prefix}}
                      - {prefix: "p:q:", tracking: {mode: keys}}
                    """)
            // An optimised test lets go of them, and so ends them, where they are named last.
            defer { withExtendedLifetime(sidecars) {} }
            let clients = try sidecars.map { try $0.client() }
            let direct = try redis.client()
            for round in 0..<20 {
                let writer = round % 3 == 2 ? direct : clients[round % 3]
                for key in ["p:k", "p:q:k"] {
                    #expect(try writer.call("SET", key, "\(round)").text == "OK")
                    try seen("\(round)", of: key, by: clients)
                }
            }
            for key in 0..<100 { _ = try clients[0].call("GET", "p:\(key)") }
            let text = try direct.call("INFO", "stats").text
            let tracked = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("tracking_total_keys:") }
            #expect(tracked.flatMap { Int($0.dropFirst(20)) } ?? 0 <= 5, "\(tracked ?? "nothing")")
        }

        @Test(arguments: ["-client|tracking", "-client|caching"])
        func `a user who may not track is served, and bounded by time`(_ denied: String) throws {
            let redis = try RedisServer()
            let direct = try redis.client()
            _ = try direct.call("ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all", denied)
            let hearth = try HearthProcess(
                redis: "unix://limited:pw@\(redis.socketPath)",
                extra: #"policies: [{prefix: "", max_staleness: 200ms}]"#)
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            for round in 0..<5 {
                _ = try direct.call("SET", "k", "\(round)")
                try seen("\(round)", of: "k", by: [client])
            }
            try eventually("it is said") { hearth.log.contains("coherence_refused") }
            #expect(try client.call("HEARTH", "EXPLAIN", "k").fields["bound"]?.text.contains("not live") == true)
        }

        @Test func `tracking that is forbidden while it works is done without, and taken up again`() throws {
            let redis = try RedisServer()
            let direct = try redis.client()
            _ = try direct.call("ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all")
            let hearth = try HearthProcess(redis: "unix://limited:pw@\(redis.socketPath)", extra: Self.hour)
            try Self.waitUntilLive(hearth)
            let client = try hearth.client()
            _ = try direct.call("MSET", "a", "1", "b", "2")
            _ = try direct.call("ACL", "SETUSER", "limited", "-client|caching")
            #expect(try client.call("MGET", "a", "b", "none").items.map(\.text) == ["1", "2", ""])
            try eventually("it is said") { hearth.log.contains("coherence_refused") }
            _ = try direct.call("ACL", "SETUSER", "limited", "+client|caching")
            try Self.waitUntilLive(hearth)
            // What was read meanwhile is bounded by time.
            _ = try direct.call("SET", "c", "1")
            try seen("1", of: "c", by: [client])
            _ = try direct.call("SET", "c", "2")
            try seen("2", of: "c", by: [client])
        }

        @Test(arguments: ["+@all", "-mget"])
        func `keys that are asked for together are answered each as it is`(_ rights: String) throws {
            let redis = try RedisServer()
            let direct = try redis.client()
            _ = try direct.call("ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all", rights)
            let hearth = try HearthProcess(redis: "unix://limited:pw@\(redis.socketPath)", extra: Self.hour)
            try Self.waitUntilLive(hearth)
            _ = try direct.call("SET", "text", "a")
            _ = try direct.call("SET", "empty", "")
            _ = try direct.call("SET", "brief", "b", "PX", "90000")
            _ = try direct.call("HSET", "hash", "field", "value")
            _ = try direct.call("RPUSH", "list", "1")
            let client = try hearth.client()
            let asked = ["text", "hash", "none", "empty", "list", "brief"]
            for key in asked { try client.send(["GET", key]) }
            let answers = try asked.map { _ in try client.receive() }
            #expect(answers[0].text == "a")
            for other in [1, 4] { #expect(answers[other].text.hasPrefix("WRONGTYPE")) }
            #expect(answers[2] == .null)
            #expect(answers[3] == .bulk([]))
            #expect(answers[5].text == "b")
            #expect((80_000...90_000).contains(try client.call("PTTL", "brief").integer ?? 0))
            // Each is tracked.
            for key in asked { _ = try direct.call("DEL", key) }
            for key in asked { _ = try direct.call("SET", key, "new") }
            for key in asked { try seen("new", of: key, by: [client]) }
        }

        @Test func `readers and writers at the same time leave nobody with what is old`() throws {
            let redis = try RedisServer()
            let sidecars = try Self.sidecars(2, over: redis)
            let isOver = Mutex(false)
            let failures = Failures()
            let readers = sidecars.map { hearth in
                TestThread {
                    do {
                        let client = try hearth.client()
                        while !isOver.withLock({ $0 }) {
                            for key in 0..<8 { try client.send(["GET", "k\(key)"]) }
                            for _ in 0..<8 { _ = try client.receive() }
                        }
                    } catch {
                        failures.note("\(error)")
                    }
                }
            }
            let direct = try redis.client()
            let clients = try sidecars.map { try $0.client() }
            for round in 0..<300 {
                for key in 0..<8 { _ = try direct.call("SET", "k\(key)", "\(round)") }
                guard round % 10 == 9 else { continue }
                for key in 0..<8 { try seen("\(round)", of: "k\(key)", by: clients) }
            }
            isOver.withLock { $0 = true }
            for reader in readers { reader.join() }
            #expect(failures.all.isEmpty, "\(failures.all.prefix(3))")
        }
    }
}
