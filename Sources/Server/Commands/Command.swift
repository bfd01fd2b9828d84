// The command table: every command that Hearth answers itself, by name.

/// What Redis's COMMAND tells of a command, and what the connection must know before it runs.
struct CommandFlags: OptionSet {
    let rawValue: UInt16
    static let readonly = CommandFlags(rawValue: 1)
    static let write = CommandFlags(rawValue: 2)
    static let fast = CommandFlags(rawValue: 4)
    /// May be sent before AUTH.
    static let beforeAuthentication = CommandFlags(rawValue: 8)
    /// Waits until everything the connection asked before is answered.
    static let barrier = CommandFlags(rawValue: 16)
    /// Runs at once within MULTI instead of being queued.
    static let notQueued = CommandFlags(rawValue: 32)
}

/// A command: its name and shape, and how it is carried out. One object, which each request only refers to.
final class Command {
    enum Action {
        /// A native command on plain strings: understood here, performed by the tiers.
        case native((Arguments, Moment) throws(CommandError) -> NativeRequest)
        /// A read of a record.
        case recordRead((Arguments) throws(CommandError) -> RecordQuery)
        /// Anything else: answers by itself.
        case immediate((Connection, Arguments) throws(CommandError) -> Void)
        /// The same, in the order of the client's requests: false when it must wait for some before it.
        case ordered((Connection, Arguments) throws(CommandError) -> Bool)
    }

    let name: String
    /// The number of words, the name included; negative is a minimum.
    let arity: Int
    let flags: CommandFlags
    /// Positions of the first and last key, and the step between them; 0 for none.
    let firstKey: Int
    let lastKey: Int
    let keyStep: Int
    let action: Action
    /// Whether it is about a record: such a command is atomic by itself, and takes no part in Redis's transactions.
    let isAboutRecord: Bool

    init(
        _ name: String, arity: Int, _ flags: CommandFlags, keys: (first: Int, last: Int, step: Int) = (0, 0, 0),
        _ action: Action
    ) {
        self.name = name
        self.arity = arity
        self.flags = flags
        (firstKey, lastKey, keyStep) = keys
        self.action = action
        isAboutRecord = name.contains(".")
    }

    /// Whether it reads or writes keys, rather than telling of the connection or the process.
    var isAboutKeys: Bool { !flags.isDisjoint(with: [.readonly, .write]) }

    func accepts(_ count: Int) -> Bool { arity >= 0 ? count == arity : count >= -arity }
}

/// Commands by name, whatever its case; names have at most 16 bytes.
struct CommandTable: Sendable {
    /// A name in lower case, padded with zeros.
    private struct Name: Hashable {
        var low: UInt64 = 0
        var high: UInt64 = 0

        init?(_ bytes: UnsafeRawBufferPointer) {
            guard bytes.count > 0, bytes.count <= 16 else { return nil }
            for (index, byte) in bytes.enumerated() {
                // A zero byte would be taken for padding.
                guard byte != 0 else { return nil }
                let shifted = UInt64(Arguments.lowercase(byte)) << (UInt64(index & 7) * 8)
                if index < 8 { low |= shifted } else { high |= shifted }
            }
        }
    }

    static let shared = CommandTable()

    private nonisolated(unsafe) let byName: [Name: Command]
    /// In the order of their names.
    nonisolated(unsafe) let all: [Command]

    private init() {
        let commands =
            StringCommands.all + KeyCommands.all + ConnectionCommands.all + TransactionCommands.all
            + InspectionCommands.all + HearthCommands.all + RecordCommands.all + ErasureCommand.all
            + ThrottleCommand.all
        all = commands.sorted { $0.name < $1.name }
        var byName: [Name: Command] = [:]
        for command in commands {
            let name = Array(command.name.utf8).withUnsafeBytes { Name($0) }
            guard let name, byName.updateValue(command, forKey: name) == nil else {
                preconditionFailure("BUG: the command name \(command.name) is too long or used twice")
            }
        }
        self.byName = byName
    }

    subscript(_ name: UnsafeRawBufferPointer) -> Command? { Name(name).flatMap { byName[$0] } }
}
