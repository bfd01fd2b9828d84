// The warm tier's writing, whatever thread it runs on: what has gathered becomes one commit, and is answered when that
// is done.
//
// DESIGN: there is one keeper, and it alone writes, so that local memory hears of changes in the order of commits. Its
// owner hands it what has gathered, turn by turn, and comes again when it asks for that: the server has a thread for
// it, a simulation virtual time.

public import LocalTier
public import Primitives
internal import SegmentLog
public import State
public import WarmTier

/// Work for the keeper, in order; `deliver` is called once, on the keeper's thread.
public enum WarmJob: Sendable {
    case perform([StringCommand], PolicyTable, deliver: @Sendable (WarmOutcome) -> Void)
    case removeAll(deliver: @Sendable (WarmOutcome) -> Void)
    case erase([ErasedKey], deliver: @Sendable (WarmOutcome) -> Void)
    /// Hears whether a record of this version, or a later one, is on disk after the commit of what waits.
    case confirm([UInt8], version: Int64, deliver: @Sendable (Bool) -> Void)
    /// Hears whether turns are in their archive, durably.
    case archive(LeavingTurns, deliver: @Sendable (Bool) -> Void)
    /// Writes entries of Hearth's own as one, after everything else of the turn, and synchronises; hears whether all of
    /// that is on disk.
    case keep([(key: [UInt8], value: [UInt8])], deliver: @Sendable (Bool) -> Void)
    /// There are changes in the table.
    case changes
}

/// What the log is told of the warm tier's writing.
public enum WarmEvent: Sendable {
    /// A change behind an answer found no room.
    case changeRefused(String)
    /// Turns were not archived, and stay in their record.
    case archiveRefused(String)
    /// Nothing of a batch was done; so many commands were refused.
    case commitFailed(String, refused: Int)
    /// What was committed could not be made durable at the end.
    case syncFailed(String)
    case degraded(String)
    case recovered
}

/// Owns the warm tier's writer; belongs to one thread.
public final class WarmKeeper {
    private let writer: WarmWriter
    private let changes: WarmChanges
    private let local: LocalTier
    private let onEvent: (WarmEvent) -> Void
    /// What local memory is told after the commit, in order.
    private var effects: [(key: [UInt8], change: Change, policies: PolicyTable)] = []
    private var answers: [(deliver: @Sendable (WarmOutcome) -> Void, replies: [Reply])] = []
    /// Erasures of the batch: answered when they are on disk, whatever the mode.
    private var erasures: [(deliver: @Sendable (WarmOutcome) -> Void, keys: [[UInt8]])] = []
    /// Who waits to hear that something is on disk.
    private var confirmations: [(deliver: @Sendable (Bool) -> Void, key: [UInt8], version: Int64)] = []
    /// Who waits to hear that turns are in their archive.
    private var archivings: [@Sendable (Bool) -> Void] = []
    /// Turns that the batch puts into archives, and their bytes.
    private var archived = (turns: 0, bytes: 0)
    /// Where the search for chunks without a directory goes on, and when the next one begins.
    private var archiveCursor = WarmCursor.start
    private var nextArchiveSweep = Timestamp.distantPast
    /// Whether something of this turn is not on disk as it was taken.
    private var hasFailed = false
    private var wasDegraded = false
    private var nextMaintenance = Timestamp.distantPast

    /// The reading side.
    public var tier: WarmTier { writer.tier }

    public init(
        _ writer: consuming WarmWriter, changes: WarmChanges, local: LocalTier, onEvent: @escaping (WarmEvent) -> Void
    ) {
        self.writer = writer
        self.changes = changes
        self.local = local
        self.onEvent = onEvent
    }

    /// The most jobs in one turn.
    public static let turnMax = 1024

    /// How long changes behind an answer gather before they are committed together, unless a command comes, or so many
    /// of them that half the room is taken. Nobody waits for them; reads find them where they gather.
    public static let gatheringMilliseconds: Int64 = 10

    /// Whether these jobs are better carried out with what comes within `gatheringMilliseconds`.
    public static func mayGather(_ jobs: [WarmJob]) -> Bool {
        if case .changes? = jobs.first { jobs.count == 1 } else { false }
    }

    /// Carries out what has gathered, and what is due in maintenance; returns in how many milliseconds to come again
    /// where no job comes before, a second at most.
    public func turn(_ jobs: [WarmJob], now: Timestamp) -> Int64 {
        hasFailed = false
        commit(jobs, now: now)
        keep(jobs, now: now)
        if jobs.isEmpty || now >= nextMaintenance {
            let maintenance = writer.maintain(now: now)
            nextMaintenance = maintenance.hasMore ? now : maintenance.next
            sweepArchives(now: now)
        }
        reportState()
        return min(1000, max(0, nextMaintenance.milliseconds(since: now)))
    }

