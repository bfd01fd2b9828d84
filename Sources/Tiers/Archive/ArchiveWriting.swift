// Archives as the warm tier's writer changes them, within a batch, and as readers find them.

internal import Primitives
internal import SegmentLog
internal import State
internal import WarmTier

/// The archives of a warm tier within the batch of its writer.
struct ArchiveWriting {
    let writer: WarmWriter
    let now: Timestamp

    init(_ writer: WarmWriter, now: Timestamp) {
        self.writer = writer
        self.now = now
    }

    /// Stages turns; what is there already is not written again. To be called within a group: all of it or nothing.
    ///
    /// Throws where the disk can't be read as well: what it holds would be overwritten.
    func append(_ leaving: LeavingTurns) throws(WarmError) {
        var directory = ArchiveDirectory(id: leaving.id)
        var end: WarmMetadata?
        if let (found, metadata) = try self.directory(of: leaving.key) {
            if found.id == leaving.id {
                (directory, end) = (found, metadata)
            } else {
                try remove(leaving.key)
            }
        }
        let before = directory
        var open: [UInt64: ArchiveChunk] = [:]
        var changed: Set<UInt64> = []
        for turn in leaving.turns {
            let index = try place(turn, in: &directory, of: leaving.key, &open)
            let number = directory.chunks[index].number
            guard open[number]!.put(turn) else { continue }  // `place` has opened it
            changed.insert(number)
            directory.chunks[index].first = min(directory.chunks[index].first, turn.sequence)
            directory.chunks[index].last = max(directory.chunks[index].last, turn.sequence)
            directory.chunks[index].bytes = open[number]!.byteCount
        }
        for number in changed.sorted() {
            try put(.chunk(number, of: leaving.key), open[number]!.encoded, expiresAt: .never, staleFor: 0)
        }
        guard directory != before || end?.expiresAt != leaving.expiresAt || end?.staleForSeconds != leaving.staleFor
        else { return }
        try put(
            .directory(of: leaving.key), directory.encoded, expiresAt: leaving.expiresAt, staleFor: leaving.staleFor)
    }

    /// The place of the chunk for a turn, which is open then: one that spans it, else the one before it while there is
    /// room, else a new one.
    private func place(
        _ turn: Turns.Turn, in directory: inout ArchiveDirectory, of key: [UInt8], _ open: inout [UInt64: ArchiveChunk]
    ) throws(WarmError) -> Int {
        let before = directory.chunks.lastIndex { $0.first <= turn.sequence }
        if let before {
            let chunk = directory.chunks[before]
            if open[chunk.number] == nil { open[chunk.number] = try self.chunk(chunk.number, of: key, directory.id) }
            let content = open[chunk.number]!
            let hasRoom =
                content.turns.count < ArchiveChunk.turnsMax
                && (content.turns.isEmpty
                    || content.byteCount + turn.bytes.count + ArchiveChunk.itemBytes <= ArchiveChunk.bytesMax)
            if turn.sequence <= chunk.last || hasRoom { return before }
        }
        let index = before.map { $0 + 1 } ?? 0
        let number = directory.next
        directory.next += 1
        directory.chunks.insert(
            ArchiveDirectory.Chunk(number: number, first: turn.sequence, last: turn.sequence, bytes: 0), at: index)
        open[number] = ArchiveChunk(id: directory.id)
        return index
    }

    /// Stages the removal of all that is archived of a record.
    func remove(_ key: [UInt8]) throws(WarmError) {
        guard writer.mayHoldArchives else { return }
        if let (directory, _) = try directory(of: key) {
            for chunk in directory.chunks { try delete(ArchiveKey.chunk(chunk.number, of: key).bytes) }
        }
        try delete(ArchiveKey.directory(of: key).bytes)
    }

    /// What a key holds now says what becomes of the archive there: it lives as long as its record, and goes with it.
    func follow(_ key: [UInt8], _ held: HeldValue, staleFor: UInt32) throws(WarmError) {
        guard writer.mayHoldArchives, let (directory, metadata) = try directory(of: key) else { return }
        guard held.archiveID == directory.id else { return try remove(key) }
        // Lives are extended in small steps, and each costs a directory.
        let isNear =
            held.expiresAt == metadata.expiresAt
            || held.expiresAt != .never && metadata.expiresAt != .never
                && abs(held.expiresAt.milliseconds(since: metadata.expiresAt)) < 1000
        if isNear, staleFor == metadata.staleForSeconds { return }
        try put(.directory(of: key), directory.encoded, expiresAt: held.expiresAt, staleFor: staleFor)
    }

