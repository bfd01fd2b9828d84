// How threads reach each other, as everything below the server is given it: a queue into a thread, and the way back.

/// A bounded queue into another thread, as whoever sends sees it: a thread's in the server, virtual time's under
/// simulation.
public protocol JobQueue<Job>: Sendable {
    associatedtype Job: Sendable
    /// Hands a job over; false when the queue is full or closed. With `beyondCapacity`, of which the sender has a bound
    /// of its own, only when it is closed.
    func send(_ job: Job, beyondCapacity: Bool) -> Bool
    /// Hands several over, in their order; how many of them, from the first on, it took.
    func send(contentsOf jobs: [Job]) -> Int
}

extension JobQueue {
    public func send(_ job: Job) -> Bool { send(job, beyondCapacity: false) }

    public func send(contentsOf jobs: [Job]) -> Int { jobs.prefix { send($0) }.count }
}

/// The way back to the thread that asked.
public protocol Courier: Sendable {
    /// Runs `body` on that thread, behind what was sent before; drops it when the thread has ended.
    func run(_ body: @escaping @Sendable () -> Void)
}

/// A completion on its way through another thread, which never runs it.
public final class Delivery<Answer>: @unchecked Sendable {
    public let completion: (Answer) -> Void
    public init(_ completion: @escaping (Answer) -> Void) { self.completion = completion }
}
