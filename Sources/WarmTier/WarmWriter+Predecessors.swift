// What the changes of a batch follow: the older record of each key, which a commit has to know.
//
// DESIGN: the index has 38 bits of a key's hash, so that only the record itself tells whose it is, and what it shadows.
// One read for each was a quarter of what a change cost. They are looked for in the order in which they lie, and those
// that lie near each other are read together: what was written at one time is often written again at one time.

internal import Primitives
internal import SegmentLog

extension WarmWriter {
    /// What a staged change follows: an earlier change of the batch, a record in the index, or neither.
    struct Predecessor {
        var staged: Int?
        var held: IndexEntry?
        var shadow = ShadowRange.none
    }

    /// A change of the batch, and the records that have its hash in the index.
    private struct Candidate {
        let index: Int
        let first: Located
        let others: [Located]
    }

    /// The beginnings of records that lie near each other in one file, as they were read; of none where that failed, or
    /// where there is but one.
    private struct Run {
        var count = 1
        var start = 0
        var bytes: [UInt8] = []
    }

    /// The largest gap between two records that are read together, and the most bytes of one read.
    private static let gapMax = 512
    private static let runMax = 64 << 10

    /// Finds the older record of each key in the batch.
    func findPredecessors() throws(WarmError) -> [Predecessor] {
        var found = [Predecessor](repeating: Predecessor(shadow: ledger.letGo), count: batch.records.count)
        var candidates: [Candidate] = []
        for index in batch.records.indices {
            if let previous = previousChange(of: index) {
                found[index].staged = previous
                continue
            }
            let (first, others) = tier.index.find(batch.records[index].keyHash, markRead: false)
            guard let first else { continue }
            candidates.append(Candidate(index: index, first: first, others: others))
        }
        if candidates.count == 1 {
            found[candidates[0].index] = try predecessor(candidates[0], in: Run())
        } else if !candidates.isEmpty {
            try find(candidates, &found)
        }
        for index in found.indices {
            if let previous = found[index].staged { found[index].held = found[previous].held }
        }
        return found
    }

    private func find(_ candidates: [Candidate], _ found: inout [Predecessor]) throws(WarmError) {
        var order = candidates.indices.map { (place: candidates[$0].first.entry.order, candidate: $0) }
        order.sort { $0.place < $1.place }
        var next = 0
        while next < order.count {
            let run = read(candidates, order[next...])
            for (_, candidate) in order[next..<next + run.count] {
                found[candidates[candidate].index] = try predecessor(candidates[candidate], in: run)
            }
            next += run.count
        }
    }

    /// Reads the first of the records, and those of its file that follow it closely.
    private func read(_ candidates: [Candidate], _ order: ArraySlice<(place: UInt64, candidate: Int)>) -> Run {
        let first = candidates[order[order.startIndex].candidate]
        var run = Run(start: first.first.entry.offset)
        var end = run.start + bytesAsked(of: first)
        for (_, index) in order.dropFirst() {
            let entry = candidates[index].first.entry
            let newEnd = max(end, entry.offset + bytesAsked(of: candidates[index]))
            guard entry.slot == first.first.entry.slot, entry.offset - end <= Self.gapMax,
                newEnd - run.start <= Self.runMax
            else { break }
            end = newEnd
            run.count += 1
        }
        do throws(FileError) {
            run.bytes = try first.first.file.raw(at: run.start, count: end - run.start)
        } catch {
            // What of it can be read is read one by one, and whatever fails then is told.
        }
        return run
    }

    /// The header, and the key if it is the one that is looked for.
    private func bytesAsked(of candidate: Candidate) -> Int {
        min(
            candidate.first.entry.length,
            RecordHeader.size + batch.records[candidate.index].header.keyLength)
    }

    private func predecessor(_ candidate: Candidate, in run: Run) throws(WarmError) -> Predecessor {
        var predecessor = Predecessor(shadow: ledger.letGo)
        let isRead = !run.bytes.isEmpty
        var known = isRead ? look(at: candidate, in: run) : try look(at: candidate.first, for: candidate.index)
        if consider(candidate.first, known, candidate.index, &predecessor) { return predecessor }
        for located in candidate.others {
            known = try look(at: located, for: candidate.index)
            if consider(located, known, candidate.index, &predecessor) { break }
        }
        return predecessor
    }

    /// Takes note of a record that has the key's hash; whether it is the key's.
    private func consider(
        _ located: Located, _ known: (header: RecordHeader, isSame: Bool)?, _ index: Int,
        _ predecessor: inout Predecessor
    ) -> Bool {
        let sequence = located.file.identity.sequence
        guard let known else {
            // Not what was written, so nobody can tell whose it was: let it go, and assume that it was this key's.
            counters.damaged += 1
            forget(located.entry, batch.records[index].keyHash)
            let oldest = log.segments.first?.sequence ?? sequence
            predecessor.shadow = predecessor.shadow.including(oldest).including(sequence)
            return false
        }
        guard known.isSame else { return false }
        predecessor.held = located.entry
        let shadow = known.header.shadow
        let low = shadow.isNone ? sequence : min(shadow.low, sequence)
        predecessor.shadow = predecessor.shadow.including(low).including(sequence)
        return true
    }

    /// The header of a record that was read with others, and whether it has the change's key; nil where it is not what
    /// was written.
    private func look(at candidate: Candidate, in run: Run) -> (header: RecordHeader, isSame: Bool)? {
        let entry = candidate.first.entry
        return run.bytes.withUnsafeBytes { bytes in
            let start = entry.offset - run.start
            let end = min(bytes.count, start + bytesAsked(of: candidate))
            guard start < end else { return nil }
            let record = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            guard let header = candidate.first.file.header(in: record, at: entry.offset) else { return nil }
            let key = batch.records[candidate.index].header.keyLength
            guard header.keyLength == key else { return (header, false) }
            guard record.count >= RecordHeader.size + key else { return nil }
            let rest = UnsafeRawBufferPointer(rebasing: record[RecordHeader.size..<RecordHeader.size + key])
            let isSame = batch.withKey(of: candidate.index) { equal(rest, $0) }
            return (header, isSame)
        }
    }

    /// The same of one that is read by itself.
    private func look(
        at located: Located, for index: Int
    ) throws(WarmError) -> (header: RecordHeader, isSame: Bool)? {
        let record = try reportingFile { () throws(FileError) in
            try located.file.headerAndKey(at: located.entry.offset)
        }
        guard let record else { return nil }
        let isSame = batch.withKey(of: index) { key in record.key.withUnsafeBytes { equal($0, key) } }
        return (record.header, isSame)
    }
}
