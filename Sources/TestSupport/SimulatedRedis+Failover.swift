// A replica that takes the place of its master: what the master had told nobody is gone.
//
// DESIGN: each change of a key keeps what was there before. A failover undoes those of the last so many milliseconds,
// newest first, which is the state of a replica that lags by as much (replication keeps the order). The scripts'
// answers that a marker stands for go with it.

internal import Primitives

extension SimulatedRedis {
    /// A change that a failover may undo.
    struct Undo {
        let at: Int64
        let key: [UInt8]
        let before: Entry?
    }

    /// How long changes can be undone.
    static let undoTime = Duration.seconds(5)

    /// Notes what a key held before a change of it.
    func noteUndo(_ key: [UInt8]) {
        let now = scheduler.monotonicNanoseconds
        undos.append(Undo(at: now, key: key, before: entries[key]))
        if undos.count > 4096, let first = undos.firstIndex(where: { $0.at > now - Self.undoTime.nanoseconds }) {
            undos.removeFirst(first)
        }
    }

    /// The master is lost, and a replica that was behind by `lag` answers in its place: another process, with other
    /// client ids, none of the connections and none of the scripts. Returns what each key that it has lost a change of
    /// held just before.
    public func failOver(losing lag: Duration) -> [[UInt8]: Entry?] {
        let since = scheduler.monotonicNanoseconds - lag.nanoseconds
        var lost: [[UInt8]: Entry?] = [:]
        var place = undos.count
        while place > 0, undos[place - 1].at > since { place -= 1 }
        let undone = Array(undos[place...])
        cutAll()
        beginAnew()
        for undo in undone.reversed() {
            if lost[undo.key] == nil { lost[undo.key] = .some(entries[undo.key]) }
            store(undo.key, undo.before)
        }
        undos = []
        for (key, before) in lost where before != entries[key] { forgetAnswers(of: key) }
        return lost.filter { $0.value != entries[$0.key] }
    }

    /// Whatever a marker no longer stands for was not answered by this process.
    private func forgetAnswers(of marker: [UInt8]) {
        guard let answers = replayAnswers[marker] else { return }
        var applied: Int64 = 0
        if case .string(let text)? = entries[marker]?.content {
            applied = Int64(String(decoding: text, as: UTF8.self)) ?? 0
        }
        replayAnswers[marker] = answers.filter { $0.key <= applied }
    }
}
