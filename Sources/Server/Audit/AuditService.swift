// The audit's thread: what has gathered becomes one write, and those who wait for it hear so.
//
//     workers ──accesses──► audit thread ──write, sync──► disk
//                              └──► each worker's mailbox: written up to here, or not
//
// DESIGN. Two promises, by `audit.on_failure`. `refuse`: an audited access is answered after its line was written (and
// synchronised, with `audit.sync: always`), and while lines can't be written it is refused before it is carried out.
// `drop`: nothing waits; what finds no room or no disk is counted, and the next line says how many there were. In both
// the loop hands over values and goes on: lines are formatted and hashed here.

public import Audit
internal import EventLoop
internal import Metrics
internal import Primitives
internal import SegmentLog
internal import Synchronization

/// How the audit is kept.
public struct AuditPlan: Sendable {
    public enum Sync: Sendable, Equatable {
        /// One fdatasync for all that gathered, before any of it is answered (under `on_failure: refuse`).
        case always
        case interval(milliseconds: Int)
        case never
    }

    public var options: AuditOptions
    public var sync: Sync
    /// What can't be audited is refused; else it is answered, and counted.
    public var refuses: Bool

    public init(options: AuditOptions, sync: Sync, refuses: Bool) {
        self.options = options
        self.sync = sync
        self.refuses = refuses
    }
}

/// The audit as a service of this process.
final class AuditService: Sendable {
    enum Job: Sendable {
        /// The accesses of one request, and who hears of them where somebody waits.
        case accesses([AuditAccess], waiting: (worker: Int, ticket: UInt64)?)
        /// Looks whether the file was moved away.
        case reopen
    }

    /// What others want to know, after each batch.
    struct Figures: Sendable {
        var head = AuditHead()
        var lines: UInt64 = 0
        var bytes: UInt64 = 0
        var rotations: UInt64 = 0
        /// Writes and syncs that failed.
        var failures: UInt64 = 0
        /// Why lines can't be written now; nil where they can.
        var failure: String?
    }

    let refuses: Bool
    /// Accesses answered without a line, and those refused for want of one.
    let dropped = SharedCounter()
    let refused = SharedCounter()
    private let plan: AuditPlan
    private let jobs = BlockingQueue<Job>(capacity: AuditService.waitingMax)
    private let stopped = BlockingQueue<Void>(capacity: 1)
    private let published: Locked<Figures>
    /// Whether lines can't be written: looked at before each access.
    private let isFailing = Atomic<Bool>(false)
    /// How each worker hears that its accesses were written up to a ticket, or why not.
    private let listeners = Locked<[@Sendable (UInt64, String?) -> Void]>([])
    private let log: Log

    /// The most requests that may wait to be written.
    static let waitingMax = 65_536

    var figures: Figures { published.withLock { $0 } }
    var waiting: Int { jobs.count }

    /// Opens the audit and starts its thread; throws with what to do where it is not to be had.
    init(_ plan: AuditPlan, log: Log) throws {
        self.plan = plan
        self.log = log
        refuses = plan.refuses
        let writer: AuditWriter
        do {
            writer = try AuditWriter.open(plan.options, fileSystem: DiskFileSystem(), now: Loop.wallClock)
        } catch {
            throw StartError("the audit can't be opened: \(error); see that the directory of audit.path exists")
        }
        published = Locked(Figures(head: writer.head))
        let box = WriterBox(writer)
        startThread("hearth-audit") { [self] in
            var thread = AuditThread(box.writer, self)
            thread.run()
            _ = stopped.send(())
        }
    }

    /// Carries the writer into its thread, once.
    private final class WriterBox: @unchecked Sendable {
        let writer: AuditWriter
        init(_ writer: AuditWriter) { self.writer = writer }
    }

    // MARK: From any thread

    /// A worker's listener; its number goes with what it submits.
    func register(_ listener: @escaping @Sendable (UInt64, String?) -> Void) -> Int {
        listeners.withLock { listeners in
            listeners.append(listener)
            return listeners.count - 1
        }
    }

    /// Why an access can't be carried out now; nil where it can.
    func refusal() -> String? {
        guard refuses else { return nil }
        if isFailing.load(ordering: .relaxed) {
            let reason = figures.failure ?? "its disk failed"
            return "not sent: audit: lines can't be written: \(reason)"
        }
        guard waiting >= Self.waitingMax else { return nil }
        return "not sent: audit: \(Self.waitingMax) accesses wait to be written"
    }

    /// Hands accesses over. Those that somebody waits for were admitted before, so there is room for them.
    func submit(_ accesses: [AuditAccess], waiting: (worker: Int, ticket: UInt64)?) {
        let isQueued = jobs.send(.accesses(accesses, waiting: waiting), beyondCapacity: waiting != nil)
        guard !isQueued else { return }
        dropped.add(UInt64(accesses.count))
        // Only at the end of the process: whoever waits is answered all the same.
        if let waiting { tell(waiting.worker, waiting.ticket, "this Hearth is ending") }
    }

    /// SIGHUP: the file may have been moved away.
    func reopen() { _ = jobs.send(.reopen, beyondCapacity: true) }

    /// Writes what waits and ends the thread; waits for that, `milliseconds` at most. Whether it was in time.
    func stop(waitingUpToMilliseconds milliseconds: Int64) -> Bool {
        jobs.close()
        return stopped.take(waitingUpToMilliseconds: milliseconds)?.isEmpty == false
    }

