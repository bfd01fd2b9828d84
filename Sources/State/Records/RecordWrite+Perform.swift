// From a record to what a write makes of it; pure, and the only place where that is decided.

public import Primitives

extension RecordWrite {
    /// What becomes of the record; `held` is what the key holds and lives until `expiresAt`, a tombstone included.
    ///
    /// `maxValue` bounds `contentBytes`. Complexity: O(size of the record).
    public func perform(
        on held: Record?, expiresAt: Timestamp, now: Timestamp, maxValue: Int, rules: RecordRules
    ) -> RecordOutcome {
        let retention = rules.retention
        let archivesBefore = rules.archivesBefore
        var rules = self.rules ?? rules
        rules.archivesBefore = archivesBefore
        if case .migrate(let includesHeld) = action {
            let (record, answer) = MigrationAnswer.of(
                held, to: rules.schema, maxValue: maxValue, includesHeld: includesHeld)
            return record.map { .changed($0, expiresAt: expiresAt, .migration(answer)) }
                ?? .unchanged(.migration(answer))
        }
        if let held, held.operations.contains(id) { return .unchanged(repeated(held)) }
        let alive = held.flatMap { $0.isDeleted ? nil : $0 }
        switch expectation {
        case .any: break
        case .absent: if let alive { return .refused(.conflict(expected: expectation, found: alive.version)) }
        case .version(let version):
            guard alive?.version == version else {
                return .refused(.conflict(expected: expectation, found: alive?.version))
            }
        }
        if let fence, let newest = held?.fence, fence < newest {
            return .refused(.fenced(given: fence, newest: newest))
        }
        var record = alive ?? Self.begun(held, now)
        var life = alive == nil ? Self.life(rules, &record, now) : expiresAt
        let answer: RecordAnswer
        do throws(Stop) {
            answer = try apply(
                to: &record, &life, wasAlive: alive != nil, now: now, maxValue: maxValue, rules: rules)
        } catch {
            switch error {
            case .refused(let refusal): return .refused(refusal)
            case .unchanged(let answer): return .unchanged(answer)
            }
        }
        let bytes = record.contentBytes
        // What only shrinks a record is never refused for its size: a limit that was lowered must not lock it.
        if bytes > maxValue, bytes > (held?.contentBytes ?? 0) {
            return .refused(.tooBig(bytes: bytes, allowed: maxValue))
        }
        if record.slidingFor > 0 {
            // A use never shortens a life; who gives one may.
            let renewed = now.advanced(byMilliseconds: record.slidingFor)
            life = action.givesLife || alive == nil ? renewed : max(life, renewed)
        }
        record.fence = max(record.fence, fence ?? 0)
        record.updatedAt = max(now, record.createdAt)
        record.operations = Array(([id] + record.operations).prefix(Record.operationsMax))
        if let retention, !record.isDeleted {
            let end = record.createdAt.advanced(byMilliseconds: retention)
            life = min(life, end)
        }
        return .changed(record, expiresAt: min(life, .latest, or: .never), answer)
    }

    /// Why an action ends before it has changed anything.
    private enum Stop: Error {
        case refused(RecordRefusal)
        case unchanged(RecordAnswer)
    }

    /// A record that begins, or begins again after its deletion.
    private static func begun(_ tombstone: Record?, _ now: Timestamp) -> Record {
        var record = Record(version: tombstone?.version ?? 0, createdAt: now, updatedAt: now)
        record.fence = tombstone?.fence ?? 0
        record.operations = tombstone?.operations ?? []
        return record
    }

    /// The end of a new record's life, as its policy gives it.
    private static func life(_ rules: RecordRules, _ record: inout Record, _ now: Timestamp) -> Timestamp {
        guard let life = rules.life else { return .never }
        if rules.isSliding { record.slidingFor = life }
        return now.advanced(byMilliseconds: life)
    }

    /// The answer to a write that was done before.
    private func repeated(_ held: Record) -> RecordAnswer {
        switch action {
        case .set: .version(held.version)
        case .delete: .flag(true)
        case .addTurns, .foldTurns: held.turnsAnswer(sequence: (held.turns?.next ?? 1) - 1, dropped: 0)
        case .putCheckpoint(let step, _, _): .checkpoint(version: held.version, step: step)
        case .acquireLease, .renewLease: .epoch(held.lease?.epoch)
        case .releaseLease, .migrate: .flag(true)
        }
    }