    /// Commits what waits and makes it durable, for a clean end.
    public func finish(now: Timestamp) {
        commit([.changes], takingChanges: true, now: now)
        do {
            try writer.synchronize(now: now)
        } catch {
            onEvent(.syncFailed("\(error)"))
        }
    }

    /// Writes what must not be on disk before what was taken until now is.
    private func keep(_ jobs: [WarmJob], now: Timestamp) {
        for case .keep(let records, let deliver) in jobs {
            guard !hasFailed else {
                deliver(false)
                continue
            }
            writer.begin(now: now)
            do {
                try writer.atomically { (writer: WarmWriter) throws(WarmError) in
                    for record in records {
                        try writer.put(record.key, record.value, WarmMetadata(verifiedAt: now))
                    }
                }
                try writer.commit(now: now)
                try writer.synchronize(now: now)
                deliver(true)
            } catch {
                onEvent(.changeRefused("\(error)"))
                if writer.isBatchOpen { writer.rollback() }
                deliver(false)
            }
        }
    }

    private func commit(_ jobs: [WarmJob], now: Timestamp) {
        // A walk over everything ends the batch before it, so that the order of commands is kept.
        let parts = jobs.split(omittingEmptySubsequences: false, whereSeparator: \.removesAll)
        var position = 0
        for (index, part) in parts.enumerated() {
            // Changes that wait came after the last walk: earlier ones were dropped with what they would have changed.
            commitInBatches(part, takingChanges: index == parts.count - 1, now: now)
            position += part.count
            if position < jobs.count { removeAll(jobs[position], now: now) }
            position += 1
        }
    }

    /// The most bytes of commands in one commit, a single larger one excepted: a batch is held in memory.
    private static let batchBytesMax = 4 << 20

    private func commitInBatches(_ jobs: ArraySlice<WarmJob>, takingChanges: Bool, now: Timestamp) {
        var batch: [WarmJob] = []
        var bytes = 0
        for job in jobs {
            if !batch.isEmpty, bytes + job.byteCount > Self.batchBytesMax {
                commit(batch, takingChanges: false, now: now)
                (batch, bytes) = ([], 0)
            }
            batch.append(job)
            bytes += job.byteCount
        }
        commit(batch, takingChanges: takingChanges, now: now)
    }

    private func commit(_ jobs: [WarmJob], takingChanges: Bool, now: Timestamp) {
        let (changes, distrusted) = takingChanges ? self.changes.begin() : ([:], [])
        guard !jobs.isEmpty || !changes.isEmpty || !distrusted.isEmpty else { return }
        writer.begin(now: now)
        var failed = stage(changes, now: now)
        var removed: Set<HashedKey> = []
        for key in distrusted where changes[key] == nil {
            if stage(key.bytes, .remove, now: now) { removed.insert(key) }
        }
        for job in jobs {
            switch job {
            case .perform(let commands, let policies, let deliver): perform(commands, policies, deliver, now)
            case .erase(let keys, let deliver): erase(keys, deliver, now)
            case .confirm(let key, let version, let deliver): confirmations.append((deliver, key, version))
            case .archive(let leaving, let deliver): archive(leaving, deliver, now)
            case .removeAll, .changes, .keep: break
            }
        }
        do {
            try writer.commit(now: now)
        } catch {
            refuse(error)
            failed = Set(changes.keys)
            removed = []
        }
        finish(failed: failed, removed: removed, now: now)
    }

    private func stage(_ changes: [HashedKey: WarmChange], now: Timestamp) -> Set<HashedKey> {
        var failed: Set<HashedKey> = []
        for (key, change) in changes where !stage(key.bytes, change, now: now) { failed.insert(key) }
        return failed
    }

    /// Stages a change behind an answer; false when it found no room.
    private func stage(_ key: [UInt8], _ change: WarmChange, now: Timestamp) -> Bool {
        do {
            switch change {
            case .put(let copy, let staleFor):
                try writer.put(key, copy, staleFor: staleFor)
                // What may not be so says nothing of what else is kept.
                if !copy.isSuspect {
                    try ArchiveWriting(writer, now: now).follow(key, copy.value, staleFor: staleFor)
                }
            case .end:
                try writer.delete(key, now: now)
                try ArchiveWriting(writer, now: now).remove(key)
            case .remove: try withBytes(key, []) { key, _ throws(WarmError) in try writer.delete(key, now: now) }
            case .suspect:
                guard case .entry(let entry) = key.withUnsafeBytes({ writer.read($0, now: now) }) else { return true }
                let value = entry.held
                let copy = WarmCopy(value, verifiedAt: entry.metadata.verifiedAt, isSuspect: true)
                try writer.put(key, copy, staleFor: entry.metadata.staleForSeconds)
            }
            return true
        } catch {
            onEvent(.changeRefused("\(error)"))
            hasFailed = true
            return false
        }
    }

