// Reads an arena as another process would: through a mapping of its own, read-only, under the sequence counters.
//
// DESIGN: the proof that the layout of ArenaLayout and EntryHeader can be read safely from outside, written against
// offsets and not against the tier's types. A read is: load the shard's sequence counter (again while it is odd), walk
// the bucket's chain, copy the value, load the counter again; a difference means that what was copied may be of two
// ages, so it is thrown away. What is followed in between may be nonsense: block numbers are checked against the
// shard, lengths against the largest entry, and chains are bounded, so that nonsense ends in another attempt.

import Primitives
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A second, read-only mapping of a tier's arena.
final class ArenaReader: @unchecked Sendable {
    private let base: UnsafeRawPointer
    private let bytes: Int
    private let shardCount, shardsOffset, shardStride: Int
    private let bucketsOffset, nextOffset, blocksOffset: Int
    private let bucketCount, blockCount: Int
    /// Attempts that were thrown away because a writer came between.
    let retries = Atomic<Int>(0)

    init?(descriptor: Int32, bytes: Int) {
        guard let base = mmap(nil, bytes, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED else { return nil }
        self.base = UnsafeRawPointer(base)
        self.bytes = bytes
        func word(_ offset: Int) -> Int { Int(base.load(fromByteOffset: offset, as: UInt64.self)) }
        guard base.load(as: UInt64.self) == UInt64(littleEndian: 0x544C_4854_5241_4548) else { return nil }  // HEARTHLT
        guard base.load(fromByteOffset: 8, as: UInt32.self) == 1 else { return nil }  // layout version
        shardCount = Int(base.load(fromByteOffset: 12, as: UInt32.self))
        guard word(16) == bytes else { return nil }
        shardsOffset = word(32)
        shardStride = word(40)
        bucketsOffset = word(48)
        nextOffset = word(56)
        blocksOffset = word(64)
        bucketCount = Int(base.load(fromByteOffset: 72, as: UInt32.self))
        blockCount = Int(base.load(fromByteOffset: 76, as: UInt32.self))
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: base), bytes) }

    /// The seed with which the writer hashes keys.
    var hashSeed: UInt64 { base.load(fromByteOffset: 24, as: UInt64.self) }

    /// The value of a key as of some moment during the call, or nil when it was not held then.
    func read(_ key: [UInt8]) -> [UInt8]? {
        let hash = key.withUnsafeBytes { xxh3($0, seed: hashSeed) }
        let shard = base + shardsOffset + Int(truncatingIfNeeded: hash & UInt64(shardCount - 1)) * shardStride
        let sequence = UnsafeMutableRawPointer(mutating: shard + 8).assumingMemoryBound(to: Atomic<UInt64>.self)
        while true {
            let before = sequence.pointee.load(ordering: .acquiring)
            if before & 1 == 0 {
                let attempt = find(key, tag: UInt32(truncatingIfNeeded: hash >> 32), in: shard)
                atomicMemoryFence(ordering: .acquiring)
                if sequence.pointee.load(ordering: .relaxed) == before {
                    guard case .torn = attempt else { return attempt.value }
                    fatalError("BUG: the arena is inconsistent although no writer came between")
                }
            }
            retries.wrappingAdd(1, ordering: .relaxed)
        }
    }

    private enum Attempt {
        case found([UInt8])
        case missing, torn

        var value: [UInt8]? { if case .found(let value) = self { value } else { nil } }
    }

    private func find(_ key: [UInt8], tag: UInt32, in shard: UnsafeRawPointer) -> Attempt {
        let bucket = Int(tag) & (bucketCount - 1)
        var block = (shard + bucketsOffset + 4 * bucket).load(as: UInt32.self)
        for _ in 0...blockCount {
            guard block != 0 else { return .missing }
            guard Int(block) <= blockCount else { return .torn }
            let header = address(block, in: shard)
            let keyLength = Int(header.load(fromByteOffset: 52, as: UInt32.self))
            if header.load(as: UInt32.self) == tag, keyLength == key.count {
                let valueLength = Int(header.load(fromByteOffset: 56, as: UInt32.self))
                let flags = header.load(fromByteOffset: 60, as: UInt16.self)
                let prefix = flags & 1 << 5 != 0 ? 8 : 0
                let length = prefix + keyLength + valueLength
                guard let payload = payload(of: block, length: length, contiguous: flags & 4 != 0, in: shard) else {
                    return .torn
                }
                if Array(payload[prefix..<prefix + keyLength]) == key {
                    return .found(Array(payload[(prefix + keyLength)...]))
                }
            }
            block = header.load(fromByteOffset: 4, as: UInt32.self)
        }
        return .torn
    }

    private func payload(of entry: UInt32, length: Int, contiguous: Bool, in shard: UnsafeRawPointer) -> [UInt8]? {
        guard length <= blockCount * 16 else { return nil }  // a quarter of the shard
        var payload: [UInt8] = []
        payload.reserveCapacity(length)
        var block = entry
        while payload.count < length {
            block = contiguous ? block &+ 1 : (shard + nextOffset + 4 * Int(block)).load(as: UInt32.self)
            guard block != 0, Int(block) <= blockCount else { return nil }
            let piece = UnsafeRawBufferPointer(start: address(block, in: shard), count: min(64, length - payload.count))
            payload.append(contentsOf: piece)
        }
        return payload
    }

    private func address(_ block: UInt32, in shard: UnsafeRawPointer) -> UnsafeRawPointer {
        shard + blocksOffset + 64 * (Int(block) - 1)
    }
}
