// The five edits of a schema's steps: rename, move, remove, default, set.
//
// DESIGN: an edit is done in each place that its scope finds (all up to the last wildcard), by names from there on.
// What is not there, or null, on the way to something that is to be renamed, moved or removed means that there is
// nothing to do; an object is made where there is nothing, or null, on the way to something that is to be put. What is
// something else than the path takes it for stops the edit, and so does a name that an object has twice, and a place
// that is taken: nothing is guessed, and nothing is lost that the step does not name.

/// Why an edit can't be done.
struct JSONEditError: Error, Equatable {
    var text: String
}

/// In how many places an edit changed something, and in how many a value was lost by it.
struct JSONEditCount: Equatable {
    var changed = 0
    var lost = 0
}

extension JSONDocument {
    typealias Component = JSONPath.Component

    /// Gives the member at `path` another name, where it stands.
    mutating func rename(_ path: JSONPath, to name: [UInt8]) throws(JSONEditError) -> JSONEditCount {
        let quoted = makeName(name)
        return try edit(path) { (document, node, place, count) throws(JSONEditError) in
            let (parents, last) = Self.divided(path.names)
            try document.withObject(at: parents, of: &node, place) {
                (document, object, place) throws(JSONEditError) in
                guard let index = try document.find(last, in: object, place) else { return false }
                guard try document.find(name, in: object, place) == nil else {
                    throw Self.taken(place + [.member(name)])
                }
                object.parts?.list[index].name = quoted
                count.changed += 1
                return true
            }
        }
    }

    /// Takes the value at `path` away and puts it at `target`, at the end of the object there.
    ///
    /// `target` has the scope of `path`.
    mutating func move(_ path: JSONPath, to target: JSONPath) throws(JSONEditError) -> JSONEditCount {
        try edit(path) { (document, node, place, count) throws(JSONEditError) in
            guard let value = try document.cut(path.names, of: &node, place) else { return }
            let isUnwrapped = path.names.count > target.names.count && path.names.starts(with: target.names)
            _ = try document.put(value, at: target.names, of: &node, place) {
                (document, held, place) throws(JSONEditError) in
                // The object that a value comes out of goes with it, where nothing is left in it.
                guard isUnwrapped, held.parts?.list.isEmpty ?? false else { throw Self.taken(place) }
                return true
            }
            count.changed += 1
        }
    }

    mutating func remove(_ path: JSONPath) throws(JSONEditError) -> JSONEditCount {
        try edit(path) { (document, node, place, count) throws(JSONEditError) in
            guard try document.cut(path.names, of: &node, place) != nil else { return }
            count.changed += 1
            count.lost += 1
        }
    }

    /// Puts `value` at `path` where there is nothing; null is something.
    mutating func addDefault(_ value: JSONValue, at path: JSONPath) throws(JSONEditError) -> JSONEditCount {
        let new = make(value)
        return try edit(path) { (document, node, place, count) throws(JSONEditError) in
            let isPut = try document.put(new, at: path.names, of: &node, place) { _, _, _ in false }
            count.changed += isPut ? 1 : 0
        }
    }

    /// Puts `value` at `path`, whatever is there.
    mutating func set(_ value: JSONValue, at path: JSONPath) throws(JSONEditError) -> JSONEditCount {
        let new = make(value)
        return try edit(path) { (document, node, place, count) throws(JSONEditError) in
            var isLost = false
            let isPut = try document.put(new, at: path.names, of: &node, place) { document, held, _ in
                isLost = held.isChanged || document.bytes(held) != document.bytes(new)
                return isLost
            }
            count.changed += isPut ? 1 : 0
            count.lost += isLost ? 1 : 0
        }
    }

    private static func divided(_ names: [[UInt8]]) -> (parents: ArraySlice<[UInt8]>, last: [UInt8]) {
        guard let last = names.last else { preconditionFailure("BUG: a path that ends in a wildcard") }
        return (names.dropLast(), last)
    }

    private static func taken(_ place: [Component]) -> JSONEditError {
        JSONEditError(text: "\(JSONPath.text(place)) is there already, and would be lost")
    }

    private static func not(_ what: String, _ place: [Component]) -> JSONEditError {
        JSONEditError(text: "\(place.isEmpty ? "the value" : JSONPath.text(place)) is no \(what)")
    }

    // MARK: Finding places

    private typealias Edit = (
        inout JSONDocument, inout JSONNode, _ place: [Component], inout JSONEditCount
    ) throws(JSONEditError) -> Void

    /// Carries an edit out in each place that the scope of `path` finds.
    private mutating func edit(_ path: JSONPath, _ edit: Edit) throws(JSONEditError) -> JSONEditCount {
        var count = JSONEditCount()
        var root = self.root
        // A tree that is held twice would be copied with the first change.
        self.root = JSONNode(range: root.range)
        defer { self.root = root }
        try visit(&root, path.scope, [], &count, edit)
        return count
    }

