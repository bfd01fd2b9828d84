// The writes that wait for Redis, by key: what reads are answered from, and what a replay takes next.
//
// DESIGN: each key has a chain of entries in the order of their acceptance; an entry over several keys stands in the
// chain of each. An entry may be replayed when it is the first of all its chains, so that order holds per key and many
// keys go side by side. The keeper's thread appends, the replaying worker takes and finishes, every worker reads; all
// of it under one lock, held without I/O. Nothing is looked up while nothing is pending: an atomic says so.

public import Primitives
public import State
internal import Synchronization

/// Every write that the journal holds for Redis; safe from any thread.
public final class PendingWrites: Sendable {
    /// What a key with entries will hold when all of them are done, as far as is known here.
    public enum Value: Sendable, Equatable {
        case held(HeldValue)
        case absent
        /// The entries change something that nobody here knows.
        case unknown
    }

    /// Entries to be replayed together: one after another, in one script.
    struct Unit: Sendable {
        var sequences: [UInt64]
        var writes: [JournaledWrite]
        var acceptedAt: [Timestamp]
        var keys: [[UInt8]]
    }

    fileprivate enum Stage {
        case waiting
        /// On its way to Redis, or done there and being settled.
        case inFlight
        /// About to be superseded by a write that is being committed.
        case claimed
    }

    fileprivate struct Entry {
        let write: JournaledWrite
        let acceptedAt: Timestamp
        var stage = Stage.waiting
        /// It was on its way to Redis once, and nobody knows how far it came.
        var wasAttempted = false
    }

    /// A committed write that takes its place among those that wait.
    struct Accepted {
        let sequence: UInt64
        let write: JournaledWrite
        let acceptedAt: Timestamp
        /// Its first key.
        let key: HashedKey
        /// Entries of its one key that it makes needless, the newest first; they were claimed.
        let superseded: [UInt64]
        /// What each of its keys holds after it.
        let values: FewKeys<Value>
    }

    fileprivate struct Chain {
        var queue = SequenceQueue()
        var value: Value

        /// Puts an entry behind the others, in the place of the last ones where it supersedes these; whether it is the
        /// first now.
        mutating func append(_ sequence: UInt64, _ value: Value, superseding superseded: [UInt64]) -> Bool {
            for old in superseded { queue.remove(old) }
            queue.append(sequence)
            self.value = value
            return queue.first == sequence
        }
    }

    fileprivate struct Table {
        var entries = NumberTable<Entry>()
        var chains: [HashedKey: Chain] = [:]
        /// Entries that may be replayed, in the order in which they became so; some may have gone meanwhile.
        var ready = SequenceQueue()
        /// All entries as they were accepted, with some that have gone since.
        var order: [UInt64] = []
        /// How many of them bring a message.
        var messages = 0
    }

    private let table = Locked(Table())
    private let count = Atomic<Int>(0)
    /// What the disk should say of writes that are no longer pending, and does not.
    public let unnoted = UnnotedWrites()

    public init() {}

    /// Messages that go to their streams with the writes that wait.
    public var messageCount: Int { isEmpty ? 0 : table.withLock { $0.messages } }

    /// Whether anything waits at all: what every read asks first.
    public var isEmpty: Bool { count.load(ordering: .acquiring) == 0 }
    public var entryCount: Int { count.load(ordering: .acquiring) }
    public var keyCount: Int { table.withLock { $0.chains.count } }

    /// What the entries of a key come to; nil where it has none.
    public func value(of key: [UInt8]) -> Value? { isEmpty ? nil : value(of: HashedKey(key)) }

    func value(of key: HashedKey) -> Value? { isEmpty ? nil : table.withLock { $0.chains[key]?.value } }

    /// Whether a key has an entry.
    func has(_ key: [UInt8]) -> Bool { !isEmpty && has(HashedKey(key)) }

    func has(_ key: HashedKey) -> Bool { !isEmpty && table.withLock { $0.chains[key] != nil } }

    /// How many entries wait for a key.
    public func entryCount(of key: [UInt8]) -> Int {
        let key = HashedKey(key)
        return table.withLock { $0.chains[key]?.queue.count ?? 0 }
    }

    /// Whether any of these keys has an entry; of all keys, where none is named.
    public func hasAny(of keys: [[UInt8]]) -> Bool {
        guard !isEmpty else { return false }
        return keys.isEmpty || table.withLock { table in keys.contains { table.chains[HashedKey($0)] != nil } }
    }

    /// Whether every entry of these keys is on its way to Redis, or done there and being settled; false where no key is
    /// named.
    func isAllInFlight(of keys: [[UInt8]]) -> Bool {
        guard !keys.isEmpty else { return false }
        return table.withLock { table in
            keys.allSatisfy { key in
                // They are taken in order: behind one that is under way none waits before it.
                guard let last = table.chains[HashedKey(key)]?.queue.last else { return true }
                return table.entries[last]?.stage == .inFlight
            }
        }
    }

