// MULTI … EXEC of native commands: queued here, carried out as one.
//
// Source: https://redis.io/docs/interact/transactions/.

internal import Primitives
internal import RESP
internal import Tiers

/// The commands that a client has queued since MULTI.
final class Transaction {
    private(set) var commands: [NativeCommand] = []
    /// The replies of those that will fail whatever their keys hold, by position; they are not in `commands`.
    private(set) var failures: [Int: CommandError] = [:]
    /// A command was malformed: EXEC will refuse the whole.
    var isAborted = false
    private(set) var bytes = 0

    var count: Int { commands.count + failures.count }

    func append(_ command: NativeCommand) {
        commands.append(command)
        bytes += command.arguments.reduce(0) { $0 + $1.count }
    }

    /// Queues a command whose arguments are wrong: as in Redis, EXEC carries out the others.
    func append(_ failure: CommandError) { failures[count] = failure }

    /// The replies of all, where those of `commands` are `replies`.
    func replies(_ replies: [Reply]) -> [Reply] {
        var rest = replies[...]
        return (0..<count).map { position in
            failures[position].map { .error($0.text) } ?? rest.popFirst() ?? .null
        }
    }
}

enum TransactionCommands {
    nonisolated(unsafe) static let all: [Command] = [
        Command(
            "multi", arity: 1, [.fast, .notQueued],
            .immediate { (c, _) throws(CommandError) in
                guard c.transaction == nil else { throw CommandError("ERR MULTI calls can not be nested") }
                c.transaction = Transaction()
                c.immediate { $0.simple("OK") }
            }),
        Command(
            "discard", arity: 1, [.fast, .notQueued],
            .immediate { (c, _) throws(CommandError) in
                guard c.transaction != nil else { throw CommandError("ERR DISCARD without MULTI") }
                c.transaction = nil
                c.immediate { $0.simple("OK") }
            }),
        Command(
            "exec", arity: 1, [.notQueued, .barrier], .immediate { (c, _) throws(CommandError) in try execute(c) }),
    ]

    /// Queues a command; what can't be part of a native transaction aborts it.
    static func queue(_ c: Connection, _ command: Command, _ a: Arguments, _ now: Moment) {
        guard let transaction = c.transaction else { return }
        let worker = c.worker
        guard case .native(let parse) = command.action else {
            transaction.isAborted = true
            return worker.fail(
                c, CommandError("ERR \(command.name) can't be part of MULTI here: only commands on plain strings can"))
        }
        do throws(CommandError) {
            let native: NativeRequest
            do throws(CommandError) {
                native = try parse(a, now)
            } catch {
                transaction.append(error)
                return c.immediate { $0.simple("QUEUED") }
            }
            if let refusal = worker.refusal(of: native.command) { throw CommandError(refusal) }
            let limit = worker.configuration.maxRequest
            transaction.append(NativeCommand(native.command, arguments: a.all))
            guard transaction.bytes <= limit else {
                throw CommandError("ERR this transaction is larger than limits.max_request (\(limit) bytes); split it")
            }
            c.immediate { $0.simple("QUEUED") }
        } catch {
            transaction.isAborted = true
            worker.fail(c, error)
        }
    }

    /// Refuses a command with the wrong number of words; within MULTI nothing of the transaction is carried out then.
    static func refuse(_ c: Connection, _ command: Command) {
        c.transaction?.isAborted = true
        guard command.name == "exec" else { return c.worker.fail(c, .arity(command.name)) }
        c.transaction = nil
        c.worker.fail(
            c,
            CommandError("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"))
    }

    private static func execute(_ c: Connection) throws(CommandError) {
        guard let transaction = c.transaction else { throw CommandError("ERR EXEC without MULTI") }
        c.transaction = nil
        guard !transaction.isAborted else {
            throw CommandError("EXECABORT Transaction discarded because of previous errors.")
        }
        guard !transaction.commands.isEmpty else {
            return c.immediate { $0.reply(.array(transaction.replies([])), c.version) }
        }
        let keys = Set(transaction.commands.flatMap { $0.command.keys }).map { $0.withUnsafeBytes { KeyHash($0) } }
        let slot = c.reserve(
            keys: keys, isWrite: true, isBarrier: transaction.commands.contains { $0.command == .removeAll },
            operation: .transaction, requestBytes: transaction.bytes)
        c.worker.tiers.perform(transaction.commands, isTransaction: true) { replies in
            c.complete(slot) { output in
                // Nothing of it was done, or nobody knows: one error, not as many as there were commands.
                if case .error(let text)? = replies.first, text.starts(with: "UNAVAILABLE".utf8),
                    replies.allSatisfy({ $0 == replies[0] })
                {
                    return output.error(bytes: text)
                }
                output.reply(.array(transaction.replies(replies)), slot.version)
            }
        }
    }
}
