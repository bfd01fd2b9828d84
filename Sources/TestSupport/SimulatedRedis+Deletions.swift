// The stream of deletions in the simulated Redis, written from what its scripts promise.

internal import Primitives
internal import Tiers

extension SimulatedRedis {
    private func count(_ bytes: [UInt8]) -> Int { Int(String(decoding: bytes, as: UTF8.self)) ?? 0 }

    /// An entry's number has the milliseconds of its id in the upper bits.
    private static func id(_ number: Int64) -> [UInt8] { Array("\(number >> 20)-\(number & 0xF_FFFF)".utf8) }

    private static func number(_ id: [UInt8]) -> Int64 {
        let parts = String(decoding: id, as: UTF8.self).split(separator: "-").map { Int64($0) ?? 0 }
        return parts.count == 2 ? parts[0] << 20 | parts[1] : 0
    }

    private func add(_ fields: [[UInt8]], length: Int) -> [UInt8] {
        var entries = streamEntries(DeletionScripts.stream) ?? []
        let number = max(now.milliseconds << 20, (entries.last?.number ?? 0) + 1)
        entries.append(StreamEntry(number: number, fields: fields))
        if length > 0 { entries.removeFirst(max(0, entries.count - length)) }
        store(DeletionScripts.stream, Entry(content: .stream(entries)))
        return Self.id(number)
    }

    /// Appends the deletion of keys, as the scripts do that delete.
    func tell(_ keys: [[UInt8]], by: [UInt8], length: [UInt8]) {
        guard count(length) > 0, !forbiddenStreams.contains(DeletionScripts.stream) else { return }
        let hashes = keys.flatMap { SHA1Digest($0).hexadecimal.prefix(16) }
        _ = add([Array("by".utf8), by, Array("keys".utf8), hashes], length: count(length))
    }

    /// XADD hearth:deletions MAXLEN ~ n * field value …
    func addDeletion(_ a: [[UInt8]]) -> Reply {
        guard a[1] == DeletionScripts.stream, a.count > 6, a[5] == [UInt8(ascii: "*")] else {
            return .error("ERR an XADD that the simulation does not know")
        }
        return .string(add(Array(a[6...]), length: count(a[4])))
    }

    /// XRANGE key start + COUNT n.
    func range(of key: [UInt8], from start: [UInt8], count: Int) -> Reply {
        if forbiddenStreams.contains(key) {
            return .error("NOPERM this user has no permissions to access one of the keys")
        }
        let entries = (streamEntries(key) ?? []).filter { $0.number >= Self.number(start) }.prefix(count)
        return .array(entries.map { Self.reply($0) })
    }

    private static func reply(_ entry: StreamEntry) -> Reply {
        .array([.string(id(entry.number)), .array(entry.fields.map { .string($0) })])
    }

    /// EVAL of the scripts of deletions; nil for another script.
    func deletions(_ a: [[UInt8]]) -> Reply? {
        let keyCount = count(a[2])
        let keys = Array(a[3..<3 + keyCount])
        let words = Array(a[(3 + keyCount)...])
        switch a[1] {
        case DeletionScripts.deletion:
            let deleted = keys.count { delete($0, life: Int64(count(words[0]))) }
            tell(keys, by: words[1], length: words[2])
            return .integer(Int64(deleted))
        case DeletionScripts.getDelete:
            let reply = execute([Array("GET".utf8), keys[0]])
            if reply.isError { return reply }
            if live(keys[0]) != nil { store(keys[0], nil) }
            tell(keys, by: words[0], length: words[1])
            return reply
        case DeletionScripts.note:
            if keys.isEmpty, count(words[1]) > 0 {
                let fields = [Array("by".utf8), words[0], Array("all".utf8), Array("1".utf8)]
                _ = add(fields, length: count(words[1]))
            } else {
                tell(keys, by: words[0], length: words[1])
            }
            return .integer(0)
        case DeletionScripts.join: return joinDeletions(words[0])
        case DeletionScripts.promotion: return promote(keys[0], words)
        default: return nil
        }
    }

    private func joinDeletions(_ process: [UInt8]) -> Reply {
        let isNew = streamEntries(DeletionScripts.stream)?.isEmpty ?? true
        if isNew {
            _ = add([Array("begin".utf8), process], length: 0)
        }
        let entries = streamEntries(DeletionScripts.stream) ?? []
        let first = entries[0]
        let begun = first.fields[0] == Array("begin".utf8) ? first.fields[1] : []
        return .array([
            .string(Self.id(first.number)), .string(begun), .string(Self.id(entries[entries.count - 1].number)),
            .integer(isNew ? 1 : 0),
        ])
    }

    private func promote(_ key: [UInt8], _ words: [[UInt8]]) -> Reply {
        if live(key) != nil { return .status("OTHER") }
        if !words[0].isEmpty {
            let known = Self.number(words[0])
            let entries = (streamEntries(DeletionScripts.stream) ?? []).filter { $0.number >= known }
            guard entries.first?.number == known, entries.count <= 1001 else { return .status("BEHIND") }
            for entry in entries.dropFirst() {
                for index in stride(from: 0, to: entry.fields.count, by: 2) {
                    let value = String(decoding: entry.fields[index + 1], as: UTF8.self)
                    let isOfKey = value.contains(String(decoding: words[1], as: UTF8.self))
                    switch String(decoding: entry.fields[index], as: UTF8.self) {
                    case "all": return .status("DELETED")
                    case "keys" where isOfKey: return .status("DELETED")
                    default: break
                    }
                }
            }
        }
        if condition == .outOfMemory { return .error("OOM command not allowed when used memory > 'maxmemory'.") }
        let life = Int64(count(words[2]))
        let expiresAt = life == 0 ? Timestamp.never : now.advanced(byMilliseconds: life)
        if words[3] == [UInt8(ascii: "s")] {
            store(key, Entry(content: .string(words[4]), expiresAt: expiresAt))
        } else {
            var fields: [[UInt8]: [UInt8]] = [:]
            for index in stride(from: 4, to: words.count - 1, by: 2) { fields[words[index]] = words[index + 1] }
            store(key, Entry(content: .hash(fields), expiresAt: expiresAt))
        }
        return .status("OK")
    }
}
