// The newest deletions that a sidecar has heard of, in a ring of fixed size: in memory, and in pieces on its disk.
//
// | | |
// |---|---:|
// | tombstones | 131,072 |
// | bytes each on disk, and about as many as this in memory | 16, 56 |
// | pieces, and tombstones in each | 64, 2,048 |
//
// A tombstone says that whatever was verified at its moment or before is of a deleted key. One that the ring lets go
// leaves its moment behind: copies from before are no longer told apart (`forgottenUntil`).

internal import Primitives

struct TombstoneTable {
    static let capacity = 131_072
    static let pieceCount = 64
    static let pieceCapacity = capacity / pieceCount

    struct Tombstone: Equatable {
        var key: DeletedKey
        /// This host's clock when it heard of the deletion, in milliseconds since 1970.
        var time: Int64
        /// Deleted through this sidecar, whose own copies went with it: of use to others alone.
        var isOwn: Bool
    }

    private var ring: [Tombstone] = []
    /// Tombstones ever added: the next one's number.
    private(set) var total: UInt64 = 0
    /// When each key was deleted through another sidecar.
    private var times: [DeletedKey: Int64] = [:]
    /// Copies verified then or before may be of keys whose tombstones were let go.
    private(set) var forgottenUntil = Int64.min
    /// When the newest was heard of that was let go, whoever deleted.
    private(set) var droppedUntil = Int64.min

    var count: Int { ring.count }

    mutating func add(_ tombstone: Tombstone) {
        let place = Int(total % UInt64(Self.capacity))
        if place < ring.count { forget(ring[place]) }
        if place < ring.count { ring[place] = tombstone } else { ring.append(tombstone) }
        total += 1
        if !tombstone.isOwn { times[tombstone.key] = max(times[tombstone.key] ?? .min, tombstone.time) }
    }

    private mutating func forget(_ old: Tombstone) {
        droppedUntil = max(droppedUntil, old.time)
        guard !old.isOwn else { return }
        forgottenUntil = max(forgottenUntil, old.time)
        if times[old.key] == old.time { times[old.key] = nil }
    }

    /// When another sidecar deleted the key last, as far as is remembered.
    func time(of key: DeletedKey) -> Int64? { times[key] }

    /// Those that were heard of since a moment, oldest first.
    func tombstones(since time: Int64) -> [Tombstone] { ring.filter { $0.time >= time }.sorted { $0.time < $1.time } }

    // MARK: Pieces

    /// The numbers of the pieces that hold tombstones from number `from` on.
    func pieces(from: UInt64) -> [UInt64] {
        guard total > from else { return [] }
        let size = UInt64(Self.pieceCapacity)
        let oldest = total > UInt64(Self.capacity) ? total - UInt64(Self.capacity) : 0
        return Array(max(from, oldest) / size...(total - 1) / size)
    }

    /// The pieces that together hold all that is remembered.
    var allPieces: [UInt64] { pieces(from: 0) }

    /// The tombstones of a piece, from its first that is remembered on.
    func piece(_ number: UInt64) -> (first: UInt64, tombstones: ArraySlice<Tombstone>) {
        let size = UInt64(Self.pieceCapacity)
        let oldest = total > UInt64(Self.capacity) ? total - UInt64(Self.capacity) : 0
        let first = number * size
        let start = max(first, oldest)
        let end = min(first + size, total)
        guard start < end else { return (start, []) }
        let place = Int(start % UInt64(Self.capacity))
        return (start, ring[place..<place + Int(end - start)])
    }

    /// Takes back what pieces held: tombstones in the order of their numbers, the last of which is `total - 1`.
    mutating func restore(_ tombstones: [Tombstone], total: UInt64) {
        self = TombstoneTable()
        self.total = total - UInt64(tombstones.count)
        // The ring's places go by number: what is missing before the first is filled with what says nothing.
        let start = Int(self.total % UInt64(Self.capacity))
        let nothing = Tombstone(key: DeletedKey(rawValue: 0), time: .min, isOwn: true)
        ring = Array(repeating: nothing, count: self.total >= UInt64(Self.capacity) ? Self.capacity : start)
        for tombstone in tombstones { add(tombstone) }
    }
}
