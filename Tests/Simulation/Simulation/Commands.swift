// The commands of the simulated clients, as the server's command table makes them.

internal import Primitives
internal import State
internal import Tiers

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }

extension NativeCommand {
    static func words(_ command: StringCommand, _ words: String...) -> NativeCommand {
        NativeCommand(command, arguments: words.map { bytes($0) })
    }

    static func set(_ key: String, _ value: String) -> NativeCommand {
        .words(
            .write(.set(bytes(value), expiry: .clear, condition: .always, reply: .ok), key: bytes(key)), "SET", key,
            value)
    }

    static func delete(_ key: String) -> NativeCommand { .words(.write(.delete, key: bytes(key)), "DEL", key) }

    static func increment(_ key: String) -> NativeCommand {
        .words(.write(.increment(1), key: bytes(key)), "INCR", key)
    }

    static func append(_ key: String, _ value: String) -> NativeCommand {
        .words(.write(.append(bytes(value)), key: bytes(key)), "APPEND", key, value)
    }

    /// A write of a record; what stands for its words is for nobody.
    static func record(_ write: RecordWrite, _ key: String) -> NativeCommand {
        NativeCommand(.write(.record(write), key: bytes(key)), arguments: [bytes(write.action.command), bytes(key)])
    }
}

/// What an answer says of whether a write was done.
enum Outcome: Equatable {
    case done, not, unknown
    /// An answer that should not have come.
    case strange(String)

    /// `replies` is nil where the process did not live to answer.
    init(_ replies: [Reply]?) {
        guard let reply = replies?.last else {
            self = .unknown
            return
        }
        guard case .error(let error) = reply else {
            self = .done
            return
        }
        let words = text(error)
        if words.hasPrefix("UNAVAILABLE not") {
            self = .not
        } else if words.hasPrefix("UNAVAILABLE outcome unknown") {
            self = .unknown
        } else {
            self = .strange(words)
        }
    }
}
