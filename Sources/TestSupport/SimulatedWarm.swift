// A warm tier in a dictionary: answers late, fails when told to, and performs commands as the authority.

public import LocalTier
internal import Primitives
public import State
public import Tiers

/// The warm tier's service without files; shared by the workers of a simulated process.
public final class SimulatedWarm: WarmAccess {
    private let scheduler: SimulatedScheduler
    /// Told of what was committed, before the completion is.
    private let local: LocalTier
    public private(set) var copies: [[UInt8]: WarmCopy] = [:]
    /// Turns in archives, by key, conversation and number.
    public private(set) var archives: [[UInt8]: (id: OperationID, turns: [Int64: Turns.Turn])] = [:]
    /// From a request to its answer.
    public var latency = Duration.microseconds(200)
    /// Reads answer that the disk is broken.
    public var failsReads = false
    /// Writes as the authority are refused.
    public var refusesWrites = false
    /// Changes taken behind answers, in order.
    public private(set) var changes: [(key: [UInt8], change: WarmChange)] = []
    public private(set) var reads = 0
    public private(set) var performed: [StringCommand] = []

    public init(_ scheduler: SimulatedScheduler, local: LocalTier) {
        self.scheduler = scheduler
        self.local = local
    }

    /// Puts a copy there as an earlier run of the process would have left it.
    public func plant(_ key: [UInt8], _ copy: WarmCopy) { copies[key] = copy }

    /// Puts archives there as an earlier run of the process would have left them.
    public func plant(_ archives: [[UInt8]: (id: OperationID, turns: [Int64: Turns.Turn])]) {
        self.archives = archives
    }

    public func forgetLog() { changes = [] }

    public func read(_ key: [UInt8], completion: @escaping (WarmAnswer) -> Void) {
        reads += 1
        // The disk is read at one moment and the worker hears of it at a later one.
        scheduler.after(nanoseconds: latency.nanoseconds / 2) { [self] in
            let answer: WarmAnswer =
                failsReads ? .failed("input/output error") : copies[key].map { .copy($0) } ?? .absent
            scheduler.after(nanoseconds: latency.nanoseconds / 2) { completion(answer) }
        }
    }

    public func change(_ key: [UInt8], _ change: WarmChange) {
        changes.append((key, change))
        switch change {
        case .put(let copy, _):
            copies[key] = copy
            if !copy.isSuspect, archives[key]?.id != copy.value.archiveID { archives[key] = nil }
        case .end: (copies[key], archives[key]) = (nil, nil)
        case .remove: copies[key] = nil
        case .suspect: copies[key]?.isSuspect = true
        }
    }

    public func perform(
        _ commands: [StringCommand], policies: PolicyTable, completion: @escaping (WarmOutcome) -> Void
    ) {
        scheduler.after(nanoseconds: latency.nanoseconds / 2) { [self] in
            var outcome = WarmOutcome.refused("no space left on device")
            if !refusesWrites {
                performed += commands
                let now = scheduler.now
                var space = Space(copies: copies, archives: archives, now: now)
                let replies = commands.map { command in
                    command.perform(in: &space, now: now) { key in
                        var rules = policies.policy(for: key).writeRules
                        rules.committed = .warm
                        return rules
                    }
                }
                copies = space.copies
                archives = space.archives
                for (key, change) in space.effects {
                    local.hold(change, of: key, policy: policies.policy(for: key), authority: .warm, now: now)
                }
                outcome = .done(replies)
            }
            scheduler.after(nanoseconds: latency.nanoseconds / 2) { completion(outcome) }
        }
    }

    public func archive(_ leaving: LeavingTurns, completion: @escaping (Bool) -> Void) {
        scheduler.after(nanoseconds: latency.nanoseconds / 2) { [self] in
            let isKept = !refusesWrites
            if isKept { archives.keep(leaving.turns, of: leaving.key, leaving.id) }
            scheduler.after(nanoseconds: latency.nanoseconds / 2) { completion(isKept) }
        }
    }

    public func readArchive(
        of key: [UInt8], _ id: OperationID, from: Int64, completion: @escaping (ArchiveAnswer) -> Void
    ) {
        scheduler.after(nanoseconds: latency.nanoseconds) { [self] in
            if failsReads { return completion(.failed("input/output error")) }
            guard let archive = archives[key], archive.id == id else { return completion(.absent) }
            let turns = archive.turns.values.filter { $0.sequence >= from }.sorted { $0.sequence < $1.sequence }
            completion(.turns(turns, next: nil))
        }
    }

