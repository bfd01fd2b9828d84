// Which way a command takes that Hearth does not answer itself: the shared connection, or a pinned one.

internal import EventLoop
internal import Primitives
internal import RESP
internal import RedisTier
internal import State
internal import Tiers

/// What must be known of a passed-through command beyond Redis's table.
enum PassedKind {
    case ordinary, watch, unwatch, subscription, monitor, script
    /// How long it may block, in nanoseconds: nil is for ever.
    case blocking(Int64?)

    private static let scripts: Set<String> = ["eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro"]
    private static let subscriptions: Set<String> = [
        "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe",
    ]

    init(_ words: [[UInt8]]) {
        let name = words[0].lowercasedText
        switch name {
        case "watch": self = .watch
        case "unwatch": self = .unwatch
        case "monitor": self = .monitor
        case _ where Self.subscriptions.contains(name): self = .subscription
        case _ where Self.scripts.contains(name): self = .script
        case "blpop", "brpop", "bzpopmin", "bzpopmax", "blmove", "brpoplpush":
            self = .blocking(Self.seconds(words[words.count - 1]))
        case "blmpop", "bzmpop": self = .blocking(words.count > 1 ? Self.seconds(words[1]) : 0)
        case "wait", "waitaof": self = .blocking(Self.milliseconds(words[words.count - 1]))
        case "xread", "xreadgroup":
            // BLOCK is an option, and stands before STREAMS.
            let options = words.prefix { !$0.isWord(Array("streams".utf8)) }
            guard let block = options.firstIndex(where: { $0.isWord(Array("block".utf8)) }), block + 1 < words.count
            else {
                self = .ordinary
                return
            }
            self = .blocking(Self.milliseconds(words[block + 1]))
        default: self = .ordinary
        }
    }

    /// A time that is no number is refused by Redis at once; zero blocks for ever.
    private static func seconds(_ word: [UInt8]) -> Int64? {
        guard let seconds = Double(String(decoding: word, as: UTF8.self)), seconds >= 0, seconds < 1e9 else { return 0 }
        return seconds == 0 ? nil : Int64(seconds * 1e9)
    }

    private static func milliseconds(_ word: [UInt8]) -> Int64? {
        guard let value = Int64(String(decoding: word, as: UTF8.self)), value >= 0, value < 1 << 40 else { return 0 }
        return value == 0 ? nil : value * 1_000_000
    }

    /// Whether it runs for as long as it takes, and may change the keys that it names.
    static func isScript(_ name: String) -> Bool { scripts.contains(name) }
    static func isWritingScript(_ name: String) -> Bool { scripts.contains(name) && !name.hasSuffix("_ro") }
}

/// What Redis's table tells of a request, and what follows from it.
struct UnderstoodRequest {
    let keys: RedisCommand.Keys?
    let isWrite: Bool
    /// Some of its keys may be others afterwards, be it a write or not.
    let changesKeys: Bool
    let isReadOnly: Bool
    let changesAll: Bool
    /// The subcommand that the table knows it by, in lower case.
    let subcommand: String?
    /// It reads or writes keys, or lists them.
    let isAudited: Bool

    /// Commands after which no key is what it was.
    private static let changers: Set<String> = [
        "flushall", "flushdb", "swapdb", "debug", "replicaof", "slaveof", "failover",
    ]

    init(_ words: [[UInt8]], _ table: RedisCommandTable) {
        let name = words[0].lowercasedText
        let command = table.command(of: words)
        changesAll = Self.changers.contains(name)
        isWrite = changesAll || PassedKind.isWritingScript(name) || command?.isWrite ?? false
        let keys = command.map { $0.keys(of: words) } ?? RedisCommand.Keys()
        changesKeys = isWrite || command?.mayChange ?? false && !(keys?.written.isEmpty ?? true)
        isReadOnly = !changesKeys && command?.isReadOnly ?? false
        self.keys = keys
        subcommand = command.flatMap { command in
            command.name.firstIndex(of: "|").map { String(command.name[command.name.index(after: $0)...]) }
        }
        isAudited = name != "dbsize" && name != "function" && (changesKeys || isWrite || isReadOnly)
    }

