// A policy's schema: the form that values have now, and the steps that bring older ones there.
//
// DESIGN: steps are data, so that a sidecar can carry them out, tell of them beforehand, and be given new ones by a
// reload. They change the JSON value that STATE.SET gave; turns, summaries and checkpoints are their writers' own.

/// The schema of the values under a policy.
public struct Schema: Sendable, Equatable {
    /// When a value that was read in its new form is stored so.
    public enum WriteBack: String, Sendable, CaseIterable {
        /// Behind the answer of the read.
        case lazy
        /// Not before `hearth migrate --held`, or a reload that says `lazy`: older releases still read the records.
        case hold
    }

    /// The schema that values are to have; nil where the policy knows of none.
    public var current: Int64?
    public var writeBack = WriteBack.lazy
    /// In the order of their targets, without a gap; several with the same target are one step, in their order.
    public var steps: [SchemaStep] = []

    public init() {}

    /// The oldest schema that the steps begin with, and the one that a value without a number is taken for.
    public var oldest: Int64? { steps.first.map { $0.to - 1 } ?? current }
}

/// From one schema to the next, or a part of that.
public struct SchemaStep: Sendable, Equatable {
    /// The schema that it leads to, from 2.
    public var to: Int64
    /// In the order in which they are carried out: rename, move, remove, default, set.
    public var operations: [SchemaOperation]

    public init(to: Int64, _ operations: [SchemaOperation] = []) {
        self.to = to
        self.operations = operations
    }
}

/// What a step does to a JSON value, in each place that its path names.
public enum SchemaOperation: Sendable, Equatable {
    /// The member gets another name, where it stands.
    case rename(JSONPath, to: String)
    /// The member goes to another place, which has the wildcards of the first.
    case move(JSONPath, to: JSONPath)
    case remove(JSONPath)
    /// The value, where there is nothing.
    case addDefault(JSONPath, JSONValue)
    /// The value, whatever is there.
    case set(JSONPath, JSONValue)

    /// The word by which a policy asks for it.
    public var word: String {
        switch self {
        case .rename: "rename"
        case .move: "move"
        case .remove: "remove"
        case .addDefault: "default"
        case .set: "set"
        }
    }

    /// The place that it begins with.
    public var path: JSONPath {
        switch self {
        case .rename(let path, _), .move(let path, _), .remove(let path), .addDefault(let path, _), .set(let path, _):
            path
        }
    }

    /// As an error or a report names it: `rename user.name`.
    public var text: String { "\(word) \(path.text)" }

    /// Whether carrying it out can lose a value that nothing brings back.
    public var canLose: Bool {
        switch self {
        case .rename, .move, .addDefault: false
        case .remove, .set: true
        }
    }

    func perform(on document: inout JSONDocument) throws(JSONEditError) -> JSONEditCount {
        switch self {
        case .rename(let path, let name): try document.rename(path, to: Array(name.utf8))
        case .move(let path, let target): try document.move(path, to: target)
        case .remove(let path): try document.remove(path)
        case .addDefault(let path, let value): try document.addDefault(value, at: path)
        case .set(let path, let value): try document.set(value, at: path)
        }
    }
}
