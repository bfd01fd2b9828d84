// How many of Redis's replicas have a write: asked by WAIT, on connections of its own.
//
// DESIGN. WAIT blocks the connection that it comes on, so it never comes on one that others share. It need not: what it
// waits for is how far its connection's last command saw Redis's replication stream, and any command sees all that
// Redis carried out before it. So a PING ahead of it covers every write that was answered by then, whichever
// connection it took, and one WAIT answers for all writes that the same iteration of the loop brought. While one is
// blocked the next takes another connection; where all are, writes gather until one is free, or until their time is
// over.
//
// A process that Redis became after the write (a restart, a failover) knows nothing of it, and its replicas agree with
// it: an answer counts only from the process that answered the write, told by its run id.
//
// Source: https://redis.io/commands/wait/; Redis 7.0, replication.c (waitCommand, replicationCountAcksByOffset).

internal import Primitives
internal import RedisTier

/// What became of a write in the replicas.
enum Replication: Equatable {
    case enough
    /// So many have it, and the time is over.
    case short(Int)
    /// Nobody can tell how many have it.
    case unknown(String)
}

/// The waits of one worker; belongs to its thread.
final class ReplicaWaits {
    private struct Wait {
        let replicas: Int
        /// Of the Redis that answered the write; empty where it does not tell.
        let runID: [UInt8]
        /// Monotonic, in nanoseconds.
        let deadline: Int64
        let completion: (Replication) -> Void
    }

    /// A connection, and whether WAIT is under way on it.
    private final class Waiter {
        let redis: RedisConnection
        var isBlocked = false
        init(_ redis: RedisConnection) { self.redis = redis }
    }

    /// The most connections of one worker.
    static let waitersMax = 4

    private let scheduler: any Scheduler
    private let makeConnection: () -> RedisConnection
    private var waiters: [Waiter] = []
    /// Writes that Redis has answered and that no WAIT covers yet.
    private var gathered: [Wait] = []
    private var timer: (any ScheduledTimer)?

    init(_ scheduler: any Scheduler, makeConnection: @escaping () -> RedisConnection) {
        self.scheduler = scheduler
        self.makeConnection = makeConnection
        timer = scheduler.makeTimer { [unowned self] in self.expire() }
    }

    /// Whether `flush` would send something.
    var hasGathered: Bool { !gathered.isEmpty && hasFreeWaiter }

    private var hasFreeWaiter: Bool { waiters.count < Self.waitersMax || waiters.contains { !$0.isBlocked } }

    /// Hears when `replicas` of them have what Redis answered by now, or how many have at `deadline`.
    func wait(replicas: Int, runID: [UInt8], deadline: Int64, completion: @escaping (Replication) -> Void) {
        gathered.append(Wait(replicas: replicas, runID: runID, deadline: deadline, completion: completion))
    }

    /// Asks for all that has gathered, as far as connections are free; once per iteration of the worker's loop.
    func flush() {
        while let first = gathered.first, let waiter = freeWaiter() {
            // One question for all that want as many of the same process.
            let batch = gathered.filter { $0.replicas == first.replicas && $0.runID == first.runID }
            gathered.removeAll { $0.replicas == first.replicas && $0.runID == first.runID }
            send(batch, waiter)
        }
        arm()
    }

    private func freeWaiter() -> Waiter? {
        if let waiter = waiters.first(where: { !$0.isBlocked }) { return waiter }
        guard waiters.count < Self.waitersMax else { return nil }
        let waiter = Waiter(makeConnection())
        waiters.append(waiter)
        waiter.redis.start()
        return waiter
    }

    private func send(_ batch: [Wait], _ waiter: Waiter) {
        let now = scheduler.monotonicNanoseconds
        let deadline = batch.map(\.deadline).min() ?? now
        // Zero would be for ever.
        let milliseconds = max(1, (deadline - now) / 1_000_000)
        var request = RequestEncoder()
        request.append("PING")
        request.append([
            Array("WAIT".utf8), Array(String(batch[0].replicas).utf8), Array(String(milliseconds).utf8),
        ])
        waiter.isBlocked = true
        // Redis has just answered: it is there.
        waiter.redis.hasten()
        let patience = waiter.redis.configuration.timeout.nanoseconds + milliseconds * 1_000_000
        waiter.redis.send(request, timeoutNanoseconds: patience) { [self] result in
            waiter.isBlocked = false
            switch result {
            case .failure(let failure):
                // Where it gave no sign in its time it may be blocked still: it is made anew.
                if failure.cause == .timedOut { waiter.redis.giveUp("WAIT was not answered") }
                for wait in batch { wait.completion(.unknown("WAIT: \(failure.text)")) }
            case .success(let replies):
                conclude(batch, replies[1], by: waiter.redis.client)
            }
        }
    }

    private func conclude(_ batch: [Wait], _ reply: Reply, by client: RedisClient?) {
        guard case .integer(let number) = reply else {
            var text = "an answer that is not WAIT's"
            if case .error(let error) = reply { text = "WAIT: \(String(decoding: error, as: UTF8.self))" }
            for wait in batch { wait.completion(.unknown(text)) }
            return
        }
        guard client?.runID ?? [] == batch[0].runID else {
            let text = "another Redis process answers since it was written"
            for wait in batch { wait.completion(.unknown(text)) }
            return
        }
        let count = Int(clamping: number)
        let now = scheduler.monotonicNanoseconds
        for wait in batch {
            if count >= wait.replicas {
                wait.completion(.enough)
            } else if wait.deadline - now >= 2_000_000 {
                // It was asked with the time of one that had less.
                gathered.append(wait)
            } else {
                wait.completion(.short(count))
            }
        }
    }

    // MARK: Time

    private func arm() {
        guard let next = gathered.map(\.deadline).min() else { return }
        let wait = (next - scheduler.monotonicNanoseconds + 999_999) / 1_000_000
        timer?.start(afterMilliseconds: max(1, wait))
    }

    /// Answers those for whom no connection was free in their time.
    private func expire() {
        let now = scheduler.monotonicNanoseconds
        let due = gathered.filter { $0.deadline <= now }
        gathered.removeAll { $0.deadline <= now }
        for wait in due { wait.completion(.unknown("all connections that wait for replicas were blocked")) }
        arm()
    }

    func reconfigure(_ configuration: RedisConfiguration) {
        for waiter in waiters { waiter.redis.reconfigure(configuration) }
    }

    func close() { for waiter in waiters { waiter.redis.close() } }
}
