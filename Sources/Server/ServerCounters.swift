// What a worker counts of its clients and their commands.

internal import Metrics
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
        }
    }
}

extension StringCommand {
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
            }
        case .deleteMany, .removeAll: .delete
        case .setMany: .setMany
        case .rename: .modify
        }
    }
}
