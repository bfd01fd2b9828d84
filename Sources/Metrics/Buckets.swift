// Where a value falls in a log-linear histogram, and which values a bucket stands for.
//
// DESIGN. Each power of two is split into 32 equal buckets, so that a bucket is never wider than 1/32 (3.1 %) of its
// lowest value, and its middle is never further than 1.6 % from any value in it. Values below 32 have a bucket each.
// This is the bucketing of HdrHistogram (Gil Tene, http://hdrhistogram.org) with five significant bits.
//
//     value (ns)     width of a bucket      value (bytes)    width of a bucket
//     1 µs           32 ns                  64 B             2 B
//     100 µs         2 µs                   4 KiB            128 B
//     10 ms          0.26 ms                1 MiB            32 KiB
//     10 s           0.27 s                 8 MiB            256 KiB

/// The bucket arithmetic shared by ``Histogram`` and its snapshots: pure functions from value to bucket and back.
@usableFromInline
enum Buckets {
    /// Significant bits kept of a value.
    @usableFromInline static let bits = 5
    @usableFromInline static let perOctave = 1 << bits
    /// The first value that is not told apart from larger ones: 2^37 ns = 137 s; 2^37 B = 128 GiB.
    @usableFromInline static let limit: UInt64 = 1 << 37
    /// 33 groups of 32: values below 32, then one group for each power of two from 2^5 to 2^36; 8.25 KiB of counts.
    @usableFromInline static let count = (37 - bits + 1) * perOctave

    /// The bucket of `value`; values from `limit` on fall into the last.
    @inlinable @inline(__always)
    static func index(of value: UInt64) -> Int {
        if value >= limit { return count - 1 }
        // The position of the highest bit, but at least `bits`, says how far to shift until six bits are left.
        let shift = 63 &- (value | UInt64(perOctave)).leadingZeroBitCount &- bits
        let group = shift &* perOctave
        return group &+ Int(truncatingIfNeeded: value &>> UInt64(truncatingIfNeeded: shift))
    }

    /// The smallest value in a bucket.
    static func lowest(_ index: Int) -> UInt64 {
        if index < 2 * perOctave { return UInt64(index) }
        let shift = index / perOctave - 1
        return UInt64(index - shift * perOctave) << UInt64(shift)
    }

    /// The middle of a bucket, by which all its values are reported.
    static func middle(_ index: Int) -> UInt64 {
        let low = lowest(index)
        return low + (lowest(index + 1) - low) / 2
    }
}
