// What a worker counts of its clients and their commands.

internal import Metrics

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
}