    /// It names no keys and may reach any: what changes or lists all of them, and scripts without keys.
    var reachesAll: Bool { changesAll || keys?.all.isEmpty ?? false }

    func request(_ words: [[UInt8]], timeout: Int64) -> PassedRequest {
        let written = changesKeys ? keys?.written ?? [] : []
        var request = PassedRequest(words: words, isWrite: isWrite, written: written, timeout: timeout)
        // A write whose keys only Redis could tell: `askForKeys` asks it, and elsewhere it may be any of them.
        request.changesAll = changesAll || isWrite && keys == nil
        // Reads too: what waits in the journal is newer than what Redis would answer.
        let all = keys?.all ?? []
        if request.changesAll { request.awaited = [] } else if !all.isEmpty { request.awaited = all }
        return request
    }

    /// Those whose order against other requests of the client matters.
    var hashes: SlotKeys { SlotKeys((keys?.all ?? []).map { $0.withUnsafeBytes { KeyHash($0) } }) }
}

extension Worker {
    /// Whether Redis answers this native command, where there is one: what only Redis knows, or may be allowed to do.
    func passesOn(_ command: Command, _ a: Arguments, _ c: Connection) -> Bool {
        guard let passage else { return false }
        switch command.name {
        case "command": return !passage.breaker.refusesReads
        case "config": return !a.isWord(1, "get")
        case "client": return !ConnectionCommands.isOwnClientCommand(a.lowercased(1))
        case "throttle": return false
        default: return c.watch != .none && command.isAboutKeys
        }
    }

    /// Carries out what Redis has to answer; false when it must wait, and nothing was done.
    func pass(_ c: Connection, _ a: Arguments) -> Bool {
        defer { c.audited = nil }
        let words = a.all
        guard let passage else {
            counters.commands.add()
            refuse(
                c,
                RedisNames.contains(words[0])
                    ? "UNAVAILABLE no Redis is configured (redis.url: off)" : Self.unknown(a))
            return true
        }
        if let refusal = DeniedCommands.refusal(words, allowed: configuration.allowedCommands) {
            counters.commands.add()
            counters.passedDenied.add()
            refuse(c, refusal)
            return true
        }
        c.lastCommand = words[0].lowercasedText
        switch PassedKind(words) {
        case .ordinary where c.watch == .none: return passage.share(c, words)
        case .ordinary:
            switch asRedisIsToldIt(a, words) {
            case .success(let words): return passage.pass(c, words, timeout: tiers.redisTimeout)
            case .failure(let error):
                counters.commands.add()
                fail(c, error)
                return true
            }
        case .script: return passage.pass(c, words, timeout: .max)
        case .blocking(let time): return passage.block(c, words, time)
        case .watch: return passage.watch(c, words)
        case .unwatch: return passage.unwatch(c, words)
        case .subscription: return passage.subscribe(c, words)
        case .monitor: return passage.monitor(c, words)
        }
    }

    /// A native command as Redis is told it in Redis's own transactions: a SET has its policy's life and bounds there
    /// too.
    ///
    /// SETNX, MSET and MSETNX go as they are: with a life they are several commands, or answer otherwise.
    func asRedisIsToldIt(_ a: Arguments, _ words: [[UInt8]]) -> Result<[[UInt8]], CommandError> {
        guard let command = CommandTable.shared[a[0]], command.accepts(a.count),
            case .native(let parse) = command.action,
            let native = try? parse(a, batchNow)
        else { return .success(words) }
        if let refusal = refusal(of: native.command) { return .failure(CommandError(refusal)) }
        return .success(asRedisIsToldIt(NativeCommand(native.command, arguments: words)))
    }

    func asRedisIsToldIt(_ native: NativeCommand) -> [[UInt8]] {
        switch native.command {
        case .write(.set(_, _, .ifAbsent, .flag), _), .setMany: native.arguments
        default: tiers.withPolicyLife(native)[0]
        }
    }

    /// Answers with an error of the request's own; within MULTI nothing of the transaction is carried out then.
    func refuse(_ c: Connection, _ text: String) {
        c.transaction?.isAborted = true
        fail(c, CommandError(text))
    }
}

extension Passage {
    private var timeout: Int64 { worker.tiers.redisTimeout }

