// One shard of the local tier: where its tables lie, and what it counts. Its verbs are in the files beside this one.
//
// DESIGN: `ShardTables` are pointers that never change; all that changes lies in the arena, under the shard's lock.
// Whoever calls a method of `Shard` holds that lock. `Shard` is one pointer to its tables rather than the tables:
// passed as a value of 200 bytes they were copied on each hit, for a call that is hardly ever made. `ShardState` is
// what changes and is small; it fits the 448 bytes which the layout gives it.

public import Primitives

/// What changes in a shard besides its tables; lies in the arena.
struct ShardState {
    var freeBlocks: Int
    /// The block at which the search for free ones goes on.
    var cursor: Int
    var entryCount: Int
    /// Bumped when everything is removed: cancels every fill.
    var fillGeneration: UInt32
    /// Entries past their expiry, the one that expired first in front.
    var stale: ListEnds
    var wheel: WheelState
    var removedByCapacity: UInt64
    var removedAsStale: UInt64
    var removedAsExpired: UInt64
    var removedAsReplaced: UInt64
    var removedByName: UInt64
    var neverRead: UInt64
    var fillsCancelled: UInt64
    var tooLarge: UInt64
    var created: UInt64
}

/// Where a shard's tables lie: pointers into the arena, and sizes.
@usableFromInline
struct ShardTables {
    @usableFromInline let lock: ShardGuard
    @usableFromInline let buckets: UnsafeMutablePointer<Block>
    @usableFromInline let bucketMask: UInt32
    let fillMask: UInt32
    /// Where block 0 would be; blocks are numbered from 1.
    @usableFromInline let blocks: UnsafeMutableRawPointer
    @usableFromInline let nextBlock: UnsafeMutablePointer<Block>
    @usableFromInline let rule: Rule
    let fills: UnsafeMutablePointer<UInt32>
    let state: UnsafeMutablePointer<ShardState>
    let map: FreeMap
    let wheel: TimingWheel
    let stale: EntryList
    let blockCount: Int
    let bucketCount: Int
    /// The largest entry, in blocks: a quarter of the shard, and 2 GiB in any case.
    let entryBlocksMax: Int

    init(_ index: Int, of arena: Arena, rule kind: EvictionRuleKind) {
        let layout = arena.layout
        let base = arena.shardBase(index)
        let state = (base + layout.stateOffset).bindMemory(to: ShardState.self, capacity: 1)
        lock = ShardGuard(at: base)
        buckets = (base + layout.bucketsOffset).bindMemory(to: Block.self, capacity: layout.bucketCount)
        bucketMask = UInt32(layout.bucketCount - 1)
        blocks = base + layout.blocksOffset - Block.bytes
        nextBlock = (base + layout.nextOffset).bindMemory(to: Block.self, capacity: layout.blockCount + 1)
        rule = Rule(
            kind, table: base + layout.ruleOffset, blocks: blocks, blockCount: layout.blockCount)
        fills = (base + layout.fillsOffset).bindMemory(to: UInt32.self, capacity: layout.fillSlotCount)
        fillMask = UInt32(layout.fillSlotCount - 1)
        self.state = state
        map = FreeMap(at: base + layout.mapOffset, blocks: layout.blockCount)
        let inState = UnsafeMutableRawPointer(state)
        wheel = TimingWheel(
            state: (inState + MemoryLayout<ShardState>.offset(of: \.wheel)!).assumingMemoryBound(to: WheelState.self),
            slots: base + layout.wheelOffset, blocks: blocks)
        stale = EntryList(
            ends: (inState + MemoryLayout<ShardState>.offset(of: \.stale)!).assumingMemoryBound(to: ListEnds.self),
            blocks: blocks)
        blockCount = layout.blockCount
        bucketCount = layout.bucketCount
        entryBlocksMax = min(layout.blockCount / 4, 1 << 25)
        precondition(MemoryLayout<ShardState>.size <= layout.wheelOffset - layout.stateOffset, "BUG: ShardState grew")
        prepareEmpty()
    }

    /// Sets what must not be zero in an arena that is; touches no table of the size of the arena.
    private func prepareEmpty() {
        state.pointee.freeBlocks = blockCount
        state.pointee.cursor = 1
        map.reset(blocks: blockCount)
    }
}

/// One shard: a pointer to its tables, and the verbs.
@usableFromInline
struct Shard {
    @usableFromInline let tables: UnsafePointer<ShardTables>

    @inlinable @inline(__always)
    init(_ tables: UnsafePointer<ShardTables>) { self.tables = tables }

    @inlinable var lock: ShardGuard { tables.pointee.lock }
    @inlinable var buckets: UnsafeMutablePointer<Block> { tables.pointee.buckets }
    @inlinable var bucketMask: UInt32 { tables.pointee.bucketMask }
    @inlinable var blocks: UnsafeMutableRawPointer { tables.pointee.blocks }
    @inlinable var nextBlock: UnsafeMutablePointer<Block> { tables.pointee.nextBlock }
    @inlinable var rule: Rule { tables.pointee.rule }
    var fills: UnsafeMutablePointer<UInt32> { tables.pointee.fills }
    var state: UnsafeMutablePointer<ShardState> { tables.pointee.state }
    var map: FreeMap { tables.pointee.map }
    var wheel: TimingWheel { tables.pointee.wheel }
    var stale: EntryList { tables.pointee.stale }
    var blockCount: Int { tables.pointee.blockCount }
    var bucketCount: Int { tables.pointee.bucketCount }
    var entryBlocksMax: Int { tables.pointee.entryBlocksMax }

    @inlinable @inline(__always)
    func header(_ block: Block) -> UnsafeMutablePointer<EntryHeader> {
        (blocks + Int(block.number) << Block.shift).assumingMemoryBound(to: EntryHeader.self)
    }

    @inlinable @inline(__always)
    func address(_ block: Block) -> UnsafeMutableRawPointer { blocks + Int(block.number) << Block.shift }

    /// The upper half of the hash: the entry's tag, whose low bits choose its bucket.
    @inlinable @inline(__always)
    func tag(_ hash: KeyHash) -> UInt32 { UInt32(truncatingIfNeeded: hash.rawValue >> 32) }

    /// The fill slot of a hash, from bits that choose neither shard nor bucket.
    func fillSlot(_ hash: KeyHash) -> Int {
        Int(UInt32(truncatingIfNeeded: hash.rawValue >> 8) & tables.pointee.fillMask)
    }

    /// Cancels the fills under way for this hash (and for those few that share its slot).
    func cancelFills(_ hash: KeyHash) { fills[fillSlot(hash)] &+= 1 }
}
