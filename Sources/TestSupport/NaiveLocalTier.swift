// A local tier as simple as it can be said: what the real one is compared with.

public import Primitives

/// One shard's worth of entries in a dictionary, with lists in place of links: it predicts presence, content, order of
/// eviction and blocks used.
///
/// It knows the contract and no mechanism: an entry takes a block of 64 bytes and as many as its payload fills; when
/// room is needed, what expired first goes first, then whom the simulator of the rule names.
public struct NaiveLocalTier {
    public struct Entry {
        public var value: [UInt8]
        public var expiresAt: Timestamp
        public var verifiedAt: Timestamp
        public var staleFor: UInt32
        public var slidingFor: UInt32
        public var hardEnd: Timestamp
        /// The place in the order of staleness: its expiry, or the sweep before which it came too late.
        public var staleOrder = Timestamp.never
        public var isStale = false
        public var wasRead = false

        public init(
            value: [UInt8], expiresAt: Timestamp, verifiedAt: Timestamp, staleFor: UInt32, slidingFor: UInt32,
            hardEnd: Timestamp
        ) {
            self.value = value
            self.expiresAt = expiresAt
            self.verifiedAt = verifiedAt
            self.staleFor = staleFor
            self.slidingFor = slidingFor
            self.hardEnd = hardEnd
        }

        public var goneAt: Timestamp { expiresAt.advanced(byMilliseconds: Int64(staleFor) * 1000) }
    }

    public let blocksTotal: Int
    public private(set) var entries: [[UInt8]: Entry] = [:]
    /// Knows the keys that are not stale.
    public private(set) var rule: any NaiveRule
    /// Where entries that expire in the same millisecond go in an order that is not promised: says which have gone.
    public var hasGone: ([UInt8]) -> Bool = { _ in false }
    /// How keys are hashed; rules tell them apart by it.
    public var hash: ([UInt8]) -> KeyHash = { key in key.withUnsafeBytes { KeyHash($0) } }
    public private(set) var evictedByCapacity = 0
    public private(set) var evictedAsStale = 0
    public private(set) var freedAsExpired = 0
    public private(set) var neverRead = 0
    private var sweptTo = Timestamp(milliseconds: 0)

    public init(blocksTotal: Int, rule: any NaiveRule) {
        self.blocksTotal = blocksTotal
        self.rule = rule
    }

    public static func blocks(key: Int, value: Int, hasHardEnd: Bool) -> Int {
        1 + ((hasHardEnd ? 8 : 0) + key + value + 63) / 64
    }

    public var blocksUsed: Int { entries.reduce(0) { $0 + Self.blocks($1.key, $1.value) } }

    private static func blocks(_ key: [UInt8], _ entry: Entry) -> Int {
        blocks(key: key.count, value: entry.value.count, hasHardEnd: entry.hardEnd != .never)
    }

    /// Moves what has expired by `now` to the stale, and drops what was kept long enough.
    public mutating func sweep(_ now: Timestamp) {
        for (key, entry) in entries where entry.staleOrder <= now && entry.expiresAt <= now {
            if entry.goneAt <= now {
                freedAsExpired += 1
                drop(key)
            } else if !entry.isStale {
                entries[key]!.isStale = true
                rule.remove(key, isEvicted: false)
            }
        }
        sweptTo = max(sweptTo, now)
    }

    /// Stores an entry; returns false when it is too large (what the key had is gone then).
    public mutating func put(_ key: [UInt8], _ entry: Entry, now: Timestamp) -> Bool {
        var entry = entry
        entry.expiresAt = min(entry.expiresAt, entry.hardEnd)
        entry.staleOrder = max(entry.expiresAt, sweptTo)
        let needed = Self.blocks(key, entry)
        let item = item(key, blocks: needed)
        if let old = entries[key], Self.blocks(key, old) == needed {
            entries[key] = entry
            if old.isStale { rule.comesBack(item) } else { rule.use(key) }
            return true
        }
        let isNew = entries[key] == nil
        if !isNew { forget(key) }
        guard needed <= blocksTotal / 4 else { return false }
        while blocksTotal - blocksUsed < needed { evict(for: needed) }
        entries[key] = entry
        if isNew { rule.insert(item) } else { rule.comesBack(item) }
        return true
    }

    private func item(_ key: [UInt8], blocks: Int) -> NaiveItem {
        NaiveItem(key: key, blocks: blocks, tag: UInt32(hash(key).rawValue >> 32))
    }

    private mutating func evict(for needed: Int) {
        let stale = entries.filter { $0.value.isStale }
        guard let oldest = stale.values.map(\.staleOrder).min() else {
            evictedByCapacity += 1
            drop(rule.victim(for: needed), isEvicted: true)
            return
        }
        let candidates = stale.filter { $0.value.staleOrder == oldest }.keys
        evictedAsStale += 1
        // Of several that went at once the order is not known. The smallest first: any order in which all of them were
        // needed shows that they are needed in this one as well.
        let gone = candidates.filter(hasGone).min { Self.blocks($0, entries[$0]!) < Self.blocks($1, entries[$1]!) }
        drop(gone ?? candidates.first!)
    }

    private mutating func drop(_ key: [UInt8], isEvicted: Bool = false) {
        if !entries[key]!.wasRead { neverRead += 1 }
        forget(key, isEvicted: isEvicted)
    }

    private mutating func forget(_ key: [UInt8], isEvicted: Bool = false) {
        if !entries[key]!.isStale { rule.remove(key, isEvicted: isEvicted) }
        entries[key] = nil
    }

    /// The entry that a read is handed, if any; counts as a use and slides.
    public mutating func read(_ key: [UInt8], now: Timestamp) -> Entry? {
        guard var entry = entries[key], now < entry.goneAt else { return nil }
        entry.wasRead = true
        if !entry.isStale { rule.use(key) }
        if entry.slidingFor > 0, now < entry.expiresAt, entry.expiresAt != .never {
            let slid = now.advanced(byMilliseconds: Int64(entry.slidingFor))
            entry.expiresAt = max(entry.expiresAt, min(slid, entry.hardEnd))
            entry.staleOrder = entry.expiresAt
        }
        entries[key] = entry
        return entry
    }

    /// Changes expiry and stale time, as EXPIRE does.
    public mutating func expire(_ key: [UInt8], at expiresAt: Timestamp, staleFor: UInt32, now: Timestamp) -> Bool {
        guard var entry = entries[key], now < entry.goneAt else { return false }
        let expiresAt = min(expiresAt, entry.hardEnd)
        guard expiresAt != entry.expiresAt || staleFor != entry.staleFor else { return true }
        entry.expiresAt = expiresAt
        entry.staleFor = staleFor
        entry.staleOrder = max(expiresAt, sweptTo)
        if entry.isStale {
            entry.isStale = false
            rule.comesBack(item(key, blocks: Self.blocks(key, entry)))
        }
        entries[key] = entry
        return true
    }

    public mutating func invalidate(_ key: [UInt8]) -> Bool {
        entries[key]?.verifiedAt = .distantPast
        return entries[key] != nil
    }

    public mutating func remove(_ key: [UInt8]) -> Bool {
        guard entries[key] != nil else { return false }
        forget(key)
        return true
    }

    public mutating func removeAll() {
        entries = [:]
        rule.reset()
        sweptTo = Timestamp(milliseconds: 0)
    }
}
