// A turn of the journal's keeper: a commit for what has gathered, a synchronisation where one is due, a step of making
// room.

public import Primitives

/// When what is accepted is made durable.
public enum JournalSync: Sendable, Equatable {
    /// One fdatasync for all that gathered, before any of it is answered.
    case always
    case interval(milliseconds: Int)
    case never
}

extension JournalKeeper {
    /// The most jobs in one turn.
    public static let turnMax = 1024

    /// Carries out what has gathered, and what is due; returns in how many milliseconds to come again where no job
    /// comes before: a second at most, a quarter of one while writes are unnoted.
    ///
    /// A failure of synchronisation or of making room shows in the journal's statistics, and is tried again.
    public func turn(_ jobs: [JournalJob], now: Timestamp, monotonicNanoseconds: Int64) -> Int64 {
        if jobs.contains(where: \.isApart) {
            let work = jobs.filter { !$0.isApart }
            if !work.isEmpty || hasUnsettled { process(work, now: now) }
            for job in jobs { if case .erase = job { process([job], now: now) } }
            for case .conflicts(let deliver) in jobs { deliver(conflicts) }
            let notes = jobs.compactMap { if case .note(let deliver) = $0 { deliver } else { nil } }
            if !notes.isEmpty {
                let isNoted = noteUnnoted(now)
                for deliver in notes { deliver(isNoted) }
            }
        } else {
            process(jobs, now: now)
        }
        if case .interval(let milliseconds) = sync, monotonicNanoseconds >= nextSync {
            nextSync = monotonicNanoseconds + Int64(milliseconds) * 1_000_000
            try? journal.synchronize(now: now)
        }
        let hasMore = (try? journal.maintain(now: now)) ?? false
        lookAtUnnoted()
        if hasMore { return 0 }
        let idle: Int64 = pending.unnoted.isEmpty ? 1000 : 250
        guard case .interval = sync else { return idle }
        return min(idle, max(0, (nextSync - monotonicNanoseconds + 999_999) / 1_000_000))
    }

    /// Tries to make durable what became of writes, of which the disk took no note before; whether nothing is left.
    private func noteUnnoted(_ now: Timestamp) -> Bool {
        if journal.mayBringBack { try? journal.recover(now: now) }
        lookAtUnnoted()
        return pending.unnoted.isEmpty
    }

    /// Makes what was accepted durable, for a clean end.
    public func finish(now: Timestamp) { try? journal.synchronize(now: now) }
}

extension JournalJob {
    /// Whether it is no part of the commit of those beside it.
    fileprivate var isApart: Bool {
        switch self {
        case .conflicts, .erase, .note: true
        case .write, .settle, .discard, .dropConflicts: false
        }
    }
}
