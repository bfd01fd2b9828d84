// Connections that share one stream of requests: all of them, or those of one operation.

/// Some connections, what they ask, and when in an open loop.
final class Lane {
    /// The only operation; nil where each request is drawn from the workload.
    let operation: Operation?
    /// Of all requests of an open loop.
    let share: Double
    var connections: [LoadConnection] = []
    /// Nil in a closed loop.
    var schedule: ArrivalSchedule?
    /// Where the next request of an open loop looks for a free connection.
    var turn = 0

    init(operation: Operation?, share: Double) {
        self.operation = operation
        self.share = share
    }

    /// How many connections each operation gets, in the order of `weights`: by weight, at least one each.
    static func split(_ connections: Int, by weights: [Int]) -> [Int] {
        let total = weights.reduce(0, +)
        var parts = weights.map { max(1, connections * $0 / total) }
        // What rounding left or took goes to or comes from the largest.
        let largest = parts.indices.max { parts[$0] < parts[$1] } ?? 0
        parts[largest] += connections - parts.reduce(0, +)
        return parts
    }
}
