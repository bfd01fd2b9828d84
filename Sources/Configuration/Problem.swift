// What is wrong with a configuration, and where it was said.

/// Where a value came from.
enum Place: Sendable, Equatable {
    case file(String, Mark)
    case environment(String)
    case flag(String)

    var description: String {
        switch self {
        case .file(let name, let mark): "\(name):\(mark.line):\(mark.column)"
        case .environment(let name): "environment \(name)"
        case .flag(let name): "flag --\(name)"
        }
    }

    /// The file first, from its beginning; then the environment; then flags.
    var order: (Int, Mark, String) {
        switch self {
        case .file(_, let mark): (0, mark, "")
        case .environment(let name): (1, Mark(), name)
        case .flag(let name): (2, Mark(), name)
        }
    }
}

/// One thing to mend, or to know: where it is, what was found and what is expected.
public struct ConfigurationProblem: Sendable, Equatable, CustomStringConvertible {
    let place: Place
    /// What is wrong, without the place.
    public let text: String

    /// As `hearth.yaml:12:5: …`, `environment HEARTH_WORKERS: …` or `flag --workers: …`; never a secret.
    public var description: String { "\(place.description): \(text)" }
}

/// Everything that is wrong with a configuration, the file's problems first and in its order.
public struct ConfigurationErrors: Error, Sendable, Equatable, CustomStringConvertible {
    /// At most ``listedMax``.
    public let problems: [ConfigurationProblem]
    /// How many more there were.
    public let omitted: Int

    static let listedMax = 100

    init(_ all: [ConfigurationProblem]) {
        let sorted = all.sorted { $0.place.order < $1.place.order }
        problems = Array(sorted.prefix(Self.listedMax))
        omitted = sorted.count - problems.count
    }

    /// A line for each problem.
    public var description: String {
        let lines = problems.map(\.description) + (omitted > 0 ? ["and \(omitted) more"] : [])
        return lines.joined(separator: "\n")
    }
}

/// Why a value was refused; the loader adds the place and the key.
struct Refusal: Error, Equatable {
    var text: String
    /// Where within the value, if not at its beginning.
    var mark: Mark?

    init(_ text: String) { self.text = text }

    init(found: String, expected: String) { text = "found \(found), expected \(expected)" }
}