    /// Entries that wait, oldest first, of those after `sequence`: `limit` at most, and about `bytesMax` bytes.
    public func list(
        after sequence: UInt64, limit: Int, bytesMax: Int
    ) -> [(sequence: UInt64, acceptedAt: Timestamp, write: JournaledWrite)] {
        table.withLock { table in
            var found: [(sequence: UInt64, acceptedAt: Timestamp, write: JournaledWrite)] = []
            var bytes = 0
            let start = table.order.partitioningIndex { $0 > sequence }
            for sequence in table.order[start...] {
                guard found.count < limit, bytes < bytesMax else { break }
                guard let entry = table.entries[sequence] else { continue }
                found.append((sequence, entry.acceptedAt, entry.write))
                bytes += entry.write.byteCount
            }
            return found
        }
    }

    /// How many entries concern a key under `prefix`. Complexity: O(keys).
    public func entryCount(under prefix: [UInt8]) -> Int {
        guard !isEmpty else { return 0 }
        return table.withLock { table in
            var entries: Set<UInt64> = []
            for (key, chain) in table.chains where key.bytes.starts(with: prefix) { entries.formUnion(chain.queue) }
            return entries.count
        }
    }

    /// Whether an entry is for another Redis than that of `address`.
    public func hasAny(notFor address: UInt64) -> Bool {
        !isEmpty && table.withLock { $0.entries.values.contains { $0.write.redisAddress != address } }
    }

    // MARK: The keeper's side

    /// Takes over what a journal held when it was opened, oldest first.
    func restore(_ entries: [(sequence: UInt64, acceptedAt: Timestamp, write: JournaledWrite)]) {
        for entry in entries {
            let bases = Dictionary(uniqueKeysWithValues: entry.write.bases.map { ($0.key, $0.base) })
            let before = table.withLock { table in
                Dictionary(uniqueKeysWithValues: bases.keys.map { ($0, table.chains[HashedKey($0)]?.value) })
            }
            let results = entry.write.results(now: entry.acceptedAt) { key in
                if case .held(let held)?? = before[key] { return held }
                return before[key] ?? nil == nil ? bases[key]?.held : nil
            }
            var first: [[UInt8]: StringWrite] = [:]
            for operation in entry.write.operations where first[operation.key] == nil {
                first[operation.key] = operation.write
            }
            var values = FewKeys<Value>()
            for (key, result) in results {
                let isKnown =
                    first[key]?.isAbsolute ?? false || bases[key]?.held != nil
                    || (before[key] ?? nil).map { $0 != .unknown } ?? false
                values.set(key, isKnown ? result.map { .held($0) } ?? .absent : .unknown)
            }
            let accepted = Accepted(
                sequence: entry.sequence, write: entry.write, acceptedAt: entry.acceptedAt,
                key: HashedKey(entry.write.bases[0].key), superseded: [], values: values)
            append(CollectionOfOne(accepted))
        }
        // How far an earlier process came with them nobody knows.
        table.withLock { table in for entry in entries { table.entries[entry.sequence]?.wasAttempted = true } }
    }

    /// Claims the entries of `key` that a write which replaces everything makes needless, the newest first, and the
    /// base that such a write has in their place; nil where there are none, or too much is uncertain.
    func claimSuperseded(_ key: HashedKey) -> (sequences: [UInt64], base: Base)? {
        guard !isEmpty else { return nil }
        return table.withLock { table in
            guard let chain = table.chains[key] else { return nil }
            var sequences: [UInt64] = []
            var areSets = true
            var mayBeInRedis = false
            chain.queue.forEachFromLast { sequence in
                guard let entry = table.entries[sequence], entry.stage == .waiting, entry.write.bases.count == 1,
                    entry.write.record == nil
                else { return false }
                sequences.append(sequence)
                areSets = areSets && entry.write.isSet
                mayBeInRedis = mayBeInRedis || entry.write.wasSent || entry.wasAttempted
                return sequences.count < Self.supersededMax
            }
            guard let first = sequences.last, var base = table.entries[first]?.write.bases[0].base else { return nil }
            // A write that nothing is known before must not inherit that from a deletion or an APPEND, which are done
            // on whatever is there.
            if base.isUnknown, !areSets { return nil }
            // Whatever of them may be in Redis already is our own, and no conflict.
            for (index, sequence) in sequences.enumerated() where mayBeInRedis {
                guard let entry = table.entries[sequence], entry.write.wasSent || entry.wasAttempted else { continue }
                let after =
                    index == 0
                    ? chain.value.state : table.entries[sequences[index - 1]]?.write.bases[0].base.states.first
                guard let after else { return nil }
                if !base.states.contains(after) { base.states.append(after) }
            }
            guard base.states.count < Base.statesMax else { return nil }
            for sequence in sequences { table.entries[sequence]?.stage = .claimed }
            base.held = nil
            return (sequences, base)
        }
    }

