// Maintenance: bounded work between batches, so that commits find room and memory holds only what may still be asked
// for.

public import Primitives
internal import SegmentLog

/// When maintenance wants to be called next.
public struct WarmMaintenance: Sendable, Equatable {
    /// There is more to do now: call again as soon as nothing else waits.
    public var hasMore: Bool
    /// Otherwise at this moment at the latest.
    public var next: Timestamp
}

/// Where the sweep for expired entries goes on.
struct SweepPosition {
    var shard = 0
    var hash: UInt32 = 0
    /// When the last round over the whole index ended.
    var roundEnded = Timestamp.distantPast
    var isUnderWay = false
}

extension WarmWriter {
    /// How often the index is swept for expired entries, and how many lines a call looks at.
    static let sweepMilliseconds: Int64 = 1000
    static let sweepLines = 4096

    /// Does about `budget` bytes of copying at most, sweeps a part of the index, synchronises if that is due.
    ///
    /// Called by the writer's thread, between batches. Failures are a state (`statistics.state`), tried again later.
    @discardableResult
    public func maintain(now: Timestamp, budget: Int = 256 << 10) -> WarmMaintenance {
        precondition(batch.isEmpty, "BUG: maintenance within a batch")
        defer { publishStatistics() }
        if log.failure != nil {
            guard now >= retryAt else { return WarmMaintenance(hasMore: false, next: retryAt) }
            guard recover(now: now) else { return WarmMaintenance(hasMore: false, next: retryAt) }
        }
        var hasMore = sweep(now: now)
        do throws(WarmError) {
            if synchronizeIfDue(now: now) { hasMore = try reclaimSome(now: now, budget: budget) || hasMore }
        } catch {
            relocation = nil
            if case .full = error {} else { retryAt = now.advanced(byMilliseconds: Self.retryMilliseconds) }
            adoptSegments()
            return WarmMaintenance(hasMore: false, next: now.advanced(byMilliseconds: Self.retryMilliseconds))
        }
        var next = now.advanced(byMilliseconds: Self.sweepMilliseconds)
        if case .interval(let milliseconds) = configuration.sync, log.isUnsynchronized {
            next = min(next, lastSync.advanced(byMilliseconds: Int64(milliseconds)))
        }
        return WarmMaintenance(hasMore: hasMore, next: max(next, now.advanced(byMilliseconds: 1)))
    }

    /// Makes everything that was committed durable, whatever the mode: for a clean end.
    public func synchronize(now: Timestamp) throws(WarmError) {
        defer { publishStatistics() }
        lastSync = now
        try reportingLog { () throws(SegmentLogError) in try log.synchronize() }
    }

    /// Synchronises if the mode's interval has passed; false when it failed.
    func synchronizeIfDue(now: Timestamp) -> Bool {
        guard case .interval(let milliseconds) = configuration.sync, log.isUnsynchronized else { return true }
        let since = now.milliseconds(since: lastSync)
        guard since >= milliseconds || since < 0 else { return true }
        lastSync = now
        do throws(SegmentLogError) {
            try log.synchronize()
            return true
        } catch {
            // Its records are still read; being suspect, the segment is the first to be copied from.
            retryAt = now.advanced(byMilliseconds: Self.retryMilliseconds)
            return false
        }
    }

    /// Tries the disk again after a failure: by what was to go and is still there, then with a new segment.
    ///
    /// While files can't be removed no attempt leaves one more.
    private func recover(now: Timestamp) -> Bool {
        do throws(WarmError) {
            _ = try removeUseless(now: now)
            // With no room even for a beginning, what makes some tries the disk as well.
            guard chargedBytes + log.newSegmentBytes <= configuration.maxBytes else { return true }
            log.sealActive()
            _ = try reportingLog { () throws(SegmentLogError) in try log.prepare(moving, now: now) }
            adoptSegments()
            return true
        } catch {
            adoptSegments()
            retryAt = now.advanced(byMilliseconds: Self.retryMilliseconds)
            return false
        }
    }

    /// Throws while the log has nowhere to write and was tried a moment ago.
    func refuseWhileDegraded(now: Timestamp) throws(WarmError) {
        guard let failure = log.failure, log.activeSequence == nil, now < retryAt else { return }
        // A clock that went back must not keep the tier shut.
        if retryAt.milliseconds(since: now) > Self.retryMilliseconds { return }
        throw .degraded(failure)
    }

