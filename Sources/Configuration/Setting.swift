// One key of the configuration: its names in every layer, how it is read, printed, compared and taken over.

/// When a changed value takes effect.
enum WhenChanged: Sendable {
    /// A reload (SIGHUP) applies it.
    case atOnce
    /// It is read once, at start.
    case atRestart
}

/// A key under `Root` (the configuration, or a policy), whatever the type of its value.
struct Setting<Root: Sendable>: Sendable {
    /// As `redis.timeout`, or `max_staleness` of a policy.
    let key: String
    /// What it takes, in words.
    let expected: String
    let isList: Bool
    let whenChanged: WhenChanged
    /// Never printed, never repeated in a refusal.
    let isSecret: Bool
    /// What happens instead of what the value asks for, as long as that isn't built; nil where it is.
    let notBuilt: @Sendable (Root) -> String?
    let read: @Sendable (Node, inout Root) throws(Refusal) -> Void
    /// The value as YAML, secrets redacted; nil where there is no secret to print.
    let print: @Sendable (Root) -> String?
    let isEqual: @Sendable (Root, Root) -> Bool
    /// Gives the second root the first one's value.
    let copy: @Sendable (Root, inout Root) -> Void

    init<Value: Sendable & Equatable>(
        _ key: String, _ codec: Codec<Value>, _ path: any WritableKeyPath<Root, Value> & Sendable,
        _ whenChanged: WhenChanged = .atOnce, isSecret: Bool = false,
        notBuilt: @escaping @Sendable (Root) -> String? = { _ in nil }
    ) {
        self.key = key
        self.whenChanged = whenChanged
        self.isSecret = isSecret
        self.notBuilt = notBuilt
        expected = codec.expected
        isList = codec.isList
        read = { node, root throws(Refusal) in root[keyPath: path] = try codec.read(node) }
        print = { root in
            let text = codec.print(root[keyPath: path])
            return !isSecret ? text : text == "null" ? nil : "\"***\""
        }
        isEqual = { $0[keyPath: path] == $1[keyPath: path] }
        copy = { $1[keyPath: path] = $0[keyPath: path] }
    }

    /// `HEARTH_REDIS_TIMEOUT`
    var environmentName: String { "HEARTH_" + separated(by: "_").uppercased() }
    /// `redis-timeout`
    var flagName: String { String(separated(by: "-").map { $0 == "_" ? "-" : $0 }) }

    private func separated(by separator: Character) -> String { String(key.map { $0 == "." ? separator : $0 }) }

    /// A value from the environment or a flag as a node.
    func untyped(_ text: String) -> Node {
        guard isList else { return Node(content: .scalar(Scalar(text, .untyped)), mark: Mark()) }
        let elements = text.split(separator: ",", omittingEmptySubsequences: !text.contains(",")).map { part in
            let trimmed = part.drop { $0 == " " }
            return Node(content: .scalar(Scalar(String(trimmed), .untyped)), mark: Mark())
        }
        return Node(content: .sequence(elements), mark: Mark())
    }
}

/// A key as the command line's help and the documentation name it.
public struct KeyDescription: Sendable, Equatable {
    /// As `redis.timeout`.
    public let key: String
    /// As `HEARTH_REDIS_TIMEOUT`.
    public let environment: String
    /// As `redis-timeout`, without the dashes in front.
    public let flag: String
    /// What it takes, in words.
    public let expected: String
    /// The default as YAML; nil where there is none.
    public let standard: String?
    /// Whether SIGHUP applies a change.
    public let appliesOnReload: Bool
}

extension Configuration {
    /// Every key except `policies`, in the order of the documentation.
    public static var keys: [KeyDescription] {
        settings.map {
            KeyDescription(
                key: $0.key, environment: $0.environmentName, flag: $0.flagName, expected: $0.expected,
                standard: $0.print(Configuration()), appliesOnReload: $0.whenChanged == .atOnce)
        }
    }

    /// Every key of a policy except `prefix`, as `ttl` or `turns.keep`, in the order of the documentation.
    public static var policyKeys: [String] { policySettings.map(\.key) }
}
