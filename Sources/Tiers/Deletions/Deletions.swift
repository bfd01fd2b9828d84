// What this process knows of deletions: what it has read of their stream in Redis, and what that means for its copies.
//
// DESIGN. A copy on disk may be given back to a Redis that has lost the key, never to one from which it was deleted.
// Every deletion through a sidecar is an entry of one stream; the reader (`DeletionReader`, one for the process) turns
// entries of others into tombstones here, which say that what was verified until then is of a deleted key. The moment
// is this host's own, when the entry was read: later than the deletion, by whichever clock, so that an answer that was
// under way meanwhile is covered by it too. A promotion is compared with what the stream has beyond, by the script that
// promotes, so nothing depends on how far the reader lags.
//
// Deletions of this process take their own copies with them, and their entries mean nothing here, once those are on
// their way to the disk: a request has a ticket until then, and the reader waits behind an entry whose ticket is out.

public import Metrics
public import Primitives
internal import Synchronization

/// Deletions through sidecars, as a process knows them; safe from any thread.
public final class Deletions: Sendable {
    /// What may be given back to Redis.
    enum Standing: Equatable {
        /// There is no stream, by configuration.
        case off
        /// The stream is known up to here.
        case known(StreamPosition)
        /// Nothing until more is known.
        case waiting(String)
        /// Nothing: Redis refuses the stream.
        case refused
    }

    /// Deletions of one request of this process that were not read back yet.
    private struct Own {
        var keys: [DeletedKey]
        var isAll: Bool
        /// Monotonic nanoseconds.
        let begunAt: Int64
        var isUnderWay = true
    }

    private struct State {
        var standing = Standing.waiting(Deletions.unread)
        /// Monotonic nanoseconds before which nothing is given back, though the stream is known: another process
        /// answers.
        var graceUntil = Int64.min
        var table = TombstoneTable()
        var position: StreamPosition?
        var process: UInt64 = 0
        /// Copies verified before are not given to Redis.
        var unverifiedBefore = Timestamp.distantPast
        var heardAt = Timestamp.distantPast
        /// This process deleted every key then.
        var flushedAt = Timestamp.distantPast
        var own: [UInt64: Own] = [:]
        var nextTicket: UInt64 = 1
    }

    private static let unread = "the deletions of other sidecars have not been read yet"
    /// The most requests whose deletions were not read back; those beyond are read as if they were others'.
    static let ownMax = 65_536
    /// How long a request's deletions are waited for in the stream, in nanoseconds: it may never have reached Redis.
    private static let ownLife: Int64 = 60_000_000_000
    /// Deletions younger than this are told to a stream that began anew; a sidecar that has heard nothing for longer
    /// can't know what it missed.
    static let memory = Duration.seconds(3600)
    /// How long nothing is given back after another Redis process answers: until others have told it what they know.
    static let grace = Duration.seconds(3)

    private let state = Locked(State())
    /// Whether no tombstone and no bound speaks against any copy: one load for those who ask often.
    private let isSilent = Atomic(true)
    private let length = Atomic<Int>(0)
    private let wanted = Atomic(false)
    /// Tells this process's entries from those of others.
    let identity: UInt64

    public let entriesRead = SharedCounter()
    public let keysRead = SharedCounter()
    /// Copies that were not given to Redis, since their key was deleted or may have been.
    public let refusedPromotions = SharedCounter()
    /// Times at which the stream did not reach back to what was read last.
    public let unreached = SharedCounter()
    /// Times at which the stream had begun anew, since Redis had lost it.
    public let begunAnew = SharedCounter()
    /// Copies of deleted keys that a read found on the disk and removed.
    public let removedCopies = SharedCounter()

    init(identity: UInt64) { self.identity = identity }

    // MARK: Configuration

    /// About how many entries the stream keeps; 0 for no stream. Chosen before there is traffic, and at a reload.
    public var maxEntries: Int {
        get { length.load(ordering: .relaxed) }
        set { length.store(newValue, ordering: .relaxed) }
    }

