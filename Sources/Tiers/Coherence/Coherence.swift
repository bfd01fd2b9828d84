// Whether what others change in Redis is heard of here: for the whole process, from what each worker has proved.
//
// DESIGN: each worker tracks what it reads over connections of its own (`Tracker`) and proves again and again that
// invalidations reach it. While all workers have proved it, local memory has a live epoch, and an entry that was filled
// in it needs no verification. One worker's gap ends the epoch for all: workers share local memory, and mostly Redis's
// troubles. What was proved when stays known by epoch after it ended, since that is how old its entries are in an
// outage.

public import LocalTier
public import Metrics
internal import Primitives
internal import Synchronization

/// The coherence of a process's local memory with Redis; safe from any thread.
public final class Coherence: Sendable {
    /// What one worker has proved.
    private struct Proof {
        /// Everything that was changed before is known here.
        var asOf: Timestamp
        /// Monotonic nanoseconds after which it proves nothing any more.
        var deadline: Int64
    }

    private struct State {
        var proofs: [Int: Proof] = [:]
        /// The live epoch; 0 while there is none.
        var epoch: UInt16 = 0
        /// The first of the epochs since the last gap: those between were ended by nothing that was missed.
        var first: UInt16 = 0
        /// Monotonic nanoseconds since which there was none, after there was one.
        var gapSince: Int64?
        /// The Redis process that answers, and since when it is known to; 0 before the first.
        var process: UInt64 = 0
        var processSince = Timestamp.distantPast
        /// Copies on disk that were verified before may be of what was deleted.
        var promotableSince = Timestamp.distantPast
    }

    private let state = Locked(State())
    private let local: LocalTier
    /// Tells this process's own keys in Redis from those of others.
    let identity: UInt64
    /// How many workers must prove it.
    private let workers: Int
    private let deadline = Atomic<Int64>(.max)
    /// For each of the last epochs, by its last bits: the milliseconds up to which it was proved, and its number.
    private nonisolated(unsafe) let ends: UnsafeMutablePointer<Atomic<UInt64>>
    /// How many epochs are remembered.
    private static let endsCount = 64

    private let receivedCount = SharedCounter()
    private let appliedCount = SharedCounter()
    private let flushCount = SharedCounter()
    private let gapCount = SharedCounter()
    /// Nanoseconds; recorded under the state's lock, and so by one thread at a time.
    private let gapLengths = Histogram()
    private let trackedKeysLevel = Gauge(-1)

    public init(local: LocalTier, workers: Int, identity: UInt64) {
        self.local = local
        self.identity = identity
        self.workers = workers
        ends = .allocate(capacity: Self.endsCount)
        for index in 0..<Self.endsCount { (ends + index).initialize(to: Atomic(0)) }
    }

    deinit {
        ends.deinitialize(count: Self.endsCount)
        ends.deallocate()
    }

    // MARK: Asking

    /// Whether invalidations are live.
    public var isLive: Bool { local.liveEpoch != 0 }

    /// Whether the last proof is too old at `now`, in monotonic nanoseconds; one load, for every batch of requests.
    @inline(__always)
    public func isOverdue(now: Int64) -> Bool { now > deadline.load(ordering: .relaxed) }

    /// The moment up to which the entries of an epoch are known to have been true unless they were invalidated.
    ///
    /// Nil for no epoch, and for one that ended long ago.
    func verifiedUntil(_ epoch: UInt16) -> Timestamp? {
        guard epoch != 0 else { return nil }
        let word = ends[Int(epoch) & (Self.endsCount - 1)].load(ordering: .relaxed)
        guard UInt16(truncatingIfNeeded: word) == epoch else { return nil }
        return Timestamp(milliseconds: Int64(word >> 16))
    }

    // MARK: Proofs and gaps

    /// A worker has proved that it knows all that was changed before `asOf`; `deadline` is when that proves nothing
    /// any more. Whether invalidations are live by it that were not.
    func prove(worker: Int, asOf: Timestamp, deadline: Int64, now: Int64) -> Bool {
        state.withLock { state in
            state.proofs[worker] = Proof(asOf: asOf, deadline: deadline)
            guard state.proofs.count == workers else { return false }
            let isNew = state.epoch == 0
            if isNew {
                state.epoch = local.beginLiveEpoch()
                state.first = state.epoch
                if let since = state.gapSince { gapLengths.record(UInt64(max(0, now - since))) }
                state.gapSince = nil
            }
            publish(state)
            return isNew
        }
    }

