// What an operator decides about the warm tier, with defaults, and what of it contradicts itself.

internal import SegmentLog

public struct WarmTierConfiguration: Sendable {
    /// When a commit is durable.
    public enum Sync: Hashable, Sendable {
        /// Before it returns: one fdatasync for all that is in it.
        case always
        /// Written before it returns, synchronised behind, at most this long after. 1 to 3,600,000 ms.
        case interval(milliseconds: Int)
        /// Written before it returns; the kernel decides when it reaches the disk.
        case never
    }

    public enum WhenFull: Hashable, Sendable {
        /// The oldest goes.
        case evict
        /// What is new is refused; nothing live is let go.
        case refuse
    }

    public var directory: String
    /// Bytes on disk, at every instant: records, footers, and what compaction needs to work.
    public var maxBytes: Int
    public var sync: Sync
    public var whenFull: WhenFull
    /// Nil derives it: a 64th of `maxBytes`, 64 KiB to 64 MiB; a 16th in a store under 4 MiB; never over 512 segments.
    public var segmentBytes: Int?
    public var maxKeyBytes: Int
    public var maxValueBytes: Int
    /// Values of at least so many bytes are compressed where that saves an eighth; nil compresses none.
    public var compressMin: Int?

    public init(
        directory: String, maxBytes: Int = 1 << 30, sync: Sync = .interval(milliseconds: 1000),
        whenFull: WhenFull = .evict,
        segmentBytes: Int? = nil, maxKeyBytes: Int = 64 << 20, maxValueBytes: Int = 512 << 20,
        compressMin: Int? = nil
    ) {
        self.directory = directory
        self.maxBytes = maxBytes
        self.sync = sync
        self.whenFull = whenFull
        self.segmentBytes = segmentBytes
        self.maxKeyBytes = maxKeyBytes
        self.maxValueBytes = maxValueBytes
        self.compressMin = compressMin
    }

    /// The smallest store: 64 KiB.
    public static let maxBytesMinimum = 64 << 10

    /// | maxBytes | segment | segments |
    /// |---|---|---|
    /// | 256 KiB | 16 KiB | 16 |
    /// | 4 MiB | 64 KiB | 64 |
    /// | 1 GiB | 16 MiB | 64 |
    /// | 16 GiB | 64 MiB | 256 |
    /// | 1 TiB | 2 GiB | 512 |
    public var effectiveSegmentBytes: Int {
        if let segmentBytes { return segmentBytes }
        if maxBytes < 4 << 20 { return maxBytes / 16 }
        return max(min(max(maxBytes / 64, 64 << 10), 64 << 20), maxBytes / 512)
    }

    /// The smallest bound of `compressMin`: below it a frame's own bytes are an eighth and more.
    public static let compressMinLeast = 64

    /// Throws `.configuration` with what contradicts what.
    public func validate() throws(WarmError) {
        guard !directory.isEmpty else { throw .configuration("warm.path is empty: name a directory") }
        guard maxBytes >= Self.maxBytesMinimum else {
            throw .configuration("warm.max_bytes is \(maxBytes); the smallest store is \(Self.maxBytesMinimum) bytes")
        }
        guard maxBytes <= 4 << 40 else {
            throw .configuration("warm.max_bytes is \(maxBytes); the largest store is 4 TiB")
        }
        if case .interval(let milliseconds) = sync, !(1...3_600_000).contains(milliseconds) {
            throw .configuration("warm.sync is \(milliseconds) ms; it is 1 ms to 1 h, `always` or `never`")
        }
        if let segmentBytes {
            guard segmentBytes >= 2048 else {
                throw .configuration("a segment of \(segmentBytes) bytes; the smallest is 2048")
            }
            guard segmentBytes <= maxBytes / 8, maxBytes / segmentBytes <= 4096 else {
                throw .configuration(
                    "segments of \(segmentBytes) bytes do not suit warm.max_bytes of \(maxBytes): "
                        + "there should be 8 to 4096 of them"
                )
            }
        }
        guard (1...RecordHeader.keyLengthMax).contains(maxKeyBytes) else {
            throw .configuration("the longest key is \(maxKeyBytes) bytes; it is 1 to \(RecordHeader.keyLengthMax)")
        }
        if let compressMin, compressMin < Self.compressMinLeast {
            throw .configuration(
                "warm.compress_min is \(compressMin) bytes; it is at least \(Self.compressMinLeast), or off")
        }
        guard (1...(512 << 20)).contains(maxValueBytes) else {
            throw .configuration("the largest value is \(maxValueBytes) bytes; it is 1 to \(512 << 20)")
        }
    }
}
