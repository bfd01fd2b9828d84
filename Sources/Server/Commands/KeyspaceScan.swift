// Walks over the keys: Redis's answer where there is a Redis, the warm tier's own in the embedded mode.
//
// Source: https://redis.io/commands/scan/.

internal import RESP
internal import Tiers

enum KeyspaceScan {
    private struct Options {
        var pattern: [UInt8]?
        var count = 10
        var type: String?
    }

    /// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
    static func scan(_ c: Connection, _ a: Arguments) throws(CommandError) {
        if c.worker.tiers.hasRedis { return forward(c, a) }
        guard let cursor = cursor(a.text(1)) else { throw CommandError("ERR invalid cursor") }
        var options = Options()
        var index = 2
        while index < a.count {
            guard index + 1 < a.count else { throw .syntax }
            if a.isWord(index, "match") {
                options.pattern = a.bytes(index + 1)
            } else if a.isWord(index, "count") {
                let count = try Parse.integer(a[index + 1])
                guard count >= 1 else { throw .syntax }
                options.count = Int(min(count, 10_000))
            } else if a.isWord(index, "type") {
                options.type = a.lowercased(index + 1)
            } else {
                throw .syntax
            }
            index += 2
        }
        let slot = c.reserve(keys: [], isWrite: false, isBarrier: true)
        c.worker.tiers.scan(cursor: cursor, count: options.count) { [options] page in
            guard let page else { return refuse(c, slot) }
            let isWanted = options.type ?? "string" == "string"
            let matching = isWanted ? page.keys.filter { matches($0, options.pattern) } : []
            c.complete(slot) { output in
                output.arrayHead(2)
                output.bulk(String(page.next))
                output.arrayHead(matching.count)
                for key in matching { output.bulk(key) }
            }
        }
    }

    /// A cursor as strtoul reads it, which Redis calls: nothing is zero, and what is negative counts from the end.
    private static func cursor(_ text: String) -> UInt64? {
        text.isEmpty ? 0 : UInt64(text) ?? Int64(text).map { UInt64(bitPattern: $0) }
    }

    static func keys(_ c: Connection, _ a: Arguments) {
        if c.worker.tiers.hasRedis { return forward(c, a) }
        let slot = c.reserve(keys: [], isWrite: false, isBarrier: true)
        let pattern = a.bytes(1)
        let found = Found()
        collect(c, cursor: 0, pattern, into: found) { isWhole in
            guard isWhole else { return refuse(c, slot) }
            c.complete(slot) { output in
                output.arrayHead(found.keys.count)
                for key in found.keys { output.bulk(key) }
            }
        }
    }

    private final class Found {
        var keys: [[UInt8]] = []
    }

    private static func collect(
        _ c: Connection, cursor: UInt64, _ pattern: [UInt8], into found: Found,
        _ completion: @escaping (_ isWhole: Bool) -> Void
    ) {
        c.worker.tiers.scan(cursor: cursor, count: 1000) { page in
            guard let page else { return completion(false) }
            found.keys += page.keys.filter { matches($0, pattern) }
            if page.next == 0 { return completion(true) }
            collect(c, cursor: page.next, pattern, into: found, completion)
        }
    }

    private static func refuse(_ c: Connection, _ slot: Slot) {
        c.complete(slot) { $0.error("UNAVAILABLE not answered: as many reads wait for the warm tier as may") }
    }

    static func randomKey(_ c: Connection, _ a: Arguments) {
        if c.worker.tiers.hasRedis { return forward(c, a) }
        let slot = c.reserve(keys: [], isWrite: false, isBarrier: true)
        let place = UInt64.random(in: 0..<(1 << 38))
        c.worker.tiers.scan(cursor: place, count: 16) { page in
            guard let page else { return refuse(c, slot) }
            if let key = page.keys.randomElement() { return c.complete(slot) { $0.bulk(key) } }
            firstKey(c, cursor: 0) { answer in
                guard case .some(let key) = answer else { return refuse(c, slot) }
                c.complete(slot) { output in
                    if let key { output.bulk(key) } else { output.null(slot.version) }
                }
            }
        }
    }

    /// The first key of the walk; `.some(nil)` where there is none, nil where the walk could not be made.
    private static func firstKey(_ c: Connection, cursor: UInt64, _ completion: @escaping ([UInt8]??) -> Void) {
        c.worker.tiers.scan(cursor: cursor, count: 64) { page in
            guard let page else { return completion(nil) }
            if let key = page.keys.first { return completion(.some(key)) }
            if page.next == 0 { completion(.some(nil)) } else { firstKey(c, cursor: page.next, completion) }
        }
    }

    private static func forward(_ c: Connection, _ a: Arguments) {
        let slot = c.reserve(keys: [], isWrite: false, isBarrier: true)
        c.worker.tiers.forward(a.all, isWrite: false) { reply in c.complete(slot) { $0.reply(reply, slot.version) } }
    }

    private static func matches(_ key: [UInt8], _ pattern: [UInt8]?) -> Bool {
        guard let pattern else { return true }
        return Glob(pattern).matches(key)
    }
}
