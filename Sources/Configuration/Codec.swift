// How a value of each type is read from a node and printed as YAML: one codec per type, used by every layer.

internal import Admin
internal import Tiers

/// Reads and prints values of one type; what it prints, it reads back as the same value.
struct Codec<Value: Sendable & Equatable>: Sendable {
    /// What a refusal says was expected, and the documentation says of the key.
    var expected: String
    /// From the environment and flags, a list is written with commas.
    var isList = false
    var read: @Sendable (Node) throws(Refusal) -> Value
    var print: @Sendable (Value) -> String

    /// A codec of a single scalar.
    static func scalar(
        _ expected: String, _ read: @escaping @Sendable (Scalar) throws(Refusal) -> Value,
        print: @escaping @Sendable (Value) -> String
    ) -> Codec {
        Codec(
            expected: expected,
            read: { node throws(Refusal) in
                guard case .scalar(let scalar) = node.content else {
                    throw Refusal(found: node.found, expected: expected)
                }
                return try read(scalar)
            }, print: print)
    }

    /// What `codec` reads, or nil where the plain scalar is null or one of `words`; `words[0]` is printed.
    ///
    /// A word in quotes is text where `codec` takes it (a path may be "null"), else the word: people quote "off", which
    /// YAML 1.1 reads as a boolean.
    static func optional<Wrapped>(_ codec: Codec<Wrapped>, _ words: String...) -> Codec where Value == Wrapped? {
        let expected = "\(codec.expected), or \(words.joined(separator: " or "))"
        return Codec(
            expected: expected,
            read: { node throws(Refusal) in
                if case .scalar(let scalar) = node.content {
                    if scalar.kind == .null, !scalar.text.isEmpty { return nil }
                    if scalar.style != .quoted, words.contains(scalar.text) { return nil }
                }
                do throws(Refusal) {
                    return try codec.read(node)
                } catch {
                    if case .scalar(let scalar) = node.content, words.contains(scalar.text) { return nil }
                    // The refusal speaks of what this key takes, words included.
                    guard error.text.hasSuffix(codec.expected) else { throw error }
                    throw Refusal(error.text.dropLast(codec.expected.count) + expected)
                }
            },
            print: { $0.map(codec.print) ?? words[0] })
    }
}

extension Node {
    /// The node as a refusal names it.
    var found: String {
        switch content {
        case .scalar(let scalar): scalar.found
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .refused: "what was refused above"
        }
    }
}

extension Codec where Value == Duration {
    /// A duration from `min` to `max`, both included.
    static func duration(from min: Duration = .zero, to max: Duration = Units.durationMax) -> Codec {
        let expected = "a duration with its unit, such as 100ms, 5s, 1h30m or 30d"
        return scalar(expected) { scalar throws(Refusal) in
            guard scalar.kind != .null, let duration = Units.duration(scalar.text) else {
                let hint = scalar.text == "0" ? "; write 0s" : ""
                throw Refusal(found: scalar.found, expected: expected + hint)
            }
            guard duration >= min, duration <= max else {
                throw Refusal(found: scalar.text, expected: "a duration from \(Units.text(min)) to \(Units.text(max))")
            }
            return duration
        } print: {
            Units.text($0)
        }
    }
}

extension Codec where Value == Int {
    /// A whole number within `range`.
    static func integer(_ range: ClosedRange<Int>) -> Codec {
        let expected = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        return scalar(expected) { scalar throws(Refusal) in
            guard scalar.mayBeNumber, let number = Int(scalar.text), range.contains(number) else {
                throw Refusal(found: scalar.found, expected: expected)
            }
            return number
        } print: {
            String($0)
        }
    }

    /// A number of bytes from `min` to `max`, both included.
    static func bytes(from min: Int, to max: Int = 1 << 50) -> Codec {
        let expected = "a number of bytes, such as 64KiB, 1MiB, 1GiB, 500MB or 4096"
        return scalar(expected) { scalar throws(Refusal) in
            guard scalar.kind != .null, let bytes = Units.size(scalar.text) else {
                throw Refusal(found: scalar.found, expected: expected)
            }
            guard bytes >= min, bytes <= max else {
                throw Refusal(found: scalar.text, expected: "a size from \(Units.text(min)) to \(Units.text(max))")
            }
            return bytes
        } print: {
            Units.text($0)
        }
    }
}

