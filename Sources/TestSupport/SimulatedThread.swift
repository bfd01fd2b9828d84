// A thread behind a queue, in virtual time: the shipping work without the thread.

public import Primitives

/// Virtual time as the simulated parts are given it.
public protocol VirtualTime: Scheduler {
    /// Runs `action` once, so many nanoseconds from now.
    func after(nanoseconds: Int64, _ action: @escaping () -> Void)
}

/// A thread of a simulated process: jobs gather in its queue and are carried out turn by turn.
///
/// It belongs to the simulation's one thread, and is safe from any for form's sake alone.
public final class SimulatedThread<Job: Sendable>: JobQueue, @unchecked Sendable {
    private let time: any VirtualTime
    private let turn: ([Job]) -> Int64
    private var gathered: [Job] = []
    private var wakesAt = Int64.max
    private var wakings = 0
    private var isStopped = false
    /// The most jobs that may wait.
    public let capacity: Int
    /// From the first job to its turn: what a thread takes to wake, and a disk to write.
    public var latency = Duration.microseconds(200)
    /// How long a turn's jobs gather beyond that.
    public var gathering: ([Job]) -> Duration = { _ in .zero }
    /// The most jobs that ever waited together.
    public private(set) var waitedMax = 0

    /// `turn` carries out what has gathered and says in how many milliseconds to come again where no job comes before.
    public init(_ time: any VirtualTime, capacity: Int = 65_536, turn: @escaping ([Job]) -> Int64) {
        self.time = time
        self.capacity = capacity
        self.turn = turn
    }

    /// Takes the first turn, as a thread does that has just started.
    public func start() { wake(in: .zero) }

    public func send(_ job: Job, beyondCapacity: Bool) -> Bool {
        guard !isStopped, beyondCapacity || gathered.count < capacity else { return false }
        gathered.append(job)
        waitedMax = max(waitedMax, gathered.count)
        wake(in: latency + gathering(gathered))
        return true
    }

    /// The process ends: what has gathered is never carried out.
    public func stop() {
        isStopped = true
        gathered = []
    }

    private func wake(in duration: Duration) {
        let at = time.monotonicNanoseconds + duration.nanoseconds
        guard at < wakesAt else { return }
        wakesAt = at
        wakings += 1
        time.after(nanoseconds: duration.nanoseconds) { [self, wakings] in
            guard wakings == self.wakings, !isStopped else { return }
            wakesAt = .max
            let jobs = gathered
            gathered = []
            let wait = turn(jobs)
            wake(in: gathered.isEmpty ? .milliseconds(max(1, wait)) : latency)
        }
    }
}

/// The way back to a worker of a simulated process.
public final class SimulatedCourier: Courier, @unchecked Sendable {
    private let time: any VirtualTime
    public var latency: Duration

    public init(_ time: any VirtualTime, latency: Duration = .microseconds(20)) {
        self.time = time
        self.latency = latency
    }

    public func run(_ body: @escaping @Sendable () -> Void) { time.after(nanoseconds: latency.nanoseconds, body) }
}