    private func apply(
        to record: inout Record, _ life: inout Timestamp, wasAlive: Bool, now: Timestamp, maxValue: Int,
        rules: RecordRules
    ) throws(Stop) -> RecordAnswer {
        record.version += 1
        switch action {
        case .set(let value, let schema, let change):
            record.schema = try Self.schema(given: schema, over: record, rules.schema)
            record.value = value
            switch change {
            case .keep: break
            case .end(let milliseconds):
                record.slidingFor = 0
                life = now.advanced(byMilliseconds: milliseconds)
            case .sliding(let milliseconds): record.slidingFor = milliseconds
            }
            return .version(record.version)
        case .delete:
            guard wasAlive else { throw .unchanged(.flag(false)) }
            record = record.tombstone
            life = now.advanced(byMilliseconds: RecordRules.tombstoneLife)
            return .flag(true)
        case .addTurns(let turns, let keep): return try add(turns, keep, to: &record, now, maxValue, rules)
        case .foldTurns(let sequence, let summary): return try fold(sequence, summary, in: &record)
        case .putCheckpoint(let step, let bytes, let keep):
            var checkpoints = record.checkpoints ?? Checkpoints()
            if let newest = checkpoints.steps.last, step <= newest.number {
                throw .refused(.stepNotNewer(given: step, newest: newest.number))
            }
            checkpoints.steps.append(Checkpoints.Step(number: step, at: now, bytes: bytes))
            checkpoints.steps = Array(checkpoints.steps.suffix(keep ?? rules.checkpointsKeep))
            record.checkpoints = checkpoints
            return .checkpoint(version: record.version, step: step)
        case .acquireLease(let owner, let milliseconds):
            if let lease = record.lease, lease.until > now, lease.owner != owner { throw .unchanged(.epoch(nil)) }
            // Microseconds, so that an epoch outgrows those that a lost key had.
            let (time, overflow) = now.milliseconds.multipliedReportingOverflow(by: 1000)
            let epoch = max(record.fence + 1, overflow ? 0 : time)
            record.take(
                Lease(owner: owner, epoch: epoch, until: now.advanced(byMilliseconds: milliseconds)), &life)
            return .epoch(epoch)
        case .renewLease(let owner, let epoch, let milliseconds):
            guard var lease = record.lease, lease.owner == owner, lease.epoch == epoch, lease.until > now else {
                throw .refused(.notHeld(given: epoch, owner: owner, found: record.lease?.alive(at: now)))
            }
            lease.until = now.advanced(byMilliseconds: milliseconds)
            record.take(lease, &life)
            return .epoch(epoch)
        case .releaseLease(let owner, let epoch):
            guard var lease = record.lease, lease.owner == owner, lease.epoch == epoch, lease.until > now else {
                throw .unchanged(.flag(false))
            }
            lease.until = now
            record.take(lease, &life)
            return .flag(true)
        case .migrate: preconditionFailure("BUG: a migration among the writes of a record")
        }
    }

    /// The schema of a value that is written over what a record holds.
    private static func schema(given: Int64?, over record: Record, _ rules: Schema) throws(Stop) -> Int64 {
        guard let current = rules.current, let oldest = rules.oldest else { return given ?? record.schema }
        if record.value != nil, record.schema > current {
            throw .refused(.newerSchema(found: record.schema, known: current))
        }
        guard let given else { return current }
        guard given >= oldest, given <= current else {
            throw .refused(.unknownSchema(given: given, known: oldest...current))
        }
        return given
    }

    // MARK: Turns

    private func add(
        _ turns: [[UInt8]], _ keep: Int?, to record: inout Record, _ now: Timestamp, _ maxValue: Int,
        _ rules: RecordRules
    ) throws(Stop) -> RecordAnswer {
        var conversation = record.turns ?? Turns(keep: rules.turnsKeep)
        if let keep { conversation.keep = keep }
        // A turn of this very write may get another number where it is applied again, so none of them goes yet; nor
        // does any before the conversation has the name under which it is asked for.
        let certain = conversation.archive == nil ? 0 : min(conversation.next, rules.archivesBefore)
        var archived: Int?
        if rules.turnsOverflow == .archive {
            if conversation.archive == nil { conversation.archive = Turns.Archive(id: id) }
            archived = 0
        }
        for bytes in turns {
            conversation.items.append(Turns.Turn(sequence: conversation.next, at: now, bytes: bytes))
            conversation.next += 1
        }
        var dropped = 0
        let waiting = conversation.unfolded.count
        if waiting > rules.turnsUnfolded {
            switch rules.turnsOverflow {
            case .refuse: throw .refused(.tooManyUnfolded(count: waiting, allowed: rules.turnsUnfolded))
            case .drop: dropped = conversation.drop(waiting - rules.turnsUnfolded)
            // A quarter more than must, since each time costs a commit on a disk.
            case .archive:
                archived = conversation.archive(
                    waiting - rules.turnsUnfolded + rules.turnsUnfolded / 4, before: certain)
            }
        }
        conversation.letGo()
        record.turns = conversation
        // The window stays: what is too large without what waits is refused, as anything that is.
        let excess = record.contentBytes - maxValue
        if excess > 0 {
            switch rules.turnsOverflow {
            case .refuse: break
            case .drop: dropped += conversation.drop(conversation.countOfOldest(ofBytes: excess))
            case .archive:
                let count = conversation.countOfOldest(ofBytes: excess + maxValue / 8)
                archived = (archived ?? 0) + conversation.archive(count, before: certain)
            }
            record.turns = conversation
        }
        return record.turnsAnswer(sequence: conversation.next - 1, dropped: dropped, archived: archived)
    }

