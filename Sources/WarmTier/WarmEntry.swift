// What the warm tier holds for a key, and what a lookup answers.

public import Primitives
public import SegmentLog

/// What a value is to its reader.
public enum WarmKind: UInt8, Sendable {
    /// A plain Redis string.
    case plain = 1
    /// A versioned record.
    case record = 2
    /// Part of an archive; its key is of `ArchiveSpace`.
    case archive = 4
}

/// Marks that travel with an entry; the warm tier stores them and gives them no meaning.
public struct WarmFlags: OptionSet, Hashable, Sendable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Copied to Redis from here.
    public static let promoted = WarmFlags(rawValue: 1)
    /// On a tombstone: the authority said that there is no such key; without it: somebody deleted it.
    public static let absence = WarmFlags(rawValue: 2)
    /// Written without the authority's word.
    public static let unverified = WarmFlags(rawValue: 4)
}

/// What is stored beside a value.
public struct WarmMetadata: Hashable, Sendable {
    public var kind: WarmKind
    public var flags: WarmFlags
    public var expiresAt: Timestamp
    /// When it was last compared with its authority.
    public var verifiedAt: Timestamp
    /// How long after `expiresAt` it may be served in an outage; it is kept that long, space permitting.
    public var staleForSeconds: UInt32

    public init(
        kind: WarmKind = .plain, flags: WarmFlags = [], expiresAt: Timestamp = .never,
        verifiedAt: Timestamp = .distantPast, staleForSeconds: UInt32 = 0
    ) {
        self.kind = kind
        self.flags = flags
        self.expiresAt = expiresAt
        self.verifiedAt = verifiedAt
        self.staleForSeconds = staleForSeconds
    }

    /// When it is let go.
    public var keptUntil: Timestamp { expiresAt.advanced(byMilliseconds: Int64(staleForSeconds) * 1000) }

    public func isExpired(at now: Timestamp) -> Bool { expiresAt <= now }
}

/// A value and what is stored beside it. The value is a slice of the buffer that was read, one allocation and no copy,
/// unless it was compressed.
public struct WarmEntry: Sendable {
    public var value: ArraySlice<UInt8>
    public var metadata: WarmMetadata
}

/// What the warm tier knows of a key.
public enum WarmLookup: Sendable {
    /// Held; perhaps expired, and kept for `staleForSeconds`.
    case entry(WarmEntry)
    /// Known to have been deleted, or to have been absent (`WarmFlags.absence`), for as long as that is remembered.
    case tombstone(WarmMetadata)
    /// Nothing is held: nothing is known.
    case absent
    /// It was held, and what the file now holds does not pass its checksum, or does not expand to what was compressed.
    case damaged
    /// The file could not be read.
    case failed(FileError)
}

extension RecordKind {
    static let plain = RecordKind(rawValue: WarmKind.plain.rawValue)
    static let record = RecordKind(rawValue: WarmKind.record.rawValue)
    static let tombstone = RecordKind(rawValue: 3)
    static let archive = RecordKind(rawValue: WarmKind.archive.rawValue)
}

extension WarmMetadata {
    init(_ header: RecordHeader) {
        self.init(
            kind: WarmKind(rawValue: header.kind.rawValue) ?? .plain,
            flags: WarmFlags(rawValue: header.flags & ~CompressedValue.flag),
            expiresAt: header.expiresAt, verifiedAt: header.verifiedAt, staleForSeconds: header.staleForSeconds)
    }

    func header(_ kind: RecordKind, shadow: ShadowRange = .none) -> RecordHeader {
        RecordHeader(
            kind: kind, flags: flags.rawValue, keyLength: 0, valueLength: 0, expiresAt: expiresAt,
            verifiedAt: verifiedAt, staleForSeconds: staleForSeconds, shadow: shadow)
    }
}