    /// Answers that nothing was sent.
    private func refuse(_ c: Connection, _ text: String) -> Bool {
        worker.counters.commands.add()
        worker.counters.passedUnavailable.add()
        worker.tiers.counters.unavailable.add()
        c.immediate { $0.error("UNAVAILABLE \(text)") }
        return true
    }

    /// What the table tells of a request; nil where the client was answered (`true`) or waits (`false`).
    private func understand(_ c: Connection, _ words: [[UInt8]], _ answered: inout Bool) -> UnderstoodRequest? {
        if breaker.refusesReads {
            c.tableRefusal = nil
            answered = refuse(c, "not sent: \(breaker.reasonForReads)")
            return nil
        }
        switch table(for: c) {
        case .known(let table):
            let understood = UnderstoodRequest(words, table)
            if let keys = understood.keys, let text = denial(of: keys.all) {
                worker.counters.commands.add()
                worker.counters.passedDenied.add()
                worker.refuse(c, text)
                answered = true
                return nil
            }
            guard worker.auditsAnything else { return understood }
            let touches = understood.keys.map { worker.touches(words, understood, $0.all) } ?? []
            if let refusal = worker.audit?.admit(touches, c) {
                answered = refuse(c, refusal)
                return nil
            }
            return understood
        case .wait:
            answered = false
            return nil
        case .refused(let text):
            answered = refuse(c, text)
            return nil
        }
    }

    /// Why Redis may not be asked about these keys, for where it lies.
    func denial(of keys: [[UInt8]]) -> String? {
        guard case .error(let text)? = worker.tiers.denialInRedis(of: keys) else { return nil }
        return String(decoding: text, as: UTF8.self)
    }

    /// Over the connection that all clients share.
    func share(_ c: Connection, _ words: [[UInt8]]) -> Bool {
        var answered = false
        guard let understood = understand(c, words, &answered) else { return answered }
        var request = understood.request(words, timeout: timeout)
        request.isTimed = true
        guard understood.keys != nil else { return askForKeys(c, request, understood) }
        let mayStart =
            understood.changesAll
            ? c.isIdle : c.mayStart(understood.hashes, isWrite: understood.changesKeys, lane: .shared)
        guard mayStart else { return false }
        worker.counters.commands.add()
        let slot = c.reserve(
            keys: understood.hashes, isWrite: understood.changesKeys, isBarrier: understood.changesAll,
            requestBytes: Self.bytes(words), lane: .shared, hasEffect: !understood.isReadOnly, mayBeSlow: true)
        slot.nameKeys(understood.keys?.all ?? [])
        carry(request, over: shared(c.version), c, slot)
        return true
    }

    static func bytes(_ words: [[UInt8]]) -> Int { words.reduce(0) { $0 + $1.count } }

    /// Only Redis can tell which keys this request names: it is asked first, on the same connection.
    private func askForKeys(_ c: Connection, _ request: PassedRequest, _ understood: UnderstoodRequest) -> Bool {
        guard c.isIdle else { return false }
        guard let permit = breaker.admit(.read, now: Loop.monotonicNanoseconds) else {
            return refuse(c, "not sent: \(breaker.reasonForReads)")
        }
        worker.counters.commands.add()
        let slot = c.reserve(
            keys: [], isWrite: true, isBarrier: true, requestBytes: Self.bytes(request.words), lane: .shared,
            hasEffect: true)
        let redis = shared(c.version)
        var question = RequestEncoder()
        question.append([Array("COMMAND".utf8), Array("GETKEYS".utf8)] + request.words)
        redis.send(question, timeoutNanoseconds: timeout) { [self] result in
            switch result {
            case .failure(let failure):
                breaker.failed(permit, failure, now: Loop.monotonicNanoseconds, elapsed: nil)
                refuse(c, slot, "not sent: Redis did not tell its keys: \(failure.text)")
            case .success(let replies):
                breaker.succeeded(permit, now: Loop.monotonicNanoseconds, elapsed: nil)
                // An error: the request is malformed, or has no keys. It says so itself.
                let keys = replies[0].understood.elements.compactMap(\.text)
                if let text = denial(of: keys) {
                    worker.counters.passedDenied.add()
                    return c.complete(slot) { $0.error(text) }
                }
                if worker.auditsAnything {
                    let touches = worker.touches(request.words, understood, keys)
                    if let refusal = worker.audit?.refusal(touches) { return refuse(c, slot, refusal) }
                    if !touches.isEmpty { slot.audited = worker.audit?.request(touches, c) }
                }
                var request = request
                if request.isWrite, !understood.changesAll {
                    request.changesAll = false
                    request.awaited = nil
                    request.written = keys
                    if !keys.isEmpty { request.awaited = keys }
                }
                carry(request, over: redis, c, slot)
            }
        }
        return true
    }

