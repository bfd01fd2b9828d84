// Opening a warm tier: the index is rebuilt from the footers of sealed segments, and from records where there is none.

public import Primitives
public import SegmentLog

extension WarmTier {
    /// Opens the store in `configuration.directory`, which is created if need be and locked against other processes.
    ///
    /// Damage and torn ends are skipped and reported (`skippedAtOpening`). A disk that takes no writes does not prevent
    /// opening: the tier is degraded, and reads.
    public static func open(
        _ configuration: WarmTierConfiguration, fileSystem: any FileSystem = DiskFileSystem(), now: Timestamp
    ) throws(WarmError) -> WarmWriter {
        try configuration.validate()
        let (log, recovery) = try reportingLog { () throws(SegmentLogError) in
            try SegmentLog.open(
                SegmentLog.Options(
                    directory: configuration.directory, purpose: .warm,
                    segmentBytes: configuration.effectiveSegmentBytes),
                fileSystem: fileSystem)
        }
        let tier = WarmTier(configuration: configuration, storeSeed: log.storeSeed)
        let writer = WarmWriter(tier: tier, log: log, skipped: recovery.skipped, now: now)
        writer.rebuild(from: recovery, now: now)
        writer.publishStatistics()
        return writer
    }
}

extension WarmWriter {
    /// Enters every recovered record, oldest first, so that the newest of each key stays.
    ///
    /// The index holds 38 bits of a hash. Where two records meet there, the full hashes of both, which the recovered
    /// lines have, tell whether they are the same key's: no record is read.
    fileprivate func rebuild(from recovery: SegmentRecovery, now: Timestamp) {
        var lines: [[RecordSummary]] = []
        for segment in log.segments {
            let slot = ledger.open(segment.file)
            precondition(Int(slot) == lines.count, "BUG: slots of a new ledger are not in order")
            lines.append([])
        }
        tier.index.setFiles(ledger.files)
        tier.index.reserve(recovery.segments.reduce(0) { $0 + $1.summaries.count })
        for (sequence, summaries) in recovery.segments {
            guard let slot = ledger.slot(of: sequence) else {
                preconditionFailure("BUG: segment \(sequence) has no slot")
            }
            lines[Int(slot)] = summaries
            for summary in summaries { enter(summary, slot, lines, now) }
        }
    }

    private func enter(_ summary: RecordSummary, _ slot: UInt16, _ lines: [[RecordSummary]], _ now: Timestamp) {
        let found = tier.index.find(summary.keyHash, markRead: false)
        var held: IndexEntry?
        for located in found.first.map({ [$0] + found.others }) ?? [] {
            let line = Self.line(of: located.entry, lines[Int(located.entry.slot)])
            if line.keyHash == summary.keyHash, line.keyLength == summary.keyLength { held = located.entry }
        }
        let entry = IndexEntry(summary, slot: slot)
        if let held {
            if let old = tier.index.replace(summary.keyHash, slot: held.slot, offset: held.offset, by: entry) {
                ledger.remove(old)
            }
        } else {
            if entry.keptUntil <= now, !log.mayHold(summary.shadow) { return }
            tier.index.insert(entry, keyHash: summary.keyHash)
        }
        ledger.add(entry, shadow: summary.shadow)
    }

    /// The recovered line of an entry, found by its offset.
    private static func line(of entry: IndexEntry, _ lines: [RecordSummary]) -> RecordSummary {
        var low = 0
        var high = lines.count
        while low < high {
            let middle = (low + high) / 2
            if lines[middle].offset < entry.offset { low = middle + 1 } else { high = middle }
        }
        precondition(low < lines.count && lines[low].offset == entry.offset, "BUG: an entry without its line")
        return lines[low]
    }
}
