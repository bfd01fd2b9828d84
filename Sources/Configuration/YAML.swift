// YAML text → a tree of nodes that know their line and column. The only file that imports libyaml.
//
// DESIGN. The tree keeps what a refusal needs (marks, and whether a scalar was quoted) and nothing else. What a
// configuration has no use for is refused where it stands, and the parse goes on, so that every such place is listed:
// anchors, aliases (they can blow a small file up to gigabytes), tags, keys that aren't plain text, a key given twice.
// Broken YAML, nesting beyond 16 levels and a second document end the parse.

private import CYAML

/// A line and a column, both from 1; columns count characters.
struct Mark: Sendable, Equatable, Comparable {
    var line = 1
    var column = 1

    static func < (a: Mark, b: Mark) -> Bool { (a.line, a.column) < (b.line, b.column) }
}

/// A value in the file, and where it begins.
struct Node: Sendable {
    enum Content: Sendable {
        case scalar(Scalar)
        case sequence([Node])
        case mapping([Member])
        /// Something that was already refused by the reader of the tree.
        case refused
    }

    var content: Content
    var mark: Mark
}

/// A key of a mapping with its value.
struct Member: Sendable {
    var key: String
    var mark: Mark
    var value: Node
}

/// A tree, or nil where the text is empty or broken; and what was refused in it.
struct YAMLDocument {
    var root: Node?
    var problems: [(mark: Mark, text: String)] = []

    /// The largest file that is read, in bytes.
    static let bytesMax = 1 << 20
    /// The deepest nesting that is read; a configuration needs four.
    static let depthMax = 16

    init(_ bytes: [UInt8]) {
        guard bytes.count <= Self.bytesMax else {
            problems = [(Mark(), "the file has \(bytes.count) bytes; at most \(Self.bytesMax) (1MiB) are read")]
            return
        }
        var reader = YAMLReader(bytes)
        do {
            root = try reader.document()
        } catch {
            reader.problems.append((error.mark, error.text))
        }
        problems = reader.problems
    }
}

/// Broken YAML: nothing after it can be trusted.
private struct SyntaxError: Error {
    var mark: Mark
    var text: String
}

/// One pass of libyaml's event parser over `bytes`.
private struct YAMLReader: ~Copyable {
    var problems: [(mark: Mark, text: String)] = []
    private let bytes: [UInt8]
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        // libyaml keeps pointers into the parser and into the input: both stay where they are until deinit.
        input = .allocate(capacity: max(1, bytes.count))
        _ = input.initialize(from: bytes)
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        precondition(yaml_parser_initialize(parser) == 1, "out of memory for the YAML parser")
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    private enum Event {
        case scalar(Scalar)
        case alias, sequence, mapping, end, document, streamEnd
    }

    private struct Step {
        var event: Event
        var mark: Mark
        /// `an anchor` or `a tag` that the node carries; refused.
        var decoration: String?
    }

    /// The one document of the stream; nil where there is none.
    mutating func document() throws(SyntaxError) -> Node? {
        var root: Node?
        var documents = 0
        while true {
            let step = try next()
            switch step.event {
            case .streamEnd: return root
            case .document:
                documents += 1
                if documents == 2 { throw SyntaxError(mark: step.mark, text: "a second document; one file holds one") }
                root = try node(next(), depth: 1)
            case .end: break
            case .scalar, .alias, .sequence, .mapping:
                preconditionFailure("BUG: a node outside of a document, at \(step.mark)")
            }
        }
    }

    private mutating func node(_ step: Step, depth: Int) throws(SyntaxError) -> Node {
        if let decoration = step.decoration {
            refuse(step.mark, "\(decoration) is not supported here; write the value")
        }
        switch step.event {
        case .scalar(let scalar):
            return Node(content: step.decoration == nil ? .scalar(scalar) : .refused, mark: step.mark)
        case .alias:
            refuse(step.mark, "an alias (*) is not supported here; write the value")
            return Node(content: .refused, mark: step.mark)
        case .sequence, .mapping:
            // This ends the parse: libyaml's time grows with the square of the depth, and 200 KB of [ took minutes.
            if depth > YAMLDocument.depthMax {
                throw SyntaxError(mark: step.mark, text: "nested deeper than \(YAMLDocument.depthMax) levels")
            }
            if case .sequence = step.event { return try sequence(from: step.mark, depth: depth) }
            return try mapping(from: step.mark, depth: depth)
        case .end, .document, .streamEnd: preconditionFailure("BUG: no node at \(step.mark)")
        }
    }

