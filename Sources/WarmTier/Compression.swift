// Large values compressed: what is worth it, and the way back. docs/warm-format.md has the bytes.
//
// DESIGN: compressing is the writer's, on its thread, before the value is staged, so that room, checksums and
// relocations know only what is stored; a relocation copies it as it is. Expanding is the reader's, on the thread that
// has read the disk. No event loop does either.
//
// zstd's level 1, and no setting for it. Measured here on 64 KiB of JSON (zstd 1.5.4, one slow core): level 1 leaves
// 42 % at 154 MB/s, level 3 leaves 40 % at 91 MB/s and wants twice the memory, level 9 leaves 38 % at 24 MB/s. Whoever
// writes this tier shares a fraction of a core with an application, so the last hundredths are not worth a second core.
// What does not compress is found out at 1.8 GB/s. Expanding takes about 600 MB/s at any level.

internal import CZstd
internal import SegmentLog

/// The form of a compressed value: its length in 4 bytes, then one zstd frame.
enum CompressedValue {
    /// Marks a record's value as compressed; not among the flags that an owner gives.
    static let flag: UInt8 = 128
    static let headBytes = 4
    static let level: CInt = 1

    /// The most bytes at which the compressed form of `count` bytes is kept: an eighth has to be saved, since each read
    /// pays for expanding.
    static func limit(for count: Int) -> Int { count - count / 8 }

    /// The value of `stored`; nil where it is damaged, or longer than `limit`.
    static func expand(_ stored: UnsafeRawBufferPointer, limit: Int) -> [UInt8]? {
        guard stored.count > headBytes, let start = stored.baseAddress else { return nil }
        let count = Int(UInt32(littleEndian: stored.loadUnaligned(as: UInt32.self)))
        // No frame of so few bytes has more to give: 128 KiB for each 4 of them (RFC 8878, 3.1.1.2). A length that
        // nobody wrote so takes no memory.
        guard count > 0, count <= limit, count <= (stored.count - headBytes) << 15 else { return nil }
        var isWhole = false
        let value = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            isWhole =
                hearth_zstd_expand(buffer.baseAddress, count, start + headBytes, stored.count - headBytes) != 0
            initialized = isWhole ? count : 0
        }
        return isWhole ? value : nil
    }
}

/// Compresses the values of one writer; belongs to its thread.
final class ValueCompressor {
    /// About 300 KiB from the first large value on; none before it.
    private var context: OpaquePointer?

    deinit { if let context { ZSTD_freeCCtx(context) } }

    /// The stored form of a value; nil where it would save less than an eighth, or there is no memory for it.
    func compress(_ value: UnsafeRawBufferPointer) -> [UInt8]? {
        if context == nil { context = ZSTD_createCCtx() }
        let limit = CompressedValue.limit(for: value.count)
        guard let context, value.count <= UInt32.max, limit > CompressedValue.headBytes else { return nil }
        let stored = [UInt8](unsafeUninitializedCapacity: limit) { buffer, initialized in
            let target = UnsafeMutableRawBufferPointer(buffer)
            let written = hearth_zstd_compress(
                context, target.baseAddress! + CompressedValue.headBytes, limit - CompressedValue.headBytes,
                value.baseAddress, value.count, CompressedValue.level)
            target.storeBytes(of: UInt32(value.count).littleEndian, as: UInt32.self)
            initialized = written == 0 ? 0 : CompressedValue.headBytes + written
        }
        return stored.isEmpty ? nil : stored
    }
}

extension RecordHeader {
    var isCompressed: Bool { flags & CompressedValue.flag != 0 && kind != .tombstone }
}
