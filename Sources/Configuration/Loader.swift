// From a file's text, the environment and flags to one configuration, or to everything that is wrong with them.
//
// DESIGN. Every layer gives (key, node, place). Each given value is read once to see whether it can be, so that a
// broken line in the file is refused even where a flag overrides it; the one from the strongest layer is then applied,
// in the order of the settings table. Relations between keys are judged last, on the result, and name the place of
// whichever of the two was written. Policies come after limits, since they inherit from them.

internal import Tiers

/// A configuration that may be used, and what should be known about it.
public struct LoadedConfiguration: Sendable, Equatable {
    public let configuration: Configuration
    /// What was asked for explicitly and has no effect in this version, or weakens a promise.
    public let warnings: [ConfigurationProblem]
}

extension Configuration {
    /// Variables that begin with `HEARTH_` and are no keys: the file's name, and what the tests read.
    public static let reservedVariables: Set<String> = [
        "HEARTH_CONFIG", "HEARTH_COHERENCE_SECONDS", "HEARTH_FAULT", "HEARTH_FUZZ", "HEARTH_SEED",
    ]

    /// Reads a configuration: flags over environment over file over defaults.
    ///
    /// - Parameters:
    ///   - file: The file's name as errors show it; nothing is opened.
    ///   - text: The file's content, UTF-8, at most 1 MiB; nil where there is no file.
    ///   - environment: The whole environment; only names that begin with `HEARTH_` are looked at, and those that
    ///     Kubernetes sets for a service called hearth are passed over.
    ///   - flags: Names, with or without dashes in front, and values; the last of a name wins.
    /// - Throws: Everything that is wrong, in one error.
    public static func load(
        file: String? = nil, text: [UInt8]? = nil, environment: [String: String] = [:], flags: [(String, String)] = []
    ) throws(ConfigurationErrors) -> LoadedConfiguration {
        var loader = Loader(file: file ?? "hearth.yaml")
        if let text { loader.readFile(text) }
        loader.readEnvironment(environment)
        loader.readFlags(flags)
        return try loader.finish()
    }

    /// The same for a text.
    public static func load(
        file: String? = nil, text: String, environment: [String: String] = [:], flags: [(String, String)] = []
    ) throws(ConfigurationErrors) -> LoadedConfiguration {
        try load(file: file, text: Array(text.utf8), environment: environment, flags: flags)
    }
}

/// The state of one load.
struct Loader {
    struct Given {
        var node: Node
        var place: Place
    }

    let file: String
    var configuration = Configuration()
    var problems: [ConfigurationProblem] = []
    var warnings: [ConfigurationProblem] = []
    /// The strongest given value of each key.
    var given: [String: Given] = [:]
    /// Keys of which some layer gave a value that was refused.
    var refused: Set<String> = []
    var policies: Node?

    private static let byKey = Dictionary(uniqueKeysWithValues: Configuration.settings.map { ($0.key, $0) })
    private static let byEnvironment = Dictionary(
        uniqueKeysWithValues: Configuration.settings.map { ($0.environmentName, $0) })
    private static let byFlag = Dictionary(uniqueKeysWithValues: Configuration.settings.map { ($0.flagName, $0) })
    /// `socket`, `local`, … with their keys.
    private static let sections = Dictionary(
        grouping: Configuration.settings.map { $0.key.split(separator: ".").map(String.init) }.filter { $0.count == 2 },
        by: { $0[0] }
    ).mapValues { $0.map { $0[1] } }

    init(file: String) { self.file = file }

    mutating func refuse(_ place: Place, _ text: String) {
        problems.append(ConfigurationProblem(place: place, text: text))
    }

    mutating func warn(_ place: Place, _ text: String) {
        warnings.append(ConfigurationProblem(place: place, text: text))
    }

    func place(_ mark: Mark) -> Place { .file(file, mark) }

    // MARK: Layers

    mutating func readFile(_ text: [UInt8]) {
        let document = YAMLDocument(text)
        for problem in document.problems { refuse(place(problem.mark), problem.text) }
        guard let root = document.root, let members = members(of: root, "the file", "keys such as socket and redis")
        else {
            return
        }
        for member in members {
            if member.key == "policies" {
                policies = member.value
            } else if let keys = Self.sections[member.key] {
                readSection(member, keys)
            } else if let setting = Self.byKey[member.key], !member.key.contains(".") {
                take(setting, member.value, place(member.value.mark))
            } else {
                refuseUnknown(member, among: Self.topLevelNames, in: nil)
            }
        }
    }

    private static let topLevelNames =
        sections.keys.sorted() + Configuration.settings.map(\.key).filter { !$0.contains(".") } + ["policies"]

    private mutating func readSection(_ section: Member, _ keys: [String]) {
        let such = "keys such as \(keys.prefix(2).joined(separator: " and "))"
        for member in members(of: section.value, section.key, such) ?? [] {
            if let setting = Self.byKey["\(section.key).\(member.key)"] {
                take(setting, member.value, place(member.value.mark))
            } else {
                refuseUnknown(member, among: keys, in: section.key)
            }
        }
    }

    /// The members of a mapping; nothing for an empty one, and nil where it is something else.
    mutating func members(of node: Node, _ what: String, _ such: String) -> [Member]? {
        switch node.content {
        case .mapping(let members): return members
        case .refused: return nil
        case .scalar(let scalar) where scalar.kind == .null: return []
        case .scalar, .sequence:
            refuse(place(node.mark), "\(what): found \(node.found), expected a mapping of \(such)")
            return nil
        }
    }