    /// The stream's length and who deletes, as scripts want them; `ticket` is 0 for what is read back as if it were
    /// another's.
    func words(ticket: UInt64 = 0) -> [[UInt8]] {
        [
            DeletedKey.hexadecimal(identity) + [UInt8(ascii: ":")] + Array(String(ticket).utf8),
            DeletionScript.decimal(maxEntries),
        ]
    }

    // MARK: Deleting

    /// A request that deletes these keys is about to be sent; its ticket, to be given to `end` when its copies are gone
    /// or in doubt. 0 where nobody is told.
    func begin(_ keys: [[UInt8]], areAll: Bool, now: Int64) -> UInt64 {
        guard maxEntries > 0, areAll || !keys.isEmpty else { return 0 }
        let hashes = keys.map { DeletedKey($0) }
        return state.withLock { state in
            guard state.own.count < Self.ownMax else { return 0 }
            defer { state.nextTicket += 1 }
            state.own[state.nextTicket] = Own(keys: hashes, isAll: areAll, begunAt: now)
            return state.nextTicket
        }
    }

    /// The request was not sent: nothing of it was deleted.
    func cancel(_ ticket: UInt64) { state.withLock { $0.own[ticket] = nil } }

    func end(_ ticket: UInt64) {
        guard ticket != 0 else { return }
        state.withLock { $0.own[ticket]?.isUnderWay = false }
    }

    // MARK: Asking

    /// What may be given back to Redis; to be asked before the copy is read.
    func standing(now: Int64) -> Standing {
        guard maxEntries > 0 else { return .off }
        return state.withLock { state in
            guard case .known = state.standing, now < state.graceUntil else { return state.standing }
            return .waiting("another Redis process answers, and other sidecars may know of deletions that it does not")
        }
    }

    /// Whether a copy on disk that was verified then is of a key that another sidecar has deleted since.
    func isDead(_ key: [UInt8], verifiedAt: Timestamp) -> Bool {
        guard !isSilent.load(ordering: .relaxed) else { return false }
        return state.withLock { state in
            guard state.table.count > 0, let time = state.table.time(of: DeletedKey(key)) else { return false }
            return verifiedAt.milliseconds <= time
        }
    }

    /// Whether a copy on disk that was verified then may be given to a Redis that has none, as far as is known here.
    func mayPromote(_ key: [UInt8], verifiedAt: Timestamp, now: Timestamp) -> Bool {
        guard maxEntries > 0 else { return true }
        // A clock that was put back tells nothing of when that was.
        guard verifiedAt <= now, !isDead(key, verifiedAt: verifiedAt) else { return false }
        return state.withLock { verifiedAt >= Self.bound($0) }
    }

    /// Whether a copy on disk of that moment is to be written anew, though its value is the same: as it is it could not
    /// be given to Redis, or is taken for a deleted one.
    func isToBeRenewed(_ key: [UInt8], verifiedAt: Timestamp) -> Bool {
        guard !isSilent.load(ordering: .relaxed) else { return false }
        return isDead(key, verifiedAt: verifiedAt) || state.withLock { verifiedAt < Self.bound($0) }
    }

    private static func bound(_ state: State) -> Timestamp {
        guard state.table.forgottenUntil > .min else { return state.unverifiedBefore }
        return max(state.unverifiedBefore, Timestamp(milliseconds: state.table.forgottenUntil + 1))
    }

    /// Somebody waits for what the stream has beyond what was read.
    func hasten() { wanted.store(true, ordering: .relaxed) }
    func takeHaste() -> Bool { wanted.exchange(false, ordering: .relaxed) }

    // MARK: Reading the stream

    /// The last entry that was read, and from which process; nil before the first.
    var position: (StreamPosition, process: UInt64)? {
        state.withLock { state in state.position.map { ($0, state.process) } }
    }

    /// Takes entries over, in order; how many of them, up to the first whose ticket is still out.
    func take(_ entries: ArraySlice<DeletionEntry>, now: Timestamp) -> Int {
        var taken = 0
        var keys = 0
        state.withLock { state in
            for entry in entries {
                guard let count = Self.take(entry, &state, identity: identity, now: now) else { break }
                state.position = entry.position
                taken += 1
                keys += count
            }
            judgeSilence(state)
        }
        entriesRead.add(UInt64(taken))
        keysRead.add(UInt64(keys))
        return taken
    }

