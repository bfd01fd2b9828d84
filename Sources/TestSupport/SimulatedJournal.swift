// The journal's thread without a thread: the shipping keeper over a simulated disk, in virtual time.

internal import Journal
public import LocalTier
internal import Primitives
internal import SegmentLog
public import Tiers

/// The journal's service of a simulated process; shared by its workers.
public final class SimulatedJournal: JournalAccess {
    private let scheduler: SimulatedScheduler
    public let keeper: JournalKeeper
    /// From a request to its commit, and from there to the answer.
    public var latency = Duration.microseconds(200)
    private var gathered: [JournalJob] = []
    private var isStopped = false

    public var pending: PendingWrites { keeper.pending }
    public var identity: UInt64 { keeper.journal.identity }

    /// Opens the journal in `/journal` of a simulated disk, as a process does when it starts.
    public init(
        _ scheduler: SimulatedScheduler, disk: SimulatedFileSystem, local: LocalTier, maxBytes: Int = 4 << 20,
        isSynchronous: Bool = true, warm: SimulatedWarm?
    ) throws {
        self.scheduler = scheduler
        let (journal, recovery) = try Journal.open(
            JournalOptions(directory: "/journal", maxBytes: maxBytes), fileSystem: disk, now: scheduler.now)
        keeper = JournalKeeper(
            journal, recovery: recovery, pending: PendingWrites(), local: local, isSynchronous: isSynchronous
        ) { warm?.change($0, $1) }
    }

    public func append(_ request: JournalRequest, completion: @escaping (JournalOutcome) -> Void) {
        let answer = Answer(scheduler, latency, completion)
        gather(.write(request) { answer.deliver($0) })
    }

    public func settle(_ settlement: Settlement, completion: @escaping (Bool) -> Void) {
        let answer = Answer(scheduler, latency, completion)
        gather(.settle(settlement) { answer.deliver($0) })
    }

    /// The process ends: what has gathered is never carried out.
    public func stop() { isStopped = true }

    private func gather(_ job: JournalJob) {
        gathered.append(job)
        guard gathered.count == 1 else { return }
        scheduler.after(nanoseconds: latency.nanoseconds) { [self] in
            let jobs = gathered
            gathered = []
            guard !isStopped else { return }
            keeper.process(jobs, now: scheduler.now)
            // A failure shows in the statistics.
            while !isStopped, (try? keeper.journal.maintain(now: scheduler.now)) ?? false {}
        }
    }

    /// A completion on its way back.
    private final class Answer<Value>: @unchecked Sendable {
        private let scheduler: SimulatedScheduler
        private let latency: Duration
        private let completion: (Value) -> Void

        init(_ scheduler: SimulatedScheduler, _ latency: Duration, _ completion: @escaping (Value) -> Void) {
            self.scheduler = scheduler
            self.latency = latency
            self.completion = completion
        }

        func deliver(_ value: Value) {
            scheduler.after(nanoseconds: latency.nanoseconds) { [completion] in completion(value) }
        }
    }
}
