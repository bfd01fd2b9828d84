// The writing side of a warm tier: batches of changes, committed with one write and, by mode, one fdatasync.
//
// A writer is not Sendable: it is handed to its thread and stays there. Nothing of a batch is readable before its
// commit has succeeded; nothing of a batch whose commit failed is readable, or recovered.
//
// Reads of single keys are atomic. A reader on another thread may see the first keys of a group before its last.

public import Primitives
public import SegmentLog

public final class WarmWriter {
    /// The reading side; share it.
    public let tier: WarmTier
    /// What opening skipped: damage, torn ends, what had been refused.
    public let skippedAtOpening: [SkippedRange]

    let log: SegmentLog
    let batch: RecordBatch
    /// Copies on their way to a newer segment.
    let moving: RecordBatch
    var ledger = SegmentLedger()
    var counters = WarmTierStatistics()

    /// The last staged change of each key hash, and for each change the one before it with the same hash.
    private var staged: [KeyHash: Int] = [:]
    private var stagedBefore: [Int] = []
    private var isBegun = false
    /// Whether a batch was begun that is not over.
    public var isBatchOpen: Bool { isBegun }
    private var isGrouping = false
    /// Whether the batch has had a part of an archive in it.
    private var hasStagedArchives = false
    private let compressor = ValueCompressor()

    /// The relocation that `maintain` has under way.
    var relocation: Relocation?
    var sweepPosition = SweepPosition()
    var lastSync: Timestamp
    var retryAt = Timestamp.distantPast
    /// The moment at which the batch was begun.
    private(set) var batchNow: Timestamp
    /// How much was pinned when letting it go did not help.
    var pinnedInVain = -1 << 40

    var configuration: WarmTierConfiguration { tier.configuration }

    init(tier: WarmTier, log: SegmentLog, skipped: [SkippedRange], now: Timestamp) {
        self.tier = tier
        self.log = log
        skippedAtOpening = skipped
        batch = log.makeBatch()
        moving = log.makeBatch()
        lastSync = now
        batchNow = now
        counters.skippedRanges = skipped.count
    }

    /// Begins a batch. There is one at a time; `commit` or `rollback` ends it.
    public func begin(now: Timestamp) {
        precondition(!isBegun, "BUG: begin within a batch")
        isBegun = true
        hasStagedArchives = false
        batchNow = now
    }

    /// Whether there may be archives: in files, or staged.
    public var mayHoldArchives: Bool { ledger.archives > 0 || hasStagedArchives }

    /// Bytes staged so far. A batch is written as a whole: keep it well under a segment where latency matters.
    public var stagedBytes: Int { batch.byteCount }

    /// Looks a key up, the changes of the batch included.
    public func read(_ key: UnsafeRawBufferPointer, now: Timestamp) -> WarmLookup {
        let hash = xxh3(key, seed: tier.storeSeed)
        guard let index = stagedIndex(hash, key) else { return tier.read(key, now: now) }
        let header = batch.records[index].header
        let metadata = WarmMetadata(header)
        guard now < metadata.keptUntil else { return .absent }
        if header.kind == .tombstone { return .tombstone(metadata) }
        return tier.entry(batch.value(of: index), header)
    }

    /// Stages a value. Throws `.full` where it would not fit: the batch is as before, and may go on.
    public func put(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ metadata: WarmMetadata = WarmMetadata()
    ) throws(WarmError) {
        precondition(isBegun, "BUG: put without begin")
        guard key.count <= configuration.maxKeyBytes else {
            throw .keyTooLong(count: key.count, limit: configuration.maxKeyBytes)
        }
        guard value.count <= configuration.maxValueBytes else {
            throw .valueTooLarge(count: value.count, limit: configuration.maxValueBytes)
        }
        guard ArchiveSpace.contains(key) == (metadata.kind == .archive) else { throw .reservedKey }
        if metadata.kind == .archive { hasStagedArchives = true }
        let kind = RecordKind(rawValue: metadata.kind.rawValue)
        let least =
            metadata.kind == .archive ? WarmTierConfiguration.compressMinLeast : configuration.compressMin
        guard let least, value.count >= least else {
            return try stageValue(metadata.header(kind), key, value)
        }
        guard let stored = compressor.compress(value) else {
            counters.incompressible += 1
            return try stageValue(metadata.header(kind), key, value)
        }
        var header = metadata.header(kind)
        header.flags |= CompressedValue.flag
        try stored.withTyped { stored throws(WarmError) in try stageValue(header, key, stored) }
        counters.compressed += 1
        counters.compressedRawBytes += value.count
        counters.compressedStoredBytes += stored.count
    }

