// A request's arguments, where they lie in the connection's buffer.

internal import Primitives
internal import RESP

/// The words of one request; valid until the command returns.
struct Arguments {
    let base: UnsafeMutableRawPointer
    let ranges: [ArgumentRange]

    var count: Int { ranges.count }

    subscript(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + ranges[index].offset, count: ranges[index].count)
    }

    /// A copy of an argument.
    func bytes(_ index: Int) -> [UInt8] { Array(self[index]) }

    /// Copies of the arguments from `index` on, every `step`-th.
    func bytes(from index: Int, step: Int = 1) -> [[UInt8]] {
        stride(from: index, to: count, by: step).map { bytes($0) }
    }

    var all: [[UInt8]] { bytes(from: 0) }

    /// An argument as text, as Redis's messages quote it: up to a zero byte. What is not UTF-8 becomes U+FFFD.
    func text(_ index: Int) -> String { String(decoding: self[index].prefix { $0 != 0 }, as: UTF8.self) }

    /// Whether an argument is this word (given in lower case), whatever its case.
    func isWord(_ index: Int, _ word: StaticString) -> Bool {
        let argument = self[index]
        guard argument.count == word.utf8CodeUnitCount else { return false }
        for position in 0..<argument.count where Self.lowercase(argument[position]) != word.utf8Start[position] {
            return false
        }
        return true
    }

    /// An argument in lower case, as text.
    func lowercased(_ index: Int) -> String { String(decoding: self[index].map(Self.lowercase), as: UTF8.self) }

    static func lowercase(_ byte: UInt8) -> UInt8 { byte >= 65 && byte <= 90 ? byte | 0x20 : byte }
}

/// A request that can't be carried out as it stands, in Redis's own words.
struct CommandError: Error {
    let text: String

    init(_ text: String) { self.text = text }

    static let syntax = CommandError("ERR syntax error")
    static let notInteger = CommandError("ERR value is not an integer or out of range")
    static let notFloat = CommandError("ERR value is not a valid float")

    static func notInTransaction(_ name: String) -> CommandError {
        CommandError(
            "ERR \(name.uppercased()) can't be used within MULTI or after WATCH: it is atomic by itself; "
                + "use VERSION to write only what was read")
    }

    static func arity(_ name: String) -> CommandError {
        CommandError("ERR wrong number of arguments for '\(name)' command")
    }

    static func expireTime(_ name: String) -> CommandError {
        CommandError("ERR invalid expire time in '\(name)' command")
    }

    static func unknownSubcommand(_ name: String, of command: String) -> CommandError {
        CommandError("ERR unknown subcommand '\(name.prefix(128))'. Try \(command.uppercased()) HELP.")
    }
}
