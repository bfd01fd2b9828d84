// One line of the audit: how it is written, and what can be read of it.
//
//     {"seq":7,"prev":"<64 digits>","time":"2026-01-31T23:59:59.123Z", … ,"hash":"<64 digits>"}
//
// DESIGN. `hash` is the SHA-256 of the line's bytes up to the comma before `"hash"`; `prev` is the `hash` of the line
// before, and 64 zeros in the very first. So a line that was altered shows by itself, and one that was taken out, put
// in or moved shows by its neighbours. The first three members and the last have fixed places: whether a line is whole
// is known without reading JSON. A line that tells of the file and not of an access has "event" as its fourth member.

internal import Metrics
public import Primitives

/// What a line tells of the audit itself.
public enum AuditEvent: Sendable, Equatable {
    /// How the chain stood when this process, or this file, took it up.
    public enum After: String, Sendable, CaseIterable {
        /// There was no chain.
        case nothing
        /// The process before closed it in order.
        case closed
        /// The file before was full, or moved away.
        case rotated
        /// The process before was killed, or its disk failed.
        case killed
    }

    /// The first line of a file or of a process's life; after a kill with what lies torn before it.
    case opened(After, tornBytes: Int, tornHash: SHA256Digest?)
    /// The process ended in order.
    case closed
    /// The last line of its file.
    case rotated
    /// Accesses of which there are no lines.
    case gap(AuditGap)
    /// The oldest file was removed to keep within `audit.keep`; its lines went up to this one.
    case removed(file: String, through: UInt64)

    var name: String {
        switch self {
        case .opened: "opened"
        case .closed: "closed"
        case .rotated: "rotated"
        case .gap: "gap"
        case .removed: "removed"
        }
    }
}

/// Where a chain stands: the number and the hash of its last line.
public struct AuditHead: Sendable, Equatable {
    public var sequence: UInt64
    public var hash: SHA256Digest

    public init(sequence: UInt64 = 0, hash: SHA256Digest = .none) {
        self.sequence = sequence
        self.hash = hash
    }
}

enum AuditLine {
    /// Keys of more bytes stand as a hash, so that a line has a bound.
    static let keyBytesMax = 1024
    private static let hashMember = Array(",\"hash\":\"".utf8)
    private static let begin = Array("{\"seq\":".utf8)
    private static let previous = Array(",\"prev\":\"".utf8)
    private static let time = Array("\",\"time\":\"".utf8)
    private static let event = Array("\",\"event\":\"".utf8)
    /// `,"hash":"…"}`
    private static let tailBytes = hashMember.count + 64 + 2

    // MARK: Writing

    /// Appends a line with its line end to `bytes`, and moves the head on.
    static func append(
        to bytes: inout [UInt8], _ head: inout AuditHead, time: Timestamp, _ members: (inout JSONWriter) -> Void
    ) {
        var json = JSONWriter()
        json.object {
            $0.member("seq", head.sequence + 1)
            $0.member("prev", String(decoding: head.hash.hexadecimal, as: UTF8.self))
            $0.member("time", time.rfc3339)
            members(&$0)
        }
        // The hash goes before the closing brace.
        let body = Array(json.bytes.dropLast())
        let hash = SHA256Digest(body)
        bytes += body
        bytes += hashMember
        bytes += hash.hexadecimal
        bytes += "\"}\n".utf8
        head = AuditHead(sequence: head.sequence + 1, hash: hash)
    }

    static func append(
        _ access: AuditAccess, keys: AuditKeys, to bytes: inout [UInt8], _ head: inout AuditHead
    ) {
        append(to: &bytes, &head, time: access.time) { json in
            switch access.peer {
            case .process(let uid, let gid, let pid):
                json.member("uid", uid)
                json.member("gid", gid)
                json.member("pid", pid)
            case .address(let address): json.member("address", address)
            }
            json.key("actor")
            if let actor = access.actor { json.string(bytes: actor) } else { json.null() }
            json.member("command", access.command)
            writeKey(access.key, keys, &json)
            json.member("outcome", access.outcome)
            if let source = access.source { json.member("source", source) }
            if let freshness = access.freshness { json.member("freshness", freshness) }
        }
    }

    private static func writeKey(_ key: [UInt8]?, _ keys: AuditKeys, _ json: inout JSONWriter) {
        guard let key else { return json.member("keys", "all") }
        guard keys == .plain, key.count <= keyBytesMax else {
            json.member("key_hash", keyHash(key))
            return json.member("key_bytes", key.count)
        }
        if let text = String(validating: key, as: UTF8.self) {
            json.member("key", text)
        } else {
            json.member("key_hex", hexadecimal(key))
        }
    }