    private func perform(
        _ commands: [StringCommand], _ policies: PolicyTable, _ deliver: @escaping @Sendable (WarmOutcome) -> Void,
        _ now: Timestamp
    ) {
        var space = WarmKeySpace(writer: writer, now: now)
        do {
            var replies: [Reply] = []
            try writer.atomically { (_: WarmWriter) throws(WarmError) in
                for command in commands {
                    let reply = command.perform(in: &space, now: now) { key in
                        var rules = policies.policy(for: key).writeRules
                        rules.committed = .warm
                        return rules
                    }
                    replies.append(reply)
                }
                if let failure = space.failure { throw failure }
            }
            effects += space.effects.map { ($0.key, $0.change, policies) }
            archived = (archived.turns + space.archived.turns, archived.bytes + space.archived.bytes)
            answers.append((deliver, replies))
        } catch {
            deliver(.refused("\(error)"))
        }
    }

    /// Stages turns for their archive as one group.
    private func archive(_ leaving: LeavingTurns, _ deliver: @escaping @Sendable (Bool) -> Void, _ now: Timestamp) {
        do {
            try writer.atomically { (writer: WarmWriter) throws(WarmError) in
                try ArchiveWriting(writer, now: now).append(leaving)
            }
            archivings.append(deliver)
            archived = (archived.turns + leaving.turns.count, archived.bytes + leaving.contentBytes)
        } catch {
            changes.archives.refused.add()
            onEvent(.archiveRefused("\(error)"))
            deliver(false)
        }
    }

    /// Looks at some of what archives consist of, and removes chunks that no directory names: its time was over, or its
    /// segment had to make room.
    private func sweepArchives(now: Timestamp) {
        guard writer.mayHoldArchives, now >= nextArchiveSweep else { return }
        let page = writer.tier.scan(
            from: archiveCursor, limit: Self.archiveLines, now: now, includingExpired: true, .archives)
        archiveCursor = page.next ?? .start
        if page.next == nil { nextArchiveSweep = now.advanced(byMilliseconds: Self.archiveSweepMilliseconds) }
        let archives = ArchiveWriting(writer, now: now)
        let orphans = page.keys.filter { archives.isOrphan($0) }
        guard !orphans.isEmpty else { return }
        writer.begin(now: now)
        do {
            for key in orphans { try archives.delete(key) }
        } catch {
            return writer.rollback()
        }
        // A failure is told of by the tier's state, and the next search finds them again.
        try? writer.commit(now: now)
    }

    /// Lines of the index in one step of that search, and the time from the end of one to the next.
    private static let archiveLines = 1024
    static let archiveSweepMilliseconds: Int64 = 600_000

    /// Stages an erasure as one group.
    private func erase(
        _ keys: [ErasedKey], _ deliver: @escaping @Sendable (WarmOutcome) -> Void, _ now: Timestamp
    ) {
        var removed: [[UInt8]] = []
        do {
            try writer.atomically { (_: WarmWriter) throws(WarmError) in
                for key in keys where try erase(key, now) { removed.append(key.bytes) }
            }
            erasures.append((deliver, removed))
        } catch {
            deliver(.refused("\(error)"))
        }
    }

    /// Stages the removal of what a key holds; whether it held anything but what has to stay.
    private func erase(_ key: ErasedKey, _ now: Timestamp) throws(WarmError) -> Bool {
        let archives = ArchiveWriting(writer, now: now)
        switch ArchiveKey(key.bytes) {
        case .directory(let subject)?:
            try archives.remove(subject)
            return false
        case .chunk?:
            try archives.delete(key.bytes)
            return false
        case nil: try archives.remove(key.bytes)
        }
        var held: HeldValue?
        if case .entry(let entry) = writer.read(key.bytes, now: now) { held = entry.held }
        // What can't be read goes as well.
        switch held.map({ key.change(of: $0, now: now) }) ?? .remove {
        case .none: return false
        case .put(let left): try writer.put(key.bytes, WarmCopy(left, verifiedAt: now), staleFor: 0)
        case .remove: try writer.delete(key.bytes, now: now)
        }
        return held.map { !$0.isTombstone } ?? false
    }

