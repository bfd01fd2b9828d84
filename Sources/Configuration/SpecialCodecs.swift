// The codecs of single keys: modes, sync intervals, URLs, tiers and command names.

internal import Tiers

extension Codec where Value == UInt32 {
    /// Permission bits, as a quoted octal number: unquoted, YAML 1.1 and 1.2 read different numbers.
    static var mode: Codec {
        let expected = "permission bits as a string of octal digits, such as \"0660\""
        return scalar(expected) { scalar throws(Refusal) in
            let digits = scalar.text.utf8
            guard (3...4).contains(digits.count), digits.allSatisfy({ (0x30...0x37).contains($0) }),
                let mode = UInt32(scalar.text, radix: 8), mode <= 0o777
            else { throw Refusal(found: scalar.found, expected: expected) }
            guard scalar.style != .plain else {
                throw Refusal(found: scalar.found, expected: "the same in quotes: \"\(scalar.text)\"")
            }
            return mode
        } print: {
            let octal = String($0, radix: 8)
            return "\"" + String(repeating: "0", count: max(0, 4 - octal.utf8.count)) + octal + "\""
        }
    }

    static var uid: Codec {
        let integer = Codec<Int>.integer(0...Int(UInt32.max) - 1)
        return integer.map({ value throws(Refusal) in UInt32(value) }, back: { Int($0) })
    }
}

extension Codec where Value == [UInt8] {
    /// Text, as its UTF-8 bytes; not empty.
    static func bytes(_ expected: String) -> Codec {
        Codec<String>.text(expected).map(
            { text throws(Refusal) in
                guard !text.isEmpty else { throw Refusal(found: "an empty string", expected: expected) }
                return Array(text.utf8)
            }, back: { String(decoding: $0, as: UTF8.self) })
    }
}

extension Codec where Value == WarmSection.Sync {
    static var warmSync: Codec {
        let expected = "auto, always, never, or an interval from 1ms to 1h, such as 1s"
        let interval = Codec<Duration>.duration(from: .milliseconds(1), to: .seconds(3600))
        return scalar(expected) { scalar throws(Refusal) in
            switch scalar.text {
            case "auto": return .auto
            case "always": return .always
            case "never": return .never
            default:
                guard Units.duration(scalar.text) != nil else { throw Refusal(found: scalar.found, expected: expected) }
                return .interval(try interval.read(Node(content: .scalar(scalar), mark: Mark())))
            }
        } print: {
            switch $0 {
            case .auto: "auto"
            case .always: "always"
            case .never: "never"
            case .interval(let interval): Units.text(interval)
            }
        }
    }
}

extension Codec where Value == JournalSection.Sync {
    static var journalSync: Codec {
        let expected = "always, never, or an interval from 1ms to 1h, such as 100ms"
        return scalar(expected) { scalar throws(Refusal) in
            let sync =
                scalar.text == "auto"
                ? nil
                : try? Codec<WarmSection.Sync>.warmSync.read(
                    Node(content: .scalar(scalar), mark: Mark()))
            switch sync {
            case .always: return .always
            case .never: return .never
            case .interval(let interval): return .interval(interval)
            case .auto, nil: throw Refusal(found: scalar.found, expected: expected)
            }
        } print: {
            switch $0 {
            case .always: "always"
            case .never: "never"
            case .interval(let interval): Units.text(interval)
            }
        }
    }
}

extension Codec where Value == RedisURL {
    static var redisURL: Codec {
        scalar(RedisURL.expected) { scalar throws(Refusal) in
            guard scalar.mayBeString else { throw Refusal(found: scalar.found, expected: RedisURL.expected) }
            return try RedisURL(scalar.text)
        } print: {
            quoted($0.text)
        }
    }
}

extension Codec where Value == String {
    /// A command's name, with its subcommand after a space; `*` is all.
    static var command: Codec {
        let expected = "a command's name, such as \"CONFIG SET\", or \"*\""
        let text = Codec<String>.text(expected)
        return text.map(
            { text throws(Refusal) in
                let isName = text.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: " "), UInt8(ascii: "."),
                        UInt8(ascii: "_"), UInt8(ascii: "-"):
                        true
                    default: false
                    }
                }
                guard text == "*" || (isName && !text.isEmpty) else {
                    throw Refusal(found: shown(text), expected: expected)
                }
                return text.uppercased()
            }, back: { $0 })
    }
}

