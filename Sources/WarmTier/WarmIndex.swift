// The index of all entries: 64 tables, each behind its own short lock, never held across I/O.
//
// The writer changes it; readers look entries up, and mark them as read, from any thread. A lookup takes hold of the
// segment's file under the same lock: a file that is being removed stays open for those who found it.

internal import Primitives
internal import SegmentLog
internal import Synchronization

/// An entry, and the file it lies in.
struct Located: Sendable {
    var entry: IndexEntry
    var file: SegmentFile
}

final class IndexShard: Sendable {
    struct State: ~Copyable {
        var table = IndexTable()
        /// By slot; the same array in every shard, replaced by the writer when a segment comes or goes.
        var files: [SegmentFile?] = []
    }

    let state = Locked(State())
    let hits = Atomic<Int>(0)
    let misses = Atomic<Int>(0)
    let damaged = Atomic<Int>(0)
}

final class WarmIndex: Sendable {
    let shards: [IndexShard] = (0..<KeyPlace.shardCount).map { _ in IndexShard() }

    /// The newest entry of a hash, and the others of the same 38 bits, which are nearly always none.
    func find(_ keyHash: UInt64, markRead: Bool) -> (first: Located?, others: [Located]) {
        let place = KeyPlace(keyHash)
        return shards[place.shard].state.withLock { state in
            var index = state.table.lowerBound(place.hash)
            guard state.table.holds(place.hash, at: index) else { return (nil, []) }
            let first = Self.located(&state, index, markRead: markRead)
            var others: [Located] = []
            index += 1
            while state.table.holds(place.hash, at: index) {
                others.append(Self.located(&state, index, markRead: markRead))
                index += 1
            }
            return (first, others)
        }
    }

    @inline(__always)
    private static func located(_ state: inout IndexShard.State, _ index: Int, markRead: Bool) -> Located {
        let entry = state.table[index]
        if markRead, !entry.flags.contains([.referenced, .everRead]) {
            state.table[index].flags.formUnion([.referenced, .everRead])
        }
        guard let file = state.files[Int(entry.slot)] else {
            preconditionFailure("BUG: an entry in slot \(entry.slot), which has no segment")
        }
        return Located(entry: entry, file: file)
    }

    /// The entry of the record at a place, if that is still what the index says of its key.
    func entry(_ keyHash: UInt64, slot: UInt16, offset: Int) -> IndexEntry? {
        let place = KeyPlace(keyHash)
        return shards[place.shard].state.withLock { state in
            var index = state.table.lowerBound(place.hash)
            while state.table.holds(place.hash, at: index) {
                if state.table[index].isAt(slot: slot, offset: offset) { return state.table[index] }
                index += 1
            }
            return nil
        }
    }

    func insert(_ entry: IndexEntry, keyHash: UInt64) {
        shards[KeyPlace(keyHash).shard].state.withLock { $0.table.insert(entry) }
    }

    /// Replaces (or with nil removes) the entry of the record at a place; returns what it was, nil if it was not there.
    ///
    /// `keeping` are flags that the successor takes over as they are at this moment.
    @discardableResult
    func replace(
        _ keyHash: UInt64, slot: UInt16, offset: Int, by successor: IndexEntry?, keeping: IndexEntry.Flags = []
    ) -> IndexEntry? {
        let place = KeyPlace(keyHash)
        return shards[place.shard].state.withLock { state in
            var index = state.table.lowerBound(place.hash)
            while state.table.holds(place.hash, at: index) {
                let old = state.table[index]
                if old.isAt(slot: slot, offset: offset) {
                    if var successor {
                        successor.flags.formUnion(old.flags.intersection(keeping))
                        state.table[index] = successor
                    } else {
                        state.table.remove(at: index)
                        state.table.shrinkIfSparse()
                    }
                    return old
                }
                index += 1
            }
            return nil
        }
    }

    /// Makes room for `count` entries in all, so that filling the index does not grow it step by step.
    func reserve(_ count: Int) {
        for shard in shards { shard.state.withLock { $0.table.reserve(count / KeyPlace.shardCount) } }
    }

    func setFiles(_ files: [SegmentFile?]) {
        for shard in shards { shard.state.withLock { $0.files = files } }
    }

    func removeAll() {
        for shard in shards { shard.state.withLock { $0.table.removeAll() } }
    }

    /// Visits entries of one shard from `hash` on, until `body` says to stop or `limit` were visited.
    ///
    /// All entries of the same hash are visited together. `body` may change flags, or remove by returning `.remove`.
    /// Returns the hash with which to go on, nil at the end of the shard.
    func visit(
        shard: Int, from hash: UInt32, limit: Int, _ body: (inout IndexEntry, [SegmentFile?]) -> VisitOutcome
    ) -> UInt32? {
        shards[shard].state.withLock { state in
            var index = state.table.lowerBound(hash)
            var visited = 0
            var last: UInt32?
            while let found = state.table.next(from: index) {
                let entry = state.table[found]
                if visited >= limit, entry.hash != last { return entry.hash }
                last = entry.hash
                visited += 1
                var changed = entry
                switch body(&changed, state.files) {
                case .keep:
                    if changed.flags != entry.flags { state.table[found] = changed }
                    index = found + 1
                case .remove:
                    state.table.remove(at: found)
                    index = found
                }
            }
            state.table.shrinkIfSparse()
            return nil
        }
    }

    enum VisitOutcome { case keep, remove }

    /// Bytes of all tables, and how many entries they hold.
    var size: (bytes: Int, count: Int) {
        var bytes = 0
        var count = 0
        for shard in shards {
            let (shardBytes, shardCount) = shard.state.withLock { ($0.table.byteCount, $0.table.count) }
            bytes += shardBytes
            count += shardCount
        }
        return (bytes, count)
    }
}
