// Changing what is known of an entry without touching its value: EXPIRE, PERSIST, re-verification, invalidation.

import Primitives

extension Shard {
    /// Stores changed metadata. Kind and hard end stay as they were written; the expiry stays within the hard end.
    ///
    /// The eviction rule hears nothing of it, except that an entry whose life begins anew comes back into its care.
    func update(_ block: Block, to metadata: EntryMetadata, now: Timestamp) {
        let header = header(block)
        let expiresAt = min(metadata.expiresAt, hardEnd(of: block))
        let isSameExpiry = expiresAt == header.pointee.expiresAt && metadata.staleFor == header.pointee.staleFor
        if !isSameExpiry {
            wheel.cancel(block)
            if header.pointee.flags.contains(.staleListed) {
                stale.unlink(block)
                header.pointee.flags.remove(.staleListed)
                rule.onReturn(block)
            }
        }
        header.pointee.expiresAt = expiresAt
        header.pointee.verifiedAt = metadata.verifiedAt
        header.pointee.quietFor = metadata.quietFor
        header.pointee.staleFor = metadata.staleFor
        header.pointee.slidingFor = metadata.slidingFor
        header.pointee.epoch = metadata.epoch
        header.pointee.flags.mark = metadata.mark
        if !isSameExpiry { wheel.schedule(block, now: now) }
    }

    /// Makes an entry unverified: kept as a stale copy, not answered before its authority has been asked.
    func invalidate(_ block: Block) {
        header(block).pointee.verifiedAt = .distantPast
        header(block).pointee.quietFor = 0
        header(block).pointee.epoch = 0
    }
}
