// An entry of the stream of deletions, as the reader understands it.

internal import Primitives

struct DeletionEntry {
    enum Subject {
        case keys([DeletedKey])
        case all
        /// The stream began with it.
        case beginning
        /// Something that this version does not know.
        case unknown
    }

    var position: StreamPosition
    var subject: Subject
    /// The process that deleted; nil for none that can be told.
    var process: UInt64?
    /// The number that it gave the request; 0 for none.
    var ticket: UInt64 = 0
    /// Milliseconds since the deletion, at most, where it is told again of an earlier stream.
    var age: Int64?

    /// An element of XRANGE's reply; nil for anything else.
    init?(_ reply: Reply) {
        guard case .array(let parts) = reply, parts.count == 2, case .string(let id) = parts[0],
            let position = StreamPosition(id), case .array(let words) = parts[1]
        else { return nil }
        self.position = position
        subject = .unknown
        for index in stride(from: 0, to: words.count - 1, by: 2) {
            guard case .string(let name) = words[index], case .string(let value) = words[index + 1] else { continue }
            switch String(decoding: name, as: UTF8.self) {
            case "by": sign(value)
            case "keys": subject = Self.keys(value).map { Subject.keys($0) } ?? .unknown
            case "all": subject = .all
            case "begin": subject = .beginning
            case "age": age = Int64(String(decoding: value, as: UTF8.self)).flatMap { $0 >= 0 ? $0 : nil }
            default: break
            }
        }
    }

    private mutating func sign(_ text: [UInt8]) {
        let parts = text.split(separator: UInt8(ascii: ":"))
        guard parts.count == 2 else { return }
        process = UInt64(String(decoding: parts[0], as: UTF8.self), radix: 16)
        ticket = UInt64(String(decoding: parts[1], as: UTF8.self)) ?? 0
    }

    private static func keys(_ text: [UInt8]) -> [DeletedKey]? {
        guard !text.isEmpty, text.count % 16 == 0 else { return nil }
        var keys: [DeletedKey] = []
        keys.reserveCapacity(text.count / 16)
        for start in stride(from: 0, to: text.count, by: 16) {
            guard let key = DeletedKey(hexadecimal: text[start..<start + 16]) else { return nil }
            keys.append(key)
        }
        return keys
    }
}
