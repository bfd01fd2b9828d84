// A thread's clocks and timers in a test's hand: hours pass in the time that the work itself takes.
//
// DESIGN: what is to happen is a heap of events by time, and by order of making within one moment, so a run is the same
// each time. After each event whoever asked is told, as a loop tells at the end of an iteration.

public import Primitives

/// Virtual time with timers; the simulation of one thread, or of several that take turns.
public final class SimulatedScheduler: VirtualTime {
    private struct Event {
        let at: Int64
        let order: Int
        let action: () -> Void
    }

    private var clock: VirtualClock
    private var heap: [Event] = []
    private var made = 0
    /// Runs after each event, as the end of a loop's iteration.
    public var onIterationEnd: [() -> Void] = []
    /// How many events have run.
    public private(set) var eventsRun = 0

    public init(clock: VirtualClock = VirtualClock(nanoseconds: 1_000_000_000)) { self.clock = clock }

    public var monotonicNanoseconds: Int64 { clock.nanoseconds }
    public var now: Timestamp { clock.wall }

    /// Sets the wall clock forward or back; timers don't notice.
    public func jumpWall(byMilliseconds milliseconds: Int64) { clock.jumpWall(byMilliseconds: milliseconds) }

    /// Runs `action` once, so many nanoseconds from now.
    public func after(nanoseconds: Int64, _ action: @escaping () -> Void) {
        made += 1
        heap.append(Event(at: clock.nanoseconds + max(0, nanoseconds), order: made, action: action))
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// Nothing that was to come comes any more, so that what it holds may go.
    public func removeAll() {
        heap = []
        onIterationEnd = []
    }

    public func makeTimer(_ action: @escaping () -> Void) -> any ScheduledTimer { SimulatedTimer(self, action) }

    /// Lets `duration` pass and runs what comes due in it, in order.
    public func run(for duration: Duration) { run(until: clock.nanoseconds + duration.nanoseconds) { false } }

    /// Runs until `isDone`, at most for `limit`; whether it was done.
    @discardableResult
    public func run(atMost limit: Duration = .seconds(60), until isDone: () -> Bool) -> Bool {
        run(until: clock.nanoseconds + limit.nanoseconds, isDone)
        return isDone()
    }

    /// What the caller has just done counts as an event: the iteration ends.
    public func endIteration() { for action in onIterationEnd { action() } }

    private func run(until end: Int64, _ isDone: () -> Bool) {
        endIteration()
        while !isDone(), let next = heap.first, next.at <= end {
            pop()
            if next.at > clock.nanoseconds { clock.advance(by: .nanoseconds(next.at - clock.nanoseconds)) }
            next.action()
            eventsRun += 1
            endIteration()
        }
        if !isDone(), clock.nanoseconds < end { clock.advance(by: .nanoseconds(end - clock.nanoseconds)) }
    }

    private func isBefore(_ a: Int, _ b: Int) -> Bool { (heap[a].at, heap[a].order) < (heap[b].at, heap[b].order) }

    private func pop() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, least) {
                least = child
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}

/// A timer of virtual time; its events are void once it was stopped, set anew or dropped.
private final class SimulatedTimer: ScheduledTimer {
    private unowned let scheduler: SimulatedScheduler
    private let action: () -> Void
    private var generation = 0

    init(_ scheduler: SimulatedScheduler, _ action: @escaping () -> Void) {
        self.scheduler = scheduler
        self.action = action
    }

    func start(afterMilliseconds milliseconds: Int64) {
        generation += 1
        scheduler.after(nanoseconds: max(0, milliseconds) * 1_000_000) { [weak self, generation] in
            guard let self, self.generation == generation else { return }
            self.action()
        }
    }

    func stop() { generation += 1 }
}