    /// Stages the removal of every archive.
    func removeAll() throws(WarmError) {
        var cursor: WarmCursor? = writer.mayHoldArchives ? .start : nil
        while let here = cursor {
            let page = writer.tier.scan(from: here, limit: 256, now: now, includingExpired: true, .archives)
            for key in page.keys { try delete(key) }
            cursor = page.next
        }
    }

    /// Whether a key is that of a chunk which no directory names; false where nobody can tell now.
    func isOrphan(_ key: [UInt8]) -> Bool {
        guard case .chunk(let number, let subject)? = ArchiveKey(key) else { return false }
        do {
            guard let (directory, _) = try directory(of: subject) else { return true }
            return !directory.chunks.contains { $0.number == number }
        } catch {
            return false
        }
    }

    /// Stages the removal of one key of the space.
    func delete(_ key: [UInt8]) throws(WarmError) { try writer.delete(key, inArchive: true, now: now) }

    private func put(
        _ key: ArchiveKey, _ value: [UInt8], expiresAt: Timestamp, staleFor: UInt32
    ) throws(WarmError) {
        let metadata = WarmMetadata(
            kind: .archive, expiresAt: expiresAt, verifiedAt: now, staleForSeconds: staleFor)
        try writer.put(key.bytes, value, metadata)
    }

    private func directory(of key: [UInt8]) throws(WarmError) -> (ArchiveDirectory, WarmMetadata)? {
        switch writer.read(ArchiveKey.directory(of: key).bytes, now: now) {
        case .entry(let entry): return ArchiveDirectory(entry.value).map { ($0, entry.metadata) }
        case .failed(let error): throw .degraded(error)
        // What is damaged is lost, and begins anew.
        case .damaged, .tombstone, .absent: return nil
        }
    }

    /// A chunk; empty where its segment was evicted, or it is damaged.
    private func chunk(_ number: UInt64, of key: [UInt8], _ id: OperationID) throws(WarmError) -> ArchiveChunk {
        switch writer.read(ArchiveKey.chunk(number, of: key).bytes, now: now) {
        case .entry(let entry):
            if let chunk = ArchiveChunk(entry.value), chunk.id == id { return chunk }
        case .failed(let error): throw .degraded(error)
        case .damaged, .tombstone, .absent: break
        }
        return ArchiveChunk(id: id)
    }
}

extension ArchiveAnswer {
    /// What `tier` has of a conversation from the turn `from` on. Reads the disk: a directory, and each chunk.
    static func read(
        _ tier: WarmTier, _ key: [UInt8], _ id: OperationID, from: Int64, now: Timestamp
    ) -> ArchiveAnswer {
        let directory: ArchiveDirectory
        switch tier.read(ArchiveKey.directory(of: key).bytes, now: now) {
        case .entry(let entry):
            guard let found = ArchiveDirectory(entry.value) else { return .failed("its directory can't be understood") }
            guard found.id == id else { return .absent }
            directory = found
        case .absent, .tombstone: return .absent
        case .damaged: return .failed("its directory is damaged")
        case .failed(let error): return .failed("\(error)")
        }
        var turns: [Turns.Turn] = []
        var bytes = 0
        for line in directory.chunks where line.last >= from {
            guard bytes < bytesMax else { return .turns(turns, next: max(from, line.first)) }
            switch tier.read(ArchiveKey.chunk(line.number, of: key).bytes, now: now) {
            case .entry(let entry):
                guard let chunk = ArchiveChunk(entry.value), chunk.id == id else { break }
                let wanted = chunk.turns.drop { $0.sequence < from }
                turns += wanted
                bytes += wanted.reduce(0) { $0 + $1.bytes.count }
            // Evicted, or damaged: the numbers tell what is missing.
            case .absent, .tombstone, .damaged: break
            case .failed(let error): return .failed("\(error)")
            }
        }
        return .turns(turns, next: nil)
    }
}
