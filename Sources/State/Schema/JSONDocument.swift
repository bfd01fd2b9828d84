// A JSON text that is edited: what no edit touches keeps its very bytes, numbers and the order of names included.
//
// DESIGN: the text is checked once as a whole. Then it is a tree whose nodes are ranges of it, taken apart only along
// the paths of edits: an object that nobody looks into stays a range. What edits add is appended to the same bytes. At
// the end untouched nodes are copied, and changed containers are written from their parts, each with the space that it
// had: a new part is given that of its neighbours. So an edit costs the text's size once, whatever its depth, and a
// vector of a thousand numbers beside it costs nothing but the copy.

/// A JSON value under edit.
struct JSONDocument {
    /// The original, then what edits have added.
    private(set) var text: [UInt8]
    private let originalCount: Int
    /// Where the value is in the original, without the space round it.
    private let place: Range<Int>
    var root: JSONNode

    /// Takes a text apart; throws where it is no JSON. Complexity: O(size).
    init(_ text: [UInt8]) throws(JSONError) {
        let start = try text.withUnsafeBufferPointer { bytes throws(JSONError) -> Int in
            try JSONScanner.check(bytes)
            var scanner = JSONScanner(bytes)
            scanner.skipSpace()
            return scanner.position
        }
        self.text = text
        originalCount = text.count
        place = start..<Self.end(of: start, in: text)
        root = JSONNode(range: place)
    }

    private static func end(of start: Int, in text: [UInt8]) -> Int {
        text.withUnsafeBufferPointer { bytes in
            var scanner = JSONScanner(bytes, at: start)
            do throws(JSONError) { try scanner.skipValue() } catch {
                preconditionFailure("BUG: a value that was checked has no end: \(error)")
            }
            return scanner.position
        }
    }

    /// What a node is, by its first byte.
    func kind(_ node: JSONNode) -> JSONNode.Kind {
        switch text[node.range.lowerBound] {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "n"): .null
        default: .scalar
        }
    }

    /// The bytes of a node that nobody has changed.
    func bytes(_ node: JSONNode) -> ArraySlice<UInt8> { text[node.range] }

    /// A value that is to be put somewhere.
    mutating func make(_ value: JSONValue) -> JSONNode { JSONNode(range: append(value.text)) }

    /// The name of a member as the text has it, quotes included.
    mutating func makeName(_ name: [UInt8]) -> Range<Int> { append(JSONString.quoted(name)) }

    private mutating func append(_ bytes: [UInt8]) -> Range<Int> {
        defer { text += bytes }
        return text.count..<text.count + bytes.count
    }

    /// Whether a member has this name.
    func isNamed(_ part: JSONNode.Part, _ name: [UInt8]) -> Bool {
        let inner = text[part.name.lowerBound + 1..<part.name.upperBound - 1]
        if inner.contains(UInt8(ascii: "\\")) { return JSONString.unquoted(text[part.name]) == name }
        return inner.elementsEqual(name)
    }

    /// Looks into a container: its parts are nodes from now on.
    func open(_ node: inout JSONNode) {
        guard node.parts == nil else { return }
        node.parts = text.withUnsafeBufferPointer { bytes in
            var scanner = JSONScanner(bytes, at: node.range.lowerBound)
            do throws(JSONError) { return try Self.parts(&scanner) } catch {
                preconditionFailure("BUG: a container that was checked is none: \(error)")
            }
        }
    }

    private static func parts(_ scanner: inout JSONScanner) throws(JSONError) -> JSONNode.Parts {
        var parts = JSONNode.Parts()
        let isObject = scanner.byte == UInt8(ascii: "{")
        let close = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
        var lead = scanner.position + 1..<scanner.position + 1
        scanner.step()
        scanner.skipSpace()
        lead = lead.lowerBound..<scanner.position
        while scanner.byte != close {
            var part = JSONNode.Part(node: JSONNode(range: 0..<0))
            if isObject {
                part.name = scanner.position..<scanner.position
                try scanner.skipString()
                part.name = part.name.lowerBound..<scanner.position
                part.gap = scanner.position..<scanner.position
                scanner.skipSpace()
                _ = scanner.take(UInt8(ascii: ":"))
                part.gap = part.gap.lowerBound..<scanner.position
            }
            let start = scanner.position
            try scanner.skipValue()
            part.node = JSONNode(range: start..<scanner.position)
            if parts.list.isEmpty { parts.firstLead = lead } else if parts.list.count == 1 { parts.nextLead = lead }
            parts.list.append(part)
            var trail = scanner.position..<scanner.position
            scanner.skipSpace()
            trail = trail.lowerBound..<scanner.position
            parts.trail = trail
            guard scanner.byte == UInt8(ascii: ",") else { continue }
            let comma = scanner.position
            _ = scanner.take(UInt8(ascii: ","))
            lead = comma + 1..<scanner.position
        }
        return parts
    }

    // MARK: Writing

    /// The text as it is now; the original where nothing was changed. Complexity: O(size).
    func edited() -> [UInt8] {
        guard root.isChanged else { return Array(text[..<originalCount]) }
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        out += text[..<place.lowerBound]
        write(root, to: &out)
        out += text[place.upperBound..<originalCount]
        return out
    }

    private func write(_ node: JSONNode, to out: inout [UInt8]) {
        guard node.isChanged, let parts = node.parts else {
            out += text[node.range]
            return
        }
        out.append(text[node.range.lowerBound])
        for (index, part) in parts.list.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            out += text[index == 0 ? parts.firstLead : parts.nextLead ?? parts.firstLead]
            if !part.name.isEmpty {
                out += text[part.name]
                if part.gap.isEmpty {
                    out += parts.list.first { !$0.gap.isEmpty }.map { text[$0.gap] } ?? [UInt8(ascii: ":")]
                } else {
                    out += text[part.gap]
                }
            }
            write(part.node, to: &out)
        }
        if !parts.list.isEmpty { out += text[parts.trail] }
        out.append(text[node.range.upperBound - 1])
    }
}

/// A value within a document.
struct JSONNode {
    enum Kind { case object, array, null, scalar }

    /// A member of an object or an element of an array.
    struct Part {
        /// Empty for an element.
        var name = 0..<0
        /// The colon and the space round it; empty for what an edit has added.
        var gap = 0..<0
        var node: JSONNode
    }

    struct Parts {
        var list: [Part] = []
        /// The space ahead of the first part, and of those after it (of the second one; nil where there was none).
        var firstLead = 0..<0
        var nextLead: Range<Int>?
        /// The space behind the last part.
        var trail = 0..<0
    }

    /// Its text, as long as it is not changed.
    var range: Range<Int>
    /// What it holds, where somebody has looked into it.
    var parts: Parts?
    /// It, or something in it, is no longer what `range` says.
    var isChanged = false
}