    /// What was erased must not come back by a crash, and what was confirmed must, whatever `warm.sync` says.
    private func finishDurably(now: Timestamp) {
        guard !erasures.isEmpty || !confirmations.isEmpty || !archivings.isEmpty else { return }
        let waiting = erasures
        let asking = confirmations
        let archiving = archivings
        (erasures, confirmations, archivings) = ([], [], [])
        for key in waiting.flatMap(\.keys) { key.withUnsafeBytes { _ = local.remove($0, hash: KeyHash($0)) } }
        do {
            try writer.synchronize(now: now)
        } catch {
            for erasure in waiting { erasure.deliver(.unknown("\(error)")) }
            for question in asking { question.deliver(false) }
            for deliver in archiving { deliver(false) }
            return
        }
        for deliver in archiving { deliver(true) }
        for erasure in waiting { erasure.deliver(.done([.integer(Int64(erasure.keys.count))])) }
        for question in asking { question.deliver(holds(question.key, question.version, now)) }
    }

    /// Whether a key has a record of this version, or a later one, which an outage would serve: one that Redis has told
    /// of since (our own write, too) is no less there.
    private func holds(_ key: [UInt8], _ version: Int64, _ now: Timestamp) -> Bool {
        guard case .entry(let entry) = writer.read(key, now: now) else { return false }
        return entry.held.record.map { $0.version >= version } ?? false
    }

    /// The commit failed: nothing of the batch was done.
    private func refuse(_ error: WarmError) {
        hasFailed = true
        onEvent(.commitFailed("\(error)", refused: answers.count + erasures.count))
        for answer in answers { answer.deliver(error.outcome) }
        for erasure in erasures { erasure.deliver(error.outcome) }
        for question in confirmations { question.deliver(false) }
        if !archivings.isEmpty { changes.archives.refused.add(UInt64(archivings.count)) }
        for deliver in archivings { deliver(false) }
        archivings = []
        archived = (0, 0)
        answers = []
        effects = []
        erasures = []
        confirmations = []
    }

    /// Local memory hears of what was committed before anybody else does; then the answers go.
    private func finish(failed: Set<HashedKey>, removed: Set<HashedKey>, now: Timestamp) {
        for (key, change, policies) in effects {
            local.hold(change, of: key, policy: policies.policy(for: key), authority: .warm, now: now)
        }
        changes.end(failed: failed, removed: removed, now: now)
        changes.archives.turns.add(UInt64(archived.turns))
        changes.archives.bytes.add(UInt64(archived.bytes))
        archived = (0, 0)
        for answer in answers { answer.deliver(.done(answer.replies)) }
        effects = []
        answers = []
        finishDurably(now: now)
    }

    private func removeAll(_ job: WarmJob, now: Timestamp) {
        let deliver: @Sendable (WarmOutcome) -> Void
        switch job {
        case .removeAll(let answer): deliver = answer
        case .perform([.removeAll], _, let answer): deliver = answer
        // Within a transaction each key is removed, so that all of it is one entry.
        case .perform, .erase, .confirm, .archive, .changes, .keep:
            return commit([job], takingChanges: false, now: now)
        }
        do {
            try writer.deleteAll(now: now)
            local.removeAll()
            deliver(.done([.ok]))
        } catch {
            deliver(error.outcome)
        }
    }

    private func reportState() {
        let isDegraded = writer.tier.statistics.state != .healthy
        guard isDegraded != wasDegraded else { return }
        wasDegraded = isDegraded
        onEvent(isDegraded ? .degraded("\(writer.tier.statistics.state)") : .recovered)
    }
}

/// The warm tier as the place where commands are performed; what fails is remembered, and undone by the caller.
struct WarmKeySpace: KeySpace {
    let writer: WarmWriter
    let now: Timestamp
    private(set) var effects: [(key: [UInt8], change: Change)] = []
    private(set) var failure: WarmError?
    /// Turns that went into archives, and their bytes.
    private(set) var archived = (turns: 0, bytes: 0)

    init(writer: WarmWriter, now: Timestamp) {
        self.writer = writer
        self.now = now
    }

    mutating func read(_ key: [UInt8]) -> HeldValue? {
        switch key.withUnsafeBytes({ writer.read($0, now: now) }) {
        case .entry(let entry) where entry.metadata.kind == .archive: return nil
        case .entry(let entry):
            let value = entry.held
            return value.isAlive(at: now) ? value : nil
        case .tombstone, .absent: return nil
        case .damaged:
            // What the key holds can't be known: an INCR must not begin at 0 again. SET and FLUSHDB get past it.
            failure =
                failure ?? .degraded(FileError(operation: .read, path: "the record of this key", code: .inputOutput))
            return nil
        case .failed(let error):
            failure = failure ?? .degraded(error)
            return nil
        }
    }