    private mutating func visit(
        _ node: inout JSONNode, _ scope: ArraySlice<Component>, _ place: [Component], _ count: inout JSONEditCount,
        _ edit: Edit
    ) throws(JSONEditError) {
        let kind = kind(node)
        if kind == .null, !place.isEmpty { return }
        let before = count.changed
        guard let component = scope.first else {
            try edit(&self, &node, place, &count)
            if count.changed != before { node.isChanged = true }
            return
        }
        let place = place + [component]
        switch component {
        case .member(let name):
            guard kind == .object else { throw Self.not("object", place.dropLast()) }
            open(&node)
            guard let index = try find(name, in: node, place.dropLast()) else { return }
            try visitPart(index, of: &node, scope.dropFirst(), place, &count, edit)
        case .everyElement, .everyMember:
            let isRight = component == .everyElement ? kind == .array : kind == .object
            guard isRight else {
                throw Self.not(component == .everyElement ? "array" : "object", place.dropLast())
            }
            open(&node)
            for index in 0..<(node.parts?.list.count ?? 0) {
                try visitPart(index, of: &node, scope.dropFirst(), place, &count, edit)
            }
        }
        if count.changed != before { node.isChanged = true }
    }

    private mutating func visitPart(
        _ index: Int, of node: inout JSONNode, _ scope: ArraySlice<Component>, _ place: [Component],
        _ count: inout JSONEditCount, _ edit: Edit
    ) throws(JSONEditError) {
        guard var part = node.parts?.list[index].node else { return }
        // Taken out meanwhile, so that it is held once.
        node.parts?.list[index].node = JSONNode(range: part.range)
        defer { node.parts?.list[index].node = part }
        try visit(&part, scope, place, &count, edit)
    }

    /// The place of a member in an object that was looked into; nil where it has no such member.
    private func find(
        _ name: [UInt8], in object: JSONNode, _ place: [Component]
    ) throws(JSONEditError) -> Int? {
        var found: Int?
        for (index, part) in (object.parts?.list ?? []).enumerated() where isNamed(part, name) {
            guard found == nil else {
                throw JSONEditError(text: "\(JSONPath.text(place + [.member(name)])) is there twice")
            }
            found = index
        }
        return found
    }

    /// Hands the object at `names` to `body`, which says whether it changed it; not called where there is nothing.
    @discardableResult
    private mutating func withObject(
        at names: ArraySlice<[UInt8]>, of node: inout JSONNode, _ place: [Component],
        _ body: (inout JSONDocument, inout JSONNode, _ place: [Component]) throws(JSONEditError) -> Bool
    ) throws(JSONEditError) -> Bool {
        switch kind(node) {
        case .object: break
        case .null where !place.isEmpty: return false
        case .null, .array, .scalar: throw Self.not("object", place)
        }
        open(&node)
        let isChanged: Bool
        if let name = names.first {
            guard let index = try find(name, in: node, place), var part = node.parts?.list[index].node else {
                return false
            }
            node.parts?.list[index].node = JSONNode(range: part.range)
            defer { node.parts?.list[index].node = part }
            isChanged = try withObject(at: names.dropFirst(), of: &part, place + [.member(name)], body)
        } else {
            isChanged = try body(&self, &node, place)
        }
        if isChanged { node.isChanged = true }
        return isChanged
    }

    // MARK: Taking away and putting

    /// Takes a member out of its object; nil where there is none.
    private mutating func cut(
        _ names: [[UInt8]], of node: inout JSONNode, _ place: [Component]
    ) throws(JSONEditError) -> JSONNode? {
        var value: JSONNode?
        let (parents, last) = Self.divided(names)
        try withObject(at: parents, of: &node, place) { (document, object, place) throws(JSONEditError) in
            guard let index = try document.find(last, in: object, place) else { return false }
            value = object.parts?.list.remove(at: index).node
            return true
        }
        return value
    }

    /// Puts a value where there is none, making the objects on the way; where there is one, `replaces` says whether it
    /// goes. Whether the value was put.
    private mutating func put(
        _ value: JSONNode, at names: [[UInt8]], of node: inout JSONNode, _ place: [Component],
        replaces: (JSONDocument, JSONNode, _ place: [Component]) throws(JSONEditError) -> Bool
    ) throws(JSONEditError) -> Bool {
        let (parents, last) = Self.divided(names)
        return try put(value, at: parents, last, of: &node, place, replaces: replaces)
    }

    private mutating func put(
        _ value: JSONNode, at parents: ArraySlice<[UInt8]>, _ last: [UInt8], of node: inout JSONNode,
        _ place: [Component], replaces: (JSONDocument, JSONNode, _ place: [Component]) throws(JSONEditError) -> Bool
    ) throws(JSONEditError) -> Bool {
        guard kind(node) == .object else { throw Self.not("object", place) }
        open(&node)
        let name = parents.first ?? last
        let here = place + [.member(name)]
        let index = try find(name, in: node, place)
        if parents.isEmpty {
            if let index, let held = node.parts?.list[index].node {
                guard try replaces(self, held, here) else { return false }
                node.parts?.list[index].node = value
            } else {
                node.parts?.list.append(JSONNode.Part(name: makeName(name), node: value))
            }
            node.isChanged = true
            return true
        }
        var part = JSONNode(range: 0..<0)
        var isNew = true
        if let index, let held = node.parts?.list[index].node, kind(held) != .null {
            part = held
            isNew = false
            node.parts?.list[index].node = JSONNode(range: part.range)
        } else {
            part = make(.object([]))
        }
        // What was made for a value that is not put does not stay.
        var isPut = false
        defer {
            if !isNew, let index { node.parts?.list[index].node = part }
        }
        isPut = try put(value, at: parents.dropFirst(), last, of: &part, here, replaces: replaces)
        guard isPut else { return false }
        if isNew {
            if let index {
                node.parts?.list[index].node = part
            } else {
                node.parts?.list.append(JSONNode.Part(name: makeName(name), node: part))
            }
        }
        node.isChanged = true
        return true
    }
}
