// Where everything lies in the arena: computed once from the configuration, written into the arena's header.
//
// DESIGN: the arena is a header of 256 bytes, then equal shards. A shard is, in this order:
//
//     guard       64      lock word (offset 0), sequence counter (offset 8)
//     state       448     free blocks, cursor, list ends, timing wheel's position, counters
//     wheel       4096    8 levels of 64 slots, two block numbers each
//     rule        …       what the eviction rule needs beside the links in the headers
//     fills       4 each  generations of the fill slots
//     buckets     4 each  first entry of each chain
//     next        4 each  for each block, the block that follows it in its entry
//     map         …       used blocks, and two summaries
//     blocks      64 each
//
// All of it counts towards `maxBytes`; fills and buckets scale with the blocks (about 3 % and 0.4 % of them), `next` is
// 6 %. Zero is the empty value of every table, so that a fresh arena is not touched before it is used.

import Primitives

/// The first 256 bytes of an arena, for whoever maps it.
struct ArenaHeader {
    /// "HEARTHLT" in memory order on little-endian machines.
    var magic: UInt64
    var layoutVersion: UInt32
    var shardCount: UInt32
    var arenaBytes: UInt64
    /// The seed of XXH3 with which keys are hashed in this process.
    var hashSeed: UInt64
    var shardsOffset: UInt64
    var shardStride: UInt64
    /// Offsets within a shard.
    var bucketsOffset: UInt64
    var nextOffset: UInt64
    /// Where block 1 begins.
    var blocksOffset: UInt64
    var bucketsPerShard: UInt32
    var blocksPerShard: UInt32

    static let magicValue = UInt64(littleEndian: 0x544C_4854_5241_4548)
    static let currentLayoutVersion: UInt32 = 1
    static let bytes = 256
    /// The live epoch (UInt32, atomic) has a cache line of its own.
    static let liveEpochOffset = 192
}

/// Sizes and offsets of an arena, in bytes from its start or from a shard's.
struct ArenaLayout: Equatable {
    var arenaBytes: Int
    var shardCount: Int
    var shardStride: Int
    var blockCount: Int
    var bucketCount: Int
    var fillSlotCount: Int

    var stateOffset: Int { 64 }
    var wheelOffset: Int { stateOffset + 448 }
    var ruleOffset: Int { wheelOffset + TimingWheel.tableBytes }
    var ruleBytes: Int
    var fillsOffset: Int { ruleOffset + ruleBytes }
    var bucketsOffset: Int { fillsOffset + 4 * fillSlotCount }
    var nextOffset: Int { bucketsOffset + 4 * bucketCount }
    var mapOffset: Int { nextOffset + Self.roundUp(4 * (blockCount + 1), to: 64) }
    var blocksOffset: Int { mapOffset + Self.roundUp(FreeMap.tableBytes(blocks: blockCount), to: 64) }
    var shardBytes: Int { blocksOffset + blockCount * Block.bytes }

    /// The granularity in which memory is mapped here, in bytes.
    #if os(Linux)
        static let pageBytes = 4096
    #else
        static let pageBytes = 16384
    #endif

    /// Fill slots per shard at most; with 100 fills in flight a write cancels a stranger's with 1 in 41.
    static let fillSlotsMax = 4096

    /// The layout with as many blocks as fit; `configuration` has been validated.
    init(_ configuration: LocalTierConfiguration) {
        arenaBytes = configuration.maxBytes / Self.pageBytes * Self.pageBytes
        shardCount = configuration.shards
        shardStride = (arenaBytes - ArenaHeader.bytes) / shardCount / 64 * 64
        blockCount = 0
        bucketCount = 0
        fillSlotCount = 0
        ruleBytes = 0
        var fits = 1
        var tooMany = shardStride / Block.bytes
        while tooMany - fits > 1 {
            let middle = (fits + tooMany) / 2
            take(blocks: middle, rule: configuration.eviction)
            if shardBytes <= shardStride { fits = middle } else { tooMany = middle }
        }
        take(blocks: fits, rule: configuration.eviction)
        precondition(shardBytes <= shardStride, "BUG: a shard of \(shardBytes) bytes in \(shardStride)")
    }

    private mutating func take(blocks: Int, rule: EvictionRuleKind) {
        blockCount = blocks
        bucketCount = max(64, Self.powerOfTwo(notAbove: blocks / 2))
        fillSlotCount = min(Self.fillSlotsMax, max(64, Self.powerOfTwo(notAbove: blocks / 16)))
        ruleBytes = Self.roundUp(Rule.tableBytes(rule, blocks: blocks), to: 64)
    }

    static func roundUp(_ value: Int, to unit: Int) -> Int { (value + unit - 1) / unit * unit }

    static func powerOfTwo(notAbove value: Int) -> Int {
        value < 1 ? 1 : 1 << (Int.bitWidth - 1 - value.leadingZeroBitCount)
    }
}
