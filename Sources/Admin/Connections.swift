// Which connections the admin server keeps: a bounded number, none of them for long without a whole request.
//
// DESIGN. An idle timeout alone does not stop a peer that sends a byte every few seconds, and a full table would keep
// the probes of /livez out, on which the pod would be killed. So each connection has a deadline for its next whole
// request, and when the table is full the one that has waited longest gives way: whoever comes next is always let in.

/// The open connections by identity, and when each last completed a request: pure decisions, performed by the server.
struct Connections<ID: Hashable> {
    let max: Int
    /// How long a connection may take from its start, or its last answer, to its next one.
    let patience: Duration
    private var since: [ID: ContinuousClock.Instant] = [:]

    init(max: Int, patience: Duration) {
        precondition(max > 0, "BUG: no connection could ever be kept")
        self.max = max
        self.patience = patience
    }

    var isEmpty: Bool { since.isEmpty }

    /// A connection began; the one that must give way for it, if any.
    mutating func opened(_ id: ID, at now: ContinuousClock.Instant) -> ID? {
        var loser: ID?
        if since.count >= max { loser = since.min { $0.value < $1.value }?.key }
        if let loser { since[loser] = nil }
        since[id] = now
        return loser
    }

    /// A connection's request was answered.
    mutating func answered(_ id: ID, at now: ContinuousClock.Instant) {
        if since[id] != nil { since[id] = now }
    }

    mutating func closed(_ id: ID) { since[id] = nil }

    /// Connections whose patience has ended; each is named once.
    mutating func overdue(at now: ContinuousClock.Instant) -> [ID] {
        let late = since.filter { $0.value.duration(to: now) > patience }.map(\.key)
        for id in late { since[id] = nil }
        return late
    }
}
