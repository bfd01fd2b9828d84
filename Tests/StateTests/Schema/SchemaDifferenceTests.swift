// Random values and steps, carried out here and by Python's json with steps written from what docs/schema.md promises.

import TestSupport
import Testing

@testable import State

/// Random JSON texts and operations whose paths often meet.
private struct Cases {
    var random: SeededGenerator
    private let names = ["a", "b", "c", "\\u0061", "x.y", "*", "d"]

    mutating func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &random)] }

    mutating func space() -> String { pick(["", "", "", " ", "\n  ", "\t"]) }

    mutating func value(_ depth: Int) -> String {
        switch Int.random(in: 0..<(depth > 0 ? 10 : 6), using: &random) {
        case 0: return "null"
        case 1: return pick(["true", "false"])
        case 2: return pick(["0", "-0.0", "1.0", "1e5", "1E+05", "123456789012345678901234567890", "0.1"])
        case 3: return pick(["\"\"", "\"t\"", "\"\\u00e9\\/\\n\"", "\"\u{e9}\u{1f600}\"", "\"\\ud83d\\ude00\""])
        case 4: return pick(["NaN", "-Infinity", "{}", "[]", "[ ]"])
        case 5: return "\"a\""
        case 6: return list(depth)
        default: return object(depth)
        }
    }

    mutating func list(_ depth: Int) -> String {
        let elements = (0..<Int.random(in: 0...3, using: &random)).map { _ in space() + value(depth - 1) + space() }
        return "[" + elements.joined(separator: ",") + "]"
    }

    mutating func object(_ depth: Int) -> String {
        var members: [String] = []
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            members.append("\(space())\"\(pick(names))\"\(space()):\(space())\(value(depth - 1))\(space())")
        }
        return "{" + members.joined(separator: ",") + "}"
    }

    mutating func component() -> JSONPath.Component {
        switch Int.random(in: 0..<8, using: &random) {
        case 0: .everyElement
        case 1: .everyMember
        default: .member(bytes(pick(["a", "b", "c", "x.y", "d"])))
        }
    }

    mutating func path(under scope: [JSONPath.Component]? = nil) -> JSONPath {
        let scope = scope ?? (0..<Int.random(in: 0...2, using: &random)).map { _ in component() }
        let names = (0..<Int.random(in: 1...2, using: &random)).map { _ in
            JSONPath.Component.member(bytes(pick(["a", "b", "c", "x.y", "d"])))
        }
        return JSONPath(components: scope + names)
    }

    mutating func operation() -> SchemaOperation {
        let path = path()
        switch Int.random(in: 0..<5, using: &random) {
        case 0: return .rename(path, to: pick(["a", "b", "n", "x.y"]))
        case 1: return .move(path, to: self.path(under: Array(path.scope)))
        case 2: return .remove(path)
        case 3: return .addDefault(path, .array([.number("1.50"), .null]))
        default: return .set(path, .object([JSONMember("k\"", .string("v"))]))
        }
    }
}

extension SchemaOperation {
    /// As the script is given it.
    fileprivate var words: String {
        func list(_ path: JSONPath) -> String {
            let parts = path.components.map { component in
                switch component {
                case .everyElement: "0"
                case .everyMember: "1"
                case .member(let name): String(decoding: JSONString.quoted(name), as: UTF8.self)
                }
            }
            return "[\(parts.joined(separator: ","))]"
        }
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        return switch self {
        case .rename(let path, let name): "[\"rename\",\(list(path)),\(text(JSONString.quoted(bytes(name))))]"
        case .move(let path, let target): "[\"move\",\(list(path)),\(list(target))]"
        case .remove(let path): "[\"remove\",\(list(path)),0]"
        case .addDefault(let path, let value): "[\"default\",\(list(path)),\(text(value.text))]"
        case .set(let path, let value): "[\"set\",\(list(path)),\(text(value.text))]"
        }
    }
}