    /// How many keys of others an entry was about; nil where its ticket is still out.
    private static func take(
        _ entry: DeletionEntry, _ state: inout State, identity: UInt64, now: Timestamp
    ) -> Int? {
        let isOwn = entry.process == identity && (entry.ticket != 0 || entry.age != nil)
        if entry.process == identity, entry.ticket != 0 {
            if state.own[entry.ticket]?.isUnderWay ?? false { return nil }
            // Of a transaction it may be one entry of several.
            state.own[entry.ticket] = nil
        }
        // What is told again of an earlier stream by ourselves is known here.
        if isOwn, entry.age != nil { return 0 }
        let time = entry.age.map { now.advanced(byMilliseconds: -min($0, now.milliseconds)) } ?? now
        switch entry.subject {
        case .keys(let keys):
            for key in keys { state.table.add(.init(key: key, time: time.milliseconds, isOwn: isOwn)) }
            return isOwn ? 0 : keys.count
        case .all where isOwn: state.flushedAt = max(state.flushedAt, time)
        case .all, .unknown:
            state.unverifiedBefore = max(state.unverifiedBefore, time.advanced(byMilliseconds: 1))
        case .beginning: break
        }
        return 0
    }

    /// The stream was read to its end, as it was at `now`, in this process of Redis, to which the connection stands
    /// since `connectedAt`. Whether it lacks deletions of ours: a failover has lost them.
    func noteEnd(process: UInt64, connectedAt: Int64, now: Timestamp, monotonic: Int64) -> Bool {
        state.withLock { state in
            guard let position = state.position else { return false }
            let isOther = state.process != 0 && process != state.process
            if isOther { state.graceUntil = monotonic + Self.grace.nanoseconds }
            state.process = process
            state.heardAt = now
            state.standing = .known(position)
            guard !state.own.isEmpty else { return false }
            state.own = state.own.filter { $0.value.begunAt > monotonic - Self.ownLife }
            return isOther && Self.adopt(&state, begunBefore: connectedAt, now: now)
        }
    }

    /// Remembers own deletions that an older process may have taken, and the stream will not bring back; whether there
    /// were any.
    private static func adopt(_ state: inout State, begunBefore: Int64, now: Timestamp) -> Bool {
        let unread = state.own.filter { !$0.value.isUnderWay && $0.value.begunAt < begunBefore }
        for (ticket, own) in unread.sorted(by: { $0.key < $1.key }) {
            if own.isAll { state.flushedAt = now }
            for key in own.keys { state.table.add(.init(key: key, time: now.milliseconds, isOwn: true)) }
            state.own[ticket] = nil
        }
        return !unread.isEmpty
    }

    /// There is more in the stream than was read, or it can't be asked now.
    func noteLag() {
        state.withLock { state in
            if case .known = state.standing { return }
            state.standing = .waiting(Self.unread)
        }
    }

    func noteRefusal() { state.withLock { $0.standing = .refused } }

    /// What the beginning of a stream that does not have the last entry that was read means.
    enum Beginning: Equatable {
        /// Redis has lost it, with its data: copies may be given back, but for what is known to be deleted.
        case lost
        /// Deletions may have been missed: no copy is given back that was verified before.
        case missed(String)
    }

    /// Judges a stream whose first entry says that it began (`begins`), or not, and goes on from there.
    func join(
        first: StreamPosition, begins: Bool, last: StreamPosition, process: UInt64, now: Timestamp, monotonic: Int64
    ) -> Beginning {
        let result = state.withLock { state -> Beginning in
            let beginning = Self.judge(state, first: first, begins: begins, process: process, now: now)
            state.process = process
            state.graceUntil = monotonic + Self.grace.nanoseconds
            switch beginning {
            case .lost: state.position = first
            case .missed:
                state.position = last
                state.unverifiedBefore = max(state.unverifiedBefore, now.advanced(byMilliseconds: 1))
            }
            // What was deleted in the last moment may not have come back from the stream that is lost.
            _ = Self.adopt(&state, begunBefore: .max, now: now)
            state.heardAt = now
            judgeSilence(state)
            return beginning
        }
        if result == .lost { begunAnew.add() } else { unreached.add() }
        return result
    }

