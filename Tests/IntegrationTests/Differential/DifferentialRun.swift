// A run of random commands against Hearth and a Redis beside it.

import TestSupport

/// Two servers and what was found between them.
final class DifferentialRun {
    struct Share {
        var asked = 0
        var succeeded = 0
        var percent: Int { asked == 0 ? 100 : succeeded * 100 / asked }
    }

    let behind: RedisServer
    let oracle: RedisServer
    let hearth: HearthProcess
    private var generator: CommandGenerator
    private var sessions: [Session] = []
    private var history: [String] = []
    private(set) var compared = 0
    private(set) var shares: [Family: Share] = [:]
    /// How often each entry of the table was needed, by its place there.
    private(set) var uses = [Int](repeating: 0, count: ReplyDifferences.all.count)
    private(set) var found: [String] = []

    init(consistency: String, workers: Int, seed: UInt64) throws {
        behind = try RedisServer()
        oracle = try RedisServer()
        hearth = try HearthProcess(
            redis: behind.url, redisOptions: "timeout: 10s, soft_timeout: 10s, deletions: 0",
            extra: """
                policies: [{prefix: "", \(consistency), negative_ttl: 1h}]
                breaker: {slow_call: 60s}
                workers: \(workers)
                """)
        try hearth.waitUntilClosed()
        generator = CommandGenerator(SeededGenerator(seed: seed))
        for index in 0..<4 {
            sessions.append(
                try Session(ours: try hearth.client(), theirs: try oracle.client(), speaks3: index % 2 == 1))
        }
        try prepare()
    }

    /// Scripts and functions that both know, and payloads for RESTORE.
    private func prepare() throws {
        let (ours, theirs) = (try hearth.client(), try oracle.client())
        for script in CommandGenerator.allScripts {
            let reply = try theirs.callRaw([Array("SCRIPT".utf8), Array("LOAD".utf8), script.text.bytes])
            _ = try ours.callRaw([Array("SCRIPT".utf8), Array("LOAD".utf8), script.text.bytes])
            let tree = ReplyTree(reply)
            generator.fingerprints.append(Word(bytes: tree?.isError ?? true ? [] : tree?.text ?? []))
        }
        for client in [ours, theirs] {
            _ = try client.callRaw([Array("FUNCTION".utf8), Array("LOAD".utf8), CommandGenerator.library.bytes])
        }
        let samples: [[String]] = [
            ["SET", "p", "restored"], ["RPUSH", "p", "1", "two"], ["HSET", "p", "f", "v"], ["SADD", "p", "1", "2"],
            ["ZADD", "p", "1", "a", "2", "b"], ["XADD", "p", "1-1", "f", "v"],
        ]
        for sample in samples {
            _ = try theirs.call(sample)
            let payload = ReplyTree(try theirs.callRaw([Array("DUMP".utf8), Array("p".utf8)]))?.text ?? []
            generator.payloads.append(Word(bytes: payload))
            _ = try theirs.call("DEL", "p")
        }
        generator.payloads.append("no payload")
    }

    // MARK: Rounds

    /// Sends at least so many commands, and compares what both servers hold then; until the first round that differs.
    func run(_ count: Int) throws {
        let looking = try oracle.client()
        let target = compared + count
        while compared < target, found.isEmpty {
            let end = min(target, compared + 500)
            while compared < end, found.count < 30 { try exchange(looking) }
            try compareEnds()
            try compareState()
            try compareReads()
        }
    }

    /// One connection's pipeline: what another one reads then must be what this one wrote.
    private func exchange(_ looking: RESPClient) throws {
        let types =
            try looking.pipeline(CommandGenerator.keys.count == 0 ? [] : [["PING"]]).isEmpty ? [:] : try types(looking)
        generator.types = types
        let session = generator.pick(sessions)
        let depth = generator.oneIn(2) ? 1 : generator.int(2...24)
        var batch: [Request] = []
        while batch.count < depth { batch += session.next(&generator) }
        let bytes = batch.flatMap(\.bytes)
        try session.ours.send(raw: bytes)
        try session.theirs.send(raw: bytes)
        var before: [UInt8] = []
        for request in batch {
            guard let theirs = try session.theirs.receiveRaw() else {
                throw TestError("Redis hung up after \(request)")
            }
            guard let ours = try session.ours.receiveRaw() else {
                throw TestError("Hearth hung up after \(request); \(tail)\n\(hearth.log.suffix(1500))")
            }
            history.append(
                "\(compared) \(session.ours.descriptor): \(request) -> \(SideBySide.text(Array(theirs.bytes.prefix(80))))"
            )
            if history.count > 2000 { history.removeFirst(1000) }
            compare(request, ours.bytes, theirs.bytes, before: before, session)
            before = theirs.bytes
            compared += 1
        }
    }

    private func types(_ client: RESPClient) throws -> [Word: String] {
        try client.send(raw: CommandGenerator.keys.flatMap { RESPLine.frame(["TYPE", $0]) })
        var types: [Word: String] = [:]
        for key in CommandGenerator.keys {
            let type = try client.receive().text
            if type != "none" { types[key] = type }
        }
        // To Redis a HyperLogLog is a string that begins so.
        let strings = CommandGenerator.keys.filter { types[$0] == "string" }
        try client.send(raw: strings.flatMap { RESPLine.frame(["GETRANGE", $0, "0", "3"]) })
        for key in strings where try client.receive().text == "HYLL" { types[key] = "log" }
        // A sorted set of places has them by these names.
        let sets = CommandGenerator.keys.filter { types[$0] == "zset" }
        try client.send(raw: sets.flatMap { RESPLine.frame(["ZSCORE", $0, "Palermo"]) })
        for key in sets where try client.receive() != .null { types[key] = "places" }
        return types
    }

