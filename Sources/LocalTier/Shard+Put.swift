// Storing an entry: in place where the number of blocks stays, else anew.

import Primitives

/// An entry as it is about to be stored.
struct NewEntry {
    var key: UnsafeRawBufferPointer
    var value: UnsafeRawBufferPointer
    var tag: UInt32
    var metadata: EntryMetadata

    var prefixBytes: Int { metadata.hardEnd == .never ? 0 : 8 }
    var blockCount: Int { 1 + (prefixBytes + key.count + value.count + Block.bytes - 1) >> Block.shift }
    var expiresAt: Timestamp { min(metadata.expiresAt, metadata.hardEnd) }
}

extension Shard {
    /// Stores an entry in place of whatever its key had; makes room as needed.
    func put(_ new: NewEntry, now: Timestamp) -> PutResult {
        let old = find(new.key, tag: new.tag)
        let count = new.blockCount
        let isNew = new.metadata.kind != .absent && (old == .none || header(old).pointee.flags.kind == .absent)
        if isNew { state.pointee.created += 1 }
        if old != .none, header(old).pointee.blockCount == count {
            overwrite(old, with: new, now: now)
            return .stored
        }
        let history = old == .none ? nil : header(old).pointee.flags.history
        if old != .none { remove(old, cause: .replaced) }
        guard count <= entryBlocksMax else {
            state.pointee.tooLarge += 1
            if isNew { state.pointee.created -= 1 }
            return .tooLarge
        }
        makeRoom(for: count, now: now)
        insert(new, count: count, history: history, now: now)
        return .stored
    }

    /// `history` is what the eviction rule knew of the key's entry of another size; nil where there was none.
    private func insert(_ new: NewEntry, count: Int, history: UInt8?, now: Timestamp) {
        let (block, isContiguous) = allocate(count)
        let bucket = Int(new.tag & bucketMask)
        var flags: EntryFlags = isContiguous ? .contiguous : []
        flags.history = history ?? 0
        header(block).initialize(
            to: EntryHeader(
                tag: new.tag, chain: buckets[bucket], previous: .none, next: .none, wheelPrevious: 0, wheelNext: 0,
                expiresAt: .never, verifiedAt: .distantPast, quietFor: 0, staleFor: 0, slidingFor: 0,
                keyLength: UInt32(new.key.count), valueLength: UInt32(new.value.count), flags: flags, epoch: 0))
        write(new, into: block)
        buckets[bucket] = block
        state.pointee.entryCount += 1
        if history == nil { rule.onInsert(block) } else { rule.onReturn(block) }
        wheel.schedule(block, now: now)
    }

    private func overwrite(_ block: Block, with new: NewEntry, now: Timestamp) {
        wheel.cancel(block)
        let wasStale = header(block).pointee.flags.contains(.staleListed)
        if wasStale { stale.unlink(block) }
        write(new, into: block)
        if wasStale {
            rule.onReturn(block)
        } else {
            rule.onUpdate(block)
        }
        wheel.schedule(block, now: now)
    }

    /// Writes metadata and payload; leaves links, chain, place and history as they are.
    private func write(_ new: NewEntry, into block: Block) {
        let header = header(block)
        var flags = header.pointee.flags
        flags.subtract([.staleListed, .readSinceWritten, .hasHardEnd])
        if new.prefixBytes > 0 { flags.insert(.hasHardEnd) }
        flags.kind = new.metadata.kind
        flags.mark = new.metadata.mark
        header.pointee.flags = flags
        header.pointee.expiresAt = new.expiresAt
        header.pointee.verifiedAt = new.metadata.verifiedAt
        header.pointee.quietFor = new.metadata.quietFor
        header.pointee.staleFor = new.metadata.staleFor
        header.pointee.slidingFor = new.metadata.slidingFor
        header.pointee.epoch = new.metadata.epoch
        header.pointee.valueLength = UInt32(new.value.count)
        if new.prefixBytes > 0 {
            withUnsafeBytes(of: new.metadata.hardEnd) { writePayload(of: block, at: 0, $0) }
        }
        writePayload(of: block, at: new.prefixBytes, new.key)
        writePayload(of: block, at: new.prefixBytes + new.key.count, new.value)
    }
}