    // MARK: Pinned

    /// Over the client's pin: scripts, and everything between WATCH and EXEC.
    func pass(_ c: Connection, _ words: [[UInt8]], timeout: Int64) -> Bool {
        if c.watch == .lost { return refuse(c, Self.watchLost) }
        var answered = false
        guard let understood = understand(c, words, &answered) else { return answered }
        guard c.mayStart(understood.hashes, isWrite: understood.changesKeys, lane: .pinned) else { return false }
        if understood.changesAll, !c.isIdle { return false }
        guard let pin = pin(for: c) else { return refuse(c, pinRefusal) }
        worker.counters.commands.add()
        let slot = c.reserve(
            keys: understood.hashes, isWrite: understood.changesKeys, isBarrier: understood.changesAll,
            requestBytes: Self.bytes(words), lane: .pinned, hasEffect: !understood.isReadOnly, mayBeSlow: true)
        slot.nameKeys(understood.keys?.all ?? [])
        var request = understood.request(words, timeout: timeout)
        request.isTimed = timeout != .max
        send(request, pin, c, slot)
        return true
    }

    static let watchLost = """
        not sent: the connection to Redis on which this client's keys were watched ended; nothing of its transaction \
        was or will be done. UNWATCH, and begin again with WATCH
        """

    /// Over a pin, which is let go of when nothing needs it afterwards.
    func send(
        _ request: PassedRequest, _ pin: Pin, _ c: Connection, _ slot: Slot,
        then: @escaping (Reply?) -> Void = { _ in }
    ) {
        pin.outstanding += 1
        let isEndless = request.timeout == .max
        if isEndless {
            pin.scripts += 1
            if pin.scripts == 1 { pin.aliveAt = Loop.monotonicNanoseconds }
        }
        carry(request, over: pin.redis, c, slot) { [self] reply in
            pin.outstanding -= 1
            if isEndless { pin.scripts -= 1 }
            // A reply may still come: nobody else may be on this connection then.
            if reply == nil { pin.isSpoiled = true }
            then(reply)
            if c.pin === pin { releaseIfDone(c) }
        }
    }

    /// A command that waits for something to happen. Nothing else of its client runs meanwhile, as in Redis.
    func block(_ c: Connection, _ words: [[UInt8]], _ time: Int64?) -> Bool {
        if c.watch == .lost { return refuse(c, Self.watchLost) }
        guard c.isIdle else { return false }
        var answered = false
        guard let understood = understand(c, words, &answered) else { return answered }
        guard let pin = pin(for: c) else { return refuse(c, pinRefusal) }
        worker.counters.commands.add()
        let slot = c.reserve(
            keys: understood.hashes, isWrite: understood.isWrite, isBarrier: true, lane: .pinned, hasEffect: true)
        var request = understood.request(words, timeout: time.map { $0 + timeout } ?? .max)
        let name = words[0].lowercasedText
        // WAIT is about what its own connection wrote last, which was written on others: any command tells Redis that
        // this one is as far as they are.
        if name == "wait" || name == "waitaof" { request.ahead = [[Array("PING".utf8)]] }
        request.blocks = true
        pin.outstanding += 1
        pin.blocked += 1
        carry(request, over: pin.redis, c, slot) { [self] reply in
            pin.outstanding -= 1
            pin.blocked -= 1
            if reply == nil { pin.isSpoiled = true }
            if c.pin === pin { releaseIfDone(c) }
        }
        return true
    }

    // MARK: WATCH