    mutating func apply(_ change: Change, to key: [UInt8]) {
        guard failure == nil else { return }
        do throws(WarmError) {
            switch change {
            case .none:
                // The answer rests on there being nothing: of what a crash might bring back that must be on disk.
                if writer.mayBringBack, case .absent = writer.read(key, now: now) { try writer.delete(key, now: now) }
                return
            case .put(let value):
                try archive(value, key)
                try writer.put(key, WarmCopy(value, verifiedAt: now), staleFor: 0)
            case .remove:
                try writer.delete(key, now: now)
                try ArchiveWriting(writer, now: now).remove(key)
            }
            effects.append((key, change))
        } catch {
            failure = error
        }
    }

    /// Stages what the record lets go into its archive; that of another conversation goes.
    private mutating func archive(_ value: HeldValue, _ key: [UInt8]) throws(WarmError) {
        let archives = ArchiveWriting(writer, now: now)
        guard let id = value.archiveID, let record = value.record else {
            return try archives.follow(key, value, staleFor: 0)
        }
        var base: Record?
        if case .entry(let entry) = writer.read(key, now: now) { base = entry.held.record }
        let turns = record.turnsArchived(since: base)
        guard !turns.isEmpty else { return try archives.follow(key, value, staleFor: 0) }
        let leaving = LeavingTurns(key: key, id: id, turns: turns, expiresAt: value.expiresAt)
        try archives.append(leaving)
        archived = (archived.turns + turns.count, archived.bytes + leaving.contentBytes)
    }

    func countKeys() -> Int { writer.tier.countKeys(now: now) }

    /// FLUSHDB within a transaction, which is a batch of its own: what was committed before it, and its own effects.
    mutating func removeAll() {
        for effect in effects { apply(.remove, to: effect.key) }
        var cursor: WarmCursor? = .start
        while let here = cursor {
            let page = writer.tier.scan(from: here, limit: 256, now: now)
            for key in page.keys { apply(.remove, to: key) }
            cursor = page.next
        }
        guard failure == nil else { return }
        do throws(WarmError) { try ArchiveWriting(writer, now: now).removeAll() } catch { failure = error }
    }
}

extension WarmJob {
    /// Bytes of the values that it carries.
    fileprivate var byteCount: Int {
        switch self {
        case .perform(let commands, _, _): commands.reduce(0) { $0 + $1.valueBytes }
        case .archive(let leaving, _): leaving.contentBytes
        case .keep(let records, _): records.reduce(0) { $0 + $1.value.count }
        case .removeAll, .erase, .confirm, .changes: 0
        }
    }

    /// Whether it removes every key, and so is carried out alone.
    fileprivate var removesAll: Bool {
        switch self {
        case .removeAll: true
        case .perform(let commands, _, _): commands.contains(.removeAll)
        case .erase, .confirm, .archive, .changes, .keep: false
        }
    }
}

extension WarmError {
    /// What those who wait are told: that nothing was done, unless a crash might still bring it back.
    fileprivate var outcome: WarmOutcome {
        if case .log(.refused(_, isVoid: false)) = self { .unknown("\(self)") } else { .refused("\(self)") }
    }
}

extension WarmEntry {
    /// What it holds, and when that ends.
    var held: HeldValue {
        HeldValue(Array(value), kind: metadata.kind == .record ? .record : .string, expiresAt: metadata.expiresAt)
    }
}

extension WarmWriter {
    fileprivate func put(_ key: [UInt8], _ copy: WarmCopy, staleFor: UInt32) throws(WarmError) {
        let metadata = WarmMetadata(
            kind: copy.value.kind == .record ? .record : .plain, flags: copy.isSuspect ? .unverified : [],
            expiresAt: copy.value.expiresAt, verifiedAt: copy.verifiedAt,
            staleForSeconds: staleFor)
        try withBytes(key, copy.value.bytes) { key, value throws(WarmError) in try put(key, value, metadata) }
    }
}

/// The bytes of two arrays, for calls with typed errors (`withUnsafeBytes` rethrows untyped ones).
private func withBytes<Failure: Error>(
    _ a: [UInt8], _ b: [UInt8], _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(Failure) -> Void
) throws(Failure) {
    let result: Result<Void, Failure> = a.withUnsafeBytes { a in
        b.withUnsafeBytes { b in
            do throws(Failure) {
                return .success(try body(a, b))
            } catch {
                return .failure(error)
            }
        }
    }
    try result.get()
}