    /// Entries superseded by one write at most, so that its record stays small.
    private static let supersededMax = 1024

    /// The write that claimed these could not be committed: they wait as before.
    func release(_ sequences: [UInt64]) {
        guard !sequences.isEmpty else { return }
        table.withLock { table in
            for sequence in sequences {
                table.entries[sequence]?.stage = .waiting
                table.offer(sequence)
            }
        }
    }

    /// Committed entries take their places, in their order; what they supersede goes.
    func append(_ accepted: some Collection<Accepted>) {
        table.withLock { table in
            for entry in accepted { table.append(entry) }
            count.store(table.entries.count, ordering: .releasing)
        }
    }

    // MARK: The replay's side

    /// The next entries that may be replayed together; nil when all that could be are under way.
    ///
    /// Entries of one key alone follow each other into one unit, up to `entryMax` of them and about `bytesMax` bytes.
    func takeUnit(entryMax: Int, bytesMax: Int) -> Unit? {
        table.withLock { table in
            while let sequence = table.ready.popFirst() {
                guard table.isReady(sequence), let entry = table.entries[sequence] else { continue }
                let keys = entry.write.keys
                var unit = Unit(
                    sequences: [sequence], writes: [entry.write], acceptedAt: [entry.acceptedAt], keys: keys)
                var bytes = entry.write.byteCount
                // A record knows so many of its last writes: no more are done between two looks at it.
                let entryMax = entry.write.record == nil ? entryMax : min(entryMax, Record.operationsMax)
                if keys.count == 1, let chain = table.chains[HashedKey(keys[0])] {
                    for next in chain.queue.dropFirst() {
                        guard unit.sequences.count < entryMax, bytes < bytesMax, let following = table.entries[next],
                            following.stage == .waiting, following.write.bases.count == 1,
                            (following.write.record == nil) == (entry.write.record == nil)
                        else { break }
                        unit.sequences.append(next)
                        unit.writes.append(following.write)
                        unit.acceptedAt.append(following.acceptedAt)
                        bytes += following.write.byteCount
                    }
                }
                for sequence in unit.sequences { table.entries[sequence]?.stage = .inFlight }
                return unit
            }
            return nil
        }
    }

    /// What became of these is unknown, or nothing did: they wait again.
    func giveBack(_ sequences: [UInt64], wasAttempted: Bool) {
        table.withLock { table in
            for sequence in sequences {
                table.entries[sequence]?.stage = .waiting
                if wasAttempted { table.entries[sequence]?.wasAttempted = true }
                table.offer(sequence)
            }
        }
    }

    /// The keys of those among these that write records.
    func recordKeys(of sequences: [UInt64]) -> [[UInt8]] {
        table.withLock { table in
            sequences.compactMap { sequence in
                guard let write = table.entries[sequence]?.write, write.record != nil else { return nil }
                return write.bases[0].key
            }
        }
    }

    /// These are settled; the keys that have no entries any more, with what the last one made of them.
    func finish(_ sequences: [UInt64]) -> [(key: [UInt8], value: Value)] {
        table.withLock { table in
            var ended: [(key: [UInt8], value: Value)] = []
            for sequence in sequences { ended += table.remove(sequence) }
            count.store(table.entries.count, ordering: .releasing)
            return ended
        }
    }

    /// Takes entries out of the replay's reach, to be discarded; those under way stay.
    func claim(_ sequences: [UInt64]?) -> [UInt64] {
        table.withLock { table in
            let wanted = sequences.map { Set($0) } ?? Set(table.entries.numbers)
            let claimed = Array(wanted.filter { table.entries[$0]?.stage == .waiting })
            for sequence in claimed { table.entries[sequence]?.stage = .claimed }
            return claimed
        }
    }
}

extension PendingWrites {
    /// Takes entries of keys under `prefix` alone out of the replay's reach, to be erased; those under way stay.
    func claim(under prefix: [UInt8]) -> [UInt64] {
        table.withLock { table in
            let claimed = table.entries.numbers.filter { sequence in
                guard let entry = table.entries[sequence], entry.stage == .waiting else { return false }
                return entry.write.bases.allSatisfy { $0.key.starts(with: prefix) }
            }.sorted()
            for sequence in claimed { table.entries[sequence]?.stage = .claimed }
            return claimed
        }
    }
}

extension PendingWrites.Value {
    /// As a base knows it.
    var state: KnownState? {
        switch self {
        case .held(let held): KnownState(held)
        case .absent: .absent
        case .unknown: nil
        }
    }
}