    private mutating func sequence(from mark: Mark, depth: Int) throws(SyntaxError) -> Node {
        var elements: [Node] = []
        while true {
            let step = try next()
            if case .end = step.event { return Node(content: .sequence(elements), mark: mark) }
            elements.append(try node(step, depth: depth + 1))
        }
    }

    private mutating func mapping(from mark: Mark, depth: Int) throws(SyntaxError) -> Node {
        var members: [Member] = []
        var lines: [String: Int] = [:]
        while true {
            let step = try next()
            if case .end = step.event { return Node(content: .mapping(members), mark: mark) }
            let key = try node(step, depth: depth + 1)
            let value = try node(next(), depth: depth + 1)
            switch key.content {
            case .scalar(let scalar):
                if let line = lines[scalar.text] {
                    refuse(key.mark, "the key \(shown(scalar.text)) was already given in line \(line)")
                } else {
                    lines[scalar.text] = key.mark.line
                    members.append(Member(key: scalar.text, mark: key.mark, value: value))
                }
            case .sequence, .mapping: refuse(key.mark, "a key must be plain text")
            case .refused: break
            }
        }
    }

    private mutating func refuse(_ mark: Mark, _ text: String) { problems.append((mark, text)) }

    private mutating func next() throws(SyntaxError) -> Step {
        var event = yaml_event_t()
        repeat {
            guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxError() }
        } while event.type == YAML_STREAM_START_EVENT
        defer { yaml_event_delete(&event) }
        var step = Step(event: .end, mark: Mark(event.start_mark))
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            step.event = .scalar(Scalar(text, scalar.style == YAML_PLAIN_SCALAR_STYLE ? .plain : .quoted))
            step.decoration = decoration(anchor: scalar.anchor, tag: scalar.tag)
        case YAML_SEQUENCE_START_EVENT:
            step.event = .sequence
            step.decoration = decoration(
                anchor: event.data.sequence_start.anchor, tag: event.data.sequence_start.tag)
        case YAML_MAPPING_START_EVENT:
            step.event = .mapping
            step.decoration = decoration(anchor: event.data.mapping_start.anchor, tag: event.data.mapping_start.tag)
        case YAML_ALIAS_EVENT: step.event = .alias
        case YAML_DOCUMENT_START_EVENT: step.event = .document
        case YAML_STREAM_END_EVENT: step.event = .streamEnd
        default: step.event = .end
        }
        return step
    }

    private func decoration(anchor: UnsafePointer<yaml_char_t>?, tag: UnsafePointer<yaml_char_t>?) -> String? {
        anchor != nil ? "an anchor (&)" : tag != nil ? "a tag (!)" : nil
    }

    private func syntaxError() -> SyntaxError {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? "out of memory"
        if parser.pointee.error == YAML_READER_ERROR {
            // The reader knows no line, only the offset of the byte that it could not take.
            return SyntaxError(
                mark: mark(ofOffset: parser.pointee.problem_offset), text: "not text in UTF-8: \(problem)")
        }
        var text = "not YAML: \(problem)"
        if let context = parser.pointee.context {
            let start = Mark(parser.pointee.context_mark)
            text += " (\(String(cString: context)) that began at \(start.line):\(start.column))"
        }
        return SyntaxError(mark: Mark(parser.pointee.problem_mark), text: text)
    }

    private func mark(ofOffset offset: Int) -> Mark {
        let before = bytes[..<min(offset, bytes.count)]
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return Mark(line: line, column: String(decoding: before[start...], as: UTF8.self).unicodeScalars.count + 1)
    }
}

extension Mark {
    fileprivate init(_ mark: yaml_mark_t) { self.init(line: mark.line + 1, column: mark.column + 1) }
}
