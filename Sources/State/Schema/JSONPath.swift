// Places within a JSON value, as a policy writes them: `user.name`, `turns[*].text`, `users.*.name`, `["a.b"].c`.
//
// DESIGN: the part of JSONPath (RFC 9535) that names places to change, without the `$` in front: no index, no filter,
// no search, since a step has to mean the same in every record.

/// A place within a JSON value, or, with wildcards, several of one kind.
public struct JSONPath: Sendable, Hashable {
    public enum Component: Sendable, Hashable {
        /// A member of an object, by its name.
        case member([UInt8])
        /// `[*]`: each element of an array.
        case everyElement
        /// `.*`: each member of an object.
        case everyMember

        var isWildcard: Bool { if case .member = self { false } else { true } }
    }

    /// Not empty, at most ``componentsMax``.
    public let components: [Component]

    /// The most components of a path.
    public static let componentsMax = 16

    init(components: [Component]) { self.components = components }

    /// The path of a member of the value itself.
    public init(name: String) { components = [.member(Array(name.utf8))] }

    /// What a path looks like, for those who are told that theirs is none.
    public static let expected = "a path such as user.name, turns[*].text or users.*.name (other names as [\"a.b\"])"

    /// Reads a path; the error says what is wrong with it.
    public init(_ text: String) throws(JSONPathError) {
        let bytes = Array(text.utf8)
        if text == "$" || text.hasPrefix("$.") || text.hasPrefix("$[") {
            throw JSONPathError("a path begins with a name, without the $")
        }
        if text.hasPrefix("/") { throw JSONPathError("names are separated by dots, not by slashes") }
        var components: [Component] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "[") {
                let (component, end) = try Self.bracketed(bytes, index)
                components.append(component)
                index = end
            } else {
                if !components.isEmpty {
                    guard bytes[index] == UInt8(ascii: ".") else {
                        throw JSONPathError("a . is missing at byte \(index + 1)")
                    }
                    index += 1
                }
                let name = bytes[index...].prefix { !Self.ends($0) }
                guard !name.isEmpty else { throw JSONPathError("a name is missing at byte \(index + 1)") }
                index += name.count
                components.append(try Self.named(name))
            }
        }
        guard !components.isEmpty else { throw JSONPathError("it is empty") }
        guard components.count <= Self.componentsMax else {
            throw JSONPathError("it has \(components.count) parts; at most \(Self.componentsMax) are possible")
        }
        self.components = components
    }

    private static func ends(_ byte: UInt8) -> Bool { byte == UInt8(ascii: ".") || byte == UInt8(ascii: "[") }

    private static func named(_ name: ArraySlice<UInt8>) throws(JSONPathError) -> Component {
        if name.elementsEqual("*".utf8) { return .everyMember }
        guard name.allSatisfy({ $0 >= 0x20 && !Self.isSpecial($0) }) else {
            throw JSONPathError(
                "the name \(String(decoding: name, as: UTF8.self)) has a character that needs [\"…\"] round it")
        }
        return .member(Array(name))
    }

    private static func isSpecial(_ byte: UInt8) -> Bool {
        [UInt8(ascii: "*"), UInt8(ascii: "\""), UInt8(ascii: "]"), UInt8(ascii: "\\")].contains(byte)
    }

    /// `[*]` or `["name"]`, which begins at `start`, and where it ends.
    private static func bracketed(_ bytes: [UInt8], _ start: Int) throws(JSONPathError) -> (Component, Int) {
        let rest = bytes[(start + 1)...]
        if rest.starts(with: "*]".utf8) { return (.everyElement, start + 3) }
        guard rest.first == UInt8(ascii: "\"") else {
            throw JSONPathError("[ is followed by *] or by a name in double quotes: single elements can't be named")
        }
        let end = bytes.withUnsafeBufferPointer { bytes -> Int? in
            var scanner = JSONScanner(bytes, at: start + 1)
            do throws(JSONError) { try scanner.skipString() } catch { return nil }
            return scanner.byte == UInt8(ascii: "]") ? scanner.position : nil
        }
        guard let end else { throw JSONPathError("[\" without its \"]") }
        let name = JSONString.unquoted(bytes[(start + 1)..<end])
        guard String(validating: name, as: UTF8.self) != nil else {
            throw JSONPathError(
                "the name \(String(decoding: bytes[(start + 1)..<end], as: UTF8.self)) has half a surrogate pair")
        }
        return (.member(name), end + 1)
    }

    /// The path as it is written.
    public var text: String { Self.text(components) }

    static func text(_ components: some Collection<Component>) -> String {
        var text = ""
        for component in components {
            switch component {
            case .everyElement: text += "[*]"
            case .everyMember: text += text.isEmpty ? "*" : ".*"
            case .member(let name):
                let isPlain =
                    !name.isEmpty && name.allSatisfy { $0 >= 0x20 && !ends($0) && !isSpecial($0) }
                    && !(text.isEmpty && (name.first == UInt8(ascii: "/") || name == [UInt8(ascii: "$")]))
                let shown = String(decoding: name, as: UTF8.self)
                if isPlain {
                    text += text.isEmpty ? shown : ".\(shown)"
                } else {
                    text += "[\(String(decoding: JSONString.quoted(name), as: UTF8.self))]"
                }
            }
        }
        return text
    }

    /// The components up to and including the last wildcard: where the rest is looked for, once in each place.
    var scope: ArraySlice<Component> {
        components[..<(components.lastIndex(where: \.isWildcard).map { $0 + 1 } ?? 0)]
    }

    /// The names after the last wildcard.
    var names: [[UInt8]] {
        components[scope.endIndex...].map { if case .member(let name) = $0 { name } else { [] } }
    }

    /// Whether one of the two lies in the other, or may.
    func overlaps(_ other: JSONPath) -> Bool {
        zip(components, other.components).allSatisfy { a, b in
            switch (a, b) {
            case (.member(let a), .member(let b)): a == b
            case (.everyElement, .everyElement), (.everyMember, _), (_, .everyMember): true
            // Of an array and an object at most one is there.
            case (.everyElement, .member), (.member, .everyElement): false
            }
        }
    }
}

/// What is wrong with a path.
public struct JSONPathError: Error, Equatable {
    public let text: String
    init(_ text: String) { self.text = text }
}