    func watch(_ c: Connection, _ words: [[UInt8]]) -> Bool {
        if c.watch == .lost { return refuse(c, Self.watchLost) }
        guard c.isIdle else { return false }
        var answered = false
        guard let understood = understand(c, words, &answered) else { return answered }
        guard let pin = pin(for: c) else { return refuse(c, pinRefusal) }
        worker.counters.commands.add()
        let slot = c.reserve(keys: [], isWrite: false, isBarrier: true, lane: .pinned, hasEffect: true)
        let wasWatching = c.watch == .set
        c.watch = .set
        c.watchedKeys.formUnion(understood.keys?.all ?? [])
        var request = understood.request(words, timeout: timeout)
        request.awaited = understood.keys?.all
        if request.awaited?.isEmpty ?? false { request.awaited = nil }
        request.isTimed = true
        send(request, pin, c, slot) { reply in
            if reply == nil {
                // Whether Redis watches is unknown; what was watched before can't be relied upon either.
                c.watch = wasWatching ? .lost : .none
            } else if reply?.isError ?? false, !wasWatching {
                c.watch = .none
            }
        }
        return true
    }

    func unwatch(_ c: Connection, _ words: [[UInt8]]) -> Bool {
        guard c.isIdle else { return false }
        guard words.count == 1 else {
            worker.refuse(c, CommandError.arity("unwatch").text)
            return true
        }
        worker.counters.commands.add()
        endWatch(c)
        c.immediate { $0.simple("OK") }
        return true
    }

    func endWatch(_ c: Connection) {
        let wasWatching = c.watch == .set
        c.watch = .none
        undo(c, wasWatching ? "UNWATCH" : nil)
    }

    /// Lets go of the client's pin where nothing else needs it; closed, it forgets what was watched and queued. Where a
    /// subscription keeps it, Redis is told to.
    func undo(_ c: Connection, _ command: StaticString?) {
        guard let pin = c.pin, let command else { return releaseIfDone(c) }
        pin.isSpoiled = true
        releaseIfDone(c)
        guard c.pin === pin else { return }
        var request = RequestEncoder()
        request.append(command)
        pin.redis.send(request, timeoutNanoseconds: timeout) { result in
            guard case .failure = result, c.pin === pin else { return }
            // Whether Redis still watches is unknown, and would make a later EXEC fail or not: the client begins anew.
            c.close()
        }
    }

    // MARK: Subscriptions and MONITOR

    /// SUBSCRIBE and its relatives. Their answers are as many as channels, and pushes in RESP3: a PING behind tells
    /// where they end, and whether any subscription is left.
    func subscribe(_ c: Connection, _ words: [[UInt8]]) -> Bool {
        guard c.isIdle else { return false }
        if breaker.refusesReads { return refuse(c, "not sent: \(breaker.reasonForReads)") }
        guard let pin = pin(for: c) else { return refuse(c, pinRefusal) }
        listen(pin, c)
        return exchange(c, pin, words)
    }

    private func listen(_ pin: Pin, _ c: Connection) {
        pin.isSpoiled = true
        pin.redis.listener = { [weak c, weak pin] reply in
            guard let c, case .framed(let bytes) = reply else { return }
            pin?.note(bytes)
            c.relay(bytes)
        }
    }

