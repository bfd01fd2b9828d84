// One trace under every rule at every size: the figures that a report is made of.

public import LocalTier

/// All replays of one trace.
public struct Study: Equatable, Sendable {
    /// One size of the cache, and what each rule made of it.
    public struct Row: Equatable, Sendable {
        /// The size as it was asked for: `10%` or `64MiB`.
        public let label: String
        /// One for each rule, in their order.
        public let results: [ReplayResult]
    }

    public let trace: String
    public let requests: Int
    public let reads: Int
    public let objects: Int
    /// Bytes that the arena would spend on all objects.
    public let footprint: Int
    public let rules: [EvictionRuleKind]
    public let shards: Int
    public let rows: [Row]

    /// Replays `trace`; sizes below what the tier needs are raised to it. `progress` hears of each replay before it.
    public init(
        _ trace: Trace, _ options: StudyOptions, progress: (String) -> Void = { _ in }
    ) throws(LocalTierError) {
        self.trace = trace.name
        requests = trace.requests.count
        reads = trace.reads
        objects = trace.objectCount
        footprint = trace.footprint
        rules = options.rules
        shards = options.shards
        var replay = Replay(shards: options.shards)
        var rows: [Row] = []
        for size in options.sizes {
            let (label, bytes) = Self.resolve(size, footprint: trace.footprint, shards: options.shards)
            var results: [ReplayResult] = []
            for rule in options.rules {
                progress("\(trace.name) at \(label) under \(rule.rawValue)")
                results.append(try replay.run(trace, rule: rule, bytes: bytes))
            }
            rows.append(Row(label: label, results: results))
        }
        self.rows = rows
    }

    private static func resolve(_ size: StudyOptions.Size, footprint: Int, shards: Int) -> (String, Int) {
        let least = Replay.bytesMin(shards: shards)
        switch size {
        case .share(let share):
            return ("\(Self.percent(share))%", max(least, Int((Double(footprint) * share).rounded())))
        case .bytes(let bytes):
            for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] where bytes % size == 0 {
                return ("\(bytes / size)\(unit)", max(least, bytes))
            }
            return ("\(bytes)", max(least, bytes))
        }
    }

    private static func percent(_ share: Double) -> String {
        let percent = (share * 1_000_000).rounded() / 10_000
        return percent == percent.rounded() ? "\(Int(percent))" : "\(percent)"
    }
}

/// The rule by which a default is chosen: the best on average that loses to LRU by more than so many points on nothing.
public struct Verdict: Equatable, Sendable {
    public static let pointsMax = 2.0

    public struct Candidate: Equatable, Sendable {
        public let rule: EvictionRuleKind
        /// The mean hit ratio over all traces and sizes.
        public let mean: Double
        /// The most that it loses to LRU anywhere, in points (hundredths); 0 when it loses nowhere.
        public let worstLoss: Double
        public let worstPlace: String
    }

    public let candidates: [Candidate]

    /// Nil where LRU, or a second rule, was not replayed.
    public init?(_ studies: [Study]) {
        guard let rules = studies.first?.rules, rules.count > 1, let lru = rules.firstIndex(of: .lru) else {
            return nil
        }
        candidates = rules.indices.map { index in
            var sum = 0.0
            var count = 0
            var worst = (loss: 0.0, place: "")
            for study in studies {
                for row in study.rows {
                    sum += row.results[index].hitRatio
                    count += 1
                    let loss = (row.results[lru].hitRatio - row.results[index].hitRatio) * 100
                    if loss > worst.loss { worst = (loss, "\(study.trace) at \(row.label)") }
                }
            }
            return Candidate(
                rule: rules[index], mean: sum / Double(count), worstLoss: worst.loss, worstPlace: worst.place)
        }
    }

    /// The best of those that lose to LRU by no more than two points anywhere.
    public var best: EvictionRuleKind? {
        candidates.filter { $0.worstLoss <= Self.pointsMax }.max { $0.mean < $1.mean }?.rule
    }
}
