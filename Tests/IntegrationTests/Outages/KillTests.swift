// kill -9 of Hearth at chosen moments of an outage, with 64 clients writing: what was acknowledged is in Redis after
// the next start, in order per key, and nothing twice.
//
// The journal is kept so small that its files change all the time. Where each kill fell is seen from outside: by the
// files that had just come or gone, and by how far the replay had come. HEARTH_KILL_ROUNDS says how many rounds.

import Synchronization
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What clients know of their own writes.
private final class Ledger: Sendable {
    struct Text {
        var sure: [String] = []
        var maybe: Set<String> = []
    }
    struct Register {
        var sure = ""
        var maybe: Set<String> = []
    }
    struct State {
        var counters: [String: (sure: Int, maybe: Int)] = [:]
        var texts: [String: Text] = [:]
        var registers: [String: Register] = [:]
        var acknowledged = 0
        var refused: [String: Int] = [:]
    }
    let state = Mutex(State())
    var acknowledged: Int { state.withLock { $0.acknowledged } }

    private enum Outcome { case done, not, unknown }

    private func outcome(_ reply: RESPValue?) -> Outcome {
        guard let reply else { return .unknown }
        guard reply.isError else { return .done }
        return reply.text.hasPrefix("UNAVAILABLE not") ? .not : .unknown
    }

    /// Writes until the connection ends.
    func write(_ address: ServerAddress, client: Int, round: Int) {
        guard let c = try? RESPClient(address) else { return }
        var random = SplitMix(UInt64(round * 1000 + client))
        for number in 0... {
            let reply: RESPValue?
            switch random.next() % 8 {
            case 0..<3:
                let key = "n\(random.next() % 8)"
                reply = try? c.call("INCR", key)
                note(reply) { state, outcome in
                    if outcome == .done { state.counters[key, default: (0, 0)].sure += 1 }
                    if outcome == .unknown { state.counters[key, default: (0, 0)].maybe += 1 }
                }
            case 3..<6:
                let key = "t\(client)"
                let token = "<\(round).\(number)>"
                reply = try? c.call("APPEND", key, token)
                note(reply) { state, outcome in
                    if outcome == .done { state.texts[key, default: Text()].sure.append(token) }
                    if outcome == .unknown { state.texts[key, default: Text()].maybe.insert(token) }
                }
            default:
                let key = "r\(client)"
                let value = "\(round).\(number)" + String(repeating: "x", count: Int(random.next() % 600))
                reply = try? c.call("SET", key, value)
                note(reply) { state, outcome in
                    if outcome == .done { state.registers[key] = Register(sure: value) }
                    if outcome == .unknown { state.registers[key, default: Register()].maybe.insert(value) }
                }
            }
            // A new connection would tell no more: the process is gone.
            if reply == nil { return }
        }
    }

    private func note(_ reply: RESPValue?, _ body: (inout State, Outcome) -> Void) {
        let outcome = outcome(reply)
        state.withLock { state in
            body(&state, outcome)
            if outcome == .done { state.acknowledged += 1 }
            if outcome != .done, let reply { state.refused[String(reply.text.prefix(70)), default: 0] += 1 }
        }
    }

    /// What of it Redis does not have as it should.
    func faults(in redis: RESPClient) throws -> [String] {
        let state = state.withLock { $0 }
        var faults: [String] = []
        for (key, known) in state.counters {
            let total = Int(try redis.call("GET", key).text) ?? 0
            if total < known.sure || total > known.sure + known.maybe {
                faults.append("\(key) is \(total): \(known.sure) acknowledged, \(known.maybe) unknown")
            }
        }
        for (key, known) in state.texts {
            let found = try redis.call("GET", key).text.split(separator: ">").map { "\($0)>" }
            if Set(found).count != found.count { faults.append("\(key) holds a token twice") }
            if found.filter({ !known.maybe.contains($0) }) != known.sure {
                let missing = Set(known.sure).subtracting(found)
                faults.append(
                    "\(key): \(known.sure.count) acknowledged, \(found.count) there, missing \(missing.prefix(5))")
            }
        }
        for (key, known) in state.registers {
            let value = try redis.call("GET", key).text
            if value != known.sure, !known.maybe.contains(value) {
                faults.append("\(key) is \(value.prefix(12)), acknowledged last \(known.sure.prefix(12))")
            }
        }
        return faults
    }

    /// Of writes that were left open the end is known now: they are in Redis, or never will be.
    func settle(from redis: RESPClient) throws {
        let keys = state.withLock { ($0.counters.keys, $0.texts.keys, $0.registers.keys) }
        for key in keys.0 {
            let total = Int(try redis.call("GET", key).text) ?? 0
            state.withLock { $0.counters[key] = (total, 0) }
        }
        for key in keys.1 {
            let found = try redis.call("GET", key).text.split(separator: ">").map { "\($0)>" }
            state.withLock { $0.texts[key] = Text(sure: found) }
        }
        for key in keys.2 {
            let value = try redis.call("GET", key).text
            state.withLock { $0.registers[key] = Register(sure: value) }
        }
    }
}

