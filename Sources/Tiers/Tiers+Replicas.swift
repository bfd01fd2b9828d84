// Writes that count only when replicas have them (`wait_replicas`).

internal import Primitives
public import RedisTier

/// A write that Redis has, and too few of its replicas.
public struct Underreplication: Sendable, Equatable {
    let wanted: Int
    /// How many replicas have it; nil where nobody can tell.
    let count: Int?
    let detail: String

    /// The text of -UNAVAILABLE.
    public var text: String {
        let found =
            count.map { "\($0) of \(wanted) replicas acknowledged it in time" }
            ?? "it is unknown how many of \(wanted) replicas have it"
        return
            "done, not replicated: Redis has it, and \(found) (wait_replicas: \(wanted))\(detail); a failover may lose "
            + "it. Read it, and write it again once replicas are back"
    }

    /// Why a replay goes no further.
    var reason: String { "wait_replicas: \(count.map(String.init) ?? "an unknown number") of \(wanted)\(detail)" }
}

extension Tiers {
    /// How many replicas must have a write of these keys; of all keys where it may have changed any.
    public func replicasWanted(_ keys: [[UInt8]], areAll: Bool = false) -> Int {
        guard policies.waitsForReplicas else { return 0 }
        if areAll { return policies.policies.map(\.waitReplicas).max() ?? 0 }
        return keys.map { policies.policy(for: $0).waitReplicas }.max() ?? 0
    }

    /// Hears when so many replicas have what Redis has just answered over `connection`: nil, or what is missing at the
    /// end of `redis.timeout`, counted from `since`. At once where none are wanted.
    public func awaitReplicas(
        _ wanted: Int, over connection: RedisConnection, since: Int64,
        completion: @escaping (Underreplication?) -> Void
    ) {
        guard wanted > 0 else { return completion(nil) }
        guard let replicas else {
            preconditionFailure("BUG: replicas are wanted where there is no Redis")
        }
        let began = scheduler.monotonicNanoseconds
        let runID = connection.client?.runID ?? []
        let trace = trace
        replicas.wait(replicas: wanted, runID: runID, deadline: since + limits.timeout) { [self] replication in
            let elapsed = max(0, scheduler.monotonicNanoseconds - began)
            counters.replicaLatency.record(UInt64(elapsed))
            trace?.note(AnswerStep(.replicas, nanoseconds: elapsed, isAnswered: replication == .enough))
            switch replication {
            case .enough:
                counters.replicated.add()
                completion(nil)
            case .short(let count):
                counters.underreplicated.add()
                completion(Underreplication(wanted: wanted, count: count, detail: ""))
            case .unknown(let detail):
                counters.replicationUnknown.add()
                completion(Underreplication(wanted: wanted, count: nil, detail: ": \(detail)"))
            }
        }
    }

    /// Ends the connections that wait for replicas.
    public func close() { replicas?.close() }
}