    /// Stages what is to be stored where there is room.
    private func stageValue(
        _ header: RecordHeader, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(WarmError) {
        try admit(RecordHeader.recordLength(key: key.count, value: value.count) + SegmentLog.footerBytesPerRecord)
        stage(header, key, value)
    }

    /// Whether a crash may bring back what can't be read now: a change that was refused and of which no durable note
    /// says so yet, or a record that was let go. Meanwhile even a key of which nothing is held needs its deletion on
    /// disk.
    public var mayBringBack: Bool { log.hasPendingMarks || !ledger.letGo.isNone }

    /// Stages a deletion. `remembered` makes it readable as `.tombstone` until its `keptUntil`; without it the key is
    /// simply gone. `inArchive` deletes a key of `ArchiveSpace`, and nothing else does. Needs no room but what is
    /// reserved for it. Does nothing where nothing is held or remembered.
    public func delete(
        _ key: UnsafeRawBufferPointer, remembered: WarmMetadata? = nil, inArchive: Bool = false, now: Timestamp
    ) throws(WarmError) {
        precondition(isBegun, "BUG: delete without begin")
        // An application never holds such a key.
        guard ArchiveSpace.contains(key) == inArchive else { return }
        guard key.count <= configuration.maxKeyBytes else {
            throw .keyTooLong(count: key.count, limit: configuration.maxKeyBytes)
        }
        let metadata = remembered ?? WarmMetadata(expiresAt: .distantPast)
        if metadata.keptUntil <= now, !mayBringBack {
            let hash = xxh3(key, seed: tier.storeSeed)
            if stagedIndex(hash, key) == nil, tier.index.find(hash, markRead: false).first == nil { return }
        }
        stage(metadata.header(.tombstone), key, UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// `put` for a key and a value in arrays.
    public func put(
        _ key: [UInt8], _ value: [UInt8], _ metadata: WarmMetadata = WarmMetadata()
    ) throws(WarmError) {
        try key.withTyped { key throws(WarmError) in
            try value.withTyped { value throws(WarmError) in try put(key, value, metadata) }
        }
    }

    /// `delete` for a key in an array.
    public func delete(
        _ key: [UInt8], remembered: WarmMetadata? = nil, inArchive: Bool = false, now: Timestamp
    ) throws(WarmError) {
        try key.withTyped { key throws(WarmError) in
            try delete(key, remembered: remembered, inArchive: inArchive, now: now)
        }
    }

    /// `read` for a key in an array.
    public func read(_ key: [UInt8], now: Timestamp) -> WarmLookup { key.withUnsafeBytes { read($0, now: now) } }

    /// Stages what `body` stages as one group: all of it is recovered after a crash, or none.
    ///
    /// When `body` throws, what it staged is taken back, and the batch may go on. Groups do not nest.
    public func atomically<Failure: Error>(_ body: (WarmWriter) throws(Failure) -> Void) throws(Failure) {
        precondition(isBegun && !isGrouping, "BUG: a group within a group, or without begin")
        let before = batch.records.count
        isGrouping = true
        batch.beginGroup()
        defer { isGrouping = false }
        do throws(Failure) {
            try body(self)
            batch.endGroup()
        } catch {
            unstage(to: before)
            throw error
        }
    }

    /// Forgets the batch.
    public func rollback() {
        precondition(isBegun, "BUG: rollback without begin")
        isBegun = false
        unstage(to: 0)
    }

    /// Writes the batch, makes it durable by mode, and then readable.
    ///
    /// When it throws, nothing of the batch is readable or will be recovered; only `.refused` with `isVoid` false
    /// leaves open whether a crash brings it back. The batch is over either way.
    public func commit(now: Timestamp) throws(WarmError) {
        precondition(isBegun && !isGrouping, "BUG: commit without begin, or within a group")
        defer {
            isBegun = false
            batch.removeAll()
            staged.removeAll(keepingCapacity: staged.count <= 4096)
            stagedBefore.removeAll(keepingCapacity: stagedBefore.count <= 4096)
            publishStatistics()
        }
        guard !batch.isEmpty else { return }
        do throws(WarmError) {
            try write(now: now)
            counters.commits += 1
        } catch {
            counters.failedCommits += 1
            adoptSegments()
            // Who is told to wait does not put the next attempt off: under steady writes it would never come.
            var wasTried = true
            if case .degraded = error { wasTried = false }
            if wasTried, log.failure != nil { retryAt = now.advanced(byMilliseconds: Self.retryMilliseconds) }
            throw error
        }
        // What was written is acknowledged; a synchronisation behind it that fails is a state, not this commit's error.
        _ = synchronizeIfDue(now: now)
    }

    /// How long after a failure the disk is left alone.
    static let retryMilliseconds: Int64 = 250

    private func write(now: Timestamp) throws(WarmError) {
        try refuseWhileDegraded(now: now)
        let hasValues = batch.records.contains { $0.header.kind != .tombstone }
        try makeRoom(for: batch, limit: hasValues ? limitForValues : limitForDeletions, now: now)
        let predecessors = try findPredecessors()
        let place = try reportingLog { () throws(SegmentLogError) in try log.prepare(batch, now: now) }
        let slot = try slotOfActive(place.segment)
        var last: [Int: Bool] = [:]
        for index in batch.records.indices {
            let shadow = predecessors[index].shadow
            if let previous = predecessors[index].staged {
                last[previous] = false
                batch.setShadow(batch.records[previous].header.shadow.including(place.segment), of: index)
            } else {
                batch.setShadow(shadow, of: index)
            }
        }
        try reportingLog { () throws(SegmentLogError) in
            try log.commit(batch, at: place, synchronously: configuration.sync == .always, now: now)
        }
        for index in batch.records.indices where last[index] == nil {
            publish(index, at: place, slot: slot, replacing: predecessors[index].held)
        }
    }

    /// Makes a committed change readable.
    private func publish(_ index: Int, at place: BatchPlace, slot: UInt16, replacing held: IndexEntry?) {
        let record = batch.records[index]
        let summary = RecordSummary(header: record.header, keyHash: record.keyHash, offset: place.base + record.offset)
        let entry = IndexEntry(summary, slot: slot)
        if let held {
            guard let old = tier.index.replace(record.keyHash, slot: held.slot, offset: held.offset, by: entry) else {
                preconditionFailure("BUG: the entry of a predecessor vanished between prepare and publish")
            }
            ledger.remove(old)
        } else {
            tier.index.insert(entry, keyHash: record.keyHash)
        }
        ledger.add(entry, shadow: record.header.shadow)
        if entry.isApplicationKey, !(held?.isKey ?? false) { counters.created += 1 }
    }

    /// Removes an entry from the index and the accounts.
    func forget(_ entry: IndexEntry, _ keyHash: UInt64) {
        if let old = tier.index.replace(keyHash, slot: entry.slot, offset: entry.offset, by: nil) { ledger.remove(old) }
    }

    private func stage(_ header: RecordHeader, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        let index = batch.append(header, key: key, value: value)
        let hash = KeyHash(rawValue: batch.records[index].keyHash)
        stagedBefore.append(staged.updateValue(index, forKey: hash) ?? -1)
    }

    private func unstage(to count: Int) {
        for index in stride(from: batch.records.count - 1, through: count, by: -1) {
            let hash = KeyHash(rawValue: batch.records[index].keyHash)
            staged[hash] = stagedBefore[index] < 0 ? nil : stagedBefore[index]
        }
        stagedBefore.removeSubrange(count...)
        batch.truncate(to: count)
    }

    /// The last staged change of a key.
    private func stagedIndex(_ hash: UInt64, _ key: UnsafeRawBufferPointer) -> Int? {
        var index = staged[KeyHash(rawValue: hash)] ?? -1
        while index >= 0, !batch.withKey(of: index, { equal($0, key) }) { index = stagedBefore[index] }
        return index < 0 ? nil : index
    }

    /// The change of the same key before this one in the batch.
    func previousChange(of index: Int) -> Int? {
        var previous = stagedBefore[index]
        while previous >= 0 {
            let isSame = batch.withKey(of: index) { key in batch.withKey(of: previous) { equal($0, key) } }
            if isSame { return previous }
            previous = stagedBefore[previous]
        }
        return nil
    }
}

/// Runs a call of the log and reports its failure as the tier's.
func reportingLog<Result>(_ call: () throws(SegmentLogError) -> Result) throws(WarmError) -> Result {
    do {
        return try call()
    } catch {
        throw .log(error)
    }
}

/// Runs a call on a file and reports its failure as the tier's: nothing was written.
func reportingFile<Result>(_ call: () throws(FileError) -> Result) throws(WarmError) -> Result {
    do {
        return try call()
    } catch {
        throw .log(.file(error))
    }
}