    /// Sends what concerns a subscription; whatever comes before the mark is the client's.
    func exchange(_ c: Connection, _ pin: Pin, _ words: [[UInt8]]) -> Bool {
        guard let permit = breaker.admit(.read, now: Loop.monotonicNanoseconds) else {
            releaseIfDone(c)
            return refuse(c, "not sent: \(breaker.reasonForReads)")
        }
        worker.counters.commands.add()
        let slot = c.reserve(keys: [], isWrite: false, isBarrier: true, lane: .pinned, hasEffect: true)
        let mark = "hearth:\(UInt64.random(in: .min ... .max))"
        var encoder = RequestEncoder()
        encoder.append(words)
        encoder.append("PING", Array(mark.utf8))
        let text = "$\(mark.utf8.count)\r\n\(mark)\r\n"
        let ends = [text, "*2\r\n$4\r\npong\r\n\(text)"].map { Reply.framed(Array($0.utf8)) }
        pin.outstanding += 1
        pin.subscribing += 1
        pin.redis.send(encoder, timeoutNanoseconds: timeout, until: ends) { [self] result in
            let now = Loop.monotonicNanoseconds
            pin.outstanding -= 1
            pin.subscribing -= 1
            switch result {
            case .success:
                breaker.succeeded(permit, now: now, elapsed: nil)
                worker.counters.passedAnswered.add()
                c.complete(slot) { _ in }
                if c.pin === pin { releaseIfDone(c) }
            case .failure(let failure):
                if failure.cause != .notConnected || !c.isClosed {
                    breaker.failed(permit, failure, now: now, elapsed: nil)
                }
                let outcome = failure.mayHaveBeenSent ? "outcome unknown" : "not sent"
                let wasSubscribed = pin.isSubscribed
                refuse(c, slot, "\(outcome): \(failure.text)")
                guard c.pin === pin else { return }
                if wasSubscribed {
                    // What the client is subscribed to can't be known any more.
                    worker.log.clientError("subscription_lost", c, failure.text)
                    c.closeAfterReplies()
                } else {
                    release(c)
                }
            }
        }
        return true
    }

    func monitor(_ c: Connection, _ words: [[UInt8]]) -> Bool {
        guard c.isIdle else { return false }
        guard words.count == 1 else {
            worker.refuse(c, CommandError.arity("monitor").text)
            return true
        }
        if breaker.refusesReads { return refuse(c, "not sent: \(breaker.reasonForReads)") }
        // It shows every command, with its keys and values.
        let touches = worker.auditsReads ? [AuditedTouch(command: "MONITOR", key: nil, element: nil)] : []
        if let refusal = worker.audit?.admit(touches, c) { return refuse(c, refusal) }
        guard let pin = pin(for: c) else { return refuse(c, pinRefusal) }
        worker.counters.commands.add()
        let slot = c.reserve(keys: [], isWrite: false, isBarrier: true, lane: .pinned, hasEffect: true)
        listen(pin, c)
        pin.isMonitoring = true
        send(PassedRequest(words: words, timeout: timeout), pin, c, slot) { reply in
            if reply?.isError ?? true { pin.isMonitoring = false }
        }
        return true
    }

    /// A command of a client that may do nothing but what concerns its subscriptions, or the monitor; false when it
    /// must wait. Nil where it is carried out as always.
    func restrict(_ c: Connection, _ pin: Pin, _ command: Command?, _ a: Arguments) -> Bool? {
        if let name = command?.name, name == "quit" || name == "reset" { return nil }
        let words = a.all
        if pin.isMonitoring {
            if let command, !command.isAboutKeys { return nil }
            worker.refuse(c, "ERR Replica can't interact with the keyspace")
            return true
        }
        if case .subscription = PassedKind(words) { return nil }
        guard command?.name == "ping" else {
            let name = Array(words[0].prefix(128)).lowercasedText
            worker.refuse(
                c,
                "ERR Can't execute '\(name)': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
                    + "in this context")
            return true
        }
        guard c.isIdle else { return false }
        return exchange(c, pin, words)
    }
}

extension Pin {
    private static let kinds: [(word: [UInt8], isShard: Bool)] = [
        ("subscribe", false), ("unsubscribe", false), ("psubscribe", false), ("punsubscribe", false),
        ("ssubscribe", true), ("sunsubscribe", true),
    ].map { (Array($0.0.utf8), $0.1) }

    /// Keeps count of subscriptions, from what Redis says of each: kind, channel, and how many there are now.
    func note(_ bytes: [UInt8]) {
        guard bytes.count > 8, bytes[1] == UInt8(ascii: "3"), bytes[2] == 13, bytes[4] == UInt8(ascii: "$"),
            let line = bytes[5...].firstIndex(of: 10)
        else { return }
        let word = bytes[(line + 1)...].prefix { $0 != 13 }
        guard let kind = Self.kinds.first(where: { $0.word.elementsEqual(word) }),
            case .array(let parts) = Reply.framed(bytes).understood, let count = parts.last?.integer
        else { return }
        if kind.isShard { shardSubscriptions = count } else { subscriptions = count }
    }
}
