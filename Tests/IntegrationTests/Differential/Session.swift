// One client in two places: a connection to Hearth and one to a Redis of its own, which are sent the same.

import TestSupport

/// A client of both servers, and what it is in the middle of.
final class Session {
    let ours: RESPClient
    let theirs: RESPClient
    private var speaks3 = false
    /// Requests until EXEC; nil outside MULTI.
    private var untilEnd: Int?
    private var isWatching = false
    /// What Redis has queued, for EXEC's replies.
    var queued: [Request] = []

    init(ours: RESPClient, theirs: RESPClient, speaks3: Bool) throws {
        (self.ours, self.theirs, self.speaks3) = (ours, theirs, speaks3)
        if speaks3 { for client in [ours, theirs] { _ = try client.call("HELLO", "3") } }
    }

    /// The next requests, which must not be parted.
    func next(_ generator: inout CommandGenerator) -> [Request] {
        func transaction(_ words: [Word]...) -> [Request] { words.map { Request(words: $0, family: .transactions) } }
        if let left = untilEnd {
            generator.count += 1
            guard left > 0 else {
                untilEnd = nil
                isWatching = false
                return transaction([generator.oneIn(7) ? "DISCARD" : "EXEC"])
            }
            untilEnd = left - 1
            switch generator.int(0...60) {
            case 0: return transaction(["MULTI"])
            case 1: return transaction(["WATCH", generator.anyKey()])
            case 2: return transaction(["UNWATCH"])
            case 3:
                // What Hearth refuses here aborts its transaction, so Redis's is given up with it.
                untilEnd = nil
                isWatching = false
                return transaction(
                    generator.pick([
                        ["AUTH", "x"], ["CLIENT", "GETNAME"], ["CONFIG", "GET", "hz"], ["HELLO"], ["SELECT", "0"],
                        ["SUBSCRIBE", "c"], ["MONITOR"],
                    ]), ["DISCARD"])
            default: return generator.next(inTransaction: true)
            }
        }
        switch generator.int(0...199) {
        case 0...3:
            untilEnd = generator.int(0...7)
            return transaction(["MULTI"])
        case 4...5:
            isWatching = true
            return transaction(["WATCH"] + generator.some(1...2) { $0.anyKey() })
        case 6:
            isWatching = false
            return transaction(["UNWATCH"])
        case 7: return transaction(generator.pick([["EXEC"], ["DISCARD"], ["WATCH"], ["EXEC", "x"]]))
        case 8: return subscription(&generator)
        case 9:
            isWatching = false
            return [Request(words: ["RESET"], family: .connection)]
                + (speaks3 ? [Request(words: ["HELLO", "3"], family: .connection)] : [])
        case 10: return [Request(words: generator.pick(ReplyDifferences.refusedRequests), family: .server)]
        case 11...12 where isWatching:
            untilEnd = generator.int(1...4)
            return transaction(["MULTI"])
        case 13 where !isWatching:
            speaks3.toggle()
            return [Request(words: ["HELLO", speaks3 ? "3" : "2"], family: .connection)]
        default:
            while true {
                let requests = generator.next(inTransaction: false)
                // HELLO can't change the protocol while keys are watched (docs/protocol.md).
                if isWatching, requests.contains(where: { $0.words[0].name == "HELLO" }) { continue }
                return requests
            }
        }
    }

    private func subscription(_ generator: inout CommandGenerator) -> [Request] {
        isWatching = false
        let channel: Word = generator.pick(["c", "d"])
        let (on, off): (Word, Word) = generator.pick([
            ("SUBSCRIBE", "UNSUBSCRIBE"), ("PSUBSCRIBE", "PUNSUBSCRIBE"), ("SSUBSCRIBE", "SUNSUBSCRIBE"),
        ])
        var words: [[Word]] = [["UNWATCH"], [on, channel]]
        if !speaks3 { words += [["PING"], ["GET", "a"], ["PING", "x"]] }
        words += [[off, channel], ["PUBLISH", channel, "nobody"], ["PUBSUB", "NUMSUB", channel]]
        return words.map { Request(words: $0, family: .subscriptions) }
    }
}