@Suite struct SchemaDifferenceTests {
    /// Reads from its file, for each case, three lines: the operations, the text, and what was made of it (`!` where it
    /// was refused). Objects are lists of pairs, so that order and repeated names are compared; numbers are their text.
    private static let script = #"""
        import json, sys
        class Refused(Exception): pass
        class Obj:
            def __init__(self, pairs): self.pairs = [list(pair) for pair in pairs]
            def __eq__(self, other): return type(other) is Obj and self.pairs == other.pairs
            def __repr__(self): return repr(self.pairs)
        class Num(str): pass
        def load(text):
            return json.loads(text, object_pairs_hook=Obj, parse_int=Num, parse_float=Num, parse_constant=Num)
        def find(obj, name):
            found = [pair for pair in obj.pairs if pair[0] == name]
            if len(found) > 1: raise Refused("twice")
            return found[0] if found else None
        def places(node, scope, isRoot=True):
            if node is None and not isRoot: return
            if not scope:
                yield node, isRoot
                return
            head, rest = scope[0], scope[1:]
            if type(head) is str:
                if type(node) is not Obj: raise Refused("object")
                pair = find(node, head)
                if pair: yield from places(pair[1], rest, False)
            elif head == "0":
                if type(node) is not list: raise Refused("array")
                for element in list(node): yield from places(element, rest, False)
            else:
                if type(node) is not Obj: raise Refused("object")
                for pair in list(node.pairs): yield from places(pair[1], rest, False)
        def parent(node, names, isRoot):
            for name in names + [None]:
                if node is None and not isRoot: return None
                if type(node) is not Obj: raise Refused("object")
                if name is None: return node
                isRoot = False
                pair = find(node, name)
                if not pair: return None
                node = pair[1]
        def put(node, names, value, replace):
            *way, last = names
            # What is made on the way stays only where the value is put.
            made = []
            for name in way:
                if type(node) is not Obj: raise Refused("object")
                pair = find(node, name)
                if not pair or pair[1] is None:
                    new = Obj([])
                    made.append((node, pair, name, new))
                    node = new
                else: node = pair[1]
            if type(node) is not Obj: raise Refused("object")
            pair = find(node, last)
            if pair:
                if not replace(pair[1]): return
                pair[1] = value
            else: node.pairs.append([last, value])
            for owner, pair, name, new in made:
                if pair: pair[1] = new
                else: owner.pairs.append([name, new])
        def taken(value): raise Refused("taken")
        def perform(root, word, path, what):
            last = max([i for i, part in enumerate(path) if type(part) is Num], default=-1) + 1
            scope, names = path[:last], path[last:]
            for node, isRoot in list(places(root, scope)) if last == 0 else places(root, scope):
                if word == "set": put(node, names, what, lambda held: True)
                elif word == "default": put(node, names, what, lambda held: False)
                else:
                    obj = parent(node, names[:-1], isRoot)
                    pair = obj and find(obj, names[-1])
                    if not pair: continue
                    if word == "rename":
                        if find(obj, what): raise Refused("taken")
                        pair[0] = what
                    else:
                        obj.pairs = [other for other in obj.pairs if other is not pair]
                        if word == "move":
                            target = what[last:]
                            isUnwrapped = len(names) > len(target) and names[:len(target)] == target
                            def replace(held):
                                if isUnwrapped and type(held) is Obj and not held.pairs: return True
                                raise Refused("taken")
                            put(node, target, pair[1], replace)
        lines = open(sys.argv[1], encoding="utf-8", newline="").read().split("\x00")
        wrong = refused = 0
        for index in range(0, len(lines) - 2, 3):
            operations, text, made = lines[index:index + 3]
            value = load(text)
            try:
                for word, path, what in load(operations): perform(value, word, path, what)
            except Refused as error:
                refused += 1
                if made != "!":
                    wrong += 1
                    print("not refused:", error, operations, text, made)
                continue
            if made == "!" or load(made) != value:
                wrong += 1
                print("differs:", operations, text, made, value)
        print(f"{len(lines) // 3} cases, {refused} refused, {wrong} wrong")
        sys.exit(1 if wrong else 0)
        """#

    @Test func `steps do what the same steps do on what Python reads`() throws {
        let directory = try TemporaryDirectory()
        var cases = Cases(random: SeededGenerator())
        var lines: [String] = []
        for _ in 0..<4000 {
            let text = Bool.random(using: &cases.random) ? cases.object(4) : cases.value(4)
            let operations = (0..<Int.random(in: 1...2, using: &cases.random)).map { _ in cases.operation() }
            var schema = Schema()
            schema.current = 2
            schema.steps = [SchemaStep(to: 2, operations)]
            var made = "!"
            switch schema.migrate(bytes(text), from: 1) {
            case .changed(let value, _, _): made = String(decoding: value, as: UTF8.self)
            case .failed(.step): break
            case let other: Issue.record("\(text) becomes \(other); \(cases.random.replay)")
            }
            lines += ["[\(operations.map(\.words).joined(separator: ","))]", text, made]
        }
        let script = try directory.write("steps.py", Self.script)
        let file = try directory.write("cases", lines.joined(separator: "\0"))
        let (code, output) = try ChildProcess.run("python3", [script, file], in: directory, within: 300_000)
        #expect(code == 0, "\(output.suffix(3000)); \(cases.random.replay)")
        #expect(output.contains("4000 cases"), "\(output.suffix(300))")
    }
}
