// Writing: a place for a batch, one write, one fdatasync where asked; and what is believed when one of them fails.

public import Primitives

/// Where a batch will lie, or lies: the segment, and the offset of the batch's first byte.
public struct BatchPlace: Hashable, Sendable {
    public var segment: UInt32
    public var base: Int
}

extension SegmentLog {
    /// Makes sure that the active segment has room for `batch`, opening a new one if need be, and says where it will
    /// go.
    ///
    /// Nothing of the batch is written. Throws when no segment can be opened.
    public func prepare(_ batch: RecordBatch, now: Timestamp) throws(SegmentLogError) -> BatchPlace {
        if hasActive, let active = segments.last {
            let size = active.dataEnd + batch.byteCount + pendingFooterBytes(more: batch.records.count)
            if active.recordCount == 0 || size <= options.segmentBytes {
                return BatchPlace(segment: active.sequence, base: active.dataEnd)
            }
            sealActive()
        }
        try openSegment(now: now)
        guard let active = segments.last else { preconditionFailure("BUG: no segment after opening one") }
        return BatchPlace(segment: active.sequence, base: active.dataEnd)
    }

    /// Writes `batch` at the place that `prepare` gave, and makes it durable if `synchronously`.
    ///
    /// When it throws, nothing of the batch is in the log; `isVoid` of the error says whether that is durable already.
    public func commit(
        _ batch: RecordBatch, at place: BatchPlace, synchronously: Bool, now: Timestamp
    ) throws(SegmentLogError) {
        let index = segments.count - 1
        precondition(
            hasActive && segments[index].sequence == place.segment && segments[index].dataEnd == place.base,
            "BUG: commit at \(place) without prepare")
        batch.seal(identity: segments[index].file.identity, base: place.base)
        let file = segments[index].file.file
        let hadUnsynchronized = segments[index].isUnsynchronized
        do throws(FileError) {
            segments[index].isUnsynchronized = true
            var failed: FileError?
            batch.bytes.withUnsafeBytes { bytes in
                do throws(FileError) {
                    try fileSystem.writeFully(file, from: bytes, at: place.base)
                } catch {
                    failed = error
                }
            }
            if let failed { throw failed }
        } catch {
            throw .refused(error, isVoid: retreat(to: place.base, hadUnsynchronized, after: error, now: now))
        }
        segments[index].fileSize = place.base + batch.byteCount
        if synchronously {
            do throws(FileError) {
                try synchronizeSegment(index)
            } catch {
                throw .refused(error, isVoid: abandonActive(place.base, hadUnsynchronized, after: error, now: now))
            }
        }
        segments[index].dataEnd = place.base + batch.byteCount
        segments[index].recordCount += batch.records.count
        for record in batch.records {
            activeSummaries.append(
                RecordSummary(header: record.header, keyHash: record.keyHash, offset: place.base + record.offset))
        }
        failure = nil
    }

    /// Makes durable everything that was committed. After a failure the segment concerned is suspect: its records are
    /// still read, but nothing is known of their durability, and their owner should commit them again.
    public func synchronize() throws(SegmentLogError) {
        var failed: FileError?
        for index in segments.indices where segments[index].isUnsynchronized && !segments[index].isVoid {
            do throws(FileError) {
                try synchronizeSegment(index)
            } catch {
                failed = error
                segments[index].isUnsynchronized = false
                segments[index].isSuspect = true
                segments[index].isUncertain = true
                if hasActive, index == segments.count - 1 { dropActive() }
            }
        }
        if let failed {
            failure = failed
            throw .file(failed)
        }
    }

    /// Whether anything was committed that is not yet durable.
    public var isUnsynchronized: Bool { segments.contains { $0.isUnsynchronized && !$0.isVoid } }

    private func synchronizeSegment(_ index: Int) throws(FileError) {
        try fileSystem.synchronize(segments[index].file.file)
        segments[index].isUnsynchronized = false
        synchronizations += 1
    }

    /// Ends the active segment with its footer. A segment whose footer can't be written is as good without: it is
    /// scanned.
    ///
    /// Who finds a footer takes the records for durable: it is written when they are.
    public func sealActive() {
        guard hasActive else { return }
        let index = segments.count - 1
        let segment = segments[index]
        let footer = SegmentFooter.encode(activeSummaries, identity: segment.file.identity, offset: segment.dataEnd)
        dropActive()
        do throws(FileError) {
            if segment.isUnsynchronized { try synchronizeSegment(index) }
            try footer.withTyped { bytes throws(FileError) in
                try fileSystem.writeFully(segment.file.file, from: bytes, at: segment.dataEnd)
            }
            segments[index].fileSize = segment.dataEnd + footer.count
            try synchronizeSegment(index)
            segments[index].isSealed = true
        } catch {
            failure = error
            // Records that were acknowledged before they were synchronised are now of unknown durability.
            if segments[index].isUnsynchronized {
                segments[index].isSuspect = true
                segments[index].isUncertain = true
            }
            segments[index].isUnsynchronized = false
            segments[index].fileSize = segment.dataEnd + footer.count  // at most; what is there of it is skipped
        }
    }

