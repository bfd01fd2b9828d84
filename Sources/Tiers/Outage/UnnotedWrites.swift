// Keys of which the journal's disk says something else than is true, because it took no note of what became of a write.
//
// DESIGN. The next process would replay such a write over whatever Redis has been given since: one that was refused,
// whose bytes may be there all the same; or one that is done in Redis. Of those Redis keeps a marker, which FLUSHDB
// would remove with the rest; a record keeps no marker, and remembers its last sixteen writes. So a later write of the
// key is sent to Redis only when the disk has the note: whoever has one asks the keeper to try. What is known ends with
// the process.

internal import Primitives
internal import Synchronization

/// Keys whose later writes must not be acknowledged by Redis yet; safe from any thread.
public final class UnnotedWrites: Sendable {
    private struct Table {
        /// Of the refused writes, and how many segments the log had opened by then: each opening notes all before it.
        var refused: Set<HashedKey> = []
        var opening = 0
        /// Of the writes that are done.
        var done: Set<HashedKey> = []
        /// Whether writes of other keys are done as well: what removes every key removes their markers.
        var hasMarked = false

        var count: Int { refused.count + done.count }

        func contains(_ key: [UInt8]) -> Bool {
            let key = HashedKey(key)
            return refused.contains(key) || done.contains(key)
        }
    }

    private let table = Locked(Table())
    private let hasAny = Atomic<Bool>(false)

    init() {}

    /// Whether there are none, which every write asks.
    public var isEmpty: Bool { !hasAny.load(ordering: .acquiring) }

    /// How many keys there are; one that is there for both reasons counts twice.
    public var keyCount: Int { isEmpty ? 0 : table.withLock { $0.count } }

    /// Whether one of these keys is among them; where none is named, whether what removes every key has to wait.
    public func contains(anyOf keys: [[UInt8]]) -> Bool {
        !isEmpty && (keys.isEmpty || table.withLock { table in keys.contains { table.contains($0) } })
    }

    /// How many there are under a prefix. Complexity: O(n).
    func count(under prefix: [UInt8]) -> Int {
        if isEmpty { return 0 }
        return table.withLock { $0.refused.union($0.done).count { $0.bytes.starts(with: prefix) } }
    }

    // MARK: The keeper's side

    /// A commit of writes of these keys was refused. At most as many are kept as one commit has: nothing is written
    /// before the log has opened a segment, and with that the ones before are noted.
    func refuse(_ keys: some Sequence<[UInt8]>, opening: Int) {
        change { table in
            if table.opening != opening { table.refused = [] }
            table.opening = opening
            table.refused.formUnion(keys.lazy.map { HashedKey($0) })
        }
    }

    /// Writes of records are done, of these keys, and others. There are as many at most as the journal had entries.
    func finish(records keys: some Sequence<[UInt8]>) {
        change { table in
            table.done.formUnion(keys.lazy.map { HashedKey($0) })
            table.hasMarked = true
        }
    }

    /// The disk has the note of all that was refused.
    func noteRefused() { if !isEmpty { change { $0.refused = [] } } }

    /// The disk has the note of all that is done.
    func noteDone() { if !isEmpty { change { ($0.done, $0.hasMarked) = ([], false) } } }

    private func change(_ body: (inout Table) -> Void) {
        table.withLock { table in
            body(&table)
            hasAny.store(table.count > 0 || table.hasMarked, ordering: .releasing)
        }
    }
}
