// What a worker counts of its clients and their commands.

internal import Metrics
internal import Primitives
internal import State

/// Counters of one worker's connections; written by its thread, read by any.
final class ServerCounters: Sendable {
    let commands = Counter()
    let commandErrors = Counter()
    let protocolErrors = Counter()
    let tooBig = Counter()
    let connectionsOpened = Counter()
    let connectionsClosed = Counter()
    let closedIdle = Counter()
    let droppedSlow = Counter()
    let bytesOut = Counter()
    let redisConnects = Counter()
    let redisDisconnects = Counter()
    let redisPipelineDepth = Gauge()
    /// Writes of records that were refused, by the error's first word.
    let recordConflicts = Counter()
    let recordsFenced = Counter()
    let recordsTooBig = Counter()
    let recordsOfNoSchema = Counter()
    /// Turns that left a conversation unfolded, for want of room (`turns.overflow: drop-oldest`).
    let turnsDropped = Counter()
    /// Values that STATE.MIGRATE has stored in their policy's schema.
    let recordsMigrated = Counter()
    /// Passed-through commands by what came of them.
    let passedAnswered = Counter()
    let passedErrors = Counter()
    let passedUnavailable = Counter()
    let passedDenied = Counter()
    /// Nanoseconds from sending a passed-through command to its reply; without scripts and blocking commands.
    let passedLatency = Histogram()
    let passedConnections = Gauge()
    let pinsRefused = Counter()
    /// Nanoseconds from the arrival of a request to its reply, by kind of operation.
    let latencies = OperationKind.allCases.map { _ in Histogram() }

    func record(_ operation: OperationKind, nanoseconds: Int64, count: UInt64 = 1) {
        latencies[operation.rawValue].record(UInt64(max(0, nanoseconds)), count: count)
    }

    /// Counts what became of a write of a record, whoever carried it out, by what its client is told.
    func note(_ action: RecordAction, _ reply: Reply) {
        switch reply {
        case .error: note(reply)
        case .map where action.isMigration: if MigrationAnswer.isMigrated(reply) { recordsMigrated.add() }
        case .map(let fields):
            guard case .addTurns = action, let name = fields.firstIndex(of: .string(Array("dropped".utf8))),
                name + 1 < fields.count, case .integer(let count) = fields[name + 1], count > 0
            else { return }
            turnsDropped.add(UInt64(count))
        case .string, .status, .integer, .null, .array, .framed: break
        }
    }

    /// Counts a refusal by its first word.
    func note(_ refusal: Reply) {
        guard case .error(let text) = refusal else { return }
        if text.starts(with: "CONFLICT ".utf8) { recordConflicts.add() }
        if text.starts(with: "FENCED ".utf8) { recordsFenced.add() }
        if text.starts(with: "TOOBIG ".utf8) { recordsTooBig.add() }
        if text.starts(with: "NOSCHEMA ".utf8) { recordsOfNoSchema.add() }
    }
}

/// What kinds of operation are told apart in latencies: few, since each is a label of a metric.
enum OperationKind: Int, Sendable, CaseIterable {
    /// GET.
    case get
    /// MGET.
    case getMany
    /// EXISTS, TOUCH, TTL and its like, TYPE, STRLEN, GETRANGE.
    case inspect
    /// SET and its relatives.
    case set
    /// MSET, MSETNX.
    case setMany
    /// DEL, UNLINK, GETDEL, FLUSHDB.
    case delete
    /// EXPIRE and its like, PERSIST, GETEX.
    case expire
    /// INCR and its like, APPEND, SETRANGE, RENAME, THROTTLE.
    case modify
    /// MULTI … EXEC.
    case transaction
    /// STATE.GET, TURNS.GET, CHECKPOINT.GET and CHECKPOINT.LIST.
    case recordRead
    /// STATE.SET, TURNS.ADD and other writes of records.
    case recordWrite
    /// LEASE.*.
    case lease

    /// The metric's label.
    var label: String {
        switch self {
        case .get: "get"
        case .getMany: "mget"
        case .inspect: "inspect"
        case .set: "set"
        case .setMany: "mset"
        case .delete: "delete"
        case .expire: "expire"
        case .modify: "modify"
        case .transaction: "transaction"
        case .recordRead: "record_read"
        case .recordWrite: "record_write"
        case .lease: "lease"
        }
    }
}

extension StringCommand {
    /// What it does to a record; nil where it is about something else.
    var recordAction: RecordAction? {
        if case .write(.record(let write), _) = self { write.action } else { nil }
    }

    /// Under which kind its latency is counted.
    var operation: OperationKind {
        switch self {
        case .read(.get, _): .get
        case .read, .count, .countAll: .inspect
        case .getMany: .getMany
        case .write(let write, _):
            switch write {
            case .set: .set
            case .delete, .getDelete: .delete
            case .getExpire, .expire, .persist: .expire
            case .increment, .incrementFloat, .append, .setRange, .throttle: .modify
            case .record(let write): write.action.isLease ? .lease : .recordWrite
            }
        case .deleteMany, .removeAll: .delete
        case .setMany: .setMany
        case .rename: .modify
        }
    }
}
