// The seam between a shard and the rule that chooses who makes room.
//
// DESIGN: a rule sees entries come, be read, be overwritten and go, and names a victim. Its state is block numbers in
// the arena: the `previous`/`next` links and four history bits of each header, and a table of its own whose size it
// states. The shard calls `Rule`, a closed enumeration rather than an existential: one predictable switch on the hit
// path. Each case is two pointers, so that the rule is as large for LRU as it is for the others. A further rule is a
// type in a file of its own and a case here; Shard does not change.
//
// What is stale is in no rule's care: it goes first under each of them, the one that expired first in front.

/// A replaceable rule of eviction over the entries of one shard; every hook runs under the shard's lock.
protocol EvictionRule {
    /// Bytes of table that the rule needs in the arena for a shard of so many blocks.
    static func tableBytes(blocks: Int) -> Int

    /// An entry came whose key was not held.
    func onInsert(_ block: Block)
    /// An entry came back into the rule's care, with its history: it has another size now, or its life began anew.
    func onReturn(_ block: Block)
    /// An entry was read.
    func onHit(_ block: Block)
    /// An entry was overwritten in place.
    func onUpdate(_ block: Block)
    /// An entry leaves the rule's care, because it goes or because it has become stale.
    func onRemove(_ block: Block, cause: RemovalCause)
    /// The entry that should go next so that `needed` blocks are free, or none when the rule holds no entry.
    ///
    /// Called while fewer are free. It stays until `onRemove`; a rule may rearrange what it holds to find it.
    func victim(for needed: Int) -> Block
    /// Forgets everything.
    func reset()
}

/// Why an entry left.
public enum RemovalCause: UInt8, Sendable, Hashable, CaseIterable {
    /// Memory was needed, and the eviction rule named it.
    case capacity
    /// Memory was needed, and it was past its expiry.
    case stale
    /// Its life, and the time it was kept beyond it, were over.
    case expired
    /// A write brought a value of another size, or one too large to hold.
    case replaced
    /// It was removed by name, or with everything else.
    case removed
}

/// The rule in use: a closed set, chosen by configuration.
@usableFromInline
enum Rule {
    case lru(LRU)
    case s3FIFO(S3FIFO)
    case wTinyLFU(WTinyLFU)

    static func tableBytes(_ kind: EvictionRuleKind, blocks: Int) -> Int {
        switch kind {
        case .lru: LRU.tableBytes(blocks: blocks)
        case .s3FIFO: S3FIFO.tableBytes(blocks: blocks)
        case .wTinyLFU: WTinyLFU.tableBytes(blocks: blocks)
        }
    }

    /// `table` is zero; `blocks` is where block 0 would be.
    init(
        _ kind: EvictionRuleKind, table: UnsafeMutableRawPointer, blocks: UnsafeMutableRawPointer, blockCount: Int
    ) {
        switch kind {
        case .lru: self = .lru(LRU(table: table, blocks: blocks))
        case .s3FIFO: self = .s3FIFO(S3FIFO(table: table, blocks: blocks, blockCount: blockCount))
        case .wTinyLFU: self = .wTinyLFU(WTinyLFU(table: table, blocks: blocks, blockCount: blockCount))
        }
    }

    @inlinable @inline(__always)
    func onHit(_ block: Block) {
        switch self {
        case .lru(let rule): rule.onHit(block)
        case .s3FIFO(let rule): rule.onHit(block)
        case .wTinyLFU(let rule): rule.onHit(block)
        }
    }

    func onInsert(_ block: Block) {
        switch self {
        case .lru(let rule): rule.onInsert(block)
        case .s3FIFO(let rule): rule.onInsert(block)
        case .wTinyLFU(let rule): rule.onInsert(block)
        }
    }

    func onReturn(_ block: Block) {
        switch self {
        case .lru(let rule): rule.onReturn(block)
        case .s3FIFO(let rule): rule.onReturn(block)
        case .wTinyLFU(let rule): rule.onReturn(block)
        }
    }

    func onUpdate(_ block: Block) {
        switch self {
        case .lru(let rule): rule.onUpdate(block)
        case .s3FIFO(let rule): rule.onUpdate(block)
        case .wTinyLFU(let rule): rule.onUpdate(block)
        }
    }

    func onRemove(_ block: Block, cause: RemovalCause) {
        switch self {
        case .lru(let rule): rule.onRemove(block, cause: cause)
        case .s3FIFO(let rule): rule.onRemove(block, cause: cause)
        case .wTinyLFU(let rule): rule.onRemove(block, cause: cause)
        }
    }

    func victim(for needed: Int) -> Block {
        switch self {
        case .lru(let rule): rule.victim(for: needed)
        case .s3FIFO(let rule): rule.victim(for: needed)
        case .wTinyLFU(let rule): rule.victim(for: needed)
        }
    }

    func reset() {
        switch self {
        case .lru(let rule): rule.reset()
        case .s3FIFO(let rule): rule.reset()
        case .wTinyLFU(let rule): rule.reset()
        }
    }
}
