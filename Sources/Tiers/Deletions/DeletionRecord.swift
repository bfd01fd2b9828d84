// How a sidecar keeps on its disk what it has read of the stream of deletions: a state, and tombstones in pieces.
//
// Both are entries of the warm tier under keys of their own, written as one group and synchronised, so that the place
// in the stream is never ahead of the tombstones. The warm tier may evict them as anything else: what is missing at the
// next start is treated as a stream that does not reach back.

internal import Primitives

/// What is known of the stream, beside the tombstones.
struct DeletionState: Equatable {
    /// The last entry that was read.
    var position: StreamPosition
    /// xxh3 of the run id of the Redis process that it was read from.
    var process: UInt64
    /// Copies verified before are not given to Redis.
    var unverifiedBefore: Int64
    /// When the stream was last read to its end, by this host's clock.
    var heardAt: Int64
    /// Tombstones ever added.
    var total: UInt64

    static let key = Array("hearth:warm:deletions".utf8)

    static func key(ofPiece number: UInt64) -> [UInt8] {
        key + Array(":\(number % UInt64(TombstoneTable.pieceCount))".utf8)
    }

    private static let version: UInt64 = 1

    var bytes: [UInt8] {
        DeletionRecord.bytes([
            Self.version, position.milliseconds, position.sequence, process, UInt64(bitPattern: unverifiedBefore),
            UInt64(bitPattern: heardAt), total,
        ])
    }

    /// Nil for anything else than a state of this version.
    init?(_ bytes: [UInt8]) {
        let words = DeletionRecord.words(bytes[...])
        guard bytes.count == 56, words[0] == Self.version else { return nil }
        position = StreamPosition(milliseconds: words[1], sequence: words[2])
        process = words[3]
        unverifiedBefore = Int64(bitPattern: words[4])
        heardAt = Int64(bitPattern: words[5])
        total = words[6]
    }

    init(
        position: StreamPosition, process: UInt64, unverifiedBefore: Int64, heardAt: Int64, total: UInt64
    ) {
        self.position = position
        self.process = process
        self.unverifiedBefore = unverifiedBefore
        self.heardAt = heardAt
        self.total = total
    }
}

/// Words of 64 bits, the lowest byte first.
enum DeletionRecord {
    static func bytes(_ words: [UInt64]) -> [UInt8] {
        words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
    }

    static func words(_ bytes: ArraySlice<UInt8>) -> [UInt64] {
        stride(from: bytes.startIndex, to: bytes.endIndex - 7, by: 8).map { start in
            (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[start + $1]) << (8 * $1) }
        }
    }

    /// A piece: the number of its first tombstone, then two words for each; the lowest bit of a time says `isOwn`.
    static func piece(_ first: UInt64, _ tombstones: ArraySlice<TombstoneTable.Tombstone>) -> [UInt8] {
        var words = [first]
        words.reserveCapacity(1 + 2 * tombstones.count)
        for tombstone in tombstones {
            words.append(tombstone.key.rawValue)
            words.append(UInt64(bitPattern: tombstone.time << 1) | (tombstone.isOwn ? 1 : 0))
        }
        return bytes(words)
    }

    /// The tombstones of a piece from number `from` up to `end`; nil where it does not hold all of them.
    static func tombstones(_ bytes: [UInt8], from: UInt64, to end: UInt64) -> [TombstoneTable.Tombstone]? {
        let words = words(bytes[...])
        guard let first = words.first, bytes.count % 16 == 8, first <= from,
            end <= first + UInt64((words.count - 1) / 2)
        else { return nil }
        return (from..<end).map { number in
            let place = 1 + 2 * Int(number - first)
            return TombstoneTable.Tombstone(
                key: DeletedKey(rawValue: words[place]), time: Int64(bitPattern: words[place + 1]) >> 1,
                isOwn: words[place + 1] & 1 == 1)
        }
    }
}
