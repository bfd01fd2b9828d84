// The scripts of records in the simulated Redis, written from what they promise and not translated from their text.

internal import Primitives
internal import Tiers

extension SimulatedRedis {
    /// EVALSHA and EVAL of a record's scripts; nil for another script.
    func record(_ a: [[UInt8]], byDigest: Bool) -> Reply? {
        let isSwap = byDigest ? a[1] == RecordScripts.digest : a[1] == Array(RecordScripts.text.utf8)
        guard isSwap else { return nil }
        if byDigest, !knowsRecords { return .error("NOSCRIPT No matching script. Please use EVAL.") }
        knowsRecords = true
        let count = Int(String(decoding: a[2], as: UTF8.self)) ?? 0
        let keys = Array(a[3..<3 + count])
        let words = Array(a[(3 + count)...])
        return swap(keys, words)
    }

    /// A hash as another client would have made it.
    public func plantHash(_ key: String, _ fields: [String: String]) {
        let content = Dictionary(uniqueKeysWithValues: fields.map { (Array($0.key.utf8), Array($0.value.utf8)) })
        store(Array(key.utf8), Entry(content: .hash(content)))
    }

    private func swap(_ keys: [[UInt8]], _ words: [[UInt8]]) -> Reply {
        let key = keys[0]
        var fields: [[UInt8]: [UInt8]] = [:]
        let entry = live(key)
        if let entry {
            guard case .hash(let held) = entry.content, held[Self.version] != nil, held[Array("operations".utf8)] != nil
            else {
                return .error("WRONGTYPE Operation against a key holding the wrong kind of value")
            }
            fields = held
        }
        let version = fields[Self.version] ?? [UInt8(ascii: "0")]
        let operations = fields[Array("operations".utf8)] ?? []
        let state = version + [UInt8(ascii: ":")] + (fields[Array("schema".utf8)] ?? [UInt8(ascii: "0")])
        guard state == words[0], operations.starts(with: words[1]) else {
            let life: Int64 = entry.map { $0.expiresAt == .never ? -1 : $0.expiresAt.milliseconds(since: now) } ?? -2
            let time = [now.milliseconds / 1000, now.milliseconds % 1000 * 1000]
            return .array([
                .array(fields.flatMap { [.string($0.key), .string($0.value)] }), .integer(life),
                .array(time.map { .string(Array(String($0).utf8)) }),
            ])
        }
        if condition == .outOfMemory { return .error("OOM command not allowed when used memory > 'maxmemory'.") }
        let messages = Int(number(words[5]))
        if let refusal = refusal(of: messages, for: Array(keys.dropFirst(2)), words) { return refusal }
        let first = 10 + 5 * messages
        let last = first + 2 * Int(number(words[first - 1]))
        for index in stride(from: first, to: last, by: 2) { fields[words[index]] = words[index + 1] }
        for name in words[last...] { fields[name] = nil }
        let expiresAt: Timestamp
        switch words[2] {
        case [UInt8(ascii: "-")]: expiresAt = .never
        case [UInt8(ascii: "=")]: expiresAt = entry?.expiresAt ?? .never
        default: expiresAt = now.advanced(byMilliseconds: number(words[2]))
        }
        store(key, expiresAt <= now ? nil : Entry(content: .hash(fields), expiresAt: expiresAt))
        if stride(from: first, to: last, by: 2).contains(where: { words[$0] == Array("deleted".utf8) }) {
            tell([key], by: words[3], length: words[4])
        }
        let waiting = send(messages, of: keys, words)
        return .status(Array((waiting == 0 ? "OK" : "WAITING \(waiting)").utf8))
    }

    private static let version = Array("version".utf8)

    /// Whether there was such a key; of a record its version and what goes on from it stay.
    @discardableResult
    func delete(_ key: [UInt8], life: Int64) -> Bool {
        guard let entry = live(key) else { return false }
        guard case .hash(let fields) = entry.content, let version = fields[Self.version],
            fields[Array("operations".utf8)] != nil, version.allSatisfy({ $0 >= 48 && $0 <= 57 })
        else {
            store(key, nil)
            return true
        }
        guard fields[Array("deleted".utf8)] == nil else { return false }
        let kept = Set(["created_ms", "updated_ms", "fence", "operations"].map { Array($0.utf8) })
        var left = fields.filter { kept.contains($0.key) }
        left[Self.version] = Array(String(number(version) + 1).utf8)
        left[Array("deleted".utf8)] = [UInt8(ascii: "1")]
        store(key, Entry(content: .hash(left), expiresAt: now.advanced(byMilliseconds: life)))
        return true
    }

    private func number(_ bytes: [UInt8]) -> Int64 { Int64(String(decoding: bytes, as: UTF8.self)) ?? 0 }
}
