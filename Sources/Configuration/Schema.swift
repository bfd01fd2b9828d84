// A policy's `schema`: steps between the forms of values, each place of an error being that of the operation.

internal import State
internal import Tiers

extension Codec where Value == Int64 {
    /// The number of a schema.
    static var schema: Codec {
        Codec<Int>.integer(1...Int(Record.numberLimit / 2 - 1)).map(
            { number throws(Refusal) in Int64(number) }, back: { Int($0) })
    }
}

extension Codec where Value == [SchemaStep] {
    static var schemaSteps: Codec {
        let expected = "a list of steps, such as [{to: 2, rename: {user.name: full_name}}]"
        return Codec(
            expected: expected,
            read: { node throws(Refusal) in
                guard case .sequence(let nodes) = node.content else {
                    throw Refusal(found: node.found, expected: expected)
                }
                var steps: [SchemaStep] = []
                for node in nodes {
                    let step = try SchemaStepReader.step(node)
                    if let before = steps.last?.to, step.to != before, step.to != before + 1 {
                        let text =
                            step.to < before
                            ? "to \(step.to) after to \(before): steps stand in order"
                            : "to \(step.to) after to \(before): the step to \(before + 1) is missing"
                        throw Refusal(text, at: node.mark)
                    }
                    steps.append(step)
                }
                return steps
            },
            print: { "[" + $0.map(SchemaStepReader.printed).joined(separator: ", ") + "]" })
    }
}

extension Refusal {
    fileprivate init(_ text: String, at mark: Mark) {
        self.init(text)
        self.mark = mark
    }

    fileprivate init(found: String, expected: String, at mark: Mark) {
        self.init(found: found, expected: expected)
        self.mark = mark
    }
}

/// One element of `steps`.
private enum SchemaStepReader {
    /// The operations in the order in which they are carried out.
    private static let words = ["rename", "move", "remove", "default", "set"]

    static func step(_ node: Node) throws(Refusal) -> SchemaStep {
        guard case .mapping(let members) = node.content else {
            throw Refusal(found: node.found, expected: "a step, such as {to: 2, remove: [age]}", at: node.mark)
        }
        guard let to = members.first(where: { $0.key == "to" }) else {
            throw Refusal("a step without to: the schema that it leads to", at: node.mark)
        }
        let target: Int64
        do throws(Refusal) {
            target = try Codec<Int64>.schema.read(to.value)
        } catch {
            throw Refusal("to: \(error.text)", at: to.value.mark)
        }
        guard target > 1 else {
            throw Refusal("to: 1 is the schema that the first step begins with", at: to.value.mark)
        }
        for member in members where member.key != "to" && !words.contains(member.key) {
            let hint = nearest(to: member.key, in: words).map { "; did you mean \(shown($0))?" } ?? ""
            throw Refusal(
                "unknown key \(shown(member.key)) in the step to \(target), expected rename, move, remove, default or "
                    + "set\(hint)", at: member.mark)
        }
        var operations: [SchemaOperation] = []
        var marks: [Mark] = []
        for word in words {
            guard let member = members.first(where: { $0.key == word }) else { continue }
            for (operation, mark) in try Self.operations(word, member.value) {
                operations.append(operation)
                marks.append(mark)
            }
        }
        let step = SchemaStep(to: target, operations)
        if let fault = step.fault {
            throw Refusal("\(operations[fault.operation].text): \(fault.text)", at: marks[fault.operation])
        }
        return step
    }

    private static func operations(
        _ word: String, _ node: Node
    ) throws(Refusal) -> [(SchemaOperation, Mark)] {
        var operations: [(SchemaOperation, Mark)] = []
        if word == "remove" {
            guard case .sequence(let nodes) = node.content else {
                throw Refusal(
                    "remove: found \(node.found), expected a list of paths, such as [user.age]", at: node.mark)
            }
            for node in nodes { operations.append((.remove(try path(scalar(node, word), word, node.mark)), node.mark)) }
            return operations
        }
        guard case .mapping(let members) = node.content else {
            let such =
                word == "rename"
                ? "new names by path, such as {user.name: full_name}"
                : word == "move"
                    ? "new places by path, such as {name: user.name}" : "values by path, such as {user.locale: en}"
            throw Refusal("\(word): found \(node.found), expected a mapping of \(such)", at: node.mark)
        }
        for member in members {
            let path = try path(member.key, word, member.mark)
            operations.append((try operation(word, path, member.value), member.mark))
        }
        return operations
    }

