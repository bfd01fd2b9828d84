// What lives, and which segment holds which record. All live payloads are here: at most `maxBytes`.

internal import Primitives
internal import SegmentLog

/// What one segment holds, by number.
struct JournalAccount {
    /// Of every whole record, dead ones too.
    var entries: [UInt64] = []
    var notes: [UInt64] = []
    /// What its records settle, supersede or drop.
    var endedEntries: [UInt64] = []
    var endedNotes: [UInt64] = []
    /// Bytes of the records whose newest copy is here.
    var liveBytes = 0
    /// Whether it tells how far the numbers have come.
    var hasNumbers = false
    /// Damaged: the file is kept beside when the segment goes.
    var isDamaged = false
    /// What it holds is of unknown durability, or damaged: to be committed anew elsewhere.
    var isTroubled = false
    /// Nothing it holds is needed any more: its file may go out of turn.
    var isEvacuated = false

    mutating func add(_ record: JournalRecord) {
        switch record {
        case .entry(let entry, let superseding):
            entries.append(entry.sequence)
            endedEntries.append(contentsOf: superseding)
        case .end(let entries, let notes):
            endedEntries.append(contentsOf: entries)
            endedNotes.append(contentsOf: notes)
        case .note(let note): notes.append(note.id)
        case .numbers: hasNumbers = true
        }
    }
}

struct LiveEntry {
    var entry: JournalEntry
    /// Where its newest copy lies.
    var segment: UInt32
    var bytes: Int
}

struct LiveNote {
    var note: JournalNote
    var segment: UInt32
    var bytes: Int
}

struct JournalLedger {
    private(set) var entries = NumberTable<LiveEntry>()
    private(set) var notes: [UInt64: LiveNote] = [:]
    private(set) var entryBytes = 0
    private(set) var noteBytes = 0
    var accounts: [UInt32: JournalAccount] = [:]
    /// Sequences in order; those before `first`, and some behind it, are dead.
    private var order: [UInt64] = []
    private var first = 0
    private var noteOrder: [UInt64] = []
    private var firstNote = 0

    var liveBytes: Int { entryBytes + noteBytes }

    /// The most that lives in one segment.
    ///
    /// Complexity: O(segments).
    var segmentLiveMax: Int { accounts.values.reduce(0) { max($0, $1.liveBytes) } }

    subscript(segment: UInt32) -> JournalAccount {
        get { accounts[segment] ?? JournalAccount() }
        // In place: an account lists every record of its segment, and a copy of it is as long.
        _modify { yield &accounts[segment, default: JournalAccount()] }
    }

    /// Enters an entry, or a newer copy of one.
    mutating func place(_ entry: JournalEntry, in segment: UInt32, bytes: Int) {
        if let old = entries[entry.sequence] {
            self[old.segment].liveBytes -= old.bytes
            entryBytes -= old.bytes
        } else {
            order.append(entry.sequence)
        }
        entries[entry.sequence] = LiveEntry(entry: entry, segment: segment, bytes: bytes)
        self[segment].liveBytes += bytes
        entryBytes += bytes
    }

    /// Enters the entries of a batch, none of which was there before, and ends others.
    mutating func place(_ staged: [(entry: JournalEntry, bytes: Int)], ending ended: [UInt64], in segment: UInt32) {
        var bytes = 0
        for (entry, size) in staged {
            order.append(entry.sequence)
            entries[entry.sequence] = LiveEntry(entry: entry, segment: segment, bytes: size)
            bytes += size
        }
        entryBytes += bytes
        self[segment].liveBytes += bytes
        self[segment].entries.append(contentsOf: staged.lazy.map(\.entry.sequence))
        self[segment].endedEntries.append(contentsOf: ended)
        // Those of one segment follow each other, as a rule.
        var run = (segment: segment, bytes: 0)
        for sequence in ended {
            guard let old = entries.removeValue(forNumber: sequence) else { continue }
            if old.segment != run.segment {
                self[run.segment].liveBytes -= run.bytes
                run = (old.segment, 0)
            }
            run.bytes += old.bytes
            entryBytes -= old.bytes
        }
        self[run.segment].liveBytes -= run.bytes
        if !ended.isEmpty { skipEnded() }
    }

    mutating func place(_ note: JournalNote, in segment: UInt32, bytes: Int) {
        if let old = notes[note.id] {
            self[old.segment].liveBytes -= old.bytes
            noteBytes -= old.bytes
        } else {
            noteOrder.append(note.id)
        }
        notes[note.id] = LiveNote(note: note, segment: segment, bytes: bytes)
        self[segment].liveBytes += bytes
        noteBytes += bytes
    }

    /// Passes over the numbers at the front whose entries have ended.
    private mutating func skipEnded() {
        while first < order.count, entries[order[first]] == nil { first += 1 }
        if first > 1024, first > order.count / 2 {
            order.removeSubrange(..<first)
            first = 0
        }
    }

    mutating func endNote(_ id: UInt64) {
        guard let old = notes.removeValue(forKey: id) else { return }
        self[old.segment].liveBytes -= old.bytes
        noteBytes -= old.bytes
        while firstNote < noteOrder.count, notes[noteOrder[firstNote]] == nil { firstNote += 1 }
        if firstNote > 1024 {
            noteOrder.removeSubrange(..<firstNote)
            firstNote = 0
        }
    }

    /// Puts the numbers in order, after records were entered as they lay in the files.
    mutating func sortOrder() {
        order.sort()
        noteOrder.sort()
    }

    var oldest: JournalEntry? { first < order.count ? entries[order[first]]?.entry : nil }

    /// Pending entries in order of sequence. Complexity: O(n).
    var pending: [JournalEntry] { order[first...].compactMap { entries[$0]?.entry } }
    var pendingNotes: [JournalNote] { noteOrder[firstNote...].compactMap { notes[$0]?.note } }
    /// Ids of notes, oldest first.
    var noteIDs: [UInt64] { noteOrder[firstNote...].filter { notes[$0] != nil } }
}
