// Keys that every sidecar writes: what is read of them is compared with what Redis held, moment by moment.
//
// DESIGN: each value is written once, so that a value tells when it was true: from the moment Redis took it until the
// moment it took another, or its life ended. A strong read is right if Redis held its answer at one moment between the
// question and the answer (Redis is where it takes effect, so that is linearizability per key). A fresh answer under
// `bounded` is right if Redis held it no longer ago than `max_staleness`.

internal import Primitives
internal import State
internal import TestSupport
internal import Tiers

final class SharedKeys {
    private unowned let world: World
    private let redis: SimulatedRedis
    private var written: [String: Set<String>] = [:]
    private var nextValue = 0
    private var waiting: [Int: Int] = [:]
    var unanswered: Int { waiting.values.reduce(0, +) }

    init(_ world: World, _ redis: SimulatedRedis) {
        self.world = world
        self.redis = redis
    }

    // MARK: Writing

    func set(_ step: Step, _ sidecar: Sidecar, strong: Bool) {
        guard let process = sidecar.process else { return }
        let key = "\(strong ? "s" : "m"):\(step.key % 4)"
        nextValue += 1
        let value = "\(key)=\(nextValue)"
        written[key, default: []].insert(value)
        let startedAt = world.now
        waiting[sidecar.index, default: 0] += 1
        world.coverage.requests += 1
        process.workers[step.worker].perform([.set(key, value)], isTransaction: false) { [self] replies in
            guard !process.hasEnded else { return }
            waiting[sidecar.index, default: 0] -= 1
            let isThere = redis.history[bytes(key)]?.contains { $0.value == bytes(value) } ?? false
            switch Outcome(replies) {
            case .done where process.workers[step.worker].answersFromJournal:
                if strong { complain("a strong write of \(key) went into the journal") }
            case .done:
                if !isThere { complain("\(value) was acknowledged and Redis never had it") }
            case .not:
                if isThere { complain("\(value) was refused as not done, and Redis had it from \(startedAt)") }
            case .unknown: break
            case .strange(let words): complain("a write of \(key) was answered \(words)")
            }
        }
    }

    /// A process has ended: what it was asked is not answered.
    func forgetUnanswered(of sidecar: Int) { waiting[sidecar] = nil }

    // MARK: Reading

    func read(_ key: String, _ step: Step, _ sidecar: Sidecar, wasGiven: @escaping (String) -> Bool) {
        guard let process = sidecar.process else { return }
        let startedAt = world.now
        waiting[sidecar.index, default: 0] += 1
        world.coverage.requests += 1
        process.workers[step.worker].read(bytes(key), hash: hash(key)) { [self] reading in
            guard !process.hasEnded else { return }
            waiting[sidecar.index, default: 0] -= 1
            check(reading, key, startedAt: startedAt) { wasGiven($0) || self.written[key]?.contains($0) ?? false }
        }
    }

    private func check(_ reading: Reading, _ key: String, startedAt: Int64, wasGiven: (String) -> Bool) {
        let policy = world.policies.policy(for: bytes(key))
        let isStrong = policy.consistency == .strong
        world.coverage.note("checked \(isStrong ? "strong" : "bounded"): \(reading.freshness.rawValue)")
        if isStrong, reading.freshness == .stale || reading.source == .local || reading.source == .journal {
            return complain("a strong read of \(key) was answered \(reading.summary)")
        }
        let value = reading.value.map { text($0.bytes) }
        if let value, !wasGiven(value) { return complain("\(key) was read as \(value.prefix(16)), which nobody wrote") }
        guard value != nil || reading.content == .absent else { return }
        let bound = isStrong ? 0 : max(policy.maxStaleness, policy.negativeTTL).nanoseconds + Self.slack
        switch reading.freshness {
        case .fresh, .absent:
            guard reading.source != .journal else { return }
            guard let missed = distance(of: value, key, from: startedAt - bound) else { return }
            complain(
                "\(key) was read as \(value?.prefix(16) ?? "absent"), \(reading.summary), "
                    + (missed == .max ? "which Redis never held" : "\(missed / 1_000_000) ms after it was so"))
        case .stale:
            // What waits in the journal, or was given up, may be served before Redis has it.
            guard reading.source != .journal, let missed = distance(of: value, key, from: startedAt), missed != .max
            else { return }
            let limit = policy.staleIfError.nanoseconds + policy.maxStaleness.nanoseconds + Self.slack
            if missed > limit { complain("\(key) was served stale \(missed / 1_000_000) ms after it was so") }
        case .contextual, .unknown: break
        }
    }

    /// Milliseconds are rounded, and clocks are read once for several answers.
    private static let slack: Int64 = 5_000_000

    /// How long before `moment` the key last held `value` (nil: nothing); nil where it did so since, and `.max` where
    /// it never did.
    private func distance(of value: String?, _ key: String, from moment: Int64) -> Int64? {
        let wanted = value.map { bytes($0) }
        let history = redis.history[bytes(key)] ?? []
        if wanted == nil, history.first.map({ $0.at >= moment }) ?? true { return nil }
        let wallNow = redis.now
        var nearest = Int64.max
        for (index, held) in history.enumerated() {
            let next = index + 1 < history.count ? history[index + 1].at : Int64.max
            var (from, until) = (held.at, next)
            let over =
                held.expiresAt == .never
                ? Int64.max : world.now - wallNow.milliseconds(since: held.expiresAt) * 1_000_000
            switch (wanted, held.value) {
            case (nil, nil): break
            case (nil, _?): from = max(from, over)
            case (let wanted?, let value?) where wanted == value: until = min(until, over)
            default: continue
            }
            // Not less: of two writes in one moment the first was there for a read between them.
            guard from <= until else { continue }
            if until >= moment { return nil }
            nearest = min(nearest, moment - until)
        }
        return nearest
    }

    private func complain(_ text: String) { world.complain(text) }
}

func hash(_ key: String) -> KeyHash { bytes(key).withUnsafeBytes { KeyHash($0) } }

extension Reading {
    /// Where it came from and what it is marked as.
    var summary: String { "from \(source.rawValue), \(freshness.rawValue)\(reason.isEmpty ? "" : " (\(reason))")" }
}
