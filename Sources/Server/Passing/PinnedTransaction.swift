// MULTI … EXEC in Redis itself: where a command of it is not native, or keys are watched.

internal import Primitives
internal import RESP
internal import RedisTier
internal import Tiers

enum PinnedTransaction {
    /// Commands about the connection to Hearth, those that would make it another kind of connection, and THROTTLE,
    /// which Redis does not know by that name.
    private static let refused: Set<String> = [
        "auth", "client", "config", "hearth", "hello", "host:", "post", "select", "monitor", "subscribe", "psubscribe",
        "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe", "throttle",
    ]

    /// MULTI while keys are watched.
    static func begin(_ c: Connection, _ transaction: Transaction) {
        guard let passage = c.worker.passage, let pin = c.pin else {
            preconditionFailure("BUG: keys are watched without a connection")
        }
        transaction.isPinned = true
        c.worker.counters.commands.add()
        let slot = c.reserve(keys: [], isWrite: false, lane: .pinned, hasEffect: true)
        let request = PassedRequest(words: [Array("MULTI".utf8)], timeout: c.worker.tiers.redisTimeout)
        passage.send(request, pin, c, slot) { reply in
            if reply == nil { transaction.isLost = true }
        }
    }

    /// Queues a command in Redis; the first one takes all that was queued here with it. False when it must wait.
    static func queue(_ c: Connection, _ transaction: Transaction, _ command: Command?, _ a: Arguments) -> Bool {
        let worker = c.worker
        let words = a.all
        let name = words[0].lowercasedText
        func refuse(_ text: String) -> Bool {
            worker.counters.commands.add()
            worker.refuse(c, text)
            return true
        }
        if name == "watch" { return refuseWatch(c) }
        guard let passage = worker.passage else {
            if command != nil {
                return refuse("ERR \(name) can't be part of MULTI here: only commands on plain strings can")
            }
            let isKnown = RedisNames.contains(words[0])
            return refuse(isKnown ? "UNAVAILABLE no Redis is configured (redis.url: off)" : Worker.unknown(a))
        }
        if refused.contains(name) { return refuse("ERR \(name) can't be part of MULTI here") }
        if let refusal = DeniedCommands.refusal(words, allowed: worker.configuration.allowedCommands) {
            worker.counters.passedDenied.add()
            return refuse(refusal)
        }
        guard transaction.bytes + Passage.bytes(words) <= worker.configuration.maxRequest else {
            return refuse(
                "ERR this transaction is larger than limits.max_request (\(worker.configuration.maxRequest) bytes); "
                    + "split it")
        }
        if passage.breaker.refusesReads {
            return refuse("UNAVAILABLE not sent: \(passage.breaker.reasonForReads)")
        }
        switch passage.table(for: c) {
        case .wait: return false
        case .refused(let text): return refuse("UNAVAILABLE \(text)")
        case .known(let table):
            switch worker.asRedisIsToldIt(a, words) {
            case .success(let words): return hand(c, transaction, words, table, passage)
            case .failure(let error): return refuse(error.text)
            }
        }
    }

    /// Redis says so, and carries the transaction out all the same.
    private static func refuseWatch(_ c: Connection) -> Bool {
        c.worker.fail(c, CommandError("ERR WATCH inside MULTI is not allowed"))
        return true
    }

    private static func hand(
        _ c: Connection, _ transaction: Transaction, _ words: [[UInt8]], _ table: RedisCommandTable, _ passage: Passage
    ) -> Bool {
        guard c.mayStart([], isWrite: true, lane: .pinned) else { return false }
        let queuedBefore = transaction.isPinned ? [] : transaction.words { c.worker.asRedisIsToldIt($0) }
        let named = (queuedBefore + [words]).flatMap { UnderstoodRequest($0, table).keys?.all ?? [] }
        if let text = passage.denial(of: named) {
            c.worker.counters.passedDenied.add()
            c.worker.refuse(c, text)
            return true
        }
        guard let pin = passage.pin(for: c) else {
            c.worker.refuse(c, "UNAVAILABLE \(passage.pinRefusal)")
            return true
        }
        var request = PassedRequest(words: words, timeout: c.worker.tiers.redisTimeout)
        request.isInTransaction = transaction.isPinned
        if !transaction.isPinned {
            let queued = transaction.words { c.worker.asRedisIsToldIt($0) }
            request.ahead = [[Array("MULTI".utf8)]] + queued
            for words in queued { transaction.note(words, table, c.worker) }
            transaction.isPinned = true
        }
        transaction.note(words, table, c.worker)
        transaction.count(Passage.bytes(words))
        c.worker.counters.commands.add()
        let slot = c.reserve(
            keys: [], isWrite: true, requestBytes: Passage.bytes(words), lane: .pinned, hasEffect: true)
        passage.send(request, pin, c, slot) { reply in
            // Redis may or may not have queued it.
            if reply == nil { transaction.isLost = true }
        }
        return true
    }

    static func execute(_ c: Connection, _ transaction: Transaction) {
        guard let passage = c.worker.passage, let pin = c.pin else {
            preconditionFailure("BUG: a transaction is pinned without a connection")
        }
        let keys = Array(transaction.written)
        let slot = c.reserve(
            keys: [], isWrite: true, isBarrier: true, operation: .transaction, lane: .pinned, hasEffect: true)
        var request = PassedRequest(words: [Array("EXEC".utf8)], timeout: c.worker.tiers.redisTimeout)
        request.isWrite = transaction.isWrite
        request.written = keys
        request.changesAll = transaction.changesAll
        request.isInTransaction = true
        let named = Array(transaction.named.union(c.watchedKeys))
        if transaction.changesAll { request.awaited = [] } else if !named.isEmpty { request.awaited = named }
        if transaction.hasScript { request.timeout = .max }
        c.transaction = nil
        c.watch = .none
        passage.send(request, pin, c, slot) { reply in
            // Where the pin stays, Redis must not stay within MULTI.
            if reply == nil, c.pin === pin { passage.undo(c, "DISCARD") }
        }
    }

    /// Forgets a transaction and what was watched for it; Redis does with the connection.
    static func end(_ c: Connection) {
        let wasPinned = c.transaction?.isPinned ?? false
        let wasWatching = c.watch == .set
        c.transaction = nil
        c.watch = .none
        c.worker.passage?.undo(c, wasPinned ? "DISCARD" : wasWatching ? "UNWATCH" : nil)
    }
}

extension Transaction {
    /// Notes what a queued command may change.
    fileprivate func note(_ words: [[UInt8]], _ table: RedisCommandTable, _ worker: Worker) {
        let understood = UnderstoodRequest(words, table)
        if worker.auditsAnything {
            pinnedTouches += worker.touches(words, understood, understood.keys?.all, element: queuedInRedis)
        }
        queuedInRedis += 1
        isWrite = isWrite || understood.isWrite
        changesAll = changesAll || understood.changesAll
        if PassedKind.isScript(words[0].lowercasedText) { hasScript = true }
        named.formUnion(understood.keys?.all ?? [])
        guard understood.changesKeys else { return }
        if let keys = understood.keys { written.formUnion(keys.written) } else { changesAll = true }
    }
}