extension Codec where Value == Double {
    /// A share of a whole: above 0, and at most 1, or below 1 with `excludingOne`.
    static func share(excludingOne: Bool = false) -> Codec {
        let expected = "a share above 0 and \(excludingOne ? "below" : "at most") 1, such as 0.5"
        return scalar(expected) { scalar throws(Refusal) in
            let isDecimal = scalar.text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "e")
                    || $0 == UInt8(ascii: "-")
            }
            guard scalar.mayBeNumber, isDecimal, let number = Double(scalar.text), number > 0, number <= 1,
                !(excludingOne && number == 1)
            else { throw Refusal(found: scalar.found, expected: expected) }
            return number
        } print: {
            $0.description
        }
    }
}

extension Codec where Value == Bool {
    static var bool: Codec {
        let expected = "true or false"
        return scalar(expected) { scalar throws(Refusal) in
            switch scalar.text {
            case "true" where scalar.style != .quoted: return true
            case "false" where scalar.style != .quoted: return false
            default: throw Refusal(found: scalar.found, expected: expected)
            }
        } print: {
            $0 ? "true" : "false"
        }
    }
}

extension Codec where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of an enumeration's words.
    static var choice: Codec {
        let words = Value.allCases.map(\.rawValue)
        let expected = words.count == 1 ? words[0] : words.dropLast().joined(separator: ", ") + " or " + words.last!
        return scalar(expected) { scalar throws(Refusal) in
            if let value = Value(rawValue: scalar.text) { return value }
            let hint = nearest(to: scalar.text, in: words).map { "; did you mean \($0)?" } ?? ""
            throw Refusal(found: scalar.found, expected: expected + hint)
        } print: {
            $0.rawValue
        }
    }
}

extension Codec where Value == String {
    /// Any text that a file can't take for something else.
    static func text(_ expected: String = "a string") -> Codec {
        scalar(expected) { scalar throws(Refusal) in
            guard scalar.mayBeString else {
                let hint = scalar.kind == .null ? "" : "; put it in quotes"
                throw Refusal(found: scalar.found, expected: expected + hint)
            }
            return scalar.text
        } print: {
            quoted($0)
        }
    }

    /// A path of at most `max` bytes.
    static func path(_ expected: String = "a path", max: Int = 4095) -> Codec {
        let text = Self.text(expected)
        return scalar(expected) { scalar throws(Refusal) in
            let path = try text.read(Node(content: .scalar(scalar), mark: Mark()))
            guard !path.isEmpty else { throw Refusal(found: "an empty string", expected: expected) }
            guard !path.utf8.contains(0) else { throw Refusal("a path can't hold a zero byte") }
            guard path.utf8.count <= max else {
                throw Refusal("the path has \(path.utf8.count) bytes; at most \(max) are possible")
            }
            return path
        } print: {
            quoted($0)
        }
    }

    /// A numeric address and port to listen on.
    static func address(loopbackOnly: Bool) -> Codec {
        let expected =
            "a numeric \(loopbackOnly ? "loopback " : "")address and port, such as 127.0.0.1:7381 or [::1]:7381"
        return scalar(expected) { scalar throws(Refusal) in
            guard let address = ListenAddress(scalar.text) else {
                let hint = scalar.text.hasPrefix(":") ? "; for every interface write 0.0.0.0\(scalar.text)" : ""
                throw Refusal(found: scalar.found, expected: expected + hint)
            }
            guard address.isLoopback || !loopbackOnly else {
                throw Refusal("\(address) can be reached from other machines; expected \(expected)")
            }
            return scalar.text
        } print: {
            quoted($0)
        }
    }
}

extension Codec {
    /// A list of what `element` reads; in the environment and flags, with commas.
    static func list<Element>(_ expected: String, of element: Codec<Element>) -> Codec where Value == [Element] {
        Codec(
            expected: expected, isList: true,
            read: { node throws(Refusal) in
                guard case .sequence(let nodes) = node.content else {
                    throw Refusal(found: node.found, expected: expected)
                }
                var values: [Element] = []
                for node in nodes {
                    do throws(Refusal) {
                        values.append(try element.read(node))
                    } catch {
                        var refusal = error
                        refusal.mark = refusal.mark ?? node.mark
                        throw refusal
                    }
                }
                return values
            },
            print: { "[" + $0.map(element.print).joined(separator: ", ") + "]" })
    }

    /// The same text, read into another type.
    func map<Other: Sendable & Equatable>(
        _ into: @escaping @Sendable (Value) throws(Refusal) -> Other, back: @escaping @Sendable (Other) -> Value
    ) -> Codec<Other> {
        Codec<Other>(
            expected: expected, isList: isList,
            read: { [read] node throws(Refusal) in try into(try read(node)) },
            print: { [print] in print(back($0)) })
    }
}
