// Room: what fits, and how it is found. The bytes on disk never pass `maxBytes`.
//
// DESIGN. Lines are drawn below `maxBytes`, so that the lower needs can't starve the higher:
//
//     maxBytes ──────────────  copies may reach this
//       - evacuation           (the most that lives in one segment, and the beginnings of two)
//     limitForEnds ──────────  settlements may reach this
//       - a 16th               (all that can be pending, settled at once: 8 bytes for each record of 120 or more)
//     limitForEntries ───────  entries and notes may reach this; entries that live stay 7/32 of maxBytes below: 3/16
//                              are for notes, and the rest so that the last free byte does not cost copying all
//
// Why a full journal settles: what lives, with the overhead of its segments, is at most limitForEntries less 7/32.
// Removing segments oldest first, with what lives copied to the end, lets go of everything else in one round; each
// step needs at most one segment's live bytes, which the first line keeps free. Damaged files go before an end is
// refused.

internal import Primitives
internal import SegmentLog

extension Journal {
    /// Bytes of all files, and what sealing the active segment will add.
    var chargedBytes: Int { log.diskBytes + log.pendingFooterBytes() + damaged.bytes }

    private var segmentBytes: Int { options.segmentBytes }
    /// Header, marks, trailer and numbers of a segment.
    var overhead: Int { log.newSegmentBytes + JournalRecord.numbersFootprint }
    private var endReserve: Int { options.maxBytes / 16 + 512 }

    /// Notes that are held, and those that will drop them.
    private var noteReserve: Int { options.noteBytesMax + options.noteBatchBytesMax }

    /// `liveMax` is the most that lives in one segment.
    private func limitForEnds(batch bytes: Int, liveMax: Int) -> Int {
        options.maxBytes - max(segmentBytes, liveMax, bytes) - 3 * overhead
    }

    /// The largest record that an empty journal takes, twice: as it is, and as a copy.
    var recordBytesMax: Int {
        let room = options.maxBytes - endReserve - noteReserve - options.maxBytes / 32 - 8 * overhead
        return min(room * segmentBytes / (2 * segmentBytes + 2 * overhead), 1 << 30)
    }

    /// What no compaction gives back when so many bytes live.
    private func unreclaimable(_ live: Int) -> Int { live + (2 * live / segmentBytes + 3) * overhead }

    /// Bytes that one more record may take, beside what is staged; exact for a record of `bytes`.
    func freeBytes(staged: Int, adding bytes: Int, liveMax: Int) -> Int {
        min(room(staged: staged, adding: bytes, liveMax: liveMax), recordBytesMax)
    }

    /// Bytes that further entries may take together; below 0 where those that live pass the line.
    var room: Int { room(staged: 0, adding: 0, liveMax: ledger.segmentLiveMax) }

    private func room(staged: Int, adding bytes: Int, liveMax: Int) -> Int {
        let live = ledger.entryBytes + staged
        let limit =
            limitForEnds(batch: staged + bytes, liveMax: liveMax) - endReserve - noteReserve - options.maxBytes / 32
        return limit - damaged.bytes - unreclaimable(live + bytes) + bytes
    }

    /// Frees what a batch needs: `kept` bytes of entries and notes, `all` with its ends.
    func makeRoom(kept: Int, all: Int, now: Timestamp) throws(JournalError) {
        var rounds = 2 * log.segments.count + 16
        while true {
            let limit = limitForEnds(batch: all, liveMax: ledger.segmentLiveMax)
            let needed = chargedBytes + overhead
            if needed + all <= limit, kept == 0 || needed + kept <= limit - endReserve { return }
            rounds -= 1
            if rounds > 0, log.segments.count > 1 || log.segments.first.map({ $0.recordCount > 1 }) ?? false {
                try reclaimOldest(now: now)
            } else if !damaged.isEmpty {
                try removeOldestDamaged(now: now)
                rounds = 2 * log.segments.count + 16
            } else {
                throw .full(needed: all, free: max(0, limit - needed))
            }
        }
    }

    /// Lets a damaged file go.
    func removeOldestDamaged(now: Timestamp) throws(JournalError) {
        do throws(FileError) {
            try damaged.removeOldest(fileSystem)
        } catch {
            throw failed(error, now: now)
        }
    }

    /// The error of a call beside the log; the disk is then left alone for a moment.
    func failed(_ error: FileError, now: Timestamp) -> JournalError {
        retryAt = now.advanced(byMilliseconds: Self.retryMilliseconds)
        return .refused(error, isVoid: true)
    }
}
