// The journal of a simulated process: the shipping keeper and port over a simulated disk, in virtual time.

internal import Journal
public import LocalTier
internal import Primitives
internal import SegmentLog
public import Tiers

/// The journal's service of a simulated process; shared by its workers.
public final class SimulatedJournal: JournalAccess {
    public let keeper: JournalKeeper
    /// The journal's thread.
    public let thread: SimulatedThread<JournalJob>
    private let port: JournalPort
    private let courier: SimulatedCourier

    public var pending: PendingWrites { keeper.pending }
    public var identity: UInt64 { keeper.journal.identity }

    /// From a request to its commit, and from there to the answer.
    public var latency = Duration.microseconds(200) {
        didSet { (thread.latency, courier.latency) = (latency, latency) }
    }

    /// Opens the journal in `/journal` of a simulated disk, as a process does when it starts.
    public init(
        _ time: any VirtualTime, disk: SimulatedFileSystem, local: LocalTier, maxBytes: Int = 4 << 20,
        sync: JournalSync = .always, changeWarm: @escaping (_ key: [UInt8], WarmChange) -> Void
    ) throws {
        let (journal, recovery) = try Journal.open(
            JournalOptions(directory: "/journal", maxBytes: maxBytes), fileSystem: disk, now: time.now)
        let keeper = JournalKeeper(
            journal, recovery: recovery, pending: PendingWrites(), local: local, sync: sync
        ) { changeWarm($0.bytes, $1) }
        self.keeper = keeper
        thread = SimulatedThread(time) {
            keeper.turn($0, now: time.now, monotonicNanoseconds: time.monotonicNanoseconds)
        }
        courier = SimulatedCourier(time, latency: latency)
        port = JournalPort(keeper.pending, jobs: thread, courier: courier)
        thread.start()
    }

    public func append(_ request: JournalRequest, completion: @escaping (JournalOutcome) -> Void) {
        port.append(request, completion: completion)
    }

    public func settle(_ settlement: Settlement, completion: @escaping (Bool) -> Void) {
        port.settle(settlement, completion: completion)
    }

    public func note(completion: @escaping (Bool) -> Void) { port.note(completion: completion) }

    public func erase(_ prefix: [UInt8], completion: @escaping (JournalErasure?) -> Void) {
        port.erase(prefix, completion: completion)
    }

    /// Forgets entries without doing them, as `hearth journal discard` does.
    public func discard(_ sequences: [UInt64]?, completion: @escaping (Int?) -> Void) {
        port.discard(sequences, completion: completion)
    }

    /// The process ends: what has gathered is never carried out.
    public func stop() { thread.stop() }
}
