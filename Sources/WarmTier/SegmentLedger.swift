// What is alive in each segment: the figures by which room is found. The writer's alone.

internal import Primitives
internal import SegmentLog

/// The accounts of one segment. Bytes are those of records and their lines in the footer.
struct SegmentAccount {
    let sequence: UInt32
    /// Of records that the index points at.
    var liveBytes = 0
    var liveRecords = 0
    /// Of those, tombstones and lapsed entries: they are needed only while what they shadow exists.
    var pinnedBytes = 0
    /// Where what they shadow lies.
    var pinned = ShadowRange.none
    /// Its file could not be read: relocations leave it alone until then.
    var troubledUntil = Timestamp.distantPast
    /// Records of it were let go that its file still holds: a restart would bring them back.
    var hasLetGo = false
}

/// Accounts by slot; a slot is the 15-bit name of an open segment in the index.
struct SegmentLedger {
    private(set) var accounts: [SegmentAccount?] = []
    private(set) var files: [SegmentFile?] = []
    private var slots: [UInt32: UInt16] = [:]
    private(set) var liveBytes = 0
    private(set) var pinnedBytes = 0
    private(set) var keys = 0
    private(set) var tombstones = 0
    /// Records of archives, and their bytes.
    private(set) var archives = 0
    private(set) var archiveBytes = 0
    /// The segments that still hold records which were let go; from here to there, at least.
    private(set) var letGo = ShadowRange.none

    static func bytes(_ entry: IndexEntry) -> Int { entry.length + SegmentLog.footerBytesPerRecord }

    func slot(of sequence: UInt32) -> UInt16? { slots[sequence] }
    subscript(slot: UInt16) -> SegmentAccount {
        guard let account = accounts[Int(slot)] else { preconditionFailure("BUG: slot \(slot) is free") }
        return account
    }

    mutating func open(_ file: SegmentFile) -> UInt16 {
        let slot = accounts.firstIndex { $0 == nil } ?? accounts.count
        precondition(slot <= Int(IndexEntry.slotMax), "BUG: more than 32,768 segments")
        if slot == accounts.count {
            accounts.append(nil)
            files.append(nil)
        }
        accounts[slot] = SegmentAccount(sequence: file.identity.sequence)
        files[slot] = file
        slots[file.identity.sequence] = UInt16(slot)
        return UInt16(slot)
    }

    mutating func close(_ slot: UInt16) {
        let account = self[slot]
        precondition(
            account.liveRecords == 0 && account.liveBytes == 0, "BUG: closing a segment of which \(account) lives")
        slots[account.sequence] = nil
        accounts[Int(slot)] = nil
        files[Int(slot)] = nil
        if account.hasLetGo { reckonLetGo() }
    }

    /// Notes that a record is let go before its file is.
    mutating func noteLetGo(in slot: UInt16) {
        accounts[Int(slot)]?.hasLetGo = true
        reckonLetGo()
    }

    private mutating func reckonLetGo() {
        letGo = accounts.lazy.compactMap { $0 }.filter(\.hasLetGo).reduce(ShadowRange.none) {
            $0.including($1.sequence)
        }
    }

    mutating func add(_ entry: IndexEntry, shadow: ShadowRange) { change(entry, by: 1, shadow: shadow) }
    mutating func remove(_ entry: IndexEntry) { change(entry, by: -1, shadow: .none) }

    private mutating func change(_ entry: IndexEntry, by sign: Int, shadow: ShadowRange) {
        let slot = Int(entry.slot)
        guard accounts[slot] != nil else { preconditionFailure("BUG: an entry in free slot \(slot)") }
        let bytes = sign * Self.bytes(entry)
        liveBytes += bytes
        accounts[slot]!.liveBytes += bytes
        accounts[slot]!.liveRecords += sign
        if entry.isKey {
            count(entry, by: sign)
        } else {
            accounts[slot]!.pinnedBytes += bytes
            pinnedBytes += bytes
        }
        if entry.flags.contains(.tombstone) { tombstones += sign }
        if !entry.isKey, !shadow.isNone {
            accounts[slot]!.pinned = accounts[slot]!.pinned.including(shadow.low).including(shadow.high)
        }
        precondition(accounts[slot]!.liveBytes >= 0 && accounts[slot]!.pinnedBytes >= 0, "BUG: \(accounts[slot]!)")
    }

    private mutating func count(_ entry: IndexEntry, by sign: Int) {
        if entry.isArchive {
            archives += sign
            archiveBytes += sign * Self.bytes(entry)
        } else {
            keys += sign
        }
    }

    /// An entry stops being a key without leaving the index; what it shadows may lie anywhere before it.
    mutating func lapse(_ entry: IndexEntry) {
        let slot = Int(entry.slot)
        count(entry, by: -1)
        accounts[slot]!.pinnedBytes += Self.bytes(entry)
        pinnedBytes += Self.bytes(entry)
        accounts[slot]!.pinned = ShadowRange(low: 1, high: accounts[slot]!.sequence)
    }

    mutating func setTroubled(_ slot: UInt16, until: Timestamp) { accounts[Int(slot)]?.troubledUntil = until }

    /// Everything is void.
    mutating func empty() {
        for slot in accounts.indices {
            guard let account = accounts[slot] else { continue }
            accounts[slot] = SegmentAccount(sequence: account.sequence)
        }
        liveBytes = 0
        pinnedBytes = 0
        keys = 0
        tombstones = 0
        archives = 0
        archiveBytes = 0
        letGo = .none
    }
}
