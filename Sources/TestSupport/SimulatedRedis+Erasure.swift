// What an erasure asks of the simulated Redis: walks over its keys, and messages taken out of their queues.

internal import Primitives
internal import Tiers

extension SimulatedRedis {
    /// SCAN cursor MATCH pattern COUNT count: in the order of the keys' hashes, so that what comes and goes moves none.
    func scan(from cursor: [UInt8], matching pattern: [UInt8], count: Int) -> Reply {
        let start = UInt64(String(decoding: cursor, as: UTF8.self)) ?? 0
        let places = entries.keys.filter { live($0) != nil }
            .map { (place: max(1, $0.withUnsafeBytes { xxh3($0) } >> 1), key: $0) }
            .filter { $0.place >= start }.sorted { $0.place < $1.place }
        let page = places.prefix(count)
        let next = places.count > count ? places[count].place : 0
        let prefix = Self.literal(pattern)
        return .array([
            .string(Array(String(next).utf8)),
            .array(page.filter { $0.key.starts(with: prefix) }.map { .string($0.key) }),
        ])
    }

    /// The prefix that a pattern of a prefix is for: without its last star and its backslashes.
    private static func literal(_ pattern: [UInt8]) -> [UInt8] {
        var literal: [UInt8] = []
        var isEscaped = false
        for byte in pattern.dropLast() {
            if byte == UInt8(ascii: "\\"), !isEscaped {
                isEscaped = true
            } else {
                literal.append(byte)
                isEscaped = false
            }
        }
        return literal
    }

    /// EVAL of the script that takes messages of records under a prefix out of a queue; nil for another script.
    func eraseMessages(_ a: [[UInt8]]) -> Reply? {
        guard a[1] == Array(ErasureScripts.messages.utf8) else { return nil }
        let (queue, stream, prefix) = (a[4], a[5], a[8])
        let held = streamEntries(queue) ?? []
        let left = held.filter { entry in
            let name = entry.fields.firstIndex(of: Array("key".utf8)) ?? 0
            return !entry.fields[name + 1].starts(with: prefix)
        }
        replaceQueue(queue, of: stream, by: left)
        return .array([
            .integer(Int64(held.count - left.count)), .integer(Int64(min(held.count, 511))), .string(Array("-".utf8)),
        ])
    }
}