extension Codec where Value == Policy.TierSet {
    private enum Name: String, CaseIterable, Sendable { case local, redis, warm }

    static var tiers: Codec {
        let expected = "a list of at least one of local, redis and warm, such as [local, redis]"
        let list = Codec<[Name]>.list(expected, of: .choice)
        return list.map(
            { names throws(Refusal) in
                guard !names.isEmpty else { throw Refusal(found: "an empty list", expected: expected) }
                return names.reduce(into: Policy.TierSet()) { $0.insert(tier($1)) }
            }, back: { set in Name.allCases.filter { set.contains(tier($0)) } })
    }

    private static func tier(_ name: Name) -> Policy.TierSet {
        switch name {
        case .local: .local
        case .redis: .redis
        case .warm: .warm
        }
    }
}

extension Codec where Value == DefaultContext {
    static var template: Codec {
        Codec<String>.text("a string, as it is or with {key} and {suffix} in it").map(
            { text throws(Refusal) in DefaultContext(template: text) }, back: { $0.template })
    }
}

extension Codec where Value == Int {
    static func powerOfTwo(_ range: ClosedRange<Int>) -> Codec {
        var codec = Self.integer(range)
        codec.expected = "a power of two from \(range.lowerBound) to \(range.upperBound)"
        return codec.map(
            { [expected = codec.expected] number throws(Refusal) in
                guard number & (number - 1) == 0 else { throw Refusal(found: String(number), expected: expected) }
                return number
            }, back: { $0 })
    }
}

extension Codec {
    /// What `codec` reads, without repeating it in a refusal; only a plain null in a file is none.
    ///
    /// No word stands for none in the environment: a password that reads `null` must not switch it off.
    static func secret<Wrapped>(_ codec: Codec<Wrapped>) -> Codec where Value == Wrapped? {
        let expected = "\(codec.expected) that is not empty, or null"
        return Codec(
            expected: expected,
            read: { node throws(Refusal) in
                guard case .scalar(let scalar) = node.content else {
                    throw Refusal(found: node.found, expected: expected)
                }
                if scalar.kind == .null, !scalar.text.isEmpty { return nil }
                guard !scalar.text.isEmpty, scalar.mayBeString else {
                    throw Refusal("expected \(expected)" + (scalar.kind == .number ? "; put it in quotes" : ""))
                }
                return try codec.read(node)
            }, print: { $0 == nil ? "null" : codec.print($0!) })
    }
}

extension Codec where Value == ThrottlePolicy {
    /// `{on_outage: share, share: 0.25}`; what is left out has its default.
    static var throttle: Codec {
        let expected = "a mapping of on_outage and share, such as {on_outage: share, share: 0.25}"
        let share = Codec<Double>.share()
        let onOutage = Codec<ThrottlePolicy.OnOutage>.choice
        return Codec(
            expected: expected,
            read: { node throws(Refusal) in
                guard case .mapping(let members) = node.content else {
                    throw Refusal(found: node.found, expected: expected)
                }
                var policy = ThrottlePolicy()
                for member in members {
                    do throws(Refusal) {
                        switch member.key {
                        case "on_outage": policy.onOutage = try onOutage.read(member.value)
                        case "share": policy.share = try share.read(member.value)
                        default: throw Refusal("unknown key \(shown(member.key)); expected \(expected)")
                        }
                    } catch {
                        var refusal = error
                        refusal.text =
                            member.key == "on_outage" || member.key == "share"
                            ? "\(member.key): \(error.text)" : error.text
                        refusal.mark = refusal.mark ?? member.value.mark
                        throw refusal
                    }
                }
                return policy
            },
            print: { "{on_outage: \(onOutage.print($0.onOutage)), share: \(share.print($0.share))}" })
    }
}
