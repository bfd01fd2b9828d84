// Steps that can't mean what they say: found when a policy is read, never when a record is.

/// What is wrong with a step, and with which of its operations.
public struct SchemaFault: Error, Equatable, Sendable {
    /// The place in ``SchemaStep/operations``.
    public let operation: Int
    public let text: String
}

extension SchemaStep {
    /// The first of its operations that can't be meant; nil where all can.
    ///
    /// Operations of one kind have no order among themselves, so that none may touch what another touches. Kinds have
    /// one, so that a later one may go on from an earlier one, and must not undo it or look for what it took away.
    /// Complexity: O(operations²).
    public var fault: SchemaFault? {
        for (index, operation) in operations.enumerated() {
            if let text = operation.fault { return SchemaFault(operation: index, text: text) }
            for earlier in operations[..<index] {
                if let text = operation.fault(after: earlier, of: operations[..<index]) {
                    return SchemaFault(operation: index, text: text)
                }
            }
        }
        return nil
    }
}

extension SchemaOperation {
    /// What it takes away from where it was.
    private var source: JSONPath? {
        switch self {
        case .rename(let path, _), .move(let path, _), .remove(let path): path
        case .addDefault, .set: nil
        }
    }

    /// Where it puts something.
    private var target: JSONPath? {
        switch self {
        case .rename(let path, let name):
            JSONPath(components: path.components.dropLast() + [.member(Array(name.utf8))])
        case .move(_, let target): target
        case .addDefault(let path, _), .set(let path, _): path
        case .remove: nil
        }
    }

    /// What is wrong with it by itself.
    fileprivate var fault: String? {
        for path in [source, target].compactMap({ $0 }) where path.components.last?.isWildcard ?? true {
            return "\(path.text): a path ends in a name"
        }
        switch self {
        case .rename, .move:
            guard let source, let target else { return nil }
            if source == target { return "it has that \(word == "move" ? "place" : "name") already" }
            guard source.scope == target.scope else {
                return "\(target.text) has other wildcards than \(source.text): a value is moved within the element or "
                    + "member that the last of them names"
            }
            return nil
        case .remove, .addDefault, .set: return nil
        }
    }

    /// What is wrong with it after `earlier`, one of `all` that come before it.
    fileprivate func fault(after earlier: SchemaOperation, of all: ArraySlice<SchemaOperation>) -> String? {
        if word == earlier.word {
            let mine = [source, target].compactMap { $0 }
            let theirs = [earlier.source, earlier.target].compactMap { $0 }
            let isShared = mine.contains { mine in theirs.contains { mine.overlaps($0) } }
            return isShared
                ? "it touches what \(earlier.text) touches, and a mapping has no order: put one of them into an "
                    + "element of its own with the same to"
                : nil
        }
        if let source, let gone = earlier.source, gone.contains(source),
            !all.contains(where: { $0.target?.overlaps(source) ?? false })
        {
            return "it is gone by then, after \(earlier.text) (rename, move, remove, default, set is the order)"
        }
        switch (self, earlier) {
        case (.remove(let path), _):
            guard let put = earlier.target, path.contains(put) else { return nil }
            return "it would take away what \(earlier.text) has put there"
        case (.set(let path, _), .remove(let removed)) where path == removed:
            return "set replaces what is there: leave the remove out"
        case (.addDefault(let path, _), .remove(let removed)) where path == removed:
            return "after its remove a default is always given: write set"
        case (.set(let path, _), _):
            guard let put = earlier.target, path.contains(put) else { return nil }
            return "it would replace what \(earlier.text) has put there"
        case (.rename, _), (.move, _), (.addDefault, _): return nil
        }
    }
}

extension JSONPath {
    /// Whether `other` is this place or lies in it.
    fileprivate func contains(_ other: JSONPath) -> Bool {
        components.count <= other.components.count && overlaps(other)
    }
}