    mutating func refuseUnknown(_ member: Member, among names: [String], in section: String?) {
        var text = "unknown key \(shown(member.key))" + (section.map { " in \($0)" } ?? "")
        // Past what is listed nobody reads a suggestion, and a file of unknown keys would cost seconds.
        guard problems.count < ConfigurationErrors.listedMax else { return refuse(place(member.mark), text) }
        let elsewhere = Configuration.settings.map(\.key).filter { $0.hasSuffix(".\(member.key)") }
        if let name = nearest(to: member.key, in: names) {
            text += "; did you mean \(shown(name))?"
        } else if elsewhere.count == 1 {
            let parts = elsewhere[0].split(separator: ".")
            text += "; \(shown(String(parts[1]))) belongs under \(parts[0])"
        }
        refuse(place(member.mark), text)
    }

    mutating func readEnvironment(_ environment: [String: String]) {
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix("HEARTH_") {
            if let setting = Self.byEnvironment[name] {
                take(setting, setting.untyped(value), .environment(name))
            } else if !Configuration.reservedVariables.contains(name), !isKubernetesServiceVariable(name, value) {
                let hint = nearest(to: name, in: Self.byEnvironment.keys.sorted()).map { "; did you mean \($0)?" } ?? ""
                refuse(.environment(name), "no key has this name\(hint)")
            }
        }
    }

    mutating func readFlags(_ flags: [(String, String)]) {
        for (flag, value) in flags {
            let name = String(flag.drop { $0 == "-" })
            if let setting = Self.byFlag[name] {
                take(setting, setting.untyped(value), .flag(name))
            } else {
                let hint = nearest(to: name, in: Self.byFlag.keys.sorted()).map { "; did you mean --\($0)?" } ?? ""
                refuse(.flag(name), "no key has this name\(hint)")
            }
        }
    }

    /// Reads a value once to see whether it can be, and remembers it as the strongest so far.
    private mutating func take(_ setting: Setting<Configuration>, _ node: Node, _ place: Place) {
        var scratch = Configuration()
        if read(setting, node, into: &scratch, named: setting.key, place) {
            given[setting.key] = Given(node: node, place: place)
        } else {
            refused.insert(setting.key)
        }
    }

    /// Whether a value could be read; what was refused is on the list.
    mutating func read<Root>(
        _ setting: Setting<Root>, _ node: Node, into root: inout Root, named name: String, _ place: Place
    ) -> Bool {
        if node.isRefused { return false }
        do {
            try setting.read(node, &root)
            return true
        } catch {
            var place = place
            if let mark = error.mark, case .file(let file, _) = place { place = .file(file, mark) }
            refuse(place, "\(name): \(error.text)")
            return false
        }
    }

    // MARK: The result

    mutating func finish() throws(ConfigurationErrors) -> LoadedConfiguration {
        var result = Configuration()
        for setting in Configuration.settings {
            guard let value = given[setting.key] else { continue }
            let isRead = read(setting, value.node, into: &result, named: setting.key, value.place)
            precondition(isRead, "BUG: \(setting.key) was read once and refused the second time")
        }
        configuration = result
        for setting in Configuration.settings {
            guard let value = given[setting.key], let consequence = setting.notBuilt(configuration) else { continue }
            warnNotBuilt(setting.key, consequence, value.place)
        }
        judgeRelations()
        judgeRegions()
        readPolicies()
        warnOfWeakSync()
        warnOfIdleAudit()
        guard problems.isEmpty else { throw ConfigurationErrors(problems) }
        return LoadedConfiguration(configuration: configuration, warnings: warnings)
    }

    /// One warning for each consequence, at the first place that has it.
    mutating func warnNotBuilt(_ name: String, _ consequence: String, _ place: Place) {
        let text = "not built yet; \(consequence)"
        guard !warnings.contains(where: { $0.text.hasSuffix(text) }) else { return }
        warn(place, "\(name): \(text)")
    }

    private mutating func warnOfIdleAudit() {
        guard let place = given["audit.path"]?.place, configuration.audit.path != nil,
            configuration.policies.allSatisfy({ $0.audit == .off })
        else { return }
        warn(place, "audit.path: no policy says audit: writes or audit: all, so no access is told of")
    }

    private mutating func warnOfWeakSync() {
        guard configuration.redisIsOff, let place = given["warm.sync"]?.place else { return }
        switch configuration.warm.sync {
        case .auto, .always: break
        case .interval(let interval):
            warn(
                place, "warm.sync: with redis.url off, up to \(Units.text(interval)) of acknowledged writes can be lost"
            )
        case .never:
            warn(place, "warm.sync: with redis.url off, acknowledged writes can be lost whenever this host loses power")
        }
    }
}

extension Node {
    /// Whether the reader of the tree refused this, or a part of it.
    var isRefused: Bool {
        switch content {
        case .refused: true
        case .sequence(let nodes): nodes.contains(where: \.isRefused)
        case .scalar, .mapping: false
        }
    }
}

/// Whether Kubernetes sets such a variable in each pod beside a service whose name begins with hearth.
///
/// Source: "Environment variables" in https://kubernetes.io/docs/concepts/services-networking/service/:
/// `HEARTH_SERVICE_HOST`, `HEARTH_SERVICE_PORT_ADMIN`, `HEARTH_PORT`, `HEARTH_PORT_7381_TCP_ADDR`, `HEARTH_WEB_PORT`.
func isKubernetesServiceVariable(_ name: String, _ value: String) -> Bool {
    let words = name.split(separator: "_")
    for (word, next) in zip(words, words.dropFirst()) {
        if word == "SERVICE", next == "HOST" || next == "PORT" { return true }
        if word == "PORT", next.utf8.allSatisfy({ (0x30...0x39).contains($0) }) { return true }
    }
    // A bare port number would be somebody's guess at a key; Kubernetes gives a URL here.
    return words.last == "PORT" && ["tcp://", "udp://", "sctp://"].contains { value.hasPrefix($0) }
}
