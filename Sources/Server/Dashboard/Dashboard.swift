// What the live page of the admin port is told: figures over time, and how things are now.
//
// DESIGN. The admin thread asks once a second, whether or not a page is open, so that a page that is opened during an
// outage shows how it began. What it is told is JSON with two shapes: *past* is everything that is kept, with which a
// page begins and begins again; *news* is what one second brought. Lists (transitions, lines, policies) are told whole,
// and only when they have changed: to be told of one twice does no harm.
//
// No key and no value is in it, as in no metric.

internal import EventLoop
internal import Metrics
internal import Primitives

/// The page's history and its documents; safe from any thread, used by the admin thread.
final class Dashboard: Sendable {
    /// Ten minutes, second by second.
    static let fine = (step: Int64(1000), capacity: 600)
    /// Six hours, by half minutes.
    static let coarse = (step: Int64(30_000), capacity: 720)

    private let context: ProcessContext
    private let state: Locked<State>

    private struct State: Sendable {
        // A tenth shorter than its name: a tick that comes a little early completes its row all the same.
        var fine = History(step: Dashboard.fine.step - 100, capacity: Dashboard.fine.capacity)
        var coarse = History(step: Dashboard.coarse.step - 100, capacity: Dashboard.coarse.capacity)
        /// The names of a row's numbers.
        var columns: [String] = []
        var newest: (fine: History.Row?, coarse: History.Row?)
        /// What the last news told of.
        var told = Versions()
    }

    /// How often the lists have changed.
    private struct Versions: Sendable, Equatable {
        var transitions = 0
        var lines = 0
        var policies = 0
    }

    init(_ context: ProcessContext) {
        self.context = context
        state = Locked(State())
    }

    /// Looks at the process; to be called once a second.
    func look() {
        let snapshot = Snapshot(context)
        let measurement = snapshot.measurement
        let at = Loop.wallClock.milliseconds
        let monotonic = Loop.monotonicNanoseconds / 1_000_000
        state.withLock { state in
            state.newest.fine = state.fine.add(measurement, at: at, monotonic: monotonic)
            state.newest.coarse = state.coarse.add(measurement, at: at, monotonic: monotonic)
            if state.columns.isEmpty { state.columns = snapshot.columns }
        }
    }

    /// What the last look brought, and how things are.
    func news() -> [UInt8] {
        let (versions, present) = (versions, present)
        var json = JSONWriter()
        state.withLock { state in
            json.object { json in
                json.member("now", Loop.wallClock.milliseconds)
                for (name, row) in [("fine", state.newest.fine), ("coarse", state.newest.coarse)] {
                    guard let row else { continue }
                    json.key(name)
                    json.row(row)
                }
                json.key("present")
                json.verbatim(present)
                writeLists(&json, versions, since: state.told)
            }
            state.told = versions
        }
        return json.bytes
    }

    /// Everything that is kept.
    func past() -> [UInt8] {
        var json = JSONWriter()
        let state = state.withLock { $0 }
        json.object { json in
            json.member("version", Version.hearth)
            json.member("started", context.startedAt.milliseconds)
            json.member("now", Loop.wallClock.milliseconds)
            json.array("columns") { for column in state.columns { $0.string(column) } }
            for (name, history, step) in [
                ("fine", state.fine, Self.fine.step), ("coarse", state.coarse, Self.coarse.step),
            ] {
                json.object(name) {
                    $0.member("step", step)
                    $0.member("capacity", history.capacity)
                    $0.array("rows") { json in for row in history.rows { json.row(row) } }
                }
            }
            json.key("present")
            json.verbatim(present)
            writeLists(&json, versions, since: nil)
        }
        return json.bytes
    }

    /// How things are now, as JSON; made only while a page is open.
    private var present: [UInt8] {
        let snapshot = Snapshot(context)
        return snapshot.present(context.readiness(snapshot))
    }

    private var versions: Versions {
        Versions(
            transitions: context.transitions.recent.withLock { $0.version },
            lines: context.log.recent.withLock { $0.version },
            policies: context.settings.withLock { $0.generation })
    }

    private func writeLists(_ json: inout JSONWriter, _ now: Versions, since told: Versions?) {
        if now.transitions != told?.transitions { context.transitions.recent.withLock { $0 }.write(&json) }
        if now.lines != told?.lines { context.log.recent.withLock { $0 }.write(&json) }
        if now.policies != told?.policies { context.settings.withLock { $0.policies }.write(&json) }
    }
}
