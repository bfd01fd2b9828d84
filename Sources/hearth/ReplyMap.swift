// A reply that is a map, read by name.

internal import Primitives

/// Names and values in the order of the reply: in RESP2 a map is a flat array.
struct ReplyMap {
    let pairs: [(name: String, value: Reply)]

    /// Nil where the reply is not pairs.
    init?(_ reply: Reply) {
        guard case .array(let elements) = reply, elements.count.isMultiple(of: 2) else { return nil }
        var pairs: [(String, Reply)] = []
        for index in stride(from: 0, to: elements.count, by: 2) {
            guard case .string(let name) = elements[index] else { return nil }
            pairs.append((String(decoding: name, as: UTF8.self), elements[index + 1]))
        }
        self.pairs = pairs
    }

    subscript(_ name: String) -> Reply? { pairs.first { $0.name == name }?.value }

    /// Text under a name; empty where there is none.
    func text(_ name: String) -> String {
        switch self[name] {
        case .string(let bytes), .status(let bytes): String(decoding: bytes, as: UTF8.self)
        case .integer(let value): String(value)
        default: ""
        }
    }

    /// A number under a name; 0 where there is none, as from a Hearth of another version.
    func number(_ name: String) -> Int64 { optionalNumber(name) ?? 0 }

    func optionalNumber(_ name: String) -> Int64? {
        if case .integer(let value) = self[name] { value } else { nil }
    }

    /// The bytes under a name; nil where there are none.
    func bytes(_ name: String) -> [UInt8]? {
        if case .string(let bytes) = self[name] { bytes } else { nil }
    }

    func map(_ name: String) -> ReplyMap? { self[name].flatMap { ReplyMap($0) } }
}
