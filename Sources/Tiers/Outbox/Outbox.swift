// Delivers the messages that wait in Redis for their streams, those of sidecars that never came back among them.
//
// DESIGN: one worker of each sidecar looks at the index every few seconds. What is named there refused at least one
// message before, so a stream is tried again with growing pauses; which sidecar's attempt succeeds first does not
// matter, since an attempt is one script. One request is under way at a time.

internal import LocalTier
internal import Primitives
internal import RedisTier
internal import Resilience
internal import State

/// What the log is told of the outbox.
public enum OutboxEvent: Sendable {
    /// A stream refuses its messages; said once, until it takes them again.
    case stuck(stream: [UInt8], reason: String, messages: Int)
    /// What waited for a stream has been delivered.
    case delivered(stream: [UInt8])
    /// Redis refuses the outbox's own commands (a permission); said once.
    case refused(String)
}

/// The deliverer of a process; belongs to its worker's thread.
public final class Outbox {
    /// A stream that refused a message.
    private struct Stuck {
        var backoff = FullJitterBackoff(first: .seconds(1), max: .seconds(60))
        var dueAt: Int64 = 0
    }

    /// How often the index is looked at while nothing waits, and while something does, in nanoseconds.
    private static let quietPause: Int64 = 5_000_000_000
    private static let busyPause: Int64 = 1_000_000_000

    private let tiers: Tiers
    private let onEvent: (OutboxEvent) -> Void
    private var random: SplitMix64
    private var stuck: [[UInt8]: Stuck] = [:]
    private var isUnderWay = false
    private var nextLook: Int64
    private var wasRefused = false
    private var figures: OutboxFigures { tiers.share.outbox }
    private var now: Int64 { tiers.scheduler.monotonicNanoseconds }

    public init(_ tiers: Tiers, seed: UInt64, onEvent: @escaping (OutboxEvent) -> Void) {
        self.tiers = tiers
        self.onEvent = onEvent
        random = SplitMix64(seed: seed)
        // Sidecars that start together do not look together.
        nextLook = tiers.scheduler.monotonicNanoseconds + Int64.random(in: 0...Self.quietPause, using: &random)
    }

    /// Does what is due; to be called often.
    public func step() {
        guard !isUnderWay else { return }
        if figures.takeNews() { nextLook = min(nextLook, now + Self.busyPause) }
        guard now >= nextLook, !tiers.breaker.refusesWrites else { return }
        look()
    }

    /// Which streams are waited for, since when, and by how many messages.
    private func look() {
        var request = RequestEncoder()
        let words = ["ZRANGE", "", "0", String(2 * OutboxScript.streamsMax), "WITHSCORES"].map { Array($0.utf8) }
        request.append([words[0], OutboxScript.index] + words[2...])
        send(request) { [self] replies in
            guard case .array(let pairs)? = replies?[0] else { return rest() }
            var streams: [[UInt8]] = []
            for index in stride(from: 0, to: pairs.count - 1, by: 2) {
                if case .string(let stream) = pairs[index] { streams.append(stream) }
            }
            let names = Set(streams)
            for stream in stuck.keys where !names.contains(stream) { stuck[stream] = nil }
            var waiting = OutboxFigures.Waiting()
            waiting.streams = streams.count
            if pairs.count > 1, case .string(let text) = pairs[1],
                let since = Double(String(decoding: text, as: UTF8.self))
            {
                waiting.since = Timestamp(milliseconds: Int64(since))
            }
            guard !streams.isEmpty else {
                figures.waiting = waiting
                return rest()
            }
            count(streams, waiting)
        }
    }

    private func count(_ streams: [[UInt8]], _ waiting: OutboxFigures.Waiting) {
        var request = RequestEncoder()
        for stream in streams { request.append("XLEN", OutboxScript.queue(of: stream)) }
        send(request) { [self] replies in
            guard let replies else { return rest() }
            var waiting = waiting
            for case .integer(let count) in replies { waiting.messages += Int(count) }
            figures.waiting = waiting
            deliver(streams[...])
        }
    }

