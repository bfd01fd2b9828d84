// What a policy says of tracking, and what all policies together ask of it.

/// How a sidecar hears of what others change (DESIGN: tracking).
public struct TrackingPolicy: Sendable, Equatable {
    public enum Mode: String, Sendable, CaseIterable {
        /// Redis remembers each key that was read, and tells of its next change.
        case keys
        /// Redis remembers nothing and tells of every change under the prefix.
        case prefix
        /// Changes of others are not heard of: time alone bounds how old a read may be.
        case off
    }

    public var mode = Mode.keys

    public init() {}
}

extension Policy {
    /// How Redis is asked to tell of changes of these keys; `off` where nothing would come of it.
    var effectiveTracking: TrackingPolicy.Mode {
        // A strong read asks Redis anyway; without a place in local memory there is nothing to invalidate.
        guard consistency != .strong, tiers.contains(.redis), tiers.contains(.local) else { return .off }
        return tracking.mode
    }

    /// Whether an entry may be answered for as long as invalidations are live.
    ///
    /// A bound below `PolicyTable.provableMin` is kept by time: proofs would have to follow each other too closely.
    var trustsInvalidations: Bool {
        consistency == .bounded && effectiveTracking != .off && maxStaleness >= PolicyTable.provableMin
    }
}

extension PolicyTable {
    /// The smallest `max_staleness` that is kept by proofs instead of time.
    public static let provableMin = Duration.milliseconds(100)

    /// The time within which a proof must follow the one before, and whether there is anything to prove.
    ///
    /// | max_staleness | a proof every | lost invalidations are noticed within |
    /// |---:|---:|---:|
    /// | 100 ms | 25 ms | 100 ms |
    /// | 1 s | 250 ms | 1 s |
    /// | 5 s | 1 s | 5 s |
    var proofBound: Duration? {
        let tracked = policies.filter { $0.effectiveTracking != .off }
        guard !tracked.isEmpty else { return nil }
        let bounds = tracked.filter(\.trustsInvalidations).map(\.maxStaleness)
        return min(bounds.min() ?? .seconds(60), .seconds(60))
    }

    /// How often everything is compared with Redis though invalidations are live; nil where no copy on disk needs it.
    var renewal: Duration? {
        let kept = policies.filter { $0.trustsInvalidations && $0.tiers.contains(.warm) && $0.staleIfError > .zero }
        guard let shortest = kept.map(\.staleIfError).min() else { return nil }
        return max(.seconds(1), shortest / 10)
    }

    /// The prefixes whose changes Redis is asked to broadcast, none of which begins another; nil where there are none.
    var broadcastPrefixes: [[UInt8]]? {
        var prefixes: [[UInt8]] = []
        // In byte order a prefix comes before what it begins.
        for policy in policies where policy.effectiveTracking == .prefix {
            if !prefixes.contains(where: { policy.prefix.starts(with: $0) }) { prefixes.append(policy.prefix) }
        }
        return prefixes.isEmpty ? nil : prefixes
    }
}
