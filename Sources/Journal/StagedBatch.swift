// What a batch will change once it is committed.

internal import SegmentLog

struct StagedBatch {
    /// How far the numbers will have come.
    var numbers = JournalNumbers()
    private(set) var entries: [(entry: JournalEntry, bytes: Int)] = []
    private(set) var entryBytes = 0
    /// Settled and superseded.
    private(set) var ended: Set<UInt64> = []
    private(set) var settled: [UInt64] = []
    var notes: [(note: JournalNote, bytes: Int)] = []
    var noteBytes = 0
    private(set) var droppedNotes: [UInt64] = []
    /// Of those, how many went for want of room.
    private(set) var crowdedOut = 0
    /// Where it was written.
    var segment: UInt32 = 0

    init() {}
    init(numbers: JournalNumbers) { self.numbers = numbers }

    var isEmpty: Bool { entries.isEmpty && settled.isEmpty && notes.isEmpty && droppedNotes.isEmpty }
    var hasEnds: Bool { !settled.isEmpty || !droppedNotes.isEmpty }

    /// Whether an entry is of this batch, and not ended by it.
    func holds(_ sequence: UInt64) -> Bool {
        guard let first = entries.first?.entry.sequence else { return false }
        return sequence >= first && sequence < numbers.sequence && !ended.contains(sequence)
    }

    mutating func add(_ entry: JournalEntry, bytes: Int, superseding: [UInt64]) {
        entries.append((entry, bytes))
        entryBytes += bytes
        ended.formUnion(superseding)
    }

    mutating func settle(_ sequence: UInt64) {
        if ended.insert(sequence).inserted { settled.append(sequence) }
    }

    mutating func drop(_ id: UInt64, isHeld: Bool) {
        let isStaged = notes.contains { $0.note.id == id }
        guard isHeld || isStaged, !droppedNotes.contains(id) else { return }
        droppedNotes.append(id)
    }

    /// Drops the oldest notes until all fit the bounds.
    mutating func makeRoomForNotes(_ ledger: JournalLedger, _ options: JournalOptions) {
        guard !notes.isEmpty else { return }
        var dropped = Set(droppedNotes)
        var count = notes.count
        var bytes = noteBytes
        for (id, held) in ledger.notes where !dropped.contains(id) {
            count += 1
            bytes += held.bytes
        }
        for note in notes where dropped.contains(note.note.id) {
            count -= 1
            bytes -= note.bytes
        }
        let oldest = ledger.noteIDs.map { ($0, ledger.notes[$0]?.bytes ?? 0) } + notes.map { ($0.note.id, $0.bytes) }
        for (id, size) in oldest {
            if count <= JournalOptions.noteCountMax, bytes <= options.noteBytesMax { break }
            guard dropped.insert(id).inserted else { continue }
            droppedNotes.append(id)
            crowdedOut += 1
            count -= 1
            bytes -= size
        }
    }
}