extension PendingWrites.Table {
    /// Whether an entry waits and is the first of all its chains.
    fileprivate func isReady(_ sequence: UInt64) -> Bool {
        guard let entry = entries[sequence], entry.stage == .waiting else { return false }
        return entry.write.bases.allSatisfy { chains[HashedKey($0.key)]?.queue.first == sequence }
    }

    fileprivate mutating func offer(_ sequence: UInt64) {
        if isReady(sequence) { ready.append(sequence) }
    }

    /// Lets a committed entry take its place.
    fileprivate mutating func append(_ accepted: PendingWrites.Accepted) {
        let (sequence, write) = (accepted.sequence, accepted.write)
        for old in accepted.superseded { _ = entries.removeValue(forNumber: old) }
        if !accepted.superseded.isEmpty { compactOrder() }
        entries[sequence] = PendingWrites.Entry(write: write, acceptedAt: accepted.acceptedAt)
        if write.record?.emission != nil { messages += 1 }
        order.append(sequence)
        guard write.bases.count > 1 else {
            let value = accepted.values[accepted.key.bytes] ?? .unknown
            // In place: a chain may be long, and a copy of it would be as long.
            let isFirst = chains[accepted.key, default: PendingWrites.Chain(value: .unknown)]
                .append(sequence, value, superseding: accepted.superseded)
            if isFirst { ready.append(sequence) }
            return
        }
        for (key, _) in write.bases {
            _ = chains[HashedKey(key), default: PendingWrites.Chain(value: .unknown)]
                .append(sequence, accepted.values[key] ?? .unknown, superseding: [])
        }
        offer(sequence)
    }

    /// Lets go of the numbers of entries that have gone, when they are the half.
    private mutating func compactOrder() {
        guard order.count > 64, order.count > 2 * entries.count else { return }
        let held = entries
        order.removeAll { held[$0] == nil }
    }

    /// Takes an entry out of its chains; the keys whose chain ended with it.
    fileprivate mutating func remove(_ sequence: UInt64) -> [(key: [UInt8], value: PendingWrites.Value)] {
        guard let entry = entries.removeValue(forNumber: sequence) else { return [] }
        if entry.write.record?.emission != nil { messages -= 1 }
        compactOrder()
        var ended: [(key: [UInt8], value: PendingWrites.Value)] = []
        for (key, _) in entry.write.bases {
            let hashed = HashedKey(key)
            guard var chain = chains.removeValue(forKey: hashed) else { continue }
            chain.queue.remove(sequence)
            if let next = chain.queue.first {
                chains[hashed] = chain
                offer(next)
            } else {
                ended.append((key, chain.value))
            }
        }
        return ended
    }
}

/// Sequence numbers in order, taken from the front as a rule; the first allocates nothing.
private struct SequenceQueue: Sequence {
    private(set) var first: UInt64?
    /// Those behind it, from `head` on.
    private var items: [UInt64] = []
    private var head = 0

    private var behind: ArraySlice<UInt64> { items[head...] }
    var last: UInt64? { head < items.count ? items.last : first }
    var count: Int { first == nil ? 0 : 1 + items.count - head }

    struct Iterator: IteratorProtocol {
        var first: UInt64?
        var behind: IndexingIterator<ArraySlice<UInt64>>

        mutating func next() -> UInt64? { first.take() ?? behind.next() }
    }

    func makeIterator() -> Iterator { Iterator(first: first, behind: behind.makeIterator()) }

    /// Shows the numbers from the last one on, until `body` says that it has seen enough.
    func forEachFromLast(_ body: (UInt64) -> Bool) {
        guard let first else { return }
        for item in behind.reversed() where !body(item) { return }
        _ = body(first)
    }

    mutating func append(_ item: UInt64) {
        if first == nil { first = item } else { items.append(item) }
    }

    mutating func popFirst() -> UInt64? {
        guard let item = first else { return nil }
        guard head < items.count else {
            first = nil
            (items, head) = ([], 0)
            return item
        }
        first = items[head]
        head += 1
        if head > 64, head * 2 > items.count {
            items.removeSubrange(..<head)
            head = 0
        }
        return item
    }

    /// Complexity: O(1) at either end, else O(n).
    mutating func remove(_ item: UInt64) {
        if first == item {
            _ = popFirst()
        } else if head < items.count, items.last == item {
            items.removeLast()
        } else if let index = behind.firstIndex(of: item) {
            items.remove(at: index)
        }
    }
}

extension JournaledWrite {
    /// Bytes of keys and values, about.
    var byteCount: Int { operations.reduce(0) { $0 + $1.key.count + $1.write.valueBytes } }
}

extension Array {
    /// The first index whose element fulfils `predicate`, which no element before it and every one after it does.
    ///
    /// Complexity: O(log n).
    fileprivate func partitioningIndex(_ predicate: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
