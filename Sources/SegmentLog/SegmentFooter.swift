// The end of a sealed segment: a line per record, and a trailer in the file's last 64 bytes that says where they begin.

internal import Primitives

enum SegmentFooter {
    static let trailerSize = 64
    /// The version of footer and trailer, which is not the segment's.
    static let version: UInt32 = 1
    static let magic: UInt64 = 0x5446_4854_5241_4548  // "HEARTHFT"

    /// Bytes of a footer over `count` records.
    static func size(count: Int) -> Int { count * RecordSummary.size + trailerSize }

    /// The footer to be written at `offset`, the end of the records.
    static func encode(_ summaries: [RecordSummary], identity: SegmentIdentity, offset: Int) -> [UInt8] {
        let lines = summaries.count * RecordSummary.size
        return [UInt8](unsafeUninitializedCapacity: lines + trailerSize) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            for (index, summary) in summaries.enumerated() {
                summary.encode(into: bytes.part(index * RecordSummary.size..<(index + 1) * RecordSummary.size))
            }
            let trailer = bytes.part(lines..<lines + trailerSize)
            trailer.store(magic, at: 0)
            trailer.store(Self.version, at: 8)
            trailer.store(identity.sequence, at: 12)
            trailer.store(identity.storeSeed, at: 16)
            trailer.store(UInt64(offset), at: 24)
            trailer.store(UInt64(summaries.count), at: 32)
            trailer.store(UInt64(0), at: 40)
            let seed = identity.checkSeed(at: offset)
            trailer.store(xxh3(UnsafeRawBufferPointer(bytes.part(0..<lines)), seed: seed), at: 48)
            trailer.store(xxh3(UnsafeRawBufferPointer(trailer.part(0..<56)), seed: seed), at: 56)
            count = lines + trailerSize
        }
    }

    /// What a trailer says of its footer.
    struct Trailer {
        var offset: Int
        var count: Int
        var check: UInt64
    }

    /// The trailer, if these last bytes of a file of `fileSize` are one of this segment.
    static func trailer(_ bytes: UnsafeRawBufferPointer, identity: SegmentIdentity, fileSize: Int) -> Trailer? {
        guard bytes.count == trailerSize, bytes.integer(at: 0, as: UInt64.self) == magic,
            bytes.integer(at: 8, as: UInt32.self) == Self.version,
            bytes.integer(at: 12, as: UInt32.self) == identity.sequence,
            bytes.integer(at: 16, as: UInt64.self) == identity.storeSeed,
            let offset = Int(exactly: bytes.integer(at: 24, as: UInt64.self)), offset >= SegmentHeader.size,
            let count = Int(exactly: bytes.integer(at: 32, as: UInt64.self)), count <= fileSize / RecordSummary.size,
            offset <= fileSize, offset + size(count: count) == fileSize,
            bytes.integer(at: 56, as: UInt64.self) == xxh3(bytes.part(0..<56), seed: identity.checkSeed(at: offset))
        else { return nil }
        return Trailer(offset: offset, count: count, check: bytes.integer(at: 48, as: UInt64.self))
    }

    /// The lines of a footer, if they pass the trailer's checksum and lie in order within the records.
    static func summaries(_ lines: UnsafeRawBufferPointer, trailer: Trailer, identity: SegmentIdentity)
        -> [RecordSummary]?
    {
        guard lines.count == trailer.count * RecordSummary.size,
            xxh3(lines, seed: identity.checkSeed(at: trailer.offset)) == trailer.check
        else { return nil }
        var summaries: [RecordSummary] = []
        summaries.reserveCapacity(trailer.count)
        var end = SegmentHeader.size
        for index in 0..<trailer.count {
            guard
                let summary = RecordSummary(lines.part(index * RecordSummary.size..<(index + 1) * RecordSummary.size)),
                summary.offset >= end, summary.offset + summary.recordLength <= trailer.offset
            else { return nil }
            end = summary.offset + summary.recordLength
            summaries.append(summary)
        }
        return summaries
    }
}
