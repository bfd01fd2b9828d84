// What a batch will change once it is committed.

internal import Primitives
internal import SegmentLog

struct StagedBatch {
    /// How far the numbers will have come.
    var numbers = JournalNumbers()
    private(set) var entries: [(entry: JournalEntry, bytes: Int)] = []
    private(set) var entryBytes = 0
    /// Settled and superseded.
    private(set) var ended: [UInt64] = []
    private var endedNumbers: Set<Ordinal> = []
    private(set) var settled: [UInt64] = []
    var notes: [(note: JournalNote, bytes: Int)] = []
    var noteBytes = 0
    private(set) var droppedNotes: [UInt64] = []
    /// Of those, how many went for want of room.
    private(set) var crowdedOut = 0
    /// Where it was written.
    var segment: UInt32 = 0

    /// Begins a batch; what the last one took is used again, unless it was large.
    mutating func begin(_ numbers: JournalNumbers) {
        self.numbers = numbers
        entries.removeAll(keepingCapacity: entries.capacity <= Self.keptMax)
        ended.removeAll(keepingCapacity: ended.capacity <= Self.keptMax)
        endedNumbers.removeAll(keepingCapacity: endedNumbers.capacity <= Self.keptMax)
        (settled, notes, droppedNotes) = ([], [], [])
        (entryBytes, noteBytes, crowdedOut, segment) = (0, 0, 0, 0)
    }

    private static let keptMax = 4096

    var isEmpty: Bool { entries.isEmpty && settled.isEmpty && notes.isEmpty && droppedNotes.isEmpty }
    var hasEnds: Bool { !settled.isEmpty || !droppedNotes.isEmpty }

    /// Whether an entry is of this batch, and not ended by it.
    func holds(_ sequence: UInt64) -> Bool {
        guard let first = entries.first?.entry.sequence else { return false }
        return sequence >= first && sequence < numbers.sequence && !ends(sequence)
    }

    /// Whether this batch ends an entry.
    func ends(_ sequence: UInt64) -> Bool { !ended.isEmpty && endedNumbers.contains(Ordinal(sequence)) }

    mutating func add(_ entry: JournalEntry, bytes: Int, superseding: [UInt64]) {
        entries.append((entry, bytes))
        entryBytes += bytes
        for sequence in superseding { end(sequence) }
    }

    mutating func settle(_ sequence: UInt64) {
        if end(sequence) { settled.append(sequence) }
    }

    /// Ends an entry; false where the batch does so already.
    @discardableResult
    private mutating func end(_ sequence: UInt64) -> Bool {
        guard endedNumbers.insert(Ordinal(sequence)).inserted else { return false }
        ended.append(sequence)
        return true
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
