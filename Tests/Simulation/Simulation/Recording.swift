// What Hearth asks of Redis in a run, and what the simulated one answers: for a comparison with the real one.

public import Primitives
public import TestSupport
internal import Tiers

/// Commands in the order in which the simulated Redis carried them out, their replies, and what it held at last.
public struct Recording: Sendable {
    public struct Exchange: Sendable {
        /// As they came, with the texts of scripts in the place of their digests.
        public let words: [[UInt8]]
        public let reply: Reply
    }

    public var exchanges: [Exchange] = []
    public var entries: [[UInt8]: SimulatedRedis.Entry] = [:]
}

extension World {
    /// Runs a plan, less what a Redis does that is told nothing: losing writes, ending keys, forgetting scripts.
    ///
    /// What Redis refused is left out, as it changed nothing.
    public static func record(_ plan: Plan) -> Recording {
        // The real one trims whole nodes.
        let world = World(plan, traced: nil, deletionsMax: 100_000)
        guard let redis = world.redis else { return Recording() }
        var recording = Recording()
        let texts = [
            ReplayScripts.digest: ReplayScripts.text, RecordScripts.digest: RecordScripts.text,
            OutboxScripts.digest: OutboxScripts.text,
        ]
        redis.onPerformed = { words, reply in
            if case .error(let error) = reply, Self.refusals.contains(where: { error.starts(with: $0.utf8) }) { return }
            var words = words
            if words[0] == bytes("EVALSHA"), let script = texts[words[1]] {
                (words[0], words[1]) = (bytes("EVAL"), bytes(script))
            }
            recording.exchanges.append(Recording.Exchange(words: words, reply: reply))
        }
        let kept = plan.steps.indices.filter { index in
            if case .fault(let fault) = plan.steps[index].action { !Self.unrecorded.contains(fault) } else { true }
        }
        _ = world.run(keeping: Set(kept))
        recording.entries = redis.entries
        return recording
    }

    private static let refusals = ["OOM", "READONLY", "MISCONF", "LOADING", "NOSCRIPT"]
    private static let unrecorded: Set<Fault> = [.failOver, .loseAll, .expireBetween]
}
