// MULTI … EXEC of native commands: queued here, carried out as one. With another command in it, Redis queues all of it,
// on the client's pin.
//
// Source: https://redis.io/docs/interact/transactions/.

internal import Primitives
internal import RESP
internal import Tiers

/// The commands that a client has queued since MULTI.
final class Transaction {
    private(set) var commands: [NativeCommand] = []
    /// Redis queues it, on the client's pin.
    var isPinned = false
    /// That connection ended, or what was watched on it is watched no longer.
    var isLost = false
    /// The keys that a pinned transaction may change, and whether it may change all.
    var written: Set<[UInt8]> = []
    /// All keys that a pinned transaction names.
    var named: Set<[UInt8]> = []
    var changesAll = false
    var isWrite = false
    var hasScript = false
    /// The replies of those that will fail whatever their keys hold, by position; they are not in `commands`.
    private(set) var failures: [Int: (error: CommandError, words: [[UInt8]])] = [:]
    /// A command was malformed: EXEC will refuse the whole.
    var isAborted = false
    private(set) var bytes = 0
    /// What a pinned transaction touches that is audited, and how many commands Redis has queued of it.
    var pinnedTouches: [AuditedTouch] = []
    var queuedInRedis = 0

    var count: Int { commands.count + failures.count }

    /// Counts bytes that Redis holds for this transaction.
    func count(_ more: Int) { bytes += more }

    func append(_ command: NativeCommand) {
        commands.append(command)
        bytes += command.arguments.reduce(0) { $0 + $1.count }
    }

    /// Queues a command whose arguments are wrong: as in Redis, EXEC carries out the others.
    func append(_ failure: CommandError, _ arguments: [[UInt8]]) {
        failures[count] = (failure, arguments)
        bytes += arguments.reduce(0) { $0 + $1.count }
    }

    /// All that was queued here, as Redis is told it where it takes the transaction over.
    func words(_ tell: (NativeCommand) -> [[UInt8]]) -> [[[UInt8]]] {
        var rest = commands[...]
        return (0..<count).compactMap { position in failures[position]?.words ?? rest.popFirst().map(tell) }
    }

    /// The replies of all, where those of `commands` are `replies`.
    func replies(_ replies: [Reply]) -> [Reply] {
        var rest = replies[...]
        return (0..<count).map { position in
            failures[position].map { .error($0.error.text) } ?? rest.popFirst() ?? .null
        }
    }
}

enum TransactionCommands {
    nonisolated(unsafe) static let all: [Command] = [
        Command(
            "multi", arity: 1, [.fast, .notQueued],
            .immediate { (c, _) throws(CommandError) in
                guard c.transaction == nil else { throw CommandError("ERR MULTI calls can not be nested") }
                let transaction = Transaction()
                transaction.isLost = c.watch == .lost
                c.transaction = transaction
                if c.watch == .set { return PinnedTransaction.begin(c, transaction) }
                c.immediate { $0.simple("OK") }
            }),
        Command(
            "discard", arity: 1, [.fast, .notQueued, .barrier],
            .immediate { (c, _) throws(CommandError) in
                guard c.transaction != nil else { throw CommandError("ERR DISCARD without MULTI") }
                PinnedTransaction.end(c)
                c.immediate { $0.simple("OK") }
            }),
        Command(
            "exec", arity: 1, [.notQueued, .barrier], .immediate { (c, _) throws(CommandError) in try execute(c) }),
    ]

    /// Queues a command: here where it is native, else in Redis, with all that was queued before; false when it must
    /// wait.
    static func queue(_ c: Connection, _ command: Command?, _ a: Arguments, _ now: Moment) -> Bool {
        guard let transaction = c.transaction else { return true }
        guard !transaction.isLost else {
            c.immediate { $0.simple("QUEUED") }
            return true
        }
        guard !transaction.isPinned, let command, case .native(let parse) = command.action else {
            return PinnedTransaction.queue(c, transaction, command, a)
        }
        queue(c, transaction, parse, a, now)
        return true
    }

    private static func queue(
        _ c: Connection, _ transaction: Transaction,
        _ parse: (Arguments, Moment) throws(CommandError) -> NativeRequest, _ a: Arguments, _ now: Moment
    ) {
        let worker = c.worker
        do throws(CommandError) {
            let native: NativeRequest
            do throws(CommandError) {
                native = try parse(a, now)
            } catch {
                transaction.append(error, a.all)
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
        PinnedTransaction.end(c)
        c.worker.fail(
            c,
            CommandError("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"))
    }

    private static func execute(_ c: Connection) throws(CommandError) {
        guard let transaction = c.transaction else { throw CommandError("ERR EXEC without MULTI") }
        if transaction.isLost {
            let wasWatching = c.watch != .none
            PinnedTransaction.end(c)
            throw CommandError(
                "UNAVAILABLE not sent: the connection to Redis on which "
                    + (wasWatching ? "this client's keys were watched" : "this transaction was queued")
                    + " ended; nothing of it was done. Begin again")
        }
        let touches = transaction.isAborted || !c.worker.auditsAnything ? [] : transaction.touches(c.worker)
        if let refusal = c.worker.audit?.admit(touches, c) {
            PinnedTransaction.end(c)
            c.worker.tiers.counters.unavailable.add()
            throw CommandError("UNAVAILABLE \(refusal)")
        }
        if transaction.isPinned, !transaction.isAborted { return PinnedTransaction.execute(c, transaction) }
        PinnedTransaction.end(c)
        guard !transaction.isAborted else {
            throw CommandError("EXECABORT Transaction discarded because of previous errors.")
        }
        guard !transaction.commands.isEmpty else {
            return c.immediate { $0.reply(.array(transaction.replies([])), c.version) }
        }
        let keys = Set(transaction.commands.flatMap { $0.command.keys }).map { $0.withUnsafeBytes { KeyHash($0) } }
        let slot = c.reserve(
            keys: SlotKeys(keys), isWrite: true, isBarrier: transaction.commands.contains { $0.command == .removeAll },
            operation: .transaction, requestBytes: transaction.bytes)
        slot.nameKeys(transaction.commands.flatMap(\.command.keys))
        c.worker.tiers.traced(c.worker.process.slowLog.isOn ? slot : nil) {
            c.worker.tiers.perform(transaction.commands, isTransaction: true) { [tiers = c.worker.tiers] replies in
                if tiers.answersFromJournal { slot.audited?.noteJournaled() }
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
}