    /// What was sent last, and before that what names the same keys.
    private func related(to request: Request) -> String {
        let names = request.words.dropFirst().map { Request(words: [$0], family: .keys).description }
        let earlier = history.dropLast(15).filter { line in
            names.contains { line.contains($0) } || line.contains("EXEC")
        }
        return (earlier.suffix(30) + history.suffix(15)).joined(separator: "\n")
    }

    var tail: String { history.suffix(30).joined(separator: "\n") }

    // MARK: Comparing

    private func compare(
        _ request: Request, _ ours: [UInt8], _ theirs: [UInt8], before: [UInt8], _ session: Session
    ) {
        let name = request.words[0].name
        let isQueuedNow = theirs == Array("+QUEUED\r\n".utf8)
        if isQueuedNow {
            session.queued.append(request)
        } else if name == "EXEC", let executed = ReplyTree(theirs), executed.isAggregate,
            executed.children.count == session.queued.count
        {
            for (request, reply) in zip(session.queued, executed.children) { count(request, isError: reply.isError) }
        } else {
            count(request, isError: theirs.first == UInt8(ascii: "-") || theirs.first == UInt8(ascii: "!"))
        }
        defer { if ["EXEC", "DISCARD", "RESET"].contains(name), !isQueuedNow { session.queued = [] } }
        guard ours != theirs else { return }
        let source = request.isDrawn ? before : nil
        if let entry = ReplyDifferences.allowing(
            request.words, ours, theirs, drawnFrom: source, isQueued: isQueuedNow || isTransaction(session, ours))
        {
            uses[entry] += 1
            return
        }
        if name == "EXEC", agree(session.queued, ours, theirs) { return }
        let before = found.isEmpty ? "\nafter\n\(related(to: request))\n" : ""
        found.append("\(request): Redis \(SideBySide.text(theirs)), Hearth \(SideBySide.text(ours))\(before)")
    }

    /// Hearth refuses here what Redis refuses as well, in other words.
    private func isTransaction(_ session: Session, _ ours: [UInt8]) -> Bool {
        String(decoding: ours.prefix(200), as: UTF8.self).contains("can't be part of MULTI here")
    }

    private func count(_ request: Request, isError: Bool) {
        shares[request.family, default: Share()].asked += 1
        if !isError { shares[request.family, default: Share()].succeeded += 1 }
    }

    /// Whether EXEC's replies are each what the queued command may answer.
    private func agree(_ requests: [Request], _ ours: [UInt8], _ theirs: [UInt8]) -> Bool {
        guard let a = ReplyTree(ours), let b = ReplyTree(theirs), a.isLike(b), a.children.count == b.children.count,
            a.children.count == requests.count
        else { return false }
        for (request, (ours, theirs)) in zip(requests, zip(a.children, b.children)) where ours != theirs {
            guard
                let entry = ReplyDifferences.allowing(
                    request.words, ours, theirs, drawnFrom: nil, isQueued: false)
            else { return false }
            uses[entry] += 1
        }
        return true
    }

    private func compareState() throws {
        let differences = try FinalState(behind.client()).differences(from: FinalState(oracle.client()))
        found += differences.map { "state after \(compared): \($0)\(found.isEmpty ? "; after\n\(tail)" : "")" }
    }

    /// What Hearth tells of every key at the end of a round is what it tells a bare Redis's client.
    private func compareReads() throws {
        let (ours, theirs) = (try hearth.client(), try oracle.client())
        for key in CommandGenerator.keys {
            for words: [Word] in [["GET", key], ["STRLEN", key], ["EXISTS", key], ["TYPE", key], ["PTTL", key]] {
                let a = try ours.callRaw(words.map(\.bytes))
                let b = try theirs.callRaw(words.map(\.bytes))
                if a == b || ReplyDifferences.allowing(words, a, b, drawnFrom: nil, isQueued: false) != nil {
                    continue
                }
                found.append(
                    "at the end, \(Request(words: words, family: .keys)): Redis \(SideBySide.text(b)), Hearth \(SideBySide.text(a))"
                )
            }
        }
    }

    /// Short lives: what is over in both servers is over for Hearth's clients too.
    private func compareEnds() throws {
        let (ours, theirs) = (try hearth.client(), try oracle.client())
        let names = ["dying:string", "dying:list", "dying:hash", "dying:set", "dying:zset", "dying:absent"]
        var making: [[String]] = [["SET", names[0], "v", "PX", "40"]]
        making += [
            ["RPUSH", names[1], "v"], ["HSET", names[2], "f", "v"], ["SADD", names[3], "v"],
            ["ZADD", names[4], "1", "v"],
        ]
        making += names.dropFirst().map { ["PEXPIRE", $0, "40"] }
        // Copies of what is about to die: what they are answered with now is the clock's doing.
        let reading = names.map { ["GET", $0] } + [["MGET"] + names, ["EXISTS"] + names]
        for client in [ours, theirs] { _ = try client.pipeline(making + reading) }
        for server in [behind, oracle] {
            let client = try server.client()
            try eventually("what was given 40 ms is gone") {
                try names.allSatisfy { try client.call("PTTL", $0) == .integer(-2) }
            }
        }
        // Hearth's clock is the same machine's: over there is over here.
        for words in reading + names.map({ ["PTTL", $0] }) + [
            ["LLEN", names[1]], ["HGETALL", names[2]], ["RPUSH", names[1], "new"], ["GET", names[1]], ["DEL"] + names,
        ] {
            let (a, b) = (try ours.call(words), try theirs.call(words))
            compared += 1
            if a != b { found.append("after their end, \(words): Redis \(b), Hearth \(a)") }
        }
    }
}