    private func fold(_ sequence: Int64, _ summary: [UInt8], in record: inout Record) throws(Stop) -> RecordAnswer {
        let newest = (record.turns?.next ?? 1) - 1
        guard var conversation = record.turns, sequence <= newest else {
            throw .refused(.foldBeyond(given: sequence, newest: newest))
        }
        guard sequence > conversation.foldedTo else {
            throw .refused(.foldedAlready(given: sequence, foldedTo: conversation.foldedTo))
        }
        conversation.foldedTo = sequence
        conversation.summary = summary
        conversation.letGo()
        record.turns = conversation
        return record.turnsAnswer(sequence: sequence, dropped: 0)
    }
}

extension RecordAction {
    /// Whether its writer names a life.
    fileprivate var givesLife: Bool {
        if case .set(_, _, let life) = self { life != .keep } else { false }
    }
}

extension Turns {
    /// Drops so many of the turns that wait to be folded, the oldest; how many that were.
    fileprivate mutating func drop(_ count: Int) -> Int {
        guard let last = unfolded.prefix(count).last?.sequence else { return 0 }
        items.removeAll { $0.sequence <= last }
        dropped += Int64(count)
        return count
    }

    /// How many of the turns that wait to be folded, the oldest, it takes to free so many bytes.
    fileprivate func countOfOldest(ofBytes bytes: Int) -> Int {
        var left = bytes
        return unfolded.prefix { turn in
            defer { left -= turn.bytes.count + Record.itemBytes }
            return left > 0
        }.count
    }

    /// Lets so many of the turns that wait to be folded go into an archive, the oldest, and none but those before
    /// `certain`; how many that were.
    fileprivate mutating func archive(_ count: Int, before certain: Int64) -> Int {
        let leaving = unfolded.prefix(count).prefix { $0.sequence < certain }
        guard let last = leaving.last?.sequence else { return 0 }
        let gone = leaving.count
        // What is folded and still older goes by itself.
        items.removeAll { $0.sequence <= last }
        archive?.count += Int64(gone)
        archive?.upTo = last
        return gone
    }

    /// Lets go of the turns that are folded and no longer in the window.
    fileprivate mutating func letGo() {
        let outside = items.count - min(keep, items.count)
        let folded = items.prefix(outside).prefix { $0.sequence <= foldedTo }.count
        items.removeFirst(folded)
    }
}

extension Lease {
    fileprivate func alive(at now: Timestamp) -> Lease? { until > now ? self : nil }
}

extension Record {
    /// What is left of it when it is deleted.
    public var tombstone: Record {
        var record = Record(version: version, createdAt: createdAt, updatedAt: updatedAt)
        record.fence = fence
        record.operations = operations
        record.isDeleted = true
        return record
    }

    fileprivate func turnsAnswer(sequence: Int64, dropped: Int, archived: Int? = nil) -> RecordAnswer {
        .turns(
            version: version, sequence: sequence, window: turns?.window.count ?? 0,
            unfolded: turns?.unfolded.count ?? 0, dropped: dropped,
            archived: archived ?? (turns?.archive == nil ? nil : 0))
    }

    fileprivate mutating func take(_ lease: Lease, _ life: inout Timestamp) {
        self.lease = lease
        fence = max(fence, lease.epoch)
        // Where it is the key's only content, it is kept for its epoch; else the life is the record's own.
        guard value == nil, turns == nil, checkpoints == nil else { return }
        slidingFor = 0
        life = lease.until.advanced(byMilliseconds: RecordRules.epochLife)
    }
}

/// The smaller of two moments, where the first is not `exception`.
private func min(_ time: Timestamp, _ latest: Timestamp, or exception: Timestamp) -> Timestamp {
    time == exception ? exception : Swift.min(time, latest)
}
