// The breaker's own requests, so that no user's request pays for the test.

internal import Primitives
public import RedisTier
internal import Resilience

/// Makes the breaker's probes over one worker's connection, for all workers; belongs to that worker's thread.
public final class BreakerProber {
    private let tiers: Tiers
    private let redis: RedisConnection
    private let onAnswer: () -> Void
    private var timer: (any ScheduledTimer)?

    /// `onAnswer` runs after each probe was answered, or was not.
    public init(_ tiers: Tiers, redis: RedisConnection, onAnswer: @escaping () -> Void) {
        self.tiers = tiers
        self.redis = redis
        self.onAnswer = onAnswer
        timer = tiers.scheduler.makeTimer { [unowned self] in self.step() }
    }

    public func start() { timer?.start(afterMilliseconds: 10) }
    public func stop() { timer?.stop() }

    /// Makes the probes that are due, and comes again when the breaker wants attention.
    public func step() {
        let (probes, next) = tiers.breaker.probesDue(now: tiers.scheduler.monotonicNanoseconds)
        for probe in probes { send(probe) }
        timer?.start(afterMilliseconds: min(100, (next ?? .max) / 1_000_000 + 1))
    }

    /// PING for reads; for writes a write of a key of our own, since PING answers where writes fail and the reverse.
    private func send(_ probe: ProbeRequest) {
        var request = RequestEncoder()
        switch probe.operation {
        case .read: request.append("PING")
        case .write: request.append(["SET", "hearth:probe", "1", "PX", "10000"].map { Array($0.utf8) })
        }
        let scheduler = tiers.scheduler
        let breaker = tiers.breaker
        let sentAt = scheduler.monotonicNanoseconds
        redis.send(request, timeoutNanoseconds: redis.configuration.timeout.nanoseconds) { [self] result in
            let now = scheduler.monotonicNanoseconds
            let elapsed = scheduler.waitedNanoseconds(since: sentAt)
            switch result {
            case .failure(let failure): breaker.failed(probe.permit, failure, now: now, elapsed: elapsed)
            case .success(let replies):
                if case .error(let text) = replies[0] {
                    _ = breaker.judge(probe.permit, error: text, now: now, elapsed: elapsed)
                } else {
                    breaker.succeeded(probe.permit, now: now, elapsed: elapsed)
                }
            }
            step()
            onAnswer()
        }
    }
}