    private static func operation(
        _ word: String, _ path: JSONPath, _ node: Node
    ) throws(Refusal) -> SchemaOperation {
        switch word {
        case "rename":
            let name = try self.path(scalar(node, word), word, node.mark)
            guard case .member(let bytes) = name.components[0], name.components.count == 1 else {
                throw Refusal(
                    "rename \(path.text): \(shown(name.text)) is a path, and rename gives a name in the same object; to "
                        + "another place: move", at: node.mark)
            }
            return .rename(path, to: String(decoding: bytes, as: UTF8.self))
        case "move": return .move(path, to: try self.path(scalar(node, word), word, node.mark))
        case "default": return .addDefault(path, try JSONValue(node))
        default: return .set(path, try JSONValue(node))
        }
    }

    private static func scalar(_ node: Node, _ word: String) throws(Refusal) -> String {
        guard case .scalar(let scalar) = node.content, scalar.mayBeString else {
            throw Refusal("\(word): found \(node.found), expected a path", at: node.mark)
        }
        return scalar.text
    }

    private static func path(_ text: String, _ word: String, _ mark: Mark) throws(Refusal) -> JSONPath {
        do throws(JSONPathError) {
            return try JSONPath(text)
        } catch {
            throw Refusal("\(word): \(shown(text)) is no path: \(error.text); expected \(JSONPath.expected)", at: mark)
        }
    }

    // MARK: Printing

    static func printed(_ step: SchemaStep) -> String {
        var parts = ["to: \(step.to)"]
        for word in words {
            let operations = step.operations.filter { $0.word == word }
            guard !operations.isEmpty else { continue }
            let (open, close) = word == "remove" ? ("[", "]") : ("{", "}")
            parts.append("\(word): \(open)\(operations.map(printed).joined(separator: ", "))\(close)")
        }
        return "{\(parts.joined(separator: ", "))}"
    }

    private static func printed(_ operation: SchemaOperation) -> String {
        let path = quoted(operation.path.text)
        return switch operation {
        case .rename(_, let name): "\(path): \(quoted(JSONPath(name: name).text))"
        case .move(_, let target): "\(path): \(quoted(target.text))"
        case .remove: path
        case .addDefault(_, let value), .set(_, let value): "\(path): \(printed(value))"
        }
    }

    private static func printed(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let digits): digits
        case .string(let text): quoted(text)
        case .array(let elements): "[\(elements.map(printed).joined(separator: ", "))]"
        case .object(let members):
            "{\(members.map { "\(quoted($0.name)): \(printed($0.value))" }.joined(separator: ", "))}"
        }
    }
}

extension JSONValue {
    /// The value that a node of a configuration is.
    fileprivate init(_ node: Node) throws(Refusal) {
        switch node.content {
        case .refused: self = .null
        case .sequence(let nodes):
            var elements: [JSONValue] = []
            for node in nodes { elements.append(try JSONValue(node)) }
            self = .array(elements)
        case .mapping(let members):
            var all: [JSONMember] = []
            for member in members { all.append(JSONMember(member.key, try JSONValue(member.value))) }
            self = .object(all)
        case .scalar(let scalar):
            switch scalar.kind {
            case .null: self = .null
            case .bool: self = .bool(scalar.text.lowercased() == "true")
            case .string: self = .string(scalar.text)
            case .number:
                guard JSONValue.isNumber(scalar.text) else {
                    throw Refusal(
                        found: scalar.found, expected: "a number as JSON writes it, or a string in quotes",
                        at: node.mark)
                }
                self = .number(scalar.text)
            }
        }
    }
}

extension Loader {
    /// Refuses steps that don't lead to the schema that is current.
    mutating func judgeSchema(_ schema: Schema, _ item: Item, _ steps: Place, _ current: Place) {
        guard let last = schema.steps.last?.to else { return }
        guard let known = schema.current else {
            return refuse(steps, "\(item.name): schema.steps without schema.current: which schema are values to have?")
        }
        if last > known {
            let mark = item.mark(ofStepBeyond: known)
            refuse(
                mark.map { place($0) } ?? steps,
                "\(item.name).schema.steps: to \(last) leads beyond schema.current (\(known))")
        } else if last < known {
            refuse(
                current,
                "\(item.name): schema.current is \(known), and the steps end at \(last): the step to \(last + 1) is "
                    + "missing")
        }
    }
}

extension Loader.Item {
    /// Where the first step stands that leads beyond `schema`; nil where it is inherited.
    fileprivate func mark(ofStepBeyond schema: Int64) -> Mark? {
        guard let section = members.first(where: { $0.key == "schema" }),
            case .mapping(let keys) = section.value.content,
            let steps = keys.first(where: { $0.key == "steps" }), case .sequence(let nodes) = steps.value.content
        else { return nil }
        for node in nodes {
            guard case .mapping(let members) = node.content, let to = members.first(where: { $0.key == "to" }),
                case .scalar(let scalar) = to.value.content, let number = Int64(scalar.text), number > schema
            else { continue }
            return to.value.mark
        }
        return nil
    }
}
