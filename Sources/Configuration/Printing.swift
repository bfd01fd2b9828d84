// The effective configuration as YAML, secrets redacted: what `hearth config` shows, and loads again to the same.

internal import Tiers

extension Configuration {
    /// The configuration as YAML that ``load(file:text:environment:flags:)`` reads back as an equal one, secrets apart.
    ///
    /// Keys that have no effect in this version are left out while they have their default. A policy shows what differs
    /// from the one for the empty prefix.
    public func printed() -> String {
        var lines: [String] = []
        var section = ""
        for setting in Self.settings {
            guard let value = shownValue(setting, in: self, standard: Configuration()) else { continue }
            let parts = setting.key.split(separator: ".", maxSplits: 1).map(String.init)
            if parts.count == 1 {
                lines.append("\(setting.key): \(value)")
                section = ""
                continue
            }
            if parts[0] != section { lines.append("\(parts[0]):") }
            section = parts[0]
            lines.append("  \(parts[1]): \(value)\(note(for: setting.key))")
        }
        lines.append("policies:")
        for policy in policies { lines += printed(policy) }
        return lines.joined(separator: "\n") + "\n"
    }

    private func shownValue<Root>(_ setting: Setting<Root>, in root: Root, standard: Root) -> String? {
        if setting.notBuilt(root) != nil, setting.isEqual(root, standard) { return nil }
        return setting.print(root)
    }

    /// What an `auto` comes to.
    private func note(for key: String) -> String {
        switch key {
        case "warm.sync" where warm.sync == .auto: "  # \(Codec<WarmSection.Sync>.warmSync.print(warmSync)) here"
        case "warm.when_full" where warm.whenFull == .auto: "  # \(warmWhenFull.rawValue) here"
        default: ""
        }
    }

    private func printed(_ policy: Policy) -> [String] {
        var lines = ["  - prefix: \(quoted(String(decoding: policy.prefix, as: UTF8.self)))"]
        let base = policies[0]
        var section = ""
        for setting in Self.policySettings {
            let isBase = policy.prefix.isEmpty
            if !isBase, setting.isEqual(policy, base) { continue }
            let value = isBase ? shownValue(setting, in: policy, standard: Policy()) : setting.print(policy)
            guard let value else { continue }
            let parts = setting.key.split(separator: ".", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                lines.append("    \(setting.key): \(value)")
                continue
            }
            if parts[0] != section { lines.append("    \(parts[0]):") }
            section = parts[0]
            lines.append("      \(parts[1]): \(value)")
        }
        return lines
    }
}

/// A double-quoted YAML scalar on one line, with every character that a reader could refuse or fold escaped.
///
/// Source: YAML 1.2.2, §5.1 (printable characters) and §5.7 (escapes).
func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
        switch scalar.value {
        case 0x22: out += "\\\""
        case 0x5c: out += "\\\\"
        case 0x0a: out += "\\n"
        case 0x09: out += "\\t"
        case 0..<0x20, 0x7f..<0xa0: out += "\\x" + hex(scalar.value, digits: 2)
        case 0x2028, 0x2029, 0xfeff, 0xfffe, 0xffff: out += "\\u" + hex(scalar.value, digits: 4)
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out + "\""
}

private func hex(_ value: UInt32, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}
