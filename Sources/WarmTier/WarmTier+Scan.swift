// Walking over the keys: SCAN, KEYS, DBSIZE, RANDOMKEY and FLUSHDB where the warm tier is the authority.

public import Primitives
internal import SegmentLog
internal import Synchronization

/// Where a walk goes on: a place in the order of the keys' hashes, which no insertion, removal or growth moves.
///
/// Fits the cursor of Redis's SCAN: an integer, 0 at the start and at the end.
public struct WarmCursor: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static let start = WarmCursor(rawValue: 0)
}

public struct WarmPage: Sendable {
    public var keys: [[UInt8]]
    /// Nil when the walk is over.
    public var next: WarmCursor?
}

/// Whose keys a walk tells of.
public enum WarmSpace: Sendable {
    case applications, archives, both

    func includes(_ entry: IndexEntry) -> Bool {
        switch self {
        case .applications: !entry.isArchive
        case .archives: entry.isArchive
        case .both: true
        }
    }
}

extension WarmTier {
    /// About `limit` keys from `cursor` on; reads each key from its file, so not on an event loop.
    ///
    /// A key that is there during the whole walk is returned exactly once, whatever else is written meanwhile; one that
    /// comes or goes may or may not be. Expired keys are left out, unless they are asked for. A page may be empty and
    /// not the last.
    public func scan(
        from cursor: WarmCursor = .start, limit: Int, now: Timestamp, includingExpired: Bool = false,
        _ space: WarmSpace = .applications
    ) -> WarmPage {
        precondition(limit > 0, "a page holds at least one key")
        guard cursor.rawValue >> 38 == 0 else { return WarmPage(keys: [], next: nil) }
        var shard = Int(cursor.rawValue >> 32)
        var hash = UInt32(truncatingIfNeeded: cursor.rawValue)
        var page = WarmPage(keys: [], next: nil)
        var looked = 0
        while shard < KeyPlace.shardCount {
            var found: [Located] = []
            let next = index.visit(shard: shard, from: hash, limit: limit - looked) { entry, files in
                looked += 1
                if entry.isKey, space.includes(entry), includingExpired || now < entry.expiresAt,
                    let file = files[Int(entry.slot)]
                {
                    found.append(Located(entry: entry, file: file))
                }
                return .keep
            }
            for located in found {
                if let key = key(of: located, shard: shard) { page.keys.append(key) }
            }
            hash = next ?? 0
            if next == nil { shard += 1 }
            if looked >= limit { break }
        }
        if shard < KeyPlace.shardCount { page.next = WarmCursor(rawValue: UInt64(shard) << 32 | UInt64(hash)) }
        return page
    }

    /// A key, nearly at random: the first at or after the place that `random` names; nil when there is none.
    public func randomKey(random: UInt64, now: Timestamp) -> [UInt8]? {
        let start = WarmCursor(rawValue: random >> 26)
        for from in [start, .start] {
            var cursor: WarmCursor? = from
            while let here = cursor {
                let page = scan(from: here, limit: 16, now: now)
                if let key = page.keys.first { return key }
                cursor = page.next
            }
        }
        return nil
    }

    /// Keys held, those that expired since the last sweep included, as Redis counts them too. O(1).
    public var keyCount: Int { written.withLock { $0.entries } }

    /// Keys that are neither deleted nor expired at `now`. O(entries), without reading a file.
    public func countKeys(now: Timestamp) -> Int {
        var count = 0
        for shard in index.shards.indices {
            _ = index.visit(shard: shard, from: 0, limit: .max) { entry, _ in
                if entry.isApplicationKey, now < entry.expiresAt { count += 1 }
                return .keep
            }
        }
        return count
    }

    /// The key of a record, if it is the one whose hash the index has.
    private func key(of located: Located, shard: Int) -> [UInt8]? {
        do {
            guard let found = try located.file.headerAndKey(at: located.entry.offset) else { return nil }
            let place = KeyPlace(found.key.withUnsafeBytes { xxh3($0, seed: storeSeed) })
            return place.shard == shard && place.hash == located.entry.hash ? Array(found.key) : nil
        } catch {
            index.shards[shard].damaged.wrappingAdd(1, ordering: .relaxed)
            return nil
        }
    }
}

extension WarmWriter {
    /// Deletes everything, durably, by one new segment that says so; the files go in maintenance.
    ///
    /// Between batches. When it throws, everything is as before (see `SegmentLog.empty` for what is uncertain).
    public func deleteAll(now: Timestamp) throws(WarmError) {
        precondition(batch.isEmpty, "BUG: deleteAll within a batch")
        defer { publishStatistics() }
        try refuseWhileDegraded(now: now)
        relocation = nil
        while chargedBytes + log.newSegmentBytes > configuration.maxBytes {
            guard try removeUseless(now: now) else {
                throw .full(needed: log.newSegmentBytes, limit: configuration.maxBytes)
            }
        }
        do throws(SegmentLogError) {
            try log.empty(now: now)
        } catch {
            retryAt = now.advanced(byMilliseconds: Self.retryMilliseconds)
            throw .log(error)
        }
        adoptSegments()
        tier.index.removeAll()
        ledger.empty()
    }
}
