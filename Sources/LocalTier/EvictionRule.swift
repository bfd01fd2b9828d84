// The seam between a shard and the rule that chooses who makes room.
//
// DESIGN: a rule sees entries come, be read, be overwritten and go, and names a victim. Its state is block numbers in
// the arena: the `previous`/`next` links and four history bits of each header, and a table of its own whose size it
// states. The shard calls `Rule`, a closed enumeration rather than an existential: one predictable switch on the hit
// path. A further rule is a type in a file of its own and a case here; Shard does not change.

/// A replaceable rule of eviction over the entries of one shard; every hook runs under the shard's lock.
protocol EvictionRule {
    /// Bytes of table that the rule needs in the arena for a shard of so many blocks.
    static func tableBytes(blocks: Int) -> Int

    /// An entry came; `history` is the four bits that it had before it was replaced by a larger or smaller one, else 0.
    func onInsert(_ block: Block, history: UInt8)
    /// An entry was read.
    func onHit(_ block: Block)
    /// An entry was overwritten in place.
    func onUpdate(_ block: Block)
    /// An entry leaves the rule's care, because it goes or because it has become stale.
    func onRemove(_ block: Block, cause: RemovalCause)
    /// The entry that should go next, or none when the rule holds no entry; it stays until `onRemove`.
    func victim() -> Block
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

    static func tableBytes(_ kind: EvictionRuleKind, blocks: Int) -> Int {
        switch kind {
        case .lru: LRU.tableBytes(blocks: blocks)
        }
    }

    init(_ kind: EvictionRuleKind, table: UnsafeMutableRawPointer, blocks: UnsafeMutableRawPointer) {
        switch kind {
        case .lru: self = .lru(LRU(table: table, blocks: blocks))
        }
    }

    @inlinable @inline(__always)
    func onHit(_ block: Block) {
        switch self {
        case .lru(let rule): rule.onHit(block)
        }
    }

    func onInsert(_ block: Block, history: UInt8) {
        switch self {
        case .lru(let rule): rule.onInsert(block, history: history)
        }
    }

    func onUpdate(_ block: Block) {
        switch self {
        case .lru(let rule): rule.onUpdate(block)
        }
    }

    func onRemove(_ block: Block, cause: RemovalCause) {
        switch self {
        case .lru(let rule): rule.onRemove(block, cause: cause)
        }
    }

    func victim() -> Block {
        switch self {
        case .lru(let rule): rule.victim()
        }
    }

    func reset() {
        switch self {
        case .lru(let rule): rule.reset()
        }
    }
}
