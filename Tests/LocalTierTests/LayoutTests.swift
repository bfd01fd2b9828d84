// The layout that other processes will read, byte by byte; and what a hit costs.

import Primitives
import Testing

@testable import LocalTier

@Suite struct LayoutTests {
    @Test func `an entry's header is one cache line, each field where it is documented`() {
        #expect(MemoryLayout<EntryHeader>.size == 64)
        #expect(MemoryLayout<EntryHeader>.stride == Block.bytes)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.tag) == 0)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.chain) == 4)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.previous) == 8)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.next) == 12)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.wheelPrevious) == 16)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.wheelNext) == 20)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.expiresAt) == 24)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.verifiedAt) == 32)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.quietFor) == 40)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.staleFor) == 44)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.slidingFor) == 48)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.keyLength) == 52)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.valueLength) == 56)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.flags) == 60)
        #expect(MemoryLayout<EntryHeader>.offset(of: \.epoch) == 62)
    }

    @Test func `the arena's header has each field where it is documented`() {
        #expect(MemoryLayout<ArenaHeader>.size <= ArenaHeader.liveEpochOffset)
        #expect(MemoryLayout<ArenaHeader>.offset(of: \.layoutVersion) == 8)
        #expect(MemoryLayout<ArenaHeader>.offset(of: \.shardCount) == 12)
        #expect(MemoryLayout<ArenaHeader>.offset(of: \.arenaBytes) == 16)
        #expect(MemoryLayout<ArenaHeader>.offset(of: \.hashSeed) == 24)
        #expect(MemoryLayout<ArenaHeader>.offset(of: \.shardsOffset) == 32)
        #expect(MemoryLayout<ArenaHeader>.offset(of: \.shardStride) == 40)
        #expect(MemoryLayout<ArenaHeader>.offset(of: \.bucketsOffset) == 48)
        #expect(MemoryLayout<ArenaHeader>.offset(of: \.nextOffset) == 56)
        #expect(MemoryLayout<ArenaHeader>.offset(of: \.blocksOffset) == 64)
        #expect(MemoryLayout<ArenaHeader>.offset(of: \.bucketsPerShard) == 72)
        #expect(MemoryLayout<ArenaHeader>.offset(of: \.blocksPerShard) == 76)
        #expect(ShardGuard.sequenceOffset == 8)
    }

    @Test func `a shard's tables follow each other without overlap, blocks on cache lines`() throws {
        for bytes in [20480, 1 << 20, 64 << 20] {
            let layout = try LocalTier(LocalTierConfiguration(maxBytes: bytes, shards: 1)).arena.layout
            #expect(MemoryLayout<ShardState>.size <= layout.wheelOffset - layout.stateOffset)
            #expect(layout.ruleOffset == layout.wheelOffset + TimingWheel.tableBytes)
            #expect(layout.bucketsOffset >= layout.fillsOffset + 4 * layout.fillSlotCount)
            #expect(layout.nextOffset >= layout.bucketsOffset + 4 * layout.bucketCount)
            #expect(layout.mapOffset >= layout.nextOffset + 4 * (layout.blockCount + 1))
            #expect(layout.blocksOffset >= layout.mapOffset + FreeMap.tableBytes(blocks: layout.blockCount))
            #expect((ArenaHeader.bytes + layout.blocksOffset) % 64 == 0)
        }
    }
}
