// What a read of a conversation lists: its record's turns, this host's archived ones before them, and what is missing.

public import State

/// The turns that TURNS.GET lists: of the record, and of this host's archive before them.
public struct TurnListing: Sendable {
    /// Oldest first.
    public private(set) var turns: [Turns.Turn]
    /// How many of them are from the archive: the first ones.
    public private(set) var fromArchive = 0
    /// From this turn on nothing is missing in the list.
    public private(set) var completeFrom: Int64
    /// Where to go on reading, where the archive had more than one reply takes: what follows is not in the list.
    public private(set) var more: Int64?
    /// Why turns are missing; empty where none is.
    public private(set) var note = ""

    public init(_ conversation: Turns, _ archived: ArchiveAnswer?, last: Int?, from: Int64?) {
        let first = conversation.items.first?.sequence ?? conversation.next
        var found: [Turns.Turn] = []
        if case .turns(let turns, let next)? = archived {
            // What is in the record as well was archived by a write that did not come to its end, and is the record's.
            found = turns.filter { $0.sequence < first }
            if let next, next < first { more = next }
        }
        let own = more == nil ? conversation.items.filter { $0.sequence >= from ?? 0 } : []
        turns = found + own
        var expected = (more ?? conversation.next) - 1
        for turn in turns.reversed() where turn.sequence == expected { expected -= 1 }
        completeFrom = max(expected + 1, from ?? 1)
        if let last, more == nil {
            turns = turns.suffix(last)
            completeFrom = max(completeFrom, conversation.next - Int64(last))
        }
        fromArchive = turns.count { $0.sequence < first }
        let wanted = max(from ?? 1, last.map { conversation.next - Int64($0) } ?? 1)
        guard let archived, completeFrom > wanted else { return }
        switch archived {
        case .turns:
            note =
                "not all turns before \(completeFrom) are in this host's archive: they were folded in time, another "
                + "sidecar made room for them, or warm.max_bytes did"
        case .absent:
            note =
                "turns before \(completeFrom) are in no archive of this host: another sidecar made room for them, or "
                + "warm.max_bytes did"
        case .failed(let reason): note = "this host's archive can't be read: \(reason)"
        }
    }
}