    private static func judge(
        _ state: State, first: StreamPosition, begins: Bool, process: UInt64, now: Timestamp
    ) -> Beginning {
        guard let position = state.position else { return .missed("nothing is known of what was deleted before") }
        guard begins, first > position else { return .missed("the stream does not reach back to what was read last") }
        guard process != 0, state.process != 0, process != state.process else {
            return .missed("the stream was deleted in a Redis that has kept its data")
        }
        guard state.heardAt <= now, now.milliseconds(since: state.heardAt) < memory.milliseconds else {
            return .missed("nothing was heard of deletions for more than \(memory) before Redis lost them")
        }
        return .lost
    }

    /// What this process knows of deletions of the last `memory`, its own or those of all, for a stream that lacks
    /// them: groups of keys with their ages, and the age of the deletion of all of them, where there was one.
    func known(
        ofOthers: Bool, now: Timestamp
    ) -> (groups: [(age: Int64, keys: [DeletedKey])], ageOfAll: Int64?) {
        let since = now.advanced(byMilliseconds: -Self.memory.milliseconds)
        let (tombstones, dropped, flushed) = state.withLock { state in
            (state.table.tombstones(since: since.milliseconds), state.table.droppedUntil, state.flushedAt)
        }
        var groups: [(age: Int64, keys: [DeletedKey])] = []
        var oldest = Int64.min
        for tombstone in tombstones where tombstone.isOwn || ofOthers {
            // The age of the newest: too young an age takes a copy for dead that is not, too old a one the reverse.
            let age = max(0, now.milliseconds - tombstone.time)
            if let last = groups.indices.last, groups[last].keys.count < Self.groupMax,
                tombstone.time - oldest < Self.groupMilliseconds
            {
                groups[last].keys.append(tombstone.key)
                groups[last].age = age
            } else {
                groups.append((age, [tombstone.key]))
                oldest = tombstone.time
            }
        }
        var all: Int64?
        for moment in [dropped, flushed.milliseconds] where moment > 0 && moment >= since.milliseconds {
            all = min(all ?? .max, max(0, now.milliseconds - moment))
        }
        return (groups, all)
    }

    private static let groupMax = 64
    private static let groupMilliseconds: Int64 = 10_000

    // MARK: On disk

    /// What is to be written where everything up to number `from` is: entries of the warm tier, by key.
    func records(from: UInt64) -> (records: [(key: [UInt8], value: [UInt8])], total: UInt64)? {
        state.withLock { state in
            guard let position = state.position else { return nil }
            var records: [(key: [UInt8], value: [UInt8])] = []
            for number in state.table.pieces(from: from) {
                let (first, tombstones) = state.table.piece(number)
                records.append((DeletionState.key(ofPiece: number), DeletionRecord.piece(first, tombstones)))
            }
            let kept = DeletionState(
                position: position, process: state.process, unverifiedBefore: Self.bound(state).milliseconds,
                heardAt: state.heardAt.milliseconds, total: state.table.total)
            records.append((DeletionState.key, kept.bytes))
            return (records, state.table.total)
        }
    }

    /// Takes over what an earlier process has left on the disk; without all its tombstones nothing of it.
    func restore(_ kept: DeletionState, _ tombstones: [TombstoneTable.Tombstone]) {
        state.withLock { state in
            state.position = kept.position
            state.process = kept.process
            state.unverifiedBefore = Timestamp(milliseconds: kept.unverifiedBefore)
            state.heardAt = Timestamp(milliseconds: kept.heardAt)
            state.table.restore(tombstones, total: kept.total)
            judgeSilence(state)
        }
    }

    private func judgeSilence(_ state: State) {
        isSilent.store(state.table.count == 0 && Self.bound(state) == .distantPast, ordering: .relaxed)
    }

    // MARK: Figures

    /// Deletions that are remembered, and when the stream was last read to its end (nil: not yet).
    public var figures: (remembered: Int, heardAt: Timestamp?) {
        state.withLock { state in
            (state.table.count, state.heardAt == .distantPast ? nil : state.heardAt)
        }
    }
}
