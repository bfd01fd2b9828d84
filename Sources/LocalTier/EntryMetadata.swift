// What is known of an entry besides its key and value, as the tier's callers give it and get it.

public import Primitives

/// What an entry holds.
public enum EntryKind: UInt8, Sendable, Hashable {
    /// A plain Redis string.
    case string = 0
    /// A record: a state value with version, schema and fence.
    case record = 1
    /// The authority's word that there is no such key; it has no value.
    case absent = 2
}

/// What a read may make of an entry.
public enum Freshness: UInt8, Sendable, Hashable {
    /// Verified so recently that it may be answered without any thought.
    case quiet
    /// Invalidations have been live without a gap since it was filled: answered until it expires.
    case live
    /// Neither: within its life, but the caller's policy decides whether to ask the authority.
    case due
    /// Past its expiry, kept for an outage.
    case expired
}

/// Times, kind and epoch of an entry; 40 bytes of its header and, with a hard end, 8 of its payload.
public struct EntryMetadata: Sendable, Hashable {
    /// When it expires; never later than `hardEnd`.
    public var expiresAt: Timestamp
    /// When the request was sent that compared it with its authority; in the future, it counts as unverified.
    public var verifiedAt: Timestamp
    /// Milliseconds after `verifiedAt` during which a read is answered without any thought.
    public var quietFor: UInt32
    /// Seconds for which it is kept past `expiresAt`, as long as memory allows.
    public var staleFor: UInt32
    /// Milliseconds: each read sets the expiry to so long after itself, never earlier than it was; 0 is not at all.
    public var slidingFor: UInt32
    /// The end that no read extends (`retention`); fixed when the entry is written.
    public var hardEnd: Timestamp
    /// What it holds; fixed when the entry is written.
    public var kind: EntryKind
    /// The coherence epoch in which its fill began, 0 for none: take it from the `FillToken`.
    public var epoch: UInt16
    /// Four bits for the owner, which the tier keeps and never reads.
    public var mark: UInt8

    @inlinable
    public init(
        expiresAt: Timestamp = .never, verifiedAt: Timestamp = .distantPast, quietFor: UInt32 = 0,
        staleFor: UInt32 = 0, slidingFor: UInt32 = 0, hardEnd: Timestamp = .never, kind: EntryKind = .string,
        epoch: UInt16 = 0, mark: UInt8 = 0
    ) {
        self.expiresAt = expiresAt
        self.verifiedAt = verifiedAt
        self.quietFor = quietFor
        self.staleFor = staleFor
        self.slidingFor = slidingFor
        self.hardEnd = hardEnd
        self.kind = kind
        self.epoch = epoch
        self.mark = mark
    }
}
