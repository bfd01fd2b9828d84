// A bounded, expiring store of keys and values in a segment log: what any thread may do, which is to read.
//
//     any thread                     the writer's thread
//     WarmTier.read ─► WarmIndex ◄── WarmWriter ─► SegmentLog
//                 └──────► SegmentFile ◄───────────────┘
//
// DESIGN. Records are appended, the index in memory finds each with one read (Bitcask). Space is bounded by letting the
// oldest segment go (CacheLib's block cache), with a second chance for what was read, and by compacting segments of
// which little is alive (LFS). Writing is WarmWriter's; there is one, and it stays on its thread because it is not
// Sendable.
//
// Deliberately not here: threads and clocks. The one who owns the writer runs it, and hands in `now`.

public import Primitives
internal import SegmentLog
internal import Synchronization

/// The reading side of a warm tier. Every method may be called from any thread; each may read the disk, so none
/// belongs on an event loop.
public final class WarmTier: Sendable {
    public let configuration: WarmTierConfiguration
    /// Seeds the hash of every key; kept in the store's files, unlike the hash that the process uses.
    let storeSeed: UInt64
    let index = WarmIndex()
    /// Values that reads have expanded.
    private let expanded = Atomic<Int>(0)
    /// The writer's side of the figures, as of its last commit or maintenance.
    let written = Locked(WarmTierStatistics())

    init(configuration: WarmTierConfiguration, storeSeed: UInt64) {
        self.configuration = configuration
        self.storeSeed = storeSeed
    }

    /// Looks a key up as of the last commit. One read of the file where it is held, none where it is not.
    ///
    /// An expired entry is returned for as long as it is kept: the caller knows whether it may serve it.
    public func read(_ key: UnsafeRawBufferPointer, now: Timestamp) -> WarmLookup {
        let keyHash = xxh3(key, seed: storeSeed)
        let shard = index.shards[KeyPlace(keyHash).shard]
        let found = index.find(keyHash, markRead: true)
        var lookup = WarmLookup.absent
        if let first = found.first {
            lookup = look(first, key, now)
            // Another key with the same 38 bits: one in 16 million entries meets one.
            for other in found.others {
                if case .entry = lookup { break }
                if case .tombstone = lookup { break }
                let next = look(other, key, now)
                if case .absent = next { continue }
                lookup = next
            }
        }
        switch lookup {
        case .entry, .tombstone: shard.hits.wrappingAdd(1, ordering: .relaxed)
        case .absent, .failed: shard.misses.wrappingAdd(1, ordering: .relaxed)
        case .damaged:
            shard.misses.wrappingAdd(1, ordering: .relaxed)
            shard.damaged.wrappingAdd(1, ordering: .relaxed)
        }
        return lookup
    }

    /// Whether the index alone says that nothing is held of a key, as of the last commit; reads no disk, so that an
    /// event loop may ask.
    public func isAbsent(_ key: UnsafeRawBufferPointer, now: Timestamp) -> Bool {
        let keyHash = xxh3(key, seed: storeSeed)
        let found = index.find(keyHash, markRead: false)
        if let first = found.first, now < first.entry.keptUntil || !found.others.isEmpty { return false }
        index.shards[KeyPlace(keyHash).shard].misses.wrappingAdd(1, ordering: .relaxed)
        return true
    }

    /// `read` for a key in an array.
    public func read(_ key: [UInt8], now: Timestamp) -> WarmLookup {
        key.withUnsafeBytes { read($0, now: now) }
    }

    /// Reads one record; `.absent` when it is another key's, or past its time.
    private func look(_ located: Located, _ key: UnsafeRawBufferPointer, _ now: Timestamp) -> WarmLookup {
        guard now < located.entry.keptUntil else { return .absent }
        let record: WholeRecord?
        do {
            record = try located.file.record(at: located.entry.offset, length: located.entry.length)
        } catch {
            return .failed(error)
        }
        guard let record else { return .damaged }
        guard record.hasKey(key) else { return .absent }
        let metadata = WarmMetadata(record.header)
        guard now < metadata.keptUntil else { return .absent }
        if record.header.kind == .tombstone { return .tombstone(metadata) }
        return entry(record.value, record.header)
    }

    /// What a record holds, expanded where it was compressed.
    func entry(_ stored: ArraySlice<UInt8>, _ header: RecordHeader) -> WarmLookup {
        var value = stored
        if header.isCompressed {
            let limit = configuration.maxValueBytes
            guard let whole = stored.withUnsafeBytes({ CompressedValue.expand($0, limit: limit) }) else {
                return .damaged
            }
            value = whole[...]
            expanded.wrappingAdd(1, ordering: .relaxed)
        }
        return .entry(WarmEntry(value: value, metadata: WarmMetadata(header)))
    }

    /// The figures, from any thread.
    public var statistics: WarmTierStatistics {
        var statistics = written.withLock { $0 }
        for shard in index.shards {
            statistics.readHits += shard.hits.load(ordering: .relaxed)
            statistics.readMisses += shard.misses.load(ordering: .relaxed)
            statistics.damaged += shard.damaged.load(ordering: .relaxed)
        }
        statistics.expanded = expanded.load(ordering: .relaxed)
        let size = index.size
        statistics.indexBytes = size.bytes
        statistics.indexEntries = size.count
        return statistics
    }
}

extension WholeRecord {
    func hasKey(_ key: UnsafeRawBufferPointer) -> Bool {
        header.keyLength == key.count && self.key.withUnsafeBytes { equal($0, key) }
    }
}

/// Whether two buffers hold the same bytes.
func equal(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count else { return false }
    // Eight bytes at a time: keys are short.
    var offset = 0
    while offset &+ 8 <= a.count {
        let ours = a.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        guard ours == b.loadUnaligned(fromByteOffset: offset, as: UInt64.self) else { return false }
        offset &+= 8
    }
    while offset < a.count {
        guard a[offset] == b[offset] else { return false }
        offset &+= 1
    }
    return true
}