    /// Tries the streams that are due in turn, a batch of each, until what they take is delivered.
    private func deliver(_ streams: ArraySlice<[UInt8]>, byDigest: Bool = true) {
        let due = streams.drop { stuck[$0]?.dueAt ?? 0 > now }
        guard let stream = due.first else { return rest() }
        let head =
            byDigest
            ? [Array("EVALSHA".utf8), OutboxScript.digest] : [Array("EVAL".utf8), Array(OutboxScript.text.utf8)]
        let keys = [OutboxScript.index, OutboxScript.queue(of: stream)]
        var request = RequestEncoder()
        request.append(head + [Array("2".utf8)] + keys + [stream, Array(String(OutboxScript.batchMax).utf8)])
        send(request) { [self] replies in
            guard let reply = replies?[0] else { return rest() }
            if byDigest, case .error(let text) = reply, text.starts(with: "NOSCRIPT".utf8) {
                return deliver(due, byDigest: false)
            }
            let isDone = didTry(stream, reply)
            deliver(isDone ? due.dropFirst() : due.dropFirst() + [stream])
        }
    }

    /// What came of a batch; whether there is no more to do for its stream now.
    private func didTry(_ stream: [UInt8], _ reply: Reply) -> Bool {
        guard case .array(let parts) = reply, parts.count == 3, case .integer(let delivered) = parts[0],
            case .integer(let left) = parts[1], case .string(let failure) = parts[2]
        else {
            failed(stream, reply, left: 0)
            return true
        }
        figures.retried.add(UInt64(delivered) + (failure.isEmpty ? 0 : 1))
        figures.delivered.add(UInt64(delivered))
        figures.waiting.messages = max(0, figures.waiting.messages - Int(delivered))
        if !failure.isEmpty {
            failed(stream, .error(failure), left: Int(left))
            return true
        }
        guard left == 0 else { return false }
        if stuck.removeValue(forKey: stream) != nil || delivered > 0 { onEvent(.delivered(stream: stream)) }
        return true
    }

    private func failed(_ stream: [UInt8], _ reply: Reply, left: Int) {
        figures.refused.add()
        let isNews = stuck[stream] == nil
        var entry = stuck[stream] ?? Stuck()
        entry.dueAt = now + entry.backoff.next(using: &random).nanoseconds
        stuck[stream] = entry
        guard isNews else { return }
        var reason = "an answer that is not the script's"
        if case .error(let text) = reply { reason = String(decoding: text, as: UTF8.self) }
        onEvent(.stuck(stream: stream, reason: reason, messages: left))
    }

    /// Until the next look.
    private func rest() {
        isUnderWay = false
        let pause = figures.waiting.streams > 0 ? Self.busyPause : Self.quietPause
        nextLook = now + pause / 2 + Int64.random(in: 0...pause / 2, using: &random)
    }

    /// Sends under the breaker; nil where Redis takes no writes now, or did not answer. `isUnderWay` until `rest`.
    private func send(_ request: RequestEncoder, _ completion: @escaping ([Reply]?) -> Void) {
        let startedAt = now
        guard let redis = tiers.redis, redis.state == .ready,
            let permit = tiers.breaker.admit(.write, now: startedAt)
        else { return rest() }
        isUnderWay = true
        redis.send(request, timeoutNanoseconds: tiers.limits.timeout) { [self] result in
            switch result {
            case .failure(let failure):
                tiers.breaker.failed(permit, failure, now: now, elapsed: nil)
                completion(nil)
            case .success(let replies):
                guard case .error(let text)? = replies.first(where: \.isError), !text.starts(with: "NOSCRIPT".utf8)
                else {
                    tiers.breaker.succeeded(permit, now: now, elapsed: nil)
                    wasRefused = false
                    return completion(replies)
                }
                guard tiers.breaker.judge(permit, error: text, now: now, elapsed: nil) else { return completion(nil) }
                if !wasRefused {
                    wasRefused = true
                    onEvent(.refused(String(decoding: text, as: UTF8.self)))
                }
                completion(replies)
            }
        }
    }
}
