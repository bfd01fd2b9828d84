// Messages of records in the simulated Redis, written from what their scripts promise.

internal import Primitives
internal import Tiers

extension SimulatedRedis {
    private static let index = Array("hearth:outbox".utf8)

    /// The entries of a stream, none where there is no such key; nil for a key of another type.
    func streamEntries(_ key: [UInt8]) -> [StreamEntry]? {
        switch live(key)?.content {
        case nil: []
        case .stream(let entries)?: entries
        default: nil
        }
    }

    /// The messages that a stream holds, as `id key version payload`.
    public func messages(in stream: String) -> [String] {
        (streamEntries(Array(stream.utf8)) ?? []).map { entry in
            stride(from: 1, to: entry.fields.count, by: 2).prefix(4)
                .map { String(decoding: entry.fields[$0], as: UTF8.self) }.joined(separator: " ")
        }
    }

    /// So many messages that wait for a stream.
    public func plantWaiting(_ count: Int, for stream: String) {
        let fields = ["id", "0", "key", "k", "version", "1", "payload", "", "maxlen", "0"].map { Array($0.utf8) }
        let entries = Array(repeating: StreamEntry(number: now.milliseconds, fields: fields), count: count)
        store(Self.index + Array(":\(stream)".utf8), Entry(content: .stream(entries)))
        var scores = scores
        scores[Array(stream.utf8)] = now.milliseconds
        store(scores)
    }

    /// XADD: nil, or why not, where the key holds something else or nobody may append to it.
    private func append(_ fields: [[UInt8]], to stream: [UInt8], maxLength: Int = 0) -> String? {
        if forbiddenStreams.contains(stream) { return "NOPERM this user has no permissions to access one of the keys" }
        guard var entries = streamEntries(stream) else {
            return "WRONGTYPE Operation against a key holding the wrong kind of value"
        }
        entries.append(StreamEntry(number: now.milliseconds, fields: fields))
        if maxLength > 0 { entries.removeFirst(max(0, entries.count - maxLength)) }
        store(stream, Entry(content: .stream(entries)))
        return nil
    }

    private var scores: [[UInt8]: Int64] {
        if case .sortedSet(let scores)? = live(Self.index)?.content { scores } else { [:] }
    }

    private func store(_ scores: [[UInt8]: Int64]) {
        store(Self.index, scores.isEmpty ? nil : Entry(content: .sortedSet(scores)))
    }

    /// ZRANGE … WITHSCORES.
    func members(of key: [UInt8]) -> Reply {
        guard case .sortedSet(let scores)? = live(key)?.content else { return .array([]) }
        return .array(
            scores.sorted {
                ($0.value, String(decoding: $0.key, as: UTF8.self)) < (
                    $1.value, String(decoding: $1.key, as: UTF8.self)
                )
            }
            .flatMap { [.string($0.key), .string(Array(String($0.value).utf8))] })
    }

    // MARK: With a write

    /// Why messages can't be taken; `keys` are queues.
    func refusal(of messages: Int, for keys: [[UInt8]], _ words: [[UInt8]]) -> Reply? {
        for index in keys.indices {
            let waiting = streamEntries(keys[index])?.count ?? 0
            if waiting + messages > count(words[6]) { return .error("TOOBIG \(waiting) messages wait for the stream") }
            if waiting == 0, scores.count >= count(words[7]) { return .error("TOOBIG messages wait for streams") }
        }
        return nil
    }

    /// Sends messages to their streams; how many have to wait.
    func send(_ messages: Int, of keys: [[UInt8]], _ words: [[UInt8]]) -> Int {
        var waiting = 0
        for index in 0..<messages {
            let at = 9 + 5 * index
            let place = count(words[at]) - 1
            let (queue, stream) = (keys[place], words[at + 1])
            let message = [
                Array("id".utf8), words[at + 2], Array("key".utf8), keys[0], Array("version".utf8), words[at + 3],
                Array("payload".utf8), words[at + 4],
            ]
            if live(queue) == nil, append(message, to: stream, maxLength: count(words[8])) == nil { continue }
            _ = append(message + [Array("maxlen".utf8), words[8]], to: queue)
            var scores = scores
            if scores[stream] == nil { scores[stream] = now.milliseconds }
            store(scores)
            waiting += 1
        }
        return waiting
    }

    // MARK: Later

    /// EVALSHA and EVAL of the delivering script; nil for another.
    func deliver(_ a: [[UInt8]], byDigest: Bool) -> Reply? {
        guard byDigest ? a[1] == OutboxScripts.digest : a[1] == Array(OutboxScripts.text.utf8) else { return nil }
        if byDigest, !knowsOutbox { return .error("NOSCRIPT No matching script. Please use EVAL.") }
        knowsOutbox = true
        let (queue, stream) = (a[4], a[5])
        var entries = streamEntries(queue) ?? []
        var delivered = 0
        var failure = ""
        for entry in entries.prefix(count(a[6])) {
            if let reason = append(Array(entry.fields.prefix(8)), to: stream, maxLength: count(entry.fields[9])) {
                failure = reason
                break
            }
            delivered += 1
        }
        entries.removeFirst(delivered)
        store(queue, entries.isEmpty ? nil : Entry(content: .stream(entries)))
        var scores = scores
        if let first = entries.first {
            if delivered > 0 { scores[stream] = first.number }
        } else {
            scores[stream] = nil
        }
        store(scores)
        return .array([.integer(Int64(delivered)), .integer(Int64(entries.count)), .string(Array(failure.utf8))])
    }

    /// What is left of a queue from which messages were taken.
    func replaceQueue(_ queue: [UInt8], of stream: [UInt8], by left: [StreamEntry]) {
        store(queue, left.isEmpty ? nil : Entry(content: .stream(left)))
        var scores = scores
        scores[stream] = left.first?.number
        store(scores)
    }

    private func count(_ bytes: [UInt8]) -> Int { Int(String(decoding: bytes, as: UTF8.self)) ?? 0 }
}