    private func tell(_ worker: Int, _ ticket: UInt64, _ failure: String?) {
        listeners.withLock { $0[worker] }(ticket, failure)
    }

    // MARK: The thread

    /// What the thread does in a loop; everything in it belongs to the thread.
    private struct AuditThread {
        let writer: AuditWriter
        let service: AuditService
        var nextSync = Loop.monotonicNanoseconds
        var failures: UInt64 = 0
        var failure: String?
        /// How many dropped and refused accesses lines have told of.
        var told = AuditGap()

        /// The most requests in one write.
        static let batchMax = 1024

        init(_ writer: AuditWriter, _ service: AuditService) {
            self.writer = writer
            self.service = service
            report()
        }

        mutating func run() {
            while let jobs = service.jobs.take(limit: Self.batchMax, waitingUpToMilliseconds: patience) {
                carryOut(jobs)
                synchronizeIfDue()
                publish()
            }
            close()
        }

        private var patience: Int64 {
            guard case .interval = service.plan.sync, writer.isUnsynchronised else { return 1000 }
            return min(1000, max(0, (nextSync - Loop.monotonicNanoseconds + 999_999) / 1_000_000))
        }

        private mutating func carryOut(_ jobs: [Job]) {
            var accesses: [AuditAccess] = []
            var waiting: [Int: UInt64] = [:]
            for job in jobs {
                switch job {
                case .accesses(let some, let ticket):
                    accesses += some
                    if let ticket { waiting[ticket.worker] = ticket.ticket }
                case .reopen:
                    write(accesses, waiting)
                    (accesses, waiting) = ([], [:])
                    reopen()
                }
            }
            // With nothing to write, a failing disk is tried again.
            if !accesses.isEmpty || failure != nil { write(accesses, waiting) }
        }

        private mutating func write(_ accesses: [AuditAccess], _ waiting: [Int: UInt64]) {
            let gap = AuditGap(
                dropped: service.dropped.value - told.dropped, refused: service.refused.value - told.refused)
            do throws(AuditError) {
                try writer.append(accesses, gap: gap, now: Loop.wallClock)
                told.dropped += gap.dropped
                told.refused += gap.refused
                if service.plan.sync == .always { try writer.synchronize() }
                recover()
                publish()
                for (worker, ticket) in waiting { service.tell(worker, ticket, nil) }
            } catch {
                fail(error)
                if service.refuses {
                    service.refused.add(UInt64(accesses.count))
                } else {
                    service.dropped.add(UInt64(accesses.count))
                }
                publish()
                for (worker, ticket) in waiting { service.tell(worker, ticket, "\(error)") }
            }
        }

        private mutating func synchronizeIfDue() {
            guard case .interval(let milliseconds) = service.plan.sync, Loop.monotonicNanoseconds >= nextSync else {
                return
            }
            nextSync = Loop.monotonicNanoseconds + Int64(milliseconds) * 1_000_000
            do throws(AuditError) {
                try writer.synchronize()
            } catch {
                fail(error)
            }
        }

        private mutating func reopen() {
            do throws(AuditError) {
                try writer.reopen(now: Loop.wallClock)
            } catch {
                // Lines go on into the file that is open.
                failures += 1
                service.log.write(.error, "audit_reopen_failed") { $0.member("error", "\(error)") }
            }
        }

        private mutating func close() {
            write([], [:])
            do throws(AuditError) {
                try writer.close(now: Loop.wallClock)
            } catch {
                fail(error)
            }
            publish()
        }

        // MARK: Telling

        private mutating func fail(_ error: AuditError) {
            failures += 1
            if failure == nil {
                let refuses = service.refuses
                service.log.write(.error, "audit_degraded") {
                    $0.member("error", "\(error)")
                    $0.member("on_failure", refuses ? "refuse" : "drop")
                }
            }
            failure = "\(error)"
            service.isFailing.store(true, ordering: .relaxed)
        }

        private mutating func recover() {
            guard failure != nil else { return }
            failure = nil
            service.isFailing.store(false, ordering: .relaxed)
            service.log.write(.info, "audit_healthy") { $0.member("sequence", writer.head.sequence) }
        }

        private mutating func publish() {
            report()
            let figures = Figures(
                head: writer.head, lines: writer.lines, bytes: writer.bytes, rotations: writer.rotations,
                failures: failures, failure: failure)
            service.published.withLock { $0 = figures }
        }

        private func report() { for note in writer.takeNotes() { service.log.note(note) } }
    }
}

extension Log {
    /// Tells what happened to the audit's files.
    fileprivate func note(_ note: AuditNote) {
        switch note {
        case .continued(.killed, let tornBytes, let isExpected):
            write(isExpected ? .warning : .error, "audit_recovered") {
                $0.member("torn_bytes", tornBytes)
                if !isExpected { $0.member("what_to_do", "hearth audit verify: more is damaged than a kill explains") }
            }
        case .continued: break
        case .rotated(let path): write(.info, "audit_rotated") { $0.member("path", path) }
        case .removed(let path): write(.info, "audit_file_removed") { $0.member("path", path) }
        case .reopened: write(.info, "audit_reopened")
        case .maintenanceFailed(let error): write(.error, "audit_rotation_failed") { $0.member("error", "\(error)") }
        }
    }
}