    /// Seals the active segment if there is no other: so that it can be copied from, and removed.
    public func sealActiveIfAlone() {
        if segments.count == 1 { sealActive() }
    }

    private func dropActive() {
        hasActive = false
        activeSummaries = []
    }

    /// Cuts away what a failed write left, durably; else abandons the segment. Returns whether the bytes are void.
    private func retreat(to end: Int, _ hadUnsynchronized: Bool, after error: FileError, now: Timestamp) -> Bool {
        failure = error
        let index = segments.count - 1
        do throws(FileError) {
            try fileSystem.truncate(segments[index].file.file, to: end)
            try synchronizeSegment(index)
            return true
        } catch {
            return abandonActive(end, hadUnsynchronized, after: error, now: now)
        }
    }

    /// Leaves the active segment for good and notes in a new one that its bytes from `end` are void.
    private func abandonActive(
        _ end: Int, _ hadUnsynchronized: Bool, after error: FileError, now: Timestamp
    ) -> Bool {
        failure = error
        let index = segments.count - 1
        marks.refused[segments[index].sequence] = end
        hasPendingMarks = true
        segments[index].isSuspect = true
        segments[index].isUncertain = segments[index].isUncertain || hadUnsynchronized
        segments[index].isUnsynchronized = false
        dropActive()
        // Best effort: a process that dies before the note is written should not find the bytes either. What is certain
        // is decided by the note alone, so that neither outcome of this call is acted upon.
        try? fileSystem.truncate(segments[index].file.file, to: end)
        do {
            segments[index].fileSize = try fileSystem.size(segments[index].file.file)
        } catch {
            segments[index].fileSize = max(segments[index].fileSize, end)
        }
        do throws(SegmentLogError) {
            try openSegment(now: now)
        } catch {
            return false  // `failure` says why, `hasPendingMarks` stays: the log refuses until a segment can be opened
        }
        return true
    }

    /// Opens the next segment: file, header, marks, all durable, its name too.
    func openSegment(now: Timestamp) throws(SegmentLogError) {
        precondition(!hasActive, "BUG: a second active segment")
        removeStrays()
        marks.refused = marks.refused.filter { position(of: $0.key) != nil }
        if segments.allSatisfy({ $0.sequence >= marks.floor }), marks.floor != nextSequence { marks.floor = 0 }
        let identity = SegmentIdentity(storeSeed: storeSeed, sequence: nextSequence)
        guard nextSequence < .max else { preconditionFailure("BUG: four billion segments") }
        nextSequence += 1
        let path = options.directory + "/" + identity.fileName
        let start = startOfSegment(identity, now: now)
        do throws(FileError) {
            let open = try fileSystem.open(path, .createNew)
            let file = SegmentFile(identity: identity, file: open, fileSystem: fileSystem)
            do throws(FileError) {
                try start.withTyped { bytes throws(FileError) in try fileSystem.writeFully(open, from: bytes, at: 0) }
                try fileSystem.synchronize(open)
                try fileSystem.synchronizeDirectory(options.directory)
            } catch {
                strays.append(path)
                removeStrays()
                throw error
            }
            segments.append(Segment(file: file, dataEnd: start.count, fileSize: start.count, recordCount: 0))
        } catch {
            failure = error
            throw .file(error)
        }
        hasActive = true
        hasPendingMarks = false
        segmentsOpened += 1
        failure = nil
    }

    /// Header and, where there are any, marks.
    private func startOfSegment(_ identity: SegmentIdentity, now: Timestamp) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: SegmentHeader.size)
        bytes.withUnsafeMutableBytes {
            SegmentHeader(identity: identity, purpose: options.purpose, createdAt: now).encode(into: $0)
        }
        guard !marks.isEmpty else { return bytes }
        let batch = makeBatch()
        marks.encode().withUnsafeBytes { value in
            _ = batch.append(
                RecordHeader(kind: .marks, keyLength: 0, valueLength: value.count),
                key: UnsafeRawBufferPointer(start: nil, count: 0), value: value)
        }
        batch.seal(identity: identity, base: SegmentHeader.size)
        return bytes + batch.bytes
    }
}
