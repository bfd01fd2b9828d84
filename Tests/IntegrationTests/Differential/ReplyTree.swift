// A reply as a tree of what came, so that parts of it can be compared by rules of their own.

/// A reply in RESP2 or RESP3: its mark and first line, and what it is made of.
struct ReplyTree: Equatable {
    var mark: UInt8
    /// The first line without its mark; the content where the reply is a string.
    var text: [UInt8]
    var isNull = false
    var children: [ReplyTree] = []

    /// Nil where the bytes are no whole reply.
    init?(_ bytes: [UInt8]) {
        var position = 0
        self.init(bytes, &position)
        guard position == bytes.count else { return nil }
    }

    private init?(_ bytes: [UInt8], _ position: inout Int) {
        guard position < bytes.count, let end = bytes[position...].firstIndex(of: 13) else { return nil }
        mark = bytes[position]
        text = Array(bytes[(position + 1)..<end])
        position = end + 2
        switch mark {
        case UInt8(ascii: "$"), UInt8(ascii: "="), UInt8(ascii: "!"):
            guard let count = Int(String(decoding: text, as: UTF8.self)) else { return nil }
            isNull = count < 0
            guard count >= 0 else { return }
            guard position + count + 2 <= bytes.count else { return nil }
            text = Array(bytes[position..<(position + count)])
            position += count + 2
        case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"), UInt8(ascii: "%"):
            guard var count = Int(String(decoding: text, as: UTF8.self)) else { return nil }
            isNull = count < 0
            if mark == UInt8(ascii: "%") { count *= 2 }
            for _ in 0..<max(0, count) {
                guard let child = ReplyTree(bytes, &position) else { return nil }
                children.append(child)
            }
        default: break
        }
    }

    var isError: Bool { mark == UInt8(ascii: "-") || mark == UInt8(ascii: "!") }
    var isAggregate: Bool {
        [UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"), UInt8(ascii: "%")].contains(mark)
    }
    var integer: Int64? { mark == UInt8(ascii: ":") ? Int64(String(decoding: text, as: UTF8.self)) : nil }

    /// Bytes to sort by, and to compare as: the same for the same content.
    var canonical: [UInt8] {
        var bytes = [mark, isNull ? 1 : 0]
        bytes += Array("\(text.count):".utf8) + text
        for child in children { bytes += child.canonical }
        return bytes
    }

    /// The same with the elements sorted; in groups of `size`.
    func sorted(by size: Int = 1) -> ReplyTree {
        guard children.count % size == 0 else { return self }
        var groups: [[ReplyTree]] = []
        for start in stride(from: 0, to: children.count, by: size) {
            groups.append(Array(children[start..<(start + size)]))
        }
        var sorted = self
        sorted.children =
            groups.map { (key: $0.flatMap(\.canonical), group: $0) }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }.flatMap(\.group)
        return sorted
    }

    /// The same with the elements sorted at every level.
    var deeplySorted: ReplyTree {
        var tree = self
        tree.children = children.map(\.deeplySorted)
        return tree.sorted()
    }

    /// Whether two replies are of the same kind: mark, nothing more.
    func isLike(_ other: ReplyTree) -> Bool { mark == other.mark && isNull == other.isNull }

    /// Whether two trees are the same but for numbers that `mayDiffer` forgives.
    func agrees(with other: ReplyTree, name: [UInt8] = [], _ mayDiffer: (_ name: String, Int64, Int64) -> Bool) -> Bool
    {
        guard isLike(other), children.count == other.children.count else { return false }
        guard isAggregate else {
            if text == other.text { return true }
            guard let a = integer, let b = other.integer else { return false }
            return mayDiffer(String(decoding: name, as: UTF8.self), a, b)
        }
        var before: [UInt8] = []
        for (a, b) in zip(children, other.children) {
            if !a.agrees(with: b, name: before, mayDiffer) { return false }
            before = a.isAggregate ? [] : a.text
        }
        return true
    }
}
