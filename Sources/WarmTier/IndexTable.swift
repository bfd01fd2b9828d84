// One shard's table: open addressing, kept in the order of the hashes.
//
// DESIGN. An ordered hash table with linear probing (Amble and Knuth, "Ordered hash tables", 1974): the home of a hash
// is its share of the capacity, so that entries lie in the order of their hashes. Three things follow. A search for
// what is not there ends at the first larger hash, so that the table may be filled to 85 %. Growing is one sequential
// pass, and by 12 % at a time, so that the table is never below 76 % full after it: 24 bytes an entry become 28 to 32.
// And a cursor is a hash: a scan goes on where it was, whatever was inserted, removed or moved meanwhile.
//
// There is no wrapping: entries pushed beyond the last home lie in a margin behind it; if that fills up, the table
// grows.

struct IndexTable: ~Copyable {
    private var entries: UnsafeMutablePointer<IndexEntry>
    /// Homes; the allocation has a margin behind them.
    private var capacity: Int
    private var size: Int
    private(set) var count = 0

    private static let capacityMin = 16

    init() {
        capacity = Self.capacityMin
        size = Self.sizeFor(capacity)
        entries = .allocate(capacity: size)
        entries.initialize(repeating: .empty, count: size)
    }

    deinit { entries.deallocate() }

    private static func sizeFor(_ capacity: Int) -> Int { capacity + 24 + capacity / 128 }

    /// Bytes that the table occupies.
    var byteCount: Int { size * MemoryLayout<IndexEntry>.stride }

    @inline(__always)
    private func home(_ hash: UInt32) -> Int { Int((UInt64(hash) &* UInt64(capacity)) >> 32) }

    /// The first place that holds `hash`; if there is none, where it would have to lie.
    @inline(__always)
    func lowerBound(_ hash: UInt32) -> Int {
        var index = home(hash)
        while index < size, !entries[index].isEmpty, entries[index].hash < hash { index += 1 }
        return index
    }

    /// Whether `index` holds an entry of `hash`.
    @inline(__always)
    func holds(_ hash: UInt32, at index: Int) -> Bool {
        index < size && !entries[index].isEmpty && entries[index].hash == hash
    }

    @inline(__always)
    subscript(index: Int) -> IndexEntry {
        get { entries[index] }
        set { entries[index] = newValue }
    }

    /// The first occupied place at or after `index`, if there is one.
    func next(from index: Int) -> Int? {
        var index = index
        while index < size {
            if !entries[index].isEmpty { return index }
            index += 1
        }
        return nil
    }

    /// Inserts before other entries of the same hash: what is newer is found first.
    mutating func insert(_ entry: IndexEntry) {
        precondition(!entry.isEmpty)
        if (count + 1) * 100 > capacity * 85 { rebuild(room: count + 1) }
        while true {
            let index = lowerBound(entry.hash)
            var gap = index
            while gap < size, !entries[gap].isEmpty { gap += 1 }
            if gap < size {
                (entries + index + 1).update(from: entries + index, count: gap - index)
                entries[index] = entry
                count += 1
                return
            }
            rebuild(room: capacity)
        }
    }

    /// Removes the entry at `index`; those that were pushed beyond it move back.
    mutating func remove(at index: Int) {
        precondition(!entries[index].isEmpty, "BUG: removing an empty place")
        var end = index + 1
        while end < size, !entries[end].isEmpty, home(entries[end].hash) < end { end += 1 }
        (entries + index).update(from: entries + index + 1, count: end - index - 1)
        entries[end - 1] = .empty
        count -= 1
    }

    /// Gives memory back when less than half is in use.
    mutating func shrinkIfSparse() {
        if capacity > 4 * Self.capacityMin, count * 2 < capacity { rebuild(room: count) }
    }

    mutating func reserve(_ room: Int) {
        if room * 100 > capacity * 85 { rebuild(room: room) }
    }

    mutating func removeAll() {
        entries.update(repeating: .empty, count: size)
        count = 0
        shrinkIfSparse()
    }

    /// Moves all entries to a table of which `room` would fill 76 %.
    private mutating func rebuild(room: Int) {
        var newCapacity = max(Self.capacityMin, room * 100 / 76 + 1)
        while true {
            let newSize = Self.sizeFor(newCapacity)
            let target = UnsafeMutablePointer<IndexEntry>.allocate(capacity: newSize)
            target.initialize(repeating: .empty, count: newSize)
            var last = -1
            var source = 0
            while source < size {
                if !entries[source].isEmpty {
                    let home = Int((UInt64(entries[source].hash) &* UInt64(newCapacity)) >> 32)
                    last = max(home, last + 1)
                    if last >= newSize { break }
                    target[last] = entries[source]
                }
                source += 1
            }
            if source == size {
                entries.deallocate()
                entries = target
                capacity = newCapacity
                size = newSize
                return
            }
            target.deallocate()
            newCapacity += newCapacity / 8 + 1
        }
    }
}