    public func removeAll(completion: @escaping (WarmOutcome) -> Void) {
        (copies, archives) = ([:], [:])
        scheduler.after(nanoseconds: latency.nanoseconds) { completion(.done([.ok])) }
    }

    public func scan(cursor: UInt64, count: Int, completion: @escaping (ScanPage?) -> Void) {
        let keys = copies.filter { $0.value.value.isAlive(at: scheduler.now) }.keys
        scheduler.after(nanoseconds: latency.nanoseconds) { completion(ScanPage(next: 0, keys: Array(keys))) }
    }

    public func scanAll(cursor: UInt64, count: Int, completion: @escaping (ScanPage?) -> Void) {
        let keys = Array(copies.keys)
        scheduler.after(nanoseconds: latency.nanoseconds) { completion(ScanPage(next: 0, keys: keys)) }
    }

    public func confirm(_ key: [UInt8], version: Int64, completion: @escaping (Bool) -> Void) {
        scheduler.after(nanoseconds: latency.nanoseconds) { [self] in
            let record = refusesWrites ? nil : copies[key]?.value.record
            completion(record.map { $0.version >= version } ?? false)
        }
    }

    public func keep(_ records: [(key: [UInt8], value: [UInt8])], completion: @escaping (Bool) -> Void) {
        scheduler.after(nanoseconds: latency.nanoseconds) { [self] in
            for record in records where !refusesWrites {
                copies[record.key] = WarmCopy(HeldValue(record.value), verifiedAt: scheduler.now)
            }
            completion(!refusesWrites)
        }
    }

    public func erase(_ keys: [ErasedKey], completion: @escaping (WarmOutcome) -> Void) {
        scheduler.after(nanoseconds: latency.nanoseconds / 2) { [self] in
            var removed: Int64 = 0
            for key in keys where !refusesWrites {
                archives[ArchiveKey.subject(of: key.bytes)] = nil
                guard let held = copies[key.bytes]?.value else { continue }
                if !held.isTombstone { removed += 1 }
                switch key.change(of: held, now: scheduler.now) {
                case .none: break
                case .put(let left): copies[key.bytes] = WarmCopy(left, verifiedAt: scheduler.now)
                case .remove: copies[key.bytes] = nil
                }
                key.bytes.withUnsafeBytes { _ = local.remove($0, hash: KeyHash($0)) }
            }
            let outcome = refusesWrites ? WarmOutcome.refused("no space left on device") : .done([.integer(removed)])
            scheduler.after(nanoseconds: latency.nanoseconds / 2) { completion(outcome) }
        }
    }

    private struct Space: KeySpace {
        var copies: [[UInt8]: WarmCopy]
        var archives: [[UInt8]: (id: OperationID, turns: [Int64: Turns.Turn])]
        let now: Timestamp
        var effects: [(key: [UInt8], change: Change)] = []

        func read(_ key: [UInt8]) -> HeldValue? { copies[key].map(\.value).flatMap { $0.isAlive(at: now) ? $0 : nil } }

        mutating func apply(_ change: Change, to key: [UInt8]) {
            switch change {
            case .none: return
            case .put(let value):
                let base = copies[key]?.value.record
                if let id = value.archiveID, let turns = value.record?.turnsArchived(since: base), !turns.isEmpty {
                    archives.keep(turns, of: key, id)
                } else if archives[key]?.id != value.archiveID {
                    archives[key] = nil
                }
                copies[key] = WarmCopy(value, verifiedAt: now)
            case .remove: (copies[key], archives[key]) = (nil, nil)
            }
            effects.append((key, change))
        }

        func countKeys() -> Int { copies.values.count { $0.value.isAlive(at: now) } }
        mutating func removeAll() { for key in copies.keys { apply(.remove, to: key) } }
    }
}

extension [[UInt8]: (id: OperationID, turns: [Int64: Turns.Turn])] {
    fileprivate mutating func keep(_ turns: [Turns.Turn], of key: [UInt8], _ id: OperationID) {
        if self[key]?.id != id { self[key] = (id, [:]) }
        for turn in turns { self[key]?.turns[turn.sequence] = turn }
    }
}