    /// Removes what is useless, and goes on with a relocation where one is worth its cost.
    private func reclaimSome(now: Timestamp, budget: Int) throws(WarmError) -> Bool {
        if try removeUseless(now: now) { return true }
        if relocation == nil { relocation = worthwhileRelocation(now: now) }
        guard var under = relocation else { return false }
        relocation = nil
        let isDone = try advance(&under, budget: budget, now: now)
        if !isDone { relocation = under }
        return true
    }

    /// A relocation to be done ahead of need: of a suspect segment, of one that is mostly dead once the store is half
    /// full, or of any that helps once commits would soon have to make room themselves.
    private func worthwhileRelocation(now: Timestamp) -> Relocation? {
        guard log.segments.count > 1 || log.activeSequence == nil else { return nil }
        let margin = max(2 * segmentBytes, configuration.maxBytes / 32)
        if chargedBytes > limitForValues - margin { return chooseNearLimit(now: now) }
        for segment in log.segments where segment.sequence != log.activeSequence && !segment.isVoid {
            guard let slot = ledger.slot(of: segment.sequence), ledger[slot].liveBytes <= limitForValues - chargedBytes
            else { continue }
            let isMostlyDead = ledger[slot].liveBytes - ledger[slot].pinnedBytes / 2 < segment.fileSize / 4
            if segment.isSuspect || isMostlyDead && chargedBytes > configuration.maxBytes / 2 {
                return Relocation(compacting: segment.sequence)
            }
        }
        return nil
    }

    /// Near the limit: as a commit would; but what may not be evicted is not copied for little.
    private func chooseNearLimit(now: Timestamp) -> Relocation? {
        guard let chosen = chooseRelocation(now: now), let segment = log.segment(chosen.sequence),
            let slot = ledger.slot(of: chosen.sequence)
        else { return nil }
        if chosen.secondChanceBytes != nil || segment.isSuspect { return chosen }
        return ledger[slot].liveBytes < segment.fileSize - segment.fileSize / 8 ? chosen : nil
    }

    /// Looks at a part of the index for what is past its time; true while a round is under way.
    private func sweep(now: Timestamp) -> Bool {
        if !sweepPosition.isUnderWay {
            let since = now.milliseconds(since: sweepPosition.roundEnded)
            guard since >= Self.sweepMilliseconds || since < 0 else { return false }
            sweepPosition.isUnderWay = true
        }
        var lines = Self.sweepLines
        while lines > 0 {
            let (next, visited) = sweep(shard: sweepPosition.shard, from: sweepPosition.hash, limit: lines, now)
            lines -= max(visited, 1)
            if let next {
                sweepPosition.hash = next
                continue
            }
            sweepPosition.hash = 0
            sweepPosition.shard += 1
            if sweepPosition.shard == KeyPlace.shardCount {
                sweepPosition = SweepPosition(roundEnded: now)
                return false
            }
        }
        return true
    }

    /// Looks at the whole index, if a round is due.
    func sweepAll(now: Timestamp) {
        while sweep(now: now) {}
    }

    private func sweep(
        shard: Int, from hash: UInt32, limit: Int, _ now: Timestamp
    ) -> (next: UInt32?, visited: Int) {
        var gone: [IndexEntry] = []
        var lapsed: [IndexEntry] = []
        var visited = 0
        let next = tier.index.visit(shard: shard, from: hash, limit: limit) { entry, _ in
            visited += 1
            guard entry.keptUntil <= now else { return .keep }
            if !entry.flags.contains(.shadowing) {
                gone.append(entry)
                return .remove
            }
            if entry.isKey {
                lapsed.append(entry)
                entry.flags.insert(.lapsed)
            }
            return .keep
        }
        for entry in gone { ledger.remove(entry) }
        for entry in lapsed { ledger.lapse(entry) }
        for entry in gone + lapsed where entry.isApplicationKey {
            counters.expired += 1
            if !entry.flags.contains(.everRead) { counters.neverRead += 1 }
        }
        return (next, visited)
    }

    /// Hands the writer's figures to readers.
    func publishStatistics() {
        counters.state = log.failure.map { .degraded($0) } ?? .healthy
        counters.entries = ledger.keys
        counters.tombstones = ledger.tombstones
        counters.archives = ledger.archives
        counters.archiveBytes = ledger.archiveBytes
        counters.liveBytes = ledger.liveBytes
        counters.diskBytes = chargedBytes
        counters.deadBytes = max(0, chargedBytes - ledger.liveBytes - log.segments.count * SegmentLog.segmentOverhead)
        counters.segments = log.segments.count
        counters.syncs = log.synchronizations
        tier.written.withLock { $0 = counters }
    }
}