    /// A worker's proofs are worth nothing any more: what was filled before is unverified. Whether it was live.
    @discardableResult
    func lose(worker: Int, now: Int64) -> Bool {
        state.withLock { state in
            state.proofs[worker] = nil
            return end(&state, now: now)
        }
    }

    /// Ends the epoch where the last proof is too old: this process was held up for so long.
    public func lapse(now: Int64) {
        state.withLock { state in
            guard now > deadline.load(ordering: .relaxed) else { return }
            state.proofs = state.proofs.filter { $0.value.deadline >= now }
            end(&state, now: now)
        }
    }

    /// What was filled until now is to be thought about again, though nothing was missed: policies have changed.
    public func renew() {
        state.withLock { state in
            guard state.epoch != 0 else { return }
            state.epoch = local.beginLiveEpoch()
            // Numbers came round: entries of the epochs before have none any more.
            if state.epoch < state.first { state.first = state.epoch }
            publish(state)
        }
    }

    // MARK: Deletions

    /// Every key may have been deleted at `time`.
    func noteFlush(at time: Timestamp) {
        flushCount.add()
        state.withLock { $0.promotableSince = max($0.promotableSince, Self.after(time)) }
    }

    /// A connection to a Redis process stands, over which reads and writes go from `time` on.
    func noteProcess(_ process: UInt64, at time: Timestamp) {
        state.withLock { state in
            if state.process != process { (state.process, state.processSince) = (process, time) }
        }
    }

    /// Whether a copy on disk, verified then, may be given to the Redis process `process`, which says that it has none.
    ///
    /// Not where that very process had it: the key was deleted since, heard of or not. A process that came back without
    /// the key has lost it, and nobody deleted it. Nil where the connection that said so has ended: another may lead to
    /// the same process.
    func mayPromote(verifiedAt: Timestamp, to process: UInt64?) -> Bool {
        state.withLock { state in
            // Nobody told which process it is: nothing is known of who had the key.
            if state.process == 0 { return verifiedAt >= state.promotableSince }
            guard let process else { return false }
            return verifiedAt >= state.promotableSince
                && !(state.process == process && verifiedAt >= state.processSince)
        }
    }

    /// Whether a copy on disk of that moment is to be written anew, though its value is the same: it could not be given
    /// to Redis any more.
    func isToBeRenewed(verifiedAt: Timestamp) -> Bool { state.withLock { verifiedAt < $0.promotableSince } }

    /// The first moment of verification that is certainly later, as copies tell it: to the millisecond.
    private static func after(_ time: Timestamp) -> Timestamp { time.advanced(byMilliseconds: 1) }

    private func publish(_ state: State) {
        let asOf = state.proofs.values.map(\.asOf).min() ?? .distantPast
        let last = Int(state.epoch)
        for epoch in max(Int(state.first), last - Self.endsCount + 1)...last {
            let word = UInt64(max(0, asOf.milliseconds)) << 16 | UInt64(epoch)
            ends[epoch & (Self.endsCount - 1)].store(word, ordering: .relaxed)
        }
        deadline.store(state.proofs.values.map(\.deadline).min() ?? .max, ordering: .relaxed)
    }

    @discardableResult
    private func end(_ state: inout State, now: Int64) -> Bool {
        guard state.epoch != 0 else { return false }
        local.endLiveEpoch()
        state.epoch = 0
        state.gapSince = now
        deadline.store(.max, ordering: .relaxed)
        gapCount.add()
        return true
    }

    // MARK: Figures

    func noteReceived(_ count: Int) { receivedCount.add(UInt64(count)) }
    func noteApplied(_ count: Int) { appliedCount.add(UInt64(count)) }
    func noteTrackedKeys(_ count: Int64) { trackedKeysLevel.set(count) }

    /// Invalidations of a key that arrived, and those of them that found an entry.
    public var received: UInt64 { receivedCount.value }
    public var applied: UInt64 { appliedCount.value }
    /// Invalidations of every key, as FLUSHALL makes them.
    public var flushes: UInt64 { flushCount.value }
    public var gaps: UInt64 { gapCount.value }
    /// Nanoseconds that each gap took which is over.
    public var gapDurations: HistogramSnapshot { gapLengths.snapshot() }
    /// Keys that Redis tracks for all its clients, as it last told; nil while it has not.
    public var trackedKeys: Int64? { trackedKeysLevel.value < 0 ? nil : trackedKeysLevel.value }

    /// How long the present gap has lasted at `now`, in monotonic nanoseconds; nil while there is none.
    public func gapAge(now: Int64) -> Int64? { state.withLock { $0.gapSince.map { max(0, now - $0) } } }
}
