// Opening a journal: every record is read and checked, and what was found in doubtful files is committed anew.

public import Primitives
public import SegmentLog

extension Journal {
    /// Opens the journal in `options.directory`, which is created if need be and locked against others.
    ///
    /// Damage is reported, not thrown: whole records are kept, damaged files are set aside. A disk that takes no writes
    /// does not prevent opening: the journal is degraded, and holds what was found.
    public static func open(
        _ options: JournalOptions, fileSystem: any FileSystem = DiskFileSystem(), now: Timestamp
    ) throws(JournalError) -> (journal: Journal, recovery: JournalRecovery) {
        try options.validate()
        let log: SegmentLog
        let found: SegmentRecovery
        do throws(SegmentLogError) {
            (log, found) = try SegmentLog.open(
                SegmentLog.Options(
                    directory: options.directory, purpose: .journal, segmentBytes: options.segmentBytes,
                    repairsTail: false),
                fileSystem: fileSystem)
        } catch {
            throw .log(error)
        }
        let journal = Journal(options: options, log: log, fileSystem: fileSystem)
        do throws(FileError) {
            try journal.damaged.find(fileSystem)
        } catch {
            throw .log(.file(error))
        }
        var reading = JournalReading()
        for (sequence, lines) in found.segments {
            guard let file = log.segment(sequence)?.file else { preconditionFailure("BUG: no segment \(sequence)") }
            reading.read(file, lines)
        }
        reading.skip(found.skipped)
        var recovery = journal.adopt(reading, now: now)
        // Where this fails the journal is degraded: what was found is in memory, and is committed anew when the disk
        // allows.
        journal.tryRepair(now: now)
        recovery.keptDamagedFiles = reading.damaged.sorted().compactMap { segment in
            journal.damaged.files.first { $0.segment == segment }?.path ?? log.segment(segment)?.file.path
        }
        return (journal, recovery)
    }

    /// Takes over what was read.
    private func adopt(_ reading: JournalReading, now: Timestamp) -> JournalRecovery {
        ledger = reading.ledger()
        numbers = reading.numbers(now: now, hasSegments: !log.segments.isEmpty)
        for segment in log.segments {
            let isDamaged = reading.damaged.contains(segment.sequence)
            ledger[segment.sequence].isDamaged = isDamaged
            ledger[segment.sequence].isTroubled = isDamaged || segment.isSuspect
        }
        return JournalRecovery(entries: ledger.pending, notes: ledger.pendingNotes, skipped: reading.skipped)
    }
}
