// Opening a log: which files are there, what they say, and what of it may be believed.

/// What was found when a log was opened.
public struct SegmentRecovery: Sendable {
    /// The records of each segment, oldest segment first; those below the floor are not here.
    public var segments: [(sequence: UInt32, summaries: [RecordSummary])] = []
    /// What was skipped, and why.
    public var skipped: [SkippedRange] = []
}

extension SegmentLog {
    /// Opens the log in `options.directory`, which is created if need be, and takes its lock.
    ///
    /// Reads footers of sealed segments, and the records of the one that was being written or lost its footer. Damage
    /// is reported, not thrown. Nothing needs to be writable: what can't be repaired now is left as it is.
    public static func open(
        _ options: Options, fileSystem: any FileSystem
    ) throws(SegmentLogError) -> (log: SegmentLog, recovery: SegmentRecovery) {
        let found: [SegmentFileFound]
        let lock: DirectoryLock
        do throws(FileError) {
            try fileSystem.makeDirectories(options.directory)
        } catch {
            // A directory on a medium that can't be written to may be there all the same.
            guard error.code == .readOnlyFileSystem || error.operation == .synchronizeDirectory else {
                throw .file(error)
            }
        }
        lock = try DirectoryLock(directory: options.directory, fileSystem: fileSystem)
        found = try SegmentFileFound.all(in: options.directory, purpose: options.purpose, fileSystem: fileSystem)

        var marks = SegmentMarks()
        for segment in found { marks.merge(segment.opening.marks) }
        let log = SegmentLog(
            options: options, storeSeed: found.last?.file.identity.storeSeed ?? fileSystem.randomSeed(),
            fileSystem: fileSystem, lock: lock, nextSequence: (found.last?.file.identity.sequence ?? 0) + 1,
            marks: marks)
        var recovery = SegmentRecovery()
        let nameless = log.synchronizeNames(of: found)
        for segment in found {
            // One of an older version is not continued: what only a newer one may hold would stand in it.
            let isCurrent = segment.opening.header?.version == options.purpose.version
            log.adopt(
                segment, isContinued: isCurrent && segment.sequence == found.last?.sequence, nameless: nameless,
                into: &recovery)
        }
        return (log, recovery)
    }

    /// Makes the names of files durable that an earlier process may have made and not synchronised: what is written to
    /// a file whose name a power cut takes is lost with it. The error where that fails; then none of them is continued.
    private func synchronizeNames(of found: [SegmentFileFound]) -> FileError? {
        guard !found.isEmpty else { return nil }
        do throws(FileError) {
            try fileSystem.synchronizeDirectory(options.directory)
            return nil
        } catch {
            return error
        }
    }

    private func adopt(
        _ found: SegmentFileFound, isContinued: Bool, nameless: FileError?, into recovery: inout SegmentRecovery
    ) {
        var segment = Segment(file: found.file, dataEnd: found.size, fileSize: found.size, recordCount: 0)
        guard found.sequence >= marks.floor else {
            segment.isVoid = true
            segments.append(segment)
            return
        }
        // Marks within an unsealed or damaged file are found by its scan; those of a sound one stand at its start.
        var contents = found.file.contents(fileSize: found.size, refusedFrom: marks.refused[found.sequence])
        if found.opening.header == nil {
            contents.skipped.append(
                SkippedRange(segment: found.sequence, range: 0..<min(found.size, SegmentHeader.size), reason: .header))
        }
        segment.dataEnd = contents.end
        segment.recordCount = contents.summaries.count
        segment.isSealed = contents.isSealed
        segment.isSuspect = contents.isDamaged || marks.refused[found.sequence] != nil
        segment.isUncertain = marks.refused[found.sequence] != nil
        segments.append(segment)
        if !contents.isSealed { settle(segments.count - 1, contents, isContinued: isContinued, nameless: nameless) }
        recovery.skipped.append(contentsOf: contents.skipped)
        recovery.segments.append((found.sequence, contents.summaries))
    }

    /// Makes durable what was recovered from a segment without a footer, and continues the last one if it is sound.
    ///
    /// What a process wrote and never synchronised is readable after its death: it must be on the disk before anybody
    /// is told of it again. If that fails, the segment is left alone and its records are copied by its owner.
    /// Where a synchronisation failed in that process, the pages are readable and count as clean: another one succeeds
    /// and writes nothing ("Can Applications Recover from fsync Failures?", ATC 2020). So the bytes are written again.
    private func settle(_ index: Int, _ contents: SegmentContents, isContinued: Bool, nameless: FileError?) {
        let file = segments[index].file
        do throws(FileError) {
            if let nameless { throw nameless }
            let isSound = !segments[index].isSuspect && (options.repairsTail || contents.skipped.isEmpty)
            if isSound, contents.end < segments[index].fileSize {
                try fileSystem.truncate(file.file, to: contents.end)
                segments[index].fileSize = contents.end
            }
            try writeAgain(file.file, bytes: contents.end)
            try fileSystem.synchronize(file.file)
            guard isSound else { return }
            activeSummaries = contents.summaries
            hasActive = true
            if !isContinued { sealActive() }
        } catch {
            segments[index].isSuspect = true
            segments[index].isUncertain = true
            failure = error
        }
    }

    /// Writes the first bytes of a file over themselves, so that the next synchronisation is about them.
    private func writeAgain(_ file: OpenFile, bytes: Int) throws(FileError) {
        var buffer = [UInt8](repeating: 0, count: min(bytes, Self.copyBytes))
        var position = 0
        while position < bytes {
            var count = 0
            var failed: FileError?
            buffer.withUnsafeMutableBytes { buffer in
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, bytes - position)])
                do throws(FileError) {
                    count = try fileSystem.readFully(file, into: piece, at: position)
                    try fileSystem.writeFully(
                        file, from: UnsafeRawBufferPointer(rebasing: piece[..<count]), at: position)
                } catch {
                    failed = error
                }
            }
            if let failed { throw failed }
            // It became shorter: what is gone is found by its reader.
            if count == 0 { return }
            position += count
        }
    }

    /// Bytes that are held while a file is written again.
    private static let copyBytes = 1 << 20
}