/// A small generator for what a client does; its seed is the round's and the client's number.
private struct SplitMix {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

private enum Moment: String, CaseIterable {
    case writing, replay
    case newSegment = "change of segment"
    case compaction
}

/// The journal's files, as a tight loop looks at them.
private struct JournalFiles {
    let directory: String

    var names: Set<String> {
        guard let handle = opendir(directory) else { return [] }
        defer { closedir(handle) }
        var names: Set<String> = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".segment") { names.insert(name) }
        }
        return names
    }
}

extension RealProcesses {
    @Suite struct KillTests {
        static let rounds = getenv("HEARTH_KILL_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 8

        @Test func `what was acknowledged is in Redis after kill -9, once and in order`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, redisOptions: "timeout: 100ms, soft_timeout: 20ms",
                journal: "max_bytes: 1MiB, sync: always, replay_rate: 4000",
                extra: """
                    breaker: {open: 100ms, open_max: 300ms, consecutive_failures: 3}
                    limits: {max_value: 128KiB, max_clients: 200}
                    # A process that was just started knows nothing of the keys: no reason to keep what is there.
                    policies: [{prefix: "", on_unknown_base: overwrite}]
                    """)
            let ledger = Ledger()
            var fell: [Moment: Int] = [:]
            var recovered = 0
            for round in 0..<Self.rounds {
                let moment = Moment.allCases[round % Moment.allCases.count]
                let (isAsMeant, entries) = try run(round, moment, redis, hearth, ledger)
                fell[isAsMeant ? moment : .writing, default: 0] += 1
                recovered += entries
                let faults = try ledger.faults(in: redis.client())
                #expect(faults.isEmpty, "round \(round), killed at \(moment.rawValue): \(faults.prefix(5))")
                if !faults.isEmpty { return }
                try ledger.settle(from: redis.client())
            }
            // Ours replaced what a process that knew nothing found; nobody else wrote.
            for conflict in try hearth.client().call("HEARTH", "JOURNAL", "CONFLICTS", "1000").items {
                #expect(conflict.fields["verdict"]?.text == "overwrote", "\(conflict.fields)")
            }
            let refused = ledger.state.withLock { $0.refused }
            print(
                "kill -9: \(Self.rounds) rounds, \(ledger.acknowledged) writes acknowledged, "
                    + "\(recovered) entries recovered, fell \(fell.map { "\($0.key.rawValue) \($0.value)" }.sorted()), not accepted \(refused)"
            )
        }

        /// One outage with a kill in it; whether the kill fell where it was meant to, and the entries that were
        /// recovered after it.
        private func run(
            _ round: Int, _ moment: Moment, _ redis: RedisServer, _ hearth: HearthProcess, _ ledger: Ledger
        ) throws -> (Bool, Int) {
            let control = try hearth.client()
            try hearth.waitUntilClosed()
            // Redis hangs: what is under way then stays in its socket buffers.
            redis.process.signal(.stop)
            let address = hearth.address
            let before = ledger.acknowledged
            let threads = (0..<64).map { client in
                TestThread { ledger.write(address, client: client, round: round) }
            }
            try eventually("some writes are accepted; log \(hearth.log.suffix(600))") {
                ledger.acknowledged > before + 150 + round * 7 % 200
            }
            let isAsMeant = try kill(at: moment, redis, hearth, control)
            for thread in threads { thread.join() }
            redis.process.signal(.continue)
            try hearth.restart()
            let entries =
                hearth.log.split(separator: "\n").last { $0.contains("journal_recovered") }
                .flatMap { line in line.split(separator: "\"entries\":").last?.prefix { $0.isNumber } }
                .flatMap { Int($0) } ?? 0
            try hearth.waitUntilClosed(within: 20_000)
            let next = try hearth.client()
            try eventually("the journal is replayed; log \(hearth.log.suffix(900))") {
                try next.call("HEARTH", "JOURNAL").fields["journal_entries"]?.integer == 0
            }
            return (isAsMeant, entries)
        }

        /// Kills at the moment that is meant, where it comes within some seconds.
        private func kill(
            at moment: Moment, _ redis: RedisServer, _ hearth: HearthProcess, _ control: RESPClient
        ) throws -> Bool {
            let files = JournalFiles(directory: hearth.directory.file("journal"))
            var isAsMeant = true
            switch moment {
            case .writing: break
            case .replay:
                let before = try control.call("HEARTH", "JOURNAL").fields["journal_replayed"]?.integer ?? 0
                redis.process.signal(.continue)
                let deadline = milliseconds() + 10_000
                repeat {
                    let fields = try control.call("HEARTH", "JOURNAL").fields
                    let replayed = fields["journal_replayed"]?.integer ?? 0
                    isAsMeant = replayed > before && (fields["journal_entries"]?.integer ?? 0) > 0
                } while !isAsMeant && milliseconds() < deadline
            case .newSegment, .compaction:
                let deadline = milliseconds() + 10_000
                var known = files.names
                isAsMeant = false
                while !isAsMeant, milliseconds() < deadline {
                    let names = files.names
                    let hasCome = !names.subtracting(known).isEmpty
                    let hasGone = !known.subtracting(names).isEmpty
                    isAsMeant = moment == .newSegment ? hasCome : hasGone
                    known = names
                }
            }
            hearth.process.signal(.kill)
            return isAsMeant
        }
    }
}