    /// A key as the log names it.
    static func keyHash(_ key: [UInt8]) -> String {
        String(decoding: SHA1Digest(key).hexadecimal.prefix(16), as: UTF8.self)
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    static func append(_ event: AuditEvent, to bytes: inout [UInt8], _ head: inout AuditHead, time: Timestamp) {
        append(to: &bytes, &head, time: time) { json in
            json.member("event", event.name)
            switch event {
            case .closed, .rotated: break
            case .opened(let after, let tornBytes, let tornHash):
                json.member("after", after.rawValue)
                guard after == .killed else { break }
                json.member("torn_bytes", tornBytes)
                if let tornHash {
                    json.member("torn_hash", String(decoding: tornHash.hexadecimal, as: UTF8.self))
                }
            case .gap(let gap):
                json.member("dropped", gap.dropped)
                json.member("refused", gap.refused)
            case .removed(let file, let through):
                json.member("file", file)
                json.member("through", through)
            }
        }
    }

    // MARK: Reading

    /// What a whole line says of its place in the chain.
    struct Reading: Equatable {
        let sequence: UInt64
        let previous: SHA256Digest
        let hash: SHA256Digest
        /// Nil for an access.
        let event: AuditEvent?

        var head: AuditHead { AuditHead(sequence: sequence, hash: hash) }
    }

    /// Reads a line, given without its line end; nil where it is not one, or not as it was written.
    static func read(_ line: UnsafeRawBufferPointer) -> Reading? {
        guard line.count > tailBytes + begin.count, line[line.count - 1] == UInt8(ascii: "}"),
            line[line.count - 2] == UInt8(ascii: "\"")
        else { return nil }
        let bodyEnd = line.count - tailBytes
        guard line[bodyEnd...].starts(with: hashMember),
            let hash = SHA256Digest(hexadecimal: line[(bodyEnd + hashMember.count)..<(line.count - 2)]),
            SHA256Digest(UnsafeRawBufferPointer(rebasing: line[..<bodyEnd])) == hash
        else { return nil }
        var place = 0
        func take(_ text: [UInt8]) -> Bool {
            guard line[place..<bodyEnd].starts(with: text) else { return false }
            place += text.count
            return true
        }
        guard take(begin), let sequence = number(line[place..<bodyEnd], &place), take(previous), place + 64 <= bodyEnd,
            let before = SHA256Digest(hexadecimal: line[place..<place + 64])
        else { return nil }
        place += 64
        guard take(time), let timeEnd = line[place..<bodyEnd].firstIndex(of: UInt8(ascii: "\"")) else { return nil }
        place = timeEnd
        guard take(event) else { return Reading(sequence: sequence, previous: before, hash: hash, event: nil) }
        guard let event = readEvent(Array(line)) else { return nil }
        return Reading(sequence: sequence, previous: before, hash: hash, event: event)
    }

    static func read(_ line: [UInt8]) -> Reading? { line.withUnsafeBytes { read($0) } }

    /// Whether bytes may be what is left of one line that was not written to its end. A cut of the power leaves zeros
    /// in the place of what was lost.
    static func mayBeTorn(_ bytes: [UInt8]) -> Bool {
        let text = bytes.prefix((bytes.lastIndex { $0 != 0 } ?? -1) + 1)
        return isOneLine(bytes) && (text.starts(with: begin) || begin.starts(with: text) || text.first == 0)
    }

    /// Whether there is no line end but a last one.
    static func isOneLine(_ bytes: [UInt8]) -> Bool {
        let text = bytes.prefix((bytes.lastIndex { $0 != 0 } ?? -1) + 1)
        return !text.dropLast().contains(10)
    }

    private static func number(_ digits: Slice<UnsafeRawBufferPointer>, _ place: inout Int) -> UInt64? {
        let text = digits.prefix(20).prefix { $0 >= 48 && $0 <= 57 }
        // A number that can't have a next one was written by nobody here.
        guard let value = UInt64(String(decoding: text, as: UTF8.self)), value < .max >> 1 else { return nil }
        place += text.count
        return value
    }

    private static func readEvent(_ line: [UInt8]) -> AuditEvent? {
        guard let fields = AuditFields(line) else { return nil }
        switch fields["event"] {
        case "closed": return .closed
        case "rotated": return .rotated
        case "gap":
            guard let dropped = fields.number("dropped"), let refused = fields.number("refused") else { return nil }
            return .gap(AuditGap(dropped: dropped, refused: refused))
        case "removed":
            guard let file = fields["file"], let through = fields.number("through") else { return nil }
            return .removed(file: file, through: through)
        case "opened":
            guard let after = fields["after"].flatMap(AuditEvent.After.init) else { return nil }
            let torn = fields["torn_hash"].map { SHA256Digest(hexadecimal: Array($0.utf8)) } ?? nil
            return .opened(after, tornBytes: Int(clamping: fields.number("torn_bytes") ?? 0), tornHash: torn)
        default: return nil
        }
    }
}
